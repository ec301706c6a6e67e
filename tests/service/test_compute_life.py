# SPDX-License-Identifier: Apache-2.0
"""A server from POST to gone, with the real scheduler, network and image services and simulated hosts."""

import calendar
import time

import pytest

from tests.lib.compute import CLOUD, NO_OVN, Tenant, image, nothing_left
from tests.lib.stack import wait_until

SERVICES = CLOUD
HAS_HOST = True
SETTINGS = NO_OVN


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


def test_a_given_port_is_bound_and_given_back(stack, tenant):
    port = stack.call("POST", "network", "/v2.0/ports", {"port": {"network_id": tenant.network}}, tenant.token)["port"]
    server_id = tenant.create(name="given", networks=[{"port": port["id"]}])
    assert tenant.request("POST", "/servers", tenant.body(networks=[{"port": port["id"]}]))[0] in (400, 409)
    server = tenant.wait(server_id, "ACTIVE")
    assert server["addresses"]["net"][0]["addr"] == port["fixed_ips"][0]["ip_address"]
    bound = stack.call("GET", "network", f"/v2.0/ports/{port['id']}", token=tenant.token)["port"]
    assert bound["device_id"] == server_id and bound["device_owner"] == "compute:nova"
    shown = tenant.request("GET", f"/servers/{server_id}/os-interface")[2]["interfaceAttachments"]
    assert [i["port_id"] for i in shown] == [port["id"]]
    tenant.delete(server_id)
    tenant.wait_gone(server_id)
    free = stack.call("GET", "network", f"/v2.0/ports/{port['id']}", token=tenant.token)["port"]
    assert free["device_id"] == "" and free["device_owner"] == ""
    stack.call("DELETE", "network", f"/v2.0/ports/{port['id']}", token=tenant.token)


def test_an_address_can_be_asked_for(stack, tenant):
    server_id = tenant.create(name="asked", networks=[{"uuid": tenant.network, "fixed_ip": "10.1.0.77"}])
    assert tenant.wait(server_id, "ACTIVE")["addresses"]["net"][0]["addr"] == "10.1.0.77"
    second = tenant.create(name="asked-too", networks=[{"uuid": tenant.network, "fixed_ip": "10.1.0.77"}])
    assert "10.1.0.77" in tenant.wait(second, "ERROR")["fault"]["message"]
    for made in (server_id, second):
        tenant.delete(made)
        tenant.wait_gone(made)
    nothing_left(stack, tenant)


def test_few_messages_lead_to_active(stack, tenant):
    before = stack.sql("compute", "SELECT last_value AS n FROM pg_sequences WHERE schemaname = 'compute' AND sequencename LIKE 'outbox%%'")
    server_id = tenant.create(name="few")
    tenant.wait(server_id, "ACTIVE")
    after = stack.sql("compute", "SELECT last_value AS n FROM pg_sequences WHERE schemaname = 'compute' AND sequencename LIKE 'outbox%%'")
    assert after[0]["n"] - (before[0]["n"] or 0) == 2  # schedule and order; the agent's and the network's word make four
    tenant.delete(server_id)
    tenant.wait_gone(server_id)


def test_a_floating_address_is_shown(stack, tenant):
    admin = stack.admin_token()
    outside = stack.call("POST", "network", "/v2.0/networks", {"network": {"name": "outside", "router:external": True}}, admin)["network"]
    stack.call("POST", "network", "/v2.0/subnets", {"subnet": {"network_id": outside["id"], "ip_version": 4, "cidr": "198.51.100.0/24"}}, admin)
    subnet = stack.call("GET", "network", f"/v2.0/subnets?network_id={tenant.network}", token=tenant.token)["subnets"][0]
    router = stack.call("POST", "network", "/v2.0/routers", {"router": {"external_gateway_info": {"network_id": outside["id"]}}}, tenant.token)["router"]
    stack.call("PUT", "network", f"/v2.0/routers/{router['id']}/add_router_interface", {"subnet_id": subnet["id"]}, tenant.token)
    server_id = tenant.create(name="floating")
    tenant.wait(server_id, "ACTIVE")
    port = tenant.ports()[0]["id"]
    made = stack.call("POST", "network", "/v2.0/floatingips", {"floatingip": {"floating_network_id": outside["id"], "port_id": port}}, tenant.token)["floatingip"]

    def shown():
        return [a["addr"] for a in tenant.show(server_id)["addresses"]["net"] if a["OS-EXT-IPS:type"] == "floating"]
    wait_until(lambda: shown() == [made["floating_ip_address"]], 3, "the address is shown")
    stack.call("DELETE", "network", f"/v2.0/floatingips/{made['id']}", token=tenant.token)
    wait_until(lambda: shown() == [], 3, "the address is gone")
    tenant.delete(server_id)
    tenant.wait_gone(server_id)
    nothing_left(stack, tenant)


