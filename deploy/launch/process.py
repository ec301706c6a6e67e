# SPDX-License-Identifier: Apache-2.0
"""Processes that outlive the launcher. Each child writes its own record (pid and start time) before it becomes the
program, so that a launcher that dies at any moment leaves nothing that `down` cannot find. A process is ours only
while pid and start time both match: a pid that the kernel gave to somebody else is never signalled."""

import json
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

from .settings import LaunchError, write_file


def _is_gone(fields):
    """A zombie without other threads. While one is still ending, the process holds its sockets and files."""
    return fields[0] in "ZX" and int(fields[17]) <= 1


def start_time(pid):
    """The kernel's start time of a process, or None when there is none (a zombie is none)."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = text[text.rindex(")") + 2:].split()
    return None if _is_gone(fields) else int(fields[19])


def record_path(cloud, name):
    return cloud.dir("run") / f"{name}.json"


def _record(cloud, name):
    try:
        return json.loads(record_path(cloud, name).read_text())
    except (FileNotFoundError, ValueError):
        return None


def alive(cloud, name):
    """The pid when the recorded process still runs, else None."""
    record = _record(cloud, name)
    return record["pid"] if record and start_time(record["pid"]) == record["start"] else None


def names(cloud):
    """Every recorded process, oldest first."""
    found = [(p.stat().st_mtime_ns, p.stem) for p in cloud.dir("run").glob("*.json")]
    return [name for _, name in sorted(found)]


def need_port(cloud, name):
    """Somebody else's program on a port of ours is named before anything half starts."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", cloud.ports[name]))
        except OSError as error:
            raise LaunchError(f"port {cloud.ports[name]} for {name} cannot be had ({error.strerror}): "
                              "move all ports with PORT_OFFSET=N") from None


def log_path(cloud, name):
    return cloud.dir("log") / f"{name}.log"


def start(cloud, name, argv, *, env=None, cwd=None, cgroups=(), pass_fds=(), stop="term", log=True):
    """Starts argv in a session of its own with its log in var/log. stop: "term" (TERM to the process), "int", or
    "session" (TERM to every process of its session). What an ended process of that name left behind is ended first.
    Returns the pid."""
    stop_all(cloud, [name], 5)
    record = str(record_path(cloud, name))

    def remember():
        for path in cgroups:
            with open(path, "w", encoding="ascii") as file:
                file.write(str(os.getpid()))
        pid = os.getpid()
        write_file(record, json.dumps({"pid": pid, "start": start_time(pid), "stop": stop}))

    with open(log_path(cloud, name) if log else os.devnull, "ab") as out:
        process = subprocess.Popen([str(a) for a in argv], stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                   start_new_session=True, preexec_fn=remember, cwd=cwd, pass_fds=pass_fds,
                                   env={**os.environ, **(env or {})})
    _children[process.pid] = process
    return process.pid


_children = {}  # what this launcher started, so that exits are noticed and no zombie stays


def _reap():
    for pid, process in list(_children.items()):
        if process.poll() is not None:
            del _children[pid]


def session_members(pid, start):
    """Processes of the session that `pid` led, when it is still that session."""
    now = start_time(pid)
    if now is not None and now != start:
        return []
    members = []
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                text = Path(entry.path, "stat").read_text()
            except OSError:
                continue
            fields = text[text.rindex(")") + 2:].split()
            if int(fields[3]) == pid and not _is_gone(fields) and int(fields[19]) >= start:
                members.append(int(entry.name))
    return members


def kill(pid, number):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def _ask(record):
    """The first, friendly signal."""
    pid, started = record["pid"], record["start"]
    if start_time(pid) == started:
        first = signal.SIGINT if record["stop"] == "int" else signal.SIGTERM
        for target in session_members(pid, started) if record["stop"] == "session" else [pid]:
            kill(target, first)


def stop(cloud, name, grace_s=30):
    """Stops a recorded process, by force after grace_s, with all that is left of its session."""
    stop_all(cloud, [name], grace_s)


def stop_all(cloud, chosen, grace_s=30):
    """Asks all of them to stop, then waits for each."""
    records = [(name, record) for name in chosen if (record := _record(cloud, name))]
    for _, record in records:
        _ask(record)
    deadline = time.monotonic() + grace_s
    for name, record in records:
        pid, started = record["pid"], record["start"]
        wait_until(lambda: start_time(pid) != started, max(deadline - time.monotonic(), 0), None)
        for member in session_members(pid, started):
            kill(member, signal.SIGKILL)
        wait_until(lambda: not session_members(pid, started), 10, f"{name} (pid {pid}) does not end")
        record_path(cloud, name).unlink(missing_ok=True)


def wait_until(ready, timeout_s, failure, interval_s=0.05):
    """Polls until ready() is true. At the deadline: LaunchError(failure), or False when failure is None."""
    deadline = time.monotonic() + timeout_s
    while True:
        _reap()
        value = ready()
        if value:
            return value
        if time.monotonic() > deadline:
            if failure is None:
                return False
            raise LaunchError(failure)
        time.sleep(interval_s)


def wait_ready(cloud, name, ready, timeout_s=60):
    """Until ready() is true; fails at once, with the end of its log, when the process ends before."""
    def check():
        if ready():
            return True
        if not alive(cloud, name):
            raise LaunchError(f"{name} ended while starting:\n{log_tail(cloud, name)}")
        return False
    wait_until(check, timeout_s, f"{name} was not ready after {timeout_s} s; see {log_path(cloud, name)}")


def log_tail(cloud, name, lines=15):
    path = log_path(cloud, name)
    return "\n".join(path.read_text(errors="replace").splitlines()[-lines:]) if path.exists() else "(no log)"


def run(argv, *, env=None, check=True, stdin=None, timeout=120, text=True):
    """A short command; its output, or LaunchError with what it said."""
    argv = [str(a) for a in argv]
    try:
        done = subprocess.run(argv, input=stdin, capture_output=True, text=text, timeout=timeout, check=False,
                              stdin=subprocess.DEVNULL if stdin is None else None,
                              env={**os.environ, **(env or {})})
    except FileNotFoundError:
        raise LaunchError(f"{argv[0]} is not installed: make deps") from None
    except subprocess.TimeoutExpired:
        raise LaunchError(f"{' '.join(argv[:4])} did not end within {timeout} s") from None
    if check and done.returncode:
        said = done.stderr if text else done.stderr.decode(errors="replace")
        raise LaunchError(f"{' '.join(argv[:6])} failed ({done.returncode}): {said.strip()[-800:]}")
    return done.stdout
