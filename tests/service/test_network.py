# SPDX-License-Identifier: Apache-2.0
"""haneul-network alone with identity and a real OVN central: what a client sees, what OVN has, what survives."""

import ipaddress
import uuid

import pytest

from launch import ovn
from tests.lib.stack import Stack, wait_until

V2 = "/v2.0"


class Net:
    """The network API as one person, or as the administrator."""

    def __init__(self, stack, token):
        self.stack, self.token = stack, token

    def ask(self, method, path, body=None):
        return self.stack.request(method, "network", V2 + path, body, token=self.token)

    def make(self, plural, **attributes):
        singular = plural[:-1].replace("-", "_")
        status, _, body = self.ask("POST", "/" + plural, {singular: attributes})
        assert status == 201, body
        return body[singular]

    def refused(self, method, path, body=None):
        status, _, answer = self.ask(method, path, body)
        return status, answer["NeutronError"]["type"], answer["NeutronError"]["message"]

    def show(self, plural, wanted):
        status, _, body = self.ask("GET", f"/{plural}/{wanted}")
        assert status == 200, body
        return body[plural[:-1].replace("-", "_")]

    def list(self, plural, query=""):
        status, _, body = self.ask("GET", f"/{plural}?{query}")
        assert status == 200, body
        return body[plural.replace("-", "_")]

    def change(self, plural, wanted, **attributes):
        singular = plural[:-1].replace("-", "_")
        status, _, body = self.ask("PUT", f"/{plural}/{wanted}", {singular: attributes})
        assert status == 200, body
        return body[singular]

    def drop(self, plural, wanted):
        status, _, body = self.ask("DELETE", f"/{plural}/{wanted}")
        assert status == 204, body


@pytest.fixture(scope="module")
def cloud():
    with Stack(["identity", "network"]) as stack:
        ovn.up(stack.cloud)
        yield stack


@pytest.fixture(scope="module")
def admin(cloud):
    return Net(cloud, cloud.admin_token())


@pytest.fixture(scope="module")
def external(admin):
    network = admin.make("networks", name="public", **{"router:external": True, "provider:network_type": "flat",
                                                       "provider:physical_network": "physnet1"})
    admin.make("subnets", network_id=network["id"], ip_version=4, cidr="172.24.4.0/24", enable_dhcp=False)
    return network


@pytest.fixture
def person(cloud):
    someone = cloud.person()
    net = Net(cloud, someone.token)
    net.project_id = someone.project_id
    return net


def nb(cloud, *argv):
    return ovn.nbctl(cloud.cloud, *argv)


def eventually(ready, timeout_s=15):
    wait_until(ready, timeout_s, "it did not come about")


def settled(cloud):
    return not cloud.sql("network", "SELECT 1 FROM ovn_work WHERE applied < revision")


def lan(net, cidr="10.1.0.0/24", **more):
    network = net.make("networks", name="lan")
    return network, net.make("subnets", network_id=network["id"], ip_version=4, cidr=cidr, **more)


def test_a_network_has_neutrons_defaults(person):
    network, subnet = lan(person)
    assert network["status"] == "ACTIVE" and network["mtu"] == 1442 and network["port_security_enabled"]
    assert network["project_id"] == network["tenant_id"] == person.project_id
    assert "provider:network_type" not in network
    assert subnet["gateway_ip"] == "10.1.0.1"
    assert subnet["allocation_pools"] == [{"start": "10.1.0.2", "end": "10.1.0.254"}]
    assert person.show("networks", network["id"])["subnets"] == [subnet["id"]]


def test_numbers_may_come_as_text(admin, person):
    network = person.make("networks", mtu="1400", availability_zone_hints=["nova"])
    assert network["mtu"] == 1400
    assert person.make("subnets", network_id=network["id"], ip_version="4", cidr="10.0.0.0/24")["ip_version"] == 4
    vlan = admin.make("networks", **{"provider:network_type": "vlan", "provider:physical_network": "physnet1",
                                     "provider:segmentation_id": "101"})
    assert vlan["provider:segmentation_id"] == 101 and vlan["mtu"] == 1500
    assert person.refused("POST", "/networks", {"network": {"availability_zone_hints": ["moon"]}})[:2] == (
        404, "AvailabilityZoneNotFound")


