# SPDX-License-Identifier: Apache-2.0
"""Accounts that are opened as people do, filled with one of everything, and what must be gone when they are closed."""

import json
import re
import uuid
from decimal import Decimal

import pytest

from tests.lib.compute import flavor, image
from tests.lib.stack import wait_until

PASSWORD = "a-good-password"
# What stays on purpose: history and the trail, usage and statements, and (for a day) that a POST was done and that tokens changed.
KEPT = {
    "identity": {"audit", "account", "closing", "closing_project", "scope_change"},
    "compute": {"quota_limit", "server", "instance_action", "usage_interval", "usage_fact", "idempotency_key"},
    "network": {"quota_limit", "usage_interval", "usage_fact", "idempotency_key"},
    "image": {"quota_limit", "image", "usage_interval", "usage_fact", "idempotency_key"},
}


class Account:
    """Somebody who signed up: email, user_id, project_id, token."""

    def __init__(self, stack):
        self.stack, self.email = stack, f"p{uuid.uuid4().hex[:10]}@example.org"
        stack.call("POST", "identity", "/accounts/v1/sign-up", {"email": self.email, "password": PASSWORD, "locale": "ko"})
        [mail] = self.mails(1)
        [proof] = re.findall(r"^([A-Za-z0-9_-]{43})$", mail["text"], re.M)
        made = stack.call("POST", "identity", "/accounts/v1/sign-up/verify", {"token": proof})
        self.user_id, self.project_id = made["user"]["id"], made["project"]["id"]
        self.projects = [self.project_id]
        self.token = self.log_in(self.project_id)

    def mails(self, n):
        def found():
            mails = [m for m in self.stack.mails() if m["to"] == [self.email]]
            return mails if len(mails) >= n else None
        return wait_until(found, 15, f"{n} mails to {self.email}")

    def log_in(self, project_id):
        return self.stack.token(self.email, PASSWORD, {"id": project_id})

    def second_project(self):
        """Another project that the account answers for."""
        admin, stack = self.stack.admin_token(), self.stack
        project = stack.call("POST", "identity", "/v3/projects", {"project": {"name": "second-" + uuid.uuid4().hex[:8], "domain_id": "default"}}, admin)["project"]["id"]
        role = stack.call("GET", "identity", "/v3/roles?name=member", token=admin)["roles"][0]["id"]
        stack.call("PUT", "identity", f"/v3/projects/{project}/users/{self.user_id}/roles/{role}", token=admin)
        stack.sql("identity", "INSERT INTO account_project (project_id, user_id) VALUES (%s, %s)", project, self.user_id)
        self.projects.append(project)
        return project

    def close(self, project_id=None, password=PASSWORD):
        path = f"/accounts/v1/projects/{project_id}" if project_id else "/accounts/v1/closings"
        return self.stack.request("DELETE" if project_id else "POST", "identity", path, {"password": password}, self.token)


def read(stack, closing, token=None):
    return stack.request("GET", "identity", f"/accounts/v1/closings/{closing['id']}", headers={"X-Closing-Token": token or closing["token"]})


def wait_closed(stack, closing, timeout=90):
    def done():
        try:
            status, _, body = read(stack, closing)
        except OSError:
            return None
        assert status == 200, body
        return body["closing"] if body["closing"]["state"] == "done" else None
    return wait_until(done, timeout, None) or pytest.fail(f"not closed: {read(stack, closing)[2]}")


def wait_nothing_left(stack, projects, user_id):
    """Limits go by the feed, a moment later."""
    wait_until(lambda: not leftovers(stack, projects, user_id), 5, None)
    found = leftovers(stack, projects, user_id)
    assert not found, found


def make(stack, token, kind, **body):
    path = kind.replace("_", "-")
    single = {"rbac_policies": "rbac_policy"}.get(kind, kind[:-1])
    return stack.call("POST", "network", f"/v2.0/{path}", {single: body}, token)[single]["id"]


def public_network(stack):
    admin = stack.admin_token()
    known = stack.call("GET", "network", "/v2.0/networks?name=public", token=admin)["networks"]
    if known:
        return known[0]["id"]
    made = make(stack, admin, "networks", name="public", **{"router:external": True})
    make(stack, admin, "subnets", network_id=made, ip_version=4, cidr="203.0.113.0/24", enable_dhcp=False)
    return made


def fill_network(stack, token, neighbour):
    """A network with all that can hang on it; ids of network and router."""
    net = make(stack, token, "networks", name="net")
    subnet = make(stack, token, "subnets", network_id=net, ip_version=4, cidr="10.1.0.0/24")
    router = make(stack, token, "routers", name="router", external_gateway_info={"network_id": public_network(stack)})
    stack.call("PUT", "network", f"/v2.0/routers/{router}/add_router_interface", {"subnet_id": subnet}, token)
    stack.call("PUT", "network", f"/v2.0/routers/{router}", {"router": {"routes": [{"destination": "10.9.0.0/24", "nexthop": "10.1.0.99"}]}}, token)
    port = make(stack, token, "ports", network_id=net)
    make(stack, token, "floatingips", floating_network_id=public_network(stack), port_id=port)
    make(stack, token, "floatingips", floating_network_id=public_network(stack))
    group = make(stack, token, "security_groups", name="mine")
    other = make(stack, token, "security_groups", name="other")
    make(stack, token, "security_group_rules", security_group_id=group, direction="ingress", remote_group_id=other)
    make(stack, token, "rbac_policies", object_type="network", object_id=net, action="access_as_shared", target_tenant=neighbour)
    make(stack, token, "subnetpools", name="pool", prefixes=["10.20.0.0/16"], default_prefixlen=24)
    make(stack, token, "address_scopes", name="scope", ip_version=4)
    return net


