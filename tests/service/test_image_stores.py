# SPDX-License-Identifier: Apache-2.0
"""Several stores, one of them behind S3: where images go, how they get to more stores, and what clients are told."""

import collections
import hashlib
import http.client
import os
import socket
import threading
import time
import urllib.error
import uuid
from pathlib import Path

import pytest

from tests.lib.image import create, send, show
from tests.lib.s3 import MIN_PART, S3
from tests.lib.stack import free_ports, wait_until

SERVICES = ["identity", "image"]
PORT = free_ports(["s3"])["s3"]
REMOTE = S3(PORT)
PLACES = {"stores": {"enabled": "local:file, archive:s3, spare:file", "default": "local"}, "store:archive": {"description": "far away", **REMOTE.settings()},
          "scrub": {"age": "2"}}
SETTINGS = {"image": PLACES}


@pytest.fixture(scope="module", autouse=True)
def s3():
    with REMOTE:
        yield REMOTE


@pytest.fixture(autouse=True)
def healed(s3):
    yield
    s3.fail, s3.cut_after, s3.page = lambda *_: None, None, 1000


def stored(stack, person, data, store=None, **more):
    image = create(stack, person, **more)
    assert send(stack, person, image, data, store)[0] == 204
    return image


def fetch(stack, person, image, **headers):
    import urllib.request
    request = urllib.request.Request(stack.url("image") + image["file"], headers={"X-Auth-Token": person.token, **headers})
    with urllib.request.urlopen(request, timeout=30) as reply:
        return reply.status, reply.read()


def ask(stack, token, image, name, headers=None, **more):
    return stack.request("POST", "image", f"/v2/images/{image['id']}/import", {"method": {"name": name}, **more}, token=token,
                         headers={"Accept": "application/json", **(headers or {})})


def eventually(condition, seconds=25):
    return wait_until(condition, seconds, f"the condition did not hold within {seconds} s")


def last_task(stack, person, image):
    return stack.call("GET", "image", f"/v2/images/{image['id']}/tasks", token=person.token)["tasks"][-1]


def test_stores_are_told_to_all_and_their_properties_to_the_administrator(stack, owner):
    told = stack.call("GET", "image", "/v2/info/stores", token=owner.token)["stores"]
    assert [s["id"] for s in told] == ["local", "archive", "spare"]
    assert told[0]["default"] == "true" and told[1] == {"id": "archive", "description": "far away"}
    assert stack.request("GET", "image", "/v2/info/stores/detail", token=owner.token)[0] == 403
    detail = stack.call("GET", "image", "/v2/info/stores/detail", token=stack.admin_token())["stores"]
    assert [s["type"] for s in detail] == ["file", "s3", "file"] and detail[0]["properties"]["data_dir"]
    assert REMOTE.secret not in str(detail)
    _, headers, _ = stack.request("POST", "image", "/v2/images", {"name": "x"}, token=owner.token)
    assert headers["OpenStack-image-store-ids"] == "local,archive,spare"
    assert "copy-image" in headers["OpenStack-image-import-methods"]


@pytest.mark.parametrize("size", [0, 1, MIN_PART, MIN_PART + 1, 3 * MIN_PART + 12345])
def test_bytes_go_to_the_remote_store_and_come_back(stack, owner, s3, size):
    data = os.urandom(size)
    image = stored(stack, owner, data, "archive")
    assert show(stack, owner, image)["stores"] == "archive"
    assert s3.objects[hashlib.sha512(data).hexdigest()] == data and not s3.uploads
    assert fetch(stack, owner, image) == (200, data)
    if size > 100:
        assert fetch(stack, owner, image, Range="bytes=10-99") == (206, data[10:100])
        assert fetch(stack, owner, image, Range="bytes=-5") == (206, data[-5:])


