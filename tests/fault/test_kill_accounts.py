# SPDX-License-Identifier: Apache-2.0
"""kill -9 of identity at random moments of what people do with accounts (signing up, accepting an invitation, changing an address, giving
roles, opening projects): each step is whole or not done, and whoever asks again in the end has exactly one of each.

HANEUL_FAULT_ROUNDS says how many rounds (2 without it), HANEUL_FAULT_SEED repeats a run.
"""

import os
import random
import threading
import time

import pytest

from tests.lib.accounts import PASSWORD, TERMS, account, address, log_in, mail_to, mails_to, token_in
from tests.lib.stack import wait_until

SERVICES = ["identity"]
SETTINGS = {"identity": {"accounts": {"rate_network": 100000, "rate_address": 1000, "rate_all": 100000, "rate_token": 100000, "rate_account": 10000, "projects_max": 100,
                                      "invitations_max": 1000,
                                      "terms_version": TERMS}}}
ROUNDS = int(os.environ.get("HANEUL_FAULT_ROUNDS", "2"))
SEED = int(os.environ.get("HANEUL_FAULT_SEED", random.randrange(1 << 30)))

# Every row of a person is there, or none is.
HALF = """
SELECT u.name AS what FROM user_account u LEFT JOIN account a ON a.user_id = u.id WHERE u.name LIKE '%@%' AND a.user_id IS NULL
UNION ALL SELECT a.email FROM account a LEFT JOIN user_account u ON u.id = a.user_id WHERE u.id IS NULL
UNION ALL SELECT a.email FROM account a WHERE NOT EXISTS (SELECT 1 FROM assignment s WHERE s.user_id = a.user_id)
UNION ALL SELECT a.email FROM account a WHERE NOT EXISTS (SELECT 1 FROM audit l WHERE l.user_id = a.user_id AND l.action = 'account.open')
UNION ALL SELECT a.email FROM account a WHERE NOT EXISTS (SELECT 1 FROM password_history h WHERE h.user_id = a.user_id)
UNION ALL SELECT p.project_id FROM account_project p LEFT JOIN tenancy t ON t.id = p.project_id WHERE t.id IS NULL
UNION ALL SELECT p.project_id FROM account_project p WHERE NOT EXISTS
    (SELECT 1 FROM feed_event f WHERE f.kind = 'limit' AND f.body ->> 'project_id' = p.project_id)
UNION ALL SELECT t.name FROM tenancy t LEFT JOIN account_project p ON p.project_id = t.id WHERE t.name LIKE '%@%' AND p.project_id IS NULL
UNION ALL SELECT i.email FROM invitation i WHERE i.state = 'accepted' AND NOT EXISTS
    (SELECT 1 FROM user_account u JOIN assignment s ON s.user_id = u.id WHERE u.name = i.email AND s.target_id = i.project_id)
UNION ALL SELECT f.email FROM proof f WHERE f.kind = 'sign_up' AND f.used_at IS NOT NULL AND NOT EXISTS (SELECT 1 FROM account a WHERE a.email = f.email)
    AND NOT EXISTS (SELECT 1 FROM audit l WHERE l.action = 'account.email.change' AND l.detail ->> 'old' = f.email)
UNION ALL SELECT a.email FROM account a JOIN user_account u ON u.id = a.user_id WHERE u.name <> a.email OR u.extra ->> 'email' <> a.email
UNION ALL SELECT p.project_id FROM account_project p WHERE NOT EXISTS
    (SELECT 1 FROM audit l WHERE l.project_id = p.project_id AND l.action = 'project.open')
"""


def half_made(stack):
    return stack.sql("identity", HALF)


