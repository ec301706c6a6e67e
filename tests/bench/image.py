# SPDX-License-Identifier: Apache-2.0
"""One image of 1 GiB up and down, beside what it is made of (writing a file, md5 and the hash, each alone, taken in turns with
the uploads) and beside nginx; then 64 uploads at once: memory, and what other requests feel. Ends with a table.

    make BUILD=release bench-image      (or HANEUL_BIN=... /usr/bin/python3 tests/bench/image.py [--mib N] [--reference FILE] [sha512 sha256])

FILE is what the reference implementation scored: JSON of rows with `name` ("glance upload 1024 MiB", "glance download 1024
MiB"), `MiB_s` and `server_cpu_s`. CPU times are the kernel's, in nanoseconds; wall times want an idle machine.
"""

import argparse
import json
import os
import re
import resource
import shutil
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.lib.stack import Stack, free_ports  # noqa: E402

N_PARALLEL = 64
N_ROUNDS = 5
N_DOWNLOADS = 10
TRICKLE_S = 6


def cpu_of(pid):
    """Seconds of a process's threads, those that ended not counted."""
    total = 0
    for entry in Path(f"/proc/{pid}/task").iterdir():
        try:
            total += int((entry / "schedstat").read_text().split()[0])
        except OSError:
            continue
    return total / 1e9


def alone(argv):
    """(wall, CPU) seconds of a program."""
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run([str(a) for a in argv], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.monotonic() - begin, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measured(pid, act):
    """(wall, CPU of the process) seconds."""
    before, begin = cpu_of(pid), time.monotonic()
    act()
    return time.monotonic() - begin, cpu_of(pid) - before


def connect(url):
    host, port = url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)))


def new_image(stack, token):
    return stack.call("POST", "image", "/v2/images", {"name": "bench", "disk_format": "raw", "container_format": "bare"}, token)["id"]


def begin_upload(stack, token, image, size):
    link = connect(stack.url("image"))
    link.sendall(f"PUT /v2/images/{image}/file HTTP/1.1\r\nHost: x\r\nX-Auth-Token: {token}\r\nContent-Type: application/octet-stream\r\n"
                 f"Content-Length: {size}\r\n\r\n".encode())
    return link


def upload(stack, token, image, path, size):
    with begin_upload(stack, token, image, size) as link, open(path, "rb") as file:
        link.sendfile(file, 0, size)
        status = link.recv(65536)
    assert b" 204 " in status.split(b"\r\n")[0], status


def trickle(stack, token, image, size):
    """A client that sends a little now and then, and goes before the end."""
    deadline = time.monotonic() + TRICKLE_S
    with begin_upload(stack, token, image, size) as link:
        while time.monotonic() < deadline:
            link.sendall(bytes(5000))
            time.sleep(0.05)


def download(url, path, headers=""):
    with connect(url) as link:
        link.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n".encode())
        buffer = bytearray(1 << 20)
        while link.recv_into(buffer):
            pass


def forget(path):
    """Its pages leave the cache."""
    fd = os.open(path, os.O_RDONLY)
    os.fsync(fd)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(fd)


def memory_mib(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1]) / 1024


class Nginx:
    """A private one that serves a folder."""

    def __init__(self, folder):
        port = free_ports(["nginx"])["nginx"]
        conf = folder / "nginx.conf"
        conf.write_text(f"worker_processes 1; daemon off; user root; pid {folder}/nginx.pid; error_log {folder}/nginx.log; events {{}}\n"
                        f"http {{ access_log off; sendfile on; tcp_nopush on; server {{ listen 127.0.0.1:{port}; root {folder}; }} }}\n")
        self.url = f"http://127.0.0.1:{port}"
        self.process = subprocess.Popen(["nginx", "-c", str(conf)])
        time.sleep(1)
        self.pid = int(Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()[0])

    def close(self):
        self.process.terminate()
        self.process.wait()


def up(stack, token, data, size, algo, rows):
    """Each round takes all of them, so that they see the same machine."""
    pid, copy, rounds, image = stack.pid("image"), data.with_name("copy"), [], None
    for _ in range(N_ROUNDS):
        write = alone(["dd", f"if={data}", f"of={copy}", "bs=1M", "conv=fsync"])
        md5, hashed = (alone(["openssl", "dgst", "-" + name, data]) for name in ("md5", algo))
        image = new_image(stack, token)
        ours = measured(pid, lambda: upload(stack, token, image, data, size))
        rounds.append({"slowest": max(write[0], md5[0], hashed[0]), "sums": md5[1] + hashed[1], "wall": ours[0], "cpu": ours[1]})
        print(f"{algo}: dd {write[0]:.2f} s, md5 {md5[0]:.2f} s, {algo} {hashed[0]:.2f} s, CPU of both sums {md5[1] + hashed[1]:.2f} s; "
              f"upload {ours[0]:.2f} s, CPU {ours[1]:.2f} s", flush=True)
    wall, cpu = median(r["wall"] / r["slowest"] for r in rounds), median(r["cpu"] / r["sums"] for r in rounds)
    rows.append((f"upload, {algo}", f"{size / 2**20 / median(r['wall'] for r in rounds):.0f} MiB/s, {median(r['cpu'] for r in rounds):.2f} CPU s",
                 f"{wall:.2f} × the slowest alone, CPU {cpu:.2f} × both sums", "1.15 ×, 1.15 ×", "upload"))
    return image


