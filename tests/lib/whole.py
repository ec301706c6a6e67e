# SPDX-License-Identifier: Apache-2.0
"""The whole cloud for tests: every service, OVN, and hypervisor hosts with real guests.

    def test_x(whole):                      # fixture of tests/conftest.py: up once for the run, down at its end
        person = whole.person()             # project, user and token, with an openstacksdk connection in person.sdk
        site = person.site()                # network, subnet, router to `public`, key pair, rules for ssh and ping, image
        server = person.server(site, "one") # ACTIVE
        whole.guest_says(server, "ready after")
        whole.ssh(person.floating(server), "hostname")

It runs two hosts, in a temporary directory and on free ports. HANEUL_SYSTEM_VAR=DIR (and HANEUL_SYSTEM_OFFSET=N) use that cloud
instead: brought up when it is not, and then left running, which makes trying one test quick.
"""

import json
import os
import shutil
import sys
import tempfile
import uuid
from pathlib import Path

from .stack import ROOT, free_ports

from launch import agents, api, hosts, main, ovn, postgres, process, services
from launch.demo import ssh_words, in_data_centre
from launch.settings import PORTS, Cloud, LaunchError

os.environ["PATH"] = "/usr/sbin:/sbin:/usr/bin:/bin:" + os.environ.get("PATH", "")
BOOT_S = 180  # a guest on a busy machine without KVM


class Site:
    def __init__(self, **fields):
        self.__dict__.update(fields)


class Person:
    """A project with one member, made by the administrator, and what such a person does."""

    def __init__(self, whole):
        import openstack
        self.whole, tail = whole, uuid.uuid4().hex[:8]
        base, admin = whole.cloud.url("identity") + "/v3", whole.admin_token()
        self.user, self.password = f"u-{tail}", f"pw-{tail}"
        self.project_id = api.call("POST", f"{base}/projects", {"project": {"name": f"p-{tail}", "domain_id": "default"}}, admin)["project"]["id"]
        user = {"name": self.user, "domain_id": "default", "password": self.password}
        self.user_id = api.call("POST", f"{base}/users", {"user": user}, admin)["user"]["id"]
        role = api.call("GET", f"{base}/roles?name=member", token=admin)["roles"][0]["id"]
        api.call("PUT", f"{base}/projects/{self.project_id}/users/{self.user_id}/roles/{role}", token=admin)
        self.token = api.token(base[:-3], self.user, self.password, {"id": self.project_id})[0]
        self.sdk = openstack.connect(
            load_yaml_config=False, load_envvars=False, region_name=services.REGION, app_name="tests",
            auth={"auth_url": base, "username": self.user, "password": self.password, "project_id": self.project_id, "user_domain_id": "default"})

    def image(self, name="guest"):
        guest = self.whole.cloud.var / "guest/disk.qcow2"
        return self.sdk.image.create_image(name, filename=str(guest), disk_format="qcow2", container_format="bare")

    def site(self, cidr="10.2.0.0/24"):
        net = self.sdk.network
        network = net.create_network(name="net")
        subnet = net.create_subnet(network_id=network.id, name="subnet", ip_version=4, cidr=cidr)
        public = net.find_network("public", ignore_missing=False)
        router = net.create_router(name="router", external_gateway_info={"network_id": public.id})
        net.add_interface_to_router(router, subnet_id=subnet.id)
        group = next(net.security_groups(name="default", project_id=self.project_id))
        for more in ({"protocol": "icmp"}, {"protocol": "tcp", "port_range_min": 22, "port_range_max": 22}):
            net.create_security_group_rule(security_group_id=group.id, direction="ingress", ethertype="IPv4", **more)
        self.sdk.compute.create_keypair(name="key", public_key=self.whole.key().with_suffix(".pub").read_text())
        return Site(network=network, subnet=subnet, router=router, group=group, public=public, image=self.image())

    def create(self, site, name, **more):
        """The server as the 202 shows it."""
        flavor = self.sdk.compute.find_flavor("m1.nano", ignore_missing=False)
        return self.sdk.compute.create_server(name=name, image_id=site.image.id, flavor_id=flavor.id, key_name="key",
                                              networks=[{"uuid": site.network.id}], **more)

    def active(self, server, timeout_s=120):
        return self.sdk.compute.wait_for_server(server, wait=timeout_s, interval=0.5)

    def server(self, site, name, **more):
        return self.active(self.create(site, name, **more))

    def port(self, server):
        return next(self.sdk.network.ports(device_id=server.id))

    def floating(self, server):
        public = self.sdk.network.find_network("public", ignore_missing=False)
        made = self.sdk.network.create_ip(floating_network_id=public.id, port_id=self.port(server).id)
        return made.floating_ip_address

    def console(self, server):
        return self.sdk.compute.get_server_console_output(server)["output"]

    def delete(self, server, timeout_s=90):
        self.sdk.compute.delete_server(server)
        self.sdk.compute.wait_for_delete(server, wait=timeout_s, interval=0.5)

    def clear(self):
        """Deletes all that the project has."""
        net = self.sdk.network
        for server in list(self.sdk.compute.servers()):
            self.delete(server)
        for ip in list(net.ips(project_id=self.project_id)):
            net.delete_ip(ip)
        for router in list(net.routers(project_id=self.project_id)):
            for port in list(net.ports(device_id=router.id)):
                if port.device_owner == "network:router_interface":
                    net.remove_interface_from_router(router, port_id=port.id)
            net.delete_router(router)
        for network in list(net.networks(project_id=self.project_id)):
            net.delete_network(network)
        for image in list(self.sdk.image.images(owner=self.project_id)):
            self.sdk.image.delete_image(image)