def persist(stack, path, body, wanted, token=None, before=None, method="POST", headers=None):
    """Asks until an answer says that it is done; what a killed service did before is done already."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if before:
            body = before()
        try:
            status, _, answer = stack.request(method, "identity", "/accounts/v1" + path, body, token=token, headers=headers, timeout=10)
        except OSError:
            time.sleep(0.05)
            continue
        if status in wanted:
            return answer
        assert status >= 500, (path, status, answer)
        time.sleep(0.05)
    raise AssertionError(f"{path}: never answered")


class Person(threading.Thread):
    """One who does something with accounts and does not give up. `result` is looked at by the check of the same name."""

    def __init__(self, stack, owner, what):
        super().__init__(name=what)
        self.stack, self.owner, self.what, self.email, self.error, self.known, self.result = stack, owner, what, address(), None, None, None
        if what in ("change_address", "open_project"):
            self.known = account(stack)
        if what == "give_roles":
            self.known = joined(stack, owner, self.email)

    def newest_token(self):
        return token_in(mails_to(self.stack, self.email)[-1])

    def run(self):
        try:
            getattr(self, self.what)()
        except BaseException as error:  # noqa: BLE001 - shown by the test
            self.error = error

    def sign_up(self):
        persist(self.stack, "/sign-up", {"email": self.email, "password": PASSWORD, "terms_version": TERMS}, {202})
        mail_to_patiently(self.stack, self.email)
        persist(self.stack, "/sign-up/verify", None, {201, 410}, before=lambda: {"token": self.newest_token()})

    def join_project(self):
        persist(self.stack, f"/projects/{self.owner.project_id}/invitations", {"email": self.email}, {201}, token=self.owner.token)
        mail_to_patiently(self.stack, self.email)
        persist(self.stack, "/invitations/accept", None, {201, 410},
                before=lambda: {"token": self.newest_token(), "password": PASSWORD, "terms_version": TERMS})

    def change_address(self):
        persist(self.stack, "/account/email", {"email": self.email, "password": PASSWORD}, {202}, token=self.known.token)
        mail_to_patiently(self.stack, self.email)
        persist(self.stack, "/email/verify", None, {204, 410}, before=lambda: {"token": self.newest_token()})

    def give_roles(self):
        path = f"/projects/{self.owner.project_id}/members/{self.known}"
        for self.result in ("reader", "manager", "member", "reader", "manager", "reader"):
            answer = persist(self.stack, path, {"role": self.result}, {200}, token=self.owner.token, method="PATCH")
            assert answer["member"]["roles"] == [self.result]
            time.sleep(0.2)

    def open_project(self):
        self.result = [persist(self.stack, "/projects", {"name": f"{self.email[:8]}-{n}"}, {201}, token=self.known.token,
                               headers={"Idempotency-Key": f"k{n}"})["project"]["id"] for n in range(4)]

    # ---- what must be so in the end

    def check(self):
        getattr(self, "check_" + self.what)()

    def check_sign_up(self):
        status, _, body = log_in(self.stack, self.email)
        assert status == 201, body
        assert self.stack.sql("identity", "SELECT count(*) AS n FROM account WHERE email = %s", self.email) == [{"n": 1}]
        return body

    def check_join_project(self):
        assert self.check_sign_up()["token"]["project"]["id"] == self.owner.project_id

    def check_change_address(self):
        assert self.check_sign_up()["token"]["user"]["id"] == self.known.user_id
        assert log_in(self.stack, self.known.email)[0] == 401 and not self.lives(self.known.token)

    def check_give_roles(self):
        rows = self.stack.sql("identity", "SELECT r.name FROM assignment a JOIN role r ON r.id = a.role_id WHERE a.user_id = %s AND a.target_id = %s",
                              self.known, self.owner.project_id)
        trail = self.stack.sql("identity", "SELECT detail FROM audit WHERE user_id = %s AND action = 'member.change' ORDER BY n", self.known)
        roles = ["member"] + [row["detail"]["role"] for row in trail]
        assert rows == [{"name": roles[-1]}] and [row["detail"]["former_roles"] for row in trail] == roles[:-1], "the trail tells what happened"
        assert roles == ["member", "reader", "manager", "member", "reader", "manager", "reader"]

    def check_open_project(self):
        rows = self.stack.sql("identity", "SELECT project_id FROM account_project WHERE user_id = %s", self.known.user_id)
        assert sorted(row["project_id"] for row in rows) == sorted([self.known.project_id, *self.result])

    def lives(self, token):
        return self.stack.request("GET", "identity", "/v3/auth/projects", token=token)[0] == 200


def joined(stack, owner, email):
    """The id of a new member of the owner's project."""
    status, _, body = stack.request("POST", "identity", f"/accounts/v1/projects/{owner.project_id}/invitations", {"email": email}, token=owner.token)
    assert status == 201, body
    answer = {"token": token_in(mail_to(stack, email)), "password": PASSWORD, "terms_version": TERMS}
    return stack.call("POST", "identity", "/accounts/v1/invitations/accept", answer)["membership"]["user"]["id"]


def mail_to_patiently(stack, email):
    # A mail that was taken by a killed sender is taken again after its minute: the test shortens that.
    # What was asked again after a kill sends another mail, and ends the token of the first: all must be there.
    def there():
        pending = stack.sql("identity", "UPDATE mail SET due_at = now() WHERE recipient = %s AND due_at < 'infinity' RETURNING 1 AS one", email)
        return not pending and mails_to(stack, email)
    wait_until(there, 60, f"no mail to {email}")


@pytest.fixture(scope="module")
def owner(stack):
    return account(stack)


@pytest.mark.parametrize("number", range(ROUNDS))
def test_identity_killed_at_a_random_moment(stack, owner, number):
    random.seed(SEED + number)
    deeds = ["sign_up", "join_project", "change_address", "give_roles", "open_project"]
    people = [Person(stack, owner, what) for what in (*deeds, random.choice(deeds))]
    moments = [random.uniform(0.05, 1.5) for _ in range(3)]
    print(f"seed {SEED} round {number}: {people[-1].what}, killed after {moments}")
    for person in people:
        person.start()
    for moment in moments:
        time.sleep(moment)
        stack.kill("identity")
        assert half_made(stack) == []
        stack.start("identity")
    for person in people:
        person.join(150)
        assert not person.is_alive() and person.error is None, (person.what, person.error)
        person.check()
    assert half_made(stack) == []


def test_a_mail_is_not_lost_with_its_sender(stack):
    """Killed right after the request was accepted: the mail is a row, and leaves later."""
    email = address()
    persist(stack, "/sign-up", {"email": email, "password": PASSWORD, "terms_version": TERMS}, {202})
    stack.kill("identity")
    assert stack.sql("identity", "SELECT count(*) AS n FROM proof WHERE email = %s", email) == [{"n": 1}]
    stack.start("identity")
    mail_to_patiently(stack, email)
    assert token_in(mail_to(stack, email))
