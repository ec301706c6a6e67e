# SPDX-License-Identifier: Apache-2.0
"""Options of single domains and their defaults."""

import uuid

import pytest

SERVICES = ["identity"]
CONFIG = {"identity": {"driver": "ldap"}, "ldap": {"url": "ldap://x", "user_tree_dn": "ou=Users"}}


@pytest.fixture
def call(stack):
    admin = stack.admin_token()
    domain = stack.call("POST", "identity", "/v3/domains", {"domain": {"name": "d-" + uuid.uuid4().hex[:8]}}, admin)["domain"]

    def send(method, path="", config=None, token=admin):
        body = None if config is None else {"config": config}
        status, _, answer = stack.request(method, "identity", f"/v3/domains/{domain['id']}/config{path}", body, token=token)
        return status, answer["config"] if status < 300 and answer else answer
    return send


def test_life(call):
    assert call("GET")[0] == 404
    assert call("PATCH", config=CONFIG)[0] == 404
    assert call("PUT", config=CONFIG) == (201, CONFIG)
    assert call("PUT", config=CONFIG) == (200, CONFIG)
    assert call("GET") == (200, CONFIG)
    assert call("GET", "/ldap") == (200, {"ldap": CONFIG["ldap"]})
    assert call("GET", "/ldap/url") == (200, {"url": "ldap://x"})
    assert call("PATCH", "/ldap/url", {"url": "ldap://y"})[1]["ldap"] == {"url": "ldap://y", "user_tree_dn": "ou=Users"}
    assert call("PATCH", "/identity", {"identity": {"list_limit": 5}})[1]["identity"] == {"driver": "ldap", "list_limit": 5}
    assert call("DELETE", "/ldap/url")[0] == 204 and call("GET", "/ldap/url")[0] == 404 and call("DELETE", "/ldap/url")[0] == 404
    assert call("DELETE", "/ldap/user_tree_dn")[0] == 204 and call("GET", "/ldap")[0] == 404
    assert call("DELETE")[0] == 204 and call("GET")[0] == 404


def test_secret_is_never_shown(call):
    assert call("PUT", config={"ldap": {"password": "secret", "user": "u"}}) == (201, {"ldap": {"user": "u"}})
    assert call("GET", "/ldap") == (200, {"ldap": {"user": "u"}})
    assert call("GET", "/ldap/password")[0] == 404


def test_refused(call, stack):
    for config in ({}, {"assignment": {"driver": "x"}}, {"ldap": {"colour": "red"}}, {"ldap": {}}, {"ldap": "x"}):
        assert call("PUT", config=config)[0] == 403, config
    assert call("PUT", config=[])[0] == 400
    assert call("PUT", config=CONFIG)[0] == 201
    assert call("PATCH", "/ldap", {"identity": {"driver": "x"}})[0] == 403
    assert call("PATCH", "/ldap/url", {"user": "x"})[0] == 403
    assert call("GET", "/nothing")[0] == 403
    person = stack.person()
    assert call("GET", token=person.token)[0] == 403
    assert stack.request("GET", "identity", "/v3/domains/nobody/config", token=stack.admin_token())[0] == 404


def test_defaults(stack):
    def default(path):
        return stack.call("GET", "identity", f"/v3/domains/config{path}/default", token=stack.admin_token())["config"]
    assert set(default("")) == {"identity", "ldap"} and "password" not in default("")["ldap"]
    assert default("/identity") == {"identity": {"driver": "sql", "list_limit": None}}
    assert default("/ldap/page_size") == {"page_size": 0}
