# SPDX-License-Identifier: Apache-2.0
"""Trusts: what they allow, and when they end."""

import time
import uuid
from datetime import datetime, timedelta, timezone

import pytest

SERVICES = ["identity"]


class World:
    """A trustor with roles member and one of its own on a project, and a trustee with none."""

    def __init__(self, stack):
        self.stack, self.admin = stack, stack.admin_token()
        self.trustor, self.trustee = stack.person(), stack.person()
        self.role = self.make("roles", "role", name="r-" + uuid.uuid4().hex[:8])
        self.grant = f"/v3/projects/{self.trustor.project_id}/users/{self.trustor.user_id}/roles/{self.role['id']}"
        assert self.call("PUT", self.grant)[0] == 204
        self.trustor.token = stack.token(self.trustor.user, self.trustor.password, self.trustor.project)

    def call(self, method, path, body=None, token=None):
        return self.stack.request(method, "identity", path, body, token=token or self.admin)

    def make(self, plural, singular, **fields):
        status, _, body = self.call("POST", f"/v3/{plural}", {singular: fields})
        assert status == 201, body
        return body[singular]

    def trust(self, token=None, **fields):
        body = {"trustor_user_id": self.trustor.user_id, "trustee_user_id": self.trustee.user_id, "project_id": self.trustor.project_id,
                "impersonation": True, "roles": [{"name": self.role["name"]}], **fields}
        status, _, body = self.call("POST", "/v3/OS-TRUST/trusts", {"trust": body}, token or self.trustor.token)
        return status, body.get("trust", body)

    def login(self, trust, person=None):
        person = person or self.trustee
        user = {"id": person.user_id, "password": person.password}
        auth = {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": {"OS-TRUST:trust": {"id": trust["id"]}}}
        status, headers, body = self.stack.request("POST", "identity", "/v3/auth/tokens", {"auth": auth})
        return status, headers.get("X-Subject-Token"), body.get("token")

    def is_valid(self, token):
        status, _, _ = self.stack.request("GET", "identity", "/v3/auth/tokens", token=self.admin, headers={"X-Subject-Token": token})
        return status == 200


@pytest.fixture
def world(stack):
    return World(stack)


def later(**delta):
    return (datetime.now(timezone.utc) + timedelta(**delta)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@pytest.mark.parametrize("impersonation", [True, False])
def test_token(world, impersonation):
    status, trust = world.trust(impersonation=impersonation)
    assert status == 201 and [r["id"] for r in trust["roles"]] == [world.role["id"]] and trust["expires_at"] is None
    status, text, token = world.login(trust)
    assert status == 201
    assert token["OS-TRUST:trust"] == {"id": trust["id"], "impersonation": impersonation,
                                       "trustor_user": {"id": world.trustor.user_id}, "trustee_user": {"id": world.trustee.user_id}}
    assert token["user"]["id"] == (world.trustor if impersonation else world.trustee).user_id
    assert token["project"]["id"] == world.trustor.project_id and [r["id"] for r in token["roles"]] == [world.role["id"]]
    shown = world.stack.request("GET", "identity", "/v3/auth/tokens", token=world.admin, headers={"X-Subject-Token": text})[2]["token"]
    assert shown["OS-TRUST:trust"] == token["OS-TRUST:trust"]


def test_token_does_not_grow(world):
    _, text, _ = world.login(world.trust()[1])
    auth = {"identity": {"methods": ["token"], "token": {"id": text}}, "scope": {"project": {"id": world.trustor.project_id}}}
    assert world.call("POST", "/v3/auth/tokens", {"auth": auth})[0] == 403
    users = f"/v3/users/{world.trustor.user_id}"
    assert world.call("POST", users + "/application_credentials", {"application_credential": {"name": "x"}}, text)[0] == 403
    assert world.call("POST", users + "/credentials/OS-EC2", {"tenant_id": world.trustor.project_id}, text)[0] == 403
    assert world.call("POST", "/v3/credentials", {"credential": {"type": "cert", "blob": ""}}, text)[0] == 403


def test_only_the_trustee(world):
    _, trust = world.trust()
    assert world.login(trust, world.trustor)[0] == 403
    assert world.login({"id": uuid.uuid4().hex})[0] == 401


def test_who_may_see_and_delete(world):
    _, trust = world.trust()
    path, other = f"/v3/OS-TRUST/trusts/{trust['id']}", world.stack.person()
    assert world.call("GET", path, token=world.trustee.token)[0] == 200
    assert world.call("GET", path, token=other.token)[0] == 403
    assert world.call("GET", "/v3/OS-TRUST/trusts", token=other.token)[0] == 403
    mine = world.call("GET", f"/v3/OS-TRUST/trusts?trustee_user_id={world.trustee.user_id}", token=world.trustee.token)[2]["trusts"]
    assert [t["id"] for t in mine] == [trust["id"]] and "roles" not in mine[0]
    assert trust["id"] in [t["id"] for t in world.call("GET", "/v3/OS-TRUST/trusts")[2]["trusts"]]
    role = f"{path}/roles/{world.role['id']}"
    assert world.call("HEAD", role, token=world.trustee.token)[0] == 200
    assert world.call("GET", f"{path}/roles/{uuid.uuid4().hex}")[0] == 404
    assert world.call("DELETE", path, token=world.trustee.token)[0] == 403
    _, text, _ = world.login(trust)
    assert world.is_valid(text)
    assert world.call("DELETE", path, token=world.trustor.token)[0] == 204
    assert not world.is_valid(text) and world.login(trust)[0] == 401 and world.call("GET", path)[0] == 404


@pytest.mark.parametrize("impersonation", [True, False])
@pytest.mark.parametrize("end", ["role", "trustor", "trustee", "gone"])
def test_what_ends_it(world, impersonation, end):
    _, trust = world.trust(impersonation=impersonation)
    _, text, _ = world.login(trust)
    users = {"trustor": world.trustor, "trustee": world.trustee}
    if end == "role":
        assert world.call("DELETE", world.grant)[0] == 204
    elif end == "gone":
        assert world.call("DELETE", f"/v3/users/{world.trustor.user_id}")[0] == 204
    else:
        assert world.call("PATCH", f"/v3/users/{users[end].user_id}", {"user": {"enabled": False}})[0] == 200
    assert not world.is_valid(text)
    assert world.login(trust)[0] in (401, 403)


def test_uses(world):
    _, trust = world.trust(remaining_uses=2)
    assert [world.login(trust)[0] for _ in range(3)] == [201, 201, 401]
    for uses in (0, -1, "1", 1.5):
        status, body = world.trust(remaining_uses=uses)
        assert status == 400 and "remaining_uses" in body["error"]["message"]


def test_expiry(world):
    _, trust = world.trust(expires_at=later(seconds=2))
    status, text, token = world.login(trust)
    assert status == 201 and token["expires_at"] == trust["expires_at"]
    time.sleep(2.1)
    assert not world.is_valid(text) and world.login(trust)[0] == 401
    for bad in ("bad.123Z", later(seconds=-5)):
        status, body = world.trust(expires_at=bad)
        assert status == 400 and "expires_at" in body["error"]["message"]


def test_refused(world):
    assert world.trust(token=world.trustee.token)[0] == 403
    assert world.trust(token=world.admin)[0] == 403
    assert world.trust(roles=[])[0] == 403
    assert world.trust(roles=[{"name": "admin"}])[0] == 404
    assert world.trust(trustee_user_id="nobody")[0] == 404
    assert world.trust(project_id="nothing")[0] == 404
    assert world.trust(impersonation="yes")[0] == 400


def test_redelegation(world):
    _, first = world.trust(allow_redelegation=True, redelegation_count=2, expires_at=later(hours=1))
    assert first["redelegation_count"] == 2
    third = world.stack.person()
    _, text, _ = world.login(first)
    assert world.trust(text, trustee_user_id=third.user_id, roles=[{"name": "member"}])[0] == 403
    assert world.trust(text, trustee_user_id=third.user_id, expires_at=later(hours=2))[0] == 403
    status, second = world.trust(text, trustee_user_id=third.user_id)
    assert status == 201 and second["redelegated_trust_id"] == first["id"] and second["redelegation_count"] == 0
    assert second["expires_at"] == first["expires_at"]
    status, deep, _ = world.login(second, third)
    assert status == 201
    assert world.trust(deep)[0] == 403
    assert world.call("DELETE", f"/v3/OS-TRUST/trusts/{first['id']}", token=world.trustor.token)[0] == 204
    assert not world.is_valid(deep) and world.login(second, third)[0] == 401
    assert world.trust(allow_redelegation=True, redelegation_count=4)[0] == 403
    assert world.trust(allow_redelegation=True, remaining_uses=1)[0] == 400
