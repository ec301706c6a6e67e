# SPDX-License-Identifier: Apache-2.0
"""common/bus, the outbox and usage against a real broker and database of their own: tests/unit/test_bus_live.c and
test_bus_outbox.c do the talking, this starts, kills and restarts what they talk to."""

import os
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest

from launch import postgres, process, rabbit
from tests.lib.stack import ROOT, Infra

FLOOD_S = 30


def program(name):
    """The unit test program, built when it is not there."""
    tree = Path(os.environ.get("HANEUL_BIN") or ROOT / "build/debug/bin").parent
    path = tree / "unit" / name
    if not path.exists():
        build = [f"BUILD={tree.name}"] if tree.name in ("release", "asan", "tsan") else []
        out = os.path.relpath(tree, ROOT) if tree.is_relative_to(ROOT) else str(tree)
        subprocess.run(["make", "-C", str(ROOT), "-j2", f"O={out}", *build, f"{out}/unit/{name}"], check=True)
    return path


@pytest.fixture(scope="module")
def peers():
    it = Infra()
    yield it.cloud
    it.close()


@pytest.fixture(scope="module")
def environment(peers):
    """A user that may do everything, and a host's as the launcher makes it."""
    rabbit.control(peers, "add_user", "live", "live")
    rabbit.control(peers, "set_permissions", "-p", "/", "live", ".*", ".*", ".*")
    port = peers.ports["rabbit"]
    return {**os.environ, "HANEUL_TEST_BUS": f"127.0.0.1:{port}:live:live",
            "HANEUL_TEST_HOST_BUS": f"127.0.0.1:{port}:host-h1:{peers.secret('bus-host-h1')}",
            "HANEUL_TEST_DSN": postgres.dsn(peers, "billing", "haneul")}


@pytest.mark.parametrize("name", ["test_bus_live", "test_bus_outbox"])
def test_against_real_peers(name, environment):
    ran = subprocess.run([program(name)], env=environment, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0 and "100%" in ran.stdout, ran.stdout + ran.stderr


def test_no_confirmed_message_is_lost_when_the_broker_dies(environment, peers):
    program("test_bus_live")
    flood = threading.Timer(5, lambda: os.kill(process.alive(peers, rabbit.NAME), signal.SIGKILL))
    flood.start()
    ran = subprocess.Popen([program("test_bus_live")], env={**environment, "HANEUL_TEST_FLOOD_S": str(FLOOD_S)}, cwd=ROOT,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    flood.join()
    time.sleep(1)
    rabbit.up(peers, ["/", *(f"v{i}" for i in range(32))])
    text, _ = ran.communicate(timeout=120)
    assert ran.returncode == 0, text
