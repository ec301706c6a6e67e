# SPDX-License-Identifier: Apache-2.0
"""The main job, done as a person does it and shown step by step: an account, a server one can log in to, its cost, and a
final statement that adds up. Every step checks what it claims; the first that fails ends the demo with its reason."""

import sys
import time
from fractions import Fraction

from . import api, hosts, process, services
from .person import Person
from .settings import LaunchError

TTY = sys.stdout.isatty()
BACK = "\r" if TTY else ""
SSH = ("ssh", "-q", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "BatchMode=yes",
       "-o", "ConnectTimeout=5", "-o", "LogLevel=ERROR")


def ssh_words(cloud, address):
    return [*SSH, "-i", str(cloud.var / "demo/key"), f"root@{address}"]


class Steps:
    """Numbered lines, each with the time its step took."""

    def __init__(self):
        self.number = 0
        self.begin = time.monotonic()

    def run(self, title, work):
        self.number += 1
        start = time.monotonic()
        if TTY:
            print(f"{self.number:3}. {title} …", end="", flush=True)
        try:
            value = work()
        except Exception:
            print(f"{BACK}{self.number:3}. {title}: FAILED after {time.monotonic() - start:.1f} s", flush=True)
            raise
        print(f"{BACK}{self.number:3}. {title:<72} {time.monotonic() - start:6.1f} s", flush=True)
        return value


def show(text):
    for line in text.splitlines():
        print(f"       {line}", flush=True)


def in_data_centre(cloud, words, timeout=30):
    return process.run(["ip", "netns", "exec", cloud.namespace("net"), *words], timeout=timeout)


def wait_ssh(cloud, address, command, timeout_s=120):
    """The command's output, as soon as the guest lets us in."""
    said = []

    def attempt():
        try:
            said.append(in_data_centre(cloud, [*ssh_words(cloud, address), command]))
            return True
        except LaunchError as error:
            said[:] = []
            failure.append(error)
            return False
    failure = []
    if not process.wait_until(attempt, timeout_s, None, interval_s=0.5):
        raise LaunchError(f"no ssh to {address} within {timeout_s} s: {failure[-1]}")
    return said[-1]


def wait_console(person, server, needle, timeout_s=120):
    seen = [""]

    def attempt():
        seen[0] = str(person.openstack("console", "log", "show", "--lines", "12", server))
        return needle in seen[0]
    if not process.wait_until(attempt, timeout_s, None, interval_s=0.5):
        raise LaunchError(f"the console never said {needle!r}; it ends with:\n{seen[0][-600:]}")
    return seen[0]


