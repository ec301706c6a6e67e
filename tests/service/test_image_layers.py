# SPDX-License-Identifier: Apache-2.0
"""Image archives are kept as their layers: what two of them share is on disk once, in every store, and nobody is told."""

import contextlib
import gzip
import hashlib
import os
import urllib.request

import pytest

from tests.lib import hostile
from tests.lib.hostile import docker, member, oci, tar
from tests.lib.image import STREAM, show
from tests.lib.s3 import MIN_PART, S3
from tests.lib.stack import free_ports, wait_until

SERVICES = ["identity", "image"]
REMOTE = S3(free_ports(["s3"])["s3"])
SETTINGS = {"image": {"stores": {"enabled": "local:file, archive:s3"}, "store:archive": REMOTE.settings(), "scrub": {"age": "2"}}}
STORES = ["local", "archive"]
MIB = 1 << 20


@pytest.fixture(scope="module", autouse=True)
def s3():
    with REMOTE:
        yield REMOTE


def layer(size):
    return tar([member("data", os.urandom(size))])


def sha512(data):
    return hashlib.sha512(data).hexdigest()


def create(stack, person, container="docker"):
    return stack.call("POST", "image", "/v2/images", {"disk_format": "raw", "container_format": container}, token=person.token)


def send(stack, person, image, data, store="local", kind="file"):
    return stack.request("PUT", "image", f"/v2/images/{image['id']}/{kind}", data=data, token=person.token, headers={**STREAM, "X-Image-Meta-Store": store})


def stored(stack, person, data, store="local", container="docker"):
    image = create(stack, person, container)
    assert send(stack, person, image, data, store)[0] == 204
    return image


def fetch(stack, person, image, **headers):
    request = urllib.request.Request(stack.url("image") + image["file"], headers={"X-Auth-Token": person.token, **headers})
    with urllib.request.urlopen(request, timeout=30) as reply:
        return reply.status, reply.read()


def ask(stack, token, image, name, **more):
    return stack.request("POST", "image", f"/v2/images/{image['id']}/import", {"method": {"name": name}, **more}, token=token)[0]


def blobs(stack, s3, store):
    if store == "archive":
        return {name: len(data) for name, data in s3.objects.items()}
    sizes = {}
    for path in (stack.cloud.dir("images") / "blobs").glob("*/*"):
        with contextlib.suppress(FileNotFoundError):  # the sweep may take it while we look
            sizes[path.name] = path.stat().st_size
    return sizes


def parts_of(stack, data):
    return {r["part"] for r in stack.sql("image", "SELECT part FROM blob_part WHERE digest = %s", sha512(data))}


def age(stack):
    """Every blob is older than a minute."""
    stack.sql("image", "UPDATE blob SET created_at = now() - interval '1 hour'")


def oci_gzip(layers):
    return oci(layers, pack=lambda data: gzip.compress(data, mtime=0))


def oci_zstd(layers):
    return oci(layers, pack=hostile.zstd, kind="application/vnd.oci.image.layer.v1.tar+zstd")


@pytest.mark.parametrize("pack, store", [(docker, "local"), (docker, "archive"), (oci_gzip, "archive"), (oci_zstd, "local")])
def test_shared_layers_are_kept_once_and_every_byte_comes_back(stack, owner, s3, store, pack):
    other = stack.person()
    base, shared = layer(2 * MIB), layer(MIN_PART + 5)  # the latter in parts at the remote store
    first, second = pack([base, shared, layer(3000)]), pack([base, shared, layer(5000)])
    before = sum(blobs(stack, s3, store).values())
    images = [(owner, stored(stack, owner, first, store), first), (other, stored(stack, other, second, store), second)]
    more = sum(blobs(stack, s3, store).values()) - before
    assert more < len(first) + 200_000  # of the second, only what it does not share
    again = create(stack, owner)
    assert send(stack, owner, again, first, store)[0] == 204  # all of it once more: nothing is added
    assert sum(blobs(stack, s3, store).values()) - before == more
    for person, image, data in images + [(owner, again, first)]:
        now = show(stack, person, image)
        assert (now["size"], now["os_hash_value"], now["checksum"]) == (len(data), sha512(data), hashlib.md5(data).hexdigest())
        assert fetch(stack, person, image) == (200, data)
        for first_byte, last_byte in [(0, 0), (500, 3000), (MIB, 5 * MIB), (len(data) - 1500, len(data) - 1), (2 * MIB - 3, 2 * MIB + 3000)]:
            assert fetch(stack, person, image, Range=f"bytes={first_byte}-{last_byte}") == (206, data[first_byte:last_byte + 1])
        assert fetch(stack, person, image, Range="bytes=-700") == (206, data[-700:])


