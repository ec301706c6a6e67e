# SPDX-License-Identifier: Apache-2.0
"""Sixteen clients create at once, an admin changes the limit meanwhile: never one too many, and the rest is refused as documented."""

import base64
import concurrent.futures
import threading
import uuid

import pytest

from tests.lib.compute import Tenant
from tests.lib.stack import Stack

N_CLIENTS, EACH, LOW, HIGH = 16, 3, 4, 7
PUBLIC_KEY = "ssh-ed25519 " + base64.b64encode(b"\0\0\0\x0bssh-ed25519\0\0\0 " + bytes(range(32))).decode()
NOVA, NEUTRON = "/v2.1/os-quota-sets/", "/v2.0/quotas/"


@pytest.fixture(scope="module")
def stack():
    with Stack(["identity", "image", "network", "compute"]) as cloud:
        yield cloud


@pytest.fixture(scope="module")
def tenant(stack):
    tenant = Tenant(stack)
    admin = stack.admin_token()
    net = stack.call("POST", "network", "/v2.0/networks", {"network": {"router:external": True}}, admin)["network"]
    stack.call("POST", "network", "/v2.0/subnets", {"subnet": {"network_id": net["id"], "ip_version": 4, "cidr": "10.99.0.0/24"}}, admin)
    tenant.external = net["id"]
    return tenant


def compute_refuses(body):
    return "Quota exceeded" in body["forbidden"]["message"] and body["forbidden"]["code"] == 403


def network_refuses(body):
    return body["NeutronError"]["type"] == "OverQuota"


# What is created: service and path, body, the limit's service and name, how a refusal looks, and how many there are ($1: project).
KINDS = {
    "server": ("compute", "/v2.1/servers", lambda t: t.body(), "instances", 403, compute_refuses,
               "SELECT count(*) AS n FROM server WHERE project_id = %s AND deleted_at IS NULL"),
    "cores": ("compute", "/v2.1/servers", lambda t: t.body(), "cores", 403, compute_refuses,
              "SELECT coalesce(sum(vcpus), 0) AS n FROM server WHERE project_id = %s AND deleted_at IS NULL"),
    "server group": ("compute", "/v2.1/os-server-groups", lambda t: {"server_group": {"name": uuid.uuid4().hex, "policies": ["affinity"]}},
                     "server_groups", 403, compute_refuses, "SELECT count(*) AS n FROM server_group WHERE project_id = %s"),
    "key pair": ("compute", "/v2.1/os-keypairs", lambda t: {"keypair": {"name": uuid.uuid4().hex, "public_key": PUBLIC_KEY}}, "key_pairs", 403, compute_refuses,
                 "SELECT count(*) AS n FROM keypair WHERE user_id = %s"),
    "network": ("network", "/v2.0/networks", lambda t: {"network": {}}, "network", 409, network_refuses,
                "SELECT count(*) AS n FROM network WHERE project_id = %s"),
    "port": ("network", "/v2.0/ports", lambda t: {"port": {"network_id": t.network}}, "port", 409, network_refuses,
             "SELECT count(*) AS n FROM port WHERE project_id = %s"),
    "router": ("network", "/v2.0/routers", lambda t: {"router": {}}, "router", 409, network_refuses,
               "SELECT count(*) AS n FROM router WHERE project_id = %s"),
    "floating IP": ("network", "/v2.0/floatingips", lambda t: {"floatingip": {"floating_network_id": t.external}}, "floatingip", 409,
                    network_refuses, "SELECT count(*) AS n FROM floatingip WHERE project_id = %s"),
    "security group": ("network", "/v2.0/security-groups", lambda t: {"security_group": {"name": "g"}}, "security_group", 409,
                       network_refuses, "SELECT count(*) AS n FROM security_group WHERE project_id = %s"),
    "image": ("image", "/v2/images", lambda t: {"name": "i"}, "image_count_total", 413, lambda body: "Quota exceeded" in str(body),
              "SELECT count(*) AS n FROM image WHERE owner = %s AND status <> 'deleted'"),
}


class Storm:
    def __init__(self, stack, tenant, kind):
        self.stack, self.tenant = stack, tenant
        self.service, self.path, self.body, self.name, self.status, self.refuses, self.sql = KINDS[kind]
        self.owner = tenant.person.user_id if kind == "key pair" else tenant.person.project_id
        self.wrong = []

    def set(self, value):
        project, admin = self.tenant.person.project_id, self.stack.admin_token()
        if self.service == "compute":
            self.stack.call("PUT", "compute", NOVA + project, {"quota_set": {self.name: value, "force": True}}, admin)
        elif self.service == "network":
            self.stack.call("PUT", "network", NEUTRON + project, {"quota": {self.name: value}}, admin)
        else:
            item = {"project_id": project, "service": "image", "resource": self.name, "value": value}
            events = self.stack.call("POST", "identity", "/internal/v1/limits", {"limits": [item]}, admin)["limits"]
            while self.stack.sql("image", "SELECT n FROM quota_limit WHERE project_id = %s AND resource = %s", project, self.name) != [{"n": events[0]["n"]}]:
                pass

    def count(self):
        return int(self.stack.sql(self.service, self.sql, self.owner)[0]["n"])

    def create(self):
        status, _, reply = self.stack.request("POST", self.service, self.path, self.body(self.tenant), token=self.tenant.token, timeout=60)
        if status >= 300 and not (status == self.status and self.refuses(reply)):
            self.wrong.append((status, reply))
        return status < 300

    def blow(self):
        with concurrent.futures.ThreadPoolExecutor(N_CLIENTS) as pool:
            return sum(pool.map(lambda _: sum(self.create() for _ in range(EACH)), range(N_CLIENTS)))


@pytest.mark.parametrize("kind", KINDS)
def test_a_storm_never_makes_one_too_many(stack, tenant, kind):
    storm = Storm(stack, tenant, kind)
    there = storm.count()
    storm.set(there + LOW)
    over = threading.Event()

    def admin():
        value = HIGH
        while not over.wait(0.01):
            storm.set(there + value)
            value = LOW if value == HIGH else HIGH
    changing = threading.Thread(target=admin)
    changing.start()
    try:
        made = storm.blow()
    finally:
        over.set()
        changing.join()
    assert storm.wrong == []
    assert LOW <= made <= HIGH and storm.count() == there + made
    storm.set(there + HIGH + 1)
    made += storm.blow()
    assert storm.wrong == [] and made == HIGH + 1 and storm.count() == there + made
    storm.set(-1)
