# SPDX-License-Identifier: Apache-2.0
"""The s3 driver against a server that others wrote: Swift and its S3 interface, from Debian's package python3-swift."""

import hashlib
import os
import pathlib
import tempfile
import urllib.error

import pytest

from tests.lib import swift
from tests.lib.stack import Stack, wait_until
from tests.service.test_image_stores import ask, create, fetch, last_task, send, show, stored

pytestmark = pytest.mark.skipif(not swift.is_installed(), reason="python3-swift is not installed")
PART = 5 << 20


@pytest.fixture(scope="module")
def remote():
    with tempfile.TemporaryDirectory(prefix="haneul-swift-") as directory, swift.Swift(pathlib.Path(directory)) as server:
        yield server


@pytest.fixture(scope="module")
def stack(remote):
    settings = {"stores": {"enabled": "local:file, archive:s3", "default": "local"}, "store:archive": remote.settings(), "scrub": {"age": "2"}}
    with Stack(["identity", "image"], settings={"image": settings}) as running:
        yield running


@pytest.mark.parametrize("size", [0, 1, PART, PART + 1, 3 * PART + 12345])
def test_bytes_go_there_and_come_back(stack, owner, remote, size):
    data = os.urandom(size)
    image = stored(stack, owner, data, "archive")
    assert show(stack, owner, image)["stores"] == "archive"
    assert hashlib.sha512(data).hexdigest() in remote.names()
    assert fetch(stack, owner, image) == (200, data)
    if size > 100:
        assert fetch(stack, owner, image, Range="bytes=10-99") == (206, data[10:100])
        assert fetch(stack, owner, image, Range="bytes=-5") == (206, data[-5:])
        assert fetch(stack, owner, image, Range=f"bytes={size - 7}-") == (206, data[-7:])


def test_an_image_is_copied_there_and_leaves(stack, owner, remote):
    data = os.urandom(PART + 4711)
    image, name = stored(stack, owner, data), hashlib.sha512(data).hexdigest()
    assert ask(stack, stack.admin_token(), image, "copy-image", stores=["archive"])[0] == 202
    wait_until(lambda: last_task(stack, owner, image)["status"] == "success", 30, "the copy did not end")
    assert show(stack, owner, image)["stores"] == "archive,local" and name in remote.names()
    assert stack.request("DELETE", "image", f"/v2/stores/local/{image['id']}", token=stack.admin_token())[0] == 204
    assert fetch(stack, owner, image) == (200, data)
    assert stack.request("DELETE", "image", f"/v2/images/{image['id']}", token=owner.token)[0] == 204
    # A blob that nobody wants is removed after a minute.
    stack.sql("image", "UPDATE blob SET created_at = created_at - interval '1 hour' WHERE digest = %s", name)
    stack.sql("image", "UPDATE blob_location SET changed_at = changed_at - interval '1 hour' WHERE digest = %s", name)
    wait_until(lambda: name not in remote.names(), 90, "the object stayed")


def test_the_same_bytes_are_there_once(stack, owner, remote):
    data = os.urandom(100_000)
    images = [stored(stack, who, data, "archive") for who in (owner, stack.person(), owner)]
    assert remote.names().count(hashlib.sha512(data).hexdigest()) == 1
    stack.call("DELETE", "image", f"/v2/images/{images[0]['id']}", token=owner.token)
    assert fetch(stack, owner, images[2]) == (200, data)


def kept(remote, name):
    """None: not there, which is also what Swift says to who looks while the object is being replaced."""
    try:
        return remote.request("GET", "/" + name)
    except urllib.error.HTTPError as error:
        if error.code != 404:
            raise
        return None


def test_what_rots_there_is_found_and_written_again(stack, owner, remote):
    data = os.urandom(50_000)
    image, name = stored(stack, owner, data), hashlib.sha512(data).hexdigest()
    assert ask(stack, stack.admin_token(), image, "copy-image", stores=["archive"])[0] == 202
    wait_until(lambda: last_task(stack, owner, image)["status"] == "success", 30, "the copy did not end")
    remote.request("PUT", "/" + name, b"not what it was")
    wait_until(lambda: kept(remote, name) == data, 90, "the scrubber did not write it again")


def test_an_upload_that_breaks_off_leaves_nothing(stack, owner, remote):
    before = set(remote.names())
    image = create(stack, owner, disk_format="qcow2")
    assert send(stack, owner, image, os.urandom(PART + 5), "archive")[0] == 400
    assert show(stack, owner, image)["status"] == "queued"
    assert set(remote.names()) <= before
