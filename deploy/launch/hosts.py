# SPDX-License-Identifier: Apache-2.0
"""Simulated hypervisor hosts: each is a network, mount, UTS, IPC, PID and cgroup namespace with its own libvirtd, Open
vSwitch and ovn-controller (host-init.sh is its PID 1). `kill -9` of that PID 1 is a power failure. Beside them the cloud has a
"data centre" namespace with the bridges that join the hosts: management, tunnels, and the provider network."""

import os
import shutil
import subprocess
import uuid
from pathlib import Path

from . import ovn, process
from .settings import ROOT, LaunchError, write_file

PROVIDER = {"cidr": "203.0.113.0/24", "gateway": "203.0.113.1", "physical": "physnet1"}
# Bridge of the data centre → interface of every host on it, and the address of the data centre's end.
LINKS = {"mgmt": ("eth0", "10.99.0.254/24"), "prov": ("eth1", PROVIDER["gateway"] + "/24"), "tun": ("eth2", None)}
V1_CONTROLLERS = ("cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids")
CGROUPS = Path("/sys/fs/cgroup")
INIT = ROOT / "deploy/host-init.sh"

QEMU_CONF = """\
user = "root"
group = "root"
security_driver = "none"
remember_owner = 0
namespaces = []
max_core = 0
stdio_handler = "logd"
vnc_listen = "127.0.0.1"
migration_host = "10.99.0.{number}"
lock_manager = "nop"
{cgroups}
"""
LIBVIRTD_CONF = """\
host_uuid = "{uuid}"
listen_tls = 0
auth_unix_rw = "none"
unix_sock_dir = "/run/libvirt"
unix_sock_rw_perms = "0770"
log_outputs = "2:file:/var/log/libvirt/libvirtd.log"
"""


def kvm_works(cloud):
    """The answer of the agent's timed probe. A /dev/kvm that only emulates must not be seen by libvirt."""
    return subprocess.run([cloud.program("hypervisor"), "--kvm-probe"], timeout=30, check=False).returncode == 0


def controllers():
    """The version 1 controllers of this machine that a host gets a cgroup of its own in; none: libvirt goes without."""
    return [c for c in V1_CONTROLLERS if os.access(CGROUPS / c / "tasks", os.W_OK)]


def number(name):
    return 10 + int(name[1:])


def address(name):
    return f"10.99.0.{number(name)}"


def init_pid(cloud, name):
    """PID 1 of the host as seen from here, or None."""
    parent = process.alive(cloud, f"host-{name}")
    if not parent:
        return None
    try:
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    except OSError:
        return None
    return int(children[0]) if children else None


def recorded(cloud):
    return [n.removeprefix("host-") for n in process.names(cloud) if n.startswith("host-")]


def _namespaces():
    return {p.name for p in Path("/run/netns").glob("*")} if Path("/run/netns").is_dir() else set()


def _ip(namespace, *words):
    process.run(["ip", "-n", namespace, *words])


def _data_centre(cloud):
    """The namespace is complete when its provider bridge has its address, which comes last."""
    centre = cloud.namespace("net")
    if centre in _namespaces():
        if PROVIDER["gateway"] in process.run(["ip", "-n", centre, "-4", "addr"]):
            return
        process.run(["ip", "netns", "del", centre])
    process.run(["ip", "netns", "add", centre])
    _ip(centre, "link", "set", "lo", "up")
    for bridge in LINKS:
        _ip(centre, "link", "add", bridge, "type", "bridge", "stp_state", "0")
        _ip(centre, "link", "set", bridge, "up")
    for bridge in ("mgmt", "prov"):
        _ip(centre, "addr", "add", LINKS[bridge][1], "dev", bridge)


def _plug(cloud, name):
    """The host's own network namespace with an interface on each bridge. Checksum offloads are off on both ends: Open vSwitch
    reads these interfaces by AF_PACKET, where an unfinished checksum makes TCP hang silently."""
    centre, own = cloud.namespace("net"), cloud.namespace(name)
    if own in _namespaces():
        process.run(["ip", "netns", "del", own])
    process.run(["ip", "netns", "add", own])
    _ip(own, "link", "set", "lo", "up")
    offloads = [w for what in ("tx", "sg", "tso", "gso", "gro") for w in (what, "off")]
    for bridge, (interface, _) in LINKS.items():
        end = f"{bridge}-{name}"
        _ip(centre, "link", "add", end, "type", "veth", "peer", "name", interface, "netns", own)
        _ip(centre, "link", "set", end, "master", bridge, "up")
        _ip(own, "link", "set", interface, "up")
        if bridge != "mgmt":
            process.run(["ip", "netns", "exec", centre, "ethtool", "-K", end, *offloads])
            process.run(["ip", "netns", "exec", own, "ethtool", "-K", interface, *offloads], check=False)
    _ip(own, "addr", "add", f"{address(name)}/24", "dev", "eth0")


