# SPDX-License-Identifier: Apache-2.0
"""kill -9 of identity at random moments of signing up and of accepting an invitation: an account is whole or not there, and whoever
asks again in the end has exactly one.

HANEUL_FAULT_ROUNDS says how many rounds of each (2 without it), HANEUL_FAULT_SEED repeats a run.
"""

import os
import random
import threading
import time

import pytest

from tests.lib.accounts import PASSWORD, TERMS, account, address, log_in, mail_to, mails_to, token_in
from tests.lib.stack import wait_until

SERVICES = ["identity"]
SETTINGS = {"identity": {"accounts": {"rate_network": 100000, "rate_address": 1000, "rate_all": 100000, "rate_token": 100000, "rate_account": 10000,
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
UNION ALL SELECT f.email FROM proof f WHERE f.used_at IS NOT NULL AND NOT EXISTS (SELECT 1 FROM account a WHERE a.email = f.email)
"""


def half_made(stack):
    return stack.sql("identity", HALF)


def persist(stack, path, body, wanted, token=None, before=None):
    """Asks until an answer says that it is done; what a killed service did before is done already."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if before:
            body = before()
        try:
            status, _, answer = stack.request("POST", "identity", "/accounts/v1" + path, body, token=token, timeout=10)
        except OSError:
            time.sleep(0.05)
            continue
        if status in wanted:
            return answer
        assert status >= 500, (path, status, answer)
        time.sleep(0.05)
    raise AssertionError(f"{path}: never answered")


class Person(threading.Thread):
    """One who signs up, or accepts an invitation, and does not give up."""

    def __init__(self, stack, owner=None):
        super().__init__()
        self.stack, self.owner, self.email, self.error = stack, owner, address(), None

    def newest_token(self):
        return token_in(mails_to(self.stack, self.email)[-1])

    def run(self):
        try:
            self.sign_up() if not self.owner else self.join_project()
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


def mail_to_patiently(stack, email):
    # A mail that was taken by a killed sender is taken again after its minute: the test shortens that.
    def there():
        stack.sql("identity", "UPDATE mail SET due_at = now() WHERE recipient = %s AND due_at < 'infinity'", email)
        return mails_to(stack, email)
    wait_until(there, 60, f"no mail to {email}")


@pytest.fixture(scope="module")
def owner(stack):
    return account(stack)


@pytest.mark.parametrize("number", range(ROUNDS))
@pytest.mark.parametrize("invited", [False, True], ids=["sign-up", "invitation"])
def test_identity_killed_at_a_random_moment(stack, owner, invited, number):
    random.seed(SEED + number + 1000 * invited)
    people = [Person(stack, owner if invited else None) for _ in range(3)]
    for person in people:
        person.start()
    moments = [random.uniform(0.05, 1.5) for _ in range(2)]
    print(f"seed {SEED}: killed after {moments}")
    for moment in moments:
        time.sleep(moment)
        stack.kill("identity")
        assert half_made(stack) == []
        stack.start("identity")
    for person in people:
        person.join(150)
        assert not person.is_alive() and person.error is None, person.error
        status, _, body = log_in(stack, person.email)
        assert status == 201, body
        if invited:
            assert body["token"]["project"]["id"] == owner.project_id
    assert half_made(stack) == []
    names = [p.email for p in people]
    assert stack.sql("identity", "SELECT count(*) AS n FROM account WHERE email = ANY(%s)", names) == [{"n": len(people)}]


def test_a_mail_is_not_lost_with_its_sender(stack):
    """Killed right after the request was accepted: the mail is a row, and leaves later."""
    email = address()
    persist(stack, "/sign-up", {"email": email, "password": PASSWORD, "terms_version": TERMS}, {202})
    stack.kill("identity")
    assert stack.sql("identity", "SELECT count(*) AS n FROM proof WHERE email = %s", email) == [{"n": 1}]
    stack.start("identity")
    mail_to_patiently(stack, email)
    assert token_in(mail_to(stack, email))
