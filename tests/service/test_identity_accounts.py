# SPDX-License-Identifier: Apache-2.0
"""People open an account by themselves: mail to a real SMTP server, proof, project, sandbox limits; nobody learns who is here."""

import re
import statistics
import threading
import time
import uuid

import pytest

from tests.lib.stack import wait_until

SERVICES = ["identity"]
SETTINGS = {"identity": {"accounts": {"rate_network": 200, "rate_address": 3, "rate_window": 3600, "token_life": 3}}}
SIGN_UP, VERIFY, RESEND = "/accounts/v1/sign-up", "/accounts/v1/sign-up/verify", "/accounts/v1/sign-up/resend"
PASSWORD = "a-good-password"


def address():
    return f"p{uuid.uuid4().hex[:10]}@example.org"


def post(stack, path, body):
    return stack.request("POST", "identity", path, body)


def mails_to(stack, email):
    return [m for m in stack.mails() if m["to"] == [email]]


def wait_mail(stack, email, n=1):
    wait_until(lambda: len(mails_to(stack, email)) >= n, 15, f"no mail to {email}")
    return mails_to(stack, email)[n - 1]


def token_in(mail):
    [token] = re.findall(r"^([A-Za-z0-9_-]{43})$", mail["text"], re.M)
    return token


def sign_up(stack, email, **more):
    status, _, body = post(stack, SIGN_UP, {"email": email, "password": PASSWORD, **more})
    assert status == 202, body
    return body


def test_a_person_signs_up_proves_the_address_and_logs_in(stack):
    email = address()
    sign_up(stack, email, name="Person Ω", project_name=email[:10])
    assert stack.sql("identity", f"SELECT 1 FROM user_account WHERE name = '{email}'") == []
    token = token_in(wait_mail(stack, email))
    status, _, body = post(stack, VERIFY, {"token": token})
    assert status == 201 and body["user"]["name"] == email and body["project"]["name"] == email[:10]
    assert body["user"]["domain_id"] == "default" and re.fullmatch("[0-9a-f]{32}", body["user"]["id"])
    auth = {"identity": {"methods": ["password"], "password": {"user": {"name": email, "domain": {"id": "default"}, "password": PASSWORD}}}}
    status, _, seen = stack.request("POST", "identity", "/v3/auth/tokens", {"auth": auth})
    assert status == 201 and seen["token"]["project"]["id"] == body["project"]["id"]
    assert sorted(r["name"] for r in seen["token"]["roles"]) == ["member", "reader"]
    limits = {(e["service"], e["resource"]): e["value"] for e in stack.call("GET", "identity", "/internal/v1/feed?after=0")["events"]
              if e["kind"] == "limit" and e["project_id"] == body["project"]["id"]}
    assert limits[("compute", "servers")] == 3 and ("network", "floatingip") in limits
    assert post(stack, VERIFY, {"token": token})[0] == 410
    [account] = stack.sql("identity", f"SELECT user_id, full_name, locale, state FROM account WHERE email = '{email}'")
    assert account == {"user_id": body["user"]["id"], "full_name": "Person Ω", "locale": "en", "state": "active"}
    assert stack.sql("identity", f"SELECT project_id FROM account_project WHERE user_id = '{account['user_id']}'") == [{"project_id": body["project"]["id"]}]
    assert [r["action"] for r in stack.sql("identity", f"SELECT action FROM audit WHERE user_id = '{account['user_id']}' ORDER BY n")] == ["account.open", "project.open"]


def test_a_late_token_is_refused(stack):
    email = address()
    sign_up(stack, email)
    token = token_in(wait_mail(stack, email))
    wait_until(lambda: post(stack, VERIFY, {"token": "x"})[0] == 404 and not stack.sql(
        "identity", f"SELECT 1 FROM proof WHERE email = '{email}' AND expires_at > now()"), 10, "the token does not expire")
    assert post(stack, VERIFY, {"token": token})[0] == 410
    assert stack.sql("identity", f"SELECT 1 FROM user_account WHERE name = '{email}'") == []


def test_unknown_tokens_are_404_and_only_hashes_are_stored(stack):
    assert post(stack, VERIFY, {"token": uuid.uuid4().hex})[0] == 404
    email = address()
    sign_up(stack, email)
    token = token_in(wait_mail(stack, email))
    dump = str(stack.sql("identity", "SELECT p::text FROM proof p")) + str(stack.sql("identity", "SELECT m::text FROM mail m"))
    assert token not in dump and PASSWORD not in dump and token not in stack.log("identity") and PASSWORD not in stack.log("identity")


