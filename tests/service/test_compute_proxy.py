# SPDX-License-Identifier: Apache-2.0
"""Nova's old windows on security groups, floating IPs, networks and images, and the layers of a server's disk."""

import uuid

import pytest

from tests.lib import compute as lib


SERVICES = lib.CLOUD
SETTINGS = lib.NO_OVN


@pytest.fixture(scope="module")
def me(stack):
    return stack.person()


def ask(stack, person, method, path, body=None, version=None):
    headers = {"X-OpenStack-Nova-API-Version": version} if version else None
    status, _, said = stack.request(method, "compute", "/v2.1" + path, body, token=person.token, headers=headers)
    return status, said


def group(stack, person, **more):
    status, said = ask(stack, person, "POST", "/os-security-groups", {"security_group": {"name": "g-" + uuid.uuid4().hex[:8], "description": "d", **more}})
    assert status == 200, said
    return said["security_group"]


def test_security_groups_are_those_of_the_network_service(stack, me):
    made = group(stack, me)
    assert set(made) == {"id", "name", "description", "tenant_id", "rules"} and made["rules"] == []
    assert stack.call("GET", "network", f"/v2.0/security-groups/{made['id']}", token=me.token)["security_group"]["name"] == made["name"]
    status, said = ask(stack, me, "GET", "/os-security-groups")
    assert status == 200 and {"default", made["name"]} <= {g["name"] for g in said["security_groups"]}
    assert ask(stack, me, "PUT", f"/os-security-groups/{made['id']}", {"security_group": {"name": "new", "description": "x"}})[1]["security_group"]["name"] == "new"
    assert ask(stack, me, "DELETE", f"/os-security-groups/{made['id']}")[0] == 202
    assert ask(stack, me, "GET", f"/os-security-groups/{made['id']}")[0] == 404
    assert ask(stack, me, "GET", "/os-security-groups/7")[0] == 400
    assert ask(stack, me, "DELETE", "/os-security-groups/")[0] == 404
    assert ask(stack, me, "GET", "/os-security-groups", version="2.36")[0] == 404
    default = next(g for g in said["security_groups"] if g["name"] == "default")
    assert ask(stack, me, "DELETE", f"/os-security-groups/{default['id']}")[0] == 400


RULE = {"ip_protocol": "tcp", "from_port": 22, "to_port": 24, "cidr": "10.0.0.0/8"}


def rule(stack, person, parent, **more):
    return ask(stack, person, "POST", "/os-security-group-rules", {"security_group_rule": {**RULE, "parent_group_id": parent["id"], **more}})


def test_rules_are_worded_as_nova_did(stack, me):
    parent, peer = group(stack, me), group(stack, me)
    status, said = rule(stack, me, parent)
    made = said["security_group_rule"]
    assert status == 200 and made == {**{k: RULE[k] for k in ("ip_protocol", "from_port", "to_port")}, "id": made["id"], "parent_group_id": parent["id"],
                                      "group": {}, "ip_range": {"cidr": "10.0.0.0/8"}}
    assert rule(stack, me, parent)[0] == 400  # twice
    other = rule(stack, me, parent, cidr=None, group_id=peer["id"])[1]["security_group_rule"]
    assert other["group"] == {"name": peer["name"], "tenant_id": me.project_id} and other["ip_range"] == {}
    assert len(ask(stack, me, "GET", f"/os-security-groups/{parent['id']}")[1]["security_group"]["rules"]) == 2
    assert ask(stack, me, "DELETE", f"/os-security-group-rules/{made['id']}")[0] == 202
    assert ask(stack, me, "DELETE", f"/os-security-group-rules/{made['id']}")[0] == 404


@pytest.mark.parametrize("more, status", [
    ({"ip_protocol": "sctp"}, 400), ({"from_port": 25}, 400), ({"to_port": 70000}, 400), ({"from_port": None}, 400), ({"ip_protocol": None}, 400)])
def test_a_rule_that_makes_no_sense_is_refused(stack, me, more, status):
    assert rule(stack, me, group(stack, me), **more)[0] == status


def test_floating_ips_come_from_external_networks(stack, me):
    admin = stack.admin_token()
    name = "pool-" + uuid.uuid4().hex[:8]
    network = stack.call("POST", "network", "/v2.0/networks", {"network": {"name": name, "router:external": True}}, admin)["network"]
    stack.call("POST", "network", "/v2.0/subnets", {"subnet": {"network_id": network["id"], "ip_version": 4, "cidr": "203.0.113.0/24"}}, admin)
    assert {"name": name} in ask(stack, me, "GET", "/os-floating-ip-pools")[1]["floating_ip_pools"]
    status, said = ask(stack, me, "POST", "/os-floating-ips", {"pool": name})
    made = said["floating_ip"]
    assert status == 200 and made["ip"].startswith("203.0.113.") and (made["pool"], made["fixed_ip"], made["instance_id"]) == (name, None, None)
    assert ask(stack, me, "GET", "/os-floating-ips")[1]["floating_ips"] == [made]
    assert ask(stack, me, "GET", f"/os-floating-ips/{made['id']}")[1]["floating_ip"] == made
    assert ask(stack, me, "POST", "/os-floating-ips", {"pool": "nowhere"})[0] == 404
    assert ask(stack, me, "DELETE", f"/os-floating-ips/{made['id']}")[0] == 202
    assert ask(stack, me, "DELETE", f"/os-floating-ips/{made['id']}")[0] == 404


def test_networks_are_listed(stack, me):
    made = stack.call("POST", "network", "/v2.0/networks", {"network": {"name": "n"}}, me.token)["network"]
    assert ask(stack, me, "GET", f"/os-tenant-networks/{made['id']}")[1] == {"network": {"id": made["id"], "label": "n", "cidr": None}}
    assert made["id"] in {n["id"] for n in ask(stack, me, "GET", "/os-networks")[1]["networks"]}
    assert ask(stack, me, "GET", f"/os-networks/{uuid.uuid4()}")[0] == 404


def test_images_and_their_metadata_are_those_of_the_image_service(stack, me):
    image = lib.image(stack, me)
    path = f"/images/{image['id']}" if isinstance(image, dict) else f"/images/{image}"
    shown = ask(stack, me, "GET", path)[1]["image"]
    assert (shown["status"], shown["progress"], shown["metadata"]) == ("ACTIVE", 100, {})
    assert ask(stack, me, "POST", path + "/metadata", {"metadata": {"a": "1", "b/c~d": "2"}})[1] == {"metadata": {"a": "1", "b/c~d": "2"}}
    assert ask(stack, me, "PUT", path + "/metadata", {"metadata": {"a": "3"}})[1] == {"metadata": {"a": "3"}}
    assert ask(stack, me, "PUT", path + "/metadata/e", {"meta": {"e": "5"}}) == (200, {"meta": {"e": "5"}})
    assert ask(stack, me, "GET", path + "/metadata/e")[1] == {"meta": {"e": "5"}}
    assert ask(stack, me, "DELETE", path + "/metadata/a")[0] == 204
    assert ask(stack, me, "GET", path + "/metadata/a")[0] == 404
    assert ask(stack, me, "POST", path + "/metadata", {"metadata": {"status": "killed"}})[0] == 400
    found = ask(stack, me, "GET", "/images/detail?status=ACTIVE")[1]["images"]
    assert shown["id"] in {i["id"] for i in found}
    assert ask(stack, me, "DELETE", path)[0] == 204
    assert ask(stack, me, "GET", path)[0] == 404
