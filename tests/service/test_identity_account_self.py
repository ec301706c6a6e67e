# SPDX-License-Identifier: Apache-2.0
"""One's own account: terms, profile, projects, address, password, trail; and what administrators decide about it."""

import re
import threading
import time
import uuid

import pytest

from tests.lib.accounts import PASSWORD, TERMS, account, address, log_in, mail_to, n_mails, post, token_in

SERVICES = ["identity"]
SETTINGS = {"identity": {"accounts": {"rate_network": 500, "rate_address": 4, "rate_window": 3600, "terms_version": TERMS, "projects_max": 2,
                                      "admin_email": "boss@example.net"}}}
ADMIN = "/accounts/v1/admin/accounts"


@pytest.fixture(scope="module")
def person(stack):
    return account(stack, name="Person", locale="ko")


def get(stack, path, token):
    return stack.request("GET", "identity", path, token=token)


def trail(stack, token, path="/accounts/v1/audit"):
    return [row["action"] for row in stack.call("GET", "identity", path, token=token)["audit"]]


# ---- terms and rules

@pytest.mark.parametrize("given", [None, "old", ""])
def test_a_sign_up_accepts_the_current_terms_or_nothing(stack, given):
    body = {"email": address(), "password": PASSWORD}
    if given is not None:
        body["terms_version"] = given
    status, _, answer = post(stack, "/sign-up", body)
    assert status == 400 and "terms_version" in answer["error"]["message"]
    assert stack.call("GET", "identity", "/accounts/v1/sign-up")["sign_up"] == {"open": True, "terms_version": TERMS, "locales": ["en", "ko"]}


def test_a_rule_for_a_domain_makes_accounts_wait_or_closes_it(stack):
    admin, domain = stack.admin_token(), f"d{uuid.uuid4().hex[:8]}.example"
    rules = "/accounts/v1/admin/domain-rules"
    assert stack.request("PUT", "identity", f"{rules}/{domain}", {"mode": "approve"}, token=admin)[0] == 200
    assert stack.request("PUT", "identity", f"{rules}/shut.{domain}", {"mode": "closed"}, token=admin)[0] == 200
    for bad in ("nodots", "a..b", "-a.b"):
        assert stack.request("PUT", "identity", f"{rules}/{bad}", {"mode": "closed"}, token=admin)[0] == 400
    assert stack.request("PUT", "identity", f"{rules}/{domain}", {"mode": "maybe"}, token=admin)[0] == 400
    for host in (f"shut.{domain}", f"a.shut.{domain}"):
        status, _, answer = post(stack, "/sign-up", {"email": "x@" + host, "password": PASSWORD, "terms_version": TERMS})
        assert status == 403 and "closed" in answer["error"]["message"]
    waiting = account(stack, email=address("sub." + domain), log_in=False)
    assert waiting.state == "waiting"
    assert log_in(stack, waiting.email)[0] == 401
    assert "waits" in mail_to(stack, waiting.email, 2)["subject"] and waiting.email in mail_to(stack, "boss@example.net")["text"]
    status, _, body = stack.request("POST", "identity", f"{ADMIN}/{waiting.user_id}/approve", token=admin)
    assert status == 200 and body["account"]["state"] == "active" and body["account"]["user"]["enabled"]
    assert log_in(stack, waiting.email)[0] == 201 and "approved" in mail_to(stack, waiting.email, 3)["subject"]
    assert stack.request("POST", "identity", f"{ADMIN}/{waiting.user_id}/approve", token=admin)[0] == 409
    assert stack.request("DELETE", "identity", f"{rules}/{domain}", token=admin)[0] == 204
    assert stack.request("DELETE", "identity", f"{rules}/{domain}", token=admin)[0] == 404
    assert account(stack, email=address("sub." + domain)).state == "active"


def test_a_rejected_account_leaves_nothing_but_its_trail(stack):
    admin, domain = stack.admin_token(), f"d{uuid.uuid4().hex[:8]}.example"
    stack.call("PUT", "identity", f"/accounts/v1/admin/domain-rules/{domain}", {"mode": "approve"}, admin)
    one = account(stack, email=address(domain), log_in=False)
    status, _, body = stack.request("POST", "identity", f"{ADMIN}/{one.user_id}/reject", {"reason": "no"}, token=admin)
    assert status == 200 and body["account"]["state"] == "closed" and body["account"]["projects"] == []
    assert stack.sql("identity", "SELECT 1 FROM user_account WHERE id = %s", one.user_id) == []
    assert stack.sql("identity", "SELECT 1 FROM tenancy WHERE id = %s", one.project_id) == []
    assert log_in(stack, one.email)[0] == 401
    again = account(stack, email=one.email, log_in=False, mail=4)
    assert again.state == "waiting" and again.user_id != one.user_id


