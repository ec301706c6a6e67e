# SPDX-License-Identifier: Apache-2.0
"""Tokens, scopes, revocation and Keystone's resources, over HTTP against a real process."""

import base64
import json
import time
import uuid

import pytest

SERVICES = ["identity"]
SETTINGS = {"identity": {"security_compliance": {"lockout_failure_attempts": 3, "lockout_duration": 2, "unique_last_password_count": 2}}}


def login(stack, name, password, scope=None, domain="Default", query=""):
    auth = {"identity": {"methods": ["password"], "password": {"user": {"name": name, "domain": {"name": domain}, "password": password}}}}
    if scope is not None:
        auth["scope"] = scope
    status, headers, body = stack.request("POST", "identity", "/v3/auth/tokens" + query, {"auth": auth})
    return status, headers.get("X-Subject-Token"), body


def rescope(stack, token, scope):
    auth = {"identity": {"methods": ["token"], "token": {"id": token}}, "scope": scope}
    status, headers, body = stack.request("POST", "identity", "/v3/auth/tokens", {"auth": auth})
    return status, headers.get("X-Subject-Token"), body


@pytest.fixture(scope="module")
def admin(stack):
    return stack.admin_token()


class World:
    """A domain with a project and a user (role member)."""

    def __init__(self, stack, admin):
        self.stack, self.admin = stack, admin
        tag = uuid.uuid4().hex[:8]
        self.domain = self.make("domains", "domain", name=f"d-{tag}")
        self.project = self.make("projects", "project", name="p", domain_id=self.domain["id"])
        self.user = self.make("users", "user", name="u", domain_id=self.domain["id"], password="first-secret")
        self.roles = {r["name"]: r["id"] for r in stack.call("GET", "identity", "/v3/roles", token=admin)["roles"]}
        self.grant = f"/v3/projects/{self.project['id']}/users/{self.user['id']}/roles/{self.roles['member']}"
        assert self.call("PUT", self.grant)[0] == 204

    def call(self, method, path, body=None, token=None):
        return self.stack.request(method, "identity", path, body, token=token or self.admin)

    def make(self, plural, singular, **fields):
        status, _, body = self.call("POST", f"/v3/{plural}", {singular: fields})
        assert status == 201, body
        return body[singular]

    def login(self, password="first-secret", scoped=True):
        scope = {"project": {"id": self.project["id"]}} if scoped else None
        return login(self.stack, "u", password, scope, domain=self.domain["name"])

    def token(self, **more):
        status, token, body = self.login(**more)
        assert status == 201, body
        return token

    def is_valid(self, token):
        return self.call("GET", "/v3/auth/projects", token=token)[0] == 200


@pytest.fixture
def world(stack, admin):
    return World(stack, admin)


# ---- discovery and tokens


def test_versions_are_listed_without_a_token(stack):
    status, headers, body = stack.request("GET", "identity", "/")
    assert status == 300 and headers["Location"].endswith("/v3/")
    assert body["versions"]["values"][0]["id"].startswith("v3.")
    assert stack.request("GET", "identity", "/v3/")[2]["version"]["status"] == "stable"


def test_a_project_token_says_who_and_where(world):
    status, token, body = world.login()
    assert status == 201
    shown = body["token"]
    assert shown["project"] == {"id": world.project["id"], "name": "p", "domain": {"id": world.domain["id"], "name": world.domain["name"]}}
    assert shown["user"]["id"] == world.user["id"] and shown["methods"] == ["password"]
    assert sorted(r["name"] for r in shown["roles"]) == ["member", "reader"]
    assert {s["type"] for s in shown["catalog"]} >= {"identity", "compute"}
    status, headers, again = world.stack.request("GET", "identity", "/v3/auth/tokens", token=world.admin, headers={"X-Subject-Token": token})
    assert status == 200 and again == body and headers["X-Subject-Token"] == token and headers["Vary"] == "X-Auth-Token"


def test_the_catalog_is_left_out_on_demand(world):
    scope = {"project": {"name": "p", "domain": {"name": world.domain["name"]}}}
    status, _, body = login(world.stack, "u", "first-secret", scope, world.domain["name"], "?nocatalog")
    assert status == 201 and "catalog" not in body["token"]


def test_without_scope_the_default_project_is_entered(world):
    assert "project" not in world.login(scoped=False)[2]["token"]
    world.call("PATCH", f"/v3/users/{world.user['id']}", {"user": {"default_project_id": world.project["id"]}})
    assert world.login(scoped=False)[2]["token"]["project"]["id"] == world.project["id"]
    status, _, body = login(world.stack, "u", "first-secret", "unscoped", world.domain["name"])
    assert status == 201 and "project" not in body["token"] and "roles" not in body["token"]