@pytest.mark.parametrize("attributes, wanted", [
    ({"cidr": "10.0.0.0/33"}, (400, "HTTPBadRequest")),
    ({"cidr": "2001:db8::/64"}, (400, "InvalidInput")),
    ({"cidr": "10.0.0.0/24", "gateway_ip": "10.0.0.255"}, (400, "InvalidInput")),
    ({"cidr": "10.0.0.0/24", "gateway_ip": "10.0.0.9", "allocation_pools": [{"start": "10.0.0.2", "end": "10.0.0.20"}]},
     (409, "GatewayConflictWithAllocationPools")),
    ({"cidr": "10.0.0.0/24", "allocation_pools": [{"start": "10.0.1.2", "end": "10.0.1.20"}]}, (400, "OutOfBoundsAllocationPool")),
    ({"cidr": "10.0.0.0/24", "allocation_pools": [{"start": "10.0.0.9", "end": "10.0.0.2"}]}, (400, "InvalidAllocationPool")),
    ({"cidr": "10.0.0.0/24", "ipv6_ra_mode": "slaac"}, (400, "InvalidInput")),
    ({"cidr": "10.0.0.0/24", "dns_nameservers": ["nonsense"]}, (400, "HTTPBadRequest")),
    ({"cidr": "10.0.0.0/24", "colour": "red"}, (400, "HTTPBadRequest")),
    ({}, (400, "BadRequest")),
])
def test_a_bad_subnet_is_refused_by_name(person, attributes, wanted):
    network = person.make("networks")
    body = {"subnet": {"network_id": network["id"], "ip_version": 4, **attributes}}
    assert person.refused("POST", "/subnets", body)[:2] == wanted
    assert person.list("subnets", f"network_id={network['id']}") == []


def test_overlapping_subnets_of_a_network_are_refused(person):
    network, _ = lan(person)
    body = {"subnet": {"network_id": network["id"], "ip_version": 4, "cidr": "10.1.0.128/25"}}
    assert person.refused("POST", "/subnets", body)[:2] == (400, "InvalidInput")


def test_ports_get_the_next_free_address_until_none_is_left(person):
    network, subnet = lan(person, "10.2.0.0/29")
    got = [person.make("ports", network_id=network["id"])["fixed_ips"][0]["ip_address"] for _ in range(4)]
    assert got == ["10.2.0.3", "10.2.0.4", "10.2.0.5", "10.2.0.6"]  # .2 is the metadata port's
    assert person.refused("POST", "/ports", {"port": {"network_id": network["id"]}})[:2] == (409, "IpAddressGenerationFailure")
    middle = person.list("ports", "fixed_ips=ip_address%3D10.2.0.4")[0]
    person.drop("ports", middle["id"])
    assert person.make("ports", network_id=network["id"])["fixed_ips"] == [{"subnet_id": subnet["id"], "ip_address": "10.2.0.4"}]


def test_an_address_belongs_to_one_port(person):
    network, subnet = lan(person, "10.3.0.0/24")
    wish = [{"subnet_id": subnet["id"], "ip_address": "10.3.0.77"}]
    port = person.make("ports", network_id=network["id"], fixed_ips=wish)
    assert port["fixed_ips"] == wish and port["mac_address"].startswith("fa:16:3e:") and port["status"] == "DOWN"
    body = {"port": {"network_id": network["id"], "fixed_ips": wish}}
    assert person.refused("POST", "/ports", body)[:2] == (409, "IpAddressAlreadyAllocated")
    body["port"]["fixed_ips"] = [{"ip_address": "10.99.0.1"}]
    assert person.refused("POST", "/ports", body)[:2] == (400, "InvalidIpForNetwork")
    body["port"] = {"network_id": network["id"], "mac_address": port["mac_address"]}
    assert person.refused("POST", "/ports", body)[:2] == (409, "MacAddressInUse")


