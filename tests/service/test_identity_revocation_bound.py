# SPDX-License-Identifier: Apache-2.0
"""A tenant who revokes in a loop fills nothing: rows and every service's memory stay bounded, what was revoked stays so, and nobody else's
tokens end."""

import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.lib.stack import wait_until

SERVICES = ["identity", "image"]
N_MAX = 16
SETTINGS = {"identity": {"token": {"revocations_per_user": N_MAX}}}
DAY_US = 86_400_000_000


def again(stack, person, token=None):
    """Another token of the same user, by a token."""
    body = {"auth": {"identity": {"methods": ["token"], "token": {"id": token or person.token}}, "scope": {"project": {"id": person.project_id}}}}
    status, headers, _ = stack.request("POST", "identity", "/v3/auth/tokens", body)
    assert status == 201
    return headers["X-Subject-Token"]


def revoke(stack, token):
    return stack.request("DELETE", "identity", "/v3/auth/tokens", token=token, headers={"X-Subject-Token": token})[0]


def statuses(stack, token):
    """How identity and another service answer it."""
    admin = stack.admin_token()
    return (stack.request("GET", "identity", "/v3/auth/tokens", token=admin, headers={"X-Subject-Token": token})[0],
            stack.request("GET", "image", "/v2/images", token=token)[0])


VALID, ENDED = (200, 200), (404, 401)


def rows(stack, person):
    return stack.sql("identity", "SELECT n, body, ends_us, owner_id FROM feed_event WHERE kind = 'revocation' AND body ->> 'user_id' = %s ORDER BY n",
                     person.user_id)


def known(stack, label):
    [line] = [line for line in stack.request("GET", label, "/metrics")[2].splitlines() if line.startswith("haneul_auth_revocations ")]
    return int(line.split()[1])


def everywhere(stack):
    """The image service has read what identity decided so far."""
    probe = stack.person().token
    assert revoke(stack, probe) == 204
    wait_until(lambda: stack.request("GET", "image", "/v2/images", token=probe)[0] == 401, 20, "the feed is not read")


def start_again(stack):
    for label in SERVICES:
        stack.kill(label)
    for label in SERVICES:
        stack.start(label)
    stack.admin = None
    wait_until(lambda: stack.request("GET", "image", "/v2/images", token=stack.admin_token())[0] == 200, 5, "the service knows no keys")
    everywhere(stack)


