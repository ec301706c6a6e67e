# SPDX-License-Identifier: Apache-2.0
"""A port's deletion that overtakes its creation: whatever arrives when, no port is left that nobody owns."""

import itertools
import json
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.lib.compute import CLOUD, NO_OVN, nothing_left
from tests.lib.proxy import Proxy
from tests.lib.spy import Spy
from tests.lib.stack import wait_until

SERVICES = CLOUD
HAS_HOST = True
SETTINGS = NO_OVN


class Ports:
    """The calls of a service account on ports, with ids of its own."""

    def __init__(self, stack, tenant):
        self.stack, self.tenant, self.token = stack, tenant, stack.service_token()

    def ask(self, method, port_id, token=None):
        if method == "POST":
            port = {"id": port_id, "network_id": self.tenant.network, "device_id": "d-" + port_id.lower(), "device_owner": "compute:nova",
                    "binding:host_id": "h1", "tenant_id": self.tenant.person.project_id}
            status, _, body = self.stack.request("POST", "network", "/v2.0/ports", {"port": port}, token or self.token)
        else:
            status, _, body = self.stack.request(method, "network", f"/v2.0/ports/{port_id}", token=token or self.token)
        return status, body["NeutronError"]["type"] if status >= 400 else ""

    def is_there(self, port_id):
        return self.stack.sql("network", "SELECT 1 FROM port WHERE id = %s", port_id) != []

    def is_buried(self, port_id):
        return self.stack.sql("network", "SELECT 1 FROM port_tombstone WHERE id = %s", port_id) != []


@pytest.fixture(scope="module")
def ports(stack, tenant):
    return Ports(stack, tenant)


def test_a_port_deleted_before_it_came_is_refused(ports):
    port_id = str(uuid.uuid4())
    assert ports.ask("DELETE", port_id) == (404, "PortNotFound")
    assert ports.ask("POST", port_id) == (409, "PortDeleted")
    assert ports.ask("POST", port_id.upper()) == (409, "PortDeleted")
    assert not ports.is_there(port_id)


def test_a_port_deleted_by_a_service_does_not_come_again(ports):
    port_id = str(uuid.uuid4())
    assert ports.ask("POST", port_id)[0] == 201 and ports.ask("POST", port_id)[0] == 200
    assert ports.ask("DELETE", port_id.upper())[0] == 204
    assert ports.ask("POST", port_id) == (409, "PortDeleted")
    assert ports.ask("DELETE", port_id) == (404, "PortNotFound")
    assert not ports.is_there(port_id)


def test_a_refused_deletion_leaves_no_tombstone(stack, tenant, ports):
    subnet = stack.call("GET", "network", f"/v2.0/subnets?network_id={tenant.network}", token=tenant.token)["subnets"][0]["id"]
    router = stack.call("POST", "network", "/v2.0/routers", {"router": {}}, tenant.token)["router"]["id"]
    made = stack.call("PUT", "network", f"/v2.0/routers/{router}/add_router_interface", {"subnet_id": subnet}, tenant.token)
    assert ports.ask("DELETE", made["port_id"]) == (409, "ServicePortInUse")
    assert not ports.is_buried(made["port_id"])
    stack.call("PUT", "network", f"/v2.0/routers/{router}/remove_router_interface", {"subnet_id": subnet}, tenant.token)
    stack.call("DELETE", "network", f"/v2.0/routers/{router}", token=tenant.token)


def test_tenants_leave_no_tombstones_and_give_no_ids(stack, tenant, ports):
    before = stack.sql("network", "SELECT count(*) FROM port_tombstone")
    port = stack.call("POST", "network", "/v2.0/ports", {"port": {"network_id": tenant.network}}, tenant.token)["port"]["id"]
    theirs, unknown = stack.person().token, str(uuid.uuid4())
    assert ports.ask("DELETE", port, theirs) == (404, "PortNotFound")
    assert ports.ask("DELETE", unknown, tenant.token) == (404, "PortNotFound")
    assert ports.ask("POST", unknown, tenant.token)[0] == 403
    assert ports.ask("DELETE", port, tenant.token)[0] == 204
    assert ports.ask("DELETE", "no-uuid")[0] == 404
    assert stack.sql("network", "SELECT count(*) FROM port_tombstone") == before


def test_creations_and_deletions_at_once_leave_no_port(stack, ports):
    ids = [str(uuid.uuid4()) for _ in range(40)]
    calls = list(itertools.product(ids, ("POST", "DELETE", "POST")))
    with ThreadPoolExecutor(16) as pool:
        got = list(pool.map(lambda call: (call[1], *ports.ask(call[1], call[0])), calls))
    assert {status for method, status, _ in got if method == "POST"} <= {200, 201, 409}
    assert {status for method, status, _ in got if method == "DELETE"} <= {204, 404}
    # A second creation met the first one's port, which was gone when it looked again: a plain conflict.
    assert {kind for method, status, kind in got if status == 409} <= {"PortDeleted", "Conflict"}
    assert stack.sql("network", "SELECT id FROM port WHERE id = ANY(%s::uuid[])", ids) == []
    assert stack.sql("network", "SELECT 1 FROM fixed_ip WHERE port_id = ANY(%s::uuid[])", ids) == []