def test_an_update_keeps_the_addresses_that_stay(person):
    network, subnet = lan(person, "10.4.0.0/24")
    port = person.make("ports", network_id=network["id"])
    own = port["fixed_ips"][0]
    after = person.change("ports", port["id"], fixed_ips=[own, {"subnet_id": subnet["id"], "ip_address": "10.4.0.200"}])
    assert [ip["ip_address"] for ip in after["fixed_ips"]] == [own["ip_address"], "10.4.0.200"]
    after = person.change("ports", port["id"], fixed_ips=[{"subnet_id": subnet["id"]}])
    assert len(after["fixed_ips"]) == 1


def test_slaac_addresses_come_from_the_mac(person):
    network = person.make("networks")
    person.make("subnets", network_id=network["id"], ip_version=6, cidr="2001:db8:1::/64", ipv6_ra_mode="slaac",
                ipv6_address_mode="slaac")
    port = person.make("ports", network_id=network["id"], mac_address="fa:16:3e:01:02:03")
    assert port["fixed_ips"][0]["ip_address"] == "2001:db8:1:0:f816:3eff:fe01:203"


def test_the_default_group_comes_with_the_first_need(person):
    groups = person.list("security-groups")
    assert [g["name"] for g in groups] == ["default"]
    assert sorted((r["direction"], r["ethertype"], r["remote_group_id"] is not None) for r in groups[0]["security_group_rules"]) == [
        ("egress", "IPv4", False), ("egress", "IPv6", False), ("ingress", "IPv4", True), ("ingress", "IPv6", True)]
    network = person.make("networks")
    assert person.make("ports", network_id=network["id"])["security_groups"] == [groups[0]["id"]]
    assert person.refused("POST", "/security-groups", {"security_group": {"name": "default"}})[:2] == (
        409, "SecurityGroupDefaultAlreadyExists")
    assert person.refused("DELETE", f"/security-groups/{groups[0]['id']}")[0] == 409


def statements(cloud):
    text = cloud.request("GET", "network", "/metrics")[2]
    return int(next(line.split()[-1] for line in text.splitlines() if line.startswith("haneul_http_statements_total")))


def test_many_groups_of_a_port_cost_as_much_as_one(cloud, person):
    network, costs = person.make("networks")["id"], []
    groups = [person.make("security-groups", name=f"g{i}")["id"] for i in range(8)]
    for wanted in (groups[:1], groups):
        before = statements(cloud)
        port = person.make("ports", network_id=network, security_groups=[*wanted, wanted[0].upper()])
        costs.append(statements(cloud) - before)
        assert port["security_groups"] == sorted(wanted)
    assert costs[0] == costs[1], costs
    assert person.change("ports", port["id"], security_groups=groups[2:4])["security_groups"] == sorted(groups[2:4])
    for wrong in (str(uuid.uuid4()), "none", person.stack.person().project_id):
        assert person.refused("PUT", f"/ports/{port['id']}", {"port": {"security_groups": [groups[5], wrong]}})[:2] == (404, "SecurityGroupNotFound")
    assert person.show("ports", port["id"])["security_groups"] == sorted(groups[2:4])
    assert person.change("ports", port["id"], security_groups=[])["security_groups"] == []


@pytest.mark.parametrize("rule, wanted", [
    ({"protocol": "tcp", "port_range_min": 80}, "SecurityGroupInvalidPortRange"),
    ({"protocol": "tcp", "port_range_min": 80, "port_range_max": 79}, "SecurityGroupInvalidPortRange"),
    ({"protocol": "bad"}, "SecurityGroupRuleInvalidProtocol"),
    ({"protocol": 256}, "SecurityGroupRuleInvalidProtocol"),
    ({"ethertype": "IPX"}, "SecurityGroupRuleInvalidEtherType"),
    ({"port_range_min": 1, "port_range_max": 2}, "SecurityGroupProtocolRequiredWithPorts"),
    ({"protocol": "icmp", "port_range_max": 2}, "SecurityGroupMissingIcmpType"),
    ({"protocol": "icmp", "port_range_min": 256}, "SecurityGroupInvalidIcmpValue"),
    ({"remote_ip_prefix": "2001:db8::/64"}, "SecurityGroupRuleParameterConflict"),
    ({"remote_ip_prefix": "10.0.0.0/99"}, "HTTPBadRequest"),
])
def test_a_bad_rule_is_refused_by_name(person, rule, wanted):
    group = person.make("security-groups", name="web")
    body = {"security_group_rule": {"security_group_id": group["id"], "direction": "ingress", **rule}}
    assert person.refused("POST", "/security-group-rules", body)[:2] == (400, wanted)


