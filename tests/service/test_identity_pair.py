# SPDX-License-Identifier: Apache-2.0
"""Two identity processes over one database are one identity."""

import uuid

import pytest

from tests.lib.stack import wait_until

SERVICES = ["identity"]
INSTANCES = {"identity": 2}
BOTH = ("identity", "identity-2")


def works(stack, label, token):
    return stack.request("GET", label, "/v3/auth/projects", token=token)[0] == 200


@pytest.fixture
def person(stack):
    return stack.person()


def test_both_know_the_same_keys_users_and_catalog(stack, person):
    assert works(stack, "identity-2", person.token)
    keys = [stack.call("GET", label, "/v3/auth/jwks")["keys"] for label in BOTH]
    assert keys[0] == keys[1] and len(keys[0]) == 1
    users = stack.sql("identity", "SELECT name FROM user_account WHERE name IN ('admin', 'compute')")
    assert len(users) == 2


def test_what_one_revokes_the_other_refuses_within_a_second(stack, person):
    headers = {"X-Subject-Token": person.token}
    assert works(stack, "identity-2", person.token)
    assert stack.request("DELETE", "identity", "/v3/auth/tokens", token=person.token, headers=headers)[0] == 204
    wait_until(lambda: not works(stack, "identity-2", person.token), 1, "the other process still takes the token", interval_s=0.02)


def test_a_new_endpoint_is_soon_in_the_others_catalog(stack):
    admin, kind = stack.admin_token(), "kind-" + uuid.uuid4().hex[:8]

    def kinds(label):
        return [s["type"] for s in stack.call("GET", label, "/v3/auth/catalog", token=admin)["catalog"]]
    assert kind not in kinds("identity") and kind not in kinds("identity-2")
    stack.call("POST", "identity", "/v3/services", {"service": {"type": kind}}, admin)
    assert kind in kinds("identity")
    wait_until(lambda: kind in kinds("identity-2"), 2, "the other process does not see the new service")


def test_one_goes_on_without_the_other(stack, person):
    stack.kill("identity")
    try:
        assert works(stack, "identity-2", person.token)
    finally:
        stack.start("identity")
    assert works(stack, "identity", person.token)
