# SPDX-License-Identifier: Apache-2.0
"""OAuth 1.0a by unmodified clients: keystoneclient for the three steps, keystoneauth1's plugin to log in."""

import time

import pytest
from keystoneauth1 import exceptions, session
from keystoneauth1.extras import oauth1 as plugin
from keystoneauth1.identity import v3
from keystoneclient.v3 import client as keystoneclient
from oauthlib import oauth1

SERVICES = ["identity"]


@pytest.fixture(scope="module")
def admin(stack):
    auth = v3.Password(stack.url("identity") + "/v3", username="admin", password=stack.cloud.secret("admin"), user_domain_id="default",
                       project_name="admin", project_domain_id="default")
    client = keystoneclient.Client(session=session.Session(auth=auth), interface="public")
    access = auth.get_access(client.session)
    client.own = (access.user_id, access.project_id)
    client.member = client.roles.list(name="member")[0].id
    return client


@pytest.fixture
def consumer(admin):
    return admin.oauth1.consumers.create(description="a program")


def authorize(admin, consumer, roles=None):
    asked = admin.oauth1.request_tokens.create(consumer.id, consumer.secret, admin.own[1])
    verifier = admin.oauth1.request_tokens.authorize(asked.key, roles or [admin.member]).oauth_verifier
    return asked, verifier


@pytest.fixture
def access(admin, consumer):
    asked, verifier = authorize(admin, consumer)
    return admin.oauth1.access_tokens.create(consumer.id, consumer.secret, asked.key, asked.secret, verifier)


def log_in(stack, consumer, access, **changed):
    keys = {"consumer_key": consumer.id, "consumer_secret": consumer.secret, "access_key": access.key, "access_secret": access.secret, **changed}
    return session.Session().get_token(auth=plugin.V3OAuth1(stack.url("identity") + "/v3", **keys))


def show(stack, token):
    return stack.call("GET", "identity", "/v3/auth/tokens", token=token, headers={"X-Subject-Token": token})["token"]


def works(stack, token):
    return stack.request("GET", "identity", "/v3/auth/projects", token=token)[0] == 200


def test_a_consumer_acts_with_the_roles_it_was_given(stack, admin, consumer, access):
    token = log_in(stack, consumer, access)
    shown = show(stack, token)
    assert (shown["user"]["id"], shown["project"]["id"]) == admin.own and shown["methods"] == ["oauth1"]
    assert shown["OS-OAUTH1"] == {"access_token_id": access.key, "consumer_id": consumer.id}
    assert [role["name"] for role in shown["roles"]] == ["member", "reader"]
    assert stack.request("GET", "identity", "/v3/users", token=token)[0] == 403
    for path in ("/v3/credentials", f"/v3/users/{admin.own[0]}/OS-OAUTH1/access_tokens"):
        assert stack.request("GET", "identity", path, token=token)[0] == 403
    auth = {"identity": {"methods": ["token"], "token": {"id": token}}}
    assert stack.request("POST", "identity", "/v3/auth/tokens", {"auth": auth})[0] == 403


def test_wrong_signatures_are_401(stack, admin, consumer, access):
    other = admin.oauth1.consumers.create(description="another")
    for wrong in ({"consumer_secret": "x"}, {"access_secret": "x"}, {"access_key": "0" * 32}, {"consumer_key": other.id, "consumer_secret": other.secret}):
        with pytest.raises(exceptions.Unauthorized):
            log_in(stack, consumer, access, **wrong)
    url = stack.url("identity") + "/v3/auth/tokens"

    def post(headers):
        return stack.request("POST", "identity", "/v3/auth/tokens", {"auth": {"identity": {"methods": ["oauth1"], "oauth1": {}}}}, headers=headers)[0]
    signer = oauth1.Client(consumer.id, consumer.secret, access.key, access.secret, timestamp=str(int(time.time()) - 700))
    assert post(signer.sign(url, "POST")[1]) == 401
    plain = oauth1.Client(consumer.id, consumer.secret, access.key, access.secret, signature_method=oauth1.SIGNATURE_PLAINTEXT)
    assert post(plain.sign(url, "POST")[1]) == 201  # as Keystone: RFC 5849 leaves its privacy to TLS
    wrong = oauth1.Client(consumer.id, consumer.secret, access.key, access.secret + "x", signature_method=oauth1.SIGNATURE_PLAINTEXT)
    assert post(wrong.sign(url, "POST")[1]) == 401
    signed = oauth1.Client(consumer.id, consumer.secret, access.key, access.secret).sign(url, "POST")[1]
    assert post(signed) == 201 and post(signed) == 401, "a signed request counts once"
    assert post({}) == 400 and post({"Authorization": "OAuth x"}) == 400


