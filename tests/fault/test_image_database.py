# SPDX-License-Identifier: Apache-2.0
"""PostgreSQL that goes away in the middle of uploads, imports and copies, and a service that is killed when the bytes are in the
store and the rows do not say so yet: what was answered 2xx is there, work that only waits for the database goes on when it is back, and
nothing stays that no image wants."""

import http.server
import os
import socket
import threading
import time
from contextlib import closing, contextmanager

import psycopg2
import pytest
from launch import postgres, process

from tests.lib import hostile
from tests.lib.image import STREAM, create, fetching, send, show
from tests.lib.image_left import age, check_nothing_left, check_sums, download
from tests.lib.s3 import MIN_PART, S3
from tests.lib.stack import free_ports, infra, wait_until

SERVICES = ["identity", "image"]
REMOTE = S3(free_ports(["s3"])["s3"])
WEB = free_ports(["web"])["web"]
SETTINGS = {"image": {"stores": {"enabled": "local:file, archive:s3"}, "store:archive": REMOTE.settings(), **fetching(WEB)}}
DATA = os.urandom(MIN_PART + 600_000)
LAYERS = hostile.docker([hostile.tar([hostile.member("a", DATA[:300_000])]), hostile.tar([hostile.member("b", DATA[300_000:])])])


class Pages(http.server.BaseHTTPRequestHandler):
    """DATA; what is to happen in the middle happens then."""

    meanwhile = staticmethod(lambda: None)

    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(DATA[:1000])
        self.wfile.flush()
        self.meanwhile()
        self.wfile.write(DATA[1000:])

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module", autouse=True)
def peers():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", WEB), Pages)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with REMOTE:
        yield
    server.shutdown()


@pytest.fixture(autouse=True)
def sums_are_right(stack, owner):
    yield
    REMOTE.fail, Pages.meanwhile = lambda *_: None, staticmethod(lambda: None)
    check_sums(stack, owner)


def database_stop():
    process.stop(infra().cloud, postgres.NAME)


def database_restart():
    database_stop()
    postgres.up(infra().cloud)


class Once:
    """Called any number of times, from any thread, it acts once, and all wait for it."""

    def __init__(self, act):
        self.act, self.lock, self.is_over = act, threading.Lock(), threading.Event()

    def __call__(self):
        with self.lock:
            if not self.is_over.is_set():
                self.act()
                self.is_over.set()


def during_parts(act):
    """Acts while a part of a blob is on its way to the remote store."""
    once = Once(act)
    REMOTE.fail = lambda method, path, query: once() if "partNumber" in query else None
    return once.is_over


def begin(stack, token, image, name, store, page=None):
    body = {"method": {"name": name, **({"uri": f"http://127.0.0.1:{WEB}{page}"} if page else {})}, "stores": [store]}
    return stack.request("POST", "image", f"/v2/images/{image['id']}/import", body, token=token)[0]


def ended(stack, image):
    """The image's import that began last, when none goes on."""
    def tasks():
        return stack.sql("image", "SELECT status, message FROM image_task WHERE image_id = %s ORDER BY created_at", image["id"])

    wait_until(lambda: tasks()[-1]["status"] != "processing", 40, "the import did not end")
    return tasks()[-1]


