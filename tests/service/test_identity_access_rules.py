# SPDX-License-Identifier: Apache-2.0
"""Application credentials with access rules: every service lets through what a rule names and nothing else, for an unmodified client."""

import base64
import json
import uuid

import openstack
import pytest
from keystoneauth1 import exceptions, session
from keystoneauth1.identity import v3

from tests.lib.compute import NO_OVN

SERVICES = ["identity", "image", "network", "compute", "billing"]
SETTINGS = NO_OVN
RULES = [
    {"service": "compute", "method": "GET", "path": "/v2.1/flavors**"},
    {"service": "network", "method": "GET", "path": "/v2.0/networks"},
    {"service": "network", "method": "GET", "path": "/v2.0/networks/{id}"},
    {"service": "image", "method": "GET", "path": "/v2/images"},
    {"service": "image", "method": "POST", "path": "/v2/images"},
    {"service": "rating", "method": "GET", "path": "/v1/rating/*"},
    {"service": "identity", "method": "GET", "path": "/v3/users/*"},
]


@pytest.fixture(scope="module")
def person(stack):
    return stack.person()


def make(stack, person, token=None, **fields):
    path = f"/v3/users/{person.user_id}/application_credentials"
    status, _, body = stack.request("POST", "identity", path, {"application_credential": {"name": uuid.uuid4().hex, **fields}}, token or person.token)
    return status, body.get("application_credential", body)


def login(stack, made):
    method = {"id": made["id"], "secret": made["secret"]}
    auth = {"auth": {"identity": {"methods": ["application_credential"], "application_credential": method}}}
    status, headers, body = stack.request("POST", "identity", "/v3/auth/tokens", auth)
    assert status == 201, body
    return headers["X-Subject-Token"], body["token"]


@pytest.fixture(scope="module")
def made(stack, person):
    status, made = make(stack, person, access_rules=RULES)
    assert status == 201
    return made


def test_openstacksdk_reaches_what_the_rules_name(stack, person, made):
    auth = v3.ApplicationCredential(stack.url("identity") + "/v3", application_credential_id=made["id"], application_credential_secret=made["secret"])
    cloud = openstack.connection.Connection(session=session.Session(auth), region_name="RegionOne")
    assert list(cloud.compute.flavors()) is not None
    assert list(cloud.network.networks()) is not None and list(cloud.image.images()) is not None
    assert cloud.identity.get_user(person.user_id).name == person.user
    for refused in (lambda: list(cloud.compute.servers()), lambda: cloud.network.create_network(name="n"), lambda: list(cloud.network.subnets()),
                    lambda: list(cloud.identity.user_projects(person.user_id)), lambda: cloud.image.add_member("x", member_id="y")):
        with pytest.raises((openstack.exceptions.HttpException, exceptions.HttpError)) as caught:
            refused()
        assert getattr(caught.value, "status_code", None) == 401 or caught.value.http_status == 401


@pytest.mark.parametrize("service,method,path,status", [
    ("compute", "GET", "/v2.1/flavors", 200), ("compute", "GET", "/v2.1/flavors/detail", 200), ("compute", "GET", "/v2.1/flavor", 404),
    ("compute", "GET", "/v2.1/servers", 401), ("compute", "DELETE", "/v2.1/flavors/x", 401), ("compute", "HEAD", "/v2.1/flavors", 401),
    ("network", "GET", "/v2.0/networks", 200), ("network", "GET", "/v2.0/networks/none", 404), ("network", "POST", "/v2.0/networks", 401),
    ("network", "GET", "/v2.0/networks.json", 401), ("network", "GET", "/v2.0//networks", 401), ("network", "GET", "/v2.0/networks/%2e%2e", 404),
    ("image", "GET", "/v2/images", 200), ("image", "POST", "/v2/images", 201), ("image", "GET", "/v2/schemas/image", 401),
    ("billing", "GET", "/v1/rating/modules", 200), ("billing", "GET", "/v1/rating/modules/haneul", 401), ("billing", "GET", "/v2/summary", 401),
    ("identity", "GET", "/v3/users/none", 403), ("identity", "GET", "/v3/auth/tokens", 200), ("identity", "GET", "/v3/auth/projects", 401),
    ("identity", "DELETE", "/v3/auth/tokens", 401), ("identity", "GET", "/v3", 200),
])
def test_each_service(stack, made, service, method, path, status):
    token, _ = login(stack, made)
    body = {"name": "i"} if (service, method) == ("image", "POST") else None
    headers = {"X-Subject-Token": token, "OpenStack-Identity-Access-Rules": "1.0"} if "auth/tokens" in path else None
    got, _, answer = stack.request(method, service, path, body, token=token, headers=headers)
    assert got == status, answer