class Whole:
    def __init__(self):
        chosen = os.environ.get("HANEUL_SYSTEM_VAR")
        self.keep = bool(chosen)
        self.dir = Path(chosen or tempfile.mkdtemp(prefix="haneul-system-"))
        if chosen:
            self.cloud = Cloud(self.dir, int(os.environ.get("HANEUL_SYSTEM_OFFSET", "0")), "two-hosts")
        else:
            self.dir.chmod(0o755)
            self.cloud = Cloud(self.dir, profile="two-hosts", ports=free_ports(PORTS))
        self._admin = None

    def up(self):
        # The guest is built once for all runs from this tree.
        built = ROOT / "build/guest"
        process.run(["bash", ROOT / "deploy/guest-image.sh", built], timeout=600)
        shutil.copy2(built / "disk.qcow2", self.cloud.dir("guest"))
        main.up(self.cloud)

    def close(self):
        if self.keep:
            return
        main.down(self.cloud)
        if os.environ.get("HANEUL_KEEP"):
            print(f"kept: {self.dir}", file=sys.stderr)
        else:
            shutil.rmtree(self.dir, ignore_errors=True)

    def key(self):
        """The private key that ssh uses; its public half is the key pair `key`."""
        path = self.cloud.dir("demo", mode=0o700) / "key"
        if not path.exists():
            process.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", path])
        return path

    def admin_token(self):
        if not self._admin:
            self._admin = api.token(self.cloud.url("identity"), "admin", self.cloud.secret("admin"), "admin")[0]
        return self._admin

    def person(self):
        return Person(self)

    def request(self, method, service, path, body=None, token=None, headers=None):
        """(status, headers, body)"""
        return api.request(method, self.cloud.url(service) + path, body, token or self.admin_token(), headers=headers)

    def ssh(self, address, command, timeout_s=BOOT_S):
        """The command's output in the guest, as soon as it lets us in."""
        said, failures = [], []

        def attempt():
            try:
                said.append(in_data_centre(self.cloud, [*ssh_words(self.cloud, address), command]))
            except LaunchError as error:
                failures.append(error)
            return bool(said)
        process.wait_until(attempt, timeout_s, None, interval_s=0.5)
        assert said, f"no ssh to {address} within {timeout_s} s: {failures[-1]}"
        return said[0]

    def ping(self, address):
        return in_data_centre(self.cloud, ["ping", "-c", "2", "-W", "5", address])

    def guest_says(self, person, server, needle, timeout_s=BOOT_S):
        """The console's text once it has the needle."""
        seen = []

        def attempt():
            seen.append(person.console(server))
            return needle in seen[-1]
        assert process.wait_until(attempt, timeout_s, None, interval_s=0.5), f"no {needle!r} in:\n{seen[-1][-800:]}"
        return seen[-1]

    def sql(self, service, statement):
        """Unaligned lines of a query in the service's schema."""
        text = postgres.psql(self.cloud, f"SET search_path = {service}, public;\n{statement}", rows=True)
        return text.splitlines()

    def domains(self):
        """Names of all libvirt domains by host."""
        return {h: process.run([*hosts.enter(self.cloud, h), "virsh", "-q", "list", "--all", "--name"]).split() for h in self.cloud.host_names()}

    def switch_ports(self):
        """Names of all northbound switch ports."""
        return set(ovn.nbctl(self.cloud, "--bare", "--columns=name", "list", "Logical_Switch_Port").split())

    def instance_files(self):
        """What hosts keep of servers: paths below the agents' instances folders."""
        return [p for h in self.cloud.host_names() for p in (self.cloud.var / "hosts" / h / "state/instances").glob("*")]

    def taps(self, host):
        text = process.run([*hosts.enter(self.cloud, host), "ovs-vsctl", "--format=json", "--columns=name", "list", "Interface"])
        return [row[0] for row in json.loads(text)["data"] if row[0].startswith("tap")]

    def kill(self, name):
        """kill -9 of a service or agent ("hypervisor-h1"); start() starts it again."""
        record = process.alive(self.cloud, name)
        for pid in process.session_members(record, process.start_time(record)) if record else []:
            process.kill(pid, 9)
        process.stop(self.cloud, name)

    def start(self, name):
        if name.startswith("hypervisor-"):
            agents.start(self.cloud, name.removeprefix("hypervisor-"))
        else:
            services.up(self.cloud, name)

    def fail_power(self, host):
        hosts.fail_power(self.cloud, host)

    def log(self, name):
        return process.log_path(self.cloud, name).read_text(errors="replace")


wait_until = process.wait_until
__all__ = ["Whole", "Person", "Site", "wait_until", "ROOT"]
