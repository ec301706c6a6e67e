# SPDX-License-Identifier: Apache-2.0
"""A hostile tenant: requests whose end is doubtful, attributes and queries of wrong kinds on every route, what others' images tell,
clients that take places and give nothing, and servers that answer a fetch with anything."""

import html
import json
import socket
import threading
import time
import uuid
from contextlib import closing

import pytest

from tests.lib.image import PATCH, STREAM, create, fetching, send, show
from tests.lib.stack import free_ports, wait_until
from tests.service.test_walk import fill, operations

SERVICES = ["identity", "image"]
PORT = free_ports(["web"])["web"]
SETTINGS = {"image": {"service": {"idle_timeout": "3"}, "image": {"max_uploads": "8", "max_uploads_project": "3"},
                      **fetching(PORT, retries="0")}}


def connect(stack, size=None):
    link = socket.socket()
    if size:
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
    link.settimeout(20)
    link.connect(("127.0.0.1", int(stack.url("image").rsplit(":", 1)[1])))
    return link


def head(method, path, person, *lines):
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: x", f"X-Auth-Token: {person.token}", *lines, "", ""]).encode()


def read_all(link):
    got = b""
    try:
        while piece := link.recv(1 << 16):
            got += piece
    except ConnectionResetError:
        pass
    return got


# ---- where a request ends

@pytest.mark.parametrize("lines, body", [
    (("Content-Length: 5", "Transfer-Encoding: chunked"), b"0\r\n\r\nGET /versions HTTP/1.1\r\nHost: x\r\n\r\n"),
    (("Transfer-Encoding: chunked", "Content-Length: 3000000"), b"3\r\nabc\r\n0\r\n\r\nGET /versions HTTP/1.1\r\nHost: x\r\n\r\n"),
    (("Content-Length: 5", "Content-Length: 42"), b"abcdeGET /versions HTTP/1.1\r\nHost: x\r\n\r\n"),
    (("Content-Length: 5", "Content-Length: 5"), b"abcde"),
    (("Transfer-Encoding: gzip, chunked",), b"3\r\nabc\r\n0\r\n\r\n"),
    (("Transfer-Encoding: chunked", "Transfer-Encoding: identity"), b"3\r\nabc\r\n0\r\n\r\n"),
    (("Transfer-Encoding: identity",), b"abc"),
])
@pytest.mark.parametrize("path", ["/v2/images/{id}/file", "/v2/images/{id}/tags/x"])
def test_a_body_without_one_end_is_400_and_what_follows_is_not_a_request(stack, owner, path, lines, body):
    image = create(stack, owner)
    with closing(connect(stack)) as link:
        link.sendall(head("PUT", path.format(**image), owner, "Content-Type: application/octet-stream", *lines) + body)
        answer = read_all(link)
    assert answer.startswith(b"HTTP/1.1 400 ") and answer.count(b"HTTP/1.1 ") == 1
    assert b"Transfer-Encoding" in answer
    assert show(stack, owner, image)["status"] == "queued" and show(stack, owner, image)["tags"] == []


def test_a_part_of_the_data_is_not_taken_for_the_whole(stack, owner):
    image = create(stack, owner)
    assert send(stack, owner, image, b"abc", **{"Content-Range": "bytes 5-7/10"})[0] == 400
    assert show(stack, owner, image)["status"] == "queued"


@pytest.mark.parametrize("name, value, status, first, last", [
    ("Range", "bytes=2-99999999999999999999", 206, 2, 9), ("Range", "bytes=-99999999999999999999", 206, 0, 9),
    ("Range", "bytes=99999999999999999999-", 416, 0, 0), ("Range", "bytes=+1-2", 416, 0, 0), ("Range", "bytes=-0", 416, 0, 0),
    ("Range", "bytes=5-2", 416, 0, 0), ("Content-Range", "bytes 3-5/10", 206, 3, 5), ("Content-Range", "bytes 3-/*", 206, 3, 9),
    ("Content-Range", "bytes 10-12/*", 416, 0, 0),
])
def test_ranges_beyond_all_numbers(stack, owner, name, value, status, first, last):
    if not hasattr(owner, "ten"):
        owner.ten = create(stack, owner)
        assert send(stack, owner, owner.ten, b"0123456789")[0] == 204
    got, headers, body = stack.request("GET", "image", f"/v2/images/{owner.ten['id']}/file", token=owner.token, headers={name: value})
    assert got == status
    if status == 206:
        assert headers["Content-Range"] == f"bytes {first}-{last}/10" and headers["Content-Length"] == str(last - first + 1)


# ---- clients that take and do not give

