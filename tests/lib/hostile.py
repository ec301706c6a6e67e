# SPDX-License-Identifier: Apache-2.0
"""Images that must be refused, and honest ones of the same kinds: made here, uploaded by the service tests, and written as the fuzz corpus by
`python3 -m tests.lib.hostile tests/fuzz/corpus`."""

import functools
import gzip
import hashlib
import io
import json
import struct
import subprocess
import sys
import tarfile
from collections import namedtuple
from pathlib import Path

# reason: part of the refusal's text; None: an honest image.
Case = namedtuple("Case", "name container disk reason data")
MIB = 1 << 20
HEAD = 384 * 1024  # bytes from the start that the parser keeps


def sha256(data):
    return hashlib.sha256(data).hexdigest()


# ---- disks

def qcow2(changes=(), size=512 * 1024):
    data = bytearray(size)
    data[:4] = b"QFI\xfb"
    fields = [(4, 3, 4), (20, 16, 4), (24, 5 * MIB, 8), (36, 1, 4), (40, 3 << 16, 8), (48, 1 << 16, 8), (56, 1, 4), (96, 4, 4), (100, 112, 4)]
    for at, value, n in fields + list(changes):
        data[at:at + n] = value.to_bytes(n, "big")
    return data


def qcow2_backing():
    data = qcow2([(8, 300, 8), (16, 11, 4)])
    data[300:311] = b"/etc/passwd"
    return data


def qcow2_data_file():
    return qcow2([(72, 4, 8), (112, 0x44415441, 4), (116, 11, 4)])


DESCRIPTOR = '# Disk DescriptorFile\nversion=1\nCID=1\nparentCID=ffffffff\ncreateType="{0}"\nRW 2048 SPARSE "{1}"\n'


def vmdk(kind="monolithicSparse", extent="a.vmdk", changes=()):
    data = bytearray(512 * 1024)
    data[:4] = b"KDMV"
    fields = [(4, 1, 4), (12, 2048, 8), (20, 128, 8), (28, 1, 8), (36, 20, 8), (44, 512, 4), (56, 64, 8)]
    for at, value, n in fields + list(changes):
        data[at:at + n] = value.to_bytes(n, "little")
    text = DESCRIPTOR.format(kind, extent).encode()
    data[512:512 + len(text)] = text
    return data


def vmdk_with(text, at=1, **more):
    """What follows the descriptor's lines; or a descriptor of its own where QEMU looks, while the header points to an honest one."""
    data = vmdk(**more)
    honest = DESCRIPTOR.format("monolithicSparse", "a.vmdk").encode()
    if at != 1:
        data = vmdk(changes=[(28, at, 8)])
        data[at * 512:at * 512 + len(honest)] = honest
    return put(data, 512, honest + text)


def vdi(changes=()):
    data = bytearray(MIB)
    fields = [(64, 0xBEDA107F, 4), (68, 0x00010001, 4), (76, 1, 4), (340, 512, 4), (344, 1024, 4), (368, 4 * MIB, 8), (376, MIB, 4), (384, 4, 4)]
    for at, value, n in fields + list(changes):
        data[at:at + n] = value.to_bytes(n, "little")
    return data


def vhd(kind=3):
    data = bytearray(64 * 1024)
    data[:8] = b"conectix"
    data[16:24] = struct.pack(">Q", 512)
    data[48:56] = struct.pack(">Q", 256 * 1024)
    data[60:64] = struct.pack(">I", kind)
    data[64:68] = struct.pack(">I", ~sum(data[:512]) & 0xFFFFFFFF)
    data[512:520] = b"cxsparse"
    data[528:536] = struct.pack(">Q", 1536)
    data[540:548] = struct.pack(">II", 4, 2 * MIB)
    return data


def iso():
    data = bytearray(64 * 1024)
    data[32769:32774] = b"CD001"
    return data


def put(data, at, what):
    data = bytearray(data)
    data[at:at + len(what)] = what
    return data


# ---- archives

def member(name, data=b"", type=tarfile.REGTYPE, **more):
    info = tarfile.TarInfo(name)
    info.type = type
    info.size = len(data)
    for key, value in more.items():
        setattr(info, key, value)
    return info, data


def tar(members, format=tarfile.PAX_FORMAT):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=format) as archive:
        for info, data in members:
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def folder(name):
    return member(name, type=tarfile.DIRTYPE, mode=0o755)


