# SPDX-License-Identifier: Apache-2.0
"""What a server lives through: the power of its host, and the whole cloud stopped and started."""

import pytest

from launch import main
from tests.lib.whole import BOOT_S, wait_until


@pytest.fixture(scope="module")
def person(whole):
    made = whole.person()
    yield made
    made.clear()


@pytest.fixture(scope="module")
def server(whole, person):
    made = person.server(person.site("10.4.0.0/24"), "lives")
    made.floating = person.floating(made)
    whole.ssh(made.floating, "echo kept > /root/file; sync")
    return made


def host_of(whole, server):
    return whole.request("GET", "compute", f"/v2.1/servers/{server.id}")[2]["server"]["OS-EXT-SRV-ATTR:host"]


def domain_runs(whole, server):
    return any(f"instance-{server.id}" in names for names in whole.domains().values())


def test_a_server_comes_back_after_a_power_failure_of_its_host(whole, person, server):
    host = host_of(whole, server)
    whole.fail_power(host)
    main.up(whole.cloud)
    wait_until(lambda: domain_runs(whole, server), 60, "the domain never came back")
    assert whole.ssh(server.floating, "cat /root/file", BOOT_S).strip() == "kept"
    person.active(person.sdk.compute.get_server(server))


def test_down_and_up_find_everything_again(whole, person, server):
    main.down(whole.cloud)
    assert person.whole.cloud.var.joinpath("run").exists() and not list(whole.cloud.var.glob("run/*.json"))
    main.up(whole.cloud)
    assert [s.id for s in person.sdk.compute.servers()] == [server.id]
    wait_until(lambda: domain_runs(whole, server), 60, "the domain never came back")
    assert whole.ssh(server.floating, "cat /root/file", BOOT_S).strip() == "kept"


def test_a_killed_agent_takes_its_guests_up_again(whole, person, server):
    host = host_of(whole, server)
    uptime = float(whole.ssh(server.floating, "cut -d' ' -f1 /proc/uptime"))
    whole.kill(f"hypervisor-{host}")
    whole.start(f"hypervisor-{host}")
    wait_until(lambda: whole.request("GET", "compute", "/v2.1/os-hypervisors/detail")[2]["hypervisors"][0]["state"] == "up", 30, "no host is up")
    assert float(whole.ssh(server.floating, "cut -d' ' -f1 /proc/uptime")) > uptime, "the guest was started again"
    assert whole.request("POST", "compute", f"/v2.1/servers/{server.id}/action", {"os-stop": None}, person.token)[0] == 202
    person.sdk.compute.wait_for_server(server, status="SHUTOFF", wait=120, interval=0.5)