def test_the_remote_store_stumbles_and_nobody_notices(stack, owner, s3):
    calls = collections.Counter()  # of each request by itself: the scrubber asks meanwhile

    def every_second(method, path, query):
        what = (method, path, *sorted(query.items()))
        calls[what] += 1
        return (503 if calls[what] % 4 == 1 else "cut") if calls[what] % 2 else None
    s3.fail = every_second
    data = os.urandom(MIN_PART + 1000)
    image = stored(stack, owner, data, "archive")
    s3.cut_after = 100_000
    assert fetch(stack, owner, image) == (200, data)
    assert not s3.uploads


def test_an_object_that_became_shorter_ends_the_download_instead_of_holding_it(stack, owner, s3):
    data = os.urandom(3_000_000)
    image = stored(stack, owner, data, "archive")
    s3.objects[hashlib.sha512(data).hexdigest()] = data[:2_000_000]
    with pytest.raises((http.client.IncompleteRead, ConnectionError, urllib.error.HTTPError)):
        fetch(stack, owner, image)


def test_who_reads_slowly_from_a_remote_store_takes_a_share_and_not_all(stack, owner, s3):
    image, links, got = stored(stack, owner, bytes(12 << 20), "archive", visibility="community"), [], b""
    stranger = stack.person()
    try:
        for _ in range(65):
            link = socket.socket()
            links.append(link)
            link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            link.settimeout(20)
            link.connect(("127.0.0.1", int(stack.url("image").rsplit(":", 1)[1])))
            link.sendall(f"GET {image['file']} HTTP/1.1\r\nHost: x\r\nX-Auth-Token: {owner.token}\r\n\r\n".encode())
            got = link.recv(64)
            assert got.startswith(b"HTTP/1.1 200 " if len(links) < 65 else b"HTTP/1.1 503 ")
        assert fetch(stack, stranger, image, Range="bytes=0-9") == (206, bytes(10))
    finally:
        for link in links:
            link.close()
    eventually(lambda: stack.request("GET", "image", image["file"], token=owner.token, headers={"Range": "bytes=0-0"})[0] == 206)


def test_a_store_that_does_not_answer_is_asked_once_and_keeps_nothing_else_from_being_swept(stack, owner, s3):
    asked, answer = collections.Counter(), threading.Event()

    def hold(method, path, query):
        if method == "DELETE":
            asked[path] += 1
            answer.wait(25)
            return 503
        return None
    images = [stored(stack, owner, os.urandom(100), "archive") for _ in range(4)] + [stored(stack, owner, os.urandom(100))]
    local = Path(stack.cloud.dir("images"), "blobs", *(lambda name: (name[:2], name))(show(stack, owner, images[-1])["os_hash_value"]))
    left = Path(stack.cloud.dir("images"), "tmp", str(uuid.uuid4()))
    assert local.exists()
    s3.fail = hold
    for image in images:
        stack.call("DELETE", "image", f"/v2/images/{image['id']}", token=owner.token)
    stack.sql("image", "UPDATE blob SET created_at = now() - interval '1 hour'")
    eventually(lambda: asked)
    left.write_bytes(b"left by a crash")
    eventually(lambda: not left.exists(), 12)  # the store still says nothing
    assert not answer.is_set()
    answer.set()
    eventually(lambda: not local.exists(), 20)
    assert len(asked) <= 2  # one of the four in the first sweep, perhaps one in the next
    assert max(asked.values()) == 1  # a try that came late could delete the same bytes of a new image


def test_who_ends_a_removal_too_late_leaves_it_to_whom_claimed_it_since(stack, owner, s3):
    asked, answer = threading.Event(), threading.Event()

    def hold(method, path, query):
        if method == "DELETE" and path.endswith(name):
            asked.set()
            answer.wait(20)
        return None
    image = stored(stack, owner, os.urandom(1000), "archive")
    name = show(stack, owner, image)["os_hash_value"]
    s3.fail = hold
    stack.call("DELETE", "image", f"/v2/images/{image['id']}", token=owner.token)
    stack.sql("image", "UPDATE blob SET created_at = now() - interval '1 hour' WHERE digest = %s", name)
    assert asked.wait(20)
    stack.sql("image", "UPDATE blob_location SET changed_at = now() WHERE digest = %s", name)  # another process
    answer.set()
    eventually(lambda: name not in s3.objects)
    time.sleep(2)  # the rows follow at once
    assert [row["state"] for row in stack.sql("image", "SELECT state FROM blob_location WHERE digest = %s", name)] == ["removing"]
    stack.sql("image", "UPDATE blob_location SET changed_at = now() - interval '1 hour' WHERE digest = %s", name)
    eventually(lambda: not stack.sql("image", "SELECT 1 FROM blob WHERE digest = %s", name))


