# SPDX-License-Identifier: Apache-2.0
"""A token from a token is made from what the process keeps: without a statement, and never from what was taken away."""

import time
import uuid

import psycopg2
import pytest

from tests.lib.stack import Person, wait_until

SERVICES = ["identity"]
INSTANCES = {"identity": 2}
HERE, THERE = "identity", "identity-2"
PASSWORD, QUICK_HASH = "quick-to-hash", "$2b$04$JvFfC6g2eWyBZbJKiGF0L.zQs.OkP2DbdDjrc1YRB0ifnjrVvxD82"


def new_person(stack):
    """As stack.person(), with a password that is hashed in no time."""
    admin, tail = stack.admin_token(), uuid.uuid4().hex[:8]
    project = stack.call("POST", HERE, "/v3/projects", {"project": {"name": f"p-{tail}", "domain_id": "default"}}, admin)["project"]
    user = stack.call("POST", HERE, "/v3/users", {"user": {"name": f"u-{tail}", "domain_id": "default"}}, admin)["user"]
    stack.sql("identity", "UPDATE user_account SET password_hash = %s, password_changed_at = now() WHERE id = %s", QUICK_HASH, user["id"])
    person = Person(user_id=user["id"], password=PASSWORD, project_id=project["id"])
    stack.call("PUT", HERE, f"/v3/projects/{project['id']}/users/{user['id']}/roles/{role_id(stack, admin, 'member')}", token=admin)
    return person


class Scoped:
    """A person's unscoped token (made by token from the start, so that both processes know it) and what comes of it."""

    def __init__(self, stack, person):
        self.stack, self.person = stack, person
        self.unscoped = self.parent()

    def parent(self):
        person = self.person
        body = {"auth": {"identity": {"methods": ["password"], "password": {"user": {"id": person.user_id, "password": person.password}}},
                         "scope": "unscoped"}}
        status, headers, _ = self.stack.request("POST", HERE, "/v3/auth/tokens", body)
        assert status == 201
        return headers["X-Subject-Token"]

    def ask(self, label, scope=None, token=None):
        """(status, token text, body) of a token into the person's project."""
        body = {"auth": {"identity": {"methods": ["token"], "token": {"id": token or self.unscoped}},
                         "scope": scope or {"project": {"id": self.person.project_id}}}}
        status, headers, reply = self.stack.request("POST", label, "/v3/auth/tokens", body)
        return status, headers.get("X-Subject-Token"), reply

    def roles(self, label, **more):
        status, _, reply = self.ask(label, **more)
        return {role["name"] for role in reply["token"]["roles"]} if status == 201 else status

    def warm(self):
        for label in (HERE, THERE):
            for _ in range(2):
                assert self.ask(label)[0] == 201


@pytest.fixture
def scoped(stack):
    scoped = Scoped(stack, new_person(stack))
    scoped.warm()
    return scoped


@pytest.fixture
def admin(stack):
    return stack.admin_token()


def role_id(stack, admin, name):
    return stack.call("GET", HERE, f"/v3/roles?name={name}", token=admin)["roles"][0]["id"]


def grant(scoped, role):
    return f"/v3/projects/{scoped.person.project_id}/users/{scoped.person.user_id}/roles/{role}"


def statements(stack, label):
    text = stack.request("GET", label, "/metrics")[2]
    text = text if isinstance(text, str) else text.decode()
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("haneul_http_statements_total"))


def works(stack, label, token):
    return stack.request("GET", label, "/v3/auth/projects", token=token)[0] == 200


def test_the_second_token_into_a_scope_takes_no_statement(stack, scoped):
    before = statements(stack, HERE)
    tokens = {scoped.ask(HERE)[1] for _ in range(5)}
    assert statements(stack, HERE) == before
    assert len(tokens) == 5 and all(works(stack, label, token) for token in tokens for label in (HERE, THERE))


def test_the_token_is_as_one_made_from_the_rows(stack, scoped, admin):
    project = stack.call("GET", HERE, f"/v3/projects/{scoped.person.project_id}", token=admin)["project"]
    by_name = {"project": {"name": project["name"], "domain": {"id": project["domain_id"]}}}
    first, second = scoped.ask(HERE, by_name)[2]["token"], scoped.ask(HERE, by_name)[2]["token"]
    for token in (first, second):
        assert len(token["audit_ids"]) == 2
        token["own"] = token["audit_ids"].pop(0)
    assert first.pop("own") != second.pop("own")
    assert first["issued_at"] <= second.pop("issued_at") and first.pop("issued_at")
    assert first == second
    assert set(first) >= {"user", "project", "roles", "catalog", "methods", "expires_at"} and first["methods"] == ["password", "token"]


def test_a_scope_that_one_may_not_enter_is_refused_each_time(stack, scoped):
    other = new_person(stack)
    for scope in ({"project": {"id": other.project_id}}, {"project": {"id": uuid.uuid4().hex}}, {"domain": {"id": "default"}}, {"system": {"all": True}}):
        assert [scoped.ask(HERE, scope)[0] for _ in range(3)] == [401] * 3


