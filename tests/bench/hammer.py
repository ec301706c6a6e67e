# SPDX-License-Identifier: Apache-2.0
"""How long validating a token takes while 32 clients log in by password, beside the same without them.

    make BUILD=release bench-hammer

The times are those of a small client program (latency.c). p99 is the machine's as much as ours: where it is allowed (root), the
services under test and the clients go before everything else that runs on this machine."""

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from deploy.launch import postgres, process  # noqa: E402
from tests.bench import load  # noqa: E402
from tests.lib.stack import Stack, infra  # noqa: E402

N_LOGINS = 32


def latency(what, seconds):
    (host, port), data = what
    program = os.environ["HANEUL_BENCH_LATENCY"]
    done = subprocess.run([program, host, str(port), str(seconds)], input=data, capture_output=True, check=True, timeout=seconds + 60)
    return json.loads(done.stdout)


def shown(r):
    return f"p50 {r['p50']:.2f} ms, p99 {r['p99']:.2f} ms, p99.9 {r['p999']:.2f} ms, longest {r['max']:.2f} ms ({r['n']} requests, {r['refused']} refused)"


def main():
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 10
    with Stack(["identity"]) as stack:
        person, admin, url = stack.person(), stack.admin_token(), stack.url("identity")
        body = {"auth": {"identity": {"methods": ["password"], "password": {"user": {"id": person.user_id, "password": person.password}}}}}
        login = load.prepared(url, "POST", "/v3/auth/tokens", {"Content-Type": "application/json"}, json.dumps(body).encode())
        validate = load.prepared(url, "GET", "/v3/auth/tokens", {"X-Auth-Token": admin, "X-Subject-Token": person.token})
        load.go_first([stack.pid("identity"), process.alive(infra().cloud, postgres.NAME), os.getpid()])
        print(f"validate, alone: {shown(latency(validate, seconds / 2))}", flush=True)
        logins = {}
        crowd = threading.Thread(target=lambda: logins.update(load.run(login, N_LOGINS, seconds + 1, {"identity": [stack.pid("identity")]})))
        crowd.start()
        time.sleep(1)
        beside = latency(validate, seconds - 1)
        crowd.join()
        print(f"validate, beside {N_LOGINS} clients that log in: {shown(beside)}")
        print(f"logins: {logins['rate']:.1f}/s, p50 {logins['p50']:.0f} ms, {logins['cpu']['identity']:.0f} ms of CPU each, {logins['failed']} refused")


if __name__ == "__main__":
    main()
