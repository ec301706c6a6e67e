# SPDX-License-Identifier: Apache-2.0
"""Password hashing is bounded: beyond the queue logins are refused at once, and other requests do not wait for hashes."""

import http.client
import json
import threading
import time

from tests.bench import load

SERVICES = ["identity"]
SETTINGS = {"identity": {"service": {"workers": 1}}}
N_CLIENTS = 80  # one hash runs, 64 wait


def test_a_flood_of_logins_is_refused_early_and_others_do_not_feel_it(stack):
    person, token = stack.person(), stack.admin_token()
    host, port = stack.url("identity").removeprefix("http://").split(":")
    body = json.dumps({"auth": {"identity": {"methods": ["password"], "password": {"user": {"id": person.user_id, "password": person.password}}}}})
    answers, ended = [], threading.Event()

    def log_in():
        link = http.client.HTTPConnection(host, int(port), timeout=60)
        try:
            link.request("POST", "/v3/auth/tokens", body, {"Content-Type": "application/json"})
            reply = link.getresponse()
            answers.append((reply.status, reply.headers.get("Retry-After")))
            reply.read()
        except OSError:
            assert ended.is_set()

    clients = [threading.Thread(target=log_in, daemon=True) for _ in range(N_CLIENTS)]
    for client in clients:
        client.start()
    validate = load.prepared(stack.url("identity"), "GET", "/v3/auth/tokens", {"X-Auth-Token": token, "X-Subject-Token": person.token})
    time.sleep(0.5)  # the flood is there
    result = load.run(validate, 2, 1.5, {})
    refused = [answer for answer in answers if answer[0] == 503]
    print(f"\nvalidate meanwhile: {result['rate']:.0f}/s, p99 {result['p99']:.2f} ms; {len(refused)} of {N_CLIENTS} logins refused at once")
    assert result["failed"] == 0
    assert result["p99"] < 60, result  # a hash takes four times that
    assert refused and all(int(after) >= 1 for _, after in refused)
    assert {status for status, _ in answers} <= {201, 503}
    ended.set()
    stack.kill("identity")  # the queue is not waited for
