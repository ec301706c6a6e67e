# SPDX-License-Identifier: Apache-2.0
"""A delegate (trust, application credential, EC2 key) gains nothing beyond what was delegated."""

import base64
import hashlib
import hmac
import uuid
from urllib.parse import quote

import pytest

SERVICES = ["identity"]
SETTINGS = {"identity": {"password": {"rounds": 10}}}


@pytest.fixture(scope="module")
def roles(stack):
    return {r["name"]: r["id"] for r in stack.call("GET", "identity", "/v3/roles", token=stack.admin_token())["roles"]}


def sign_in(stack, method, scope=None):
    [name] = method
    auth = {"identity": {"methods": [name], **method}} | ({"scope": scope} if scope else {})
    status, headers, body = stack.request("POST", "identity", "/v3/auth/tokens", {"auth": auth})
    assert status == 201, body
    return headers["X-Subject-Token"]


def trust(stack, token, **fields):
    return stack.request("POST", "identity", "/v3/OS-TRUST/trusts", {"trust": {"impersonation": True, **fields}}, token)


@pytest.fixture(scope="module")
def trusted(stack, roles):
    """A trustor with two projects, and the token of one whom it trusts in the first."""
    giver, taker = stack.person(), stack.person()
    other = stack.person().project_id
    stack.call("PUT", "identity", f"/v3/projects/{other}/users/{giver.user_id}/roles/{roles['member']}", token=stack.admin_token())
    status, _, body = trust(stack, giver.token, trustor_user_id=giver.user_id, trustee_user_id=taker.user_id, project_id=giver.project_id,
                            roles=[{"id": roles["member"]}], allow_redelegation=True)
    assert status == 201, body
    token = sign_in(stack, {"token": {"id": taker.token}}, {"OS-TRUST:trust": {"id": body["trust"]["id"]}})
    return giver, taker, other, token


def test_a_trust_is_passed_on_for_its_own_project_only(stack, roles, trusted):
    giver, _, other, token = trusted
    third = stack.person()
    ask = {"trustor_user_id": giver.user_id, "trustee_user_id": third.user_id, "roles": [{"id": roles["member"]}]}
    status, _, body = trust(stack, token, project_id=other, **ask)
    assert status == 403 and "project" in body["error"]["message"]
    assert trust(stack, token, project_id=giver.project_id, **ask)[0] == 201


def test_a_token_of_a_trust_takes_no_application_credential_away(stack, trusted):
    giver, _, _, token = trusted
    path = f"/v3/users/{giver.user_id}/application_credentials"
    made = stack.call("POST", "identity", path, {"application_credential": {"name": "mine", "access_rules": [
        {"service": "identity", "method": "GET", "path": "/v3/users"}]}}, giver.token)["application_credential"]
    assert stack.request("DELETE", "identity", f"{path}/{made['id']}", token=token)[0] == 403
    assert stack.request("DELETE", "identity", f"/v3/users/{giver.user_id}/access_rules/{made['access_rules'][0]['id']}", token=token)[0] == 403
    assert stack.request("GET", "identity", f"{path}/{made['id']}", token=giver.token)[0] == 200


def test_an_unrestricted_application_credential_gives_no_role_that_it_has_not(stack, roles):
    person = stack.person()
    path = f"/v3/users/{person.user_id}/application_credentials"

    def make(token, name, role):
        return stack.request("POST", "identity", path, {"application_credential": {
            "name": name, "unrestricted": True, "roles": [{"name": role}]}}, token)

    made = make(person.token, "reads", "reader")[2]["application_credential"]
    token = sign_in(stack, {"application_credential": {"id": made["id"], "secret": made["secret"]}})
    status, _, body = make(token, "grows", "member")
    assert status == 400 and "'roles'" in body["error"]["message"]
    assert make(token, "reads-too", "reader")[0] == 201


def test_attributes_that_an_application_credential_has_not_say_nothing(stack):
    person = stack.person()
    given = {"name": "given", "project_id": "x", "id": "y", "user_id": "z", "odd": [1]}
    body = stack.call("POST", "identity", f"/v3/users/{person.user_id}/application_credentials", {"application_credential": given}, person.token)
    made = body["application_credential"]
    assert made["project_id"] == person.project_id and made["id"] != "y" and "odd" not in made


def ec2_token(stack, key):
    params = {"AWSAccessKeyId": key["access"], "SignatureMethod": "HmacSHA256", "SignatureVersion": "2"}
    text = "GET\nhost\n/\n" + "&".join(f"{k}={quote(v)}" for k, v in sorted(params.items()))
    signature = base64.b64encode(hmac.new(key["secret"].encode(), text.encode(), hashlib.sha256).digest()).decode()
    status, headers, body = stack.request("POST", "identity", "/v3/ec2tokens", {"credentials": {
        "access": key["access"], "host": "host", "verb": "GET", "path": "/", "params": params, "signature": signature}}, stack.service_token())
    assert status == 200, body
    return headers["X-Subject-Token"]


def test_an_ec2_key_does_not_act_for_the_account(stack):
    person = stack.person()
    key = stack.call("POST", "identity", f"/v3/users/{person.user_id}/credentials/OS-EC2", {"tenant_id": person.project_id}, person.token)["credential"]
    token = ec2_token(stack, key)
    for method, path, body in (("GET", "/accounts/v1/account", None), ("POST", "/accounts/v1/projects", {"name": uuid.uuid4().hex}),
                               ("POST", f"/accounts/v1/projects/{person.project_id}/invitations", {"email": "a@example.org"})):
        assert stack.request(method, "identity", path, body, token)[0] == 403


def test_an_attribute_that_is_named_like_a_policys_target_is_none(stack, roles):
    admin, name = stack.admin_token(), uuid.uuid4().hex
    own, other = (stack.call("POST", "identity", "/v3/domains", {"domain": {"name": uuid.uuid4().hex}}, admin)["domain"]["id"] for _ in range(2))
    manager = stack.call("POST", "identity", "/v3/users", {"user": {"name": name, "domain_id": own, "password": name}}, admin)["user"]["id"]
    stack.call("PUT", "identity", f"/v3/domains/{own}/users/{manager}/roles/{roles['manager']}", token=admin)
    token = sign_in(stack, {"password": {"user": {"id": manager, "password": name}}}, {"domain": {"id": own}})
    for kind in ("user", "group", "project"):
        for lie in ({f"target.{kind}.domain_id": own}, {"target": {kind: {"domain_id": own}}}, {f"{kind}.domain_id": own}, {f"target.{kind}": {"domain_id": own}}):
            ask = {kind: {"name": uuid.uuid4().hex, "domain_id": other, **lie}}
            assert stack.request("POST", "identity", f"/v3/{kind}s", ask, token)[0] == 403
            made = stack.call("POST", "identity", f"/v3/{kind}s", ask, admin)[kind]["id"]
            for method, body in (("GET", None), ("PATCH", {kind: {"description": "mine", **lie}}), ("DELETE", None)):
                assert stack.request(method, "identity", f"/v3/{kind}s/{made}", body, token)[0] == 403, (method, lie)
        assert stack.request("POST", "identity", f"/v3/{kind}s", {kind: {"name": uuid.uuid4().hex, "domain_id": own}}, token)[0] == 201