def test_tokens_show_the_credential_and_carry_its_rules(stack, person, made):
    text, token = login(stack, made)
    shown = token["application_credential"]
    assert shown["id"] == made["id"] and shown["name"] == made["name"] and shown["restricted"] is True
    rules = [{k: rule[k] for k in ("service", "method", "path")} for rule in shown["access_rules"]]
    assert sorted(rules, key=str) == sorted(RULES, key=str) and all(rule["id"] for rule in shown["access_rules"])
    claims = json.loads(base64.urlsafe_b64decode(text.split(".")[1] + "=="))
    assert len(claims["rules"]) == len(RULES)
    admin = stack.admin_token()
    old = stack.request("GET", "identity", "/v3/auth/tokens", token=admin, headers={"X-Subject-Token": text})
    assert old[0] == 404  # a service that does not say it knows rules must not accept the token
    new = stack.request("GET", "identity", "/v3/auth/tokens", token=admin, headers={"X-Subject-Token": text, "OpenStack-Identity-Access-Rules": "1.0"})
    assert new[0] == 200 and new[2]["token"]["application_credential"] == shown


def test_a_rule_in_use_stays_and_may_be_used_again(stack, person, made):
    rules = f"/v3/users/{person.user_id}/access_rules"
    listed = stack.call("GET", "identity", rules, token=person.token)["access_rules"]
    chosen = next(rule for rule in listed if rule["service"] == "image")
    assert stack.request("DELETE", "identity", f"{rules}/{chosen['id']}", token=person.token)[0] == 403
    status, second = make(stack, person, access_rules=[{"id": chosen["id"]}])
    assert status == 201 and second["access_rules"][0]["id"] == chosen["id"]
    assert make(stack, person, access_rules=[{"id": "none"}])[0] == 404
    assert stack.request("DELETE", "identity", f"/v3/users/{person.user_id}/application_credentials/{second['id']}", token=person.token)[0] == 204
    assert len(stack.call("GET", "identity", rules, token=person.token)["access_rules"]) == len(RULES)
    for name, value in (("service", "image"), ("path", "/v2/images"), ("method", "POST")):
        assert {rule["id"] for rule in stack.call("GET", "identity", f"{rules}?{name}={value}", token=person.token)["access_rules"]} == {
            rule["id"] for rule in listed if rule[name] == value}


@pytest.mark.parametrize("rule", [{"service": "compute", "method": "GET", "path": "no-slash"}, {"service": "compute", "method": "TRACE", "path": "/"},
                                  {"service": "compute", "method": "GET"}, {"method": "GET", "path": "/"}, {"service": "x", "method": "GET", "path": "/" + "a" * 225}, "x"])
def test_bad_rules(stack, person, rule):
    assert make(stack, person, access_rules=[rule])[0] == 400


def test_rules_fit_into_a_token(stack, person):
    long = [{"service": "compute", "method": "GET", "path": f"/{i}" + "a" * 200} for i in range(30)]
    assert make(stack, person, access_rules=long)[0] == 400
    assert make(stack, person, access_rules=[{"service": "compute", "method": "GET", "path": f"/{i}"} for i in range(65)])[0] == 400
    status, made = make(stack, person, access_rules=long[:15])
    token, _ = login(stack, made)
    assert status == 201 and stack.request("GET", "compute", "/v2.1/flavors", token=token)[0] == 401


def test_restricted_and_delegated_tokens_make_nothing_that_acts_for_the_user(stack, person):
    users = f"/v3/users/{person.user_id}"
    restricted, _ = login(stack, make(stack, person)[1])
    free, shown = login(stack, make(stack, person, unrestricted=True)[1])
    assert shown["application_credential"]["restricted"] is False and "access_rules" not in shown["application_credential"]
    trust = {"trust": {"trustor_user_id": person.user_id, "trustee_user_id": person.user_id, "project_id": person.project_id,
                       "impersonation": False, "roles": [{"name": "member"}]}}
    for token in (restricted, free):
        assert stack.request("POST", "identity", "/v3/OS-TRUST/trusts", trust, token=token)[0] == 403
        assert stack.request("GET", "identity", f"/v3/OS-TRUST/trusts?trustor_user_id={person.user_id}", token=token)[0] == 403
        assert stack.request("POST", "identity", "/v3/credentials", {"credential": {"type": "cert", "blob": "x", "user_id": person.user_id}}, token=token)[0] == 403
        assert stack.request("GET", "identity", "/v3/credentials", token=token)[0] == 403
        assert stack.request("POST", "identity", users + "/credentials/OS-EC2", {"tenant_id": person.project_id}, token=token)[0] == 403
    assert make(stack, person, restricted)[0] == 403 and make(stack, person, free)[0] == 201
    assert stack.request("GET", "identity", users + "/application_credentials", token=restricted)[0] == 200
