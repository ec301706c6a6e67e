# SPDX-License-Identifier: Apache-2.0
"""Disks that are full or read-only under the image service, and a remote store that dies in the middle: every request is answered with
a reason, no image is stuck or lost, and nothing stays that no image wants."""

import contextlib
import http.server
import os
import subprocess
import tempfile
import threading
from pathlib import Path

import pytest

from tests.lib import hostile
from tests.lib.image import create, fetching, send, show
from tests.lib.image_left import age, check_nothing_left, check_sums, download
from tests.lib.s3 import MIN_PART, S3
from tests.lib.stack import free_ports, wait_until

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounts file systems")
SERVICES = ["identity", "image"]
MIB = 1 << 20
SIZES = {"base": 48, "spare": 4, "cache": 4}  # MiB
HOME = Path(tempfile.mkdtemp(prefix="haneul-disk-"))
REMOTE = S3(free_ports(["s3"])["s3"])
WEB = free_ports(["web"])["web"]
STORES = {"local": HOME / "base", "spare": HOME / "spare", "archive": REMOTE}
SETTINGS = {"image": {"store": {"path": str(HOME / "base")}, "stores": {"enabled": "local:file, spare:file, archive:s3"},
                      "store:spare": {"path": str(HOME / "spare")}, "store:archive": REMOTE.settings(),
                      "cache": {"path": str(HOME / "cache")}, **fetching(WEB, retries="0")}}
SMALL, MIDDLE, LARGE = os.urandom(MIB), os.urandom(MIN_PART + MIB // 2), os.urandom(60 * MIB)
LAYERS = hostile.docker([hostile.tar([hostile.member("a", SMALL)]), hostile.tar([hostile.member("b", MIDDLE)])])
PAGES = {"/small": SMALL, "/middle": MIDDLE, "/large": LARGE, "/layers": LAYERS}
FULL, READ_ONLY = "No space left on device", "Read-only file system"


class Pages(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(PAGES[self.path])

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module", autouse=True)
def disks():
    for name, size in SIZES.items():
        (HOME / name).mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}m,mode=755", "tmpfs", HOME / name], check=True)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", WEB), Pages)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with REMOTE:
        yield
    server.shutdown()
    for name in SIZES:
        subprocess.run(["umount", "-l", HOME / name], check=True)
        (HOME / name).rmdir()
    HOME.rmdir()


@pytest.fixture(autouse=True)
def sums_are_right(stack, owner):
    yield
    REMOTE.fail = lambda *_: None
    check_sums(stack, owner)
    for image in stack.call("GET", "image", "/v2/images?limit=1000", token=owner.token)["images"]:
        stack.call("DELETE", "image", f"/v2/images/{image['id']}", token=owner.token)


@contextlib.contextmanager
def read_only(name):
    subprocess.run(["mount", "-o", "remount,ro", HOME / name], check=True)
    try:
        yield
    finally:
        subprocess.run(["mount", "-o", "remount,rw", HOME / name], check=True)


def begin(stack, token, image, name, stores, page=None, **more):
    body = {"method": {"name": name, **({"uri": f"http://127.0.0.1:{WEB}{page}"} if page else {})}, "stores": stores, **more}
    return stack.request("POST", "image", f"/v2/images/{image['id']}/import", body, token=token)


def ended(stack, owner, image):
    """The image's import that began last, when none goes on."""
    def tasks():
        return stack.sql("image", "SELECT status, message FROM image_task WHERE image_id = %s ORDER BY created_at", image["id"])

    wait_until(lambda: tasks()[-1]["status"] != "processing", 30, "the import did not end")
    return tasks()[-1]


@pytest.mark.parametrize("kind, container, store, page", [
    ("file", "bare", "local", "/large"), ("stage", "bare", "local", "/large"), ("file", "bare", "spare", "/middle"), ("file", "docker", "spare", "/layers")])
def test_bytes_that_do_not_fit_on_the_disk_are_413_and_may_be_sent_again(stack, owner, kind, container, store, page):
    image = create(stack, owner, container_format=container)
    status, _, body = send(stack, owner, image, PAGES[page], store, kind)
    assert status == 413 and FULL in body
    assert show(stack, owner, image)["status"] == "queued"
    assert send(stack, owner, create(stack, owner), SMALL, store, kind)[0] == 204


def test_a_fetch_that_does_not_fit_tells_why_by_its_task(stack, owner):
    for page, store in (("/large", "local"), ("/middle", "spare")):
        image = create(stack, owner)
        assert begin(stack, owner.token, image, "web-download", [store], page)[0] == 202
        task = ended(stack, owner, image)
        assert task["status"] == "failure" and FULL in task["message"]
        now = show(stack, owner, image)
        assert (now["status"], now["os_glance_failed_import"]) == ("queued", store)


def test_staged_data_is_kept_when_a_store_is_full(stack, owner):
    image = create(stack, owner)
    assert send(stack, owner, image, MIDDLE, kind="stage")[0] == 204
    assert begin(stack, owner.token, image, "glance-direct", ["local", "spare"], all_stores_must_succeed=True)[0] == 202
    assert FULL in ended(stack, owner, image)["message"]
    assert show(stack, owner, image)["status"] == "uploading"
    assert begin(stack, owner.token, image, "glance-direct", ["local", "spare"], all_stores_must_succeed=False)[0] == 202
    assert ended(stack, owner, image)["status"] == "success"
    now = show(stack, owner, image)
    assert (now["status"], now["stores"], now["os_glance_failed_import"]) == ("active", "local", "spare")
    assert download(stack, owner, image["id"]) == MIDDLE


