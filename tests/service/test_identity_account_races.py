# SPDX-License-Identifier: Apache-2.0
"""Accounts API, many at once: what may happen once happens once, and no limit is exceeded by one."""

import uuid
from concurrent.futures import ThreadPoolExecutor

import psycopg2
import pytest

from tests.lib.accounts import PASSWORD, TERMS, account, address, mail_to, post, token_in
from tests.lib.stack import wait_until

SERVICES = ["identity"]
PROJECTS_MAX, INVITATIONS_MAX, N = 3, 4, 8
SETTINGS = {"identity": {"password": {"rounds": 10}, "accounts": {
    "rate_network": 5000, "rate_address": 500, "rate_account": 500, "rate_token": 5000, "rate_login": 5000, "terms_version": TERMS,
    "projects_max": PROJECTS_MAX, "invitations_max": INVITATIONS_MAX}}}


def at_once(n, work):
    with ThreadPoolExecutor(n) as pool:
        return list(pool.map(work, range(n)))


@pytest.fixture(scope="module")
def owner(stack):
    return account(stack)


def invite(stack, owner, email, **more):
    return stack.request("POST", "identity", f"/accounts/v1/projects/{owner.project_id}/invitations", {"email": email, **more}, owner.token)


def test_a_sign_up_is_proven_once(stack):
    email = address()
    assert post(stack, "/sign-up", {"email": email, "password": PASSWORD, "terms_version": TERMS})[0] == 202
    token = token_in(mail_to(stack, email))
    found = at_once(N, lambda _: post(stack, "/sign-up/verify", {"token": token})[0])
    assert sorted(found) == [201] + [410] * (N - 1)
    assert len(stack.sql("identity", "SELECT 1 FROM account WHERE email = %s", email)) == 1


def test_an_invitation_is_accepted_or_declined_once(stack, owner):
    email = address()
    assert invite(stack, owner, email)[0] == 201
    token = token_in(mail_to(stack, email))
    body = {"token": token, "password": PASSWORD, "terms_version": TERMS}
    found = at_once(N, lambda i: post(stack, "/invitations/" + ("decline" if i % 2 else "accept"), {"token": token} if i % 2 else body)[0])
    assert sorted(found)[0] in (201, 204) and sorted(found)[1:] == [410] * (N - 1), found
    state = stack.sql("identity", "SELECT state FROM invitation WHERE email = %s", email)[0]["state"]
    assert state == ("accepted" if 201 in found else "declined")
    assert len(stack.sql("identity", "SELECT 1 FROM account WHERE email = %s", email)) == (201 in found)


def all_waiting(stack, user_id, n, work):
    """What n requests answer that all wait for the account's row, so that none may rely on what it saw before it had it."""
    waiting = "SELECT count(*) AS n FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%FROM account %FOR UPDATE%'"
    with psycopg2.connect(stack.dsn("identity")) as link, ThreadPoolExecutor(n) as pool:
        link.cursor().execute("SELECT 1 FROM identity.account WHERE user_id = %s FOR UPDATE", (user_id,))
        asked = [pool.submit(work, i) for i in range(n)]
        wait_until(lambda: stack.sql("identity", waiting)[0]["n"] >= 2, 15, "nothing waits")
        link.commit()
        return [work.result()[0] for work in asked]


def test_no_more_projects_are_opened_than_an_account_may(stack):
    person = account(stack)
    found = all_waiting(stack, person.user_id, N,
                        lambda _: stack.request("POST", "identity", "/accounts/v1/projects", {"name": uuid.uuid4().hex}, person.token))
    assert sorted(found) == [201] * (PROJECTS_MAX - 1) + [403] * (N - PROJECTS_MAX + 1)
    assert len(stack.call("GET", "identity", "/accounts/v1/projects", token=person.token)["projects"]) == PROJECTS_MAX


def test_one_thing_of_an_account_is_closed_at_a_time(stack):
    person = account(stack)
    two = [stack.call("POST", "identity", "/accounts/v1/projects", {"name": uuid.uuid4().hex}, person.token)["project"]["id"] for _ in range(2)]
    found = all_waiting(stack, person.user_id, 2,
                        lambda i: stack.request("DELETE", "identity", f"/accounts/v1/projects/{two[i]}", {"password": PASSWORD}, person.token, timeout=60))
    assert sorted(found) == [202, 409]


def test_a_key_opens_one_project_and_is_its_users_own(stack):
    one, other = account(stack), account(stack)
    name, headers = uuid.uuid4().hex, {"Idempotency-Key": "the-key"}

    def open_project(person, name):
        return stack.request("POST", "identity", "/accounts/v1/projects", {"name": name}, person.token, headers=headers)

    found = at_once(N, lambda _: open_project(one, name))
    assert {status for status, _, _ in found} == {201} and len({body["project"]["id"] for _, _, body in found}) == 1
    assert open_project(one, "other-" + name)[0] == 409
    status, _, body = open_project(other, name)
    assert status == 201 and body["project"]["id"] != found[0][2]["project"]["id"]


def test_no_more_are_invited_than_a_project_may(stack):
    owner = account(stack)
    found = at_once(N, lambda _: invite(stack, owner, address())[0])
    assert sorted(found) == [201] * INVITATIONS_MAX + [403] * (N - INVITATIONS_MAX)


def test_a_forgotten_password_is_set_once(stack):
    person = account(stack)
    assert post(stack, "/password/forgotten", {"email": person.email})[0] == 202
    token = token_in(mail_to(stack, person.email, 2))
    found = at_once(4, lambda i: post(stack, "/password/reset", {"token": token, "password": f"new-password-{i}"})[0])
    assert sorted(found) == [204, 410, 410, 410]


def test_who_was_blocked_is_not_let_in_by_what_was_mailed_before(stack, owner):
    person = account(stack)
    assert invite(stack, owner, person.email)[0] == 201
    assert post(stack, "/password/forgotten", {"email": person.email})[0] == 202
    invited, forgotten = (token_in(mail_to(stack, person.email, n)) for n in (2, 3))
    if "password" not in mail_to(stack, person.email, 3)["subject"].lower():
        invited, forgotten = forgotten, invited
    assert stack.request("POST", "identity", f"/accounts/v1/admin/accounts/{person.user_id}/block", {}, stack.admin_token())[0] == 200
    assert post(stack, "/invitations/accept", {"token": invited})[0] == 409
    post(stack, "/password/reset", {"token": forgotten, "password": "another-password"})
    auth = {"identity": {"methods": ["password"], "password": {"user": {"id": person.user_id, "password": "another-password"}}}}
    assert stack.request("POST", "identity", "/v3/auth/tokens", {"auth": auth})[0] == 401
