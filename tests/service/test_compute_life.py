# SPDX-License-Identifier: Apache-2.0
"""A server from POST to gone, with the real scheduler, network and image services and simulated hosts."""

import pytest

from tests.lib.compute import CLOUD, NO_OVN, Agent, Tenant, hosts_up, nothing_left
from tests.lib.stack import Stack


@pytest.fixture(scope="module")
def stack():
    with Stack(CLOUD, settings=NO_OVN) as cloud:
        cloud.agent = Agent(cloud, "h1")
        hosts_up(cloud)
        yield cloud


@pytest.fixture(scope="module")
def tenant(stack):
    return Tenant(stack)


def usage(stack, server_id):
    return stack.sql("compute", "SELECT * FROM usage_interval WHERE resource_id = %s", server_id)


def test_a_server_becomes_active_and_goes_without_a_trace(stack, tenant):
    server_id = tenant.create(name="first")
    server = tenant.wait(server_id, "ACTIVE")
    (name, addresses), = server["addresses"].items()
    assert name == "net" and addresses[0]["addr"].startswith("10.1.0.") and addresses[0]["version"] == 4
    assert server["OS-EXT-STS:power_state"] == 1 and server["OS-SRV-USG:launched_at"]
    assert len(tenant.ports()) == 1
    assert len(usage(stack, server_id)) == 3
    tenant.delete(server_id)
    tenant.wait_gone(server_id)
    nothing_left(stack, tenant)


def test_power_follows_actions(stack, tenant):
    server_id = tenant.create(name="power", networks=None)
    tenant.wait(server_id, "ACTIVE")
    tenant.act(server_id, {"os-start": None}, 409)
    tenant.act(server_id, {"os-stop": None})
    tenant.wait(server_id, "SHUTOFF")
    tenant.act(server_id, {"reboot": {"type": "SOFT"}}, 409)
    tenant.act(server_id, {"os-start": None})
    tenant.wait(server_id, "ACTIVE")
    for kind in ("SOFT", "HARD"):
        tenant.act(server_id, {"reboot": {"type": kind}})
        tenant.wait(server_id, "ACTIVE")
    _, _, reply = tenant.request("GET", f"/servers/{server_id}/os-instance-actions")
    assert [a["action"] for a in reply["instanceActions"]] == ["reboot", "reboot", "start", "stop", "create"]
    tenant.delete(server_id)
    tenant.wait_gone(server_id)
