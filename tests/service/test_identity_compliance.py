# SPDX-License-Identifier: Apache-2.0
"""Settings [security_compliance] and the options of users, projects and roles."""

import uuid

import pytest

SERVICES = ["identity"]
SETTINGS = {"identity": {"security_compliance": {
    "lockout_failure_attempts": 2, "lockout_duration": 0, "unique_last_password_count": 2, "minimum_password_age": 1,
    "password_expires_days": 90, "password_regex": r"^(?=.*[0-9])(?=.*[a-z]).{6,}$", "password_regex_description": "a digit and a letter, six in all",
    "disable_user_account_days_inactive": 30, "change_password_upon_first_use": "true"}}}
FREE = {"ignore_change_password_upon_first_use": True}


class User:
    def __init__(self, stack, **fields):
        self.stack, self.admin, self.password = stack, stack.admin_token(), "first1"
        body = {"user": {"name": uuid.uuid4().hex, "domain_id": "default", "password": self.password, **fields}}
        self.user = stack.call("POST", "identity", "/v3/users", body, self.admin)["user"]
        self.path = "/v3/users/" + self.user["id"]

    def login(self, password=None):
        auth = {"identity": {"methods": ["password"], "password": {"user": {"id": self.user["id"], "password": password or self.password}}}}
        status, headers, body = self.stack.request("POST", "identity", "/v3/auth/tokens", {"auth": auth})
        return status, headers.get("X-Subject-Token"), body

    def change(self, new, original=None):
        status, _, body = self.stack.request("POST", "identity", self.path + "/password",
                                             {"user": {"password": new, "original_password": original or self.password}})
        if status == 204:
            self.password = new
        return status, body

    def patch(self, **fields):
        return self.stack.request("PATCH", "identity", self.path, {"user": fields}, self.admin)

    def sql(self, column, value):
        self.stack.sql("identity", f"UPDATE user_account SET {column} = {value} WHERE id = %s RETURNING 1", self.user["id"])


def test_a_first_password_must_be_changed(stack):
    user = User(stack)
    status, _, body = user.login()
    assert status == 401 and body["error"]["message"] == f"The password is expired and needs to be changed for user: {user.user['id']}."
    assert "expired" not in user.login("wrong1")[2]["error"]["message"]
    assert user.change("second2")[0] == 204
    status, token, body = user.login()
    assert status == 201 and body["token"]["user"]["password_expires_at"].endswith(".000000")
    shown = stack.call("GET", "identity", user.path, token=token)["user"]
    assert shown["password_expires_at"] == body["token"]["user"]["password_expires_at"]
    assert user.patch(password="third33")[0] == 200 and user.login("third33")[0] == 401
    assert User(stack, options=FREE).login()[0] == 201


def test_passwords_match_the_expression(stack):
    status, _, body = stack.request("POST", "identity", "/v3/users", {"user": {"name": "weak", "password": "weak"}}, stack.admin_token())
    assert status == 400 and "a digit and a letter, six in all" in body["error"]["message"]
    user = User(stack, options=FREE)
    assert user.patch(password="weak")[0] == 400 and user.change("weak")[0] == 400
    assert "identical to a previous password" in user.change("first1")[1]["error"]["message"]


def test_an_own_password_stays_for_a_while(stack):
    user = User(stack)
    assert user.change("second2")[0] == 204
    status, body = user.change("third33")
    assert status == 400 and "minimum password age" in body["error"]["message"]
    user.sql("password_changed_at", "now() - interval '2 days'")
    assert user.change("third33")[0] == 204


def test_a_locked_password_is_not_the_users_to_change(stack):
    user = User(stack, options={**FREE, "lock_password": True})
    assert user.change("second2")[0] == 400
    assert user.patch(options={"lock_password": None})[0] == 200 and user.change("second2")[0] == 204


