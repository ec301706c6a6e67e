#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# PID 1 of a simulated hypervisor host. The launcher gives HOST, HOME_DIR, NUMBER, CONTROLLERS, WITH_KVM and SOUTHBOUND.
# TERM shuts the host down as a machine would: guests first.
set -eu
export PATH=/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin

mount --make-rprivate /
hostname "$HOST"
mount -t proc proc /proc
mount --bind "$HOME_DIR/tmp/hosts" /etc/hosts
mount --bind "$HOME_DIR/tmp/boot_id" /proc/sys/kernel/random/boot_id

if [ -n "$CONTROLLERS" ]; then
    mount -t tmpfs tmpfs /sys/fs/cgroup
    for c in $CONTROLLERS; do
        mkdir "/sys/fs/cgroup/$c"
        mount -t cgroup -o "$c" cgroup "/sys/fs/cgroup/$c"
    done
fi

mount --bind "$HOME_DIR/run" /run
mkdir -p /run/libvirt /run/lock /run/openvswitch /run/ovn /run/netns
mkdir -p /var/log/libvirt /var/cache/libvirt /var/lib/libvirt
mount --bind "$HOME_DIR/etc-libvirt" /etc/libvirt
mount --bind "$HOME_DIR/lib-libvirt" /var/lib/libvirt
mount --bind "$HOME_DIR/log" /var/log/libvirt
mount --bind "$HOME_DIR/cache" /var/cache/libvirt

# A private /dev, with kvm only where it works. (A /dev/kvm that cannot be used makes libvirt probe QEMU again at every
# operation, so it must not be there at all.)
mount -t tmpfs -o mode=755 dev "$HOME_DIR/dev"
for n in null zero full random urandom tty ${WITH_KVM:+kvm}; do
    cp -a "/dev/$n" "$HOME_DIR/dev/"
done
mkdir -p "$HOME_DIR"/dev/{net,pts,shm,mapper}
[ -e /dev/net/tun ] && cp -a /dev/net/tun "$HOME_DIR/dev/net/" || mknod "$HOME_DIR/dev/net/tun" c 10 200
ln -s /proc/self/fd "$HOME_DIR/dev/fd"
ln -s pts/ptmx "$HOME_DIR/dev/ptmx"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts "$HOME_DIR/dev/pts"
mount -t tmpfs shm "$HOME_DIR/dev/shm"
mount --rbind "$HOME_DIR/dev" /dev

# Runs a daemon in the foreground and starts it again when it ends.
keep() {
    local name=$1
    shift
    (
        while :; do
            "$@" >> "$HOME_DIR/log/$name.out" 2>&1 || true
            sleep 0.5
        done
    ) &
}
await() { # up to 20 s for a file
    local i
    for i in $(seq 400); do
        [ -e "$1" ] && return 0
        sleep 0.05
    done
    echo "$1 did not appear" >&2
    exit 1
}

keep virtlogd virtlogd
keep libvirtd libvirtd

rm -f "$HOME_DIR/ovs/conf.db" "$HOME_DIR"/ovs/.conf.db*
ovsdb-tool create "$HOME_DIR/ovs/conf.db" /usr/share/openvswitch/vswitch.ovsschema
keep ovsdb ovsdb-server "$HOME_DIR/ovs/conf.db" --remote=punix:/run/openvswitch/db.sock \
    --remote=db:Open_vSwitch,Open_vSwitch,manager_options --unixctl=/run/openvswitch/ovsdb.ctl -vconsole:warn -vsyslog:off
await /run/openvswitch/db.sock
ovs-vsctl --no-wait init
ovs-vsctl --no-wait set open_vswitch . "external-ids:system-id=$HOST" "external-ids:hostname=$HOST" \
    "external-ids:ovn-remote=$SOUTHBOUND" external-ids:ovn-encap-type=geneve "external-ids:ovn-encap-ip=10.98.0.$NUMBER" \
    external-ids:ovn-bridge-datapath-type=netdev external-ids:ovn-bridge-mappings=physnet1:br-ex \
    external-ids:ovn-cms-options=enable-chassis-as-gw
keep vswitchd ovs-vswitchd unix:/run/openvswitch/db.sock --unixctl=/run/openvswitch/vswitchd.ctl -vconsole:warn -vsyslog:off
for pair in br-phy:eth2 br-ex:eth1; do
    b=${pair%:*}
    ovs-vsctl --timeout=20 add-br "$b" -- set bridge "$b" datapath_type=netdev fail-mode=standalone -- add-port "$b" "${pair#*:}"
done
ip addr add "10.98.0.$NUMBER/24" dev br-phy
ip link set br-phy up
ip link set br-ex up
keep ovn-controller ovn-controller unix:/run/openvswitch/db.sock -vconsole:warn -vsyslog:off
ovs-vsctl --timeout=20 wait-until bridge br-int
touch /run/up

shut_down() {
    local d i
    for d in $(timeout 5 virsh -q list --name); do
        timeout 5 virsh -q shutdown "$d" || true
    done
    for i in $(seq 60); do
        [ -z "$(timeout 5 virsh -q list --name)" ] && break
        sleep 0.2
    done
    exit 0
}
trap shut_down TERM
while :; do
    sleep 3600 &
    wait $! || true
done
