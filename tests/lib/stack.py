# SPDX-License-Identifier: Apache-2.0
"""Real services alone, for tests.

    from tests.lib.stack import Stack

    with Stack(["identity", "image"]) as stack:
        token = stack.admin_token()                        # project "admin", role admin
        person = stack.person()                            # a new project with a new user (role member)
        status, headers, body = stack.request("GET", "image", "/v2/images", token=person.token)
        rows = stack.sql("image", "SELECT id, status FROM image")    # lists of dicts, by the service's own role
        stack.kill("image"); stack.start("image")          # kill -9 and a new start on the same data
        print(stack.log("image"))

or as a fixture (tests/conftest.py makes one for any module that says what it needs):

    SERVICES = ["identity", "image"]                       # of the test module
    def test_list(stack): ...

PostgreSQL and RabbitMQ are private, real, and started once for each test process; every Stack gets its own database, its own
virtual host and free ports. `settings` puts more into the services' files: Stack([...], settings={"image": {"store":
{"path": "/x"}}}). stack.url("image") is the base URL, stack.dsn("image") the libpq text of its role, stack.bus_settings("image")
the broker's host, port, vhost, user and password; stack.mails() what the SMTP sink received. Programs come from HANEUL_BIN, else from build/debug/bin; a program that
is not built is a clear error. A service that is given `instances=` as {"scheduler": 2} runs that often: "scheduler",
"scheduler-2", each on its own port.
"""

import atexit
import itertools
import json
import os
import shutil
import signal
import socket
import sys
import tempfile
import uuid
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "deploy"))

from launch import api, postgres, process, rabbit, services  # noqa: E402
from launch.settings import PORTS, Cloud, LaunchError  # noqa: E402

N_VHOSTS = 32
_numbers = itertools.count(1)
_infra = None
_given = set()  # ports


def free_ports(names):
    """A port for each name that nobody listens on now, below the range that the kernel hands out to clients. Test
    processes that run side by side (pytest-xdist) draw from ranges of their own, and none is given twice: who took it
    may listen on it later."""
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", 1))
    span = 12000 // workers
    first = 20000 + span * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    found = {}
    for name in names:
        assert len(_given) < span * 3 // 4, "the tests of this process have used up their ports"
        while True:
            port = first + int.from_bytes(os.urandom(2), "big") % span
            if port in _given:
                continue
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind(("127.0.0.1", port))
                except OSError:
                    continue
            break
        _given.add(port)
        found[name] = port
    return found