def test_tokens_end_with_the_access_token_and_with_the_consumer(stack, admin, consumer, access):
    path, token = f"/v3/users/{admin.own[0]}/OS-OAUTH1/access_tokens", log_in(stack, consumer, access)
    bystander = stack.admin_token()
    [item] = [each for each in stack.call("GET", "identity", path, token=bystander)["access_tokens"] if each["id"] == access.key]
    assert item["consumer_id"] == consumer.id and item["authorizing_user_id"] == admin.own[0] and item["project_id"] == admin.own[1]
    assert item["links"]["self"].endswith(f"{path}/{access.key}") and item["expires_at"]
    assert stack.call("GET", "identity", f"{path}/{access.key}", token=bystander)["access_token"] == item
    [role] = stack.call("GET", "identity", f"{path}/{access.key}/roles", token=bystander)["roles"]
    assert role["id"] == admin.member
    assert stack.call("GET", "identity", f"{path}/{access.key}/roles/{admin.member}", token=bystander)["role"] == role
    assert stack.request("GET", "identity", f"{path}/{access.key}/roles/none", token=bystander)[0] == 404
    assert stack.request("DELETE", "identity", f"{path}/{access.key}", token=stack.person().token)[0] == 403
    assert works(stack, token)
    assert stack.request("DELETE", "identity", f"{path}/{access.key}", token=bystander)[0] == 204
    assert not works(stack, token) and works(stack, bystander)
    assert stack.request("GET", "identity", f"{path}/{access.key}", token=bystander)[0] == 404
    with pytest.raises(exceptions.Unauthorized):
        log_in(stack, consumer, access)
    asked, verifier = authorize(admin, consumer)
    token = log_in(stack, consumer, admin.oauth1.access_tokens.create(consumer.id, consumer.secret, asked.key, asked.secret, verifier))
    admin.oauth1.consumers.delete(consumer.id)
    assert not works(stack, token)


def test_a_request_token_is_exchanged_once_by_its_own_consumer_with_its_verifier(stack, admin, consumer):
    asked, verifier = authorize(admin, consumer)
    other = admin.oauth1.consumers.create(description="another")
    for args in ((consumer.id, consumer.secret, asked.key, asked.secret, "abcdefgh"), (consumer.id, consumer.secret, asked.key, "x", verifier),
                 (other.id, other.secret, asked.key, asked.secret, verifier)):
        with pytest.raises(exceptions.Unauthorized):
            admin.oauth1.access_tokens.create(*args)
    assert admin.oauth1.access_tokens.create(consumer.id, consumer.secret, asked.key, asked.secret, verifier)
    with pytest.raises(exceptions.NotFound):
        admin.oauth1.access_tokens.create(consumer.id, consumer.secret, asked.key, asked.secret, verifier)
    fresh = admin.oauth1.request_tokens.create(consumer.id, consumer.secret, admin.own[1])
    with pytest.raises(exceptions.Unauthorized):  # nobody authorized it
        admin.oauth1.access_tokens.create(consumer.id, consumer.secret, fresh.key, fresh.secret, "abcdefgh")


def test_request_tokens_need_a_consumer_a_project_and_roles_that_are_held(stack, admin, consumer):
    with pytest.raises(exceptions.Unauthorized):
        admin.oauth1.request_tokens.create(consumer.id, "wrong", admin.own[1])
    for args in (("0" * 32, "x", admin.own[1]), (consumer.id, consumer.secret, "0" * 32)):
        with pytest.raises(exceptions.NotFound):
            admin.oauth1.request_tokens.create(*args)
    asked = admin.oauth1.request_tokens.create(consumer.id, consumer.secret, admin.own[1])
    service = admin.roles.list(name="service")[0].id
    with pytest.raises(exceptions.Unauthorized):
        admin.oauth1.request_tokens.authorize(asked.key, [service])
    body = {"roles": [{"id": admin.member}]}
    assert stack.request("PUT", "identity", f"/v3/OS-OAUTH1/authorize/{asked.key}", body, token=stack.person().token)[0] == 403
    assert stack.request("PUT", "identity", f"/v3/OS-OAUTH1/authorize/{asked.key}", {"roles": []}, token=stack.admin_token())[0] == 400
    stack.sql("identity", "UPDATE oauth1_request_token SET expires_at = now() WHERE id = %s", asked.key)
    assert stack.request("PUT", "identity", f"/v3/OS-OAUTH1/authorize/{asked.key}", body, token=stack.admin_token())[0] == 401


def test_no_secret_of_oauth_is_in_the_database(stack, admin, consumer, access):
    for table in ("consumer", "oauth1_access_token", "oauth1_request_token"):
        text = str(stack.sql("identity", f"SELECT to_jsonb(r)::text AS text FROM {table} r"))
        assert consumer.secret not in text and access.secret not in text
