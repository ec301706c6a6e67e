# SPDX-License-Identifier: Apache-2.0
"""Lists as Keystone gives them: every comparison, pages and truncation; and what belongs to a user's credentials."""

import hashlib
import json
import uuid
from urllib.parse import quote, urlsplit

import pytest

from tests.lib.stack import Stack

SERVICES = ["identity"]


@pytest.fixture(scope="module")
def few():
    with Stack(["identity"], settings={"identity": {"service": {"list_limit": 3}}}) as stack:
        yield stack


def pages(stack, path):
    """Every page from this one on; each but the last says that there is more."""
    found = []
    while path:
        status, _, body = stack.request("GET", "identity", path, token=stack.admin_token())
        assert status == 200, body
        found.append(body)
        assert ("truncated" in body) == bool(body["links"]["next"])
        link = urlsplit(body["links"]["next"] or "")
        path = f"{link.path}?{link.query}" if link.query else None
    return found


def test_a_list_without_limit_is_cut_where_the_operator_says(few):
    made = {few.request("POST", "identity", "/v3/regions", {"region": {"id": f"r{i}"}}, token=few.admin_token())[0] for i in range(7)}
    assert made == {201}
    found = pages(few, "/v3/regions")
    assert [len(page["regions"]) for page in found] == [3, 3, 2] and found[0]["truncated"] is True
    ids = [region["id"] for page in found for region in page["regions"]]
    assert sorted(ids) == sorted(["RegionOne", *(f"r{i}" for i in range(7))]) and len(set(ids)) == 8
    assert [len(page["regions"]) for page in pages(few, "/v3/regions?limit=5")] == [5, 3]


def test_pages_keep_filters_and_order(stack):
    token, tag = stack.admin_token(), uuid.uuid4().hex[:8]
    for i in range(5):
        assert stack.request("POST", "identity", "/v3/groups", {"group": {"name": f"{tag}-{i}"}}, token=token)[0] == 201
    found = pages(stack, f"/v3/groups?name__startswith={tag}&limit=2&sort_key=name&sort_dir=desc")
    assert [[g["name"][-1] for g in page["groups"]] for page in found] == [["4", "3"], ["2", "1"], ["0"]]
    assert "truncated" not in stack.request("GET", "identity", f"/v3/groups?name__startswith={tag}&limit=5", token=token)[2]


@pytest.mark.parametrize("query,status", [("limit=x", 400), ("limit=-1", 400), ("limit=0", 200), ("marker=" + "0" * 32, 404)])
def test_wrong_pages(stack, query, status):
    assert stack.request("GET", "identity", "/v3/users?" + query, token=stack.admin_token())[0] == status


@pytest.fixture(scope="module")
def things(stack):
    token = stack.admin_token()

    def make(path, singular, **fields):
        status, _, body = stack.request("POST", "identity", path, {singular: fields}, token=token)
        assert status == 201, body
        return body[singular]["id"]
    service = make("/v3/services", "service", type="Type-One_%x", name="Some Name")
    return {
        "services": ("type", service, "Type-One_%x"),
        "endpoints": ("interface", make("/v3/endpoints", "endpoint", service_id=service, interface="admin", url="http://x"), "admin"),
        "policies": ("type", make("/v3/policies", "policy", type="Type-One_%x", blob="{}"), "Type-One_%x"),
        "credentials": ("type", make("/v3/credentials", "credential", type="Type-One_%x", blob="x"), "Type-One_%x"),
        "projects": ("parent_id", make("/v3/projects", "project", name=uuid.uuid4().hex, domain_id="default"), "default"),
        "roles": ("name", make("/v3/roles", "role", name="Type-One_%x"), "Type-One_%x"),
    }


@pytest.mark.parametrize("plural", ["services", "endpoints", "policies", "credentials", "projects", "roles"])
@pytest.mark.parametrize("comparison,part,case", [
    ("contains", slice(1, -1), True), ("icontains", slice(1, -1), False), ("startswith", slice(0, 3), True), ("istartswith", slice(0, 3), False),
    ("endswith", slice(-3, None), True), ("iendswith", slice(-3, None), False), ("iexact", slice(None), False),
])
def test_comparisons(stack, things, plural, comparison, part, case):
    field, wanted, value = things[plural]

    def found(text):
        query = f"{field}__{comparison}={quote(text)}"
        return wanted in {x["id"] for x in stack.request("GET", "identity", f"/v3/{plural}?{query}", token=stack.admin_token())[2][plural]}
    assert found(value[part]) and not found(value[part] + "-not")
    assert found(value[part].swapcase()) == (not case)


