# SPDX-License-Identifier: Apache-2.0
"""Clients that send one prepared request again and again on a connection each, and what that cost the servers."""

import os
import socket
import threading
import time
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")


def prepared(url, method, path, headers=None, body=b""):
    """The bytes of a request to http://host:port."""
    host, port = url.removeprefix("http://").split(":")
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}:{port}", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return (host, int(port)), "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def _answer(link, rest):
    """(status, bytes that belong to the next answer) of the answer that comes now; None when the server hung up."""
    while b"\r\n\r\n" not in rest:
        data = link.recv(65536)
        if not data:
            return None, b""
        rest += data
    head, _, rest = rest.partition(b"\r\n\r\n")
    size = 0
    for line in head.split(b"\r\n")[1:]:
        if line.lower().startswith(b"content-length:"):
            size = int(line[15:])
    while len(rest) < size:
        data = link.recv(65536)
        if not data:
            return None, b""
        rest += data
    return int(head[9:12]), rest[size:]


class Client(threading.Thread):
    """Sends until `until`; times in seconds by status."""

    def __init__(self, what, until):
        super().__init__(daemon=True)
        (self.address, self.data), self.until = what, until
        self.times, self.failures = [], []
        self.start()

    def run(self):
        link, rest = None, b""
        while time.monotonic() < self.until:
            if link is None:
                link = socket.create_connection(self.address)
                link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            begin = time.monotonic()
            link.sendall(self.data)
            status, rest = _answer(link, rest)
            took = time.monotonic() - begin
            if status is None:
                link.close()
                link = None
            (self.times if status and status < 300 else self.failures).append((took, status))
        if link:
            link.close()


def cpu_s(pids):
    """User and system seconds of the processes and of the children that they have now."""
    total = 0.0
    wanted = set(pids)
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                fields = Path(entry.path, "stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            if int(entry.name) in wanted or int(fields[1]) in wanted:
                total += int(fields[11]) + int(fields[12])
    return total / TICK


def postmaster(pid):
    """The server process below the one that was started (it may be a wrapper)."""
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                fields = Path(entry.path, "stat").read_text().rsplit(")", 1)[1].split()
                name = Path(entry.path, "comm").read_text().strip()
            except OSError:
                continue
            if int(fields[1]) == pid and name == "postgres" and b"-D" in Path(entry.path, "cmdline").read_bytes():
                return int(entry.name)
    return pid


def go_first(pids):
    """The sessions of these processes get the CPU before all others of this machine; without the right to, nothing happens."""
    for pid in pids:
        try:
            Path(f"/proc/{pid}/autogroup").write_text("-15")
        except OSError:
            print("(not allowed to go before other processes: times are theirs too)")
            return


def run(what, n_clients, seconds, groups):
    """Requests by `n_clients` for `seconds`: rate, p50 and p99 in ms, failures, and CPU milliseconds per request of each
    group of processes ({"identity": [pid], ...})."""
    before = {name: cpu_s(pids) for name, pids in groups.items()}
    begin = time.monotonic()
    clients = [Client(what, begin + seconds) for _ in range(n_clients)]
    for client in clients:
        client.join()
    took = time.monotonic() - begin
    times = sorted(t for client in clients for t, _ in client.times)
    failures = [status for client in clients for _, status in client.failures]
    n = len(times)
    if not n:
        raise RuntimeError(f"no request succeeded: {failures[:5]}")
    cpu = {name: 1000 * (cpu_s(pids) - before[name]) / n for name, pids in groups.items()}
    return {"rate": n / took, "p50": 1000 * times[n // 2], "p99": 1000 * times[min(n - 1, n * 99 // 100)], "failed": len(failures),
            "cpu": cpu, "per_cpu_s": 1000 / max(sum(cpu.values()), 1e-9)}
