# SPDX-License-Identifier: Apache-2.0
"""Locations: by PATCH where they are shown, and by the API of 2.17. What a URL names is fetched and judged before it is an image's."""

import hashlib
import http.server
import os
import threading
import urllib.request
from urllib.parse import urlsplit

import pytest

from tests.lib.image import PATCH, STREAM, create, fetching, show
from tests.lib.stack import free_ports, wait_until

SERVICES = ["identity", "image"]
PORT = free_ports(["web"])["web"]
SETTINGS = {
    "image": {
        "image": {"show_multiple_locations": "true"},
        "stores": {"enabled": "local:file, spare:file"},
        **fetching(PORT),
    }
}
DATA = os.urandom(300_000)
SHA512, SHA256, MD5 = (hashlib.new(name, DATA).hexdigest() for name in ("sha512", "sha256", "md5"))


class Pages(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        path = urlsplit(self.path).path
        self.server.asked[path] = self.server.asked.get(path, 0) + 1
        data = {"/disk": DATA, "/copy": DATA, "/other": DATA[:-1] + b"?", "/endless": DATA * 20}.get(path)
        if path == "/stumbling" and self.server.asked[path] > 2:
            data = DATA
        self.send_response(200 if data else 503 if path == "/stumbling" else 404)
        self.send_header("Content-Length", str(len(data or b"")))
        self.end_headers()
        self.wfile.write(data or b"")

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def web():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", PORT), Pages)
    server.asked = {}
    threading.Thread(target=server.serve_forever, daemon=True).start()
    server.url = f"http://127.0.0.1:{PORT}"
    yield server
    server.shutdown()


def fetch(stack, person, image):
    request = urllib.request.Request(stack.url("image") + image["file"], headers={"X-Auth-Token": person.token})
    with urllib.request.urlopen(request, timeout=30) as reply:
        return reply.read()


def patch(stack, token, image, *changes):
    return stack.request("PATCH", "image", f"/v2/images/{image['id']}", list(changes), token=token, headers=PATCH)


def add(stack, person, image, url, metadata=None, at="-", **more):
    value = {"url": url, "metadata": metadata or {}, **more}
    return patch(stack, person.token, image, {"op": "add", "path": f"/locations/{at}", "value": value})


def located(stack, person, url):
    image = create(stack, person)
    assert add(stack, person, image, url, {"foo": "bar"})[0] == 200
    return image


def post(stack, token, image, body):
    return stack.request("POST", "image", f"/v2/images/{image['id']}/locations", body, token=token)[0]


def eventually(condition, seconds=20):
    wait_until(condition, seconds, f"the condition did not hold within {seconds} s")


def last_task(stack, person, image):
    return stack.call("GET", "image", f"/v2/images/{image['id']}/tasks", token=person.token)["tasks"][-1]


def test_a_location_is_fetched_and_becomes_the_images_data(stack, owner, web):
    image = create(stack, owner)
    assert image["locations"] == []
    status, _, now = add(stack, owner, image, web.url + "/disk", {"foo": "bar"})
    assert (status, now["status"], now["size"], now["os_hash_value"], now["checksum"]) == (200, "active", len(DATA), SHA512, MD5)
    assert now["locations"] == [{"url": web.url + "/disk", "metadata": {"foo": "bar"}}] and now["stores"] == "local"
    asked = web.asked["/disk"]
    assert fetch(stack, owner, image) == DATA and web.asked["/disk"] == asked
    listed = stack.call("GET", "image", f"/v2/images?id={image['id']}", token=owner.token)["images"]
    assert [i["locations"] for i in listed] == [now["locations"]]
    rows = stack.sql("image", "SELECT quantity FROM usage_interval WHERE resource_id = %s AND to_us IS NULL", image["id"])
    assert [r["quantity"] for r in rows] == [len(DATA)]
    told = last_task(stack, owner, image)
    assert (told["type"], told["status"], told["input"]["loc_url"]) == ("location_import", "success", web.url + "/disk")


def test_more_locations_must_have_the_same_bytes(stack, owner, web):
    image = located(stack, owner, web.url + "/disk")
    assert add(stack, owner, image, web.url + "/other")[0] == 400
    assert add(stack, owner, image, web.url + "/endless")[0] in (400, 413)
    assert add(stack, owner, image, web.url + "/none")[0] == 400
    assert add(stack, owner, image, web.url + "/disk")[0] == 400, "twice the same"
    assert add(stack, owner, image, web.url + "/copy", at="0")[0] == 400
    assert len(show(stack, owner, image)["locations"]) == 1
    status, _, now = add(stack, owner, image, web.url + "/copy", {"speed": "88mph"}, at="1")
    assert (status, now["status"], [x["url"] for x in now["locations"]]) == (200, "active", [web.url + "/disk", web.url + "/copy"])
    assert len(stack.sql("image", "SELECT 1 FROM usage_interval WHERE resource_id = %s", image["id"])) == 1
    eventually(lambda: not os.listdir(stack.cloud.dir("images", "tmp")))


def test_locations_are_described_anew_and_removed_but_for_the_last(stack, owner, web):
    image = located(stack, owner, web.url + "/disk")
    assert add(stack, owner, image, web.url + "/disk#new", {"speed": "88mph"})[0] == 200
    old = show(stack, owner, image)["locations"]
    assert patch(stack, owner.token, image, {"op": "replace", "path": "/locations", "value": old})[0] == 200
    old[0]["metadata"]["date"] = "2015-10-15"
    assert patch(stack, owner.token, image, {"op": "replace", "path": "/locations", "value": old})[2]["locations"] == old
    for value in ([], [old[0]], [old[0], {"url": web.url + "/other", "metadata": {}}], [*old, old[0]], "x", [1, 2]):
        assert patch(stack, owner.token, image, {"op": "replace", "path": "/locations", "value": value})[0] == 400, value
    assert show(stack, owner, image)["locations"] == old
    rename = {"op": "replace", "path": "/name", "value": "n"}
    assert patch(stack, owner.token, image, rename, {"op": "remove", "path": "/locations/0"})[0] == 400
    for position, status in (("2", 400), ("x", 400), ("0", 200), ("0", 403), ("-", 403)):
        assert patch(stack, owner.token, image, {"op": "remove", "path": f"/locations/{position}"})[0] == status
    now = show(stack, owner, image)
    assert (now["locations"], now["status"], now["os_hash_value"]) == ([old[1]], "active", SHA512)


@pytest.mark.parametrize(
    "url", ["gopher://info.example/", "file:///etc/passwd", "http://127.0.0.1:22/", "http://u:p@127.0.0.1:{port}/disk", "", "http://" + "x" * 300, 7]
)
def test_what_is_no_good_url_is_refused(stack, owner, web, url):
    image = create(stack, owner)
    url = url.format(port=PORT) if isinstance(url, str) else url  # the processes of a parallel run have other ports
    assert add(stack, owner, image, url)[0] == 400
    assert post(stack, owner.token, image, {"url": url}) in (400, 403)
    now = show(stack, owner, image)
    assert (now["status"], now["locations"]) == ("queued", [])


def test_what_is_promised_of_a_location_is_verified(stack, owner, web):
    image = create(stack, owner)
    url = web.url + "/disk"
    bad = [
        ({"os_hash_algo": "sha512", "os_hash_value": "deadbeef" * 16, "checksum": "1" * 32}, 400),
        ({"os_hash_algo": "sha512", "os_hash_value": SHA512, "checksum": "1" * 32}, 400),
        ({"os_hash_algo": "sha512", "os_hash_value": SHA256}, 409),
        ({"os_hash_algo": "sha1", "os_hash_value": "1" * 40}, 409),
        ({"os_hash_algo": "sha512", "os_hash_value": SHA512, "checksum": "zz"}, 409),
        ({"os_hash_value": SHA512}, 400),
        ({"os_hash_algo": "sha512", "os_hash_value": SHA512, "more": "x"}, 400),
    ]
    for promise, status in bad:
        assert add(stack, owner, image, url, validation_data=promise)[0] == status, promise
    assert show(stack, owner, image)["status"] == "queued"
    good = {"os_hash_algo": "sha256", "os_hash_value": SHA256.upper(), "checksum": MD5}
    now = add(stack, owner, image, url, validation_data=good)[2]
    assert (now["status"], now["os_hash_algo"], now["os_hash_value"], now["checksum"]) == ("active", "sha256", SHA256, MD5)
    assert "validation_data" not in now["locations"][0]
    assert fetch(stack, owner, image) == DATA
    differs = {"os_hash_algo": "sha512", "os_hash_value": SHA512}
    assert add(stack, owner, image, url + "#2", validation_data=differs)[0] == 409
    assert add(stack, owner, image, url + "#2", validation_data=good)[0] == 200


def test_the_new_api_fetches_in_the_background(stack, owner, web):
    image, other = create(stack, owner), stack.person()
    path = f"/v2/images/{image['id']}/locations"
    service = stack.service_token()
    assert stack.call("GET", "image", path, token=service) == []
    assert post(stack, other.token, image, {"url": web.url + "/disk"}) == 404
    reader = stack.person(role="reader")
    assert post(stack, reader.token, create(stack, owner, visibility="community"), {"url": web.url + "/disk"}) == 403
    assert post(stack, owner.token, image, {"url": "s3://bucket/x"}) == 403
    assert post(stack, service, image, {"url": "s3://bucket/x"}) == 400
    for body in ({}, {"url": 1}, {"url": web.url + "/disk", "validation_data": {"os_hash_algo": "sha512", "os_hash_value": "12"}},
                 {"url": web.url + "/disk", "validation_data": {"os_hash_algo": "sha123", "os_hash_value": SHA512}}):
        assert post(stack, owner.token, image, body) == 400, body
    wrong = {"os_hash_algo": "sha512", "os_hash_value": "0" * 128}
    assert post(stack, owner.token, image, {"url": web.url + "/disk", "validation_data": wrong}) == 202
    eventually(lambda: last_task(stack, owner, image)["status"] == "failure")
    assert "os_hash_value" in last_task(stack, owner, image)["message"] and show(stack, owner, image)["status"] == "queued"
    assert stack.call("GET", "image", path, token=service) == []
    promise = {"os_hash_algo": "sha256", "os_hash_value": SHA256}
    assert post(stack, owner.token, image, {"url": web.url + "/disk", "validation_data": promise}) == 202
    eventually(lambda: show(stack, owner, image)["status"] == "active")
    assert show(stack, owner, image)["os_hash_value"] == SHA256
    assert stack.call("GET", "image", path, token=service) == [{"url": web.url + "/disk", "metadata": {}}]
    assert stack.request("GET", "image", path, token=owner.token)[0] == 403
    assert post(stack, owner.token, image, {"url": web.url + "/disk"}) == 409


def test_a_server_that_stumbles_is_asked_again(stack, owner, web):
    image = create(stack, owner)
    assert add(stack, owner, image, web.url + "/stumbling")[2]["status"] == "active" and web.asked["/stumbling"] == 3
    assert add(stack, owner, create(stack, owner), web.url + "/none2")[0] == 400 and web.asked["/none2"] == 1


def test_uploaded_data_is_located_in_its_stores(stack, owner, web):
    image = create(stack, owner, visibility="community")
    path = f"/v2/images/{image['id']}/file"
    assert stack.request("PUT", "image", path, data=DATA, token=owner.token, headers=STREAM)[0] == 204
    [place] = show(stack, owner, image)["locations"]
    assert place["url"].startswith("file://") and place["metadata"] == {"store": "local"}
    assert "locations" not in show(stack, stack.person(), image), "another project is told where"
    assert add(stack, owner, image, web.url + "/disk")[0] == 200
    assert [x["url"] for x in show(stack, owner, image)["locations"]] == [place["url"], web.url + "/disk"]
    assert patch(stack, owner.token, image, {"op": "remove", "path": "/locations/0"})[0] == 403
    assert patch(stack, owner.token, image, {"op": "remove", "path": "/locations/1"})[0] == 200
    admin = stack.admin_token()
    body = {"method": {"name": "copy-image"}, "stores": ["spare"]}
    assert stack.request("POST", "image", f"/v2/images/{image['id']}/import", body, token=admin)[0] == 202
    eventually(lambda: len(show(stack, owner, image)["locations"]) == 2)
    eventually(lambda: "os_glance_import_task" not in show(stack, owner, image))
    assert patch(stack, admin, image, {"op": "remove", "path": "/locations/0"})[0] == 200
    assert show(stack, owner, image)["stores"] == "spare"


def test_nobody_else_changes_locations(stack, owner, web):
    image, other = located(stack, owner, web.url + "/disk"), stack.person()
    assert add(stack, other, image, web.url + "/copy")[0] == 404
    assert patch(stack, owner.token, image, {"op": "replace", "path": "/visibility", "value": "community"})[0] == 200
    assert add(stack, other, image, web.url + "/copy")[0] == 403
    assert patch(stack, other.token, image, {"op": "remove", "path": "/locations/0"})[0] == 403
    stack.request("DELETE", "image", f"/v2/images/{image['id']}", token=owner.token)
    assert not stack.sql("image", "SELECT 1 FROM image_url WHERE image_id = %s", image["id"])
