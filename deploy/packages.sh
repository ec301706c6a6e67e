#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs the Debian 12 packages that are missing, and starts none of their services: while apt runs, policy-rc.d refuses
# every start, no PostgreSQL cluster is made, and whatever somebody had in these places is put back afterwards.
# Usage: packages.sh [--list]
set -eu

build="gcc make pkg-config libc6-dev libglib2.0-dev libjansson-dev libmicrohttpd-dev libpq-dev libjwt-dev librabbitmq-dev
 libcurl4-openssl-dev libssl-dev libgmp-dev libcrypt-dev libvirt-dev zlib1g-dev libzstd-dev"
run="postgresql postgresql-client rabbitmq-server ovn-central ovn-host openvswitch-switch libvirt-daemon-system libvirt-clients
 qemu-system-x86 qemu-utils genisoimage ethtool iproute2 util-linux procps kmod openssh-client curl ca-certificates"
guest="busybox mtools fdisk syslinux syslinux-common cpio dosfstools e2fsprogs binutils dpkg-dev"
clients="python3 python3-openstackclient python3-openstacksdk"
tests="check python3-pytest python3-pytest-xdist python3-aiosmtpd python3-psycopg2 python3-pika python3-swift iputils-ping zstd"
wanted="$build $run $guest $clients $tests"

if [ "${1:-}" = --list ]; then
    printf '%s\n' $wanted | sort
    exit 0
fi

missing=""
have=$(dpkg-query -W -f '${db:Status-Abbrev}${Package}\n' $wanted 2>/dev/null | sed -n 's/^ii *//p')
for p in $wanted; do
    printf '%s\n' "$have" | grep -qxF "$p" || missing="$missing $p"
done
[ -n "$missing" ] || exit 0
[ "$(id -u)" = 0 ] || { echo "packages missing:$missing (install them as root: make deps)" >&2; exit 1; }

exec 9> /run/haneul-packages.lock
flock 9

policy=/usr/sbin/policy-rc.d
cluster=/etc/postgresql-common/createcluster.d/haneul.conf
saved=$(mktemp -d)
restore() {
    rm -f "$policy" "$cluster"
    if [ -e "$saved/policy-rc.d" ] || [ -L "$saved/policy-rc.d" ]; then
        mv "$saved/policy-rc.d" "$policy"
    fi
    rmdir "$saved"
}
trap restore EXIT
trap 'exit 1' INT TERM HUP
if [ -e "$policy" ] || [ -L "$policy" ]; then
    mv "$policy" "$saved/policy-rc.d"
fi
printf '#!/bin/sh\nexit 101\n' > "$policy"
chmod 755 "$policy"
mkdir -p "${cluster%/*}"
echo "create_main_cluster = false" > "$cluster"

export DEBIAN_FRONTEND=noninteractive
echo "installing:$missing"
# A machine whose package lists are empty or too old for the archive needs new ones.
# shellcheck disable=SC2086
install() {
    apt-get -q -y -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 --no-install-recommends install $missing
}
fresh() {
    find /var/lib/apt/lists -maxdepth 1 -name '*_Packages*' -mtime -1 2>/dev/null | grep -q .
}
updated=""
if ! fresh; then
    apt-get -q -o DPkg::Lock::Timeout=300 update || echo "apt-get update failed; trying with the lists that are here" >&2
    updated=1
fi
if ! install; then
    [ -z "$updated" ] || exit 1
    apt-get -q -o DPkg::Lock::Timeout=300 update
    install
fi