def test_who_reads_nothing_and_sends_a_little_is_let_go(stack, owner):
    image = create(stack, owner)
    size = 24 << 20
    assert send(stack, owner, image, bytes(size))[0] == 204
    with closing(connect(stack, 4096)) as link:
        link.sendall(head("GET", f"/v2/images/{image['id']}/file", owner))
        got = len(link.recv(4096))
        time.sleep(0.5)
        link.sendall(b"x")
        time.sleep(6)  # idle for twice the time that is given
        got += len(read_all(link))
    assert got < size


def test_one_project_does_not_take_all_places_for_uploads(stack, owner, other):
    images, links = [create(stack, owner) for _ in range(4)], []
    try:
        for image in images[:3]:
            links.append(connect(stack))
            links[-1].sendall(head("PUT", f"/v2/images/{image['id']}/file", owner, "Content-Type: application/octet-stream", "Content-Length: 100") + b"x")
            wait_until(lambda image=image: show(stack, owner, image)["status"] == "saving", 10, "the upload did not begin")
        status, headers, _ = stack.request("PUT", "image", f"/v2/images/{images[3]['id']}/file", data=b"x", token=owner.token, headers=STREAM)
        assert status == 503 and headers["Retry-After"]
        assert show(stack, owner, images[3])["status"] == "queued"
        assert send(stack, other, create(stack, other), b"x")[0] == 204
    finally:
        for link in links:
            link.close()
    wait_until(lambda: send(stack, owner, images[3], b"x")[0] == 204, 10, "the places did not come back")


# ---- what others learn

def test_where_data_came_from_is_the_owners_business(stack, owner, other):
    image = create(stack, owner, visibility="community")
    secret = f"http://127.0.0.1:{PORT}/?key=secret"
    assert stack.request("POST", "image", f"/v2/images/{image['id']}/import", {"method": {"name": "web-download", "uri": secret}}, token=owner.token)[0] == 202
    path = f"/v2/images/{image['id']}/tasks"
    assert stack.call("GET", "image", path, token=owner.token)["tasks"][0]["input"]["import_req"]["method"]["uri"] == secret
    assert stack.call("GET", "image", path, token=stack.admin_token())["tasks"]
    assert stack.call("GET", "image", path, token=other.token) == {"tasks": []}


# ---- parsing: every route, every attribute, every query

WRONG = [None, True, 0, -1, 1.5, 2**62, "", "x", "é" * 300, "\x01", [], [1], [[]], {}, {"": ""}, {"name": 1}]
BODIES = {
    ("POST", "/v2/images"): {"name": "x", "id": "x", "visibility": "x", "protected": 1, "os_hidden": 1, "owner": 1, "container_format": 1, "disk_format": 1,
                             "min_ram": "", "min_disk": "", "tags": 1, "custom": 1},
    ("POST", "/v2/images/{image_id}/members"): {"member": 1},
    ("PUT", "/v2/images/{image_id}/members/{member_id}"): {"status": 1},
    ("POST", "/v2/images/{image_id}/import"): {"method": {"name": "web-download", "uri": "x"}, "stores": ["x"], "all_stores": False,
                                               "all_stores_must_succeed": True},
    ("POST", "/v2/images/{image_id}/locations"): {"url": "x", "validation_data": {"os_hash_algo": "sha512", "os_hash_value": "x"}},
    ("POST", "/internal/v1/images/{image_id}/ticket"): {"project_id": "x"},
    ("POST", "/v2/tasks"): {"type": "import", "input": {"import_from": "http://127.0.0.1/", "import_from_format": "raw", "image_properties": {}}},
    ("POST", "/v2/metadefs/namespaces"): {"namespace": "x", "display_name": "x", "description": "x", "visibility": "x", "protected": 1, "owner": 1,
                                          "properties": 1, "objects": 1, "tags": 1, "resource_type_associations": 1},
    ("POST", "/v2/metadefs/namespaces/{namespace}/objects"): {"name": "x", "description": "x", "required": [], "properties": {}},
    ("POST", "/v2/metadefs/namespaces/{namespace}/properties"): {
        "name": "x", "title": "x", "type": "string", "description": "x", "operators": [], "required": [], "minimum": 1, "maximum": 1, "enum": [],
        "pattern": "x", "default": "x", "minItems": 1, "uniqueItems": True, "items": {}, "additionalItems": True, "minLength": 1, "maxLength": 1,
        "readonly": True},
    ("POST", "/v2/metadefs/namespaces/{namespace}/tags"): {"tags": [{"name": "x"}]},
    ("POST", "/v2/metadefs/namespaces/{namespace}/resource_types"): {"name": "x", "prefix": "x", "properties_target": "x"},
}
for noun in ("objects", "properties", "tags"):
    item = BODIES[("POST", f"/v2/metadefs/namespaces/{{namespace}}/{noun}")]
    BODIES[("PUT", f"/v2/metadefs/namespaces/{{namespace}}/{noun}/{{name}}")] = {"name": "x"} if noun == "tags" else item