def test_comparisons_all_count_and_what_is_none_is_ignored(stack, things):
    def n(query):
        return len(stack.request("GET", "identity", "/v3/services?" + query, token=stack.admin_token())[2]["services"])
    assert n("type__contains=One&type__contains=Type") == 1 and n("type__contains=One&type__contains=Two") == 0
    assert n("type__sounds=x") == n("type__=x") == n("__contains=x") == n("blob__contains=x") == n("")


# ---- credentials

def test_a_credential_can_be_given_away_by_an_administrator_only(stack):
    person, other = stack.person(), stack.person()
    body = {"credential": {"type": "cert", "blob": "x", "user_id": person.user_id}}
    status, _, made = stack.request("POST", "identity", "/v3/credentials", body, token=person.token)
    assert status == 201
    path = "/v3/credentials/" + made["credential"]["id"]

    def give(to, token):
        return stack.request("PATCH", "identity", path, {"credential": {"user_id": to, "blob": "y"}}, token=token)
    assert give(person.user_id, person.token)[0] == 200
    assert give(other.user_id, person.token)[0] == 403
    status, _, made = give(other.user_id, stack.admin_token())
    assert status == 200 and made["credential"]["user_id"] == other.user_id and made["credential"]["blob"] == "y"
    assert give(uuid.uuid4().hex, stack.admin_token())[0] == 400
    assert stack.request("GET", "identity", path, token=person.token)[0] in (403, 404)


def test_ec2_keys_need_no_role_on_their_project_but_are_no_use_without(stack):
    person = stack.person()
    domain = {"name": "e-" + uuid.uuid4().hex[:8], "domain_id": "default"}
    project = stack.request("POST", "identity", "/v3/projects", {"project": domain}, token=stack.admin_token())[2]["project"]["id"]
    path = f"/v3/users/{person.user_id}/credentials/OS-EC2"
    status, _, made = stack.request("POST", "identity", path, {"tenant_id": project}, token=person.token)
    assert status == 201
    access = made["credential"]["access"]
    assert stack.request("GET", "identity", f"{path}/{access}", token=person.token)[0] == 200
    assert stack.request("POST", "identity", path, {"tenant_id": uuid.uuid4().hex}, token=person.token)[0] == 404
    other = stack.person()
    assert stack.request("GET", "identity", path, token=other.token)[0] == 403
    assert stack.request("GET", "identity", f"/v3/users/{other.user_id}/credentials/OS-EC2/{access}", token=other.token)[0] == 403
    assert stack.request("DELETE", "identity", f"{path}/{access}", token=other.token)[0] == 403
    assert stack.request("GET", "identity", f"{path}/{uuid.uuid4().hex}", token=other.token)[0] == 404
    blob = {"credentials": {"access": access, "signature": "x", "host": "h", "verb": "GET", "path": "/", "params": {}}}
    assert stack.request("POST", "identity", "/v3/ec2tokens", blob, token=stack.admin_token())[0] == 401
    assert json.dumps(made).count("secret") == 1 and stack.request("DELETE", "identity", f"{path}/{access}", token=person.token)[0] == 204


def test_what_an_ec2_key_was_made_under_stays(stack):
    person = stack.person()
    blob = {"access": uuid.uuid4().hex, "secret": "s", "trust_id": uuid.uuid4().hex}
    body = {"credential": {"type": "ec2", "user_id": person.user_id, "project_id": person.project_id, "blob": json.dumps(blob)}}
    made = stack.call("POST", "identity", "/v3/credentials", body, person.token)["credential"]["id"]

    def change(**fields):
        new = {name: value for name, value in {**blob, **fields}.items() if value != "-"}
        status, _, reply = stack.request("PATCH", "identity", f"/v3/credentials/{made}", {"credential": {"blob": json.dumps(new)}}, token=person.token)
        return status, reply.get("error", {}).get("message")
    for name, value in (("trust_id", "other"), ("trust_id", None), ("trust_id", "-"), ("app_cred_id", "x"), ("access_token_id", "x"), ("access_id", 1)):
        assert change(**{name: value}) == (400, f"{name} can not be updated for credential")
    assert change(secret="other", app_cred_id=None)[0] == 200
    shown = stack.call("GET", "identity", f"/v3/users/{person.user_id}/credentials/OS-EC2/{blob['access']}", token=person.token)["credential"]
    assert (shown["trust_id"], shown["secret"]) == (blob["trust_id"], "other")