def test_deleting_one_image_leaves_the_layers_of_the_other(stack, owner, s3):
    base = layer(30_000)
    one, other = docker([base, layer(100)]), docker([base, layer(200)])
    images = [stored(stack, owner, data) for data in (one, other)]
    stack.call("DELETE", "image", f"/v2/images/{images[0]['id']}", token=owner.token)
    gone, kept = parts_of(stack, one) - parts_of(stack, other), parts_of(stack, other)
    assert sha512(base) in kept and len(kept) == 3 and len(gone) == 2
    wait_until(lambda: (age(stack), not gone & set(blobs(stack, s3, "local")))[1], 40, "parts of the deleted image are left")
    assert kept <= set(blobs(stack, s3, "local"))
    assert fetch(stack, owner, images[1]) == (200, other)


def test_quota_and_answers_are_those_of_an_image_that_shares_nothing(stack, s3):
    base = layer(3 * MIB)
    one, other = stack.person(), stack.person()
    shown = []
    for person in (one, other):
        image = stored(stack, person, docker([base]))
        now = show(stack, person, image)
        usage = stack.call("GET", "image", "/v2/info/usage", token=person.token)["usage"]["image_size_total"]["usage"]
        layers = stack.call("GET", "image", f"/v2/images/{image['id']}/layers", token=person.token)
        shown.append(({k: v for k, v in now.items() if k not in ("id", "self", "file", "owner", "created_at", "updated_at")}, usage, layers))
        assert usage == now["size"] >> 20 == 3
    assert shown[0] == shown[1]
    sums = stack.sql("image", "SELECT sum(quantity)::bigint AS n FROM usage_interval WHERE to_us IS NULL AND project_id IN (%s, %s)", one.project_id,
                     other.project_id)
    assert sums[0]["n"] == 2 * len(docker([base]))


@pytest.mark.parametrize("instant", [True, False], ids=["one-store", "both"])
def test_what_was_staged_is_cut_at_its_import(stack, owner, s3, instant):
    base = layer(60_000)
    data = oci_gzip([base, layer(40)])
    image = create(stack, owner)
    assert send(stack, owner, image, data, kind="stage")[0] == 204
    assert ask(stack, owner.token, image, "glance-direct", stores=["local"] if instant else STORES) == 202
    wait_until(lambda: show(stack, owner, image)["status"] == "active", 20, "the import does not end")
    assert fetch(stack, owner, image) == (200, data)
    parts = parts_of(stack, data)
    assert len(parts) == 3 and sha512(gzip.compress(base, mtime=0)) in parts
    for store in ["local"] if instant else STORES:
        assert parts <= set(blobs(stack, s3, store)) and sha512(data) not in blobs(stack, s3, store)


def test_a_copy_is_cut_in_the_same_way(stack, owner, s3):
    source, target = "archive", "local"
    data = docker([layer(70_000), layer(MIN_PART + 100)])
    image = stored(stack, owner, data, source)
    assert ask(stack, stack.admin_token(), image, "copy-image", stores=[target]) == 202
    wait_until(lambda: show(stack, owner, image)["stores"] == "archive,local", 20, "the copy does not end")
    parts = parts_of(stack, data)
    assert all(parts <= set(blobs(stack, s3, store)) for store in STORES)
    stack.call("DELETE", "image", f"/v2/stores/{source}/{image['id']}", token=stack.admin_token())
    wait_until(lambda: (age(stack), not parts & set(blobs(stack, s3, source)))[1], 40, "the layers stay in the store that the image left")
    assert fetch(stack, owner, image) == (200, data)