BODIES[("PUT", "/v2/metadefs/namespaces/{namespace}")] = BODIES[("POST", "/v2/metadefs/namespaces")]
INNER = {"method": ["name", "uri", "glance_region", "glance_image_id", "glance_service_interface"], "validation_data": ["os_hash_algo", "os_hash_value", "checksum"],
         "input": ["import_from", "import_from_format", "image_properties"]}
ALIAS = {"import_from_format": "disk_format", "tags": "'tag'"}  # what it becomes, what is in it
PAGING = ["limit", "marker", "sort_key", "sort_dir", "resource_type"]
PARAMETERS = ["limit", "marker", "sort_key", "sort_dir", "sort", "created_at", "updated_at", "size_min", "size_max", "size", "status", "name", "id", "tag",
              "visibility", "member_status", "os_hidden", "protected", "owner", "checksum", "os_hash_value", "disk_format", "min_ram", "custom",
              "resource_types", "resource_type", "image_id", "type", "ticket", "service", "after", "deleted", "is_public", "changes-since"]
VALUES = ["", "-1", "x", "99999999999999999999", "1e9", "0x10", "in:", "in:%22", "in:a,,b", "gt:", "gt:bogus", "bogus:1", ":", "neq:x", "%27%22%5C", "%00a",
          "%ff%fe", "%F0%9F%92%A9", "a" * 300, "in:" + ",".join("a" * 200), "%7B%7D", "{other}"]
IDS = ["x", "%ff%fe", "%01", "a" * 300, "%2e%2e", "%F0%9F%92%A9", "{mine}", "{others}", "{mine}%20", "%7B{mine}%7D"]


@pytest.fixture(scope="module")
def things(stack, owner, other):
    """An image and a namespace of the owner's that the routes are filled with, and another's private image."""
    image, foreign = create(stack, owner), create(stack, other, visibility="private")
    space = "n-" + uuid.uuid4().hex[:8]
    stack.call("POST", "image", "/v2/metadefs/namespaces", {"namespace": space}, token=stack.admin_token())
    return {"image_id": image["id"], "namespace": space, "member_id": other.project_id, "name": "x", "tag": "x", "store_id": "local", "task_id": image["id"],
            "project_id": "x", "others": foreign["id"]}


def text_of(body):
    return body if isinstance(body, str) else json.dumps(body) if body is not None else ""


def filled(path, things):
    for name, value in things.items():
        path = path.replace("{" + name + "}", value)
    return path


def words_of(body):
    return set().union(*({key or "property"} | (words_of(value) if isinstance(value, dict) else set()) for key, value in body.items()))


def variants(body):
    """(where the wrong value is, the body with it there)"""
    for name in body:
        for wrong in WRONG:
            yield name, {**body, name: wrong}
        for inner in INNER.get(name, []):
            for wrong in WRONG:
                yield inner, {**body, name: {**body[name], inner: wrong}}
        yield name, {key: value for key, value in body.items() if key != name}


def test_every_attribute_of_a_wrong_type_is_refused_by_its_name(stack, things):
    token, wrong = stack.admin_token(), []
    walked = {(method, path) for method, path, operation in operations(stack, "image") if operation.get("requestBody")}
    assert walked <= set(BODIES)
    for (method, path), body in BODIES.items():
        for name, bad in variants(body):
            status, _, answer = stack.request(method, "image", filled(path, things), bad, token=token)
            said = html.unescape(text_of(answer)).lower()
            if status >= 500 or (status == 400 and not any(word.lower() in said for word in {name, ALIAS.get(name)} | words_of(bad) if word)):
                wrong.append((method, path, name, bad.get(name), status, text_of(answer)[-200:]))
    assert wrong == []


def test_every_patch_of_a_wrong_kind_is_refused(stack, owner, things):
    path, wrong = f"/v2/images/{things['image_id']}", []
    names = ["name", "visibility", "protected", "os_hidden", "owner", "container_format", "disk_format", "min_ram", "min_disk", "tags", "custom", "id", "status",
             "size", "virtual_size", "checksum", "os_hash_algo", "os_hash_value", "locations", "self", "file", "schema", "stores", "created_at", "deleted_at",
             "os_glance_importing_to_stores", "os_glance_corrupt_stores", "tags/0", "tags/-", "locations/-", "a~2", "", "~", "//"]
    for name in names:
        for op in ("add", "replace", "remove", "test", "move", "copy", "", None, 5):
            for value in WRONG:
                change = {"op": op, "path": "/" + name, "from": "/name", "value": value}
                status, _, answer = stack.request("PATCH", "image", path, data=json.dumps([change]).encode(), token=owner.token, headers=PATCH)
                if status >= 500 or (status == 200 and name.startswith(("os_", "id", "s", "c", "~")) and name not in ("os_hidden", "custom", "container_format")):
                    wrong.append((change, status, text_of(answer)[-200:]))
                if op not in ("add", "replace"):
                    break
    assert wrong == []


