# SPDX-License-Identifier: Apache-2.0
"""haneul-network killed at random moments while it works: afterwards rows, OVN and usage say the same."""

import random
import threading
import time

import pytest

from launch import ovn
from tests.lib.stack import Stack, wait_until
from tests.service.test_network import Net, settled

N_KILLS = 8


@pytest.fixture(scope="module")
def cloud():
    with Stack(["identity", "network"]) as stack:
        ovn.up(stack.cloud)
        yield stack


def make_external(cloud):
    admin = Net(cloud, cloud.admin_token())
    network = admin.make("networks", **{"router:external": True, "provider:network_type": "flat", "provider:physical_network": "physnet1"})
    admin.make("subnets", network_id=network["id"], ip_version=4, cidr="172.24.0.0/20", enable_dhcp=False)
    return network


class Worker(threading.Thread):
    """Makes and deletes ports and floating IPs; a service that is away is asked again."""

    def __init__(self, net, network, external, router):
        super().__init__(daemon=True)
        self.net, self.network, self.external, self.router = net, network, external, router
        self.stopped = threading.Event()
        self.done = 0

    def attempt(self, method, path, body=None):
        try:
            return self.net.ask(method, path, body)
        except OSError:
            time.sleep(0.1)
            return 0, {}, {}

    def run(self):
        while not self.stopped.is_set():
            status, _, body = self.attempt("POST", "/ports", {"port": {"network_id": self.network}})
            port = body["port"]["id"] if status == 201 else None
            self.attempt("POST", "/floatingips", {"floatingip": {"floating_network_id": self.external, "port_id": port}})
            if port and random.random() < 0.7:
                self.attempt("DELETE", f"/ports/{port}")
            self.done += status == 201


def switch_ports(cloud, network):
    out = ovn.nbctl(cloud.cloud, "lsp-list", f"neutron-{network}")
    return {line.split("(")[1].rstrip(")\n") for line in out.splitlines()}


def test_rows_ovn_and_usage_agree_after_kills(cloud):
    someone = cloud.person()
    net = Net(cloud, someone.token)
    external = make_external(cloud)["id"]
    network = net.make("networks")["id"]
    subnet = net.make("subnets", network_id=network, ip_version=4, cidr="10.64.0.0/16")
    router = net.make("routers", external_gateway_info={"network_id": external})["id"]
    assert net.ask("PUT", f"/routers/{router}/add_router_interface", {"subnet_id": subnet["id"]})[0] == 200
    workers = [Worker(net, network, external, router) for _ in range(3)]
    for worker in workers:
        worker.start()
    for _ in range(N_KILLS):
        time.sleep(random.uniform(0.1, 1.0))
        cloud.kill("network")
        cloud.start("network")
    for worker in workers:
        worker.stopped.set()
    for worker in workers:
        worker.join(60)
    assert sum(worker.done for worker in workers) > 0
    wait_until(lambda: settled(cloud), 60, "work for OVN is left over")
    ports = {row["id"] for row in cloud.sql("network", "SELECT id::text FROM port WHERE network_id = %s AND device_owner <> 'network:distributed'", network)}
    assert switch_ports(cloud, network) - {f"ovnmeta-{network}"} == ports
    nats = ovn.nbctl(cloud.cloud, "--bare", "--columns=external_ip", "find", "nat", "type=dnat_and_snat").split()
    associated = cloud.sql("network", "SELECT host(floating_ip_address) AS ip FROM floatingip WHERE port_id IS NOT NULL")
    assert sorted(nats) == sorted(row["ip"] for row in associated)
    open_usage = cloud.sql("network", "SELECT resource_id FROM usage_interval WHERE to_us IS NULL ORDER BY 1")
    owned = cloud.sql("network", "SELECT id::text AS resource_id FROM floatingip UNION ALL SELECT id::text FROM router ORDER BY 1")
    assert open_usage == owned
    assert cloud.sql("network", "SELECT 1 FROM port p WHERE device_owner = 'network:floatingip' AND NOT EXISTS "
                                "(SELECT 1 FROM floatingip f WHERE f.floating_port_id = p.id)") == []