def test_a_loop_of_revocations_is_bounded_everywhere_and_after_a_restart(stack):
    person, bystander = stack.person(), stack.person()
    everywhere(stack)
    before = {label: known(stack, label) for label in SERVICES}
    ended = [person.token] + [again(stack, person) for _ in range(6 * N_MAX)]
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda token: revoke(stack, token), ended))
    assert set(done) == {204, 401} and done.count(204) > N_MAX, "what has ended by the others need not be ended"
    person.token = stack.token(person.user, person.password, person.project)
    for _ in range(N_MAX // 2):  # of more the session that they come from would end as well
        ended.append(again(stack, person))
        assert revoke(stack, ended[-1]) == 204
    new = stack.token(person.user, person.password, person.project)
    everywhere(stack)

    def check():
        found = rows(stack, person)
        folds = [row for row in found if row["body"].get("folded")]
        assert len(folds) == 1 and N_MAX / 2 <= len(found) - 1 <= N_MAX
        for label in SERVICES:
            assert known(stack, label) - before[label] <= N_MAX + 4, label
        assert {statuses(stack, token) for token in ended} == {ENDED}
        assert statuses(stack, new) == VALID and statuses(stack, bystander.token) == VALID
    check()
    start_again(stack)
    check()
    assert statuses(stack, again(stack, person, new)) == VALID


def test_up_to_the_bound_each_revocation_ends_one_token(stack):
    person = stack.person()
    for _ in range(N_MAX):
        assert revoke(stack, again(stack, person)) == 204
    everywhere(stack)
    assert statuses(stack, person.token) == VALID
    assert [row["owner_id"] for row in rows(stack, person)] == [person.user_id] * N_MAX


def test_of_more_the_younger_tokens_live_on(stack):
    person = stack.person()
    tokens = [again(stack, person) for _ in range(N_MAX)]
    for token in tokens:
        assert revoke(stack, token) == 204
    young = again(stack, person)
    for _ in range(N_MAX // 2):
        assert revoke(stack, again(stack, person, young)) == 204
    everywhere(stack)
    assert any(row["body"].get("folded") for row in rows(stack, person))
    assert statuses(stack, person.token) == ENDED and statuses(stack, young) == VALID


def test_an_entry_ends_with_its_token(stack):
    person = stack.person()
    status, _, body = stack.request("GET", "identity", "/v3/auth/tokens", token=stack.admin_token(), headers={"X-Subject-Token": person.token})
    assert status == 200 and revoke(stack, person.token) == 204
    [row] = rows(stack, person)
    ends = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(row["ends_us"] // 1_000_000))
    assert body["token"]["expires_at"].startswith(ends) and row["body"]["ends_us"] == row["ends_us"]

    def told():
        return [e for e in stack.call("GET", "identity", "/internal/v1/feed?after=0")["events"] if e.get("user_id") == person.user_id]
    assert len(told()) == 1
    stack.sql("identity", "UPDATE feed_event SET ends_us = ends_us - 7200000000 WHERE n = %s", row["n"])
    assert told() == [] and len(rows(stack, person)) == 1, "identity itself may still be asked with allow_expired"
    cursor = stack.call("GET", "identity", "/internal/v1/feed?after=0")["cursor"]
    assert cursor >= row["n"], "a reader would read it again and again"
    stack.sql("identity", "UPDATE feed_event SET ends_us = ends_us - %s, body = jsonb_set(body, '{issued_before_us}', to_jsonb((body ->> "
              "'issued_before_us')::bigint - %s)) WHERE n = %s", DAY_US, DAY_US + 120_000_000, row["n"])
    start_again(stack)
    wait_until(lambda: rows(stack, person) == [], 5, "the row stays for ever")


def trust_of(stack, trustor, trustee, impersonation):
    body = {"trust": {"trustor_user_id": trustor.user_id, "trustee_user_id": trustee.user_id, "project_id": trustor.project_id,
                      "impersonation": impersonation, "roles": [{"name": "member"}]}}
    return stack.call("POST", "identity", "/v3/OS-TRUST/trusts", body, trustor.token)["trust"]["id"]


def drop_trust(stack, trustor, trust):
    assert stack.request("DELETE", "identity", f"/v3/OS-TRUST/trusts/{trust}", token=trustor.token)[0] == 204


def by_trust(stack, trustee, trust):
    body = {"auth": {"identity": {"methods": ["token"], "token": {"id": trustee.token}}, "scope": {"OS-TRUST:trust": {"id": trust}}}}
    status, headers, _ = stack.request("POST", "identity", "/v3/auth/tokens", body)
    assert status == 201
    return headers["X-Subject-Token"]


def credential_loop(stack, person, n):
    for _ in range(n):
        path = f"/v3/users/{person.user_id}/credentials/OS-EC2"
        key = stack.call("POST", "identity", path, {"tenant_id": person.project_id}, person.token)["credential"]["access"]
        assert stack.request("DELETE", "identity", f"{path}/{key}", token=person.token)[0] == 204


def appcred_loop(stack, person, n):
    for _ in range(n):
        path = f"/v3/users/{person.user_id}/application_credentials"
        made = stack.call("POST", "identity", path, {"application_credential": {"name": uuid.uuid4().hex}}, person.token)
        assert stack.request("DELETE", "identity", f"{path}/{made['application_credential']['id']}", token=person.token)[0] == 204


def trust_loop(stack, person, n):
    for _ in range(n):
        drop_trust(stack, person, trust_of(stack, person, person.other, True))


@pytest.mark.parametrize("loop", [credential_loop, appcred_loop, trust_loop])
def test_what_makes_tokens_is_bounded_too(stack, loop):
    person = stack.person()
    person.other = stack.person()
    loop(stack, person, N_MAX)
    assert len(rows(stack, person)) == N_MAX and statuses(stack, person.token) == VALID
    loop(stack, person, 1)
    assert len(rows(stack, person)) == N_MAX // 2 + 1 and rows(stack, person.other) == []
    everywhere(stack)
    assert statuses(stack, person.token) == ENDED and statuses(stack, person.other.token) == VALID


def test_nobody_ends_anothers_tokens_by_trusts_to_them(stack):
    trustor, trustee = stack.person(), stack.person()

    def loop():
        for _ in range(2 * N_MAX):
            drop_trust(stack, trustor, trust_of(stack, trustor, trustee, False))
    loop()
    assert rows(stack, trustee) == [], "trusts that an older process may have used are nobody's"
    stack.sql("identity", "UPDATE token_setting SET since = now() - interval '2 days'")
    before = stack.sql("identity", "SELECT count(*) AS n FROM feed_event")
    loop()
    assert stack.sql("identity", "SELECT count(*) AS n FROM feed_event") == before, "nobody had a token of them"
    trusts = [trust_of(stack, trustor, trustee, False) for _ in range(2)]
    tokens = [by_trust(stack, trustee, trust) for trust in trusts]
    drop_trust(stack, trustor, trusts[0])
    everywhere(stack)
    assert [statuses(stack, token) for token in tokens] == [ENDED, VALID]
    assert statuses(stack, trustor.token) == VALID and statuses(stack, trustee.token) == VALID
    assert len(rows(stack, trustee)) == 1


def test_a_trust_without_a_count_of_uses_is_marked_once(stack):
    trustor, trustee = stack.person(), stack.person()
    trust = trust_of(stack, trustor, trustee, True)

    def state():
        return stack.sql("identity", "SELECT is_used, xmin::text FROM trust WHERE id = %s", trust)[0]
    by_trust(stack, trustee, trust)
    first = state()
    by_trust(stack, trustee, trust)
    assert first["is_used"] and state() == first


def test_a_password_that_is_changed_again_and_again_is_one_row(stack):
    person, old = stack.person(), []
    for i in range(3):
        old.append(person.token)
        assert revoke(stack, again(stack, person)) == 204
        body = {"user": {"original_password": person.password, "password": f"another-{i}"}}
        assert stack.request("POST", "identity", f"/v3/users/{person.user_id}/password", body)[0] == 204
        person.password = f"another-{i}"
        person.token = stack.token(person.user, person.password, person.project)
    [row] = rows(stack, person)
    assert row["owner_id"] is None and "audit_id" not in row["body"]
    everywhere(stack)
    assert {statuses(stack, token) for token in old} == {ENDED} and statuses(stack, person.token) == VALID
