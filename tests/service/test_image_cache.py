# SPDX-License-Identifier: Apache-2.0
"""The image cache: what comes from a store that is far away is kept on this host, verified, bounded, and no longer than its image."""

import os
import urllib.request

import pytest

from tests.lib.image import STREAM
from tests.lib.s3 import S3
from tests.lib.stack import free_ports, wait_until

SERVICES = ["identity", "image"]
REMOTE = S3(free_ports(["s3"])["s3"])
CAP = 1_000_000
PLACES = {"stores": {"enabled": "local:file, archive:s3", "default": "archive"}, "store:archive": {**REMOTE.settings()}}


@pytest.fixture(scope="module")
def s3():
    with REMOTE as server:
        yield server


@pytest.fixture(scope="module", autouse=True)
def cached_stack(s3, stack, tmp_path_factory):
    stack.restart("image", {**PLACES, "cache": {"path": str(tmp_path_factory.mktemp("cache")), "size": str(CAP)}})


@pytest.fixture(autouse=True)
def clear(stack):
    yield
    assert call(stack, "DELETE", "", token=stack.admin_token())[0] == 204


SETTINGS = {"image": {"image": {"max_uploads": "8"}}}


def call(stack, method, path, token, **more):
    return stack.request(method, "image", "/v2/cache" + path, token=token, **more)


def state(stack):
    _, _, body = call(stack, "GET", "", token=stack.admin_token())
    return {x["image_id"]: x for x in body["cached_images"]}, body["queued_images"]


def stored(stack, person, data, store="archive"):
    body = {"disk_format": "raw", "container_format": "bare"}
    image = stack.call("POST", "image", "/v2/images", body, token=person.token)
    path = f"/v2/images/{image['id']}/file"
    headers = {**STREAM, "X-Image-Meta-Store": store}
    assert stack.request("PUT", "image", path, data=data, token=person.token, headers=headers)[0] == 204
    return image


def fetch(stack, person, image, **headers):
    request = urllib.request.Request(stack.url("image") + image["file"], headers={"X-Auth-Token": person.token, **headers})
    with urllib.request.urlopen(request, timeout=30) as reply:
        return reply.read()


def eventually(condition):
    wait_until(condition, 20, "the condition did not hold within 20 s")


def test_the_versions_of_the_cache_are_announced(stack):
    _, _, body = stack.request("GET", "image", "/versions")
    ids = [v["id"] for v in body["versions"]]
    assert ids[0] == "v2.18" and {"v2.14", "v2.16"} <= set(ids) and body["versions"][0]["status"] == "CURRENT"


def test_what_was_downloaded_once_comes_from_here_the_next_time(stack, owner, s3):
    data = os.urandom(300_000)
    image = stored(stack, owner, data)
    assert fetch(stack, owner, image) == data
    eventually(lambda: image["id"] in state(stack)[0])
    try:
        s3.fail = lambda method, path, query: 503
        assert fetch(stack, owner, image) == data
        assert fetch(stack, owner, image, Range="bytes=1000-1999") == data[1000:2000]
    finally:
        s3.fail = lambda *_: None
    entry = state(stack)[0][image["id"]]
    assert (entry["hits"], entry["size"]) == (2, len(data)) and entry["last_accessed"] >= entry["last_modified"] > 1.6e9


def test_the_cache_goes_by_who_may_see_the_image(stack, owner, s3):
    image, other = stored(stack, owner, b"x" * 1000), stack.person()
    fetch(stack, owner, image)
    eventually(lambda: image["id"] in state(stack)[0])
    assert stack.request("GET", "image", image["file"], token=other.token)[0] == 404
    assert stack.request("DELETE", "image", f"/v2/images/{image['id']}", token=owner.token)[0] == 204
    assert stack.request("GET", "image", image["file"], token=owner.token)[0] == 404
    eventually(lambda: image["id"] not in state(stack)[0])


def test_administrators_queue_and_drop_images(stack, owner, s3):
    admin, image = stack.admin_token(), stored(stack, owner, os.urandom(5000), "local")
    for method, path in (("GET", ""), ("DELETE", ""), ("PUT", f"/{image['id']}"), ("DELETE", f"/{image['id']}"), ("POST", "/prune"), ("POST", "/clean")):
        assert call(stack, method, path, token=owner.token)[0] == 403
    queued = stack.call("POST", "image", "/v2/images", {}, token=owner.token)
    assert call(stack, "PUT", f"/{queued['id']}", token=admin)[0] == 400
    for nobody in ("no-such-image", "00000000-0000-0000-0000-000000000000", "..%2fx"):
        assert call(stack, "PUT", f"/{nobody}", token=admin)[0] == 404
        assert call(stack, "DELETE", f"/{nobody}", token=admin)[0] == 404
    assert call(stack, "PUT", f"/{image['id']}", token=admin)[0] == 202
    cached, waiting = state(stack)
    assert image["id"] in cached or image["id"] in waiting
    eventually(lambda: state(stack)[0].get(image["id"], {}).get("hits") == 0)
    assert call(stack, "PUT", f"/{image['id']}", token=admin)[0] == 202 and state(stack)[1] == []
    assert call(stack, "DELETE", f"/{image['id']}", token=admin)[0] == 204
    assert image["id"] not in state(stack)[0]
    for target, status in (("invalid", 400), ("queue", 204), ("cache", 204), ("Cache", 204), ("", 204)):
        assert call(stack, "DELETE", "", token=admin, headers={"X-Image-Cache-Clear-Target": target})[0] == status
    assert call(stack, "POST", "/clean", token=admin)[0] == 200


def test_what_was_not_read_for_longest_makes_room(stack, owner, s3):
    admin = stack.admin_token()
    images = [stored(stack, owner, os.urandom(400_000)) for _ in range(3)]
    for image in images[:2]:
        fetch(stack, owner, image)
        eventually(lambda: image["id"] in state(stack)[0])
    fetch(stack, owner, images[0])
    fetch(stack, owner, images[2])
    eventually(lambda: images[2]["id"] in state(stack)[0])
    assert set(state(stack)[0]) == {images[0]["id"], images[2]["id"]}
    assert call(stack, "POST", "/prune", token=admin)[2] == {"total_files_pruned": 0, "total_bytes_pruned": 0}
    large = stored(stack, owner, os.urandom(CAP + 1))
    assert call(stack, "PUT", f"/{large['id']}", token=admin)[0] == 202
    eventually(lambda: state(stack)[1] == [])
    assert set(state(stack)[0]) == {images[0]["id"], images[2]["id"]}


def test_what_is_not_the_images_bytes_is_not_kept(stack, owner, s3):
    data = os.urandom(200_000)
    image = stored(stack, owner, data)
    [key] = [k for k, v in s3.objects.items() if v == data]
    s3.objects[key] = data[:-1] + bytes([data[-1] ^ 1])
    assert call(stack, "PUT", f"/{image['id']}", token=stack.admin_token())[0] == 202
    eventually(lambda: state(stack)[1] == [])
    assert image["id"] not in state(stack)[0]
    s3.objects[key] = data
    assert fetch(stack, owner, image) == data
    eventually(lambda: image["id"] in state(stack)[0])
    stack.kill("image")
    stack.start("image")
    assert image["id"] in state(stack)[0], "a restart empties the cache"
