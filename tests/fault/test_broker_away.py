# SPDX-License-Identifier: Apache-2.0
"""What identity takes away is refused in every service within a second while the broker is gone or does not answer: the feed needs no bus."""

import contextlib
import os
import signal
import time

import pytest

from launch import process, rabbit
from tests.lib.compute import CLOUD, NO_OVN
from tests.lib.stack import infra, wait_until

SERVICES = [*CLOUD, "billing"]
SETTINGS = NO_OVN


@contextlib.contextmanager
def broker_away(how):
    base = infra()
    broker = process.alive(base.cloud, rabbit.NAME)
    os.kill(broker, how)
    try:
        yield
    finally:
        if how == signal.SIGSTOP:
            os.kill(broker, signal.SIGCONT)
        else:
            rabbit.up(base.cloud, ["/", *base.vhosts])


def answers(stack, person):
    places = {"identity": "/v3/auth/projects", "image": "/v2/images", "network": "/v2.0/networks", "compute": "/v2.1/servers",
              "billing": f"/v1/accounts/{person.project_id}/statements"}
    return {name: stack.request("GET", name, path, token=person.token)[0] for name, path in places.items()}


def all_say(stack, person, status):
    return set(answers(stack, person).values()) == {status}


def disable_user(stack, person, admin):
    stack.call("PATCH", "identity", f"/v3/users/{person.user_id}", {"user": {"enabled": False}}, admin)


def disable_project(stack, person, admin):
    stack.call("PATCH", "identity", f"/v3/projects/{person.project_id}", {"project": {"enabled": False}}, admin)


def take_role(stack, person, admin):
    [role] = stack.call("GET", "identity", "/v3/roles?name=member", token=admin)["roles"]
    stack.call("DELETE", "identity", f"/v3/projects/{person.project_id}/users/{person.user_id}/roles/{role['id']}", token=admin)


@pytest.mark.parametrize("how", [signal.SIGSTOP, signal.SIGKILL], ids=["stuck", "gone"])
def test_a_disabled_user_is_refused_everywhere_within_a_second(stack, how):
    admin, bystander = stack.admin_token(), stack.person()
    people = [(stack.person(), take) for take in (disable_user, disable_project, take_role)]
    for person in [p for p, _ in people] + [bystander]:
        assert all_say(stack, person, 200), answers(stack, person)
    with broker_away(how):
        for person, take in people:
            take(stack, person, admin)
            since = time.monotonic()
            wait_until(lambda: all_say(stack, person, 401), 10, f"{take.__name__}: {answers(stack, person)}", interval_s=0.02)
            assert time.monotonic() - since < 1, take.__name__
        assert all_say(stack, bystander, 200), answers(stack, bystander)