def test_a_token_is_rescoped_and_lives_no_longer(world):
    status, unscoped, first = world.login(scoped=False)
    status, _, second = rescope(world.stack, unscoped, {"project": {"id": world.project["id"]}})
    assert status == 201 and second["token"]["expires_at"] == first["token"]["expires_at"]
    assert set(second["token"]["methods"]) == {"password", "token"}
    assert second["token"]["audit_ids"][1] == first["token"]["audit_ids"][0]


def test_domain_and_system_scopes_need_their_own_role(stack, world):
    assert login(stack, "u", "first-secret", {"domain": {"id": world.domain["id"]}}, world.domain["name"])[0] == 401
    world.call("PUT", f"/v3/domains/{world.domain['id']}/users/{world.user['id']}/roles/{world.roles['reader']}")
    status, _, body = login(stack, "u", "first-secret", {"domain": {"id": world.domain["id"]}}, world.domain["name"])
    assert status == 201 and body["token"]["domain"]["id"] == world.domain["id"]
    assert login(stack, "u", "first-secret", {"system": {"all": True}}, world.domain["name"])[0] == 401


@pytest.mark.parametrize("name, password, domain", [("u", "wrong", None), ("nobody", "x", None), ("u", "first-secret", "no-such-domain"),
                                                    ("u", "", None), ("u", "x" * 5000, None), ("ünknown", "ä", None)])
def test_every_wrong_login_is_the_same_401(stack, world, name, password, domain):
    status, token, body = login(stack, name, password, domain=domain or world.domain["name"])
    assert (status, token) == (401, None)
    assert body == {"error": {"code": 401, "title": "Unauthorized", "message": "The request you have made requires authentication."}}


@pytest.mark.parametrize("body", [{}, {"auth": 1}, {"auth": {"identity": {"methods": []}}}, {"auth": {"identity": {"methods": ["password"]}}},
                                  {"auth": {"identity": {"methods": ["password"], "password": {"user": {"name": "x", "password": "y"}}}}},
                                  {"auth": {"identity": {"methods": ["token"], "token": {"id": "x"}}, "scope": {"project": {}}}},
                                  {"auth": {"identity": {"methods": ["token"], "token": {"id": "x"}}, "scope": {"project": {"id": "a"}, "domain": {"id": "b"}}}}])
def test_a_malformed_login_is_400(stack, body):
    status, _, answer = stack.request("POST", "identity", "/v3/auth/tokens", body)
    assert status == 400 and "field" in answer["error"]["message"]


def test_unknown_users_cost_what_known_ones_cost(world):
    def cost(name):
        start = time.monotonic()
        assert login(world.stack, name, "wrong", domain=world.domain["name"])[0] == 401
        return time.monotonic() - start
    known, unknown = cost("u"), min(cost("nobody") for _ in range(2))
    assert unknown > known / 4


def test_too_many_wrong_passwords_lock_the_user_out_for_a_while(world):
    for _ in range(3):
        assert world.login(password="wrong")[0] == 401
    assert world.login()[0] == 401
    deadline = time.monotonic() + 10
    while world.login()[0] != 201:
        assert time.monotonic() < deadline
        time.sleep(0.3)


# ---- forged tokens


def test_forged_tokens_are_refused(world):
    token = world.token()
    head, claims, signature = token.split(".")
    def coded(value):
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()
    body = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
    body["roles"] = [["x", "admin"]]
    forged = [f"{head}.{coded(body)}.{signature}", f"{coded({'alg': 'none'})}.{coded(body)}.", f"{head}.{claims}.{signature[:-4]}AAAA",
              token + "x", token[:-1], "x", "a.b.c", "." * 500, "gAAAAABn" + "A" * 180]
    for each in forged:
        assert world.call("GET", "/v3/auth/projects", token=each)[0] == 401, each
    assert world.is_valid(token)


# ---- revocation


def test_a_deleted_token_is_dead_and_others_live(world):
    one, two = world.token(), world.token()
    status, _, _ = world.stack.request("DELETE", "identity", "/v3/auth/tokens", token=one, headers={"X-Subject-Token": one})
    assert status == 204 and not world.is_valid(one) and world.is_valid(two)
    status, _, _ = world.stack.request("GET", "identity", "/v3/auth/tokens", token=world.admin, headers={"X-Subject-Token": one})
    assert status == 404


