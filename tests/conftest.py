# SPDX-License-Identifier: Apache-2.0
"""Fixtures for every test (tests/lib/stack.py says how to use them)."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "deploy")]

from tests.lib.compute import Agent, Tenant, hosts_up  # noqa: E402
from tests.lib.stack import Stack  # noqa: E402


@pytest.fixture(scope="module")
def stack(request):
    """The services that the module names in SERVICES (with SETTINGS and INSTANCES, when it has them), for its tests;
    with a simulated host, stack.agent, when it says HAS_HOST."""
    module = request.module
    with Stack(module.SERVICES, getattr(module, "SETTINGS", None), getattr(module, "INSTANCES", None)) as running:
        if getattr(module, "HAS_HOST", False):
            running.agent = Agent(running, "h1")
            hosts_up(running)
        yield running


@pytest.fixture(scope="module")
def owner(stack):
    return stack.person()


@pytest.fixture(scope="module")
def other(stack):
    return stack.person()


@pytest.fixture(scope="module")
def tenant(stack):
    return Tenant(stack)


@pytest.fixture(scope="session")
def whole():
    """The whole cloud (tests/lib/whole.py), up once for the run."""
    from tests.lib.whole import Whole
    running = Whole()
    try:
        running.up()
        yield running
    finally:
        running.close()
