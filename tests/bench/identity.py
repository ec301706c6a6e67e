# SPDX-License-Identifier: Apache-2.0
"""Identity's hot requests at 1, 8 and 32 clients, in requests per second of CPU of the service and PostgreSQL together.

    make BUILD=release bench-identity          (or HANEUL_BIN=... /usr/bin/python3 tests/bench/identity.py [seconds])
"""

import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from deploy.launch import postgres, process  # noqa: E402
from tests.bench import load  # noqa: E402
from tests.lib.stack import Stack, infra  # noqa: E402

N_PROJECTS = 25


def requests(stack):
    person = stack.person()
    admin = stack.admin_token()
    role = stack.call("GET", "identity", "/v3/roles?name=member", token=admin)["roles"][0]["id"]
    for n in range(N_PROJECTS - 1):
        project = stack.call("POST", "identity", "/v3/projects", {"project": {"name": f"bench-{n}", "domain_id": "default"}}, admin)["project"]
        stack.call("PUT", "identity", f"/v3/projects/{project['id']}/users/{person.user_id}/roles/{role}", token=admin)
    token = stack.token(person.user, person.password, person.project)
    body = {"auth": {"identity": {"methods": ["token"], "token": {"id": token}}, "scope": {"project": {"id": person.project_id}}}}
    password = {"auth": {"identity": {"methods": ["password"], "password": {"user": {"id": person.user_id, "password": person.password}}}}}
    url, head = stack.url("identity"), {"X-Auth-Token": token, "Content-Type": "application/json"}
    return {
        "token from token": load.prepared(url, "POST", "/v3/auth/tokens", {"Content-Type": "application/json"}, json.dumps(body).encode()),
        "validate": load.prepared(url, "GET", "/v3/auth/tokens", {**head, "X-Auth-Token": admin, "X-Subject-Token": token}),
        "list projects, all (27)": load.prepared(url, "GET", "/v3/projects", {**head, "X-Auth-Token": admin}),
        "list projects, own (25)": load.prepared(url, "GET", "/v3/auth/projects", head),
        "token by password": load.prepared(url, "POST", "/v3/auth/tokens", {"Content-Type": "application/json"}, json.dumps(password).encode()),
    }


def main():
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 5
    with Stack(["identity"]) as stack:
        load.go_first([stack.pid("identity"), process.alive(infra().cloud, postgres.NAME), os.getpid()])
        groups = {"identity": [stack.pid("identity")], "postgres": [load.postmaster(process.alive(infra().cloud, postgres.NAME))]}
        print("| request | clients | per second | p50 / p99 ms | CPU ms identity + PostgreSQL | per CPU second |\n|---|---|---|---|---|---|")
        for name, what in requests(stack).items():
            load.run(what, 8, 0.5, groups)
            for n in (1, 8, 32):
                r = load.run(what, n, seconds, groups)
                print(f"| {name} | {n} | {r['rate']:.0f} | {r['p50']:.2f} / {r['p99']:.2f} | {r['cpu']['identity']:.3f} + {r['cpu']['postgres']:.3f} "
                      f"| {r['per_cpu_s']:.0f} |" + (f" {r['failed']} refused" if r["failed"] else ""), flush=True)


if __name__ == "__main__":
    main()
