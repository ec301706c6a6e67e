# SPDX-License-Identifier: Apache-2.0
"""Who may do what by Keystone's documented defaults: role, scope and operation give allowed or refused."""

import uuid

import pytest

SERVICES = ["identity"]
# Tokens, in the order of the letters below: a = admin of a project, A = admin of the system, d = admin of a domain, m = manager of the same domain,
# r = reader of that domain, R = reader of the system, p = member of a project of that domain, s = service in it, M = manager of it.
WHO = "aAdmrRpsM"
ADMINS, READERS = "aAd", "aAdR"
# What is of the whole cloud is nothing for a domain's token, whatever its role.
CLOUD_ADMINS, CLOUD_READERS = "aA", "aAR"
# (operation, method, path, body, letters that may); paths and bodies name things of the domain ("d_…") or of another one ("o_…").
TABLE = [
    ("list_domains", "GET", "/v3/domains", None, READERS + "mr"),
    ("get_domain", "GET", "/v3/domains/{d}", None, READERS + "mrpsM"),
    ("get_other_domain", "GET", "/v3/domains/{o}", None, READERS),
    ("create_domain", "POST", "/v3/domains", {"domain": {"name": "?"}}, CLOUD_ADMINS),
    ("update_domain", "PATCH", "/v3/domains/{d}", {"domain": {"description": "x"}}, CLOUD_ADMINS),
    ("list_projects", "GET", "/v3/projects", None, READERS + "mr"),
    ("get_project", "GET", "/v3/projects/{d_project}", None, READERS + "mrpsM"),
    ("get_other_project", "GET", "/v3/projects/{o_project}", None, READERS),
    ("create_project", "POST", "/v3/projects", {"project": {"name": "?", "domain_id": "{d}"}}, ADMINS + "m"),
    ("create_other_project", "POST", "/v3/projects", {"project": {"name": "?", "domain_id": "{o}"}}, ADMINS),
    ("create_project_below_another", "POST", "/v3/projects", {"project": {"name": "?", "parent_id": "{o_project}"}}, ADMINS),
    ("update_project", "PATCH", "/v3/projects/{d_project}", {"project": {"description": "x"}}, ADMINS + "m"),
    ("update_other_project", "PATCH", "/v3/projects/{o_project}", {"project": {"description": "x"}}, ADMINS),
    ("tag_project", "PUT", "/v3/projects/{d_project}/tags/x", None, ADMINS + "m"),
    ("list_tags", "GET", "/v3/projects/{d_project}/tags", None, READERS + "mrpsM"),
    ("list_users", "GET", "/v3/users", None, READERS + "mr"),
    ("get_user", "GET", "/v3/users/{d_user}", None, READERS + "mr"),
    ("get_other_user", "GET", "/v3/users/{o_user}", None, READERS),
    ("create_user", "POST", "/v3/users", {"user": {"name": "?", "domain_id": "{d}"}}, ADMINS + "m"),
    ("create_other_user", "POST", "/v3/users", {"user": {"name": "?", "domain_id": "{o}"}}, ADMINS),
    ("create_user_nowhere", "POST", "/v3/users", {"user": {"name": "?"}}, ADMINS),
    ("update_user", "PATCH", "/v3/users/{d_user}", {"user": {"email": "x@y"}}, ADMINS + "m"),
    ("update_other_user", "PATCH", "/v3/users/{o_user}", {"user": {"email": "x@y"}}, ADMINS),
    ("list_user_projects", "GET", "/v3/users/{d_user}/projects", None, READERS + "mr"),
    ("list_user_groups", "GET", "/v3/users/{d_user}/groups", None, READERS + "mr"),
    ("list_groups", "GET", "/v3/groups", None, READERS + "mr"),
    ("create_group", "POST", "/v3/groups", {"group": {"name": "?", "domain_id": "{d}"}}, ADMINS + "m"),
    ("update_unknown_group", "PATCH", "/v3/groups/unknown", {"group": {"description": "x"}}, ADMINS),
    ("delete_unknown_group", "DELETE", "/v3/groups/unknown", None, WHO),
    ("add_to_group", "PUT", "/v3/groups/{d_group}/users/{d_user}", None, ADMINS + "m"),
    ("check_in_group", "GET", "/v3/groups/{d_group}/users/{d_user}", None, READERS + "mr"),
    ("list_in_group", "GET", "/v3/groups/{d_group}/users", None, READERS + "mr"),
    ("add_another_to_group", "PUT", "/v3/groups/{d_group}/users/{o_user}", None, ADMINS),
    ("grant_member", "PUT", "/v3/projects/{d_project}/users/{d_user}/roles/{member}", None, ADMINS + "m"),
    ("check_grant", "GET", "/v3/projects/{d_project}/users/{d_user}/roles/{member}", None, READERS + "mr"),
    ("check_grant_of_own_role", "GET", "/v3/projects/{d_project}/users/{d_user}/roles/{d_role}", None, READERS + "mr"),
    ("check_grant_of_other_role", "GET", "/v3/domains/{d}/groups/{d_group}/roles/{o_role}", None, READERS),
    ("list_grants", "GET", "/v3/projects/{d_project}/users/{d_user}/roles", None, READERS + "mr"),
    ("grant_in_domain", "PUT", "/v3/domains/{d}/groups/{d_group}/roles/{reader}", None, ADMINS + "m"),
    ("grant_admin", "PUT", "/v3/domains/{d}/users/{d_user}/roles/{admin}", None, ADMINS),
    ("revoke_admin", "DELETE", "/v3/domains/{d}/users/{d_user}/roles/{admin}", None, ADMINS),
    ("grant_in_another_project", "PUT", "/v3/projects/{o_project}/users/{d_user}/roles/{member}", None, ADMINS),
    ("grant_to_another", "PUT", "/v3/projects/{d_project}/users/{o_user}/roles/{member}", None, ADMINS),
    ("grant_system", "PUT", "/v3/system/users/{d_user}/roles/{reader}", None, CLOUD_ADMINS),
    ("list_system_grants", "GET", "/v3/system/users/{d_user}/roles", None, CLOUD_READERS),
    ("list_role_assignments", "GET", "/v3/role_assignments", None, READERS + "mr"),
    ("list_roles", "GET", "/v3/roles", None, READERS + "m"),
    ("get_role", "GET", "/v3/roles/{member}", None, READERS + "mM"),
    ("create_role", "POST", "/v3/roles", {"role": {"name": "?"}}, CLOUD_ADMINS),
    ("list_implied", "GET", "/v3/roles/{member}/implies", None, CLOUD_READERS),
    ("list_inferences", "GET", "/v3/role_inferences", None, CLOUD_READERS),
    ("list_services", "GET", "/v3/services", None, CLOUD_READERS),
    ("create_service", "POST", "/v3/services", {"service": {"type": "?"}}, CLOUD_ADMINS),
    ("list_endpoints", "GET", "/v3/endpoints", None, CLOUD_READERS),
    ("list_regions", "GET", "/v3/regions", None, WHO),
    ("create_region", "POST", "/v3/regions", {"region": {"description": "x"}}, CLOUD_ADMINS),
    ("list_policies", "GET", "/v3/policies", None, CLOUD_READERS),
    ("list_revoke_events", "GET", "/v3/OS-REVOKE/events", None, CLOUD_ADMINS + "s"),
    ("list_trusts", "GET", "/v3/OS-TRUST/trusts", None, CLOUD_READERS),
    ("list_consumers", "GET", "/v3/OS-OAUTH1/consumers", None, CLOUD_READERS),
    ("list_endpoint_groups", "GET", "/v3/OS-EP-FILTER/endpoint_groups", None, CLOUD_READERS),
    ("get_domain_config", "GET", "/v3/domains/config/default", None, CLOUD_READERS),
    ("list_limits", "GET", "/v3/limits", None, WHO),
    ("limit_model", "GET", "/v3/limits/model", None, WHO),
    ("get_limit", "GET", "/v3/limits/{d_project_limit}", None, READERS + "mrpsM"),
    ("get_other_limit", "GET", "/v3/limits/{o_project_limit}", None, READERS),
    ("get_limit_of_domain", "GET", "/v3/limits/{d_limit}", None, READERS + "mr"),
    ("get_limit_of_other_domain", "GET", "/v3/limits/{o_limit}", None, READERS),
    ("get_unknown_limit", "GET", "/v3/limits/unknown", None, READERS),
    ("list_registered_limits", "GET", "/v3/registered_limits", None, WHO),
    ("create_registered_limits", "POST", "/v3/registered_limits", {"registered_limits": [{"service_id": "{a_service}", "resource_name": "?", "default_limit": 1}]}, CLOUD_ADMINS),
    ("validate_token", "GET", "/v3/auth/tokens", None, READERS + "s"),
    ("revoke_token", "DELETE", "/v3/auth/tokens", None, ADMINS),
    ("list_app_credentials", "GET", "/v3/users/{d_user}/application_credentials", None, CLOUD_READERS),
    ("list_access_rules", "GET", "/v3/users/{d_user}/access_rules", None, "AR"),
    ("auth_catalog", "GET", "/v3/auth/catalog", None, WHO),
    ("auth_projects", "GET", "/v3/auth/projects", None, WHO),
    ("auth_domains", "GET", "/v3/auth/domains", None, WHO),
    ("auth_system", "GET", "/v3/auth/system", None, WHO),
]