class Demo:
    def __init__(self, cloud):
        self.cloud = cloud
        self.person = Person(cloud)
        self.steps = Steps()
        self.cli = self.person.openstack
        self.floating = None

    def account(self):
        person, step = self.person, self.steps.run
        step(f"sign up as {person.email} (curl)", person.sign_up)
        mail = step("the mail with the proof arrives; hand its token in", person.verify)
        show(f"subject: {mail['subject']}")
        step("log in and get a token", person.log_in)

    def resources(self):
        cli, step = self.cli, self.steps.run
        key = self.cloud.dir("demo", mode=0o700) / "key"
        if not key.exists():
            process.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "demo", "-f", key])
        guest = str(self.cloud.var / "guest/disk.qcow2")
        image = step("openstack image create (17 MB, qcow2)", lambda: cli(
            "image", "create", "-f", "json", "--disk-format", "qcow2", "--container-format", "bare", "--file", guest, "guest"))
        expect(cli("image", "show", "-f", "json", image["id"])["status"], "active", "the image's status")
        step("openstack network create, subnet create", lambda: (
            cli("network", "create", "-f", "json", "net"),
            cli("subnet", "create", "-f", "json", "--network", "net", "--subnet-range", "10.1.0.0/24", "subnet")))
        step("openstack router create, set --external-gateway, add subnet", lambda: (
            cli("router", "create", "-f", "json", "router"),
            cli("router", "set", "--external-gateway", "public", "router"),
            cli("router", "add", "subnet", "router", "subnet")))
        step("openstack security group rule create (ssh, icmp)", lambda: (
            cli("security", "group", "rule", "create", "-f", "json", "--protocol", "tcp", "--dst-port", "22", "default"),
            cli("security", "group", "rule", "create", "-f", "json", "--protocol", "icmp", "default")))
        step("openstack keypair create", lambda: cli(
            "keypair", "create", "-f", "json", "--public-key", f"{key}.pub", "key"))

    def server(self):
        cli, step = self.cli, self.steps.run
        step("openstack server create --wait (1 vCPU, 128 MiB, real QEMU)", lambda: expect(cli(
            "server", "create", "-f", "json", "--wait", "--image", "guest", "--flavor", "m1.nano", "--network", "net",
            "--key-name", "key", "server", timeout=180)["status"], "ACTIVE", "the server's status"))
        floating = step("openstack floating ip create, server add floating ip", self._floating)
        console = step("openstack console log show: the guest has booted", lambda: wait_console(self.person, "server", "ready after"))
        show("\n".join(line for line in console.splitlines() if "haneul" in line.lower()))
        said = step(f"ssh root@{floating} hostname; uptime", lambda: wait_ssh(self.cloud, floating, "hostname; uptime"))
        show(said)
        expect(said.split()[0], "server", "the guest's hostname")
        step("ping the floating address", lambda: in_data_centre(self.cloud, ["ping", "-c", "2", "-W", "5", floating]))

    def _floating(self):
        self.floating = self.cli("floating", "ip", "create", "-f", "json", "public")["floating_ip_address"]
        self.cli("server", "add", "floating", "ip", "server", self.floating)
        return self.floating

    def billing(self, kind):
        return api.call("GET", f"{self.cloud.url('billing')}/v1/accounts/{self.person.project_id}/{kind}", token=self.person.token())

    def cost(self):
        def ready():
            cost = self.billing("cost")
            return cost if any(line["resource_type"] == "server" for line in cost["lines"]) else None
        cost = self.steps.run("GET /v1/accounts/PROJECT/cost: the cost so far",
                              lambda: process.wait_until(ready, 30, "the server does not show in the cost within 30 s"))
        check_sum(cost)
        print_lines(cost)

    def clean(self):
        cli, step = self.cli, self.steps.run
        step("openstack server delete --wait, floating ip delete", lambda: (
            cli("server", "delete", "--wait", "server"), cli("floating", "ip", "delete", self.floating)))
        step("openstack router remove subnet, router/network delete", lambda: (
            cli("router", "remove", "subnet", "router", "subnet"), cli("router", "delete", "router"),
            cli("network", "delete", "net")))
        step("openstack image delete, keypair delete", lambda: (
            cli("image", "delete", "guest"), cli("keypair", "delete", "key")))
        for kind in ("server", "floating ip", "router", "image"):
            left = cli(*kind.split(), "list", "-f", "json", *(["--private"] if kind == "image" else []))
            expect(len(left), 0, f"number of {kind}s left")

    def statement(self):
        def final():
            statement = self.billing("statement")
            return statement if statement["final"] else None  # nothing runs, and no service's usage is missing
        statement = self.steps.run("GET /v1/accounts/PROJECT/statement: the final statement",
                                   lambda: process.wait_until(final, 30, "the statement is not final within 30 s"))
        check_sum(statement)
        print_lines(statement)
        print(f"\ndone: every step really happened, in {time.monotonic() - self.steps.begin:.0f} s", flush=True)

    def run(self):
        for part in (self.account, self.resources, self.server, self.cost, self.clean, self.statement):
            part()


def expect(found, wanted, what):
    if found != wanted:
        raise LaunchError(f"{what} is {found!r}, not {wanted!r}")
    return found


def check_sum(statement):
    total = sum((Fraction(str(line["amount"])) for line in statement["lines"]), Fraction(0))
    expect(total, Fraction(str(statement["total"])), "the sum of all lines")
    if not statement["lines"]:
        raise LaunchError("there is nothing in it")


def print_lines(statement):
    rows = [(line["resource_type"], str(line.get("resource_name") or line["resource_id"]), line["meter"], str(line["quantity"]),
             f"{line['duration_us'] / 1e6:.3f} s", str(line["amount"])) for line in statement["lines"]]
    rows.insert(0, ("what", "name", "meter", "quantity", "time", statement["currency"]))
    rows.append(("total", "", "", "", "", str(statement["total"])))
    widths = [max(len(row[i]) for row in rows) for i in range(6)]
    for row in rows:
        show("  ".join([*(text.ljust(width) for text, width in zip(row[:3], widths)),
                        *(text.rjust(width) for text, width in zip(row[3:], widths[3:]))]))


def is_up(cloud):
    return all(process.alive(cloud, name) for name in services.ORDER) and all(hosts.init_pid(cloud, h) for h in cloud.host_names())


def run(cloud, up, down):
    was_up = is_up(cloud)
    try:
        up(cloud)
        Demo(cloud).run()
    finally:
        if not was_up:
            print("stopping the cloud", flush=True)
            down(cloud)
    return 0