def test_a_remote_store_that_refuses_fails_the_upload_and_leaves_nothing(stack, owner, s3):
    s3.fail = lambda method, path, query: 403 if method == "PUT" else None
    data = os.urandom(MIN_PART + 7)
    image = create(stack, owner)
    assert send(stack, owner, image, data, "archive")[0] == 503
    assert show(stack, owner, image)["status"] == "queued" and not s3.uploads
    s3.fail = lambda *_: None
    assert send(stack, owner, image, data, "archive")[0] == 204


def test_the_same_bytes_are_kept_once_per_store_until_nobody_wants_them(stack, owner, s3):
    data, stranger = os.urandom(5000), stack.person()
    name = hashlib.sha512(data).hexdigest()
    first, second = stored(stack, owner, data, "archive"), stored(stack, stranger, data, "archive")
    assert len([r for r in s3.requests if r[1] == name and r[0] == "PUT"]) == 2  # nobody is faster for being second
    stack.call("DELETE", "image", f"/v2/images/{first['id']}", token=owner.token)
    stack.sql("image", "UPDATE blob SET created_at = now() - interval '1 hour'")
    assert fetch(stack, stranger, second) == (200, data)
    stack.call("DELETE", "image", f"/v2/images/{second['id']}", token=stranger.token)
    eventually(lambda: name not in s3.objects)
    eventually(lambda: not stack.sql("image", "SELECT 1 FROM blob WHERE digest = %s", name))


def test_staged_data_goes_to_all_stores(stack, owner, s3):
    data = os.urandom(100_000)
    image = create(stack, owner)
    assert send(stack, owner, image, data, kind="stage")[0] == 204
    assert ask(stack, owner.token, image, "glance-direct", all_stores=True)[0] == 202
    now = eventually(lambda: (n := show(stack, owner, image))["status"] == "active" and n)
    assert now["stores"] == "archive,local,spare"
    assert (now["os_glance_importing_to_stores"], now["os_glance_failed_import"]) == ("", "") and "os_glance_import_task" not in now
    assert last_task(stack, owner, image)["input"]["backend"] == ["archive", "local", "spare"]
    assert s3.objects[now["os_hash_value"]] == data
    assert stack.call("GET", "image", "/v2/info/usage", token=owner.token)["usage"]["image_stage_total"]["usage"] == 0


@pytest.mark.parametrize("body, headers, status", [
    ({"stores": ["nowhere"]}, {}, 409), ({"stores": []}, {}, 400), ({"stores": ["local"], "all_stores": True}, {}, 400),
    ({"stores": ["local"]}, {"X-Image-Meta-Store": "spare"}, 400), ({"all_stores": True}, {"X-Image-Meta-Store": "spare"}, 400),
    ({}, {"X-Image-Meta-Store": "nowhere"}, 409), ({"stores": "local"}, {}, 400), ({"stores": [7]}, {}, 409)])
def test_stores_that_cannot_be_are_refused(stack, owner, body, headers, status):
    image = create(stack, owner)
    assert send(stack, owner, image, b"x", kind="stage")[0] == 204
    assert ask(stack, owner.token, image, "glance-direct", headers, **body)[0] == status
    assert show(stack, owner, image)["status"] == "uploading"


