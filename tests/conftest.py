# SPDX-License-Identifier: Apache-2.0
"""Fixtures for every test (tests/lib/stack.py says how to use them)."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.lib.stack import Stack  # noqa: E402


@pytest.fixture(scope="module")
def stack(request):
    """The services that the module names in SERVICES (with SETTINGS and INSTANCES, when it has them), for its tests."""
    module = request.module
    with Stack(module.SERVICES, getattr(module, "SETTINGS", None), getattr(module, "INSTANCES", None)) as running:
        yield running


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