def test_access_rules_are_shown_as_they_were_given(stack):
    person = stack.person()
    rules = [{"path": f"/v2.0/{i}", "service": "network", "method": method} for i, method in enumerate(["PUT", "GET", "POST", "DELETE", "GET"])]
    path = f"/v3/users/{person.user_id}"
    body = {"application_credential": {"name": "c", "access_rules": rules}}
    status, _, made = stack.request("POST", "identity", path + "/application_credentials", body, token=person.token)
    assert status == 201

    def plain(found):
        return [{k: rule[k] for k in ("path", "service", "method")} for rule in found]
    assert plain(made["application_credential"]["access_rules"]) == rules
    assert plain(stack.request("GET", "identity", path + "/access_rules", token=person.token)[2]["access_rules"]) == rules


def test_somebody_elses_application_credential_is_refused_under_any_path(stack):
    person, other = stack.person(), stack.person()
    made = stack.request("POST", "identity", f"/v3/users/{person.user_id}/application_credentials",
                         {"application_credential": {"name": "c"}}, token=person.token)[2]["application_credential"]["id"]
    for user, known, status in ((person, made, 403), (other, made, 403), (other, uuid.uuid4().hex, 404)):
        path = f"/v3/users/{user.user_id}/application_credentials/{known}"
        for method in ("GET", "DELETE"):
            assert stack.request(method, "identity", path, token=other.token)[0] == status, (path, method)


def test_what_is_asked_of_passwords_is_told_to_everybody(stack):
    path, token = "/v3/domains/default/config/security_compliance", stack.person().token
    wanted = {"password_regex": None, "password_regex_description": None}
    assert stack.request("GET", "identity", path, token=token)[2] == {"config": {"security_compliance": wanted}}
    assert stack.request("GET", "identity", path + "/password_regex", token=token)[2] == {"config": {"password_regex": None}}
    assert stack.request("HEAD", "identity", path, token=token)[0] == 200
    assert stack.request("GET", "identity", path + "/lockout_duration", token=token)[0] == 403
    assert stack.request("GET", "identity", path, token=None)[0] == 401
    assert stack.request("GET", "identity", path.replace("default", "0" * 32), token=token)[0] == 403
    assert stack.request("PATCH", "identity", path, {"config": {"security_compliance": {"password_regex": "x"}}}, token=stack.admin_token())[0] == 403
    assert stack.request("GET", "identity", "/v3/domains/default/config", token=token)[0] == 403


def test_a_region_may_go_while_a_limit_names_it(stack):
    token, region = stack.admin_token(), "r-" + uuid.uuid4().hex[:8]
    assert stack.request("POST", "identity", "/v3/regions", {"region": {"id": region}}, token=token)[0] == 201
    service = stack.request("POST", "identity", "/v3/services", {"service": {"type": "t", "name": "n"}}, token=token)[2]["service"]["id"]
    body = {"registered_limits": [{"service_id": service, "region_id": region, "resource_name": "x", "default_limit": 1}]}
    status, _, made = stack.request("POST", "identity", "/v3/registered_limits", body, token=token)
    assert status == 201
    assert stack.request("DELETE", "identity", "/v3/regions/" + region, token=token)[0] == 204
    path = "/v3/registered_limits/" + made["registered_limits"][0]["id"]
    assert stack.request("GET", "identity", path, token=token)[2]["registered_limit"]["region_id"] == region
    assert stack.request("DELETE", "identity", path, token=token)[0] == 204