def fill_images(stack, person):
    """A plain image, a protected and hidden one, one that waits for its data; the plain one's id."""
    plain, kept = image(stack, person), image(stack, person)
    patch = [{"op": "replace", "path": "/os_hidden", "value": True}, {"op": "replace", "path": "/protected", "value": True}]
    status, _, body = stack.request("PATCH", "image", f"/v2/images/{kept}", token=person.token, data=json.dumps(patch).encode(),
                                    headers={"Content-Type": "application/openstack-images-v2.1-json-patch"})
    assert status == 200, body
    stack.call("POST", "image", "/v2/images", {"name": "queued"}, person.token)
    return plain


def fill_identity(stack, account, project_id):
    """An application credential, an EC2 credential, a trust to a neighbour."""
    neighbour = stack.person()
    token = account.log_in(project_id)
    user = f"/v3/users/{account.user_id}"
    stack.call("POST", "identity", f"{user}/application_credentials", {"application_credential": {"name": "app-" + project_id[:6]}}, token)
    stack.call("POST", "identity", f"{user}/credentials/OS-EC2", {"tenant_id": project_id}, token)
    stack.call("POST", "identity", "/v3/OS-TRUST/trusts", {"trust": {
        "trustor_user_id": account.user_id, "trustee_user_id": neighbour.user_id, "project_id": project_id, "impersonation": True,
        "roles": [{"name": "member"}]}}, token)
    return neighbour


def fill_servers(stack, account, net, image_id, n):
    call = lambda path, body: stack.call("POST", "compute", "/v2.1" + path, body, account.token)  # noqa: E731
    name = uuid.uuid4().hex[:8]
    call("/os-keypairs", {"keypair": {"name": f"my key {name}"}})
    call("/os-server-groups", {"server_group": {"name": "group", "policies": ["anti-affinity"]}})
    kind, ids = flavor(stack)["id"], []
    for i in range(n):
        body = {"name": f"s{i}", "imageRef": image_id, "flavorRef": kind, "networks": [{"uuid": net}]}
        ids.append(call("/servers", {"server": body})["server"]["id"])
    return ids


def fill_by_others(stack, account, neighbour):
    """An image of the neighbour that is shared with the account's project, a private flavor that it may use."""
    shared = stack.call("POST", "image", "/v2/images", {"name": "theirs", "visibility": "shared"}, neighbour.token)["id"]
    stack.call("POST", "image", f"/v2/images/{shared}/members", {"member": account.project_id}, neighbour.token)
    private = flavor(stack, **{"os-flavor-access:is_public": False})["id"]
    stack.call("POST", "compute", f"/v2.1/flavors/{private}/action", {"addTenantAccess": {"tenant": account.project_id}}, stack.admin_token())


def fill(stack, account, n_servers=2):
    """One of everything, and a locked server; the servers' ids."""
    neighbour = fill_identity(stack, account, account.project_id)
    fill_by_others(stack, account, neighbour)
    net, image_id = fill_network(stack, account.token, neighbour.project_id), fill_images(stack, account)
    servers = fill_servers(stack, account, net, image_id, n_servers)
    stack.call("POST", "compute", f"/v2.1/servers/{servers[0]}/action", {"lock": None}, account.token)
    return servers


def rows_naming(stack, service, values):
    """table.column → how many rows of a service's schema have exactly one of these values in a text or uuid column."""
    columns = stack.sql(service, "SELECT table_name AS t, column_name AS c FROM information_schema.columns JOIN information_schema.tables"
                        " USING (table_schema, table_name) WHERE table_schema = %s AND table_type = 'BASE TABLE'"
                        " AND data_type IN ('text', 'uuid') ORDER BY 1, 2", service)
    counts = [f"SELECT '{service}.{x['t']}.{x['c']}' AS place, count(*) AS n FROM \"{x['t']}\" WHERE \"{x['c']}\"::text IN (SELECT v FROM wanted)"
              for x in columns if x["t"] not in KEPT[service]]
    sql = "WITH wanted AS (SELECT unnest(%s) AS v) SELECT * FROM (" + " UNION ALL ".join(counts) + ") found WHERE n > 0"
    return {row["place"]: row["n"] for row in stack.sql(service, sql, list(values))}


def leftovers(stack, projects, user_id, services=("identity", "compute", "network", "image")):
    found = {}
    for service in services:
        found.update(rows_naming(stack, service, [*projects, *([user_id] if user_id else [])]))
    for project in projects:
        for service, sql in (("compute", "SELECT id FROM server WHERE project_id = %s AND deleted_at IS NULL"),
                             ("image", "SELECT id FROM image WHERE owner = %s AND status <> 'deleted'")):
            rows = stack.sql(service, sql, project) if service in services else []
            found.update({f"{service}: {row['id']}": 1 for row in rows})
        for service in ("compute", "network", "image"):
            rows = stack.sql(service, "SELECT resource FROM quota_limit WHERE project_id = %s AND value IS NOT NULL", project) if service in services else []
            found.update({f"{service} limits {row['resource']}": 1 for row in rows})
            rows = stack.sql(service, "SELECT resource_id FROM usage_interval WHERE project_id = %s AND to_us IS NULL", project) if service in services else []
            found.update({f"{service} still counts {row['resource_id']}": 1 for row in rows})
    return found


def adds_up(statement):
    """Lines and total agree, nothing is open, every service's usage is in."""
    assert statement["complete"] and statement["final"], statement
    assert sum((Decimal(line["amount"]) for line in statement["lines"]), Decimal(0)) == Decimal(statement["total"])
    return not any(line["open"] for line in statement["lines"])