class World:
    def __init__(self, stack):
        self.stack, self.admin = stack, stack.admin_token()
        self.ids = {role["name"]: role["id"] for role in stack.call("GET", "identity", "/v3/roles", token=self.admin)["roles"]}
        for letter in "do":
            self.ids[letter] = self.make("domain")["id"]
            for kind in ("project", "user", "group", "role"):
                self.ids[f"{letter}_{kind}"] = self.make(kind, domain_id=self.ids[letter])["id"]
        self.ids["a_service"] = self.make("service", type="t-" + uuid.uuid4().hex)["id"]
        self.make_limits()
        domain, project, system = {"domain": {"id": self.ids["d"]}}, {"project": {"id": self.ids["d_project"]}}, {"system": {"all": True}}
        rows = {"A": ("admin", system), "d": ("admin", domain), "m": ("manager", domain), "r": ("reader", domain), "R": ("reader", system),
                "p": ("member", project), "s": ("service", project), "M": ("manager", project)}
        self.tokens = {"a": self.admin, **{who: self.token_of(*row) for who, row in rows.items()}}

    def make_limits(self):
        name = {"service_id": self.ids["a_service"], "resource_name": "things"}
        self.stack.call("POST", "identity", "/v3/registered_limits", {"registered_limits": [{**name, "default_limit": 1}]}, self.admin)
        targets = {f"{letter}{kind}": {field: self.ids[letter + kind]} for letter in "do" for kind, field in (("", "domain_id"), ("_project", "project_id"))}
        body = {"limits": [{**name, **target, "resource_limit": 1} for target in targets.values()]}
        made = self.stack.call("POST", "identity", "/v3/limits", body, self.admin)["limits"]
        self.ids.update({f"{target}_limit": row["id"] for target, row in zip(targets, made)})

    def make(self, kind, **fields):
        return self.stack.call("POST", "identity", f"/v3/{kind}s", {kind: {"name": uuid.uuid4().hex, **fields}}, self.admin)[kind]

    def token_of(self, role, scope):
        user = self.make("user", domain_id=self.ids["d"], password="pass-word")
        place = "system" if "system" in scope else "domains/" + self.ids["d"] if "domain" in scope else "projects/" + self.ids["d_project"]
        self.stack.call("PUT", "identity", f"/v3/{place}/users/{user['id']}/roles/{self.ids[role]}", token=self.admin)
        return self.login(user["id"], "pass-word", scope)

    def login(self, user_id, password, scope=None):
        auth = {"identity": {"methods": ["password"], "password": {"user": {"id": user_id, "password": password}}}}
        status, headers, body = self.stack.request("POST", "identity", "/v3/auth/tokens", {"auth": {**auth, **({"scope": scope} if scope else {})}})
        assert status == 201, body
        return headers["X-Subject-Token"]

    def fill(self, value):
        if isinstance(value, dict):
            return {name: self.fill(each) for name, each in value.items()}
        if isinstance(value, list):
            return [self.fill(each) for each in value]
        return uuid.uuid4().hex if value == "?" else value.format(**self.ids) if isinstance(value, str) else value