@pytest.mark.parametrize("path,shown,deleted", [("/v3/roles/", 404, 404), ("/v3/domains/", 403, 404), ("/v3/projects/", 403, 403), ("/v3/users/", 403, 403)])
def test_what_is_not_there_is_told_as_keystone_tells_it(stack, path, shown, deleted):
    token = stack.person().token
    assert stack.request("GET", "identity", path + uuid.uuid4().hex, token=token)[0] == shown
    assert stack.request("DELETE", "identity", path + uuid.uuid4().hex, token=token)[0] == deleted


def test_a_reader_of_the_system_reads_everybodys_credentials(stack):
    person, reader = stack.person(), stack.person()
    role = stack.request("GET", "identity", "/v3/roles?name=reader", token=stack.admin_token())[2]["roles"][0]["id"]
    assert stack.request("PUT", "identity", f"/v3/system/users/{reader.user_id}/roles/{role}", token=stack.admin_token())[0] == 204
    body = {"auth": {"identity": {"methods": ["password"], "password": {"user": {"id": reader.user_id, "password": reader.password}}}, "scope": {"system": {"all": True}}}}
    token = stack.request("POST", "identity", "/v3/auth/tokens", body)[1]["X-Subject-Token"]
    made = stack.request("POST", "identity", "/v3/credentials", {"credential": {"type": "cert", "blob": "x", "user_id": person.user_id}}, token=person.token)[2]
    made = made["credential"]["id"]
    assert made in {c["id"] for c in stack.request("GET", "identity", "/v3/credentials", token=token)[2]["credentials"]}
    assert stack.request("GET", "identity", "/v3/credentials/" + made, token=token)[0] == 200
    assert stack.request("DELETE", "identity", "/v3/credentials/" + made, token=token)[0] in (403, 404)


# ---- lists of one thing's things

@pytest.fixture(scope="module")
def crowd(stack):
    """A group with five users, a user with five groups and five projects; ids by the last letter of their names."""
    token, tag = stack.admin_token(), uuid.uuid4().hex[:8]

    def make(kind, name, **fields):
        return stack.call("POST", "identity", f"/v3/{kind}s", {kind: {"name": f"{tag}-{name}", "domain_id": "default", **fields}}, token)[kind]["id"]
    member = stack.call("GET", "identity", "/v3/roles?name=member", token=token)["roles"][0]["id"]
    group, user, found = make("group", "whole"), make("user", "whole"), {"user": {}, "group": {}, "project": {}}
    for letter in "abcde":
        for kind in found:
            fields = {"enabled": letter != "e"} if kind == "user" else {}
            found[kind][letter] = make(kind, letter, **fields)
        stack.call("PUT", "identity", f"/v3/groups/{group}/users/{found['user'][letter]}", token=token)
        stack.call("PUT", "identity", f"/v3/groups/{found['group'][letter]}/users/{user}", token=token)
        stack.call("PUT", "identity", f"/v3/projects/{found['project'][letter]}/users/{user}/roles/{member}", token=token)
        make("user", letter + "-not"), make("group", letter + "-not"), make("project", letter + "-not")
    return {"users": f"/v3/groups/{group}/users", "groups": f"/v3/users/{user}/groups", "projects": f"/v3/users/{user}/projects"}, found, tag


@pytest.mark.parametrize("plural", ["users", "groups", "projects"])
def test_a_things_things_are_filtered_sorted_and_paged(stack, crowd, plural):
    paths, made, tag = crowd
    path, ids = paths[plural], made[plural[:-1]]

    def ask(query=""):
        body = stack.call("GET", "identity", path + query, token=stack.admin_token())
        assert set(body["links"]) == {"self", "next", "previous"} and urlsplit(body["links"]["self"]).path == path
        return [thing["id"] for thing in body[plural]]
    assert sorted(ask()) == sorted(ids.values())
    assert ask(f"?name={tag}-c") == [ids["c"]] and ask("?name=none") == []
    assert ask("?name__endswith=-d") == [ids["d"]] and ask("?name__icontains=-B") == [ids["b"]]
    assert len(ask("?domain_id=default")) == 5 and ask("?domain_id=other") == []
    assert ask("?sort_key=name&sort_dir=desc") == [ids[letter] for letter in "edcba"]
    found = pages(stack, path + "?limit=2&sort_key=name")
    assert [[thing["id"] for thing in page[plural]] for page in found] == [[ids[letter] for letter in part] for part in ("ab", "cd", "e")]
    status, headers, _ = stack.request("HEAD", "identity", path, token=stack.admin_token())
    assert status == 200


