# SPDX-License-Identifier: Apache-2.0
"""kill -9 of identity and of other services while an account is being closed: it ends, once, with nothing half.

HANEUL_FAULT_ROUNDS says how many rounds (2 without it), HANEUL_FAULT_SEED repeats a run.
"""

import os
import random
import time

import pytest

from tests.lib.closing import Account, adds_up, fill, wait_closed, wait_nothing_left
from tests.lib.compute import CLOUD, NO_OVN

ROUNDS = int(os.environ.get("HANEUL_FAULT_ROUNDS", "2"))
SEED = int(os.environ.get("HANEUL_FAULT_SEED", random.randrange(1 << 30)))
OTHERS = ["network", "compute", "image", "billing", "scheduler"]
SERVICES = [*CLOUD, "billing"]
HAS_HOST = True
SETTINGS = {**NO_OVN, "identity": {"closing": {"settle": 1, "lease": 2}, "accounts": {"rate_network": 1000}}}


@pytest.mark.parametrize("number", range(ROUNDS))
def test_killed_at_any_moment_a_closing_ends_whole(stack, number):
    random.seed(SEED + number)
    victims = ["identity", random.choice(OTHERS), "identity"]
    pauses = [random.uniform(0, 1.2) for _ in victims]
    print(f"seed {SEED + number}: {victims} after {pauses}")
    account = Account(stack)
    fill(stack, account, 1)
    status, _, body = account.close()
    assert status == 202, body
    for victim, pause in zip(victims, pauses):
        time.sleep(pause)
        stack.kill(victim)
        stack.start(victim)
    done = wait_closed(stack, body["closing"])
    [project] = done["projects"]
    assert adds_up(project["statement"])
    wait_nothing_left(stack, account.projects, account.user_id)
    assert [e["action"] for e in done["trail"]].count("account.closed") == 1 and len(account.mails(3)) == 3
    statements = stack.call("GET", "billing", f"/v1/accounts/{account.project_id}/statements", token=stack.admin_token())["statements"]
    assert [s["id"] for s in statements] == [project["statement"]["id"]]
