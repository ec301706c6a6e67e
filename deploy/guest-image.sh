#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Builds the Haneul guest, a small test guest, out of Debian packages only: cloud kernel, BusyBox, dropbear. No mounts, no
# chroot. Usage: guest-image.sh DIR makes DIR/disk.qcow2; does nothing when that is newer than this script and its files.
set -euo pipefail
export PATH=/usr/sbin:/sbin:/usr/bin:/bin LC_ALL=C
here=$(cd "$(dirname "$0")" && pwd)
out=$1
mkdir -p "$out/debs"
out=$(cd "$out" && pwd)
if [ -e "$out/disk.qcow2" ] && [ -z "$(find "$here/guest" "$here/guest-image.sh" -newer "$out/disk.qcow2" -type f)" ]; then
    exit 0
fi
work=$(mktemp -d "$out/work.XXXXXX")
trap 'rm -rf "$work"' EXIT
root=$work/root

# --- packages: those of the machine are copied, the others downloaded and unpacked
kernel=$(apt-cache depends --important linux-image-cloud-amd64 | sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p' | head -1)
cd "$out/debs"
for p in "$kernel" dropbear-bin libtomcrypt1 libtommath1 libgmp10; do
    ls "$p"_*.deb > /dev/null 2>&1 || apt-get -q -o APT::Sandbox::User=root download "$p" > /dev/null ||
        { apt-get -q update > /dev/null; apt-get -q -o APT::Sandbox::User=root download "$p" > /dev/null; }
    dpkg-deb -x "$(ls -t "$p"_*.deb | head -1)" "$work/packages"
done
cd /
version=$(ls "$work/packages/lib/modules")
modules=lib/modules/$version

# --- programs and the libraries they need
mkdir -p "$root"/{bin,sbin,usr/bin,usr/sbin,usr/share,proc,sys,dev,run,tmp,root,mnt,var/log,etc/dropbear,"$modules"}
put() { # source, place in the guest
    install -D "$1" "$root/$2"
    LD_LIBRARY_PATH=$work/packages/usr/lib/x86_64-linux-gnu ldd "$1" | grep -o '/[^ ]*' | while read -r library; do
        case $library in
            */ld-linux*) install -D "$library" "$root/lib64/$(basename "$library")" ;;
            *) install -D "$library" "$root/lib/x86_64-linux-gnu/$(basename "$library")" ;;
        esac
    done
}
put /bin/busybox bin/busybox
put /sbin/resize2fs sbin/resize2fs
put "$work/packages/usr/sbin/dropbear" usr/sbin/dropbear
put "$work/packages/usr/bin/dropbearkey" usr/bin/dropbearkey
for applet in $(/bin/busybox --list); do
    case $applet in
        busybox | dpkg | dpkg-deb | rpm | run-init) ;;
        *) ln -sf /bin/busybox "$root/bin/$applet" ;;
    esac
done
for applet in init modprobe getty poweroff reboot halt switch_root; do
    ln -sf /bin/busybox "$root/sbin/$applet"
done

# --- the few kernel modules a cloud guest needs
add_module() {
    local file name
    file=$(cd "$work/packages/$modules" && find . \( -name "$1.ko" -o -name "${1//-/_}.ko" -o -name "${1//_/-}.ko" \) | head -1)
    [ -n "$file" ] && [ ! -e "$root/$modules/$file" ] || return 0
    install -D -m 644 "$work/packages/$modules/$file" "$root/$modules/$file"
    strip -g "$root/$modules/$file"
    for name in $(modinfo -F depends "$root/$modules/$file" | tr , ' '); do
        add_module "$name"
    done
}
for m in virtio_pci virtio_blk virtio_scsi sd_mod virtio_net virtio_console virtio_balloon virtio-rng sr_mod isofs ata_piix \
    ahci button evdev; do
    add_module "$m"
done
cp "$work/packages/$modules"/modules.{builtin,order} "$root/$modules/"
depmod -b "$root" "$version" 2> /dev/null

# --- configuration
cp -R "$here/guest/root/." "$root/"
chmod 755 "$root"/etc/init.d/* "$root"/etc/acpi/PWRF/* "$root/sbin/udhcpc.script"
echo "root:x:0:0:root:/root:/bin/sh" > "$root/etc/passwd"
echo "root:x:0:" > "$root/etc/group"
echo "root:$(openssl passwd -6 -salt haneul haneul):19000:0:99999:7:::" > "$root/etc/shadow"
chmod 600 "$root/etc/shadow"
chmod 700 "$root/root"

# --- initial RAM disk: finds the root file system, grows its partition, and hands over
initrd=$work/initrd
mkdir -p "$initrd"/{bin,sbin,proc,sys,dev,newroot,lib/x86_64-linux-gnu,lib64,"$modules"}
cp "$here/guest/init" "$initrd/init"
chmod 755 "$initrd/init"
cp "$root/bin/busybox" "$initrd/bin/"
cp "$root"/lib64/* "$initrd/lib64/"
ldd /bin/busybox | grep -o '/lib/[^ ]*\.so[^ ]*' | xargs -I{} cp {} "$initrd/lib/x86_64-linux-gnu/"
(cd "$root/$modules" && find . \( -name 'virtio*.ko' ! -name virtio_net.ko \) -o -name 'scsi_*.ko' -o -name 'sd_mod.ko' -o -name 'crc*.ko' \
    -o -name 't10*.ko' -o -name modules.builtin -o -name modules.order | cpio -pdm --quiet "$initrd/$modules")
depmod -b "$initrd" "$version" 2> /dev/null
(cd "$initrd" && find . | sort | cpio -o -H newc --quiet -R 0:0) | gzip -9 > "$work/initrd.gz"

# --- disk: MBR, partition 1 FAT with syslinux, partition 2 ext4
boot_mib=28
root_mib=40
truncate -s $((boot_mib + root_mib + 1))M "$work/disk.raw"
sfdisk -q "$work/disk.raw" << END
label: dos
start=2048, size=$((boot_mib * 2048)), type=e, bootable
start=$((2048 + boot_mib * 2048)), size=$((root_mib * 2048)), type=83
END
truncate -s ${boot_mib}M "$work/boot.fat"
mkfs.fat -F 16 -n HANEULBOOT "$work/boot.fat" > /dev/null
cat > "$work/syslinux.cfg" << END
DEFAULT haneul
PROMPT 0
LABEL haneul
 KERNEL vmlinuz
 INITRD initrd.gz
 APPEND root=LABEL=haneulroot console=tty0 console=ttyS0,115200 quiet panic=5 net.ifnames=0
END
mcopy -i "$work/boot.fat" "$work/packages/boot/vmlinuz-$version" ::vmlinuz
mcopy -i "$work/boot.fat" "$work/initrd.gz" "$work/syslinux.cfg" ::
syslinux -i "$work/boot.fat"
mke2fs -q -t ext4 -L haneulroot -O ^metadata_csum_seed,^orphan_file -E root_owner=0:0 -d "$root" "$work/root.ext4" ${root_mib}M > /dev/null
dd if="$work/boot.fat" of="$work/disk.raw" bs=1M seek=1 conv=notrunc status=none
dd if="$work/root.ext4" of="$work/disk.raw" bs=1M seek=$((boot_mib + 1)) conv=notrunc status=none
dd if=/usr/lib/syslinux/mbr/mbr.bin of="$work/disk.raw" bs=440 count=1 conv=notrunc status=none
qemu-img convert -c -O qcow2 "$work/disk.raw" "$work/disk.qcow2"
mv "$work/disk.qcow2" "$out/disk.qcow2"