@pytest.mark.parametrize("method, path, body", [
    ("PATCH", "/v3/users/{user}", {"user": {"enabled": False}}),
    ("PATCH", "/v3/users/{user}", {"user": {"password": "second-secret"}}),
    ("DELETE", "/v3/users/{user}", None),
    ("PATCH", "/v3/projects/{project}", {"project": {"enabled": False}}),
    ("DELETE", "/v3/projects/{project}", None),
    ("PATCH", "/v3/domains/{domain}", {"domain": {"enabled": False}}),
    ("DELETE", "/v3/projects/{project}/users/{user}/roles/{member}", None),
])
def test_tokens_end_with_what_they_stand_on(world, method, path, body):
    token = world.token()
    assert world.is_valid(token)
    path = path.format(user=world.user["id"], project=world.project["id"], domain=world.domain["id"], member=world.roles["member"])
    assert world.call(method, path, body)[0] in (200, 204)
    assert not world.is_valid(token)
    feed = world.stack.call("GET", "identity", "/internal/v1/feed?after=0")
    assert any(e["kind"] == "revocation" for e in feed["events"]) and feed["keys"][0]["pem"].startswith("-----BEGIN PUBLIC KEY")


def test_revocations_and_keys_survive_kill_9(stack, world):
    dead, alive = world.token(), world.token()
    world.stack.request("DELETE", "identity", "/v3/auth/tokens", token=dead, headers={"X-Subject-Token": dead})
    stack.kill("identity")
    stack.start("identity")
    assert not world.is_valid(dead) and world.is_valid(alive)


def test_leaving_a_group_ends_its_tokens(world):
    group = world.make("groups", "group", name="g", domain_id=world.domain["id"])
    member = f"/v3/groups/{group['id']}/users/{world.user['id']}"
    world.call("DELETE", world.grant)
    world.call("PUT", f"/v3/projects/{world.project['id']}/groups/{group['id']}/roles/{world.roles['member']}")
    assert world.login()[0] == 401
    assert world.call("PUT", member)[0] == 204 and world.call("HEAD", member)[0] == 204
    token = world.token()
    assert world.call("DELETE", member)[0] == 204
    assert not world.is_valid(token) and world.call("HEAD", member)[0] == 404


# ---- passwords


def test_people_change_their_own_password(world):
    path, old = f"/v3/users/{world.user['id']}/password", world.token()
    change = {"user": {"original_password": "first-secret", "password": "second-secret"}}
    for token in (None, old):  # the old password is the proof: who must change an expired one has no token
        wrong = {"user": {**change["user"], "original_password": "no"}}
        assert world.stack.request("POST", "identity", path, wrong, token=token)[0] == 401
    assert world.call("POST", path, {"user": {**change["user"], "password": "first-secret"}}, old)[0] == 400
    assert world.call("POST", path, change, old)[0] == 204
    assert not world.is_valid(old) and world.login()[0] == 401 and world.token(password="second-secret")


def test_hashes_are_bcrypt_and_never_shown(stack, world):
    rows = stack.sql("identity", f"SELECT password_hash FROM user_account WHERE id = '{world.user['id']}'")
    assert rows[0]["password_hash"].startswith("$2b$12$")
    shown = world.call("GET", f"/v3/users/{world.user['id']}")[2]["user"]
    assert not any("password" in key and key != "password_expires_at" for key in shown)
    assert "first-secret" not in stack.log("identity") and "$2b$" not in stack.log("identity")


# ---- resources and who may


@pytest.mark.parametrize("method, path, body", [("GET", "/v3/users", None), ("GET", "/v3/projects", None), ("GET", "/v3/domains", None),
                                                ("POST", "/v3/users", {"user": {"name": "x"}}), ("GET", "/v3/role_assignments", None),
                                                ("POST", "/v3/roles", {"role": {"name": "x"}}), ("GET", "/v3/services", None),
                                                ("POST", "/internal/v1/limits", {"limits": [{"project_id": "x", "service": "y", "resource": "z", "value": 1}]})])
def test_members_may_not_administer(world, method, path, body):
    status, _, answer = world.call(method, path, body, token=world.token())
    assert status == 403 and answer["error"]["title"] == "Forbidden"


def test_people_see_themselves(world):
    token = world.token()
    assert world.call("GET", f"/v3/users/{world.user['id']}", token=token)[0] == 200
    assert world.call("GET", f"/v3/projects/{world.project['id']}", token=token)[0] == 200
    assert [p["id"] for p in world.call("GET", f"/v3/users/{world.user['id']}/projects", token=token)[2]["projects"]] == [world.project["id"]]
    assert [p["id"] for p in world.call("GET", "/v3/auth/projects", token=token)[2]["projects"]] == [world.project["id"]]