def test_the_same_rule_is_refused_however_it_is_written(person):
    group = person.make("security-groups", name="web")
    first = person.make("security-group-rules", security_group_id=group["id"], direction="ingress", protocol="tcp",
                        port_range_min=80, port_range_max=80, remote_ip_prefix="0.0.0.0/0")
    body = {"security_group_rule": {"security_group_id": group["id"], "direction": "ingress", "protocol": "6",
                                    "port_range_min": "80", "port_range_max": 80}}
    status, kind, message = person.refused("POST", "/security-group-rules", body)
    assert (status, kind) == (409, "SecurityGroupRuleExists") and first["id"] in message


def test_what_is_in_use_stays(person, external):
    network, subnet = lan(person, "10.5.0.0/24")
    router = person.make("routers", name="r", external_gateway_info={"network_id": external["id"]})
    _, _, interface = person.ask("PUT", f"/routers/{router['id']}/add_router_interface", {"subnet_id": subnet["id"]})
    assert interface["subnet_id"] == subnet["id"] and interface["id"] == router["id"]
    assert person.refused("DELETE", f"/routers/{router['id']}")[:2] == (409, "RouterInUse")
    assert person.refused("DELETE", f"/subnets/{subnet['id']}")[:2] == (409, "SubnetInUse")
    assert person.refused("DELETE", f"/networks/{network['id']}")[:2] == (409, "NetworkInUse")
    assert person.refused("DELETE", f"/ports/{interface['port_id']}")[:2] == (409, "ServicePortInUse")
    again = person.refused("PUT", f"/routers/{router['id']}/add_router_interface", {"subnet_id": subnet["id"]})
    assert again[:2] == (400, "BadRequest")
    status, _, _ = person.ask("PUT", f"/routers/{router['id']}/remove_router_interface", {"subnet_id": subnet["id"]})
    assert status == 200
    person.drop("routers", router["id"])
    person.drop("networks", network["id"])


def test_extra_routes_must_be_reachable(person):
    network, subnet = lan(person, "10.14.0.0/24")
    router = person.make("routers")
    person.ask("PUT", f"/routers/{router['id']}/add_router_interface", {"subnet_id": subnet["id"]})
    good = {"destination": "192.168.0.0/24", "nexthop": "10.14.0.9"}
    assert person.change("routers", router["id"], routes=[good])["routes"] == [good]
    bad = {"router": {"routes": [{"destination": "192.168.0.0/24", "nexthop": "10.99.0.9"}]}}
    assert person.refused("PUT", f"/routers/{router['id']}", bad)[:2] == (400, "InvalidRoutes")
    more = {"destination": "192.168.1.0/24", "nexthop": "10.14.0.9"}
    status, _, body = person.ask("PUT", f"/routers/{router['id']}/add_extraroutes", {"router": {"routes": [more]}})
    assert status == 200 and body["router"]["routes"] == [good, more]
    status, _, body = person.ask("PUT", f"/routers/{router['id']}/remove_extraroutes", {"router": {"routes": [good]}})
    assert status == 200 and body["router"]["routes"] == [more]
    busy = person.refused("PUT", f"/routers/{router['id']}/remove_router_interface", {"subnet_id": subnet["id"]})
    assert busy[:2] == (409, "RouterInterfaceInUseByRoute")


