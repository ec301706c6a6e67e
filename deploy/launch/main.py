# SPDX-License-Identifier: Apache-2.0
"""The commands of deploy/cloud."""

import argparse
import fcntl
import os
import sys
import time

from . import agents, api, demo, hosts, ovn, postgres, process, rabbit, seed, services
from .settings import PROFILES, ROOT, Cloud, LaunchError

CENTRAL = ("ovn-northd", "ovn-sb", "ovn-nb", "rabbitmq", "epmd", "postgres")

# Which process listens on a port, where it is not the one of the same name.
PORT_OF = {**{name: name for name in (*services.ORDER, "postgres", "smtp", "epmd")}, "rabbit": "rabbitmq", "rabbit-dist": "rabbitmq"}


class Progress:
    """Lines as `what … time`."""

    def __init__(self):
        self.begin = time.monotonic()
        self.last = self.begin

    def done(self, what):
        now = time.monotonic()
        print(f"  {what:<58} {now - self.last:6.1f} s", flush=True)
        self.last = now


def lock(cloud):
    """One launcher at a time for one var; released by the kernel when this process ends."""
    file = open(cloud.dir() / "lock", "w", encoding="ascii")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise LaunchError(f"another deploy/cloud is at work in {cloud.var}") from None
    return file


def _smtp(cloud):
    if not process.alive(cloud, "smtp"):
        process.start(cloud, "smtp", ["/usr/bin/python3", "-B", ROOT / "deploy/launch/smtp_sink.py", "--port", cloud.ports["smtp"],
                                      "--dir", cloud.dir("mail", mode=0o700)])


def up(cloud, progress=None):
    progress = progress or Progress()
    if os.geteuid():
        raise LaunchError("namespaces, Open vSwitch and libvirt need root")
    services.build()
    print(f"cloud in {cloud.var}", flush=True)
    for name, runs_as in {**PORT_OF, **{name: name for name in cloud.seconds}}.items():
        if not process.alive(cloud, runs_as):
            process.need_port(cloud, name)
    changed = rabbit.begin(cloud)
    postgres.up(cloud)
    postgres.create_database(cloud)
    progress.done("PostgreSQL")
    ovn.up(cloud)
    progress.done("OVN")
    hosts.up(cloud)
    progress.done(f"hosts {', '.join(cloud.host_names())}")
    process.run(["bash", ROOT / "deploy/guest-image.sh", cloud.dir("guest")], timeout=600)
    progress.done("guest image")
    rabbit.finish(cloud, changed)
    progress.done("RabbitMQ")
    _smtp(cloud)
    for service in services.ORDER:
        services.up(cloud, service)
        progress.done(f"haneul-{service}")
    for name, service in cloud.seconds.items():
        services.up_second(cloud, name, service)
        progress.done(f"haneul-{service} once more, as {name}")
    agents.up(cloud)
    seed.up(cloud)
    hypervisors_up(cloud)
    progress.done("agents, flavors, network `public`, demo account")


def hypervisors_up(cloud, timeout_s=60):
    """Until every host's agent has reported to compute."""
    token, _ = api.token(cloud.url("identity"), "admin", cloud.secret("admin"), "admin")
    url = cloud.url("compute") + "/v2.1/os-hypervisors/detail"

    def missing():
        for host in cloud.host_names():
            if not process.alive(cloud, agents.name_of(host)):
                raise LaunchError(f"the agent of {host} ended:\n{process.log_tail(cloud, agents.name_of(host))}")
        known = api.call("GET", url, token=token)["hypervisors"]
        return set(cloud.host_names()) - {h["hypervisor_hostname"] for h in known if h["state"] == "up"}
    process.wait_until(lambda: not missing(), timeout_s, f"not every host came up within {timeout_s} s: see var/log/hypervisor-*.log")


def down(cloud):
    """Stops what was started: agents, services, hosts, then what they stand on."""
    names = process.names(cloud)
    process.stop_all(cloud, [n for n in names if n.startswith("hypervisor-")])
    process.stop_all(cloud, [n for n in names if n not in CENTRAL and not n.startswith(("hypervisor-", "host-"))])
    hosts.down(cloud)
    for name in CENTRAL:
        process.stop(cloud, name)


def status(cloud):
    rows = [(name, process.alive(cloud, name)) for name in process.names(cloud)]
    print(f"{'':2}{'process':<20}{'pid':>8}  {'listens':<24}log")
    for name, pid in rows:
        port = cloud.ports.get("rabbit" if name == "rabbitmq" else name)
        listens = f"127.0.0.1:{port}" if port else ""
        print(f"{'':2}{name:<20}{pid or 'ended':>8}  {listens:<24}{process.log_path(cloud, name)}")
    if not rows:
        print("  nothing runs")
    return 0 if rows and all(pid for _, pid in rows) else 3


def ssh(cloud, words):
    if not words:
        raise LaunchError("ssh needs an address")
    os.execvp("ip", ["ip", "netns", "exec", cloud.namespace("net"), *demo.ssh_words(cloud, words[0]), *words[1:]])


def run(options):
    cloud = Cloud(options.var, options.port_offset, options.profile)
    if options.command == "status":
        return status(cloud)
    if options.command == "ssh":
        return ssh(cloud, options.words)
    held = lock(cloud)
    with held:
        if options.command == "up":
            up(cloud)
            print(f"ready: . {cloud.var}/demo-openrc (or admin-openrc), then use the openstack client")
        elif options.command == "down":
            down(cloud)
        else:
            return demo.run(cloud, up, down)
    return 0


def main():
    parser = argparse.ArgumentParser(prog="cloud", description="the one-machine cloud")
    parser.add_argument("--var", default=str(ROOT / "var"), help="where everything private lives")
    parser.add_argument("--port-offset", type=int, default=0, help="added to every port")
    parser.add_argument("--profile", default="default", help=", ".join(PROFILES))
    parser.add_argument("command", choices=["up", "down", "status", "demo", "ssh"])
    parser.add_argument("words", nargs=argparse.REMAINDER)
    os.environ["PATH"] = "/usr/sbin:/sbin:/usr/bin:/bin:" + os.environ.get("PATH", "")
    try:
        return run(parser.parse_args())
    except LaunchError as error:
        print(f"cloud: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("cloud: interrupted; `make down` stops what was started", file=sys.stderr)
        return 130
