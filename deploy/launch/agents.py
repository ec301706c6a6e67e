# SPDX-License-Identifier: Apache-2.0
"""The hypervisor agent of each host: inside the host's mount, PID, UTS, IPC and cgroup namespaces, but on the machine's own
network, where the broker and the image service listen. A power failure of the host ends it too."""

from . import hosts, process, services


def name_of(host):
    return f"hypervisor-{host}"


def settings(cloud, host):
    home = cloud.var / "hosts" / host
    conf = {
        "service": {"listen": "127.0.0.1", "log_level": "info"},
        "bus": services.bus(cloud, f"host-{host}", "/"),
        "agent": {"host": host, "state_dir": home / "state", "address": hosts.address(host)},
        "libvirt": {"uri": "qemu:///system"},
        # The simulated hosts' Open vSwitch runs its datapath in user space (host-init.sh).
        "ovs": {"netns": "/proc/1/ns/net", "checksum_offload": "false"},
    }
    return services.merge(conf, cloud.more.get("hypervisor", {}))


def start(cloud, host):
    name = name_of(host)
    if process.alive(cloud, name):
        return
    path = cloud.dir("etc") / f"haneul-{name}.conf"
    services.write_settings(path, settings(cloud, host))
    program = [cloud.program("hypervisor"), "--config", path]
    process.start(cloud, name, [*hosts.enter(cloud, host, network=False), *program], cgroups=hosts.cgroup_files(cloud, host),
                  stop="session", env={"HOME": "/root"})


def up(cloud):
    for host in cloud.host_names():
        start(cloud, host)