def test_a_floating_ip_follows_its_port(cloud, person, external):
    network, subnet = lan(person, "10.6.0.0/24")
    port = person.make("ports", network_id=network["id"])
    fip = person.make("floatingips", floating_network_id=external["id"])
    assert fip["status"] == "DOWN" and fip["port_id"] is None
    unreachable = person.refused("PUT", f"/floatingips/{fip['id']}", {"floatingip": {"port_id": port["id"]}})
    assert unreachable[:2] == (404, "ExternalGatewayForFloatingIPNotFound")
    router = person.make("routers", external_gateway_info={"network_id": external["id"]})
    person.ask("PUT", f"/routers/{router['id']}/add_router_interface", {"subnet_id": subnet["id"]})
    fip = person.change("floatingips", fip["id"], port_id=port["id"])
    assert fip["status"] == "ACTIVE" and fip["router_id"] == router["id"]
    assert fip["fixed_ip_address"] == port["fixed_ips"][0]["ip_address"]
    eventually(lambda: settled(cloud))
    assert fip["floating_ip_address"] in nb(cloud, "lr-nat-list", f"neutron-{router['id']}")
    busy = person.refused("PUT", f"/routers/{router['id']}/remove_router_interface", {"subnet_id": subnet["id"]})
    assert busy[:2] == (409, "RouterInterfaceInUseByFloatingIP")
    person.drop("ports", port["id"])
    assert person.show("floatingips", fip["id"])["port_id"] is None
    eventually(lambda: settled(cloud))
    assert fip["floating_ip_address"] not in nb(cloud, "lr-nat-list", f"neutron-{router['id']}")
    person.drop("floatingips", fip["id"])
    rows = cloud.sql("network", "SELECT meter, to_us FROM usage_interval WHERE resource_id = %s", fip["id"])
    assert len(rows) == 1 and rows[0]["meter"] == "floatingip" and rows[0]["to_us"]


def test_others_see_nothing(cloud, person, external):
    network, subnet = lan(person, "10.7.0.0/24")
    other = Net(cloud, cloud.person().token)
    assert other.refused("GET", f"/networks/{network['id']}")[:2] == (404, "NetworkNotFound")
    assert other.refused("DELETE", f"/subnets/{subnet['id']}")[:2] == (404, "SubnetNotFound")
    assert other.refused("POST", "/ports", {"port": {"network_id": network["id"]}})[:2] == (404, "NetworkNotFound")
    assert [n["id"] for n in other.list("networks")] == [external["id"]]
    assert other.list("subnets") == []
    assert other.refused("PUT", f"/networks/{external['id']}", {"network": {"name": "mine"}})[0] == 403
    assert other.refused("POST", "/networks", {"network": {"shared": True}})[0] == 403
    assert other.refused("POST", "/networks", {"network": {"project_id": person.project_id}})[0] == 403


def test_a_quota_is_refused_before_anything_exists(admin, person):
    status, _, body = admin.ask("PUT", f"/quotas/{person.project_id}", {"quota": {"network": 1}})
    assert status == 200 and body["quota"]["network"] == 1
    person.make("networks")
    status, kind, message = person.refused("POST", "/networks", {"network": {}})
    assert (status, kind) == (409, "OverQuota") and "'network'" in message
    assert len([n for n in person.list("networks") if n["project_id"] == person.project_id]) == 1
    status, _, _ = admin.ask("DELETE", f"/quotas/{person.project_id}")
    assert status == 204
    _, _, details = person.ask("GET", f"/quotas/{person.project_id}/details.json")
    assert details["quota"]["network"] == {"limit": 100, "used": 1, "reserved": 0}


def test_a_path_may_name_its_format(admin, person):
    """Older clients write .json behind every path."""
    made = person.make("networks")
    assert person.ask("GET", "/networks.json")[0] == 200 and person.ask("GET", "/.json")[0] == 404
    assert person.ask("GET", f"/networks/{made['id']}.json")[2]["network"]["id"] == made["id"]
    assert person.refused("GET", "/networks/none.json")[2] == "Network none could not be found."
    path = f"/quotas/{person.project_id}"
    assert admin.ask("PUT", path + ".json", {"quota": {"network": 7}})[2]["quota"]["network"] == 7
    assert person.ask("GET", path)[2]["quota"]["network"] == 7 and admin.ask("DELETE", path + ".json")[0] == 204
    assert person.ask("DELETE", f"/networks/{made['id']}.json")[0] == 204


def test_the_same_post_with_the_same_key_makes_one_thing(cloud, person):
    def post(name, key):
        return cloud.request("POST", "network", V2 + "/networks", {"network": {"name": name}}, token=person.token,
                             headers={"Idempotency-Key": key})
    status, _, first = post("once", "k1")
    again, _, second = post("once", "k1")
    assert status == again == 201 and first == second
    assert post("other", "k1")[0] == 409
    assert post("once", "k2")[2]["network"]["id"] != first["network"]["id"]
    assert len(person.list("networks", "name=once")) == 2