def down(stack, token, image, folder, size, rows):
    blob = next((p for p in Path(stack.cloud.var).rglob("blobs/*/*") if p.stat().st_size == size), None)
    data, pid, head = folder / "data", stack.pid("image"), f"X-Auth-Token: {token}\r\n"
    nginx = Nginx(folder)
    try:
        for name, makes_cold in (("cold", True), ("warm", False)):
            ours, theirs = [], []
            for _ in range(N_DOWNLOADS):
                if makes_cold:
                    forget(blob)
                    forget(data)
                ours.append(measured(pid, lambda: download(stack.url("image"), f"/v2/images/{image}/file", head)))
                theirs.append(measured(nginx.pid, lambda: download(nginx.url, "/data")))
            (wall, cpu), (wall2, cpu2) = (tuple(median(x[i] for x in each) for i in (0, 1)) for each in (ours, theirs))
            rows.append((f"download, {name}", f"{size / 2**20 / wall:.0f} MiB/s, {cpu:.3f} CPU s",
                         f"{wall2 / wall:.2f} of nginx's speed, CPU {cpu / cpu2:.2f} × nginx's ({cpu2:.3f} s)", "0.9, 1 ×", "download"))
    finally:
        nginx.close()


def others(stack, token, seconds):
    """p50 and p99 in ms of a list by four clients."""
    found = subprocess.run(["wrk", "-t1", "-c4", f"-d{seconds}s", "--latency", "-H", f"X-Auth-Token: {token}", stack.url("image") + "/v2/images?limit=5"],
                           check=True, capture_output=True, text=True).stdout
    assert "Non-2xx" not in found, found
    scale = {"us": 0.001, "ms": 1, "s": 1000}
    return tuple(float(n) * scale[unit] for n, unit in (re.search(rf"{p}%\s+([\d.]+)(us|ms|s)", found).groups() for p in (50, 99)))


def many(stack, token, folder, size, rows):
    pid, data, part = stack.pid("image"), folder / "data", size // 32
    quiet = others(stack, token, 4)
    rows.append(("lists, nothing else", f"p50 {quiet[0]:.1f} ms, p99 {quiet[1]:.1f} ms", "", "", None))
    for name, act in (("fast", lambda image: upload(stack, token, image, data, part)), ("slow", lambda image: trickle(stack, token, image, part))):
        images = [new_image(stack, token) for _ in range(N_PARALLEL)]
        before = peak = memory_mib(pid)
        clients = [threading.Thread(target=act, args=(image,)) for image in images]
        for client in clients:
            client.start()
        felt = {}
        asking = threading.Thread(target=lambda: felt.update(felt=others(stack, token, TRICKLE_S - 2)))
        asking.start()
        while asking.is_alive() or any(client.is_alive() for client in clients):
            peak = max(peak, memory_mib(pid))
            time.sleep(0.05)
        rows.append((f"{N_PARALLEL} uploads at once, {name}", f"{before:.0f} -> {peak:.0f} MiB",
                     f"lists meanwhile p50 {felt['felt'][0]:.1f} ms, p99 {felt['felt'][1]:.1f} ms", "flat, p99 20 ms", None))


def reference(path):
    """Ours or another's figures by kind: "231 MiB/s, 4.70 CPU s"."""
    found = {}
    for row in json.loads(Path(path).read_text())["rows"] if path else ():
        kind = re.match(r"glance (upload|download) ", row["name"])
        if kind:
            found[kind[1]] = f"{median(row['MiB_s']):.0f} MiB/s, {median(row['server_cpu_s']):.2f} CPU s"
    return found


def show(rows, beside):
    table = [("what", "ours", "compared", "bound", "the reference"), *((*row[:4], beside.get(row[4], "")) for row in rows)]
    widths = [max(len(row[i]) for row in table) for i in range(5)]
    for n, row in enumerate(table):
        print("| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |")
        if n == 0:
            print("|" + "|".join("-" * (width + 2) for width in widths) + "|")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mib", type=int, default=1024)
    parser.add_argument("--reference", default=os.environ.get("BENCH_REFERENCE"))
    parser.add_argument("algos", nargs="*", default=["sha512", "sha256"])
    options = parser.parse_args()
    missing = [tool for tool in ("nginx", "wrk", "openssl") if not shutil.which(tool)]
    if missing:
        sys.exit(f"missing: {', '.join(missing)}")
    size, rows = options.mib << 20, []
    for n, algo in enumerate(options.algos):
        with Stack(["identity", "image"], settings={"image": {"image": {"os_hash_algo": algo}}}) as stack:
            token, folder = stack.admin_token(), stack.cloud.dir("bench")
            os.chmod(folder, 0o755)
            with open(folder / "data", "wb") as file:
                for _ in range(options.mib):
                    file.write(os.urandom(1 << 20))
            image = up(stack, token, folder / "data", size, algo, rows)
            if n == 0:
                down(stack, token, image, folder, size, rows)
                many(stack, token, folder, size, rows)
            shutil.rmtree(folder)
    show(rows, reference(options.reference))


if __name__ == "__main__":
    main()
