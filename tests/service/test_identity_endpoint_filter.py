# SPDX-License-Identifier: Apache-2.0
"""Endpoint groups and what they do to a project's catalog."""

import uuid

import pytest

SERVICES = ["identity"]
ROOT = "/v3/OS-EP-FILTER"


@pytest.fixture
def call(stack):
    admin = stack.admin_token()

    def send(method, path, body=None, token=admin):
        status, _, answer = stack.request(method, "identity", path, body, token=token)
        return status, answer
    return send


@pytest.fixture
def endpoints(call):
    """Two endpoints (public, internal) of a new service."""
    service = call("POST", "/v3/services", {"service": {"type": "t-" + uuid.uuid4().hex[:8], "name": "s"}})[1]["service"]
    made = [call("POST", "/v3/endpoints", {"endpoint": {"service_id": service["id"], "interface": kind, "url": "http://x/$(project_id)s"}})
            for kind in ("public", "internal")]
    yield [answer["endpoint"] for _, answer in made]
    call("DELETE", f"/v3/services/{service['id']}")


def catalog(stack, person):
    body = stack.call("GET", "identity", "/v3/auth/catalog", token=person.token)
    return {endpoint["id"]: endpoint["url"] for service in body["catalog"] for endpoint in service["endpoints"]}


def test_single_endpoints(stack, call, endpoints):
    person, other = stack.person(), stack.person()
    everything = set(catalog(stack, other))
    assert {e["id"] for e in endpoints} < everything
    path = f"{ROOT}/projects/{person.project_id}/endpoints"
    one = f"{path}/{endpoints[0]['id']}"
    assert call("HEAD", one)[0] == 404 and call("DELETE", one)[0] == 404
    assert call("PUT", one)[0] == 204 and call("PUT", one)[0] == 409 and call("HEAD", one)[0] == 204
    assert catalog(stack, person) == {endpoints[0]["id"]: f"http://x/{person.project_id}"}
    token = stack.request("GET", "identity", "/v3/auth/tokens", token=stack.admin_token(), headers={"X-Subject-Token": person.token})[2]["token"]
    assert [len(s["endpoints"]) for s in token["catalog"]] == [1]
    assert set(catalog(stack, other)) == everything
    assert [e["id"] for e in call("GET", path)[1]["endpoints"]] == [endpoints[0]["id"]]
    assert [p["id"] for p in call("GET", f"{ROOT}/endpoints/{endpoints[0]['id']}/projects")[1]["projects"]] == [person.project_id]
    assert call("DELETE", one)[0] == 204 and set(catalog(stack, person)) == everything
    assert call("PUT", f"{path}/nothing")[0] == 404 and call("PUT", f"{ROOT}/projects/nothing/endpoints/{endpoints[0]['id']}")[0] == 404
    assert call("PUT", one, token=person.token)[0] == 403


def test_groups(stack, call, endpoints):
    person = stack.person()
    filters = {"service_id": endpoints[0]["service_id"], "interface": "internal"}
    group = call("POST", f"{ROOT}/endpoint_groups", {"endpoint_group": {"name": "g", "filters": filters}})[1]["endpoint_group"]
    path = f"{ROOT}/endpoint_groups/{group['id']}"
    mine = f"{path}/projects/{person.project_id}"
    assert call("GET", path)[1]["endpoint_group"] == group and group["filters"] == filters
    assert call("GET", mine)[0] == 404 and call("PUT", mine)[0] == 204
    assert call("GET", mine)[1]["project_endpoint_group"]["project_id"] == person.project_id
    assert set(catalog(stack, person)) == {endpoints[1]["id"]}
    assert [e["id"] for e in call("GET", path + "/endpoints")[1]["endpoints"]] == [endpoints[1]["id"]]
    assert [p["id"] for p in call("GET", path + "/projects")[1]["projects"]] == [person.project_id]
    assert [g["id"] for g in call("GET", f"{ROOT}/projects/{person.project_id}/endpoint_groups")[1]["endpoint_groups"]] == [group["id"]]
    assert call("PATCH", path, {"endpoint_group": {"filters": {"service_id": endpoints[0]["service_id"]}}})[0] == 200
    assert set(catalog(stack, person)) == {e["id"] for e in endpoints}
    assert call("DELETE", path)[0] == 204 and len(catalog(stack, person)) > 2


def test_bad_filters(call):
    for filters in ({"colour": "red"}, {"interface": 5}, {"enabled": "yes"}, "x", None):
        status, answer = call("POST", f"{ROOT}/endpoint_groups", {"endpoint_group": {"name": "g", "filters": filters}})
        assert status == 400 and "filters" in answer["error"]["message"], filters