def test_bulk_makes_all_or_none(person):
    status, _, body = person.ask("POST", "/networks", {"networks": [{"name": "a"}, {"name": "b"}]})
    assert status == 201 and [n["name"] for n in body["networks"]] == ["a", "b"]
    status, _, _ = person.ask("POST", "/networks", {"networks": [{"name": "c"}, {"name": "d", "mtu": 1}]})
    assert status == 400 and person.list("networks", "name=c") == []


def test_lists_are_filtered_sorted_and_paged(person):
    for name in ("x1", "x2", "x3"):
        person.make("networks", name=name)
    status, _, page = person.ask("GET", f"/networks?project_id={person.project_id}&limit=2&sort_key=name&sort_dir=desc&fields=name")
    assert status == 200 and page["networks"] == [{"name": "x3"}, {"name": "x2"}]
    assert page["networks_links"][0]["rel"] == "next"
    assert [n["name"] for n in person.list("networks", "name=x1&name=x3&sort_key=name")] == ["x1", "x3"]


def test_tags_select(person):
    network = person.make("networks")
    status, _, body = person.ask("PUT", f"/networks/{network['id']}/tags", {"tags": ["red", "blue"]})
    assert status == 200 and body["tags"] == ["red", "blue"]
    assert [n["id"] for n in person.list("networks", "tags=red,blue")] == [network["id"]]
    assert person.list("networks", "not-tags-any=red&name=" + network["name"] + "&id=" + network["id"]) == []


def test_a_change_may_be_bound_to_a_revision(cloud, person):
    network = person.make("networks", name="first")
    path, seen = f"/v2.0/networks/{network['id']}", network["revision_number"]

    def ask(method, match, body=None):
        return cloud.request(method, "network", path, body, token=person.token, headers={"If-Match": match})
    status, _, body = ask("PUT", f"revision_number={seen}", {"network": {"name": "second"}})
    assert status == 200 and body["network"]["revision_number"] == seen + 1
    for method, change in (("PUT", {"network": {"name": "third"}}), ("DELETE", None)):
        status, _, body = ask(method, f'"revision_number={seen}"', change)
        assert (status, body["NeutronError"]["type"]) == (412, "RevisionNumberConstraintFailed")
        assert body["NeutronError"]["message"] == f"Constrained to {seen}, but current revision is {seen + 1}"
        assert ask(method, "revision_number=x", change)[0] == 400
        assert ask(method, f"revision_number={seen + 1}, revision_number={seen + 1}", change)[0] == 400
    assert person.show("networks", network["id"])["name"] == "second"
    assert ask("PUT", "an-etag", {"network": {"name": "third"}})[0] == 200
    assert ask("DELETE", f"revision_number={seen + 2}")[0] == 204
    assert "revision-if-match" in [e["alias"] for e in person.list("extensions")]


def test_a_service_makes_its_port_once(cloud, person):
    network, _ = lan(person, "10.8.0.0/24")
    service = Net(cloud, cloud.service_token())
    wish = {"id": str(uuid.uuid4()), "network_id": network["id"], "device_id": str(uuid.uuid4()), "device_owner": "compute:nova",
            "binding:host_id": "h1", "tenant_id": person.project_id}
    first = service.make("ports", **wish)
    status, _, again = service.ask("POST", "/ports", {"port": wish})
    assert status == 200 and again["port"]["fixed_ips"] == first["fixed_ips"] and first["id"] == wish["id"]
    assert first["project_id"] == person.project_id and len(first["security_groups"]) == 1
    assert "binding:host_id" not in person.show("ports", first["id"])
    assert service.refused("POST", "/ports", {"port": {**wish, "device_id": "other"}})[0] == 409
    status, _, moved = service.ask("POST", "/ports", {"port": {**wish, "binding:host_id": "h2"}})
    assert status == 200 and moved["port"]["binding:host_id"] == "h2"


