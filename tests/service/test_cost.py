# SPDX-License-Identifier: Apache-2.0
"""What operations cost: SQL statements, bus messages, CPU of our own programs (not PostgreSQL's or the broker's). Counts are asserted, times are printed (make bench)."""

import collections
import http.client
import os
import threading
import time

import pytest

from tests.lib.compute import CLOUD, NO_OVN
from tests.lib.spy import Spy
from tests.lib.stack import wait_until

SERVICES = [*CLOUD, "billing"]
HAS_HOST = True
SETTINGS = NO_OVN

TICK = os.sysconf("SC_CLK_TCK")


def statements(stack, service):
    _, _, text = stack.request("GET", service, "/metrics")
    text = text.decode() if isinstance(text, bytes) else str(text)
    return int(next(line.split()[-1] for line in text.splitlines() if line.startswith("haneul_http_statements_total")))


def cpu_s(stack):
    total = collections.Counter()
    for name in stack.names + ["hypervisor-h1"]:
        fields = open(f"/proc/{stack.pid(name)}/stat").read().rsplit(")", 1)[1].split()
        total[name] = (int(fields[11]) + int(fields[12])) / TICK
    return total


def test_a_server_costs_at_most_10_statements_and_6_messages(stack, tenant):
    spy = Spy(stack.bus_settings("compute"))
    tenant.wait(tenant.create(name="warm"), "ACTIVE")
    before = statements(stack, "compute")
    server_id = tenant.create(name="counted", headers={"Idempotency-Key": "cost-1"})
    accepted = statements(stack, "compute") - before
    tenant.wait(server_id, "ACTIVE")
    wait_until(lambda: any(kind == "server.state" for _, kind in spy.about(server_id)), 10, "no word of the agent was heard")
    time.sleep(0.5)
    messages = [m for m in spy.about(server_id)]
    to_active = [m for m in messages if not m[0].startswith("usage.")]
    print(f"\nPOST /servers: {accepted} SQL statements to the 202; messages to ACTIVE: {len(to_active)} {to_active}, and {len(messages) - len(to_active)} usage facts")
    assert accepted <= 10
    assert len(to_active) <= 6


READS = [
    ("identity", "GET", "/v3/auth/tokens", "validate a token"),
    ("identity", "GET", "/v3/projects", "list projects"),
    ("compute", "GET", "/v2.1/flavors/detail", "list flavors"),
    ("compute", "GET", "/v2.1/servers/detail", "list servers in detail"),
    ("network", "GET", "/v2.0/networks", "list networks"),
    ("network", "GET", "/v2.0/ports", "list ports"),
    ("image", "GET", "/v2/images", "list images"),
]


@pytest.mark.parametrize("service, method, path, what", READS)
def test_reads_cost_at_most_2_statements(stack, tenant, service, method, path, what):
    token = stack.admin_token()
    host, port = stack.url(service).removeprefix("http://").split(":")
    link, n = http.client.HTTPConnection(host, int(port)), 300
    headers = {"X-Auth-Token": token, "X-Subject-Token": token}

    def call():
        link.request(method, path, headers=headers)
        reply = link.getresponse()
        reply.read()
        assert reply.status == 200
    call()
    counted, cpu, start = statements(stack, service), cpu_s(stack), time.monotonic()
    for _ in range(n):
        call()
    took, spent = time.monotonic() - start, sum((cpu_s(stack) - cpu).values())
    each = (statements(stack, service) - counted) / n
    print(f"\n{what:28} {each:.1f} SQL statements, {spent / n * 1000:.2f} ms CPU of our programs, {took / n * 1000:.2f} ms wall")
    assert each <= 2


def test_a_burst_of_servers_becomes_active(stack, tenant):
    """All of 40 servers from 8 clients; their CPU is that of every Haneul process together."""
    admin = stack.admin_token()
    stack.call("PUT", "compute", f"/v2.1/os-quota-sets/{tenant.person.project_id}", {"quota_set": {"instances": 100, "cores": 100, "ram": 100000}}, admin)
    n, cpu, start = 40, cpu_s(stack), time.monotonic()
    ids = [[] for _ in range(8)]
    threads = [threading.Thread(target=lambda mine=mine: mine.extend(tenant.create(name="burst") for _ in range(n // 8))) for mine in ids]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    accepted = time.monotonic() - start
    for server_id in sum(ids, []):
        tenant.wait(server_id, "ACTIVE", timeout=60)
    took, spent = time.monotonic() - start, cpu_s(stack) - cpu
    print(f"\nburst of {n}: accepted in {accepted:.2f} s, all ACTIVE in {took:.2f} s, {sum(spent.values()) / n * 1000:.1f} ms CPU a server: "
          + ", ".join(f"{k} {v / n * 1000:.1f}" for k, v in spent.most_common()))
    for server_id in sum(ids, []):
        tenant.delete(server_id)
    for server_id in sum(ids, []):
        tenant.wait_gone(server_id, timeout=60)
