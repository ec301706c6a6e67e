# SPDX-License-Identifier: Apache-2.0
"""Many at once: no more guesses than are allowed, one winner where one may win."""

from concurrent.futures import ThreadPoolExecutor

import psycopg2

from tests.lib.stack import wait_until

SERVICES = ["identity"]
ATTEMPTS = 4
SETTINGS = {"identity": {"password": {"rounds": 10},
                         "security_compliance": {"lockout_failure_attempts": ATTEMPTS, "lockout_duration": 600, "unique_last_password_count": 3},
                         "accounts": {"rate_login": 100000}}}


def at_once(n, work):
    with ThreadPoolExecutor(n) as pool:
        return list(pool.map(work, range(n)))


def log_in(stack, user, password):
    auth = {"identity": {"methods": ["password"], "password": {"user": {"name": user, "domain": {"id": "default"}, "password": password}}}}
    return stack.request("POST", "identity", "/v3/auth/tokens", {"auth": auth}, timeout=60)[0]


def failures(stack, person):
    return stack.sql("identity", "SELECT n_failures FROM user_account WHERE id = %s", person.user_id)[0]["n_failures"]


def test_thirty_two_guesses_at_once_are_no_more_than_the_lockout_allows(stack):
    person = stack.person()
    found = at_once(32, lambda i: log_in(stack, person.user, person.password if i == 24 else f"guess-{i}"))
    assert set(found) <= {401, 503} and failures(stack, person) == ATTEMPTS, found
    assert log_in(stack, person.user, person.password) == 401


def test_guesses_at_once_after_a_lockout_has_ended_lock_again(stack):
    person = stack.person()
    stack.sql("identity", "UPDATE user_account SET n_failures = 4, failed_at = now() - interval '1 hour' WHERE id = %s", person.user_id)
    at_once(24, lambda i: log_in(stack, person.user, f"guess-{i}"))
    assert failures(stack, person) == ATTEMPTS
    assert log_in(stack, person.user, person.password) == 401


def test_changing_a_password_counts_wrong_ones_as_a_login_does(stack):
    people = [stack.person() for _ in range(2)]
    stack.sql("identity", "DELETE FROM rate_limit")
    stack.restart("identity", SETTINGS["identity"] | {"accounts": {"rate_login": 5}})
    try:
        found = [stack.request("POST", "identity", f"/v3/users/{person.user_id}/password", {"user": {"password": "new-pass", "original_password": "wrong"}})[0]
                 for person in people for _ in range(4)]
        assert found == [401] * 5 + [429] * 3
    finally:
        stack.restart("identity", SETTINGS["identity"])
        stack.sql("identity", "DELETE FROM rate_limit")


def test_of_two_password_changes_at_once_one_wins(stack):
    person = stack.person()
    change = {"original_password": person.password}
    found = at_once(6, lambda i: stack.request("POST", "identity", f"/v3/users/{person.user_id}/password", {"user": {**change, "password": f"new-password-{i}"}},
                                               timeout=60)[0])
    assert sorted(found) == [204] + [401] * 5
    works = []
    for i in range(6):  # the tries that lost, and these, are wrong guesses
        stack.sql("identity", "UPDATE user_account SET n_failures = 0 WHERE id = %s", person.user_id)
        works += [i] if log_in(stack, person.user, f"new-password-{i}") == 201 else []
    assert works == [found.index(204)]


def test_a_password_that_an_administrator_sets_stays_when_the_old_one_is_changed_meanwhile(stack):
    """The slow hash of who knows the old password must not write over what was set since."""
    admin = stack.admin_token()
    for _ in range(3):
        person = stack.person()

        def work(i, person=person):
            if i == 3:
                return stack.request("PATCH", "identity", f"/v3/users/{person.user_id}", {"user": {"password": "set-by-admin"}}, admin)[0]
            return stack.request("POST", "identity", f"/v3/users/{person.user_id}/password",
                                 {"user": {"original_password": person.password, "password": f"stolen-{i}"}}, timeout=60)[0]

        assert at_once(6, work)[3] == 200
        stack.sql("identity", "UPDATE user_account SET n_failures = 0 WHERE id = %s", person.user_id)  # the old password was a wrong guess by then
        assert log_in(stack, person.user, "set-by-admin") == 201