ROOT = [folder("./"), folder("./etc"), member("./etc/hostname", b"guest\n"), folder("./dev"),
        member("./dev/null", type=tarfile.CHRTYPE, devmajor=1, devminor=3), member("./bin", type=tarfile.SYMTYPE, linkname="usr/bin"),
        member("./etc/mtab", type=tarfile.SYMTYPE, linkname="/proc/mounts"), folder("./usr/bin"), member("./usr/bin/sh", b"#!" + b"x" * 5000),
        member("./usr/bin/dash", type=tarfile.LNKTYPE, linkname="./usr/bin/sh"), member("./" + "long/" * 40 + "name", b"1")]


def config(layers):
    return json.dumps({"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": ["sha256:" + sha256(x) for x in layers]}}).encode()


def docker(layers, change=lambda files: None, extra=()):
    """`docker save` as it was until 24: layers first, manifest.json last."""
    document = config(layers)
    names = [sha256(b"id" + x) + "/layer.tar" for x in layers]
    files = dict(zip(names, layers))
    files[sha256(document) + ".json"] = document
    files["manifest.json"] = json.dumps([{"Config": sha256(document) + ".json", "RepoTags": ["a:latest"], "Layers": names}]).encode()
    change(files)
    return tar([member(name, data) for name, data in files.items()] + list(extra))


def oci(layers, change=lambda parts: None, pack=gzip.compress, kind="application/vnd.oci.image.layer.v1.tar+gzip"):
    def blob(data, media_type):
        files["blobs/sha256/" + sha256(data)] = data
        return {"mediaType": media_type, "digest": "sha256:" + sha256(data), "size": len(data)}

    files = {"oci-layout": b'{"imageLayoutVersion": "1.0.0"}'}
    parts = {"files": files, "manifest": {"schemaVersion": 2, "layers": [blob(pack(x), kind) for x in layers],
                                          "config": blob(config(layers), "application/vnd.oci.image.config.v1+json")}}
    change(parts)
    if "manifests" not in parts:
        parts["manifests"] = [blob(json.dumps(parts["manifest"]).encode(), "application/vnd.oci.image.manifest.v1+json")]
    files["index.json"] = json.dumps({"schemaVersion": 2, "manifests": parts["manifests"]}).encode()
    return tar([member(name, data) for name, data in files.items()])


def zstd(data):
    return subprocess.run(["zstd", "-q", "-c"], input=data, stdout=subprocess.PIPE, check=True).stdout


LAYERS = [tar(ROOT), tar([member("etc/motd", b"hello"), member("etc/.wh.hostname")]), b"\0" * 1024]


@functools.lru_cache
def bomb(n_mib):
    """gzip of zeros: a thousandth of what it unpacks to."""
    out = io.BytesIO()
    with gzip.GzipFile(fileobj=out, mode="wb", mtime=0) as stream:
        for _ in range(n_mib):
            stream.write(bytes(MIB))
    return out.getvalue()


def set_manifest(**more):
    def change(files):
        entry = json.loads(files["manifest.json"])[0]
        files["manifest.json"] = json.dumps([entry | more]).encode()
    return change


def set_layer(key, value):
    def change(parts):
        parts["manifest"]["layers"][0][key] = value
    return change


def wrong_blob(parts):
    name = parts["manifest"]["layers"][0]["digest"].partition(":")[2]
    parts["files"]["blobs/sha256/" + name] = gzip.compress(tar([member("other", b"x")]))


def missing_blob(parts):
    del parts["files"]["blobs/sha256/" + parts["manifest"]["layers"][0]["digest"].partition(":")[2]]


def nested_index(parts):
    data = b'{"schemaVersion": 2, "manifests": []}'
    parts["files"]["blobs/sha256/" + sha256(data)] = data
    parts["manifests"] = [{"mediaType": "application/vnd.oci.image.index.v1+json", "digest": "sha256:" + sha256(data), "size": len(data)}]


def two_manifests(files):
    files["manifest.json"] = json.dumps(json.loads(files["manifest.json"]) * 2).encode()


def rootfs(*extra):
    return tar(ROOT + list(extra))


def evil(name, *extra, reason):
    return Case(name, "docker", "raw", reason, rootfs(*extra))