def test_a_groups_users_are_found_by_state_and_expiry(stack, crowd):
    paths, made, _ = crowd

    def ask(query):
        return {user["id"] for user in stack.call("GET", "identity", paths["users"] + query, token=stack.admin_token())["users"]}
    assert ask("?enabled=false") == {made["user"]["e"]} and len(ask("?enabled=true")) == len(ask("?enabled")) == 4
    stack.sql("identity", "UPDATE user_account SET password_expires_at = '2030-01-01' WHERE id = %s", made["user"]["a"])
    assert ask("?password_expires_at=gt:2029-01-01T00:00:00Z") == {made["user"]["a"]} == ask("?password_expires_at=lt:2031-01-01T00:00:00Z")
    assert ask("?password_expires_at=lt:2029-01-01T00:00:00Z") == set()
    assert stack.request("GET", "identity", paths["users"] + "?password_expires_at=soon", token=stack.admin_token())[0] == 400


def test_a_users_disabled_projects_are_shown_and_found(stack, crowd):
    paths, made, _ = crowd
    project = made["project"]["a"]
    stack.call("PATCH", "identity", f"/v3/projects/{project}", {"project": {"enabled": False}}, stack.admin_token())

    def ask(query=""):
        return {project["id"] for project in stack.call("GET", "identity", paths["projects"] + query, token=stack.admin_token())["projects"]}
    assert len(ask()) == 5 and ask("?enabled=0") == {project} and project not in ask("?enabled")
    stack.call("PATCH", "identity", f"/v3/projects/{project}", {"project": {"enabled": True}}, stack.admin_token())


def test_an_ec2_key_has_the_digest_of_its_access_key_as_id(stack):
    person, other, access = stack.person(), stack.person(), uuid.uuid4().hex
    path = f"/v3/users/{person.user_id}/credentials/OS-EC2"
    made = stack.call("POST", "identity", path, {"tenant_id": person.project_id}, person.token)["credential"]

    def show(access, token=person.token):
        return stack.request("GET", "identity", "/v3/credentials/" + hashlib.sha256(access.encode()).hexdigest(), token=token)
    status, _, shown = show(made["access"])
    assert status == 200 and json.loads(shown["credential"]["blob"])["secret"] == made["secret"]
    assert (shown["credential"]["type"], shown["credential"]["project_id"]) == ("ec2", person.project_id)
    assert shown["credential"]["links"]["self"].endswith("/v3/credentials/" + shown["credential"]["id"])
    assert show(made["access"], other.token)[0] in (403, 404)
    blob = json.dumps({"access": access, "secret": "s"})
    body = {"credential": {"type": "ec2", "user_id": person.user_id, "project_id": person.project_id, "blob": blob}}
    given = stack.call("POST", "identity", "/v3/credentials", body, person.token)["credential"]
    assert given["id"] == hashlib.sha256(access.encode()).hexdigest() and show(access)[2] == {"credential": given}
    body["credential"].update(user_id=other.user_id, project_id=other.project_id)
    assert stack.request("POST", "identity", "/v3/credentials", body, token=other.token)[0] == 409
    changed = {"credential": {"blob": json.dumps({"access": access, "secret": "t"})}}
    assert stack.request("PATCH", "identity", "/v3/credentials/" + given["id"], changed, token=person.token)[0] == 200
    assert stack.call("GET", "identity", f"{path}/{access}", token=person.token)["credential"]["secret"] == "t"
    assert stack.request("DELETE", "identity", "/v3/credentials/" + given["id"], token=person.token)[0] == 204 and show(access)[0] == 403
    assert stack.request("DELETE", "identity", f"{path}/{made['access']}", token=person.token)[0] == 204 and show(made["access"])[0] == 403
    body["credential"].update(type="cert")
    assert len(stack.call("POST", "identity", "/v3/credentials", body, other.token)["credential"]["id"]) == 32
