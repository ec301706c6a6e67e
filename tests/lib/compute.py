# SPDX-License-Identifier: Apache-2.0
"""What compute's tests share: simulated hosts beside a Stack, an image, a network, and waiting for servers."""

import hashlib
import time
import uuid

from launch import process, services

from tests.lib.stack import wait_until

CLOUD = ["identity", "image", "network", "compute", "scheduler"]
# Without OVN no port comes up; what waits for ports is tested with the whole cloud.
NO_OVN = {"scheduler": {"scheduler": {"wait_for_ports": "false"}}}
FLAVOR = {"name": "test", "vcpus": 1, "ram": 128, "disk": 1}


class Agent:
    """A haneul-hypervisor with the simulated driver: h1 or h2, as the broker knows them."""

    def __init__(self, stack, host, **agent):
        self.stack, self.host, self.label = stack, host, f"hypervisor-{host}"
        conf = {
            "service": {"listen": "127.0.0.1", "log_level": "info"},
            "bus": services.bus(stack.cloud, f"host-{host}", stack.vhost),
            "agent": {"host": host, "driver": "simulated", "report_interval_ms": 1000,
                      "state_dir": stack.cloud.dir(f"state-{host}")},
            "ovs": {"db": ""},
        }
        for key, value in agent.items():
            group, _, name = key.partition("__")
            conf.setdefault(group, {})[name] = value
        self.path = stack.cloud.dir("etc") / f"{self.label}.conf"
        services.write_settings(self.path, conf)
        self.start()

    def start(self):
        process.start(self.stack.cloud, self.label, [self.stack.cloud.program("hypervisor"), "--config", self.path], cwd="/")

    def kill(self):
        self.stack.kill(self.label)

    def log(self):
        return self.stack.log(self.label)


def hosts_up(stack, n=1, timeout=30):
    def ready():
        rows = stack.sql("compute", "SELECT host FROM compute_host WHERE lease_until > now()")
        return len(rows) >= n
    wait_until(ready, timeout, "hosts have reported")


def flavor(stack, **more):
    body = {**FLAVOR, "name": "f-" + uuid.uuid4().hex[:8], **more}
    return stack.call("POST", "compute", "/v2.1/flavors", {"flavor": body}, stack.admin_token())["flavor"]


def image(stack, person, size=64 * 1024, container="bare", data=None):
    data = data or hashlib.sha512(uuid.uuid4().bytes).digest() * (size // 64)
    made = stack.call("POST", "image", "/v2/images", {"name": "disk", "disk_format": "raw", "container_format": container}, person.token)
    status, _, body = stack.request("PUT", "image", f"/v2/images/{made['id']}/file", data=data, token=person.token,
                                    headers={"Content-Type": "application/octet-stream"})
    assert status == 204, body

    def active():
        return stack.call("GET", "image", f"/v2/images/{made['id']}", token=person.token)["status"] == "active"
    wait_until(active, 20, "the image is active")
    return made["id"]


def network(stack, person, cidr="10.1.0.0/24"):
    net = stack.call("POST", "network", "/v2.0/networks", {"network": {"name": "net"}}, person.token)["network"]
    stack.call("POST", "network", "/v2.0/subnets", {"subnet": {"network_id": net["id"], "ip_version": 4, "cidr": cidr}}, person.token)
    return net["id"]


class Tenant:
    """A project with an image, a network and a flavor, and calls on its servers."""

    def __init__(self, stack):
        self.stack, self.person = stack, stack.person()
        self.token = self.person.token
        self.image, self.network = image(stack, self.person), network(stack, self.person)
        self.flavor = flavor(stack)["id"]

    def body(self, **more):
        server = {"name": "s", "imageRef": self.image, "flavorRef": self.flavor, "networks": [{"uuid": self.network}]}
        server.update(more)
        return {"server": {k: v for k, v in server.items() if v is not None}}

    def request(self, method, path, body=None, version=None, token=None, headers=None):
        headers = dict(headers or {})
        if version:
            headers["OpenStack-API-Version"] = f"compute {version}"
        return self.stack.request(method, "compute", "/v2.1" + path, body, token or self.token, headers=headers)

    def create(self, headers=None, version=None, **more):
        status, _, reply = self.request("POST", "/servers", self.body(**more), version, headers=headers)
        assert status == 202, reply
        return reply["server"]["id"]

    def show(self, server_id, version=None, token=None):
        status, _, reply = self.request("GET", f"/servers/{server_id}", version=version, token=token)
        return reply["server"] if status == 200 else None

    def act(self, server_id, action, expected=202):
        status, _, reply = self.request("POST", f"/servers/{server_id}/action", action)
        assert status == expected, (status, reply)
        return reply

    def wait(self, server_id, *statuses, timeout=40):
        deadline = time.monotonic() + timeout
        while True:
            server = self.show(server_id)
            if server and server["status"] in statuses and server["OS-EXT-STS:task_state"] is None:
                return server
            if time.monotonic() > deadline:
                raise AssertionError(f"{server_id} is not {statuses}: {server}")
            time.sleep(0.1)

    def delete(self, server_id):
        status, _, reply = self.request("DELETE", f"/servers/{server_id}")
        assert status == 204, reply

    def wait_gone(self, server_id, timeout=40):
        wait_until(lambda: self.show(server_id) is None, timeout, f"server {server_id} is gone")

    def ports(self):
        reply = self.stack.call("GET", "network", f"/v2.0/ports?tenant_id={self.person.project_id}", token=self.token)
        return [p for p in reply["ports"] if p["device_owner"].startswith("compute")]


def nothing_left(stack, tenant):
    """No claim, port, open usage or row in between."""
    project = tenant.person.project_id
    assert stack.sql("compute", "SELECT * FROM claim c JOIN server s ON s.id = c.server_id WHERE s.project_id = %s", project) == []
    assert stack.sql("compute", "SELECT * FROM server_port p JOIN server s ON s.id = p.server_id WHERE s.project_id = %s", project) == []
    rows = stack.sql("compute", "SELECT h.host FROM compute_host h LEFT JOIN (SELECT host, count(*) AS n, sum(vcpus) AS v, sum(ram_mib) AS r"
                     " FROM claim GROUP BY host) c USING (host) WHERE (h.servers_claimed, h.vcpus_claimed, h.ram_claimed)"
                     " IS DISTINCT FROM (coalesce(c.n, 0), coalesce(c.v, 0), coalesce(c.r, 0))")
    assert rows == [], rows
    assert tenant.ports() == []
