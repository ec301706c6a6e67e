# SPDX-License-Identifier: Apache-2.0
"""People who open accounts by mail, for tests of the accounts API."""

import re
import uuid
from types import SimpleNamespace

from tests.lib.stack import wait_until

PASSWORD, TERMS = "a-good-password", "2026-1"


def address(domain="example.org"):
    return f"p{uuid.uuid4().hex[:10]}@{domain}"


def post(stack, path, body, token=None):
    return stack.request("POST", "identity", "/accounts/v1" + path, body, token=token)


def mails_to(stack, email):
    return [m for m in stack.mails() if m["to"] == [email]]


def n_mails(stack, email):
    return len(mails_to(stack, email))


def mail_to(stack, email, n=1):
    """The n-th mail to the address, once it is there."""
    wait_until(lambda: n_mails(stack, email) >= n, 15, f"no mail {n} to {email}: {[m['subject'] for m in mails_to(stack, email)]}")
    return mails_to(stack, email)[n - 1]


def token_in(mail):
    [token] = re.findall(r"^([A-Za-z0-9_-]{43})$", mail["text"], re.M)
    return token


def log_in(stack, email, password=PASSWORD, project=None):
    """(status, headers, body) of a login by password."""
    auth = {"identity": {"methods": ["password"], "password": {"user": {"name": email, "domain": {"id": "default"}, "password": password}}}}
    if project:
        auth["scope"] = {"project": {"id": project}}
    return stack.request("POST", "identity", "/v3/auth/tokens", {"auth": auth})


def token_of(stack, email, password=PASSWORD, project=None):
    status, headers, body = log_in(stack, email, password, project)
    assert status == 201, body
    return {k.lower(): v for k, v in headers.items()}["x-subject-token"]


def account(stack, email=None, log_in=True, mail=1, **more):
    """Signs somebody up: email, user_id, project_id, state, token. mail: which mail to the address has the proof."""
    email = email or address()
    status, _, body = post(stack, "/sign-up", {"email": email, "password": PASSWORD, "terms_version": TERMS, **more})
    assert status == 202, body
    status, _, body = post(stack, "/sign-up/verify", {"token": token_in(mail_to(stack, email, mail))})
    assert status == 201, body
    return SimpleNamespace(email=email, user_id=body["user"]["id"], project_id=body["project"]["id"], state=body["account"]["state"],
                           token=token_of(stack, email) if log_in else None)
