# SPDX-License-Identifier: Apache-2.0
"""common/'s HTTP server and resource engine, through a real process (tests/lib/things.c) on a real PostgreSQL."""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.lib import stack as lib

PROGRAM = Path(os.environ.get("HANEUL_BIN", "build/debug/bin")) / "haneul-test-things"


class Things:
    def __init__(self, directory):
        self.stack = lib.Stack([])
        self.stack.__enter__()
        dsn = self.stack.dsn("image")  # any role: the program makes a schema of its own
        self.port = lib.free_ports(["things"])["things"]
        self.conf = directory / "things.conf"
        self.conf.write_text(f"[database]\ndsn={dsn}\n[service]\nlisten=127.0.0.1\nport={self.port}\nworkers=2\nmax_queue=2\nidle_timeout=3\n")
        self.log = (directory / "things.log").open("wb")
        subprocess.run([PROGRAM, "--config", self.conf, "--migrate"], check=True)
        self.process = subprocess.Popen([PROGRAM, "--config", self.conf], stderr=self.log)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            try:
                if self.call("GET", "/healthcheck")[0] == 200:
                    return
            except OSError:
                time.sleep(0.02)
        raise AssertionError("things did not start")

    def call(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
        connection.request(method, path, body)
        reply = connection.getresponse()
        text = reply.read()
        connection.close()
        return reply.status, json.loads(text) if text.startswith(b"{") else text

    def memory_kib(self):
        for line in open(f"/proc/{self.process.pid}/status"):
            if line.startswith("VmRSS"):
                return int(line.split()[1])

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(20) == 0
        self.stack.__exit__()


@pytest.fixture(scope="module")
def things(tmp_path_factory):
    service = Things(tmp_path_factory.mktemp("things"))
    yield service
    service.stop()


OWNER = str(uuid.uuid4())


def make(things, **attributes):
    status, body = things.call("POST", "/v1/things", {"thing": {"owner_id": OWNER, **attributes}})
    assert status == 201, body
    return body["thing"]


def test_a_connection_within_the_machine_is_not_paced(things):
    with socket.create_connection(("127.0.0.1", things.port)) as link:
        own = link.getsockname()[1]
        found = subprocess.run(["ss", "-tniH", f"sport = {things.port} and dport = {own}"], check=True, capture_output=True, text=True).stdout
    assert " reno " in found and "bbr" not in found, found


def test_a_thing_lives_through_create_show_update_delete(things):
    thing = make(things, name="a", size="7", secret="hidden")
    assert thing["size"] == 7 and thing["router:external"] is False and "secret" not in thing
    assert thing["revision_number"] == 1 and thing["tenant_id"] == thing["project_id"]
    status, body = things.call("PUT", f"/v1/things/{thing['id']}", {"thing": {"size": None, "router:external": "True"}})
    assert status == 200 and body["thing"]["size"] is None and body["thing"]["router:external"] is True
    assert body["thing"]["revision_number"] == 2
    assert things.call("GET", f"/v1/things/{thing['id']}") == (200, body)
    assert things.call("DELETE", f"/v1/things/{thing['id']}")[0] == 204
    status, body = things.call("GET", f"/v1/things/{thing['id']}")
    assert status == 404 and thing["id"] in body["error"]["message"]


def test_bulk_create_makes_all_or_none(things):
    good, bad = {"owner_id": OWNER, "name": "bulk"}, {"owner_id": OWNER, "name": "bulk", "size": 101}
    assert things.call("POST", "/v1/things", {"things": [good, bad]})[0] == 400
    assert things.call("GET", "/v1/things?name=bulk")[1]["things"] == []
    assert len(things.call("POST", "/v1/things", {"things": [good, good]})[1]["things"]) == 2
    assert len(things.call("GET", "/v1/things?name=bulk")[1]["things"]) == 2


@pytest.mark.parametrize(
    "attributes, named",
    [
        ({"size": 0}, "size"), ({"size": "x"}, "size"), ({"name": 5}, "name"), ({"name": "n" * 256}, "name"), ({"name": None}, "name"),
        ({"router:external": "maybe"}, "router:external"), ({"colour": "blue"}, "colour"), ({"owner_id": "x"}, "owner_id"),
        ({"tags": "x"}, "tags"), ({"tags": [1, 2, 3, 4]}, "tags"), ({"unknown": 1}, "unknown"), ({"revision_number": 9}, "revision_number"),
    ],
)
def test_wrong_input_is_400_and_names_the_field(things, attributes, named):
    status, body = things.call("POST", "/v1/things", {"thing": {"owner_id": OWNER, **attributes}})
    assert status == 400 and named in body["error"]["message"]


@pytest.mark.parametrize("body", ["", "{", "[]", "null", '{"thing": 1}', '{"thing": {}, "thing": {}}', "\x00", '{"thing": {"name": "nul\\u0000"}}', '{"thing": {"name": "\ud800"}}'])
def test_malformed_bodies_are_400(things, body):
    assert things.call("POST", "/v1/things", body.encode("utf-8", "surrogatepass"))[0] == 400


@pytest.mark.parametrize("body, named", [({"echo": {}}, "name"), ({"echo": {"name": ""}}, "name"), ({"echo": {"name": "x", "more": 1}}, "more"),
                                         ({"echo": {"name": "x", "count": 10}}, "count"), ({"echo": {"name": "x", "flag": "true"}}, "flag")])
def test_body_tables_refuse_and_name_the_field(things, body, named):
    status, reply = things.call("POST", "/echo", body)
    assert status == 400 and named in reply["error"]["message"]


def test_body_tables_decode(things):
    assert things.call("POST", "/echo", {"echo": {"name": "x", "count": "3", "flag": True}}) == (200, {"name": "x", "count": 3, "flag": True})


def test_pages_visit_every_thing_once_forwards_and_backwards(things):
    names = [f"page{i}" for i in range(7)]
    for i, name in enumerate(names):
        make(things, name=name, size=1 + i % 2)
    for query in ("sort_key=name", "sort_key=size&sort_dir=desc", "sort_key=size&sort_dir=desc&sort_key=name&sort_dir=asc", ""):
        path, seen, pages = f"/v1/things?name__startswith=page&limit=3&{query}", [], []
        while path:
            body = things.call("GET", path)[1]
            pages.append([thing["name"] for thing in body["things"]])
            seen += pages[-1]
            links = {link["rel"]: link["href"] for link in body.get("things_links", [])}
            path = links["next"].split(str(things.port))[1] if "next" in links and body["things"] else None
            back = links.get("previous", back if path is None and not body["things"] else None)
        assert sorted(seen) == names, query
        body = things.call("GET", back.split(str(things.port))[1])[1]
        assert [thing["name"] for thing in body["things"]] in pages


def test_filters_and_fields(things):
    make(things, name="Filter one", size=55)
    for query in ("name=Filter%20one", "size=55", "name__icontains=FILTER", "name__endswith=one", "size=55&name=nobody&name=Filter%20one"):
        body = things.call("GET", f"/v1/things?fields=name&{query}")[1]
        assert body["things"] == [{"name": "Filter one"}], query
    assert things.call("GET", "/v1/things?owner_id=nonsense")[1]["things"] == []
    for query in ("sort_key=nonsense", "limit=-1", "limit=x", "sort_dir=up&sort_key=name", "router:external=maybe"):
        assert things.call("GET", f"/v1/things?{query}")[0] == 400, query


def test_unknown_paths_and_methods(things):
    assert things.call("GET", "/v1/nothing")[0] == 404
    assert things.call("PATCH", "/v1/things")[0] == 405
    assert things.call("GET", "/v1/things/" + "x" * 4000)[0] == 404


def test_a_body_of_10_mb_is_413_and_the_answer_arrives(things):
    status, body = things.call("POST", "/v1/things", b"x" * 10_000_000)
    assert status == 413 and "larger" in body["error"]["message"]


def test_a_stream_is_suspended_and_resumed_without_loss(things):
    assert things.call("PUT", "/count", os.urandom(5_000_001)) == (200, {"size": 5_000_001})
    assert things.call("PUT", "/count?refuse=1", b"x" * 1000)[0] == 409


def test_slow_rows_do_not_hold_fast_ones_and_a_full_pool_is_503(things):
    with ThreadPoolExecutor(12) as pool:
        slow = [pool.submit(things.call, "GET", "/slow") for _ in range(12)]
        time.sleep(0.05)
        start = time.monotonic()
        assert things.call("GET", "/v1/things?limit=1")[0] == 200
        assert time.monotonic() - start < 0.19
        statuses = [future.result()[0] for future in slow]
    assert set(statuses) == {200, 503} and statuses.count(200) >= 4


def test_2000_idle_connections_and_slow_clients_hold_nobody(things):
    idle = []
    try:
        for _ in range(2000):
            idle.append(socket.create_connection(("127.0.0.1", things.port)))
        for client in idle[:100]:
            client.sendall(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
        start = time.monotonic()
        for _ in range(20):
            assert things.call("GET", "/v1/things?limit=1")[0] == 200
        assert time.monotonic() - start < 5
        assert things.memory_kib() < 400_000
    finally:
        for client in idle:
            client.close()
    assert things.call("GET", "/healthcheck")[0] == 200


def test_garbage_on_the_socket_is_survived(things):
    for garbage in (b"\x16\x03\x01\x02\x00\x01\x00" * 50, b"GET / HTTP/9.9\r\n\r\n", b"A" * 100_000, b"GET /%ZZ%00 HTTP/1.1\r\nHost: x\r\n\r\n",
                    b"POST /echo HTTP/1.1\r\nContent-Length: -5\r\n\r\n", b"POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n"):
        with socket.create_connection(("127.0.0.1", things.port)) as client:
            try:
                client.sendall(garbage)
                client.settimeout(0.3)
                client.recv(1000)
            except OSError:
                pass
    assert things.call("GET", "/healthcheck")[0] == 200


def test_a_client_that_leaves_in_the_middle_leaks_nothing(things):
    before = len(os.listdir(f"/proc/{things.process.pid}/fd"))
    for _ in range(50):
        with socket.create_connection(("127.0.0.1", things.port)) as client:
            client.sendall(b"PUT /count HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n" + b"x" * 5000)
    deadline = time.monotonic() + 15  # libmicrohttpd may learn of the end only by the idle timeout
    while len(os.listdir(f"/proc/{things.process.pid}/fd")) > before + 5:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_stop_beside_clients_that_ask_on_is_clean(tmp_path):
    """What comes on connections that are open when the workers have ended is refused; it met a pool that was gone."""
    for round in range(3):
        folder = tmp_path / str(round)
        folder.mkdir()
        service, over = Things(folder), threading.Event()

        def ask():
            body = b"PUT /count HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", service.port), timeout=5) as link:
                while not over.is_set():
                    link.sendall(body)
                    if not link.recv(4096):
                        return

        clients = [threading.Thread(target=ask) for _ in range(8)]
        for client in clients:
            client.start()
        time.sleep(0.3)
        try:
            service.stop()
        finally:
            over.set()
            for client in clients:
                client.join()