def test_what_is_added_counts_at_once_here_and_soon_there(stack, scoped, admin):
    manager = role_id(stack, admin, "manager")
    for method, expected in (("PUT", True), ("DELETE", False), ("PUT", True)):
        assert stack.request(method, HERE, grant(scoped, manager), token=admin)[0] == 204
        token = scoped.parent()
        assert ("manager" in scoped.roles(HERE, token=token)) is expected
        wait_until(lambda: ("manager" in scoped.roles(THERE, token=token)) is expected, 1, "the other process does not see the change", interval_s=0.02)


def test_a_role_taken_away_ends_what_the_other_process_made_meanwhile(stack, scoped, admin):
    role = role_id(stack, admin, "member")
    parent = scoped.parent()
    assert "member" in scoped.roles(THERE, token=parent)
    made = [scoped.ask(THERE, token=parent)[1]]
    assert stack.request("DELETE", HERE, grant(scoped, role), token=admin)[0] == 204
    end = time.monotonic() + 1
    while time.monotonic() < end:
        made.append(scoped.ask(THERE, token=parent)[1])
    assert made[-1] is None, "the role is still given"
    left = [token for token in made if token and (works(stack, HERE, token) or works(stack, THERE, token))]
    assert not left, f"{len(left)} of {len(made)} tokens with a role that was taken away still work"


@pytest.mark.parametrize("path, body, undo", [
    ("/v3/users/{user}", {"user": {"enabled": False}}, {"user": {"enabled": True}}),
    ("/v3/projects/{project}", {"project": {"enabled": False}}, {"project": {"enabled": True}}),
])
def test_what_is_disabled_is_entered_by_nobody(stack, scoped, admin, path, body, undo):
    path = path.format(user=scoped.person.user_id, project=scoped.person.project_id)
    made = [scoped.ask(THERE)[1]]
    stack.call("PATCH", HERE, path, body, admin)
    assert scoped.ask(HERE)[0] in (401, 404)
    end = time.monotonic() + 1
    while time.monotonic() < end:
        made.append(scoped.ask(THERE)[1])
    assert made[-1] is None and not any(token and works(stack, label, token) for token in made for label in (HERE, THERE))
    stack.call("PATCH", HERE, path, undo, admin)
    assert scoped.ask(HERE, token=scoped.parent())[0] == 201


def test_a_changed_password_ends_tokens_that_descend_in_another_process(stack, scoped):
    person, changed = scoped.person, "Changed-" + uuid.uuid4().hex
    made = []
    body = {"user": {"original_password": person.password, "password": changed}}
    assert stack.request("POST", HERE, f"/v3/users/{person.user_id}/password", body, scoped.unscoped)[0] == 204
    end = time.monotonic() + 1
    while time.monotonic() < end:
        made.append(scoped.ask(THERE)[1])
    assert made[-1] is None and not any(token and works(stack, label, token) for token in made for label in (HERE, THERE))


def test_names_and_groups_are_seen(stack, scoped, admin):
    person, name = scoped.person, "renamed-" + uuid.uuid4().hex[:8]
    stack.call("PATCH", HERE, f"/v3/projects/{person.project_id}", {"project": {"name": name}}, admin)
    assert scoped.ask(HERE)[2]["token"]["project"]["name"] == name
    group = stack.call("POST", HERE, "/v3/groups", {"group": {"name": name, "domain_id": "default"}}, admin)["group"]["id"]
    manager = role_id(stack, admin, "manager")
    stack.call("PUT", HERE, f"/v3/projects/{person.project_id}/groups/{group}/roles/{manager}", token=admin)
    assert "manager" not in scoped.roles(HERE)
    stack.call("PUT", HERE, f"/v3/groups/{group}/users/{person.user_id}", token=admin)
    assert "manager" in scoped.roles(HERE)
    stack.call("DELETE", HERE, f"/v3/groups/{group}/users/{person.user_id}", token=admin)
    assert "manager" not in scoped.roles(HERE, token=scoped.parent())


def test_rules_for_more_than_a_token_count_at_once(stack, scoped, admin):
    options = {"multi_factor_auth_enabled": True, "multi_factor_auth_rules": [["password", "totp"]]}
    stack.call("PATCH", HERE, f"/v3/users/{scoped.person.user_id}", {"user": {"options": options}}, admin)
    assert [scoped.ask(HERE)[0] for _ in range(2)] == [401, 401]
    wait_until(lambda: scoped.ask(THERE)[0] == 401, 1, "the other process does not see the rule", interval_s=0.02)


def test_a_change_that_commits_after_a_later_one_is_not_overlooked(stack, scoped, admin):
    """Transactions commit in another order than they count in."""
    person = scoped.person
    manager = role_id(stack, admin, "manager")
    slow = psycopg2.connect(stack.dsn("identity"))
    try:
        with slow, slow.cursor() as cursor:
            cursor.execute("SET search_path = identity, public")
            cursor.execute("INSERT INTO assignment (user_id, target_id, role_id) VALUES (%s, %s, %s)", (person.user_id, person.project_id, manager))
            other = new_person(stack)  # its changes are counted later and seen before
            time.sleep(0.9)
            assert Scoped(stack, other).ask(HERE)[0] == 201
            assert "manager" not in scoped.roles(HERE)
    finally:
        slow.close()
    wait_until(lambda: "manager" in scoped.roles(HERE), 1, "the change was overlooked", interval_s=0.02)