class Infra:
    """One PostgreSQL and one RabbitMQ in a temporary directory."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="haneul-test-")
        os.chmod(self.dir, 0o755)
        self.cloud = Cloud(self.dir, ports=free_ports(PORTS))
        self.vhosts = [f"v{i}" for i in range(N_VHOSTS)]
        atexit.register(self.close)
        try:
            postgres.up(self.cloud)
            postgres.create_database(self.cloud)
            rabbit.up(self.cloud, ["/", *self.vhosts])
        except BaseException:
            self.close()
            raise

    def close(self):
        atexit.unregister(self.close)
        for name in reversed(process.names(self.cloud)):
            process.stop(self.cloud, name, 10)
        if os.environ.get("HANEUL_KEEP"):
            print(f"kept: {self.dir}", file=sys.stderr)
        else:
            shutil.rmtree(self.dir, ignore_errors=True)


def infra():
    """The PostgreSQL and RabbitMQ that every Stack of this run shares."""
    global _infra
    if _infra is None:
        _infra = Infra()
    return _infra


class Person:
    def __init__(self, **fields):
        self.__dict__.update(fields)


class Stack:
    def __init__(self, names, settings=None, instances=None):
        self.names = list(names)
        self.more = settings or {}
        self.instances = instances or {}
        self.number = next(_numbers)
        self.processes = {}
        self.admin = None

    def __enter__(self):
        base = infra()
        self.database = f"s{self.number}"
        self.vhost = base.vhosts[(self.number - 1) % N_VHOSTS]
        var = Path(base.dir) / f"s{self.number}"
        var.mkdir()
        shutil.copy(base.cloud.var / "secrets", var / "secrets")
        ports = free_ports(services.ORDER)
        ports.update({k: base.cloud.ports[k] for k in ("postgres", "rabbit")}, smtp=free_ports(["smtp"])["smtp"])
        self.cloud = Cloud(var, ports=ports)
        postgres.create_database(base.cloud, self.database)
        shutil.copy(base.cloud.var / "secrets", var / "secrets")
        try:
            for name in self.names:
                self.cloud.program(name)
            self._start_all()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for name in reversed(process.names(self.cloud)):
            process.stop(self.cloud, name, 10)

    def _start_all(self):
        if "identity" in self.names:
            self._start_sink()
        for name in self.names:
            for index in range(1, self.instances.get(name, 1) + 1):
                self._start_new(name, index)

    def _start_sink(self):
        sink = ROOT / "deploy/launch/smtp_sink.py"
        process.start(self.cloud, "smtp", ["/usr/bin/python3", "-B", sink, "--port", self.cloud.ports["smtp"], "--dir", self.cloud.dir("mail")])
        process.wait_ready(self.cloud, "smtp", lambda: listens(self.cloud.ports["smtp"]))

    def configure(self, label, settings):
        """Writes the file that a service reads when it starts, with these settings besides those that every one has."""
        conf = services.settings(self.cloud, label.split("-")[0], self.database, self.vhost, settings)
        conf["service"]["port"] = self.cloud.ports[label]
        services.write_settings(services.config_path(self.cloud, label), conf)

    def restart(self, label, settings):
        self.stop(label)
        self.configure(label, settings)
        self.start(label)

    def _start_new(self, name, index):
        label = name if index == 1 else f"{name}-{index}"
        if index > 1:
            self.cloud.ports[label] = free_ports([label])[label]
        self.configure(label, self.more.get(name))
        if index == 1 and name not in postgres.ROLE_OF:
            process.run([self.cloud.program(name), "--config", services.config_path(self.cloud, label), "--migrate"])
        elif index == 1 and postgres.ROLE_OF[name] not in self.names:
            process.run([self.cloud.program(name), "--config", services.config_path(self.cloud, label), "--migrate"])
        self.start(label)

    def start(self, label, wait=True):
        """Starts (again) a service of this stack, "scheduler-2" for a second instance, and waits until it is healthy."""
        program = self.cloud.program(label.split("-")[0])
        process.start(self.cloud, label, [program, "--config", services.config_path(self.cloud, label)], cwd="/")
        if wait:
            process.wait_ready(self.cloud, label, lambda: api.healthy(self.url(label)))

    def pid(self, label):
        return process.alive(self.cloud, label)

    def kill(self, label):
        """kill -9."""
        pid = self.pid(label)
        if pid:
            os.kill(pid, signal.SIGKILL)
        process.stop(self.cloud, label)

    def stop(self, label):
        """TERM and wait."""
        process.stop(self.cloud, label)

    def log(self, label):
        return process.log_path(self.cloud, label).read_text(errors="replace")

    def url(self, label):
        return self.cloud.url(label)

    def dsn(self, name):
        return postgres.dsn(self.cloud, name, self.database)

    def bus_settings(self, user):
        return {"host": "127.0.0.1", "port": self.cloud.ports["rabbit"], "vhost": self.vhost, "user": user,
                "password": self.cloud.secret("bus-" + user)}

    def sql(self, name, statement, *args):
        """Rows as dicts (an empty list when there are none), in the service's schema, committed."""
        import psycopg2
        import psycopg2.extras
        link = psycopg2.connect(self.dsn(name))
        try:
            with link, link.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as cursor:
                cursor.execute(f"SET search_path = {postgres.ROLE_OF.get(name, name)}, public")
                cursor.execute(statement, args or None)
                return [dict(row) for row in cursor.fetchall()] if cursor.description else []
        finally:
            link.close()

    def request(self, method, service, path, body=None, token=None, headers=None, data=None, timeout=30):
        """(status, headers, body); never raises for a status."""
        return api.request(method, self.url(service) + path, body, token, headers=headers, data=data, timeout=timeout)

    def call(self, method, service, path, body=None, token=None, **more):
        """The body of a 2xx answer; ApiError (status, body) otherwise."""
        return api.call(method, self.url(service) + path, body, token, **more)

    def token(self, user, password, project=None):
        return api.token(self.url("identity"), user, password, project)[0]

    def admin_token(self):
        if not self.admin:
            self.admin = self.token("admin", self.cloud.secret("admin"), "admin")
        return self.admin

    def service_token(self, account="compute"):
        return self.token(account, self.cloud.secret("service"), "service")

    def person(self, role="member"):
        """A new project with a new user that has `role` in it: user_id, user, password, project_id, project, token."""
        admin, tail = self.admin_token(), uuid.uuid4().hex[:8]
        project = self.call("POST", "identity", "/v3/projects", {"project": {"name": f"p-{tail}", "domain_id": "default"}}, admin)["project"]
        user = self.call("POST", "identity", "/v3/users", {"user": {"name": f"u-{tail}", "domain_id": "default", "password": "pw-" + tail}}, admin)["user"]
        roles = self.call("GET", "identity", f"/v3/roles?name={role}", token=admin)["roles"]
        self.call("PUT", "identity", f"/v3/projects/{project['id']}/users/{user['id']}/roles/{roles[0]['id']}", token=admin)
        return Person(user_id=user["id"], user=user["name"], password="pw-" + tail, project_id=project["id"], project=project["name"],
                      token=self.token(user["name"], "pw-" + tail, project["name"]))

    def mails(self):
        """What was sent, oldest first: {"to": [...], "from": ..., "subject": ..., "text": ...}."""
        return [json.loads(p.read_text()) for p in sorted(self.cloud.dir("mail").glob("*.json"))]


def listens(port):
    try:
        with socket.create_connection(("127.0.0.1", port), 1):
            return True
    except OSError:
        return False


wait_until = process.wait_until
__all__ = ["Stack", "LaunchError", "infra", "free_ports", "wait_until"]