def _disks():
    yield Case("qcow2", "bare", "qcow2", None, qcow2())
    yield Case("qcow2-backing", "bare", "qcow2", "backing file", qcow2_backing())
    yield Case("qcow2-data-file", "bare", "qcow2", "data file", qcow2_data_file())
    yield Case("qcow2-as-raw", "bare", "raw", "content is 'qcow2'", qcow2())
    yield Case("qcow2-huge", "bare", "qcow2", "absurd", qcow2([(24, 1 << 60, 8)]))
    yield Case("qcow2-over-the-limit", "bare", "qcow2", "virtual size", qcow2([(20, 21, 4), (24, 1 << 47, 8), (36, 1 << 8, 4), (40, 1 << 21, 8),
                                                                            (48, 2 << 21, 8)], 8 * MIB))
    yield Case("qcow2-tables", "bare", "qcow2", "absurd", qcow2([(36, 0xFFFFFFFF, 4)]))
    yield Case("qcow2-outside", "bare", "qcow2", "outside", qcow2([(40, 1 << 40, 8)]))
    yield Case("qcow2-encrypted", "bare", "qcow2", "encrypted", qcow2([(32, 1, 4)]))
    yield Case("qcow2-luks", "bare", "qcow2", "encrypted", qcow2([(32, 2, 4)]))
    yield Case("qcow2-luks-header", "bare", "qcow2", "encrypted", qcow2([(112, 0x0537BE77, 4), (116, 16, 4)]))
    yield Case("qcow2-data-file-bit", "bare", "qcow2", "data file", qcow2([(72, 4, 8)]))
    yield Case("qcow2-data-file-name", "bare", "qcow2", "data file", qcow2([(112, 0x44415441, 4), (116, 11, 4)]))
    yield Case("qcow2-backing-format", "bare", "qcow2", "backing format", qcow2([(112, 0xE2792ACA, 4), (116, 3, 4)]))
    # An extension as long as what is looked at, and one behind it.
    yield Case("qcow2-hidden-extension", "bare", "qcow2", "past the header", qcow2(
        [(20, 21, 4), (36, 1, 4), (40, 3 << 21, 8), (48, 1 << 21, 8), (112, 0x12345678, 4), (116, HEAD - 120, 4), (HEAD, 0x44415441, 4)], 8 * MIB))
    yield Case("qcow2-corrupt", "bare", "qcow2", "corrupt", qcow2([(72, 2, 8)]))
    yield Case("qcow2-unknown-feature", "bare", "qcow2", "unknown incompatible", qcow2([(72, 1 << 40, 8)]))
    yield Case("qcow2-refcount-order", "bare", "qcow2", "refcount width", qcow2([(96, 7, 4)]))
    yield Case("qcow2-cluster-bits", "bare", "qcow2", "cluster size", qcow2([(20, 63, 4)]))
    yield Case("qcow2-version", "bare", "qcow2", "version", qcow2([(4, 1, 4)]))
    yield Case("qcow2-header-length", "bare", "qcow2", "header length", qcow2([(100, 0xFFFFFFF8, 4)]))
    yield Case("qcow2-snapshots", "bare", "qcow2", "snapshots", qcow2([(60, 0xFFFFFFFF, 4)]))
    yield Case("qcow2-iso", "bare", "qcow2", "both 'qcow2' and 'iso'", put(qcow2(), 32769, b"CD001"))
    yield Case("iso", "bare", "iso", None, iso())
    yield Case("iso-vhd", "bare", "iso", "both 'iso' and 'vhd'", put(iso(), 64 * 1024 - 512, b"conectix"))
    yield Case("vmdk", "bare", "vmdk", None, vmdk())
    yield Case("vmdk-flat", "bare", "vmdk", "createType", vmdk("monolithicFlat"))
    yield Case("vmdk-path", "bare", "vmdk", "path", vmdk(extent="/etc/passwd"))
    yield Case("vmdk-descriptor", "bare", "vmdk", "other files", DESCRIPTOR.format("monolithicFlat", "/etc/passwd").encode())
    yield Case("vmdk-directory", "bare", "vmdk", "outside", vmdk(changes=[(56, 1 << 40, 8)]))
    parent = b'parentFileNameHint="/etc/passwd"'
    yield Case("vmdk-parent", "bare", "vmdk", "parent", vmdk_with(parent))
    yield Case("vmdk-parent-in-comment", "bare", "vmdk", "parent", vmdk_with(b"# " + parent))
    yield Case("vmdk-parent-in-line", "bare", "vmdk", "parent", vmdk_with(b"ddb.x = " + parent))
    yield Case("vmdk-parent-behind-nul", "bare", "vmdk", "parent", vmdk_with(b"\0" + parent))
    yield Case("vmdk-parent-elsewhere", "bare", "vmdk", "behind its header", vmdk_with(parent, 40))
    yield Case("vmdk-parent-cid", "bare", "vmdk", "parent", vmdk_with(b"parentCID=12345678\n"))
    yield Case("vmdk-two-extents", "bare", "vmdk", "2 extents", vmdk_with(b'RW 2048 SPARSE "b.vmdk"\n'))
    yield Case("vmdk-two-types", "bare", "vmdk", "createType", vmdk_with(b'createType="vmfs"\n'))
    yield Case("vmdk-capacity", "bare", "vmdk", "capacity", vmdk(changes=[(12, 0, 8)]))
    yield Case("vmdk-cowd", "bare", "vmdk", "other files", put(bytes(4096), 0, b"COWD"))
    yield Case("vdi", "bare", "vdi", None, vdi())
    yield Case("vdi-child", "bare", "vdi", "parent", vdi([(424, 1, 4)]))
    yield Case("vhd", "bare", "vhd", None, vhd())
    yield Case("vhd-child", "bare", "vhd", "disk type", vhd(4))
    yield Case("luks", "bare", "raw", "LUKS", put(bytes(4096), 0, b"LUKS\xba\xbe"))
    yield Case("qed", "bare", "raw", "QED", put(bytes(4096), 0, b"QED\0"))
    yield Case("docker-as-raw", "bare", "raw", "content is 'tar'", docker(LAYERS))
    yield Case("raw-gpt", "bare", "raw", None, put(put(bytes(8192), 510, b"\x55\xaa"), 512, b"EFI PART"))


