# SPDX-License-Identifier: Apache-2.0
"""Log-ins that fail are limited by the client's network, whoever they name; others go on."""

import uuid

from tests.lib.stack import wait_until

SERVICES = ["identity"]
MAX, WINDOW_S = 6, 4
SETTINGS = {"identity": {"accounts": {"rate_login": MAX, "rate_window": WINDOW_S}, "service": {"trust_proxy": True}}}


def log_in(stack, user, password, method="password", address="192.0.2.7"):
    proof = {"password": {"user": {"name": user, "domain": {"id": "default"}, "password": password}},
             "application_credential": {"id": user, "secret": password}}[method]
    body = {"auth": {"identity": {"methods": [method], method: proof}}}
    return stack.request("POST", "identity", "/v3/auth/tokens", body, headers={"X-Forwarded-For": "203.0.113.1, " + address})


def test_too_many_failed_log_ins_make_a_network_wait(stack):
    person = stack.person()
    for i in range(MAX):
        kind = ("password", "application_credential")[i % 2]
        assert log_in(stack, uuid.uuid4().hex, "wrong", kind)[0] == 401
    status, headers, body = log_in(stack, person.user, person.password)
    assert status == 429, body
    assert 1 <= int(headers["Retry-After"]) <= WINDOW_S
    unknown = log_in(stack, uuid.uuid4().hex, "wrong")
    assert unknown[0] == 429 and unknown[2] == body
    assert log_in(stack, person.user, person.password, address="192.0.2.250")[0] == 429  # of the same network
    assert log_in(stack, person.user, person.password, address="192.0.3.7")[0] == 201
    assert log_in(stack, person.user, person.password, address="2001:db8::1")[0] == 201
    # Tokens go on.
    again = {"auth": {"identity": {"methods": ["token"], "token": {"id": person.token}}}}
    assert stack.request("POST", "identity", "/v3/auth/tokens", again)[0] == 201
    assert stack.request("GET", "identity", "/v3/auth/projects", token=person.token)[0] == 200
    wait_until(lambda: log_in(stack, person.user, person.password)[0] == 201, WINDOW_S + 2, "the window never ends")


def test_log_ins_that_succeed_count_nothing(stack):
    person = stack.person()
    wait_until(lambda: log_in(stack, person.user, person.password)[0] == 201, WINDOW_S + 2, "the window never ends")
    for _ in range(2 * MAX):
        assert log_in(stack, person.user, person.password)[0] == 201
