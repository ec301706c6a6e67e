# SPDX-License-Identifier: Apache-2.0
"""Details that Keystone's clients rely on: updates that say nothing, ids that stay, tokens that have just expired, links of lists."""

import datetime
import time
import uuid

import pytest

SERVICES = ["identity"]


def name():
    return "n-" + uuid.uuid4().hex


def things(stack, token):
    """(path, singular) of one thing of each kind."""
    def make(plural, singular, **fields):
        made = stack.call("POST", "identity", "/v3/" + plural, {singular: fields}, token)[singular]
        return f"/v3/{plural}/{made['id']}", singular
    service = make("services", "service", type=name())
    yield service
    yield make("endpoints", "endpoint", service_id=service[0].rsplit("/", 1)[1], interface="public", url="http://127.0.0.1/")
    yield make("OS-EP-FILTER/endpoint_groups", "endpoint_group", name=name(), filters={"interface": "public"})
    yield make("OS-OAUTH1/consumers", "consumer", description="c")
    yield make("credentials", "credential", type="cert", blob="b", user_id=stack.person().user_id)
    yield make("policies", "policy", type="text/plain", blob="b")
    for plural, singular in (("domains", "domain"), ("projects", "project"), ("users", "user"), ("groups", "group"), ("roles", "role")):
        yield make(plural, singular, name=name())
    yield make("regions", "region", description="r")


def test_an_update_says_something_and_ids_stay(stack):
    token = stack.admin_token()

    def change(path, singular, **fields):
        status, _, body = stack.request("PATCH", "identity", path, {singular: fields}, token=token)
        return status, body.get("error", {}).get("message")
    for path, singular in things(stack, token):
        assert change(path, singular, id=uuid.uuid4().hex, description="x") == (400, "invalid input for field 'id': it cannot be changed"), path
        assert change(path, singular) == (400, f"invalid input for field '{singular}': it is empty"), path
        own = {"id": path.rsplit("/", 1)[1], **({"blob": "c"} if singular in ("credential", "policy") else {"description": "new"})}
        assert change(path, singular, **own)[0] == 200, path


def test_a_thing_can_be_given_back_as_it_was_shown(stack):
    """Clients that fetch, change and send the whole thing: what is only shown stays, what no attribute is for is kept."""
    token = stack.admin_token()
    for path, singular in things(stack, token):
        shown = stack.call("GET", "identity", path, token=token)[singular]
        status, _, body = stack.request("PATCH", "identity", path, {singular: {**shown, "note": "kept"}}, token=token)
        assert status == 200, (path, body)
        assert stack.call("GET", "identity", path, token=token)[singular] == {**shown, "note": "kept"}, path
    made = stack.call("POST", "identity", "/v3/credentials",
                      {"credential": {"type": "cert", "blob": "b", "user_id": stack.person().user_id, "note": "n", "links": {}}}, token)["credential"]
    assert made["note"] == "n" and made["blob"] == "b" and made["links"]["self"].endswith("/v3/credentials/" + made["id"])


def test_the_end_of_a_password_is_shown_and_never_written(stack):
    token = stack.admin_token()
    user = stack.call("POST", "identity", "/v3/users", {"user": {"name": name(), "password": "Pw-" + name(), "password_expires_at": "2040-01-01T00:00:00Z"}}, token)["user"]
    assert user["password_expires_at"] is None
    stack.sql("identity", "UPDATE user_account SET password_expires_at = '2035-01-01' WHERE id = %s", user["id"])
    for given in (None, "2040-01-01T00:00:00Z", "2035-01-01T00:00:00.000000"):
        changed = stack.call("PATCH", "identity", "/v3/users/" + user["id"], {"user": {"description": "d", "password_expires_at": given}}, token)["user"]
        assert changed["password_expires_at"] == "2035-01-01T00:00:00.000000", given


def test_what_a_new_thing_is_put_in_must_be_there(stack):
    token, none = stack.admin_token(), uuid.uuid4().hex

    def make(method, path, singular, **fields):
        status, _, body = stack.request(method, "identity", "/v3/" + path, {singular: fields}, token=token)
        return status, body.get("error", {}).get("message")
    for plural in ("users", "groups"):
        assert make("POST", plural, plural[:-1], name=name(), domain_id=none) == (404, f"Could not find domain: {none}."), plural
    assert make("POST", "regions", "region", parent_region_id=none) == (404, f"Could not find region: {none}.")
    region = name()
    assert make("PUT", "regions/" + region, "region", id="other")[0] == 400 and make("PUT", "regions/" + region, "region", id=region)[0] == 201
    assert make("PATCH", "regions/" + region, "region", parent_region_id=none)[0] == 404
    assert make("PATCH", "regions/" + region, "region", parent_region_id="RegionOne")[0] == 200


def test_lists_name_themselves_as_they_were_asked_for(stack):
    person = stack.person()
    for path in (f"/v3/users/{person.user_id}/application_credentials?name=a%20b", f"/v3/OS-TRUST/trusts?trustor_user_id={person.user_id}", "/v3/auth/projects"):
        links = stack.call("GET", "identity", path, token=person.token)["links"]
        assert links == {"self": stack.url("identity") + path, "previous": None, "next": None}


@pytest.fixture
def robot(stack):
    """(a token that expires in a moment, what it was made by)"""
    person = stack.person()
    ends = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=2)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    path = f"/v3/users/{person.user_id}/application_credentials"
    made = stack.call("POST", "identity", path, {"application_credential": {"name": "robot", "expires_at": ends}}, person.token)["application_credential"]
    auth = {"identity": {"methods": ["application_credential"], "application_credential": {"id": made["id"], "secret": made["secret"]}}}
    return stack.request("POST", "identity", "/v3/auth/tokens", {"auth": auth})[1]["X-Subject-Token"], f"{path}/{made['id']}", person


def test_services_may_ask_about_a_token_that_has_just_expired(stack, robot):
    text, path, person = robot

    def show(query, method="GET", token=None):
        return stack.request(method, "identity", "/v3/auth/tokens" + query, token=token or stack.service_token(), headers={"X-Subject-Token": text})
    until = time.time() + 10
    before = show("?allow_expired=1")
    assert before[0] == 200
    while show("")[0] == 200:
        assert time.time() < until
        time.sleep(0.1)
    assert show("")[0] == 404 and show("?allow_expired=0")[0] == 404 and show("?allow_expired=")[0] == 404
    for query in ("?allow_expired=1", "?allow_expired=True"):
        assert show(query)[2]["token"]["expires_at"] == before[2]["token"]["expires_at"] and show(query, "HEAD")[0] == 200
    assert stack.request("GET", "identity", "/v3/auth/projects?allow_expired=1", token=text)[0] == 401  # it is no token any more
    assert show("?allow_expired=1", token=stack.person().token)[0] == 403
    stack.call("DELETE", "identity", path, token=person.token)
    assert show("?allow_expired=1")[0] == 404
    stack.restart("identity", {"token": {"allow_expired_window": 0}})
    try:
        assert show("?allow_expired=1")[0] == 404
    finally:
        stack.restart("identity", {})
