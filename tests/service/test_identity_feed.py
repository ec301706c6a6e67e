# SPDX-License-Identifier: Apache-2.0
"""What identity decides is true in every service within a second, whatever dies in between."""

import time

import pytest

from tests.lib.stack import listens, wait_until

SERVICES = ["identity", "image"]


def works(stack, token):
    return stack.request("GET", "image", "/v2/images", token=token)[0] == 200


def seconds_until_refused(stack, token):
    start = time.monotonic()
    wait_until(lambda: not works(stack, token), 10, "the token still works", interval_s=0.02)
    return time.monotonic() - start


@pytest.mark.parametrize("what", ["token", "user", "password", "project", "role"])
def test_a_revocation_is_effective_elsewhere_within_a_second(stack, what):
    person, bystander, admin = stack.person(), stack.person(), stack.admin_token()
    assert works(stack, person.token) and works(stack, bystander.token)
    if what == "token":
        assert stack.request("DELETE", "identity", "/v3/auth/tokens", token=person.token, headers={"X-Subject-Token": person.token})[0] == 204
    elif what == "user":
        stack.call("DELETE", "identity", f"/v3/users/{person.user_id}", token=admin)
    elif what == "password":
        stack.call("PATCH", "identity", f"/v3/users/{person.user_id}", {"user": {"password": "another-one"}}, admin)
    elif what == "project":
        stack.call("PATCH", "identity", f"/v3/projects/{person.project_id}", {"project": {"enabled": False}}, admin)
    else:
        [role] = stack.call("GET", "identity", "/v3/roles?name=member", token=admin)["roles"]
        stack.call("DELETE", "identity", f"/v3/projects/{person.project_id}/users/{person.user_id}/roles/{role['id']}", token=admin)
    assert seconds_until_refused(stack, person.token) < 1
    assert works(stack, bystander.token)


def test_after_a_new_password_a_new_token_works_at_once(stack):
    person, admin = stack.person(), stack.admin_token()
    stack.call("PATCH", "identity", f"/v3/users/{person.user_id}", {"user": {"password": "another-one"}}, admin)
    new = stack.token(person.user, "another-one", person.project)
    assert works(stack, new)
    seconds_until_refused(stack, person.token)
    assert works(stack, new)


def test_services_go_on_without_identity_and_still_know_what_was_revoked(stack):
    person, gone = stack.person(), stack.person()
    stack.request("DELETE", "identity", "/v3/auth/tokens", token=gone.token, headers={"X-Subject-Token": gone.token})
    seconds_until_refused(stack, gone.token)
    stack.kill("identity")
    try:
        assert works(stack, person.token) and not works(stack, gone.token)
    finally:
        stack.start("identity")
    stack.kill("image")
    stack.start("image")
    wait_until(lambda: works(stack, person.token), 5, "the service does not learn the keys")
    assert not works(stack, gone.token)


def test_a_service_that_starts_takes_no_token_before_it_has_read_all_that_was_revoked(stack):
    person, gone = stack.person(), stack.person()
    stack.sql("identity", "SELECT feed_append('revocation', jsonb_build_object('audit_id', 'another-' || i)) FROM generate_series(1, 5000) i")
    stack.request("DELETE", "identity", "/v3/auth/tokens", token=gone.token, headers={"X-Subject-Token": gone.token})
    stack.kill("image")
    stack.start("image", wait=False)
    wait_until(lambda: listens(stack.cloud.ports["image"]), 10, "image does not listen")
    answers = []

    def is_well():
        answers.append(stack.request("GET", "image", "/v2/images", token=gone.token)[0])
        return works(stack, person.token)
    wait_until(is_well, 20, "the service does not learn the keys", interval_s=0.001)
    answers.append(stack.request("GET", "image", "/v2/images", token=gone.token)[0])
    assert set(answers) <= {503, 401} and answers[-1] == 401
    stack.sql("identity", "DELETE FROM feed_event WHERE body ->> 'audit_id' LIKE 'another-%'")


def test_limits_reach_the_service_schema_and_go_back_to_the_default(stack):
    person, admin = stack.person(), stack.admin_token()

    def set_limit(value):
        body = {"limits": [{"project_id": person.project_id, "service": "image", "resource": "image_size_total", "value": value}]}
        stack.call("POST", "identity", "/internal/v1/limits", body, admin)

    def stored():
        rows = stack.sql("image", "SELECT value FROM quota_limit WHERE project_id = %s AND resource = 'image_size_total' AND value IS NOT NULL", person.project_id)
        return [row["value"] for row in rows]
    for value, want in ((7, [7]), ((1 << 31) - 1, [(1 << 31) - 1]), (None, [])):
        set_limit(value)
        wait_until(lambda: stored() == want, 5, f"the limit does not become {want}")
    wait_until(lambda: not stack.sql("image", "SELECT 1 FROM quota_limit WHERE project_id = %s", person.project_id), 5, "the cleared row stays")


def test_limits_that_were_taken_back_are_not_told_for_ever(stack):
    gone, there, admin = stack.person(), stack.person(), stack.admin_token()

    def told(person):
        events = [e for e in stack.call("GET", "identity", "/internal/v1/feed?after=0")["events"] if e["kind"] == "limit"]
        return [e["value"] for e in events if e["project_id"] == person.project_id]
    for value in (7, None):
        for person in (gone, there):
            body = {"limits": [{"project_id": person.project_id, "service": "image", "resource": "image_size_total", "value": value}]}
            stack.call("POST", "identity", "/internal/v1/limits", body, admin)
    stack.call("DELETE", "identity", f"/v3/projects/{gone.project_id}", token=admin)
    assert told(gone) == told(there) == [None]
    stack.sql("identity", "UPDATE feed_event SET created_at = now() - interval '25 hours' WHERE body ->> 'project_id' = ANY(%s)",
              [gone.project_id, there.project_id])
    stack.kill("identity")
    stack.start("identity")  # keeps house first
    wait_until(lambda: told(gone) == [], 5, "it is told still")
    assert told(there) == [None], "a reader that was away must hear it"


def test_a_service_is_well_only_when_it_knows_identitys_keys(stack):
    stack.kill("identity")
    stack.kill("image")
    try:
        stack.start("image", wait=False)
        wait_until(lambda: listens(stack.cloud.ports["image"]), 10, "image does not listen")
        status, _, body = stack.request("GET", "image", "/healthcheck")
        assert (status, body["checks"]["identity_keys"]) == (503, False)
        assert stack.request("GET", "image", "/v2/images", token="any")[0] == 503
    finally:
        stack.start("identity")
    wait_until(lambda: stack.request("GET", "image", "/healthcheck")[0] == 200, 5, "image is not well")
