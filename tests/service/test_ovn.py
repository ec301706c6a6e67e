# SPDX-License-Identifier: Apache-2.0
"""What the network service writes into OVN, felt by guests: address by DHCP, metadata, SNAT, floating IP, security groups, on
two simulated hosts with real ovn-controllers. The guests are network namespaces plugged into br-int."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "deploy"))

from launch import hosts, ovn, process  # noqa: E402
from launch.settings import Cloud  # noqa: E402

NET = "10000000-0000-4000-8000-000000000001"
PORT = {1: "40000000-0000-4000-8000-000000000001", 2: "40000000-0000-4000-8000-000000000005"}
FLOATING, GATEWAY, OUTSIDE = "203.0.113.101", "203.0.113.10", "203.0.113.1"
DEADLINE_S = 60
DHCP_SCRIPT = """#!/bin/sh
[ "$1" = bound ] || exit 0
ip addr flush dev eth0
ip addr add "$ip/$mask" dev eth0
ip link set dev eth0 mtu "$mtu"
set -- $staticroutes
while [ $# -ge 2 ]; do ip route replace "$1" via "$2"; shift 2; done
env | sort > "$0.$ip"
"""
# Answers each connection with the address it came from.
ECHO = """
import socket, sys
s = socket.create_server(("0.0.0.0", int(sys.argv[1])))
print("listening", flush=True)
while True:
    c, peer = s.accept()
    c.sendall(peer[0].encode())
    c.close()
"""
ASK = """
import socket, sys
c = socket.create_connection((sys.argv[1], int(sys.argv[2])), 4)
print(c.recv(64).decode())
"""

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="namespaces and Open vSwitch need root")


def until(what, check):
    end = time.monotonic() + DEADLINE_S
    while time.monotonic() < end:
        found = check()
        if found:
            return found
        time.sleep(0.2)
    raise AssertionError(f"{what}: not within {DEADLINE_S} s")


class Lab:
    def __init__(self, directory):
        self.cloud = Cloud(directory, 0, "two-hosts")
        self.children = []
        self.driver = None

    def start(self):
        ovn.up(self.cloud)
        hosts.up(self.cloud)
        for n in (1, 2):
            self.plug(f"h{n}", f"g{n}", PORT[n], f"fa:16:3e:00:00:1{n}")
            self.plug(f"h{n}", "meta", f"ovnmeta-{NET}", "fa:16:3e:00:00:02")
            for address in ("10.0.0.2/24", "169.254.169.254/32"):
                self.run(f"h{n}", "meta", "ip", "addr", "add", address, "dev", "eth0")
            self.serve(self.inside(f"h{n}", "meta"), 80)
            self.serve(self.inside(f"h{n}", f"g{n}"), 22)
            self.serve(self.inside(f"h{n}", f"g{n}"), 23)
        self.serve(self.outside(), 80)
        self.driver = self.start_driver()
        self.applied = self.tell("apply")

    def start_driver(self):
        program = self.cloud.programs() / "haneul-test-ovn"
        remotes = [ovn.socket(self.cloud, side) for side in ("nb", "sb")]
        return subprocess.Popen([program, *remotes], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=self.cloud.var)

    def tell(self, line):
        """Returns what the driver said until it was done."""
        self.driver.stdin.write(line + "\n")
        self.driver.stdin.flush()
        return self.read(f"done {line}")

    def read(self, last):
        said = []
        while not said or said[-1] != last:
            said.append(self.driver.stdout.readline().rstrip("\n"))
            assert said[-1], f"the driver ended before it said {last!r}"
        return said

    def inside(self, host, namespace):
        return [*hosts.enter(self.cloud, host), "ip", "netns", "exec", namespace]

    def outside(self):
        return ["ip", "netns", "exec", self.cloud.namespace("net")]

    def run(self, host, namespace, *words, check=True):
        return process.run([*self.inside(host, namespace), *words], check=check)

    def plug(self, host, namespace, port, mac):
        tap = f"tap-{namespace}"
        enter = hosts.enter(self.cloud, host)
        for words in (["ip", "netns", "add", namespace],
                      ["ip", "link", "add", tap, "type", "veth", "peer", "name", "eth0", "netns", namespace],
                      ["ethtool", "-K", tap, "tx", "off"],
                      ["ip", "link", "set", tap, "up"],
                      ["ovs-vsctl", "add-port", "br-int", tap, "--", "set", "interface", tap, f"external_ids:iface-id={port}"]):
            process.run([*enter, *words])
        self.run(host, namespace, "ethtool", "-K", "eth0", "tx", "off")
        self.run(host, namespace, "ip", "link", "set", "lo", "up")
        self.run(host, namespace, "ip", "link", "set", "eth0", "address", mac, "up")

    def serve(self, where, port):
        child = subprocess.Popen([*where, "/usr/bin/python3", "-c", ECHO, str(port)], stdout=subprocess.PIPE, text=True)
        self.children.append(child)
        assert child.stdout.readline() == "listening\n"

    @staticmethod
    def ask(where, address, port):
        """The address that the other side saw us come from; "" when there is no connection."""
        done = subprocess.run([*where, "/usr/bin/python3", "-c", ASK, address, str(port)], capture_output=True, text=True, check=False)
        return done.stdout.strip()

    def stop(self):
        for child in [self.driver, *self.children]:
            if child:
                child.kill()
                child.wait()
        hosts.down(self.cloud)
        for name in process.names(self.cloud):
            process.stop(self.cloud, name)


@pytest.fixture(scope="module")
def lab():
    directory = tempfile.mkdtemp(prefix="hn-ovn-")
    made = Lab(directory)
    try:
        made.start()
        yield made
    finally:
        made.stop()
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="module")
def addressed(lab):
    """Both guests have asked for their addresses; what DHCP told each, by option."""
    script = lab.cloud.var / "dhcp"
    script.write_text(DHCP_SCRIPT)
    script.chmod(0o755)
    told = {}
    for n in (1, 2):
        lab.run(f"h{n}", f"g{n}", "busybox", "udhcpc", "-i", "eth0", "-n", "-q", "-t", "30", "-T", "1", "-s", str(script),
                "-O", "staticroutes", "-O", "mtu", "-O", "dns")
        text = Path(f"{script}.10.0.0.1{n}").read_text()
        told[n] = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    return told


def test_port_is_up_when_its_guest_is_plugged(lab):
    statuses = set(lab.applied)
    wanted = {f"status {PORT[1]} up", f"status {PORT[2]} up"}
    end = time.monotonic() + DEADLINE_S
    while not wanted <= statuses and time.monotonic() < end:
        statuses.update(lab.tell("nothing"))
        time.sleep(0.2)
    assert wanted <= statuses


def test_dhcp_tells_address_routes_mtu_and_name_server(addressed):
    assert addressed[1]["ip"] == "10.0.0.11"
    assert addressed[1]["mtu"] == "1442"
    assert addressed[1]["dns"] == "192.0.2.53"
    assert addressed[1]["staticroutes"].split() == ["169.254.169.254/32", "10.0.0.2", "0.0.0.0/0", "10.0.0.1"]
    assert addressed[2]["ip"] == "10.0.0.12"


def test_metadata_is_reached_on_each_host(lab, addressed):
    assert lab.ask(lab.inside("h1", "g1"), "169.254.169.254", 80) == "10.0.0.11"
    assert lab.ask(lab.inside("h2", "g2"), "169.254.169.254", 80) == "10.0.0.12"


def test_guests_of_one_group_reach_each_other_across_hosts(lab, addressed):
    assert lab.ask(lab.inside("h1", "g1"), "10.0.0.12", 23) == "10.0.0.11"


def test_the_world_sees_the_routers_address_or_the_floating_ip(lab, addressed):
    assert until("SNAT", lambda: lab.ask(lab.inside("h2", "g2"), OUTSIDE, 80)) == GATEWAY
    assert until("floating IP out", lambda: lab.ask(lab.inside("h1", "g1"), OUTSIDE, 80)) == FLOATING


def test_floating_ip_lets_in_what_the_group_allows(lab, addressed):
    assert until("floating IP in", lambda: lab.ask(lab.outside(), FLOATING, 22)) == OUTSIDE
    assert lab.ask(lab.outside(), FLOATING, 23) == ""


def test_names_are_answered_by_ovn(lab, addressed):
    answer = lab.run("h2", "g2", "busybox", "nslookup", "vm-1", "192.0.2.53", check=False)
    assert "10.0.0.11" in answer


def test_rows_lost_behind_our_back_are_repaired(lab, addressed):
    ovn.nbctl(lab.cloud, "lsp-del", PORT[1])
    until("the guest is cut off", lambda: not lab.ask(lab.outside(), FLOATING, 22))
    lab.tell("reconcile")
    assert until("floating IP in", lambda: lab.ask(lab.outside(), FLOATING, 22)) == OUTSIDE


def test_a_removed_rule_holds_at_once(lab, addressed):
    lab.tell("close")
    until("SSH is refused", lambda: not lab.ask(lab.outside(), FLOATING, 22))
    assert lab.ask(lab.inside("h1", "g1"), OUTSIDE, 80) == FLOATING


def test_a_released_floating_ip_is_the_routers_again(lab, addressed):
    lab.tell("release")
    until("SNAT", lambda: lab.ask(lab.inside("h1", "g1"), OUTSIDE, 80) == GATEWAY)