# ---- profile and projects

def test_the_profile_is_shown_and_changed(stack, person):
    shown = stack.call("GET", "identity", "/accounts/v1/account", token=person.token)["account"]
    assert shown["email"] == person.email and shown["name"] == "Person" and shown["terms_version"] == TERMS and shown["locale"] == "ko"
    status, _, body = stack.request("PATCH", "identity", "/accounts/v1/account", {"name": " Zo\u0065\u0301 ", "locale": "en"}, token=person.token)
    assert status == 200 and body["account"]["name"] == "Zo\u00e9" and body["account"]["locale"] == "en"
    assert stack.sql("identity", "SELECT extra->>'full_name' AS n FROM user_account WHERE id = %s", person.user_id) == [{"n": "Zo\u00e9"}]
    assert get(stack, "/accounts/v1/account", stack.admin_token())[0] == 404
    assert get(stack, "/accounts/v1/account", None)[0] == 401


@pytest.mark.parametrize("field, value", [("name", "a\u2028b"), ("name", "x" * 256), ("locale", "de"), ("terms_version", "9"),
                                          ("default_project_id", "0" * 32), ("email", "a@example.org"), ("state", "active")])
def test_bad_fields_of_a_profile_are_named(stack, person, field, value):
    status, _, body = stack.request("PATCH", "identity", "/accounts/v1/account", {field: value}, token=person.token)
    assert status == 400 and field in body["error"]["message"], body


def test_an_account_opens_projects_up_to_its_limit(stack):
    person = account(stack)
    status, _, body = stack.request("POST", "identity", "/accounts/v1/projects", {"name": "admin", "description": "more"}, token=person.token)
    assert status == 201 and re.fullmatch("admin-[0-9a-f]{8}", body["project"]["name"])
    project = body["project"]
    status, _, body = stack.request("POST", "identity", "/accounts/v1/projects", {"name": "third"}, token=person.token)
    assert status == 403 and "at most 2" in body["error"]["message"]
    listed = stack.call("GET", "identity", "/accounts/v1/projects", token=person.token)["projects"]
    assert sorted(p["id"] for p in listed) == sorted([person.project_id, project["id"]])
    assert all(p["is_owner"] and p["roles"] == ["member"] for p in listed)
    status, _, seen = log_in(stack, person.email, project=project["id"])
    assert status == 201 and seen["token"]["project"]["id"] == project["id"]
    limits = [e for e in stack.call("GET", "identity", "/internal/v1/feed?after=0")["events"] if e["kind"] == "limit" and e["project_id"] == project["id"]]
    assert len(limits) >= 5
    assert stack.request("PATCH", "identity", "/accounts/v1/account", {"default_project_id": project["id"]}, token=person.token)[0] == 200
    assert log_in(stack, person.email)[2]["token"]["project"]["id"] == project["id"]
    for name in ("", "  ", "a\nb", "x" * 65):
        assert stack.request("POST", "identity", "/accounts/v1/projects", {"name": name}, token=person.token)[0] == 400
    assert stack.request("POST", "identity", "/accounts/v1/projects", {"name": "x"}, token=stack.admin_token())[0] == 404


