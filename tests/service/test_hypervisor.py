# SPDX-License-Identifier: Apache-2.0
"""The host agent alone, with its simulated driver, against a real broker: what it does with orders, and what it tells."""

import json
import os
import signal
import subprocess
import time
import uuid

import pytest

pika = pytest.importorskip("pika")

from tests.lib import stack as lib  # noqa: E402

HOST = "h1"
TIMEOUT = 20


class Scheduler:
    """The other end of the bus."""

    def __init__(self, cloud, vhost="/"):
        self.cloud, self.vhost, self.seen = cloud, vhost, []
        self.connect()

    def connect(self):
        login = pika.PlainCredentials("scheduler", self.cloud.secret("bus-scheduler"))
        self.link = pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", self.cloud.ports["rabbit"], self.vhost, login))
        self.channel = self.link.channel()
        self.channel.exchange_declare("haneul", "topic", durable=True)
        self.queue = self.channel.queue_declare("", exclusive=True).method.queue
        self.channel.queue_bind(self.queue, "haneul", "compute.host")
        self.replies = self.channel.queue_declare("", exclusive=True).method.queue
        self.reply_key = f"reply.{uuid.uuid4()}"
        self.channel.queue_bind(self.replies, "haneul", self.reply_key)

    def send(self, kind, body, reply_to=None):
        message_id = str(uuid.uuid4())
        envelope = {"id": message_id, "type": kind, "version": 1, "time_us": time.time_ns() // 1000, "body": body}
        properties = pika.BasicProperties(message_id=message_id, user_id="scheduler", reply_to=reply_to,
                                          correlation_id=message_id if reply_to else None)
        self.channel.basic_publish("haneul", f"host.{HOST}", json.dumps(envelope), properties)

    def order(self, server_id, generation, state, **more):
        self.send("server.order", order(server_id, generation, state, **more))

    def next(self, queue, deadline):
        while time.monotonic() < deadline:
            _, properties, data = self.channel.basic_get(queue, auto_ack=True)
            if data:
                return properties, json.loads(data)
            self.link.sleep(0.02)
        return None, None

    def wait(self, kind, accept, timeout=TIMEOUT):
        """The body of the first message of that type, from now on, that `accept` likes."""
        deadline = time.monotonic() + timeout
        while True:
            properties, envelope = self.next(self.queue, deadline)
            assert envelope, f"no {kind} that fits within {timeout} s; seen: {self.seen[-8:]}"
            self.seen.append(envelope)
            assert properties.user_id == f"host-{HOST}"
            if envelope["type"] == kind and accept(envelope["body"]):
                return envelope["body"]

    def state(self, server_id, generation, state, timeout=TIMEOUT):
        return self.wait("server.state", lambda b: (b["server_id"], b["generation"], b["state"]) == (server_id, generation, state), timeout)

    def call(self, kind, body):
        self.send(kind, body, reply_to=self.reply_key)
        return self.next(self.replies, time.monotonic() + TIMEOUT)[1]["body"]

    def ready(self):
        """The host reports itself and listens. What is sent before it listens is lost, and asked for again by generation."""
        report = self.wait("host.report", lambda b: True)
        for _ in range(100):
            self.send("server.console", {"server_id": "?"}, reply_to=self.reply_key)
            if self.next(self.replies, time.monotonic() + 0.2)[1]:
                break
        else:
            raise AssertionError("the host does not listen")
        while self.next(self.replies, time.monotonic() + 0.3)[1]:
            pass
        return report

    def close(self):
        self.link.close()


def order(server_id, generation, state, reboot_count=0, **more):
    body = {
        "server_id": server_id, "generation": generation, "state": state, "reboot_count": reboot_count, "reboot_hard": False,
        "flavor": {"vcpus": 2, "ram_mib": 512, "disk_gib": 3},
        "image": {"id": str(uuid.uuid4()), "url": "http://127.0.0.1:1/image", "size": 10, "os_hash_algo": "sha512", "os_hash_value": "0" * 128, "disk_format": "qcow2"},
        "ports": [], "metadata": {"uuid": server_id, "name": "s", "hostname": "s", "project_id": "p", "availability_zone": "nova",
                                  "launch_index": 0, "keys": [], "meta": {}, "user_data": None, "admin_pass": None},
        "config_drive": False,
    }
    if state == "absent":
        body = {k: body[k] for k in ("server_id", "generation", "state")}
    return body | more


class Agent:
    def __init__(self, cloud, home, settings=None):
        self.program, self.home, self.process = cloud.program("hypervisor"), home, None
        groups = {
            "bus": {"host": "127.0.0.1", "port": cloud.ports["rabbit"], "vhost": "/", "user": f"host-{HOST}",
                    "password": cloud.secret(f"bus-host-{HOST}")},
            "agent": {"host": HOST, "state_dir": home, "driver": "simulated", "report_interval_ms": 300, "max_attempts": 2},
            "ovs": {"db": ""},
        }
        for group, values in (settings or {}).items():
            groups.setdefault(group, {}).update(values)
        home.mkdir(exist_ok=True)
        self.conf = home / "agent.conf"
        self.conf.write_text("".join(f"[{g}]\n" + "".join(f"{k} = {v}\n" for k, v in values.items()) for g, values in groups.items()))

    def start(self):
        with open(self.home / "agent.log", "ab") as log:
            self.process = subprocess.Popen([self.program, "--config", self.conf], stdout=log, stderr=log)
        return self

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(10)

    def record(self, server_id):
        return json.loads((self.home / "servers" / f"{server_id}.json").read_text())

    def guest(self, server_id):
        path = self.home / "simulated" / server_id
        return path.read_text() if path.exists() else None


@pytest.fixture
def make_agent(tmp_path):
    made = []

    def make(settings=None):
        agent = Agent(lib.infra().cloud, tmp_path / "state", settings).start()
        made.append(agent)
        return agent

    yield make
    for agent in made:
        if agent.process.poll() is None:
            agent.kill()


@pytest.fixture
def scheduler():
    base = lib.infra()
    bus = Scheduler(base.cloud)
    yield bus
    bus.close()


@pytest.fixture
def agent(make_agent, scheduler):
    agent = make_agent()
    scheduler.ready()
    return agent


def test_a_server_runs_stops_and_goes(agent, scheduler):
    server = str(uuid.uuid4())
    scheduler.order(server, 1, "running")
    assert scheduler.state(server, 1, "running")["power_state"] == "running"
    scheduler.order(server, 2, "stopped")
    assert scheduler.state(server, 2, "stopped")["power_state"] == "shutdown"
    scheduler.order(server, 3, "running")
    scheduler.state(server, 3, "running")
    scheduler.order(server, 4, "absent")
    assert scheduler.state(server, 4, "absent")["power_state"] == "nostate"
    assert agent.guest(server) is None
    report = scheduler.wait("host.report", lambda b: True)
    assert server not in [s["server_id"] for s in report["servers"]]


def test_the_host_is_reported_with_its_servers(agent, scheduler):
    server = str(uuid.uuid4())
    scheduler.order(server, 7, "running")
    scheduler.state(server, 7, "running")
    report = scheduler.wait("host.report", lambda b: any(s["server_id"] == server for s in b["servers"]))
    assert report["host"] == HOST and report["cpu"]["vcpus"] == 64 and report["ram_mib"] > 0
    assert report["used"] == {"vcpus": 2, "ram_mib": 512, "disk_gib": 3}
    assert report["servers"] == [{"server_id": server, "generation": 7, "power_state": "running"}]


def test_an_older_order_is_ignored_and_a_late_one_does_not_revive(agent, scheduler):
    server = str(uuid.uuid4())
    scheduler.order(server, 5, "running")
    scheduler.state(server, 5, "running")
    scheduler.order(server, 4, "absent")
    scheduler.state(server, 5, "running")  # said again, because it was asked
    scheduler.order(server, 6, "absent")
    scheduler.state(server, 6, "absent")
    scheduler.order(server, 5, "running")
    scheduler.state(server, 6, "absent")
    assert agent.guest(server) is None


def test_an_unknown_server_is_absent(agent, scheduler):
    server = str(uuid.uuid4())
    scheduler.order(server, 1, "absent")
    scheduler.state(server, 1, "absent")


def test_a_reboot_happens_once(agent, scheduler):
    server = str(uuid.uuid4())
    scheduler.order(server, 1, "running")
    scheduler.state(server, 1, "running")
    scheduler.order(server, 2, "running", reboot_count=1, reboot_hard=True)
    scheduler.state(server, 2, "running")
    assert agent.record(server)["progress"]["reboot_done"] == 1
    assert agent.guest(server) == "running"


def test_a_guest_that_shut_itself_down_stays_down_until_ordered_again(agent, scheduler):
    server = str(uuid.uuid4())
    scheduler.order(server, 1, "running")
    scheduler.state(server, 1, "running")
    (agent.home / "simulated" / server).write_text("off")
    scheduler.send("host.sync", {})
    scheduler.state(server, 1, "stopped")
    assert agent.guest(server) == "off"
    scheduler.order(server, 2, "running")
    scheduler.state(server, 2, "running")


def test_a_sync_reports_every_server_again(agent, scheduler):
    server = str(uuid.uuid4())
    scheduler.order(server, 1, "running")
    scheduler.state(server, 1, "running")
    scheduler.send("host.sync", {})
    scheduler.state(server, 1, "running")


def test_a_bad_order_is_refused_and_the_next_one_works(agent, scheduler):
    server = str(uuid.uuid4())
    scheduler.order(server, 1, "running", flavor={"vcpus": "many"})
    scheduler.order("../../etc/passwd", 1, "absent")
    scheduler.send("no.such.type", {})
    scheduler.order(server, 2, "running")
    scheduler.state(server, 2, "running")


def test_the_console_of_a_server_that_is_not_here_is_not_found(agent, scheduler):
    answer = scheduler.call("server.console", {"server_id": str(uuid.uuid4()), "length": 5})
    assert answer["error"]["rc"] == "not_found"


def test_the_console_is_cut_to_the_lines_asked_for(agent, scheduler):
    server = str(uuid.uuid4())
    scheduler.order(server, 1, "running")
    scheduler.state(server, 1, "running")
    folder = agent.home / "instances" / server
    folder.mkdir()
    (folder / "console.log").write_bytes(b"one\ntwo\n\xff\0three\n")
    assert scheduler.call("server.console", {"server_id": server, "length": 2})["ok"]["output"] == "two\n\ufffdthree\n"
    assert scheduler.call("server.console", {"server_id": server, "length": None})["ok"]["output"].startswith("one\n")


@pytest.mark.parametrize("delay_ms", [20, 150, 400])
def test_an_agent_killed_in_the_middle_carries_on(make_agent, scheduler, delay_ms):
    agent = make_agent({"simulated": {"delay_ms": 200}})
    scheduler.ready()
    servers = [str(uuid.uuid4()) for _ in range(6)]
    for server in servers:
        scheduler.order(server, 1, "running")
    scheduler.link.sleep(delay_ms / 1000)
    agent.kill()
    make_agent({"simulated": {"delay_ms": 0}})
    left = set(servers)
    while left:
        body = scheduler.wait("server.state", lambda b: b["server_id"] in left)
        assert (body["state"], body["generation"]) == ("running", 1)
        left.discard(body["server_id"])
    assert {agent.guest(s) for s in servers} == {"running"}


def test_guests_start_again_after_the_hosts_reboot(make_agent, scheduler):
    agent = make_agent()
    scheduler.ready()
    server = str(uuid.uuid4())
    scheduler.order(server, 1, "running")
    scheduler.state(server, 1, "running")
    agent.kill()
    record = agent.record(server)
    record["progress"]["boot_id"] = str(uuid.uuid4())  # as if it was another boot's
    (agent.home / "servers" / f"{server}.json").write_text(json.dumps(record))
    (agent.home / "simulated" / server).write_text("off")
    agent = make_agent()
    scheduler.state(server, 1, "running")
    assert agent.guest(server) == "running"


def test_broken_records_are_set_aside(make_agent, scheduler):
    agent = make_agent()
    scheduler.ready()
    server = str(uuid.uuid4())
    scheduler.order(server, 1, "running")
    scheduler.state(server, 1, "running")
    agent.kill()
    path = agent.home / "servers" / f"{server}.json"
    path.write_text(path.read_text()[:40])
    make_agent()
    # Its guest is still there, so the scheduler hears of it and orders what it wants.
    scheduler.wait("host.report", lambda b: {"server_id": server, "generation": 0, "power_state": "running"} in b["servers"])
    assert path.with_name(path.name + ".broken").exists()


def test_the_agent_stops_cleanly_and_guests_stay(agent, scheduler):
    server = str(uuid.uuid4())
    scheduler.order(server, 1, "running")
    scheduler.state(server, 1, "running")
    assert agent.stop() == 0
    assert agent.guest(server) == "running"


def test_a_host_that_lost_its_lease_stops_its_guests(make_agent, scheduler):
    agent = make_agent({"agent": {"fence": "true", "lease_s": 1}})
    scheduler.ready()
    server = str(uuid.uuid4())
    scheduler.order(server, 1, "running")
    scheduler.state(server, 1, "running")
    broker = lib.process.alive(lib.infra().cloud, "rabbitmq")
    os.kill(broker, signal.SIGSTOP)
    try:
        deadline = time.monotonic() + TIMEOUT
        while agent.guest(server) != "off" and time.monotonic() < deadline:
            time.sleep(0.1)
        assert agent.guest(server) == "off"
    finally:
        os.kill(broker, signal.SIGCONT)