def _packed():
    yield Case("gzip", "compressed", "qcow2", None, gzip.compress(qcow2(), mtime=0))
    yield Case("zstd", "compressed", "raw", None, zstd(b"\1" * 5000))
    yield Case("gzip-backing", "compressed", "qcow2", "backing file", gzip.compress(qcow2_backing(), mtime=0))
    yield Case("gzip-as-raw", "compressed", "raw", "content is 'qcow2'", gzip.compress(qcow2(), mtime=0))
    yield Case("gzip-cut-off", "compressed", "raw", "cut off", gzip.compress(b"x" * 5000)[:-9])
    yield Case("gzip-tail", "compressed", "raw", "broken", gzip.compress(b"x" * 5000) + b"more")
    yield Case("gzip-bomb", "compressed", "raw", "times its size", bomb(300))
    yield Case("zstd-cut-off", "compressed", "raw", "cut off", zstd(b"abc" * 5000)[:-3])
    # A frame with a window of 128 MiB and one block of five bytes.
    yield Case("zstd-window", "compressed", "raw", "memory", bytes.fromhex("28b52ffd 00 88 290000") + b"hello" + bytes(600))
    yield Case("not-compressed", "compressed", "raw", "not a disk compressed", b"plain" * 1000)


def _roots():
    yield Case("rootfs", "docker", "raw", None, rootfs())
    yield Case("rootfs-gnu", "docker", "raw", None, tar(ROOT, tarfile.GNU_FORMAT))
    yield Case("rootfs-gzip", "docker", "raw", None, gzip.compress(rootfs(), mtime=0))
    yield Case("rootfs-zstd", "docker", "raw", None, zstd(rootfs()))
    yield evil("traversal", member("./../../etc/cron.d/x", b"x"), reason="leaves the archive")
    yield evil("absolute", member("/etc/passwd", b"x"), reason="leaves the archive")
    yield evil("through-a-link", member("out", type=tarfile.SYMTYPE, linkname="/"), member("out/etc/passwd", b"x"), reason="beneath")
    yield evil("through-a-file", member("etc/hostname/x", b"x"), reason="beneath")
    yield evil("twice", member("etc/hostname", b"other"), reason="twice")
    yield evil("link-for-folder", member("etc", type=tarfile.SYMTYPE, linkname="/etc"), reason="twice")
    yield evil("hard-link-out", member("x", type=tarfile.LNKTYPE, linkname="../../etc/shadow"), reason="hard link")
    yield evil("block-device", member("dev/sda", type=tarfile.BLKTYPE, devmajor=8, devminor=0), reason="device")
    yield evil("memory-device", member("dev/mem", type=tarfile.CHRTYPE, devmajor=1, devminor=1), reason="device")
    yield evil("twice-by-dots", member("./etc/./hostname", b"other"), reason="twice")
    yield evil("sparse", member("x", b"", type=tarfile.GNUTYPE_SPARSE), reason="unknown type 0x53")
    yield evil("sparse-by-pax", member("x", b"x", pax_headers={"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "y"}), reason="sparse")
    yield evil("traversal-by-pax", member("x", b"x", pax_headers={"path": "../../etc/x"}), reason="leaves the archive")
    yield evil("link-by-pax", member("x", type=tarfile.LNKTYPE, linkname="y", pax_headers={"linkpath": "../../etc/shadow"}), reason="hard link")
    yield evil("size-by-pax", member("x", b"x", pax_headers={"size": "9999999999999999999999"}), reason="bad 'size'")
    yield evil("nul-in-pax", member("x", b"x", pax_headers={"path": "a\0b"}), reason="extended header")
    yield Case("tar-cut-off", "docker", "raw", "cut off", rootfs()[:5000])
    yield Case("tar-tail", "docker", "raw", "after its end", rootfs() + b"#!/bin/sh")
    yield Case("tar-checksum", "docker", "raw", "broken header", put(rootfs(), 512 + 150, b"7"))
    yield Case("tar-iso", "docker", "raw", "both 'iso' and 'tar'", put(tar([member("a", bytes(65536))]), 32769, b"CD001"))
    yield Case("tar-size", "docker", "raw", "absurd size", put_size(rootfs()))
    yield Case("no-tar", "docker", "raw", "not a Docker", b"plain" * 1000)


def put_size(data):
    """The first header tells 2^62 bytes, with a sum that holds."""
    header = bytearray(data[:512])
    header[124:136] = b"\x80" + b"\x7f" * 11
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header) + data[512:]


def _images():
    first = sha256(b"id" + LAYERS[0])
    yield Case("docker", "docker", "raw", None, docker(LAYERS))
    yield Case("docker-gzip", "docker", "raw", None, gzip.compress(docker(LAYERS), mtime=0))
    yield Case("oci", "docker", "raw", None, oci(LAYERS))
    yield Case("oci-zstd", "docker", "raw", None, oci(LAYERS, pack=zstd, kind="application/vnd.oci.image.layer.v1.tar+zstd"))
    yield Case("docker-traversal", "docker", "raw", "layer 0: member name", docker([tar([member("../x", b"x")])]))
    yield Case("docker-diff-id", "docker", "raw", "diff_id", docker(LAYERS, lambda f: f.update({f"{first}/layer.tar": LAYERS[1]})))
    yield Case("docker-missing", "docker", "raw", "missing", docker(LAYERS, lambda f: f.pop(f"{first}/layer.tar")))
    yield Case("docker-outside", "docker", "raw", "missing", docker(LAYERS, set_manifest(Layers=["../../etc/passwd"] * 3)))
    yield Case("docker-two", "docker", "raw", "2 images", docker(LAYERS, two_manifests))
    yield Case("docker-no-json", "docker", "raw", "no JSON", docker(LAYERS, lambda f: f.update({"manifest.json": b"[{"})))
    yield Case("docker-many-layers", "docker", "raw", "absurd", docker(LAYERS, set_manifest(Layers=["x"] * 300)))
    yield Case("docker-device", "docker", "raw", "devices", docker(LAYERS, extra=[member("x", type=tarfile.FIFOTYPE)]))
    yield Case("docker-no-tar", "docker", "raw", "no tar", docker([b"no archive" * 100]))
    yield Case("oci-digest", "docker", "raw", "digest in its name", oci(LAYERS, wrong_blob))
    yield Case("oci-missing", "docker", "raw", "missing", oci(LAYERS, missing_blob))
    yield Case("oci-size", "docker", "raw", "size", oci(LAYERS, set_layer("size", 1)))
    yield Case("oci-type", "docker", "raw", "not accepted", oci(LAYERS, set_layer("mediaType", "application/vnd.oci.image.layer.v1.tar+gzip+encrypted")))
    yield Case("oci-type-lies", "docker", "raw", "compressed by", oci(LAYERS, set_layer("mediaType", "application/vnd.oci.image.layer.v1.tar")))
    yield Case("oci-urls", "docker", "raw", "elsewhere", oci(LAYERS, set_layer("urls", ["http://169.254.169.254/"])))
    yield Case("oci-bomb", "docker", "raw", "times its size", oci([tar([member("x", b"x")])], pack=lambda _: bomb(300)))
    yield Case("oci-nested-index", "docker", "raw", "0 images", oci(LAYERS, nested_index))
    yield Case("ova", "ova", "vmdk", None, tar([member("a.ovf", b"<Envelope/>"), member("a.vmdk", bytes(vmdk()))]))
    yield Case("ova-no-ovf", "ova", "vmdk", "OVF", tar([member("a.vmdk", bytes(vmdk()))]))


def cases():
    for group in (_disks, _packed, _roots, _images):
        yield from group()


def main(folder):
    for case in cases():
        target = Path(folder, "image_format" if case.container == "bare" else "image_archive")
        target.mkdir(parents=True, exist_ok=True)
        # The first byte tells the fuzz target how to cut the rest.
        data = bytes(case.data).rstrip(b"\0") if case.container == "bare" else bytes(case.data)
        if len(data) < 70000:
            target.joinpath(case.name).write_bytes(b"\x07" + data)


if __name__ == "__main__":
    main(sys.argv[1])