def test_a_port_is_active_when_ovn_says_so(cloud, person):
    network, _ = lan(person, "10.9.0.0/24")
    port = person.make("ports", network_id=network["id"], device_id="a-server")
    eventually(lambda: settled(cloud))
    ovn.sbctl(cloud.cloud, "--may-exist", "chassis-add", "test-chassis", "geneve", "127.0.0.1")
    ovn.sbctl(cloud.cloud, "lsp-bind", port["id"], "test-chassis")
    eventually(lambda: person.show("ports", port["id"])["status"] == "ACTIVE")
    ovn.sbctl(cloud.cloud, "lsp-unbind", port["id"])
    eventually(lambda: person.show("ports", port["id"])["status"] == "DOWN")
    ovn.sbctl(cloud.cloud, "chassis-del", "test-chassis")


def test_what_is_deleted_leaves_ovn(cloud, person):
    network, _ = lan(person, "10.10.0.0/24")
    port = person.make("ports", network_id=network["id"])
    eventually(lambda: settled(cloud))
    assert port["id"] in nb(cloud, "lsp-list", f"neutron-{network['id']}")
    person.drop("ports", port["id"])
    person.drop("networks", network["id"])
    eventually(lambda: settled(cloud))
    assert network["id"] not in nb(cloud, "show") and "10.10.0.0/24" not in nb(cloud, "list", "dhcp_options")
    assert cloud.sql("network", "SELECT 1 FROM ovn_work WHERE id IN (%s, %s)", network["id"], port["id"]) == []


def test_a_network_taken_from_the_dhcp_agent_is_not_answered(cloud, admin, person):
    network, _ = lan(person, "10.15.0.0/24")
    port = person.make("ports", network_id=network["id"])
    _, _, body = admin.ask("GET", f"/networks/{network['id']}/dhcp-agents")
    agent = body["agents"][0]["id"]
    eventually(lambda: settled(cloud))
    assert nb(cloud, "--bare", "--columns=dhcpv4_options", "list", "logical_switch_port", port["id"]).strip()
    assert admin.ask("DELETE", f"/agents/{agent}/dhcp-networks/{network['id']}")[0] == 204
    eventually(lambda: settled(cloud))
    assert not nb(cloud, "--bare", "--columns=dhcpv4_options", "list", "logical_switch_port", port["id"]).strip()
    assert admin.refused("DELETE", f"/agents/{agent}/dhcp-networks/{network['id']}")[0] == 409
    assert admin.ask("POST", f"/agents/{agent}/dhcp-networks", {"network_id": network["id"]})[0] == 201
    eventually(lambda: settled(cloud))
    assert nb(cloud, "--bare", "--columns=dhcpv4_options", "list", "logical_switch_port", port["id"]).strip()
    assert person.list("agents") == [] and person.refused("GET", f"/networks/{network['id']}/dhcp-agents")[0] == 403


def test_nothing_is_lost_while_ovn_is_away(cloud, person):
    from launch import process
    process.stop(cloud.cloud, "ovn-nb")
    network, _ = lan(person, "10.11.0.0/24")
    port = person.make("ports", network_id=network["id"])
    assert not settled(cloud)
    cloud.kill("network")
    cloud.start("network", wait=False)
    ovn._database(cloud.cloud, "nb")
    eventually(lambda: settled(cloud))
    assert port["id"] in nb(cloud, "lsp-list", f"neutron-{network['id']}")


def test_a_restart_repairs_what_somebody_changed_in_ovn(cloud, person):
    network, _ = lan(person, "10.12.0.0/24")
    port = person.make("ports", network_id=network["id"])
    eventually(lambda: settled(cloud))
    nb(cloud, "lsp-del", port["id"])
    cloud.kill("network")
    cloud.start("network")
    eventually(lambda: port["id"] in nb(cloud, "lsp-list", f"neutron-{network['id']}"))


def test_concurrent_ports_never_share_an_address(cloud, person):
    from concurrent.futures import ThreadPoolExecutor
    network, _ = lan(person, "10.13.0.0/24")
    with ThreadPoolExecutor(8) as pool:
        ports = list(pool.map(lambda _: person.make("ports", network_id=network["id"]), range(24)))
    addresses = {p["fixed_ips"][0]["ip_address"] for p in ports}
    assert len(addresses) == 24 and all(ipaddress.ip_address(a) in ipaddress.ip_network("10.13.0.0/24") for a in addresses)