@contextmanager
def sending(stack, owner, image, data, kind):
    """An upload whose first half has come."""
    with closing(socket.create_connection(("127.0.0.1", int(stack.url("image").rsplit(":", 1)[1])), 60)) as link:
        head = [f"PUT /v2/images/{image['id']}/{kind} HTTP/1.1", "Host: x", f"X-Auth-Token: {owner.token}", f"Content-Type: {STREAM['Content-Type']}",
                f"Content-Length: {len(data)}", "", ""]
        link.sendall("\r\n".join(head).encode() + data[:len(data) // 2])
        wait_until(lambda: show(stack, owner, image)["status"] in ("saving", "uploading"), 10, "the upload did not begin")
        yield link


def status_of(link, rest):
    link.sendall(rest)
    return int(link.recv(4096).split()[1])


@pytest.mark.parametrize("kind, now", [("file", "active"), ("stage", "uploading")])
def test_an_upload_outlives_a_restart_of_the_database_and_of_its_lease(stack, owner, kind, now):
    image = create(stack, owner)
    with sending(stack, owner, image, DATA, kind) as link:
        stack.sql("image", "UPDATE image SET upload_until = now() + interval '100 ms' WHERE upload_id IS NOT NULL")
        database_stop()
        time.sleep(0.3)  # the lease ends while nobody can renew it
        postgres.up(infra().cloud)
        wait_until(lambda: stack.sql("image", "SELECT 1 AS n FROM image WHERE upload_until > now()"), 15, "the lease was not renewed")
        assert status_of(link, DATA[len(DATA) // 2:]) == 204
    assert show(stack, owner, image)["status"] == now
    if kind == "stage":
        assert begin(stack, owner.token, image, "glance-direct", "archive") == 202
        assert ended(stack, image)["status"] == "success"
    assert download(stack, owner, image["id"]) == DATA


@pytest.mark.parametrize("container, data", [("bare", "plain"), ("docker", "layers")])
def test_the_database_restarts_while_a_store_takes_the_bytes(stack, owner, container, data):
    data = {"plain": DATA, "layers": LAYERS}[data]
    image = create(stack, owner, container_format=container)
    during_parts(database_restart)
    assert send(stack, owner, image, data, "archive")[0] == 204
    assert download(stack, owner, image["id"]) == data


@pytest.mark.parametrize("method", ["glance-direct", "web-download", "copy-image"])
def test_the_database_restarts_while_an_import_goes_on(stack, owner, method):
    image = create(stack, owner)
    if method != "web-download":
        assert send(stack, owner, image, DATA, kind="stage" if method == "glance-direct" else "file")[0] == 204
    fetched, stored = Once(database_restart), during_parts(database_restart)
    Pages.meanwhile = fetched
    assert begin(stack, stack.admin_token(), image, method, "archive", "/" if method == "web-download" else None) == 202
    assert stored.wait(30) and (method != "web-download" or fetched.is_over.is_set())
    assert ended(stack, image)["status"] == "success"
    assert download(stack, owner, image["id"]) == DATA


class Lock:
    """While it is held, nothing that counts the owner's bytes gets on: the bytes are stored, the commit waits."""

    def __init__(self, stack, owner):
        self.stack, self.owner = stack, owner

    def take(self):
        self.link = psycopg2.connect(self.stack.dsn("image"))
        self.link.autocommit = True
        self.link.cursor().execute("SELECT pg_advisory_lock(hashtext('quota'), hashtext(%s))", [self.owner.project_id])

    def wait(self):
        """Until somebody waits for it."""
        wait_until(lambda: self.stack.sql("image", "SELECT 1 AS n FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"), 15, "nothing waits")


def break_service(stack, lock):
    stack.kill("image")
    lock.link.close()
    stack.start("image")


def break_database(stack, lock):
    """Who waits goes first: a stop of the database ends the lock's holder too, and who waits could commit before its own end."""
    stack.sql("image", "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
    database_restart()


BEFORE = {"file": ("queued", None), "stage": ("queued", None), "glance-direct": ("uploading", None), "copy-image": ("active", "local")}
AFTER = {"file": ("active", "local"), "stage": ("uploading", None), "glance-direct": ("active", "archive"), "copy-image": ("active", "archive,local")}


@pytest.mark.parametrize("kind, container, breaks", [
    ("file", "bare", break_service), ("file", "docker", break_service), ("stage", "bare", break_service), ("glance-direct", "docker", break_service),
    ("copy-image", "bare", break_service), ("file", "bare", break_database), ("stage", "bare", break_database), ("copy-image", "docker", break_database)])
def test_what_breaks_between_the_store_and_the_commit_leaves_what_was(stack, owner, kind, container, breaks):
    data = LAYERS if container == "docker" else DATA
    image, lock = create(stack, owner, container_format=container), Lock(stack, owner)
    is_import = kind in ("glance-direct", "copy-image")
    if is_import:
        assert send(stack, owner, image, data, kind="stage" if kind == "glance-direct" else "file")[0] == 204
        taken = during_parts(lock.take)
        assert begin(stack, stack.admin_token(), image, kind, "archive") == 202 and taken.wait(15)
        lock.wait()
        breaks(stack, lock)
    else:
        with sending(stack, owner, image, data, kind) as link:
            lock.take()
            link.sendall(data[len(data) // 2:])
            lock.wait()
            breaks(stack, lock)
            if breaks is break_database:
                assert link.recv(4096).startswith(b"HTTP/1.1 503 ")
    age(stack)
    wait_until(lambda: not stack.sql("image", "SELECT 1 AS n FROM image WHERE upload_id IS NOT NULL"), 30, "the image stays as it is")
    now = show(stack, owner, image)
    assert (now["status"], now.get("stores")) == BEFORE[kind]
    if is_import:
        assert ended(stack, image)["status"] == "failure"
        assert begin(stack, stack.admin_token(), image, kind, "archive") == 202
        assert ended(stack, image)["status"] == "success"
    else:
        assert send(stack, owner, image, data, kind=kind)[0] == 204
    now = show(stack, owner, image)
    assert (now["status"], now.get("stores")) == AFTER[kind]
    assert now["status"] != "active" or download(stack, owner, image["id"]) == data


@pytest.mark.parametrize("kind", ["stage"])
def test_an_upload_that_ends_while_the_database_is_away_is_503_and_may_be_sent_again(stack, owner, kind):
    image = create(stack, owner)
    with sending(stack, owner, image, DATA, kind) as link:
        database_stop()
        status = status_of(link, DATA[len(DATA) // 2:])
        postgres.up(infra().cloud)
    assert status == 503
    age(stack)
    wait_until(lambda: show(stack, owner, image)["status"] == "queued", 15, "the image stays as it is")
    assert send(stack, owner, image, DATA, kind=kind)[0] == 204


def test_nothing_stays_that_no_image_wants(stack, owner):
    for _ in ("with images", "without"):
        age(stack)
        check_nothing_left(stack, {"local": stack.cloud.dir("images"), "archive": REMOTE})
        for image in stack.call("GET", "image", "/v2/images?limit=1000", token=owner.token)["images"]:
            stack.call("DELETE", "image", f"/v2/images/{image['id']}", token=owner.token)
