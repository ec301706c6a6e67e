# SPDX-License-Identifier: Apache-2.0
"""What a server on a real hypervisor and OVN costs the bus."""

import configparser
import time

from tests.lib.spy import Spy


def test_a_server_is_active_after_at_most_6_messages(whole):
    conf = configparser.ConfigParser(interpolation=None)
    conf.read(whole.cloud.var / "etc/haneul-compute.conf")
    spy, person = Spy(conf["bus"]), whole.person()
    server = person.server(person.site("10.6.0.0/24"), "counted")
    time.sleep(1)
    heard = [m for m in spy.about(server.id) if not m[0].startswith("usage.")]
    print(f"\nmessages to ACTIVE: {len(heard)} {heard}")
    assert {kind for _, kind in heard} >= {"server.schedule", "server.order", "server.state", "port.status"}
    assert len(heard) <= 6
    person.clear()
