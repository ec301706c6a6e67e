# SPDX-License-Identifier: Apache-2.0
"""Lists that are kept between requests: one small statement as long as nothing has changed, and never a stale answer,
whichever of two processes changed what, and in whatever order transactions end."""

import json
import urllib.request
import uuid

import psycopg2
import pytest

from deploy.launch import postgres

SERVICES = ["identity"]
INSTANCES = {"identity": 2}
BOTH = ("identity", "identity-2")
LISTS = ("/v3/projects", "/v3/domains", "/v3/roles", "/v3/auth/projects", "/v3/auth/domains")


def get(stack, path, token, label="identity"):
    status, _, body = stack.request("GET", label, path, token=token)
    assert status == 200, (path, status, body)
    return body


def names(stack, path, token, label="identity"):
    body = get(stack, path, token, label)
    return {thing["name"] for thing in body[path.split("?")[0].rsplit("/", 1)[1]]}


def counter(stack, start, label="identity"):
    with urllib.request.urlopen(stack.url(label) + "/metrics", timeout=5) as answer:
        text = answer.read().decode()
    return next(int(line.split()[-1]) for line in text.splitlines() if line.startswith(start))


def name():
    return "n-" + uuid.uuid4().hex[:10]


@pytest.mark.parametrize("path", LISTS)
def test_an_unchanged_list_is_one_statement(stack, path):
    token = stack.admin_token()
    get(stack, path, token)
    first, before = get(stack, path, token), counter(stack, "haneul_http_statements_total")
    hits = counter(stack, 'haneul_http_reply_cache_total{result="hit"}')
    assert [get(stack, path, token) for _ in range(5)] == [first] * 5
    assert counter(stack, "haneul_http_statements_total") - before == 5
    assert counter(stack, 'haneul_http_reply_cache_total{result="hit"}') - hits == 5


def changes(stack, token):
    """(list, what to do, the name that appears by it) in an order in which each can be done."""
    made = {}

    def call(method, path, body=None):
        return stack.call(method, "identity-2", path, body, token)

    def keep(kind, path, **fields):
        made[kind] = call("POST", path, {kind: fields})[kind]["id"]
    user = stack.person()
    ids = {role["name"]: role["id"] for role in call("GET", "/v3/roles")["roles"]}
    project, renamed, domain, role, group = name(), name(), name(), name(), name()
    entered = f"/v3/projects/{{}}/users/{user.user_id}/roles/{ids['member']}"
    keep("group", "/v3/groups", name=group)
    yield token, "/v3/projects", lambda: keep("project", "/v3/projects", name=project), project, True
    yield token, "/v3/projects", lambda: call("PATCH", f"/v3/projects/{made['project']}", {"project": {"name": renamed}}), renamed, True
    yield token, "/v3/projects?tags=blue", lambda: call("PUT", f"/v3/projects/{made['project']}/tags/blue"), renamed, True
    yield token, "/v3/domains", lambda: keep("domain", "/v3/domains", name=domain), domain, True
    yield token, "/v3/roles", lambda: keep("role", "/v3/roles", name=role), role, True
    yield user.token, "/v3/auth/projects", lambda: call("PUT", entered.format(made["project"])), renamed, True
    yield user.token, "/v3/auth/projects", lambda: call("DELETE", entered.format(made["project"])), renamed, False
    yield user.token, "/v3/auth/projects", lambda: call("PUT", f"/v3/groups/{made['group']}/users/{user.user_id}"), user.project, True
    yield user.token, "/v3/auth/projects", lambda: call("PUT", f"/v3/projects/{made['project']}/groups/{made['group']}/roles/{ids['member']}"), renamed, True
    yield user.token, "/v3/auth/projects", lambda: call("PATCH", f"/v3/projects/{made['project']}", {"project": {"enabled": False}}), renamed, False
    yield token, "/v3/projects", lambda: call("DELETE", f"/v3/projects/{made['project']}"), renamed, False
    yield token, "/v3/domains", lambda: (call("PATCH", f"/v3/domains/{made['domain']}", {"domain": {"enabled": False}}),
                                         call("DELETE", f"/v3/domains/{made['domain']}")), domain, False
    yield token, "/v3/roles", lambda: call("DELETE", f"/v3/roles/{made['role']}"), role, False


def test_what_the_other_process_changed_is_seen_by_the_next_request(stack):
    admin = stack.admin_token()
    for token, path, change, what, is_there in changes(stack, admin):
        if token != admin and not stack.request("GET", "identity", path, token=token)[0] == 200:
            pytest.fail("the person's token is gone")
        for label in BOTH:
            names(stack, path, token, label)
            names(stack, path, token, label)
        change()
        for label in BOTH:
            assert (what in names(stack, path, token, label)) == is_there, (path, what, label)


def test_a_transaction_that_ends_late_is_not_missed(stack):
    token, late, early = stack.admin_token(), name(), name()
    link = psycopg2.connect(stack.dsn("identity"))
    cursor = link.cursor()
    cursor.execute(f"SET search_path = {postgres.ROLE_OF.get('identity', 'identity')}, public")
    insert = "INSERT INTO tenancy (id, is_domain, domain_id, parent_id, name) VALUES (%s, false, 'default', 'default', %s)"
    cursor.execute(insert, (uuid.uuid4().hex, late))
    stack.sql("identity", insert, uuid.uuid4().hex, early)
    for _ in range(3):
        assert {early, late} & names(stack, "/v3/projects", token) == {early}
    link.commit()
    link.close()
    assert {early, late} <= names(stack, "/v3/projects", token)


def test_everybody_gets_their_own(stack):
    admin, one, other = stack.admin_token(), stack.person(), stack.person()
    for _ in range(2):
        assert names(stack, "/v3/auth/projects", one.token) == {one.project}
        assert names(stack, "/v3/auth/projects", other.token) == {other.project}
        assert {one.project, other.project} <= names(stack, "/v3/projects", admin)
        assert names(stack, f"/v3/projects?name={one.project}", admin) == {one.project}
        assert names(stack, f"/v3/projects?name={other.project}", admin) == {other.project}
        assert stack.request("GET", "identity", "/v3/projects", token=one.token)[0] == 403


def test_links_are_those_that_the_client_can_follow(stack):
    token = stack.admin_token()
    for _ in range(2):
        for host in ("sky.example:5000", "cloud.example"):
            body = stack.request("GET", "identity", "/v3/projects", token=token, headers={"Host": host})[2]
            assert body["links"]["self"] == f"http://{host}/v3/projects"
            assert json.dumps(body).count(f"http://{host}/v3/projects/") == len(body["projects"])