def test_one_store_that_fails_fails_all_unless_told_otherwise(stack, owner, s3):
    s3.fail = lambda method, path, query: 403
    data = os.urandom(3000)
    image = create(stack, owner)
    assert send(stack, owner, image, data, kind="stage")[0] == 204
    assert ask(stack, owner.token, image, "glance-direct", stores=["archive", "spare"])[0] == 202
    eventually(lambda: last_task(stack, owner, image)["status"] == "failure")
    now = show(stack, owner, image)
    assert (now["status"], now["os_glance_failed_import"], now["os_glance_importing_to_stores"]) == ("uploading", "archive", "")
    assert "stores" not in now
    assert ask(stack, owner.token, image, "glance-direct", stores=["archive", "spare"], all_stores_must_succeed=False)[0] == 202
    eventually(lambda: last_task(stack, owner, image)["status"] == "success")
    now = show(stack, owner, image)
    assert (now["status"], now["stores"], now["os_glance_failed_import"], now["size"]) == ("active", "spare", "archive", 3000)
    assert fetch(stack, owner, image) == (200, data)


def test_an_administrator_copies_an_image_to_more_stores(stack, owner, s3):
    data = os.urandom(MIN_PART + 77)
    image = stored(stack, owner, data, "archive")
    assert ask(stack, owner.token, image, "copy-image", stores=["local"])[0] == 403
    admin = stack.admin_token()
    assert ask(stack, admin, image, "copy-image", stores=["archive"])[0] == 400
    assert ask(stack, admin, image, "copy-image", all_stores=True, all_stores_must_succeed=False)[0] == 202
    now = eventually(lambda: (n := show(stack, owner, image)).get("os_glance_importing_to_stores") == "" and n)
    assert (now["status"], now["stores"], now["os_glance_failed_import"]) == ("active", "archive,local,spare", "")
    assert ask(stack, admin, image, "copy-image", all_stores=True)[0] == 202  # there is nothing left to do
    places = stack.call("GET", "image", f"/v2/images/{image['id']}/locations", token=admin)
    assert [p["metadata"]["store"] for p in places] == ["archive", "local", "spare"] and all("://" in p["url"] for p in places)
    files = [p["url"][7:] for p in places if p["url"].startswith("file://")]
    assert len({os.stat(path).st_ino for path in files}) == 2, "two stores share an inode"
    assert stack.request("GET", "image", f"/v2/images/{image['id']}/locations", token=owner.token)[0] == 403
    assert len(stack.sql("image", "SELECT 1 FROM usage_interval WHERE resource_id = %s", image["id"])) == 1


def test_a_copy_of_what_is_damaged_fails(stack, owner, s3):
    data = os.urandom(9000)
    image = stored(stack, owner, data, "archive")
    s3.objects[hashlib.sha512(data).hexdigest()] = data[:-1] + b"?"
    assert ask(stack, stack.admin_token(), image, "copy-image", stores=["spare"])[0] == 202
    eventually(lambda: last_task(stack, owner, image)["status"] == "failure")
    now = show(stack, owner, image)
    assert (now["status"], now["stores"], now["os_glance_failed_import"]) == ("active", "archive", "spare")


def test_what_rots_is_marked_not_served_and_restored(stack, owner, s3):
    data, admin = os.urandom(50_000), stack.admin_token()
    image = stored(stack, owner, data, "local")
    name = hashlib.sha512(data).hexdigest()
    path = stack.cloud.dir("images") / "blobs" / name[:2] / name
    path.write_bytes(b"rotten" + data[6:])
    eventually(lambda: show(stack, owner, image).get("os_glance_corrupt_stores") == "local")
    assert stack.request("GET", "image", image["file"], token=owner.token)[0] == 503
    assert "haneul_image_scrub_corrupt_total 0\n" not in stack.request("GET", "image", "/metrics")[2]
    # The same bytes come again: nobody loses anything by that, and the store is healed.
    stored(stack, owner, data, "local")
    assert fetch(stack, owner, image) == (200, data)
    assert ask(stack, admin, image, "copy-image", stores=["archive"])[0] == 202
    eventually(lambda: show(stack, owner, image)["stores"] == "archive,local")
    s3.objects[name] = b"rotten" + data[6:]
    eventually(lambda: s3.objects[name] == data)  # from the local store
    path.unlink()
    eventually(lambda: path.exists() and path.read_bytes() == data)
    eventually(lambda: "os_glance_corrupt_stores" not in show(stack, owner, image))
    assert "a blob is damaged" in stack.log("image")