def test_a_copy_that_does_not_fit_leaves_the_image_as_it_was(stack, owner):
    image = create(stack, owner)
    assert send(stack, owner, image, MIDDLE, "archive")[0] == 204
    assert begin(stack, stack.admin_token(), image, "copy-image", ["spare"])[0] == 202
    assert FULL in ended(stack, owner, image)["message"]
    now = show(stack, owner, image)
    assert (now["status"], now["stores"], now["os_glance_failed_import"]) == ("active", "archive", "spare")
    with contextlib.suppress(OSError), open(HOME / "base" / "filler", "wb", buffering=0) as filler:
        while True:  # a copy from far away comes by the temporary files
            filler.write(bytes(MIB))
    try:
        assert begin(stack, stack.admin_token(), image, "copy-image", ["local"])[0] == 202
        assert FULL in ended(stack, owner, image)["message"]
    finally:
        (HOME / "base" / "filler").unlink()
    assert begin(stack, stack.admin_token(), image, "copy-image", ["local"])[0] == 202
    assert ended(stack, owner, image)["status"] == "success"
    assert show(stack, owner, image)["stores"] == "archive,local"


def test_a_cache_whose_disk_is_full_serves_all_the_same(stack, owner):
    large, small = create(stack, owner), create(stack, owner)
    assert send(stack, owner, large, MIDDLE, "archive")[0] == send(stack, owner, small, SMALL, "archive")[0] == 204
    assert download(stack, owner, large["id"]) == MIDDLE
    wait_until(lambda: "cannot cache an image" in stack.log("image"), 20, "the cache did not notice")
    assert download(stack, owner, small["id"]) == SMALL
    wait_until(lambda: (HOME / "cache" / "cached" / small["id"]).exists(), 5, f"what does not fit is in the way: {list((HOME / 'cache').rglob('*'))}")
    assert download(stack, owner, large["id"]) == MIDDLE


def test_a_read_only_disk_is_503_and_heals(stack, owner):
    kept, gone = create(stack, owner), create(stack, owner)
    staged = create(stack, owner)
    assert send(stack, owner, kept, SMALL)[0] == send(stack, owner, gone, MIDDLE)[0] == send(stack, owner, staged, SMALL, kind="stage")[0] == 204
    with read_only("base"):
        for kind in ("file", "stage"):
            image = create(stack, owner)
            assert send(stack, owner, image, SMALL, kind=kind)[0] == 503
            assert show(stack, owner, image)["status"] == "queued"
        assert begin(stack, owner.token, image, "web-download", ["local"], "/small")[0] == 503
        assert show(stack, owner, image)["status"] == "queued"
        begin(stack, owner.token, staged, "glance-direct", ["local"])
        wait_until(lambda: show(stack, owner, staged)["status"] == "uploading", 10, "the import did not end")
        assert stack.request("GET", "image", "/healthcheck")[0] == 503
        assert READ_ONLY in stack.log("image")
        assert download(stack, owner, kept["id"]) == SMALL
        stack.call("DELETE", "image", f"/v2/images/{gone['id']}", token=owner.token)
        age(stack)
        wait_until(lambda: "cannot remove a blob" in stack.log("image"), 20, "the sweep did not say so")
    assert stack.request("GET", "image", "/healthcheck")[0] == 200
    assert begin(stack, owner.token, staged, "glance-direct", ["local"])[0] == 202
    wait_until(lambda: show(stack, owner, staged)["status"] == "active", 10, "the import did not end")
    assert download(stack, owner, staged["id"]) == SMALL


def test_a_read_only_store_is_503_and_the_others_go_on(stack, owner):
    with read_only("spare"):
        image = create(stack, owner)
        assert send(stack, owner, image, SMALL, "spare")[0] == 503
        assert show(stack, owner, image)["status"] == "queued"
        assert send(stack, owner, image, SMALL)[0] == 204
    assert begin(stack, stack.admin_token(), image, "copy-image", ["spare"])[0] == 202
    assert ended(stack, owner, image)["status"] == "success"


@pytest.mark.parametrize("container, dies", [("bare", "at the last part"), ("docker", "at the end")])
def test_a_remote_store_that_dies_in_the_middle_is_named(stack, owner, container, dies):
    data = os.urandom(MIN_PART + MIB // 2)  # new bytes: who brings what is just being removed waits for that
    if container == "docker":
        data = hostile.docker([hostile.tar([hostile.member("b", data)])])
    image = create(stack, owner, container_format=container)

    def fail(method, path, query):
        is_last = query.get("partNumber") == "2" if dies == "at the last part" else method == "POST" and "uploadId" in query
        fail.is_dead = fail.is_dead or is_last
        return 403 if fail.is_dead else None

    fail.is_dead = False
    REMOTE.fail = fail
    assert send(stack, owner, image, data, "archive")[0] == 503
    wait_until(lambda: f"cannot store an image image={image['id']} store=archive" in stack.log("image"), 5, "the log does not say why")
    assert show(stack, owner, image)["status"] == "queued"
    assert send(stack, owner, image, data, "local")[0] == 204
    assert begin(stack, stack.admin_token(), image, "copy-image", ["archive"])[0] == 202
    assert ended(stack, owner, image)["status"] == "failure"
    assert (show(stack, owner, image)["status"], show(stack, owner, image)["stores"]) == ("active", "local")
    REMOTE.fail = lambda *_: None
    assert begin(stack, stack.admin_token(), image, "copy-image", ["archive"])[0] == 202
    assert ended(stack, owner, image)["status"] == "success"
    assert show(stack, owner, image)["stores"] == "archive,local"


def test_nothing_stays_that_no_image_wants(stack):
    age(stack)
    check_nothing_left(stack, STORES)
