# SPDX-License-Identifier: Apache-2.0
"""kill -9 of the image service at random moments of upload, import, delete, copy and of taking data from a location, on a local and on a remote store: no image that
was answered 2xx is lost, nothing is left after the sweep, quota and usage are the sum of the rows.

HANEUL_FAULT_ROUNDS says how many rounds (8 without it), HANEUL_FAULT_SEED repeats a run.
"""

import hashlib
import http.server
import os
import random
import threading
import time

import pytest

from tests.lib import hostile
from tests.lib.image import STREAM
from tests.lib.image_left import check_nothing_left, check_sums, download, settle
from tests.lib.s3 import MIN_PART, S3
from tests.lib.stack import free_ports

ROUNDS = int(os.environ.get("HANEUL_FAULT_ROUNDS", "10"))
SEED = int(os.environ.get("HANEUL_FAULT_SEED", random.randrange(1 << 30)))
SERVICES = ["identity", "image"]
REMOTE = S3(free_ports(["s3"])["s3"])
WEB = free_ports(["web"])["web"]
SETTINGS = {"image": {"stores": {"enabled": "local:file, archive:s3"}, "store:archive": REMOTE.settings(),
                      "import": {"ports": str(WEB), "allow_private": "true"}}}
KINDS = ["upload", "import", "delete", "copy", "location"]
BASE = hostile.tar([hostile.member("base", random.Random(1).randbytes(400_000))])  # every archive's lowest layer


@pytest.fixture(scope="module", autouse=True)
def s3():
    with REMOTE:
        yield REMOTE


class Pages(http.server.BaseHTTPRequestHandler):
    """/<image id>: the data of that image's operation."""

    data = {}

    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.data[self.path])

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module", autouse=True)
def web():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", WEB), Pages)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()


@pytest.fixture(scope="module")
def owner(stack):
    """With an image of another's that shares a layer with every archive."""
    other = stack.person()
    Acting(stack, other, "delete", "local", hostile.docker([BASE, hostile.LAYERS[0]]), "docker")
    Acting(stack, other, "delete", "archive", hostile.oci([BASE], pack=bytes, kind="application/vnd.oci.image.layer.v1.tar"), "docker")
    return stack.person()


class Acting(threading.Thread):
    """One operation on one image; whatever breaks is the kill."""

    def __init__(self, stack, owner, kind, store, data, container="bare"):
        super().__init__()
        self.stack, self.owner, self.kind, self.store, self.data = stack, owner, kind, store, data
        self.other = "local" if store == "archive" else "archive"
        self.stored = self.deleted = False
        self.image = stack.call("POST", "image", "/v2/images", {"disk_format": "raw", "container_format": container}, token=owner.token)["id"]
        if kind == "import":
            assert self._put("stage") == 204
        elif kind == "location":
            Pages.data["/" + self.image] = data
        elif kind != "upload":
            assert self._put("file") == 204
            self.stored = True

    def _put(self, what):
        return self.stack.request("PUT", "image", f"/v2/images/{self.image}/{what}", data=self.data, token=self.owner.token,
                                  headers={**STREAM, "X-Image-Meta-Store": self.store})[0]

    def _import(self, method, token):
        stores = [self.store, self.other] if method == "glance-direct" else [self.other]
        return self.stack.request("POST", "image", f"/v2/images/{self.image}/import", {"method": {"name": method}, "stores": stores}, token=token)[0]

    def run(self):
        try:
            if self.kind == "upload":
                self.stored = self._put("file") == 204
            elif self.kind == "delete":
                self.deleted = self.stack.request("DELETE", "image", f"/v2/images/{self.image}", token=self.owner.token)[0] == 204
            elif self.kind == "location":
                self.stack.request("POST", "image", f"/v2/images/{self.image}/locations", {"url": f"http://127.0.0.1:{WEB}/{self.image}"},
                                   token=self.owner.token)
            elif self.kind == "import":
                self._import("glance-direct", self.owner.token)
            else:
                self._import("copy-image", self.stack.admin_token())
        except Exception:  # the connection broke
            pass


@pytest.mark.parametrize("number", range(ROUNDS))
def test_kill_at_a_random_moment(stack, owner, s3, number):
    random.seed(SEED + number)
    kind, store = KINDS[number % len(KINDS)], ["local", "archive"][number // len(KINDS) % 2]
    data, container = random.randbytes(random.choice([1000, 3_000_000, 2 * MIN_PART + 5])), random.choice(["bare", "docker"])
    if container == "docker":
        data = hostile.docker([BASE, hostile.tar([hostile.member("more", data)])])
    moment = random.uniform(0, 0.4)
    print(f"seed {SEED + number}: {kind} of {len(data)} bytes, {container}, in {store}, killed after {moment:.3f} s")
    acting = Acting(stack, owner, kind, store, data, container)
    acting.start()
    time.sleep(moment)  # the moment is the case
    stack.kill("image")
    acting.join()
    stack.start("image")
    settle(stack, owner)
    check_nothing_left(stack, {"local": stack.cloud.dir("images"), "archive": s3})
    status, _, now = stack.request("GET", "image", f"/v2/images/{acting.image}", token=owner.token)
    if acting.deleted:
        assert status == 404
    elif acting.stored and kind != "delete":
        assert (status, now["status"], now["size"]) == (200, "active", len(data))
        assert store in now["stores"].split(",")
    if status == 200:
        assert now["status"] in {"upload": ("queued", "active"), "location": ("queued", "active"), "import": ("uploading", "active")}.get(kind, ("active",))
        if now["status"] == "active":
            assert hashlib.sha512(download(stack, owner, acting.image)).hexdigest() == now["os_hash_value"] == hashlib.sha512(data).hexdigest()
    check_sums(stack, owner)
    stack.call("DELETE", "image", f"/v2/images/{acting.image}", token=owner.token) if status == 200 else None