def test_the_same_bytes_as_a_file_and_as_layers_are_kept_as_they_came_first(stack, owner, s3):
    """The archive lies inside another one, too: parts have no parts."""
    inner = docker([layer(20_000)])
    image = stored(stack, owner, inner)
    outer = docker([inner])  # its layer is an archive that is cut already
    around = stored(stack, owner, outer)
    assert sha512(outer) in blobs(stack, s3, "local") and sha512(inner) not in blobs(stack, s3, "local")
    assert fetch(stack, owner, image) == (200, inner) and fetch(stack, owner, around) == (200, outer)
    other = docker([layer(21_000)])
    holder = stored(stack, owner, docker([other]))
    image = stored(stack, owner, other)  # a layer of the holder, so it has its own bytes
    assert sha512(other) in blobs(stack, s3, "local")
    assert fetch(stack, owner, image) == (200, other) and fetch(stack, owner, holder) == (200, docker([other]))
    root = hostile.rootfs(member("./big", os.urandom(30_000)))
    plain = stored(stack, owner, root)
    before = sum(blobs(stack, s3, "local").values())
    stored(stack, owner, docker([root]))  # a root file system is a layer
    assert sum(blobs(stack, s3, "local").values()) - before < 20_000
    assert fetch(stack, owner, plain) == (200, root)


def test_a_rotten_layer_marks_every_image_of_it_and_is_restored(stack, s3):
    one, other = stack.person(), stack.person()
    base = layer(50_000)
    images = [(one, stored(stack, one, docker([base, layer(10)])))]
    images.append((other, stored(stack, other, docker([base, layer(11)]))))
    path = stack.cloud.dir("images") / "blobs" / sha512(base)[:2] / sha512(base)
    good = path.read_bytes()
    path.write_bytes(b"rotten" + good[6:])
    for person, image in images:
        wait_until(lambda: show(stack, person, image).get("os_glance_corrupt_stores") == "local", 25, "nobody sees it")
        assert stack.request("GET", "image", image["file"], token=person.token)[0] == 503
    s3.objects[sha512(base)] = good
    stack.sql("image", "INSERT INTO blob_location (digest, store, state) VALUES (%s, 'archive', 'present')", sha512(base))
    for person, image in images:
        wait_until(lambda: "os_glance_corrupt_stores" not in show(stack, person, image), 25, "it is not restored")
        assert fetch(stack, person, image)[0] == 200
    assert path.read_bytes() == good


def test_many_layers_and_empty_ones(stack, owner, s3):
    layers = [layer(i) for i in range(255)] + [b"\0" * 1024]
    data = docker(layers)
    image = stored(stack, owner, data)
    assert fetch(stack, owner, image) == (200, data)
    assert fetch(stack, owner, image, Range=f"bytes=1-{len(data) - 2}") == (206, data[1:-1])


def test_an_archive_is_no_bare_disk(stack, owner):
    for disk, container, status in [("raw", "bare", 400), ("raw", "docker", 204), ("ami", "ami", 400)]:
        image = stack.call("POST", "image", "/v2/images", {"disk_format": disk, "container_format": container}, token=owner.token)
        answer = send(stack, owner, image, docker([layer(10)]))
        assert answer[0] == status and (status == 204 or "content is &apos;tar&apos;" in answer[2]), answer


def test_a_host_gets_the_same_bytes_by_a_ticket(stack, owner):
    data = oci([layer(90_000)])
    image = stored(stack, owner, data)
    ticket = stack.call("POST", "image", f"/internal/v1/images/{image['id']}/ticket", {"project_id": owner.project_id}, token=stack.service_token())
    with urllib.request.urlopen(ticket["url"], timeout=30) as reply:
        assert reply.read() == data and ticket["os_hash_value"] == sha512(data)


def test_nothing_is_left_when_every_image_is_gone(stack, s3):
    assert blobs(stack, s3, "local") and blobs(stack, s3, "archive")
    admin = stack.admin_token()
    for image in stack.sql("image", "SELECT id FROM image WHERE status <> 'deleted'"):
        stack.call("DELETE", "image", f"/v2/images/{image['id']}", token=admin)
    wait_until(lambda: (age(stack), not blobs(stack, s3, "local") and not blobs(stack, s3, "archive"))[1], 60, "blobs are left")
    wait_until(lambda: (age(stack), not stack.sql("image", "SELECT digest FROM blob"))[1], 30, "rows are left")
    assert stack.sql("image", "SELECT part FROM blob_part") == []