def test_a_rebuilt_server_keeps_its_place_and_address(stack, tenant):
    server_id = tenant.create(name="old")
    before = tenant.wait(server_id, "ACTIVE")
    other = image(stack, tenant.person)
    reply = tenant.act(server_id, {"rebuild": {"imageRef": other, "name": "new", "metadata": {"k": "v"}}})
    assert reply["server"]["adminPass"] and reply["server"]["name"] == "new"
    after = tenant.wait(server_id, "ACTIVE")
    assert after["image"]["id"] == other and after["metadata"] == {"k": "v"}
    assert after["addresses"] == before["addresses"] and after["hostId"] == before["hostId"]
    assert len(usage(stack, server_id)) == 3  # one life, one bill
    tenant.act(server_id, {"os-stop": None})
    tenant.wait(server_id, "SHUTOFF")
    tenant.act(server_id, {"rebuild": {"imageRef": tenant.image}})
    tenant.wait(server_id, "SHUTOFF")
    tenant.act(server_id, {"os-start": None})
    tenant.wait(server_id, "ACTIVE")
    tenant.act(server_id, {"rebuild": {"imageRef": "x"}}, 400)
    tenant.delete(server_id)
    tenant.wait_gone(server_id)
    nothing_left(stack, tenant)


def test_simple_tenant_usage_is_the_sum_of_the_intervals(stack, tenant):
    person = Tenant(stack)
    gone, there = person.create(name="gone"), person.create(name="there")
    for server_id in (gone, there):
        person.wait(server_id, "ACTIVE")
    person.delete(gone)
    person.wait_gone(gone)
    path, admin = f"/os-simple-tenant-usage/{person.person.project_id}", stack.admin_token()
    seen = person.request("GET", path + "?start=2020-01-01T00:00:00")[2]["tenant_usage"]
    servers = {s["instance_id"]: s for s in seen["server_usages"]}
    assert {i: (s["name"], s["state"], s["vcpus"], s["memory_mb"], s["local_gb"]) for i, s in servers.items()} == {
        gone: ("gone", "terminated", 1, 128, 1), there: ("there", "active", 1, 128, 1)}
    assert servers[gone]["ended_at"] and servers[there]["ended_at"] is None and len(seen) == 8
    assert 0 < sum(s["hours"] for s in servers.values()) == pytest.approx(seen["total_hours"])
    assert seen["total_memory_mb_usage"] == pytest.approx(128 * seen["total_hours"]) and seen["total_local_gb_usage"] == pytest.approx(seen["total_hours"])
    rows = usage(stack, gone)
    assert servers[gone]["hours"] == pytest.approx((rows[0]["to_us"] - rows[0]["from_us"]) / 3.6e9)
    for other in ("?start=2020-01-01T00:00:00&end=2020-02-01T00:00:00", "?start=2090-01-01T00:00:00&end=2091-01-01T00:00:00"):
        assert person.request("GET", path + other)[2] == {"tenant_usage": {}}
    for wrong in ("?start=nonsense", "?start=2020-02-01T00:00:00&end=2020-01-01T00:00:00", "?start=2090-01-01T00:00:00"):
        assert person.request("GET", path + wrong)[0] == 400
    _, _, page = person.request("GET", path + "?start=2020-01-01T00:00:00&limit=1", version="2.40")
    [link] = page["tenant_usage_links"]
    assert [s["instance_id"] for s in page["tenant_usage"]["server_usages"]] == [min(servers)] and f"marker={min(servers)}" in link["href"]
    assert tenant.request("GET", path)[0] == 403 and tenant.request("GET", "/os-simple-tenant-usage")[0] == 403
    everyone = tenant.request("GET", "/os-simple-tenant-usage?start=2020-01-01T00:00:00", token=admin)[2]["tenant_usages"]
    assert [u for u in everyone if u["tenant_id"] == person.person.project_id and "server_usages" not in u]
    person.delete(there)
    person.wait_gone(there)


