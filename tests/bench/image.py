# SPDX-License-Identifier: Apache-2.0
"""One image of 1 GiB up and down, beside what it is made of: writing a file, md5 and sha512, each alone, and nginx.

    make BUILD=release bench-image              (or HANEUL_BIN=... /usr/bin/python3 tests/bench/image.py [MiB])
"""

import os
import resource
import shutil
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.bench import load  # noqa: E402
from tests.lib.stack import Stack, free_ports  # noqa: E402

N_PARALLEL = 64


def alone(argv):
    """(wall, CPU) seconds of a program."""
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run([str(a) for a in argv], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.monotonic() - begin, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def connect(url):
    host, port = url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)))


def new_image(stack, token):
    return stack.call("POST", "image", "/v2/images", {"name": "bench", "disk_format": "raw", "container_format": "bare"}, token)["id"]


def upload(stack, token, image, path, size):
    with connect(stack.url("image")) as link, open(path, "rb") as file:
        link.sendall(f"PUT /v2/images/{image}/file HTTP/1.1\r\nHost: x\r\nX-Auth-Token: {token}\r\nContent-Type: application/octet-stream\r\n"
                     f"Content-Length: {size}\r\n\r\n".encode())
        link.sendfile(file, 0, size)
        status = link.recv(65536)
    assert b" 204 " in status.split(b"\r\n")[0], status


def download(url, path, headers=""):
    """Bytes received; they are thrown away in the kernel."""
    total = 0
    with connect(url) as link:
        link.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n".encode())
        buffer = bytearray(1 << 20)
        while n := link.recv_into(buffer):
            total += n
    return total


def measured(pids, act):
    before, begin = load.cpu_s(pids), time.monotonic()
    act()
    return time.monotonic() - begin, load.cpu_s(pids) - before


def rss_mib(pid):
    return int(next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS")).split()[1]) / 1024


def nginx(folder, act):
    """Runs act(url) while a private nginx serves the folder."""
    port = free_ports(["nginx"])["nginx"]
    conf = folder / "nginx.conf"
    conf.write_text(f"worker_processes 2; daemon off; user root; pid {folder}/nginx.pid; error_log {folder}/nginx.log; events {{}}\n"
                    f"http {{ access_log off; sendfile on; tcp_nopush on; server {{ listen 127.0.0.1:{port}; root {folder}; }} }}\n")
    server = subprocess.Popen(["nginx", "-c", str(conf)])
    try:
        time.sleep(1)
        return act(f"http://127.0.0.1:{port}", server.pid)
    finally:
        server.terminate()
        server.wait()


def one(stack, token, folder, size):
    data, pid = folder / "data", stack.pid("image")
    write = alone(["dd", f"if={data}", f"of={folder / 'copy'}", "bs=1M", "conv=fsync"])
    md5, sha512 = (alone(["openssl", "dgst", "-" + name, data]) for name in ("md5", "sha512"))
    image = new_image(stack, token)
    up = measured([pid], lambda: upload(stack, token, image, data, size))
    print(f"alone: dd {write[0]:.2f} s, md5 {md5[0]:.2f} s, sha512 {sha512[0]:.2f} s; CPU of both sums {md5[1] + sha512[1]:.2f} s")
    user, system = (int(field) / load.TICK for field in Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13])
    print(f"upload: user {user:.2f} s, system {system:.2f} s")
    print(f"upload: {up[0]:.2f} s wall = {up[0] / max(write[0], md5[0], sha512[0]):.2f} of the slowest; "
          f"{up[1]:.2f} CPU s = {up[1] / (md5[1] + sha512[1]):.2f} of the sums")
    head = f"X-Auth-Token: {token}\r\n"
    down = min(measured([pid], lambda: download(stack.url("image"), f"/v2/images/{image}/file", head)) for _ in range(3))
    print(f"download: {size / down[0] / 2**20:.0f} MiB/s, {down[1]:.2f} CPU s")
    if shutil.which("nginx"):
        beside = nginx(folder, lambda url, server: min(measured([server], lambda: download(url, "/data")) for _ in range(3)))
        print(f"nginx: {size / beside[0] / 2**20:.0f} MiB/s, {beside[1]:.2f} CPU s; ours {beside[0] / down[0]:.2f} of its speed")


def many(stack, token, folder, size):
    """64 uploads at once: memory, and what others feel."""
    pid, data = stack.pid("image"), folder / "data"
    images = [new_image(stack, token) for _ in range(N_PARALLEL)]
    before = rss_mib(pid)
    clients = [threading.Thread(target=upload, args=(stack, token, image, data, size // 32)) for image in images]
    for client in clients:
        client.start()
    other = load.prepared(stack.url("image"), "GET", "/v2/images?limit=5", {"X-Auth-Token": token})
    peak, result, done = before, {}, threading.Event()

    def others():
        result.update(load.run(other, 1, 4, {}))
        done.set()
    threading.Thread(target=others).start()
    while any(client.is_alive() for client in clients) or not done.is_set():
        peak = max(peak, rss_mib(pid))
        time.sleep(0.05)
    print(f"{N_PARALLEL} uploads of {size // 32 >> 20} MiB at once: memory {before:.0f} -> {peak:.0f} MiB; lists meanwhile p50 {result['p50']:.1f} ms, p99 {result['p99']:.1f} ms")


def main():
    size = (int(sys.argv[1]) if len(sys.argv) > 1 else 1024) << 20
    with Stack(["identity", "image"]) as stack:
        token, folder = stack.admin_token(), stack.cloud.dir("bench")
        os.chmod(folder, 0o755)
        with open(folder / "data", "wb") as file:
            for _ in range(size >> 20):
                file.write(os.urandom(1 << 20))
        one(stack, token, folder, size)
        many(stack, token, folder, size)


if __name__ == "__main__":
    main()