def test_every_query_of_a_wrong_kind_is_refused_or_ignored(stack, owner, things):
    wrong, admin = [], stack.admin_token()
    for method, path, _ in operations(stack, "image"):
        if method != "GET" or path == "/v2/images/{image_id}/file":
            continue
        is_list = path in ("/v2/images", "/v2/tasks", "/v2/metadefs/namespaces", "/internal/v1/usage")
        for name in PARAMETERS if is_list else PAGING:
            for value in VALUES:
                query = f"{name}={value.replace('{other}', things['others'])}"
                status, _, _ = stack.request("GET", "image", f"{filled(path, things)}?{query}", token=admin)
                if status >= 500:
                    wrong.append((path, query, status))
    assert wrong == []
    for query in ("limit=1&limit=x", "&".join(["tag=a"] * 300), "&".join(f"p{i}=v" for i in range(300)), "&&&=&=x", "sort_key=id&" * 20, "name"):
        assert stack.request("GET", "image", f"/v2/images?{query}", token=owner.token)[0] < 500, query


def test_ids_of_odd_bytes_and_others_ids_are_as_if_they_were_not(stack, owner, things):
    wrong = []
    for method, path, _ in operations(stack, "image"):
        if "{" not in path:
            continue
        for value in IDS:
            value = value.replace("{mine}", str(uuid.uuid4())).replace("{others}", things["others"])
            status, _, answer = stack.request(method, "image", fill(path, value), token=owner.token, headers=PATCH if method == "PATCH" else STREAM,
                                              data=None if method == "GET" else b"[]" if method == "PATCH" else b"{}")
            if status >= 500 or (status < 300 and value == things["others"]):
                wrong.append((method, path, value, status, text_of(answer)[-200:]))
    assert wrong == []


def test_a_property_has_a_name(stack, owner):
    status, _, answer = stack.request("POST", "image", "/v2/images", {"": "x"}, token=owner.token)
    assert status == 400 and "name" in text_of(answer)


# ---- what a fetched server may say

ANSWERS = {
    "flood": b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: %s\r\n" % (i, b"a" * 1000) for i in range(100)) + b"Content-Length: 3\r\n\r\nabc",
    "endless 1xx": b"HTTP/1.1 102 Processing\r\n\r\n" * 4000 + b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
    "trailers": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n" + b"X: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n" * 3000 + b"\r\n",
    "partial": b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-2/9\r\nContent-Length: 3\r\n\r\nabc",
    "short": b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc",
    "file": b"HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n",
    "gopher": b"HTTP/1.1 302 Found\r\nLocation: gopher://127.0.0.1:%d/x\r\nContent-Length: 0\r\n\r\n" % PORT,
    "another port": b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:22/\r\nContent-Length: 0\r\n\r\n",
    "round": b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:%d/round\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % PORT,
    "0.9": b"abc",
    "not http": b"SSH-2.0-OpenSSH_9.2\r\n",
}


@pytest.fixture(scope="module")
def web():
    """A server that says what its client asks for by the path, and closes."""
    server = socket.create_server(("127.0.0.1", PORT))

    def answer(link):
        with closing(link):
            try:
                name = link.recv(4096).split(b" ")[1][1:].decode().replace("%20", " ")
                link.sendall(ANSWERS.get(name, b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"))
                link.shutdown(socket.SHUT_WR)
                link.recv(1)
            except (OSError, IndexError):
                pass

    def serve():
        while True:
            try:
                link, _ = server.accept()
            except OSError:
                return
            link.settimeout(5)
            threading.Thread(target=answer, args=(link,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    yield f"http://127.0.0.1:{PORT}/"
    server.close()


@pytest.mark.parametrize("name", ANSWERS)
def test_a_hostile_server_gives_no_image(stack, owner, web, name):
    image = create(stack, owner)
    body = {"method": {"name": "web-download", "uri": web + name.replace(" ", "%20")}}
    assert stack.request("POST", "image", f"/v2/images/{image['id']}/import", body, token=owner.token)[0] == 202
    path = f"/v2/images/{image['id']}/tasks"
    wait_until(lambda: stack.call("GET", "image", path, token=owner.token)["tasks"][0]["status"] in ("failure", "success"), 20, "the fetch did not end")
    task = stack.call("GET", "image", path, token=owner.token)["tasks"][0]
    assert task["status"] == "failure" and "passwd" not in task["message"]
    assert show(stack, owner, image)["status"] == "queued"