def test_an_image_leaves_a_store_but_not_its_last(stack, owner, s3):
    data, admin = os.urandom(4000), stack.admin_token()
    image = stored(stack, owner, data, "archive")
    path = f"/v2/stores/archive/{image['id']}"
    assert stack.request("DELETE", "image", path, token=owner.token)[0] == 403
    assert stack.request("DELETE", "image", path, token=stack.person().token)[0] == 404
    assert stack.request("DELETE", "image", path, token=admin)[0] == 403
    assert ask(stack, admin, image, "copy-image", stores=["spare"])[0] == 202
    eventually(lambda: show(stack, owner, image)["stores"] == "archive,spare")
    assert stack.request("DELETE", "image", f"/v2/stores/local/{image['id']}", token=admin)[0] == 404
    assert stack.request("DELETE", "image", f"/v2/stores/nowhere/{image['id']}", token=admin)[0] == 409
    assert stack.request("DELETE", "image", path, token=admin)[0] == 204
    assert show(stack, owner, image)["stores"] == "spare"
    stack.sql("image", "UPDATE blob SET created_at = now() - interval '1 hour'")
    eventually(lambda: hashlib.sha512(data).hexdigest() not in s3.objects)
    assert fetch(stack, owner, image) == (200, data)


def test_the_cache_is_for_administrators_and_not_kept(stack, owner):
    for method, path in (("GET", ""), ("DELETE", ""), ("PUT", "/x"), ("DELETE", "/x")):
        assert stack.request(method, "image", "/v2/cache" + path, token=owner.token)[0] == 403
        assert stack.request(method, "image", "/v2/cache" + path, token=stack.admin_token())[0] == 404


def test_quotas_count_every_store_and_what_is_staged(stack):
    person, mib = stack.person(), 1 << 20
    stack.sql("image", "INSERT INTO quota_limit VALUES (%s, 'image_size_total', 3), (%s, 'image_stage_total', 2), (%s, 'image_count_uploading', 1)",
              *[person.project_id] * 3)
    image, second = create(stack, person), create(stack, person)
    assert send(stack, person, image, b"x" * 4 * mib, kind="stage")[0] == 413
    assert send(stack, person, image, b"x" * 2 * mib, kind="stage")[0] == 204
    usage = stack.call("GET", "image", "/v2/info/usage", token=person.token)["usage"]
    assert (usage["image_stage_total"]["usage"], usage["image_size_total"]["usage"], usage["image_count_uploading"]["usage"]) == (2, 0, 1)
    assert send(stack, person, second, b"x")[0] == 413  # one more that uploads
    assert ask(stack, person.token, image, "glance-direct", stores=["local", "spare"])[0] == 413
    assert ask(stack, person.token, image, "glance-direct", stores=["local"])[0] == 202
    assert show(stack, person, image)["status"] == "active"
    assert ask(stack, stack.admin_token(), image, "copy-image", stores=["spare"])[0] == 413
    assert send(stack, person, second, b"x" * mib)[0] == 204
    usage = stack.call("GET", "image", "/v2/info/usage", token=person.token)["usage"]
    assert (usage["image_stage_total"]["usage"], usage["image_size_total"]["usage"], usage["image_count_uploading"]["usage"]) == (0, 3, 0)


def test_unfinished_uploads_of_the_dead_are_swept(stack, s3):
    s3.page = 1
    for i in range(3):
        s3.uploads[f"dead{i}"] = (f"{i}" * 128, {})
    eventually(lambda: not s3.uploads, 80)