def test_a_token_used_at_once_from_many_sides_makes_one_person(stack):
    email, answers = address(), []
    sign_up(stack, email)
    token = token_in(wait_mail(stack, email))
    threads = [threading.Thread(target=lambda: answers.append(post(stack, VERIFY, {"token": token})[0])) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [201] + [410] * 5
    assert len(stack.sql("identity", f"SELECT 1 FROM user_account WHERE name = '{email}'")) == 1
    assert len(stack.sql("identity", f"SELECT 1 FROM assignment a JOIN user_account u ON u.id = a.user_id WHERE u.name = '{email}'")) == 1


def test_nobody_learns_whether_an_address_has_an_account(stack):
    known = address()
    sign_up(stack, known)
    assert post(stack, VERIFY, {"token": token_in(wait_mail(stack, known))})[0] == 201

    def ask(email):
        start = time.monotonic()
        status, headers, body = post(stack, SIGN_UP, {"email": email, "password": PASSWORD})
        assert body["sign_up"].pop("email") == email
        return status, body, sorted(headers.keys()), time.monotonic() - start
    other = ask(address())
    same = ask(known)
    assert same[:3] == other[:3]
    mail = wait_mail(stack, known, 2)
    assert "already" in mail["subject"] and not re.search(r"^[A-Za-z0-9_-]{43}$", mail["text"], re.M)
    assert 0.2 < statistics.mean([same[3]]) / other[3] < 5
    assert post(stack, RESEND, {"email": known})[2]["sign_up"]["status"] == post(stack, RESEND, {"email": address()})[2]["sign_up"]["status"]
    time.sleep(1.5)  # whatever would be sent has been sent: nothing may come
    assert len(mails_to(stack, known)) == 2


def test_the_mail_is_sent_again_with_a_new_token(stack):
    email = address()
    sign_up(stack, email, locale="ko")
    first = wait_mail(stack, email)
    assert "계정" in first["subject"]
    assert post(stack, RESEND, {"email": email.upper()})[0] == 202
    second = wait_mail(stack, email, 2)
    assert token_in(second) != token_in(first)
    assert post(stack, VERIFY, {"token": token_in(first)})[0] == 404
    assert post(stack, VERIFY, {"token": token_in(second)})[0] == 201


def test_sign_ups_are_limited_per_address(stack):
    email = address()
    for _ in range(3):
        sign_up(stack, email)
    status, headers, _ = post(stack, SIGN_UP, {"email": email, "password": PASSWORD})
    assert status == 429 and 0 < int(headers["Retry-After"]) <= 3600
    assert post(stack, RESEND, {"email": email})[0] == 429
    sign_up(stack, address())


@pytest.mark.parametrize("email", ["", "x", "a@b", "a b@example.org", "a@example.org\r\nBcc: b@example.org", "a@exa\nmple.org", "<a@example.org>",
                                   "a@b@example.org", '"a"@example.org', "a@example..org", ".a@example.org", "a@-example.org", "ä@example.org",
                                   "a@example.org,b@example.org", "x" * 65 + "@example.org", "a@" + "x" * 250 + ".org", "a\x7f@example.org", 7, None])
def test_what_is_no_address_is_400_and_sends_nothing(stack, email):
    before = len(stack.sql("identity", "SELECT 1 FROM proof"))
    status, _, body = post(stack, SIGN_UP, {"email": email, "password": PASSWORD})
    assert status == 400 and "email" in body["error"]["message"]
    assert len(stack.sql("identity", "SELECT 1 FROM proof")) == before


@pytest.mark.parametrize("field, value", [("password", "short"), ("password", "x" * 73), ("password", None), ("locale", "xx"), ("name", 7),
                                          ("project_name", "x" * 65), ("role", "admin"), ("name", "a\nb"), ("name", "a\u202eb"), ("project_name", "a\x1bb")])
def test_bad_fields_are_named(stack, field, value):
    status, _, body = post(stack, SIGN_UP, {"email": address(), "password": PASSWORD, field: value})
    assert status == 400 and field in body["error"]["message"]


def test_a_taken_project_name_gets_a_suffix(stack):
    names = []
    for _ in range(2):
        email = address()
        sign_up(stack, email, project_name="admin")
        names.append(post(stack, VERIFY, {"token": token_in(wait_mail(stack, email))})[2]["project"]["name"])
    assert all(re.fullmatch("admin-[0-9a-f]{8}", name) for name in names) and len(set(names)) == 2