def test_a_repeated_opening_gives_the_same_project(stack):
    person = account(stack)

    def open_one(name, key, token=person.token):
        return stack.request("POST", "identity", "/accounts/v1/projects", {"name": name}, token=token, headers={"Idempotency-Key": key})
    answers, name = [], "again-" + person.user_id[:8]
    stack.sql("identity", "INSERT INTO idempotency_key SELECT 'x', n::text, 'h', 'i', now() - interval '25 hours' FROM generate_series(1, 3) n")
    threads = [threading.Thread(target=lambda: answers.append(open_one(name, "k1"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [a[0] for a in answers] == [201] * 4 and len({a[2]["project"]["id"] for a in answers}) == 1
    project = answers[0][2]["project"]
    assert project["name"] == name and project["roles"] == ["member"] and project["is_owner"]
    assert open_one("other", "k1")[0] == 409 and open_one("other", "k2")[0] == 403, "the limit of two"
    assert open_one(name, "k1")[2]["project"] == project and open_one(name, "x" * 256)[0] == 400
    assert stack.sql("identity", "SELECT 1 FROM idempotency_key WHERE project_id = 'x'") == [], "keys of yesterday stay for ever"
    another = account(stack)
    status, _, body = open_one(name, "k1", another.token)
    assert status == 201 and body["project"]["id"] != project["id"], "another account's key"
    assert len(stack.call("GET", "identity", "/accounts/v1/projects", token=person.token)["projects"]) == 2


def test_an_application_credential_cannot_act_for_the_account(stack, person):
    made = stack.call("POST", "identity", f"/v3/users/{person.user_id}/application_credentials", {"application_credential": {"name": "x"}}, person.token)
    made = made["application_credential"]
    auth = {"identity": {"methods": ["application_credential"], "application_credential": {"id": made["id"], "secret": made["secret"]}}}
    status, headers, _ = stack.request("POST", "identity", "/v3/auth/tokens", {"auth": auth})
    token = {k.lower(): v for k, v in headers.items()}["x-subject-token"]
    assert status == 201 and get(stack, "/v3/auth/projects", token)[0] == 200
    assert get(stack, "/accounts/v1/account", token)[0] == 403
    assert stack.request("POST", "identity", "/accounts/v1/projects", {"name": "x"}, token=token)[0] == 403


# ---- the address

def test_a_changed_address_is_proven_and_both_are_told(stack):
    person, new = account(stack), address()
    ask = {"email": new, "password": PASSWORD}
    assert stack.request("POST", "identity", "/accounts/v1/account/email", {**ask, "password": "wrong-password"}, token=person.token)[0] == 403
    assert stack.request("POST", "identity", "/accounts/v1/account/email", ask, token=person.token)[0] == 202
    assert new in mail_to(stack, person.email, 2)["text"]
    token = token_in(mail_to(stack, new))
    assert post(stack, "/sign-up/verify", {"token": token})[0] == 404, "a token of one kind proves another"
    assert post(stack, "/email/verify", {"token": token})[0] == 204
    assert post(stack, "/email/verify", {"token": token})[0] == 410
    assert get(stack, "/accounts/v1/account", person.token)[0] == 401, "an old token lives on"
    assert log_in(stack, person.email)[0] == 401
    status, headers, body = log_in(stack, new)
    assert status == 201 and body["token"]["user"]["name"] == new
    assert new in mail_to(stack, person.email, 3)["text"] and new in mail_to(stack, new, 2)["text"]


def test_nobody_learns_by_an_address_change_who_is_here(stack, person):
    other, new = account(stack), address()
    answers = [stack.request("POST", "identity", "/accounts/v1/account/email", {"email": email, "password": PASSWORD}, token=other.token)
               for email in (person.email, new)]
    assert answers[0][0] == answers[1][0] == 202 and answers[0][2] == answers[1][2]
    token_in(mail_to(stack, new))
    assert "already" in mail_to(stack, person.email, 2)["subject"]


# ---- the password

def test_a_forgotten_password_is_set_anew_once_and_every_token_ends(stack):
    person = account(stack, locale="ko")
    first = post(stack, "/password/forgotten", {"email": person.email.upper()})
    unknown = address()
    second = post(stack, "/password/forgotten", {"email": unknown})
    assert first[0] == second[0] == 202 and first[2] == second[2]
    mail = mail_to(stack, person.email, 2)
    assert "비밀번호" in mail["subject"]
    token = token_in(mail)
    status, _, body = post(stack, "/password/reset", {"token": token, "password": "short"})
    assert status == 400 and "password" in body["error"]["message"]
    assert post(stack, "/password/reset", {"token": token, "password": "another-password"})[0] == 204
    assert post(stack, "/password/reset", {"token": token, "password": "yet-another-one"})[0] == 410
    assert get(stack, "/accounts/v1/account", person.token)[0] == 401
    assert log_in(stack, person.email)[0] == 401 and log_in(stack, person.email, "another-password")[0] == 201
    assert "변경" in mail_to(stack, person.email, 3)["subject"]
    assert n_mails(stack, unknown) == 0
    assert post(stack, "/password/reset", {"token": uuid.uuid4().hex, "password": "another-password"})[0] == 404


def test_asking_for_a_password_takes_the_same_time_for_everybody(stack):
    def ask(email):
        start = time.monotonic()
        assert post(stack, "/password/forgotten", {"email": email})[0] == 202
        return time.monotonic() - start
    people = [account(stack).email for _ in range(4)]
    known = min(ask(email) for email in people * 3)
    unknown = min(ask(address()) for _ in range(12))
    assert 0.2 < known / unknown < 5


def test_requests_are_limited_per_address_whatever_they_ask(stack):
    email = address()
    answers = [post(stack, "/password/forgotten", {"email": email})[0] for _ in range(5)]
    assert answers == [202] * 4 + [429]
    assert post(stack, "/sign-up/resend", {"email": email})[0] == 429


# ---- the trail and the administrators

def test_the_trail_is_read_by_owner_and_admin_and_by_nobody_else(stack, person):
    other, admin = account(stack), stack.admin_token()
    mine = trail(stack, person.token)
    assert mine[-2:] == ["project.open", "account.open"] and "account.change" in mine
    page = stack.call("GET", "identity", "/accounts/v1/audit?limit=2", token=person.token)
    rest = stack.call("GET", "identity", f"/accounts/v1/audit?marker={page['next_marker']}", token=person.token)
    assert [r["action"] for r in page["audit"] + rest["audit"]] == mine
    assert trail(stack, admin, f"/accounts/v1/admin/audit?user_id={person.user_id}&limit=1000") == mine
    assert set(trail(stack, other.token)) == {"account.open", "project.open"}
    assert trail(stack, other.token, f"/accounts/v1/audit?project_id={person.project_id}") == []
    assert get(stack, "/accounts/v1/admin/audit", person.token)[0] == 403
    for bad in ("marker=x", "limit=0", "limit=1001", "limit=x"):
        assert get(stack, f"/accounts/v1/audit?{bad}", person.token)[0] == 400


def test_an_admin_lists_with_filters_and_markers(stack, person):
    admin, other = stack.admin_token(), account(stack)
    every = stack.call("GET", "identity", ADMIN, token=admin)["accounts"]
    ids, marker = [], None
    while True:
        page = stack.call("GET", "identity", f"{ADMIN}?limit=2" + (f"&marker={marker}" if marker else ""), token=admin)
        ids += [a["user_id"] for a in page["accounts"]]
        marker = page["next_marker"]
        if not marker:
            break
    assert ids == [a["user_id"] for a in every] and {person.user_id, other.user_id} <= set(ids)

    def found(query):
        return [a["user_id"] for a in stack.call("GET", "identity", f"{ADMIN}?{query}", token=admin)["accounts"]]
    assert found(f"email={other.email[:8]}") == [other.user_id] and found(f"email={other.email}&state=active") == [other.user_id]
    assert found(f"email={other.email}&state=blocked") == [] and other.user_id in found("state=active")
    assert found("created_before=2020-01-01") == [] and found("created_after=2020-01-01T00:00:00Z") == ids
    for bad in ("state=x", "created_after=x", "limit=-1", "email=%ff"):
        assert get(stack, f"{ADMIN}?{bad}", admin)[0] == 400
    assert get(stack, ADMIN, person.token)[0] == 403 and get(stack, f"{ADMIN}/{person.user_id}", person.token)[0] == 403


def test_the_support_view_shows_what_help_needs(stack, person):
    seen = stack.call("GET", "identity", f"{ADMIN}/{person.user_id}", token=stack.admin_token())["account"]
    [project] = [p for p in seen["projects"] if p["id"] == person.project_id]
    assert project["is_owner"] and project["roles"] == ["member"]
    assert {"service": "compute", "resource": "servers", "value": 3} in project["limits"]
    assert seen["user"]["enabled"] and seen["audit"][-1]["action"] == "account.open" and "hash" not in str(seen)
    assert get(stack, f"{ADMIN}/nobody", stack.admin_token())[0] == 404


def test_a_blocked_user_is_out_until_unblocked(stack):
    person, admin = account(stack), stack.admin_token()
    assert stack.request("POST", "identity", f"{ADMIN}/{person.user_id}/block", {"reason": "abuse\n"}, token=admin)[0] == 400
    assert stack.request("POST", "identity", f"{ADMIN}/{person.user_id}/block", {"reason": "abuse"}, token=person.token)[0] == 403
    assert stack.request("POST", "identity", f"{ADMIN}/{person.user_id}/block", {"reason": "abuse"}, token=admin)[0] == 200
    assert get(stack, "/accounts/v1/account", person.token)[0] == 401 and log_in(stack, person.email)[0] == 401
    before = n_mails(stack, person.email)
    assert post(stack, "/password/forgotten", {"email": person.email})[0] == 202
    assert stack.request("POST", "identity", f"{ADMIN}/{person.user_id}/block", token=admin)[0] == 409
    assert stack.request("POST", "identity", f"{ADMIN}/{person.user_id}/unblock", token=admin)[0] == 200
    assert log_in(stack, person.email)[0] == 201
    assert "open again" in mail_to(stack, person.email, 3)["subject"], before
    assert stack.request("POST", "identity", f"{ADMIN}/nobody/block", token=admin)[0] == 404
    row = stack.sql("identity", "SELECT detail->>'reason' AS r FROM audit WHERE user_id = %s AND action = 'account.block'", person.user_id)
    assert row == [{"r": "abuse"}]


def test_who_enables_the_user_unblocks_the_account(stack):
    person, admin = account(stack, log_in=False), stack.admin_token()
    stack.call("POST", "identity", f"{ADMIN}/{person.user_id}/block", token=admin)
    stack.call("PATCH", "identity", f"/v3/users/{person.user_id}", {"user": {"enabled": True}}, admin)
    assert stack.call("GET", "identity", f"{ADMIN}/{person.user_id}", token=admin)["account"]["state"] == "active"