@pytest.fixture(scope="module")
def world(stack):
    return World(stack)


@pytest.mark.parametrize("operation,method,path,body,allowed", TABLE, ids=[row[0] for row in TABLE])
def test_defaults(world, operation, method, path, body, allowed):
    seen = ""
    for who in WHO:
        if operation == "revoke_admin":
            world.stack.request("PUT", "identity", world.fill(path), token=world.admin)
        headers = None
        if "auth/tokens" in path:  # of somebody else
            headers = {"X-Subject-Token": world.stack.person().token if method == "DELETE" else world.stack.service_token("network")}
        status, _, answer = world.stack.request(method, "identity", world.fill(path), world.fill(body), world.tokens[who], headers=headers)
        assert status != 401 and status < 500, (who, status, answer)
        seen += who if status != 403 else ""
    assert sorted(seen) == sorted(set(allowed))


def test_a_domains_token_lists_its_domain(world):
    for who in "dmr":
        for kind in ("project", "user", "group"):
            found = world.stack.call("GET", "identity", f"/v3/{kind}s", token=world.tokens[who])[kind + "s"]
            assert found and {each["domain_id"] for each in found} == {world.ids["d"]}
        for each in world.stack.call("GET", "identity", "/v3/role_assignments?include_names", token=world.tokens[who])["role_assignments"]:
            scope = each["scope"]
            assert (scope["domain"]["id"] if "domain" in scope else scope["project"]["domain"]["id"]) == world.ids["d"]
    domains = world.stack.call("GET", "identity", "/v3/domains", token=world.tokens["d"])["domains"]
    assert [domain["id"] for domain in domains] == [world.ids["d"]]


