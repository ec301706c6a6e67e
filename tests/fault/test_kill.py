# SPDX-License-Identifier: Apache-2.0
"""kill -9 at random moments of a server's life: nothing sticks, nothing is left over, no second of usage is lost.

HANEUL_FAULT_ROUNDS says how many rounds (12 without it), HANEUL_FAULT_SEED repeats a run.
"""

import os
import random
import threading
import time
import uuid

import pytest

from launch import rabbit
from tests.lib.whole import wait_until

ROUNDS = int(os.environ.get("HANEUL_FAULT_ROUNDS", "12"))
SEED = int(os.environ.get("HANEUL_FAULT_SEED", random.randrange(1 << 30)))
VICTIMS = ["scheduler", "hypervisor-h1", "network", "rabbitmq", "compute", "hypervisor-h2", "image", "billing"]
SETTLE_S = 150  # ACTIVE or ERROR after the victim is back; the service's own bound for a build is 300 s


def start(whole, name):
    if name == "rabbitmq":
        rabbit.up(whole.cloud)
    else:
        whole.start(name)


@pytest.fixture(scope="module")
def person(whole):
    made = whole.person()
    yield made
    made.clear()


@pytest.fixture(scope="module")
def site(person):
    return person.site("10.9.0.0/24")


class Creating(threading.Thread):
    """Posts one server, again with the same key for as long as no answer comes."""

    def __init__(self, whole, person, site):
        super().__init__()
        self.whole, self.person, self.key, self.server_id, self.answers = whole, person, uuid.uuid4().hex, None, []
        flavor = person.sdk.compute.find_flavor("m1.nano", ignore_missing=False)
        self.body = {"server": {"name": "fault-" + self.key[:8], "flavorRef": flavor.id, "imageRef": site.image.id, "networks": [{"uuid": site.network.id}]}}

    def run(self):
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline:
            try:
                status, _, body = self.whole.request("POST", "compute", "/v2.1/servers", self.body, self.person.token, {"Idempotency-Key": self.key})
            except OSError as error:
                status, body = 0, str(error)
            self.answers.append(status)
            if status == 202:
                self.server_id = body["server"]["id"]
                return
            assert status == 0 or status >= 500, (status, body)
            time.sleep(0.2)


def show(whole, person, server_id):
    try:
        status, _, body = whole.request("GET", "compute", f"/v2.1/servers/{server_id}", token=person.token)
    except OSError:
        return None
    return body["server"] if status == 200 else {"status": "GONE"} if status == 404 else None


def state_in(whole, person, server_id, wanted):
    server = show(whole, person, server_id)
    return server if server and server["status"] in wanted else None


def leftovers(whole, person, server_id, ports_before, files_before):
    found = []
    found += [f"domain on {h}" for h, names in whole.domains().items() if f"instance-{server_id}" in names]
    found += [f"file {p}" for p in set(whole.instance_files()) - files_before]
    found += [f"northbound {p}" for p in whole.switch_ports() - ports_before]
    found += [f"claim {r}" for r in whole.sql("compute", f"SELECT host FROM claim WHERE server_id = '{server_id}'")]
    found += [f"port {r}" for r in whole.sql("network", f"SELECT id FROM port WHERE device_id = '{server_id}'")]
    found += [f"usage open {r}" for r in whole.sql("compute", f"SELECT meter FROM usage_interval WHERE resource_id = '{server_id}' AND to_us IS NULL")]
    found += [f"claimed sums differ on {r}" for r in whole.sql("compute", (
        "SELECT h.host FROM compute_host h LEFT JOIN claim c USING (host) GROUP BY h.host "
        "HAVING h.vcpus_claimed <> coalesce(sum(c.vcpus), 0) OR h.ram_claimed <> coalesce(sum(c.ram_mib), 0) OR h.servers_claimed <> count(c.host)"))]
    return found


def usage_equals_life(whole, server_id):
    """Each meter's seconds are those from the server's launch to its end, to the microsecond."""
    return whole.sql("compute", (
        "SELECT u.meter, sum(u.to_us - u.from_us) FROM usage_interval u JOIN server s ON s.id::text = u.resource_id "
        f"WHERE s.id = '{server_id}' GROUP BY u.meter, s.launched_at, s.terminated_at "
        "HAVING sum(u.to_us - u.from_us) <> (extract(epoch FROM s.terminated_at - s.launched_at) * 1000000)::bigint"))


@pytest.mark.parametrize("number", range(ROUNDS))
def test_kill_at_a_random_moment(whole, person, site, number):
    random.seed(SEED + number)
    victim, when_deleting = VICTIMS[number % len(VICTIMS)], random.random() < 0.3
    moment = random.uniform(0, 2.5)
    print(f"seed {SEED + number}: {victim} after {moment:.2f} s of {'delete' if when_deleting else 'create'}")
    ports, files = whole.switch_ports(), set(whole.instance_files())
    creating = Creating(whole, person, site)
    creating.start()
    if when_deleting:
        creating.join()
        wait_until(lambda: state_in(whole, person, creating.server_id, ("ACTIVE", "ERROR")), SETTLE_S, "the server sticks before the kill")
        whole.request("DELETE", "compute", f"/v2.1/servers/{creating.server_id}", token=person.token)
    time.sleep(moment)
    whole.kill(victim)
    time.sleep(random.uniform(0, 1))
    start(whole, victim)
    creating.join()
    assert creating.server_id, f"never accepted: {creating.answers[-5:]}"
    if not when_deleting:
        server = wait_until(lambda: state_in(whole, person, creating.server_id, ("ACTIVE", "ERROR")), SETTLE_S, f"stuck after {victim} was killed")
        assert victim in ("image", "network") or server["status"] == "ACTIVE", server.get("fault")
        wait_until(lambda: whole.request("DELETE", "compute", f"/v2.1/servers/{creating.server_id}", token=person.token)[0] in (204, 404), 30, "no delete")
    wait_until(lambda: state_in(whole, person, creating.server_id, ("GONE",)), SETTLE_S, f"not deleted after {victim} was killed")
    wait_until(lambda: not leftovers(whole, person, creating.server_id, ports, files), 45,
               f"left over: {leftovers(whole, person, creating.server_id, ports, files)}")
    assert usage_equals_life(whole, creating.server_id) == []
    names = whole.sql("compute", f"SELECT id FROM server WHERE name = '{creating.body['server']['name']}'")
    assert names == [creating.server_id], "one key made more than one server"


def test_no_usage_is_lost_or_doubled_on_its_way_to_billing(whole, person):
    def same():
        for service in ("compute", "network", "image"):
            sent = whole.sql(service, "SELECT sequence FROM usage_fact ORDER BY sequence")
            seen = whole.sql("billing", f"SELECT sequence FROM fact WHERE service = '{service}' ORDER BY sequence")
            if sent != seen:
                return False
        return True
    wait_until(same, 60, "billing's facts differ from the services'")
