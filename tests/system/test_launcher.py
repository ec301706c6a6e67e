# SPDX-License-Identifier: Apache-2.0
"""The launcher: what it starts it can stop, and nothing else."""

import json
import os
import signal
import socket
import stat
import subprocess

import pytest

from tests.lib.stack import ROOT, free_ports, wait_until

from launch import hosts, ovn, process
from launch.settings import PORTS, Cloud, LaunchError


@pytest.fixture()
def cloud(tmp_path_factory):
    path = tmp_path_factory.mktemp("l")
    made = Cloud(path, ports=free_ports(PORTS))
    yield made
    for name in process.names(made):
        process.stop(made, name, 5)


def test_a_process_is_known_by_pid_and_start_time(cloud):
    pid = process.start(cloud, "sleeper", ["sleep", "600"])
    wait_until(lambda: process.alive(cloud, "sleeper") == pid, 5, "never recorded")
    record = process.record_path(cloud, "sleeper")
    known = json.loads(record.read_text())
    record.write_text(json.dumps({**known, "start": known["start"] - 1}))
    assert process.alive(cloud, "sleeper") is None
    process.stop(cloud, "sleeper")
    assert process.start_time(pid) == known["start"], "a process with another start time was stopped"
    os.kill(pid, signal.SIGKILL)


def test_stop_takes_all_that_the_process_started(cloud):
    process.start(cloud, "parent", ["sh", "-c", "sleep 601 & sleep 602 & wait"])
    record = process.wait_until(lambda: process.alive(cloud, "parent"), 5, "never recorded")
    started = process.start_time(record)
    wait_until(lambda: len(process.session_members(record, started)) == 3, 5, "no children")
    process.stop(cloud, "parent", 5)
    assert process.session_members(record, started) == []
    assert process.names(cloud) == []


def test_a_process_that_ends_while_starting_is_reported_with_its_log(cloud):
    process.start(cloud, "broken", ["sh", "-c", "echo the reason; exit 3"])
    with pytest.raises(LaunchError, match="the reason"):
        process.wait_ready(cloud, "broken", lambda: False, 10)


def test_secrets_are_made_once_and_only_the_owner_reads_them(cloud):
    first = cloud.secret("x")
    assert Cloud(cloud.var, ports=cloud.ports).secret("x") == first != cloud.secret("y")
    assert stat.S_IMODE((cloud.var / "secrets").stat().st_mode) == 0o600


def test_a_taken_port_is_named_with_its_remedy(cloud):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", cloud.ports["identity"]))
        taken.listen()
        with pytest.raises(LaunchError, match=f"{cloud.ports['identity']} for identity.*PORT_OFFSET"):
            process.need_port(cloud, "identity")


@pytest.mark.parametrize("options, says", [
    (["--var", "/tmp/" + "x" * 80, "up"], "too long"),
    (["--port-offset", "99999", "up"], "port offset"),
    (["--profile", "nonsense", "up"], "no profile"),
])
def test_a_wrong_option_is_refused_by_name(options, says):
    done = subprocess.run([ROOT / "deploy/cloud", *options], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert says in done.stderr


def test_hosts_leave_no_namespace_and_no_cgroup(cloud):
    ovn.up(cloud)
    hosts.up(cloud)
    chassis = ovn.sbctl(cloud, "--bare", "--columns=name", "list", "Chassis").split()
    assert chassis == ["h1"]
    init = hosts.init_pid(cloud, "h1")
    hosts.fail_power(cloud, "h1")
    assert process.start_time(init) is None
    hosts.up(cloud)
    hosts.down(cloud)
    left = [p for p in os.listdir("/run/netns") if p.startswith(cloud.namespace(""))]
    left += list(hosts.CGROUPS.glob("*/" + cloud.cgroup("*")))
    assert left == []