def test_the_audit_log_counts_what_ran_on_each_host_in_a_month(stack, tenant):
    person, path, admin = Tenant(stack), "/os-instance_usage_audit_log", stack.admin_token()
    server_id = person.create(name="counted")
    person.wait(server_id, "ACTIVE")
    person.delete(server_id)
    person.wait_gone(server_id)

    def show(before=None):
        status, _, body = tenant.request("GET", path + ("/" + before.replace(" ", "%20") if before else ""), token=admin)
        assert status == 200 and len(body) == 1
        return body["instance_usage_audit_log" if before else "instance_usage_audit_logs"]
    # as if it had been there twice on the last day of a month of long ago, until the first instant of the next
    begun, ended = (calendar.timegm((2021, month, day, 0, 0, 0)) * 10**6 for month, day in ((1, 31), (2, 1)))
    for since, until in ((begun, begun + 1), (begun + 2, ended)):
        stack.sql("compute", "INSERT INTO usage_interval (project_id, resource_type, resource_id, resource_name, meter, quantity, from_us, to_us) "
                  f"SELECT project_id, resource_type, resource_id, resource_name, meter, 1, {since}, {until} "
                  f"FROM usage_interval WHERE resource_id = '{server_id}' AND meter = 'server.vcpu' LIMIT 1")
    january = show("2021-02-01 00:00:00.5")
    assert (january["period_beginning"], january["period_ending"]) == ("2021-01-01 00:00:00", "2021-02-01 00:00:00")
    assert (january["total_instances"], january["num_hosts"], january["num_hosts_done"], january["num_hosts_not_run"]) == (1, 1, 1, 0)
    assert january["log"] == {"h1": {"state": "DONE", "instances": 1, "errors": 0, "message": "1 instances"}}
    assert january["overall_status"] == "ALL hosts done. 0 errors." and january["hosts_not_run"] == []
    assert show("2021-03-31 00:00:00")["total_instances"] == 0 and show("2021-04-01 00:00:00")["period_beginning"] == "2021-02-01 00:00:00"
    assert show("2021-02-01 00:00:00")["period_ending"] == "2021-01-01 00:00:00"
    now = time.gmtime()
    assert show()["period_ending"] == time.strftime("%Y-%m-01 00:00:00", now)
    for wrong in ("yesterday", "2021-02-01", "2021-02-30 00:00:00", "2021-02-01T00:00:00", "2021-02-01 00:00:00Z", "2021-02-01 00:00:00'--"):
        status, _, body = tenant.request("GET", f"{path}/{wrong.replace(' ', '%20')}", token=admin)
        assert status == 400 and body["badRequest"]["message"] == "Invalid timestamp for date " + wrong
    assert person.request("GET", path)[0] == 403 and person.request("GET", path + "/2021-02-01%2000:00:00")[0] == 403


def test_a_server_is_paused_suspended_and_goes_on(stack, tenant):
    server_id = tenant.create(name="rests", networks=None)
    tenant.wait(server_id, "ACTIVE")
    assert tenant.request("GET", f"/servers/{server_id}/os-disk-layers")[0] == 403
    status, _, said = tenant.request("GET", f"/servers/{server_id}/os-disk-layers", token=stack.admin_token())
    assert status == 200 and (said["disk"]["host"], said["disk"]["image_id"]) == ("h1", tenant.image)
    for wrong in ("unpause", "resume"):
        tenant.act(server_id, {wrong: None}, 409)
    tenant.act(server_id, {"pause": None})
    assert tenant.wait(server_id, "PAUSED")["OS-EXT-STS:power_state"] == 3
    for wrong in ("pause", "suspend", "os-stop"):
        tenant.act(server_id, {wrong: None}, 409)
    tenant.act(server_id, {"unpause": None})
    assert tenant.wait(server_id, "ACTIVE")["OS-EXT-STS:power_state"] == 1
    tenant.act(server_id, {"suspend": None})
    assert tenant.wait(server_id, "SUSPENDED")["OS-EXT-STS:power_state"] == 4
    tenant.act(server_id, {"suspend": None}, 409)
    tenant.act(server_id, {"resume": None})
    tenant.wait(server_id, "ACTIVE")
    tenant.act(server_id, {"pause": None})
    tenant.wait(server_id, "PAUSED")
    tenant.act(server_id, {"reboot": {"type": "SOFT"}}, 409)
    tenant.act(server_id, {"reboot": {"type": "HARD"}})
    tenant.wait(server_id, "ACTIVE")
    tenant.act(server_id, {"suspend": None})
    tenant.wait(server_id, "SUSPENDED")
    tenant.delete(server_id)
    tenant.wait_gone(server_id)
    nothing_left(stack, tenant)