def test_an_enabled_domain_is_not_deleted_and_a_disabled_one_takes_all_with_it(world):
    path = f"/v3/domains/{world.domain['id']}"
    assert world.call("DELETE", path)[0] == 403
    world.call("PATCH", path, {"domain": {"enabled": False}})
    assert world.call("DELETE", path)[0] == 204
    assert world.call("GET", f"/v3/users/{world.user['id']}")[0] == 404


def test_names_are_unique_within_their_domain(world):
    status, _, body = world.call("POST", "/v3/users", {"user": {"name": "u", "domain_id": world.domain["id"]}})
    assert status == 409 and body["error"]["title"] == "Conflict"
    assert world.call("POST", "/v3/users", {"user": {"name": "u" + uuid.uuid4().hex}})[0] == 201


def test_projects_nest_and_inherit(world):
    child = world.make("projects", "project", name="child", domain_id=world.domain["id"], parent_id=world.project["id"])
    assert child["parent_id"] == world.project["id"] and world.project["parent_id"] == world.domain["id"]
    assert world.call("DELETE", f"/v3/projects/{world.project['id']}")[0] == 403
    scope = {"project": {"id": child["id"]}}
    assert rescope(world.stack, world.token(), scope)[0] == 401
    path = f"/v3/OS-INHERIT/domains/{world.domain['id']}/users/{world.user['id']}/roles/{world.roles['reader']}/inherited_to_projects"
    assert world.call("PUT", path)[0] == 204
    status, _, body = rescope(world.stack, world.token(), scope)
    assert status == 201 and [r["name"] for r in body["token"]["roles"]] == ["reader"]


def test_assignments_are_listed_with_names_and_effects(world):
    query = f"/v3/role_assignments?user.id={world.user['id']}&include_names=True"
    [one] = world.call("GET", query)[2]["role_assignments"]
    assert one["role"]["name"] == "member" and one["scope"]["project"]["name"] == "p" and one["user"]["domain"]["id"] == world.domain["id"]
    names = {a["role"]["name"] for a in world.call("GET", query + "&effective=True")[2]["role_assignments"]}
    assert names == {"member", "reader"}


def test_lists_filter_and_page(world):
    users = [world.make("users", "user", name=f"n{i}", domain_id=world.domain["id"], enabled=i != 2)["id"] for i in range(3)]
    def ids(query):
        return {u["id"] for u in world.call("GET", f"/v3/users?domain_id={world.domain['id']}{query}")[2]["users"]}
    assert ids("") == set(users) | {world.user["id"]}
    assert ids("&enabled=false") == {users[2]} and ids("&name=n1") == {users[1]} and ids("&name__startswith=n") == set(users)
    assert len(ids("&limit=2")) == 2


@pytest.mark.parametrize("path, body", [("/v3/users", {"user": {"name": ""}}), ("/v3/users", {"user": {"name": "x" * 256}}),
                                        ("/v3/users", {"user": {}}), ("/v3/users", {}), ("/v3/users", {"user": {"name": 7}}),
                                        ("/v3/users", {"user": {"name": "x", "enabled": "True"}}),
                                        ("/v3/projects", {"project": {"name": "x" * 65}}), ("/v3/domains", {"domain": {"name": ""}}),
                                        ("/v3/endpoints", {"endpoint": {"service_id": "x", "url": "u", "interface": "sideways"}})])
def test_bad_input_is_400(stack, admin, path, body):
    status, _, answer = stack.request("POST", "identity", path, body, token=admin)
    assert status == 400, answer


def test_unknown_things_are_404(stack, admin):
    for path in ("users", "projects", "domains", "groups", "roles", "services", "endpoints", "regions"):
        status, _, body = stack.request("GET", "identity", f"/v3/{path}/{uuid.uuid4().hex}", token=admin)
        assert status == 404 and body["error"]["message"].startswith("Could not find")


def test_limits_reach_the_feed_latest_only(stack, admin, world):
    def limit(value):
        body = {"limits": [{"project_id": world.project["id"], "service": "compute", "resource": "cores", "value": value}]}
        assert stack.request("POST", "identity", "/internal/v1/limits", body, token=admin)[0] == 200
    limit(5), limit(7), limit(None)
    events = [e for e in stack.call("GET", "identity", "/internal/v1/feed?after=0")["events"] if e.get("project_id") == world.project["id"] and e["kind"] == "limit"]
    assert [e["value"] for e in events] == [None]