def cgroup_files(cloud, name):
    """Makes the host's cgroups; the files that put a process into them."""
    files = []
    for controller in controllers():
        path = CGROUPS / controller / cloud.cgroup(name)
        path.mkdir(exist_ok=True)
        if controller == "cpuset":
            for file in ("cpuset.cpus", "cpuset.mems"):
                (path / file).write_text((CGROUPS / controller / file).read_text())
        files.append(path / "tasks")
    return files


def _files(cloud, name):
    home = cloud.dir("hosts", name)
    shutil.rmtree(home / "run", ignore_errors=True)
    for folder in ("run", "log", "cache", "tmp", "dev", "ovs", "state", "lib-libvirt/images", "lib-libvirt/qemu", "lib-libvirt/boot"):
        cloud.dir("hosts", name, folder)
    if not (home / "etc-libvirt").exists():
        new = home / "etc-libvirt.new"
        shutil.rmtree(new, ignore_errors=True)
        shutil.copytree("/etc/libvirt", new, symlinks=True)
        for folder in ("networks", "autostart"):
            shutil.rmtree(new / "qemu" / folder, ignore_errors=True)
        new.rename(home / "etc-libvirt")
    identity = uuid.uuid5(uuid.NAMESPACE_DNS, f"{name}.{cloud.tag}.haneul")
    cgroups = "" if controllers() else "cgroup_controllers = []"
    write_file(home / "etc-libvirt/libvirtd.conf", LIBVIRTD_CONF.format(uuid=identity))
    write_file(home / "etc-libvirt/qemu.conf", QEMU_CONF.format(number=number(name), cgroups=cgroups))
    write_file(home / "tmp/boot_id", f"{uuid.uuid4()}\n")
    lines = ["127.0.0.1 localhost", *(f"10.99.0.{10 + i} h{i}" for i in range(1, 10))]
    write_file(home / "tmp/hosts", "\n".join(lines) + "\n")
    return home


def start(cloud, name, kvm):
    """Boots a host; it is up when host-init.sh says so and libvirtd listens."""
    home = _files(cloud, name)
    _plug(cloud, name)
    env = {"HOST": name, "HOME_DIR": str(home), "NUMBER": str(number(name)), "CONTROLLERS": " ".join(controllers()),
           "WITH_KVM": "1" if kvm else "", "SOUTHBOUND": ovn.socket(cloud, "sb")}
    process.start(cloud, f"host-{name}", [
        "ip", "netns", "exec", cloud.namespace(name), "unshare", "--mount", "--uts", "--ipc", "--cgroup", "--pid", "--fork",
        "--kill-child=KILL", "/bin/bash", INIT], env=env, cgroups=cgroup_files(cloud, name))


def wait(cloud, name):
    home = cloud.var / "hosts" / name
    process.wait_ready(cloud, f"host-{name}", lambda: (home / "run/up").exists() and (home / "run/libvirt/libvirt-sock").exists())


def up(cloud):
    """Boots the hosts that are not up, all at once."""
    _data_centre(cloud)
    missing = [name for name in cloud.host_names() if not init_pid(cloud, name)]
    kvm = bool(missing) and kvm_works(cloud)
    for name in missing:
        process.stop(cloud, f"host-{name}", 1)
        start(cloud, name, kvm)
    for name in cloud.host_names():
        wait(cloud, name)


def enter(cloud, name, network=True):
    """The words that run a command inside a host; network False: in the root network namespace instead of the host's."""
    pid = init_pid(cloud, name)
    if not pid:
        raise LaunchError(f"host {name} is not up")
    return ["nsenter", "-t", str(pid), "-m", "-u", "-i", "-p", "-C", *(["-n"] if network else []), "--"]


def fail_power(cloud, name):
    """Everything on the host ends at once."""
    pid = init_pid(cloud, name)
    if pid:
        process.kill(pid, 9)
    process.stop(cloud, f"host-{name}", 5)


def down(cloud):
    """Shuts the hosts down (guests get ACPI first), then removes what the kernel holds for them."""
    found = recorded(cloud)
    for name in found:
        pid = init_pid(cloud, name)
        if pid:
            process.kill(pid, 15)
    for name in found:
        process.wait_until(lambda: not process.alive(cloud, f"host-{name}"), 25, None)
        process.stop(cloud, f"host-{name}", 1)
    prefix = cloud.namespace("")
    for namespace in sorted(n for n in _namespaces() if n.startswith(prefix)):
        process.run(["ip", "netns", "del", namespace])
    for controller in V1_CONTROLLERS:
        for top in (CGROUPS / controller).glob(cloud.cgroup("*")):
            for folder, _, _ in os.walk(top, topdown=False):
                process.wait_until(lambda: _rmdir(folder), 5, None)


def _rmdir(folder):
    try:
        os.rmdir(folder)
    except FileNotFoundError:
        pass
    except OSError:
        return False
    return True
