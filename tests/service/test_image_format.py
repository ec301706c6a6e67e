# SPDX-License-Identifier: Apache-2.0
"""The corpus of hostile and honest images (tests/lib/hostile.py) through the API: refused with the reason, or active with the truth told."""

import gzip
import hashlib
import html
import json
import urllib.request

import pytest

from tests.lib import hostile
from tests.lib.image import STREAM
from tests.lib.stack import wait_until

SERVICES = ["identity", "image"]
CASES = list(hostile.cases())
ID = [case.name for case in CASES]


def create(stack, person, **attributes):
    return stack.call("POST", "image", "/v2/images", attributes, token=person.token)["id"]


def put(stack, person, image, data, what="file"):
    return stack.request("PUT", "image", f"/v2/images/{image}/{what}", data=bytes(data), token=person.token, headers=STREAM)


def show(stack, person, image, more=""):
    return stack.call("GET", "image", f"/v2/images/{image}{more}", token=person.token)


def layers(stack, person, image):
    return show(stack, person, image, "/layers")["layers"]


@pytest.mark.parametrize("case", CASES, ids=ID)
def test_every_refusal_gives_its_reason(stack, owner, case):
    image = create(stack, owner, disk_format=case.disk, container_format=case.container)
    status, _, said = put(stack, owner, image, case.data)
    shown = show(stack, owner, image)
    if case.reason is None:
        assert status == 204, said
        assert shown["status"] == "active" and shown["checksum"] == hashlib.md5(case.data).hexdigest()
    else:
        assert status == 400 and case.reason in html.unescape(str(said)), said
        assert shown["status"] == "queued" and shown["size"] is None and layers(stack, owner, image) == []


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("name, pack, compression", [
    ("docker", bytes, "none"), ("docker-gzip", bytes, "none"), ("oci", gzip.compress, "gzip"), ("oci-zstd", hostile.zstd, "zstd")])
def test_layers_are_listed_lowest_first(stack, owner, name, pack, compression):
    data = next(c.data for c in CASES if c.name == name)
    image = create(stack, owner, disk_format="raw", container_format="docker")
    assert put(stack, owner, image, data)[0] == 204
    found = layers(stack, owner, image)
    assert [x["position"] for x in found] == [0, 1, 2]
    assert [x["diff_id"] for x in found] == [digest(x) for x in hostile.LAYERS]
    assert [x["unpacked_size"] for x in found] == [len(x) for x in hostile.LAYERS]
    assert {x["compression"] for x in found} == {compression}
    if compression == "none":
        assert [x["digest"] for x in found] == [digest(x) for x in hostile.LAYERS]
    assert show(stack, owner, image)["virtual_size"] is None


@pytest.mark.parametrize("pack, compression", [(lambda data: gzip.compress(data, mtime=0), "gzip"), (hostile.zstd, "zstd")])
def test_an_archive_that_is_compressed_as_a_whole_lists_its_layers_and_comes_back_as_it_was(stack, owner, pack, compression):
    data = pack(next(c.data for c in CASES if c.name == "docker"))
    image = create(stack, owner, disk_format="raw", container_format="docker")
    assert put(stack, owner, image, data)[0] == 204
    assert [(x["diff_id"], x["digest"]) for x in layers(stack, owner, image)] == [(digest(x), digest(x)) for x in hostile.LAYERS]
    request = urllib.request.Request(f"{stack.url('image')}/v2/images/{image}/file", headers={"X-Auth-Token": owner.token})
    with urllib.request.urlopen(request, timeout=30) as reply:
        assert reply.read() == data, compression


def test_a_root_file_system_is_one_layer(stack, owner):
    data = next(c.data for c in CASES if c.name == "rootfs-gzip")
    image = create(stack, owner, disk_format="raw", container_format="docker")
    assert put(stack, owner, image, data)[0] == 204
    assert layers(stack, owner, image) == [{
        "position": 0, "digest": digest(data), "diff_id": digest(gzip.decompress(data)), "compression": "gzip", "size": len(data),
        "unpacked_size": len(gzip.decompress(data))}]


def test_what_is_compressed_tells_its_inside(stack, owner):
    image = create(stack, owner, disk_format="qcow2", container_format="compressed")
    assert put(stack, owner, image, gzip.compress(hostile.qcow2()))[0] == 204
    assert show(stack, owner, image)["virtual_size"] == 5 << 20
    assert layers(stack, owner, image) == []


def patch(stack, person, image, **values):
    body = json.dumps([{"op": "add", "path": f"/{name}", "value": value} for name, value in values.items()]).encode()
    headers = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
    assert stack.request("PATCH", "image", f"/v2/images/{image}", data=body, token=person.token, headers=headers)[0] == 200


def import_staged(stack, person, image):
    return stack.request("POST", "image", f"/v2/images/{image}/import", {"method": {"name": "glance-direct"}}, token=person.token)


@pytest.mark.parametrize("name, disk, container, status", [
    ("docker", "raw", "docker", 202), ("docker", "raw", "compressed", 400), ("gzip", "qcow2", "compressed", 202), ("gzip", "raw", "compressed", 400)])
def test_formats_that_are_claimed_after_staging_are_held_against_what_is_packed(stack, owner, name, disk, container, status):
    image = create(stack, owner)
    assert put(stack, owner, image, next(c.data for c in CASES if c.name == name), "stage")[0] == 204
    assert layers(stack, owner, image) == []
    patch(stack, owner, image, disk_format=disk, container_format=container)
    assert import_staged(stack, owner, image)[0] == status
    if status == 202:
        wait_until(lambda: show(stack, owner, image)["status"] == "active", 20, "the import does not end")
        assert len(layers(stack, owner, image)) == (3 if name == "docker" else 0)


def test_layers_are_as_private_as_their_image(stack, owner):
    image = create(stack, owner, disk_format="raw", container_format="docker")
    assert put(stack, owner, image, hostile.docker(hostile.LAYERS))[0] == 204
    other = stack.person()
    assert stack.request("GET", "image", f"/v2/images/{image}/layers", token=other.token)[0] == 404
    assert stack.request("GET", "image", f"/v2/images/{image}/layers")[0] == 401