def test_a_tree_is_read_by_its_domain(world):
    path = "/v3/role_assignments?include_subtree&scope.project.id="
    assert world.stack.request("GET", "identity", path + world.ids["d_project"], token=world.tokens["r"])[0] == 200
    assert world.stack.request("GET", "identity", path + world.ids["o_project"], token=world.tokens["r"])[0] == 403
    assert world.stack.request("GET", "identity", path, token=world.tokens["a"])[0] == 400


def test_a_domains_token_sees_its_own_users_in_a_group_and_its_own_groups_of_a_user(world):
    ids = world.ids
    assert world.stack.request("PUT", "identity", f"/v3/groups/{ids['d_group']}/users/{ids['o_user']}", token=world.admin)[0] == 204
    assert world.stack.request("PUT", "identity", f"/v3/groups/{ids['d_group']}/users/{ids['d_user']}", token=world.admin)[0] == 204

    def users(token):
        return {user["id"] for user in world.stack.call("GET", "identity", f"/v3/groups/{ids['d_group']}/users", token=token)["users"]}
    assert users(world.admin) == {ids["d_user"], ids["o_user"]} and users(world.tokens["r"]) == {ids["d_user"]}
    for user, token, found in (("d_user", world.tokens["r"], True), ("o_user", world.admin, True), ("o_user", world.tokens["d"], True)):
        groups = world.stack.call("GET", "identity", f"/v3/users/{ids[user]}/groups", token=token)["groups"]
        assert (ids["d_group"] in {group["id"] for group in groups}) == found


def test_a_domains_own_roles_are_the_clouds_to_make_and_show(world):
    role = world.stack.call("POST", "identity", "/v3/roles", {"role": {"name": uuid.uuid4().hex, "domain_id": world.ids["d"]}}, token=world.admin)["role"]["id"]
    for who, status in (("a", 200), ("R", 200), ("d", 403), ("m", 403), ("r", 403)):
        assert world.stack.request("GET", "identity", f"/v3/roles/{role}", token=world.tokens[who])[0] == status, who
        assert world.stack.request("GET", "identity", f"/v3/roles?domain_id={world.ids['d']}", token=world.tokens[who])[0] == status, who
    assert world.stack.request("DELETE", "identity", f"/v3/roles/{role}", token=world.tokens["d"])[0] == 403
    assert world.stack.request("DELETE", "identity", f"/v3/roles/{role}", token=world.admin)[0] == 204
