# SPDX-License-Identifier: Apache-2.0
"""Receipts of several methods: what a provider said, and what a token may do, are not lost and not gained by the way over a receipt."""

import base64
import hashlib
import hmac
import struct
import time
import uuid

import pytest

from tests.lib import oidc

SERVICES = ["identity"]
SETTINGS = {"identity": {"federation": {"audiences": "cloud", "may_http": "true"}}}
SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"


class Place:
    def __init__(self, stack, issuer):
        self.stack, self.token, self.id = stack, stack.admin_token(), "p-" + uuid.uuid4().hex[:8]
        self.domain = self.make("domains", "domain", name=self.id)["id"]
        self.group = self.make("groups", "group", name="crew", domain_id=self.domain)["id"]
        self.project = self.make("projects", "project", name="site", domain_id=self.domain)["id"]
        role = self.call("GET", "roles?name=member")["roles"][0]["id"]
        self.call("PUT", f"projects/{self.project}/groups/{self.group}/roles/{role}")
        rules = [{"local": [{"user": {"name": "{0}"}, "groups": "{1}", "domain": {"id": self.domain}}], "remote": [{"type": "OIDC-sub"}, {"type": "OIDC-groups"}]}]
        self.call("PUT", f"OS-FEDERATION/mappings/{self.id}", {"mapping": {"rules": rules}})
        self.path = f"OS-FEDERATION/identity_providers/{self.id}"
        self.call("PUT", self.path, {"identity_provider": {"enabled": True, "remote_ids": [issuer.url], "domain_id": self.domain}})
        self.call("PUT", self.path + "/protocols/openid", {"protocol": {"mapping_id": self.id}})
        self.issuer = issuer

    def call(self, method, path, body=None):
        return self.stack.call(method, "identity", "/v3/" + path, body, self.token)

    def make(self, plural, singular, **fields):
        return self.call("POST", plural, {singular: fields})[singular]

    def sign_in(self, name):
        token = self.issuer.sign({"sub": name, "groups": ["crew"]})
        return self.stack.request("POST", "identity", f"/v3/{self.path}/protocols/openid/auth", headers={"Authorization": "Bearer " + token})

    def want(self, user_id, *rules):
        self.call("PATCH", f"users/{user_id}", {"user": {"options": {"multi_factor_auth_enabled": True, "multi_factor_auth_rules": list(rules)}}})
        self.make("credentials", "credential", type="totp", blob=SECRET, user_id=user_id)


@pytest.fixture
def place(stack):
    with oidc.Issuer() as issuer:
        yield Place(stack, issuer)


def passcode(step):
    mac = hmac.new(base64.b32decode(SECRET), struct.pack(">Q", step), hashlib.sha1).digest()
    return f"{(struct.unpack('>I', mac[mac[-1] & 15:][:4])[0] & 0x7fffffff) % 1000000:06d}"


def go_on(stack, user_id, receipt, step, scope=None, **more):
    auth = {"identity": {"methods": ["totp", *more], "totp": {"user": {"id": user_id, "passcode": passcode(step)}}, **more}}
    auth.update({"scope": {"project": {"id": scope}}} if scope else {})
    return stack.request("POST", "identity", "/v3/auth/tokens", {"auth": auth}, headers={"Openstack-Auth-Receipt": receipt})


def now_step():
    while time.time() % 30 > 25:
        time.sleep(0.1)
    return int(time.time()) // 30


def test_groups_of_a_sign_in_are_there_after_the_second_step(stack, place):
    user = place.sign_in("mia")[2]["token"]["user"]
    place.want(user["id"], ["mapped", "totp"])
    status, headers, body = place.sign_in("mia")
    receipt, step = headers["Openstack-Auth-Receipt"], now_step()
    assert status == 401 and body["receipt"]["methods"] == ["mapped"] and "X-Subject-Token" not in headers
    status, headers, body = go_on(stack, user["id"], receipt, step - 1, place.project)
    assert status == 201 and sorted(body["token"]["methods"]) == ["mapped", "totp"]
    assert body["token"]["user"] == user and user["OS-FEDERATION"]["groups"] == [{"id": place.group}]
    assert "member" in [role["name"] for role in body["token"]["roles"]] and body["token"]["project"]["id"] == place.project
    token = headers["X-Subject-Token"]
    assert [p["id"] for p in stack.call("GET", "identity", "/v3/auth/projects", token=token)["projects"]] == [place.project]
    status, headers, _ = place.sign_in("mia")
    place.call("PATCH", place.path, {"identity_provider": {"enabled": False}})
    assert go_on(stack, user["id"], headers["Openstack-Auth-Receipt"], step)[0] == 401
    assert stack.request("GET", "identity", "/v3/auth/projects", token=token)[0] == 401


def by_token(stack, token):
    return stack.request("POST", "identity", "/v3/auth/tokens", {"auth": {"identity": {"methods": ["token"], "token": {"id": token}}, "scope": "unscoped"}})


def test_a_token_gains_no_time_by_a_receipt_and_ends_with_it(stack, place):
    status, headers, body = place.sign_in("max")
    first, token, user_id = headers["X-Subject-Token"], body["token"], body["token"]["user"]["id"]
    place.want(user_id, ["token", "totp"])
    status, headers, _ = by_token(stack, first)
    receipt, step = headers["Openstack-Auth-Receipt"], now_step()
    assert status == 401
    status, headers, body = go_on(stack, user_id, receipt, step - 1, place.project)
    assert status == 201 and set(body["token"]["methods"]) == {"mapped", "token", "totp"} and body["token"]["user"] == token["user"]
    assert body["token"]["expires_at"] == token["expires_at"] and body["token"]["audit_ids"][1] == token["audit_ids"][0]
    stack.call("DELETE", "identity", "/v3/auth/tokens", token=first, headers={"X-Subject-Token": first})
    assert go_on(stack, user_id, receipt, step)[0] == 401