def test_public_keys_verify_our_tokens(stack, world):
    [key] = stack.call("GET", "identity", "/v3/auth/jwks")["keys"]
    jwt = pytest.importorskip("jwt")
    claims = jwt.decode(world.token(), jwt.PyJWK(key).key, algorithms=["ES256"])
    assert claims["sub"] == world.user["id"]


# ---- application credentials, EC2 keys, limits


def make_appcred(world, token=None, **fields):
    path = f"/v3/users/{world.user['id']}/application_credentials"
    return world.call("POST", path, {"application_credential": {"name": uuid.uuid4().hex, **fields}}, token or world.token())


def appcred_login(world, credential, secret, scope=None):
    auth = {"identity": {"methods": ["application_credential"], "application_credential": {"id": credential["id"], "secret": secret}}}
    status, headers, body = world.stack.request("POST", "identity", "/v3/auth/tokens", {"auth": {**auth, **({"scope": scope} if scope else {})}})
    return status, headers.get("X-Subject-Token"), body


def test_an_application_credential_stands_for_some_roles_until_it_is_deleted(world):
    status, _, body = make_appcred(world, roles=[{"name": "reader"}])
    made = body["application_credential"]
    assert status == 201 and [r["name"] for r in made["roles"]] == ["reader"]
    status, token, body = appcred_login(world, made, made["secret"])
    assert status == 201 and [r["name"] for r in body["token"]["roles"]] == ["reader"]
    assert body["token"]["project"]["id"] == world.project["id"] and body["token"]["methods"] == ["application_credential"]
    path = f"/v3/users/{world.user['id']}/application_credentials/{made['id']}"
    assert "secret" not in world.call("GET", path)[2]["application_credential"]
    assert rescope(world.stack, token, {"project": {"id": world.project["id"]}})[0] == 401  # it must not grow
    assert make_appcred(world, token)[0] == 403
    assert world.call("DELETE", path)[0] == 204
    assert not world.is_valid(token) and appcred_login(world, made, made["secret"])[0] == 401


def test_an_application_credential_never_exceeds_its_user(world):
    made = make_appcred(world)[2]["application_credential"]
    assert appcred_login(world, made, "wrong")[0] == 401
    assert appcred_login(world, made, made["secret"], {"project": {"id": world.project["id"]}})[0] == 400
    assert make_appcred(world, roles=[{"name": "admin"}])[0] == 400
    assert make_appcred(world, expires_at="2001-01-01T00:00:00")[0] == 400
    assert make_appcred(world, token=world.admin)[0] == 403
    world.call("DELETE", world.grant)
    assert appcred_login(world, made, made["secret"])[0] == 401


def test_ec2_keys_belong_to_their_user(world):
    path, token = f"/v3/users/{world.user['id']}/credentials/OS-EC2", world.token()
    status, _, body = world.call("POST", path, {"tenant_id": world.project["id"]}, token)
    access = body["credential"]["access"]
    assert status == 201 and world.call("GET", f"{path}/{access}", token=token)[2] == body
    assert world.call("POST", path, {"tenant_id": "no-such"}, token)[0] == 404
    other = World(world.stack, world.admin)
    assert world.call("GET", path, token=other.token())[0] == 403
    assert world.call("DELETE", f"{path}/{access}", token=token)[0] == 204 and world.call("GET", f"{path}/{access}", token=token)[0] == 404


def test_unified_limits_go_to_the_services(world):
    service = world.make("services", "service", type="limited-" + uuid.uuid4().hex[:6])
    body = {"limits": [{"service_id": service["id"], "project_id": world.project["id"], "resource_name": "things", "resource_limit": 4}]}
    registered = {"registered_limits": [{"service_id": service["id"], "resource_name": "things", "default_limit": 2}]}
    assert world.call("POST", "/v3/limits", body)[0] == 403 and world.call("POST", "/v3/registered_limits", registered)[0] == 201
    status, _, made = world.call("POST", "/v3/limits", body)
    assert status == 201, made
    path = f"/v3/limits/{made['limits'][0]['id']}"

    def fed():
        events = world.stack.call("GET", "identity", "/internal/v1/feed?after=0")["events"]
        return [e["value"] for e in events if e["kind"] == "limit" and e["service"] == service["type"] and e["project_id"]]
    assert fed() == [4]
    assert world.call("PATCH", path, {"limit": {"resource_limit": 9}})[0] == 200 and fed() == [9]
    assert world.call("POST", "/v3/limits", body)[0] == 409
    assert world.call("DELETE", path)[0] == 204 and fed() == [None]
    assert world.call("POST", "/v3/limits", body, world.token())[0] == 403