def test_old_tombstones_are_swept(stack):
    stack.sql("network", "INSERT INTO port_tombstone SELECT gen_random_uuid(), now() - interval '26 hours' FROM generate_series(1, 2500)")
    young = stack.sql("network", "INSERT INTO port_tombstone VALUES (gen_random_uuid(), now() - interval '24 hours') RETURNING id::text")[0]["id"]
    stack.kill("network")
    stack.start("network")
    wait_until(lambda: not stack.sql("network", "SELECT 1 FROM port_tombstone WHERE deleted_at < now() - interval '25 hours'"), 20, "the old are gone")
    assert stack.sql("network", "SELECT 1 FROM port_tombstone WHERE id = %s", young)


@pytest.fixture
def proxy(stack):
    """What the scheduler asks of the network goes through this."""
    between = Proxy(stack.url("network"))
    stack.restart("scheduler", {**SETTINGS["scheduler"], "compute": {"network_url": between.url}})
    yield between
    between.close()
    stack.restart("scheduler", SETTINGS["scheduler"])


def deleted_without_fault(stack, server_id):
    row = stack.sql("compute", "SELECT vm_state, task_state, fault_code FROM server WHERE id = %s", server_id)[0]
    assert row == {"vm_state": "deleted", "task_state": None, "fault_code": None}


@pytest.mark.parametrize("killed", [False, True], ids=["the scheduler lives", "the scheduler is killed"])
def test_a_server_deleted_while_its_port_is_on_its_way(stack, tenant, proxy, killed):
    proxy.holds = lambda method, path: method == "POST" and path == "/v2.0/ports"
    server_id = tenant.create()
    wait_until(lambda: proxy.held, 20, "the port is on its way")
    if killed:
        stack.kill("scheduler")
        stack.start("scheduler")
    tenant.delete(server_id)
    tenant.wait_gone(server_id)
    status, body = proxy.held[0].release()
    assert (status, body["NeutronError"]["type"]) == (409, "PortDeleted")
    assert len(proxy.held) == 1
    nothing_left(stack, tenant)
    deleted_without_fault(stack, server_id)


def test_a_server_deleted_while_its_given_port_is_being_bound(stack, tenant, proxy):
    port = stack.call("POST", "network", "/v2.0/ports", {"port": {"network_id": tenant.network}}, tenant.token)["port"]["id"]
    proxy.holds = lambda method, path: method == "PUT" and not proxy.held
    server_id = tenant.create(networks=[{"port": port}])
    wait_until(lambda: proxy.held, 20, "the binding is on its way")
    tenant.delete(server_id)
    tenant.wait_gone(server_id)
    status, body = proxy.held[0].release()
    assert (status, body["NeutronError"]["type"]) == (412, "RevisionNumberConstraintFailed")
    free = stack.call("GET", "network", f"/v2.0/ports/{port}", token=stack.admin_token())["port"]
    assert (free["device_id"], free["device_owner"], free["binding:host_id"]) == ("", "", "")
    stack.call("DELETE", "network", f"/v2.0/ports/{port}", token=tenant.token)
    deleted_without_fault(stack, server_id)


def test_a_given_port_that_is_changed_while_it_is_bound_is_bound_again(stack, tenant, proxy):
    port = stack.call("POST", "network", "/v2.0/ports", {"port": {"network_id": tenant.network}}, tenant.token)["port"]["id"]
    proxy.holds = lambda method, path: method == "PUT" and not proxy.held
    server_id = tenant.create(networks=[{"port": port}])
    wait_until(lambda: proxy.held, 20, "the binding is on its way")
    stack.call("PUT", "network", f"/v2.0/ports/{port}", {"port": {"name": "other"}}, tenant.token)
    assert proxy.held[0].release()[0] == 412
    tenant.wait(server_id, "ACTIVE")
    assert stack.call("GET", "network", f"/v2.0/ports/{port}", token=tenant.token)["port"]["device_id"] == server_id
    tenant.delete(server_id)
    tenant.wait_gone(server_id)
    stack.call("DELETE", "network", f"/v2.0/ports/{port}", token=tenant.token)


def test_a_late_giving_back_does_not_take_the_port_from_its_next_owner(stack, tenant, proxy):
    port = stack.call("POST", "network", "/v2.0/ports", {"port": {"network_id": tenant.network}}, tenant.token)["port"]["id"]
    server_id = tenant.create(networks=[{"port": port}])
    tenant.wait(server_id, "ACTIVE")
    proxy.holds = lambda method, path: method == "PUT" and not proxy.held
    tenant.delete(server_id)
    tenant.wait_gone(server_id)  # by a second try
    stack.call("PUT", "network", f"/v2.0/ports/{port}", {"port": {"device_id": "the next"}}, tenant.token)
    assert proxy.held[0].release()[0] == 412
    assert stack.call("GET", "network", f"/v2.0/ports/{port}", token=tenant.token)["port"]["device_id"] == "the next"
    stack.call("DELETE", "network", f"/v2.0/ports/{port}", token=tenant.token)


def test_a_late_word_of_a_given_port_leaves_it_its_owner(stack, tenant):
    port = stack.call("POST", "network", "/v2.0/ports", {"port": {"network_id": tenant.network}}, tenant.token)["port"]["id"]
    server_id = tenant.create(networks=[{"port": port}])
    tenant.wait(server_id, "ACTIVE")
    tenant.delete(server_id)
    tenant.wait_gone(server_id)
    spy = Spy(stack.bus_settings("compute"))
    word = {"port_id": port, "device_id": server_id, "status": "DOWN"}
    stack.sql("network", "INSERT INTO outbox (routing_key, type, body) VALUES ('network.port', 'port.status', %s)", json.dumps(word))
    wait_until(lambda: spy.about(server_id), 10, "the word is out")
    time.sleep(1)
    stack.call("DELETE", "network", f"/v2.0/ports/{port}", token=tenant.token)