def test_same_named_things_at_once_are_made_once(stack):
    admin = stack.admin_token()
    for kind, body in (("projects", {"project": {"name": "twin", "domain_id": "default"}}), ("users", {"user": {"name": "twin", "domain_id": "default"}}),
                       ("groups", {"group": {"name": "twin", "domain_id": "default"}}), ("domains", {"domain": {"name": "twin"}}),
                       ("roles", {"role": {"name": "twin"}}), ("regions", {"region": {"id": "twin"}})):
        found = at_once(6, lambda _, kind=kind, body=body: stack.request("POST", "identity", f"/v3/{kind}", body, admin)[0])
        assert sorted(found) == [201] + [409] * 5, (kind, found)


def test_roles_and_regions_make_no_circle_however_they_are_asked_for(stack):
    admin = stack.admin_token()
    for i in range(4):
        roles = [stack.call("POST", "identity", "/v3/roles", {"role": {"name": f"circle-{i}-{n}"}}, admin)["role"]["id"] for n in range(4)]
        found = at_once(4, lambda n, roles=roles: stack.request("PUT", "identity", f"/v3/roles/{roles[n]}/implies/{roles[(n + 1) % 4]}", token=admin)[0])
        assert sorted(found) == [201, 201, 201, 400]
        for n in range(3):
            stack.call("POST", "identity", "/v3/regions", {"region": {"id": f"circle-{i}-{n}"}}, admin)
        found = at_once(3, lambda n, i=i: stack.request("PATCH", "identity", f"/v3/regions/circle-{i}-{n}",
                                                        {"region": {"parent_region_id": f"circle-{i}-{(n + 1) % 3}"}}, admin)[0])
        assert sorted(found) == [200, 200, 400]
    assert stack.request("PATCH", "identity", "/v3/regions/circle-0-0", {"region": {"parent_region_id": "circle-0-0"}}, admin)[0] == 400


def test_a_project_that_is_being_disabled_gets_no_enabled_child(stack):
    admin = stack.admin_token()
    for i in range(3):
        parent = stack.call("POST", "identity", "/v3/projects", {"project": {"name": f"ends-{i}", "domain_id": "default"}}, admin)["project"]["id"]
        with psycopg2.connect(stack.dsn("identity")) as link, ThreadPoolExecutor(1) as pool:
            link.cursor().execute("UPDATE identity.tenancy SET enabled = false WHERE id = %s", (parent,))
            made = pool.submit(stack.request, "POST", "identity", "/v3/projects", {"project": {"name": f"child-{i}", "parent_id": parent}}, admin)
            wait_until(lambda: stack.sql("identity", "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%FOR SHARE OF p%'"), 15,
                       "nothing waits")
            link.commit()
            assert made.result()[0] == 400


def test_a_grant_on_a_project_that_is_being_deleted_leaves_nothing(stack):
    admin = stack.admin_token()
    [role] = stack.call("GET", "identity", "/v3/roles?name=reader", token=admin)["roles"]
    person = stack.person()
    for i in range(5):
        project = stack.call("POST", "identity", "/v3/projects", {"project": {"name": f"gone-{i}", "domain_id": "default"}}, admin)["project"]["id"]
        path = f"/v3/projects/{project}/users/{person.user_id}/roles/{role['id']}"
        found = at_once(4, lambda i, path=path, project=project: stack.request(
            "DELETE" if i == 1 else "PUT", "identity", f"/v3/projects/{project}" if i == 1 else path, token=admin)[0])
        assert found[1] == 204 and set(found) <= {204, 404}
        assert not stack.sql("identity", "SELECT 1 FROM assignment WHERE target_id = %s", project)