def test_a_password_expires(stack):
    user, other = User(stack, options=FREE), User(stack, options={**FREE, "ignore_password_expiry": True})
    assert other.user["password_expires_at"] is None
    for each in (user, other):
        each.sql("password_expires_at", "now() - interval '1 s'")
    assert user.login()[0] == 401 and other.login()[0] == 201

    def listed(condition):
        path = f"/v3/users?password_expires_at={condition}"
        return {u["id"] for u in stack.call("GET", "identity", path, token=user.admin)["users"]}
    assert user.user["id"] in listed("lt:2100-01-01T00:00:00Z") and user.user["id"] not in listed("gt:2100-01-01T00:00:00Z")
    fresh = User(stack, options=FREE)
    assert fresh.user["id"] in listed(f"eq:{fresh.user['password_expires_at'][:19]}Z")
    for bad in ("lt", "lt:", "x:2100-01-01T00:00:00Z", "2100-01-01T00:00:00Z", "lt:never"):
        assert stack.request("GET", "identity", f"/v3/users?password_expires_at={bad}", token=user.admin)[0] == 400


def test_lockout_lasts_until_the_user_is_enabled(stack):
    user, other = User(stack, options=FREE), User(stack, options={**FREE, "ignore_lockout_failure_attempts": True})
    for each in (user, other):
        for _ in range(2):
            assert each.login("wrong1")[0] == 401
    assert user.login()[0] == 401 and other.login()[0] == 201
    user.sql("failed_at", "now() - interval '1 year'")
    assert user.login()[0] == 401
    assert user.patch(enabled=True)[0] == 200 and user.login()[0] == 201


def test_who_was_away_too_long_is_disabled(stack):
    user, other = User(stack, options=FREE), User(stack, options={**FREE, "ignore_user_inactivity": True})
    for each in (user, other):
        assert each.login()[0] == 201
        each.sql("last_active_on", "current_date - 31")
    assert user.login()[0] == 401 and user.change("second2")[0] == 401 and other.login()[0] == 201
    assert user.patch(enabled=True)[0] == 200 and user.login()[0] == 201


@pytest.mark.parametrize("options", [{"lock_password": "yes"}, {"unknown": True}, {"multi_factor_auth_rules": [[]]}, {"multi_factor_auth_rules": [["a", "a"]]},
                                     {"multi_factor_auth_rules": "x"}, {"multi_factor_auth_rules": [["a"], ["a"]]}, {"immutable": True}])
def test_bad_user_options(stack, options):
    status, _, body = stack.request("POST", "identity", "/v3/users", {"user": {"name": uuid.uuid4().hex, "options": options}}, stack.admin_token())
    assert status == 400 and "options" in body["error"]["message"]


def test_options_are_merged(stack):
    user = User(stack, options=FREE)
    assert user.patch(options={"lock_password": True})[2]["user"]["options"] == {**FREE, "lock_password": True}
    assert user.patch(options={"lock_password": None})[2]["user"]["options"] == FREE
    rules = {"multi_factor_auth_enabled": False, "multi_factor_auth_rules": [["password", "totp"], ["password"]]}
    assert user.patch(options=rules)[2]["user"]["options"] == {**FREE, **rules}


@pytest.mark.parametrize("kind", ["project", "role", "domain"])
def test_what_is_immutable_stays(stack, kind):
    admin, path = stack.admin_token(), f"/v3/{kind}s"
    made = stack.call("POST", "identity", path, {kind: {"name": uuid.uuid4().hex, "options": {"immutable": True}}}, admin)[kind]
    path += "/" + made["id"]

    def patch(**fields):
        return stack.request("PATCH", "identity", path, {kind: fields}, admin)[0]
    assert patch(description="x") == 403 and patch(description="x", options={"immutable": False}) == 403 and patch(options={"immutable": True}) == 403
    if kind == "project":
        assert stack.request("PUT", "identity", path + "/tags/x", token=admin)[0] == 403
    assert stack.request("DELETE", "identity", path, token=admin)[0] == 403
    assert patch(options={"immutable": "no"}) in (400, 403) and patch(options={"immutable": None}) == 200 and patch(description="x", enabled=False) == 200
    assert stack.request("DELETE", "identity", path, token=admin)[0] == 204
