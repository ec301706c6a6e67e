# SPDX-License-Identifier: Apache-2.0
"""Closing an account and a project: everything of it goes in every service, nothing of others, and the final statement adds up."""

import re

from tests.lib.closing import PASSWORD, Account, adds_up, fill, leftovers, make, read, wait_closed, wait_nothing_left
from tests.lib.compute import CLOUD, NO_OVN
from tests.lib.stack import wait_until

SERVICES = [*CLOUD, "billing"]
HAS_HOST = True
SETTINGS = {**NO_OVN, "identity": {"closing": {"settle": 1, "lease": 3}, "accounts": {"rate_network": 100}}}


def test_an_account_closes_and_nothing_is_left(stack):
    account, other = Account(stack), Account(stack)
    fill(stack, account)
    fill(stack, other, 1)
    before = leftovers(stack, [other.project_id], other.user_id)
    status, headers, body = account.close()
    assert status == 202, body
    closing = body["closing"]
    assert headers["Location"].endswith(closing["id"]) and closing["state"] == "running" and closing["kind"] == "account"
    assert stack.request("GET", "identity", "/v3/auth/projects", token=account.token)[0] == 401
    wait_until(lambda: stack.request("GET", "compute", "/v2.1/servers", token=account.token)[0] == 401, 3, "the token ended")
    done = wait_closed(stack, closing)
    assert {s["name"]: s["removed"] for s in done["steps"]} == {
        "servers": 2, "server_groups": 1, "keypairs": 1, "flavor_access": 1, "floating_ips": 2, "router_gateways": 1, "router_interfaces": 1, "routers": 1,
        "ports": 1, "subnets": 1, "rbac_policies": 1, "networks": 1, "subnet_pools": 1, "address_scopes": 1, "security_groups": 3,
        "image_memberships": 1, "image_protections": 1, "images": 3, "settle": 0, "statement": 0, "identity": 0}
    assert all(s["state"] == "done" and s["left"] == 0 for s in done["steps"])
    wait_nothing_left(stack, account.projects, account.user_id)
    assert leftovers(stack, [other.project_id], other.user_id) == before
    [project] = done["projects"]
    assert adds_up(project["statement"]) and len({line["resource_type"] for line in project["statement"]["lines"]}) >= 3
    actions = [e["action"] for e in done["trail"]]
    assert actions[0] == "account.close" and actions[-1] == "account.closed" and "account.close.servers" in actions
    mails = account.mails(3)
    assert closing["token"] in mails[1]["text"] and project["statement"]["total"] in mails[2]["text"] and "해지" in mails[2]["subject"]
    [row] = stack.sql("identity", "SELECT state FROM account WHERE user_id = %s", account.user_id)
    assert row["state"] == "closed"
    stack.call("POST", "identity", "/accounts/v1/sign-up", {"email": account.email, "password": PASSWORD})  # the address is free
    assert re.search("^[A-Za-z0-9_-]{43}$", account.mails(4)[3]["text"], re.M)


def test_one_project_closes_and_its_members_lose_it(stack):
    account, member = Account(stack), stack.person()
    second, admin = account.second_project(), stack.admin_token()
    role = stack.call("GET", "identity", "/v3/roles?name=member", token=admin)["roles"][0]["id"]
    stack.call("PUT", "identity", f"/v3/projects/{second}/users/{member.user_id}/roles/{role}", token=admin)
    shared = stack.token(member.user, member.password, {"id": second})
    make(stack, shared, "networks", name="by-member")
    first = make(stack, account.token, "networks", name="stays")
    status, _, body = account.close(second)
    assert status == 202, body
    assert stack.request("GET", "identity", "/v3/auth/catalog", token=shared)[0] == 401
    done = wait_closed(stack, body["closing"])
    assert done["kind"] == "project" and [p["id"] for p in done["projects"]] == [second]
    wait_nothing_left(stack, [second], None)
    assert stack.call("GET", "network", f"/v2.0/networks/{first}", token=account.token)
    assert account.log_in(account.project_id) and stack.token(member.user, member.password, {"id": member.project_id})
    assert account.close(second)[0] == 404 and account.close(account.project_id)[0] == 409
    mine = stack.call("GET", "identity", "/accounts/v1/closings", token=account.token)["closings"]
    assert [c["id"] for c in mine] == [body["closing"]["id"]]
    assert stack.request("GET", "identity", f"/accounts/v1/closings/{mine[0]['id']}", token=account.token)[0] == 200


def test_who_may_close_and_read(stack):
    account, other = Account(stack), Account(stack)
    assert account.close(password="wrong")[0] == 403
    assert account.close(other.project_id)[0] == 404
    assert stack.request("POST", "identity", "/accounts/v1/closings", {"password": PASSWORD})[0] == 401
    assert stack.request("POST", "identity", "/accounts/v1/closings", {}, account.token)[0] == 400
    path = f"/accounts/v1/admin/accounts/{account.user_id}/closing"
    assert stack.request("POST", "identity", path, {}, other.token)[0] == 403
    assert stack.request("POST", "identity", f"/accounts/v1/admin/accounts/{'0' * 32}/closing", {}, stack.admin_token())[0] == 404
    status, _, body = stack.request("POST", "identity", path, {"reason": "abuse"}, stack.admin_token())
    assert status == 202 and "token" not in body["closing"], body
    assert stack.request("POST", "identity", path, {}, stack.admin_token())[0] == 409
    closing = body["closing"]
    assert read(stack, {**closing, "token": "x"})[0] == 404
    assert stack.request("GET", "identity", f"/accounts/v1/closings/{closing['id']}")[0] == 401
    assert stack.request("GET", "identity", f"/accounts/v1/closings/{closing['id']}", token=other.token)[0] == 404
    [token] = re.findall(r"^(\S{76})$", account.mails(2)[1]["text"], re.M)
    done = wait_closed(stack, {**closing, "token": token})
    assert done["trail"][0]["detail"]["reason"] == "abuse" and done["projects"][0]["statement"]["total"] == "0.000000000"
    wait_nothing_left(stack, account.projects, account.user_id)


def test_what_cannot_go_yet_is_told_and_goes_when_it_can(stack):
    account, neighbour = Account(stack), stack.person()
    net = make(stack, account.token, "networks", name="shared")
    make(stack, account.token, "subnets", network_id=net, ip_version=4, cidr="10.3.0.0/24")
    make(stack, account.token, "rbac_policies", object_type="network", object_id=net, action="access_as_shared", target_tenant=neighbour.project_id)
    port = make(stack, neighbour.token, "ports", network_id=net)
    closing = account.close()[2]["closing"]

    def problem():
        steps = {s["name"]: s for s in read(stack, closing)[2]["closing"]["steps"]}
        return steps["subnets"]["problem"]
    told = wait_until(problem, 20, "the subnet is in use")
    assert told.startswith("network refuses: ")
    assert stack.request("GET", "network", f"/v2.0/ports/{port}", token=neighbour.token)[0] == 200
    stack.call("DELETE", "network", f"/v2.0/ports/{port}", token=neighbour.token)
    wait_closed(stack, closing)
    wait_nothing_left(stack, account.projects, account.user_id)
