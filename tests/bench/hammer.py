# SPDX-License-Identifier: Apache-2.0
"""How long validating a token takes while 32 clients log in by password, beside the same without them.

    make BUILD=release bench-hammer          (wants an idle machine: p99 is the machine's as much as ours)
"""

import json
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.bench import load  # noqa: E402
from tests.lib.stack import Stack  # noqa: E402

N_LOGINS = 32


def main():
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 10
    with Stack(["identity"]) as stack:
        person, admin, url = stack.person(), stack.admin_token(), stack.url("identity")
        body = {"auth": {"identity": {"methods": ["password"], "password": {"user": {"id": person.user_id, "password": person.password}}}}}
        login = load.prepared(url, "POST", "/v3/auth/tokens", {"Content-Type": "application/json"}, json.dumps(body).encode())
        validate = load.prepared(url, "GET", "/v3/auth/tokens", {"X-Auth-Token": admin, "X-Subject-Token": person.token})
        alone = load.run(validate, 1, seconds / 2, {})
        logins = {}
        crowd = threading.Thread(target=lambda: logins.update(load.run(login, N_LOGINS, seconds + 1, {})))
        crowd.start()
        time.sleep(1)
        beside = load.run(validate, 1, seconds - 1, {})
        crowd.join()
        print(f"validate, 1 client, alone: {alone['rate']:.0f}/s, p50 {alone['p50']:.2f} ms, p99 {alone['p99']:.2f} ms")
        print(f"validate, 1 client, beside {N_LOGINS} clients that log in ({logins['rate']:.1f}/s, p50 {logins['p50']:.0f} ms): "
              f"{beside['rate']:.0f}/s, p50 {beside['p50']:.2f} ms, p99 {beside['p99']:.2f} ms")


if __name__ == "__main__":
    main()
