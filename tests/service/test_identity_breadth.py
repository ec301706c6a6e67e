# SPDX-License-Identifier: Apache-2.0
"""Parts of Keystone v3 that few use: JSON Home, endpoint policies, revocation events, HEAD and Vary everywhere."""

import json
import uuid

import pytest

SERVICES = ["identity"]
REL = "https://docs.openstack.org/api/openstack-identity/3/"


class World:
    def __init__(self, stack):
        self.stack, self.admin = stack, stack.admin_token()

    def call(self, method, path, body=None, **more):
        return self.stack.request(method, "identity", path, body, **{"token": self.admin, **more})

    def make(self, plural, singular, **fields):
        status, _, body = self.call("POST", f"/v3/{plural}", {singular: fields})
        assert status == 201, body
        return body[singular]


@pytest.fixture(scope="module")
def world(stack):
    return World(stack)


@pytest.mark.parametrize("path", ["/", "/v3"])
@pytest.mark.parametrize("accept,home", [("application/json-home", True), ("application/json", False), ("*/*", False), ("", False),
                                         ("application/json-home, application/json;q=0.5", True), ("application/json, application/json-home;q=0.9", False),
                                         ("application/json-home;q=nan,,;;q=,*/*;q=0.1", None)])
def test_json_home(world, path, accept, home):
    status, headers, body = world.call("GET", path, headers={"Accept": accept}, token=None)
    if home is None:
        assert status in (200, 300)
        return
    body = body if isinstance(body, dict) else json.loads(body)
    assert ("resources" in body) == home and (headers["Content-Type"] == "application/json-home") == home
    assert status == (300 if path == "/" and not home else 200)


def test_json_home_names_what_is_served(world):
    _, _, body = world.call("GET", "/v3", headers={"Accept": "application/json-home"}, token=None)
    resources = (body if isinstance(body, dict) else json.loads(body))["resources"]
    assert resources[REL + "rel/users"] == {"href": "/v3/users"}
    assert resources[REL + "rel/group_user"] == {"href-template": "/v3/groups/{group_id}/users/{user_id}",
                                                  "href-vars": {"group_id": REL + "param/group_id", "user_id": REL + "param/user_id"}}
    assert resources[REL + "ext/OS-TRUST/1.0/rel/trust"]["href-vars"] == {"trust_id": REL + "ext/OS-TRUST/1.0/param/trust_id"}
    assert resources[REL + "rel/limits"]["hints"] == {"status": "experimental"}
    for each in resources.values():
        if "href" in each and each["href"] != "/v3/auth/tokens":  # 404 without a token to look at
            assert world.call("GET", each["href"])[0] not in (404, 500), each


def test_policies_of_endpoints(world):
    top = world.make("regions", "region")
    low = world.make("regions", "region", parent_region_id=top["id"])
    service = world.make("services", "service", type="t-" + uuid.uuid4().hex[:6])
    other = world.make("services", "service", type="t-" + uuid.uuid4().hex[:6])
    endpoint = world.make("endpoints", "endpoint", service_id=service["id"], region_id=low["id"], interface="public", url="http://x/")
    first, second, third, fourth = [world.make("policies", "policy", type="application/json", blob="{}") for _ in range(4)]

    def path(policy, rest):
        return f"/v3/policies/{policy['id']}/OS-ENDPOINT-POLICY/{rest}"

    def now():
        status, _, body = world.call("GET", f"/v3/endpoints/{endpoint['id']}/OS-ENDPOINT-POLICY/policy")
        return body["policy"]["id"] if status == 200 else status
    assert now() == 404
    steps = [(first, f"services/{service['id']}"), (second, f"services/{service['id']}/regions/{top['id']}"),
             (third, f"services/{service['id']}/regions/{low['id']}"), (fourth, f"endpoints/{endpoint['id']}")]
    for policy, rest in steps:
        assert world.call("GET", path(policy, rest))[0] == 404
        assert world.call("PUT", path(policy, rest))[0] == 204 and world.call("GET", path(policy, rest))[0] == 204
        assert world.call("HEAD", path(policy, rest))[0] == 204 and now() == policy["id"]
        endpoints = world.call("GET", path(policy, "endpoints"))[2]["endpoints"]
        assert [each["id"] for each in endpoints] == [endpoint["id"]] and endpoints[0]["links"]["self"].endswith(endpoint["id"])
    assert world.call("PUT", path(first, f"endpoints/{endpoint['id']}"))[0] == 204  # one policy for each place
    assert now() == first["id"] and world.call("GET", path(fourth, f"endpoints/{endpoint['id']}"))[0] == 404
    assert world.call("DELETE", path(first, f"endpoints/{endpoint['id']}"))[0] == 204 and now() == third["id"]
    assert world.call("DELETE", path(first, f"endpoints/{endpoint['id']}"))[0] == 404
    assert world.call("DELETE", f"/v3/policies/{third['id']}")[0] == 204 and now() == second["id"]
    assert world.call("PUT", path(first, f"services/{other['id']}/regions/none"))[0] == 404
    assert world.call("PUT", path({"id": "none"}, f"services/{other['id']}"))[0] == 404


def test_revocation_events(world):
    person = world.stack.person()
    assert world.call("DELETE", "/v3/auth/tokens", headers={"X-Subject-Token": person.token})[0] == 204
    status, _, body = world.call("GET", "/v3/OS-REVOKE/events?since=2020-01-01T00:00:00Z")
    assert status == 200 and body["links"]["self"] and any("audit_id" in event and event["issued_before"] for event in body["events"])
    assert world.call("GET", "/v3/OS-REVOKE/events?since=2999-01-01T00:00:00Z")[2]["events"] == []
    assert world.call("GET", "/v3/OS-REVOKE/events?since=yesterday")[0] == 400
    assert [world.call("GET", path)[0] for path in ("/v3/auth/tokens/OS-PKI/revoked", "/v3/OS-SIMPLE-CERT/ca", "/v3/OS-SIMPLE-CERT/certificates")] == [410] * 3


@pytest.mark.parametrize("path", ["users", "groups", "projects", "domains", "roles", "regions", "services", "endpoints", "policies", "credentials", "limits",
                                  "registered_limits", "role_assignments", "role_inferences", "auth/catalog", "auth/projects", "auth/domains", "auth/system",
                                  "OS-TRUST/trusts", "OS-REVOKE/events", "OS-EP-FILTER/endpoint_groups"])
def test_head_is_get_without_a_body(world, path):
    got, head = world.call("GET", "/v3/" + path), world.call("HEAD", "/v3/" + path)
    assert got[0] == 200 and head[0] == 200 and not head[2]
    assert got[1]["Vary"] == head[1]["Vary"] == "X-Auth-Token" and "links" in got[2]


def test_a_domain_may_bring_its_id(world):
    chosen = uuid.uuid4().hex
    assert world.make("domains", "domain", name=chosen, explicit_domain_id=chosen)["id"] == chosen
    for bad in ("x", chosen.upper() + "0", chosen[:31] + "/"):
        assert world.call("POST", "/v3/domains", {"domain": {"name": uuid.uuid4().hex, "explicit_domain_id": bad}})[0] == 400
    assert world.call("POST", "/v3/domains", {"domain": {"name": uuid.uuid4().hex, "explicit_domain_id": chosen}})[0] == 409
