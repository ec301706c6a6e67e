# SPDX-License-Identifier: Apache-2.0
"""Interoperable import: staged data, and data fetched from a URL."""

import hashlib
import http.server
import os
import threading
import urllib.request

import pytest

from tests.lib.image import STREAM, create, fetching, show
from tests.lib.stack import free_ports, wait_until

SERVICES = ["identity", "image"]
INSTANCES = {"image": 2}
PORT = free_ports(["web"])["web"]
SETTINGS = {"image": fetching(PORT)}
DATA = os.urandom(2_000_000)


class Pages(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/away":
            self.send_response(302)
            self.send_header("Location", "http://127.0.0.1:1/elsewhere")
            self.end_headers()
            return
        self.send_response(200 if self.path in ("/disk", "/slow") else 404)
        self.send_header("Content-Length", str(len(DATA)))
        self.end_headers()
        self.wfile.write(DATA[:1000])
        if self.path == "/slow":
            self.server.hold.wait(60)
        self.wfile.write(DATA[1000:])

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def web():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", PORT), Pages)
    server.hold = threading.Event()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    server.url = f"http://127.0.0.1:{PORT}"
    yield server
    server.hold.set()
    server.shutdown()


def ask(stack, person, image, name, **more):
    return stack.request("POST", "image", f"/v2/images/{image['id']}/import", {"method": {"name": name, **more}}, token=person.token)


def task(stack, person, image):
    return stack.call("GET", "image", f"/v2/images/{image['id']}/tasks", token=person.token)["tasks"][-1]


def stage(stack, person, image, data):
    return stack.request("PUT", "image", f"/v2/images/{image['id']}/stage", data=data, token=person.token, headers=STREAM)[0]


def eventually(condition, seconds=20):
    wait_until(condition, seconds, f"the condition did not hold within {seconds} s")


def test_staged_data_becomes_the_images(stack, owner):
    image = create(stack, owner)
    assert ask(stack, owner, image, "glance-direct")[0] == 409
    assert stage(stack, owner, image, DATA) == 204
    now = show(stack, owner, image)
    assert (now["status"], now["size"], now["checksum"]) == ("uploading", None, None)
    assert stage(stack, owner, image, b"again") == 409
    assert stack.request("GET", "image", image["file"], token=owner.token)[0] == 204
    # Long after, the staged bytes are still there.
    stack.sql("image", "UPDATE blob SET created_at = now() - interval '1 hour'")
    stack.sql("image", "INSERT INTO blob (digest, size, created_at) VALUES (%s, 0, now() - interval '1 hour')", "0" * 128)
    eventually(lambda: not stack.sql("image", "SELECT 1 FROM blob WHERE digest = %s", "0" * 128))
    status, headers, _ = ask(stack, owner, image, "glance-direct")
    assert status == 202
    now = show(stack, owner, image)
    assert (now["status"], now["size"], now["os_hash_value"]) == ("active", len(DATA), hashlib.sha512(DATA).hexdigest())
    told = task(stack, owner, image)
    assert (told["status"], told["request_id"]) == ("success", headers["X-Openstack-Request-Id"])
    assert ask(stack, owner, image, "glance-direct")[0] == 409
    rows = stack.sql("image", "SELECT quantity FROM usage_interval WHERE resource_id = %s AND to_us IS NULL", image["id"])
    assert [r["quantity"] for r in rows] == [len(DATA)]


def test_what_one_process_staged_another_imports_and_serves(stack, owner):
    image, data = create(stack, owner), os.urandom(300_000)
    assert stage(stack, owner, image, data) == 204
    body = {"method": {"name": "glance-direct"}}
    assert stack.request("POST", "image-2", f"/v2/images/{image['id']}/import", body, token=owner.token)[0] == 202
    assert show(stack, owner, image)["status"] == "active"
    ticket = stack.call("POST", "image-2", f"/internal/v1/images/{image['id']}/ticket", {"project_id": owner.project_id}, token=stack.service_token())
    with urllib.request.urlopen(ticket["url"], timeout=10) as reply:  # its base is the first process
        assert reply.read() == data
    assert stack.request("DELETE", "image-2", f"/v2/images/{image['id']}", token=owner.token)[0] == 204
    assert stack.request("GET", "image", image["file"], token=owner.token)[0] == 404


def test_a_staged_image_may_be_deleted(stack, owner):
    image = create(stack, owner)
    assert stage(stack, owner, image, os.urandom(1000)) == 204
    assert stack.request("DELETE", "image", f"/v2/images/{image['id']}", token=owner.token)[0] == 204
    stack.sql("image", "UPDATE blob SET created_at = now() - interval '1 hour'")
    eventually(lambda: not stack.sql("image", "SELECT 1 FROM blob WHERE size = 1000"))


def test_data_is_fetched_from_a_url(stack, owner, web):
    image = create(stack, owner)
    assert ask(stack, owner, image, "web-download", uri=web.url + "/disk")[0] == 202
    eventually(lambda: show(stack, owner, image)["status"] == "active")
    assert show(stack, owner, image)["checksum"] == hashlib.md5(DATA).hexdigest()
    assert task(stack, owner, image)["status"] == "success"


@pytest.mark.parametrize("path", ["/none", "/away"])
def test_a_failed_fetch_says_so_and_may_be_tried_again(stack, owner, web, path):
    image = create(stack, owner)
    assert ask(stack, owner, image, "web-download", uri=web.url + path)[0] == 202
    eventually(lambda: task(stack, owner, image)["status"] == "failure")
    now = show(stack, owner, image)
    assert (now["status"], now["os_glance_failed_import"]) == ("queued", "local") and task(stack, owner, image)["message"]
    assert ask(stack, owner, image, "web-download", uri=web.url + "/disk")[0] == 202
    eventually(lambda: show(stack, owner, image)["status"] == "active")
    now = show(stack, owner, image)
    assert (now["os_glance_failed_import"], now["os_glance_importing_to_stores"]) == ("", "") and "os_glance_import_task" not in now


@pytest.mark.parametrize("method, status", [
    ({"name": "web-download", "uri": "file:///etc/passwd"}, 400), ({"name": "web-download", "uri": "ftp://host/x"}, 400),
    ({"name": "web-download", "uri": "http://127.0.0.1:22/"}, 400), ({"name": "web-download", "uri": "http://u:p@host/"}, 400),
    ({"name": "web-download"}, 400), ({"name": "copy-image"}, 409), ({}, 400), ("x", 400)])
def test_what_import_refuses(stack, owner, method, status):
    image = create(stack, owner)
    answer = stack.request("POST", "image", f"/v2/images/{image['id']}/import", {"method": method}, token=owner.token)
    assert answer[0] == status and show(stack, owner, image)["status"] == "queued"


def test_kill_9_in_a_fetch_fails_its_task(stack, owner, web):
    image = create(stack, owner)
    assert ask(stack, owner, image, "web-download", uri=web.url + "/slow")[0] == 202
    assert show(stack, owner, image)["status"] == "importing"
    stack.kill("image")
    stack.start("image")
    eventually(lambda: stack.request("GET", "image", "/v2/images", token=owner.token)[0] == 200)
    eventually(lambda: show(stack, owner, image)["status"] == "queued", 30)
    assert task(stack, owner, image)["status"] == "failure"


def test_without_leave_private_addresses_are_not_fetched(stack, owner, web):
    """The same service with the default settings."""
    from tests.lib.stack import Stack
    with Stack(["identity", "image"], settings={"image": {"import": {"ports": f"80,443,{PORT}"}}}) as strict:
        person = strict.person()
        # One address in the ways that resolvers read it.
        hosts = ["127.0.0.1", "localhost", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "127.0.0.1.", "0", "0.0.0.0", "[::ffff:127.0.0.1]", "[::1]",
                 "[::127.0.0.1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]"]
        for host in hosts:
            image = create(strict, person)
            assert ask(strict, person, image, "web-download", uri=f"http://{host}:{PORT}/disk")[0] in (202, 400), host
            if (tasks := strict.call("GET", "image", f"/v2/images/{image['id']}/tasks", token=person.token)["tasks"]):
                eventually(lambda image=image: task(strict, person, image)["status"] != "processing")
                assert task(strict, person, image)["status"] == "failure", (host, tasks)
            assert show(strict, person, image)["status"] == "queued", host
        for url in (f"http://a:b@8.8.8.8:{PORT}/", "http://8.8.8.8:22/", "file:///etc/passwd", "ftp://8.8.8.8/", "http:///x", "http://8.8.8.8:0x50/", "//8.8.8.8/"):
            assert ask(strict, person, create(strict, person), "web-download", uri=url)[0] == 400, url
        # An operator's own networks, though others of their kind are allowed.
        open_but = {"ports": f"80,443,{PORT}", "allow_private": "true", "refused_networks": "203.0.113.0/24, 127.0.0.0/28"}
        strict.restart("image", {"import": open_but})
        image = create(strict, person)
        assert ask(strict, person, image, "web-download", uri=f"{web.url}/disk")[0] == 202
        eventually(lambda: task(strict, person, image)["status"] == "failure")
        strict.restart("image", {"import": open_but | {"refused_networks": "203.0.113.0/24, 127.0.0.16/28"}})
        assert ask(strict, person, image, "web-download", uri=f"{web.url}/disk")[0] == 202
        eventually(lambda: show(strict, person, image)["status"] == "active")


def patched(stack, person, image, **values):
    changes = [{"op": "add", "path": f"/{name}", "value": value} for name, value in values.items()]
    headers = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
    return stack.request("PATCH", "image", f"/v2/images/{image['id']}", changes, token=person.token, headers=headers)[0]


def test_data_may_be_staged_before_its_formats_are_known(stack, owner):
    image = stack.call("POST", "image", "/v2/images", {"name": "later"}, token=owner.token)
    assert stage(stack, owner, image, DATA) == 204
    assert ask(stack, owner, image, "glance-direct")[0] == 409
    assert patched(stack, owner, image, disk_format="qcow2", container_format="bare") == 200
    # What was said stays said, and it was wrong.
    assert patched(stack, owner, image, disk_format="raw") == 403
    assert ask(stack, owner, image, "glance-direct")[0] == 400
    image = stack.call("POST", "image", "/v2/images", {"name": "later"}, token=owner.token)
    assert stage(stack, owner, image, DATA) == 204
    assert patched(stack, owner, image, disk_format="raw", container_format="bare") == 200
    assert ask(stack, owner, image, "glance-direct")[0] == 202
    now = show(stack, owner, image)
    assert (now["status"], now["checksum"]) == ("active", hashlib.md5(DATA).hexdigest())


def test_what_is_dangerous_is_not_staged(stack, owner):
    image = stack.call("POST", "image", "/v2/images", {"name": "bad"}, token=owner.token)
    assert stage(stack, owner, image, b"LUKS\xba\xbe" + bytes(1000)) == 400
    eventually(lambda: show(stack, owner, image)["status"] == "queued")


def test_staged_data_that_is_never_imported_goes(stack, owner):
    image = create(stack, owner)
    assert stage(stack, owner, image, b"forgotten" * 1000) == 204
    sha512 = hashlib.sha512(b"forgotten" * 1000).hexdigest()
    stack.sql("image", f"UPDATE image SET staged_at = now() - interval '2 days' WHERE id = '{image['id']}'")
    stack.sql("image", f"UPDATE blob SET created_at = now() - interval '1 hour' WHERE digest = '{sha512}'")
    eventually(lambda: show(stack, owner, image)["status"] == "queued")
    eventually(lambda: not stack.sql("image", f"SELECT FROM blob WHERE digest = '{sha512}'"))
    assert stage(stack, owner, image, DATA) == 204


def test_slow_servers_keep_only_the_one_waiting_who_named_them(stack, web):
    slow, other = stack.person(), stack.person()
    web.hold.clear()
    try:
        for _ in range(10):
            assert ask(stack, slow, create(stack, slow), "web-download", uri=web.url + "/slow")[0] == 202
        image = create(stack, other)
        assert ask(stack, other, image, "web-download", uri=web.url + "/disk")[0] == 202
        eventually(lambda: show(stack, other, image)["status"] == "active")
    finally:
        web.hold.set()
    eventually(lambda: {i["status"] for i in stack.call("GET", "image", "/v2/images", token=slow.token)["images"]} == {"active"}, 60)
