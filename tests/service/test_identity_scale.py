# SPDX-License-Identifier: Apache-2.0
"""Ten times the users, projects and assignments: no request may touch more than twice the pages or rows.
Pages and rows are counted, not times: they do not depend on the machine. HANEUL_SCALE multiplies the sizes (make bench-scale)."""

import os

import pytest

from tests.lib.plans import Plans, grown

SERVICES = ["identity"]
SCALE = float(os.environ.get("HANEUL_SCALE", "1"))
SMALL = int(2000 * SCALE)

FILL = """
WITH made AS (SELECT n, lpad(to_hex(n), 32, '0') AS id FROM generate_series(FIRST + 1, LAST) n),
     roles AS (SELECT array_agg(id ORDER BY name) AS ids FROM role WHERE domain_id IS NULL)
, d AS (INSERT INTO tenancy (id, is_domain, name, tags) SELECT 'd' || substr(id, 2), true, 'domain-' || n, '[]' FROM made WHERE n % 200 = 0)
, p AS (INSERT INTO tenancy (id, is_domain, domain_id, parent_id, name, tags, enabled)
    SELECT 'e' || substr(id, 2), false, 'default', CASE WHEN n % 100 = 0 THEN 'e' || lpad(to_hex(n - 10), 31, '0') ELSE 'default' END, 'project-' || n,
        jsonb_build_array('tag-' || n % 977), n % 500 <> 0 FROM made WHERE n % 10 = 0)
, u AS (INSERT INTO user_account (id, domain_id, name, enabled, default_project_id)
    SELECT id, 'default', 'user-' || n, n % 500 <> 0, 'e' || lpad(to_hex(n - n % 10), 31, '0') FROM made)
, g AS (INSERT INTO user_group (id, domain_id, name) SELECT 'a' || substr(id, 2), 'default', 'group-' || n FROM made WHERE n % 20 = 0)
SELECT 1
"""
# After the rows that these refer to.
FILL_MORE = """
WITH made AS (SELECT n, lpad(to_hex(n), 32, '0') AS id FROM generate_series(FIRST + 1, LAST) n),
     roles AS (SELECT array_agg(id ORDER BY name) AS ids FROM role WHERE domain_id IS NULL)
, m AS (INSERT INTO group_member (group_id, user_id) SELECT 'a' || lpad(to_hex(n + 20 - n % 20), 31, '0'), id FROM made WHERE n % 20 IN (3, 7) AND n + 20 - n % 20 <= LAST)
, a AS (INSERT INTO assignment (user_id, target_id, role_id) SELECT id, 'e' || lpad(to_hex(n + 10 - n % 10), 31, '0'), ids[1 + n % array_length(ids, 1)]
    FROM made, roles WHERE n % 10 <> 0)
, b AS (INSERT INTO assignment (group_id, target_id, role_id) SELECT 'a' || substr(id, 2), 'e' || substr(id, 2), ids[1] FROM made, roles WHERE n % 20 = 0)
, c AS (INSERT INTO assignment (user_id, target_id, role_id, inherited) SELECT id, 'e' || lpad(to_hex(n - n % 100 + 90), 31, '0'), ids[1], true
    FROM made, roles WHERE n % 100 = 5 AND n - n % 100 + 90 <= LAST)
, s AS (INSERT INTO service (id, type) VALUES ('scaled', 'scaled') ON CONFLICT DO NOTHING)
, k AS (INSERT INTO credential (id, user_id, project_id, type, blob) SELECT 'c' || substr(id, 2), id, 'e' || lpad(to_hex(n + 10 - n % 10), 31, '0'), 'cert', 'x' FROM made WHERE n % 5 = 1)
, t AS (INSERT INTO trust (id, trustor_user_id, trustee_user_id, project_id, impersonation, redelegation_count, audit_id)
    SELECT 'b' || substr(id, 2), id, lpad(to_hex(n + 1), 32, '0'), 'e' || lpad(to_hex(n + 10 - n % 10), 31, '0'), false, 0, 'audit-' || n FROM made WHERE n % 50 = 1)
SELECT 1
"""
FILL_LIMITS = """INSERT INTO project_limit (id, service_id, project_id, resource_name, resource_limit)
SELECT 'f' || substr(id, 2), 'scaled', id, 'thing', 5 FROM tenancy WHERE name LIKE 'project-%' ON CONFLICT DO NOTHING"""


def number(kind, n):
    return kind + f"{n:032x}"[len(kind):]


USER, PROJECT, GROUP = number("", 1203), number("e", 1210), number("a", 1220)
ROLE = "{role}"

READS = [
    "/v3/users?limit=50", "/v3/users?limit=50&sort_key=name", "/v3/users?name=user-1203", "/v3/users?name=user-1203&domain_id=default",
    "/v3/users?name__startswith=user-120&limit=50", "/v3/users?name__iexact=USER-1203", "/v3/users?domain_id=default&limit=50",
    "/v3/users?enabled=false&limit=4", f"/v3/users?limit=50&marker={USER}", f"/v3/users?limit=50&sort_key=name&marker={USER}",
    f"/v3/users/{USER}", f"/v3/users/{USER}/projects", f"/v3/users/{USER}/groups",
    "/v3/projects?limit=50", "/v3/projects?limit=50&sort_key=name", "/v3/projects?name=project-1210", f"/v3/projects?parent_id={number('e', 1290)}",
    "/v3/projects?tags=tag-44&limit=5", "/v3/projects?domain_id=default&limit=50", f"/v3/projects?limit=50&marker={PROJECT}",
    "/v3/projects?enabled=false&limit=1", f"/v3/projects/{PROJECT}", "/v3/projects?is_domain=true&limit=5",
    "/v3/domains?limit=5", "/v3/domains?name=domain-1200",
    "/v3/groups?limit=50", "/v3/groups?name=group-1220", f"/v3/groups/{GROUP}/users", f"/v3/groups?limit=50&marker={GROUP}",
    f"/v3/role_assignments?user.id={USER}", f"/v3/role_assignments?scope.project.id={PROJECT}", f"/v3/role_assignments?group.id={GROUP}",
    f"/v3/role_assignments?user.id={USER}&include_names", f"/v3/role_assignments?user.id={USER}&effective",
    f"/v3/role_assignments?scope.project.id={PROJECT}&effective", f"/v3/role_assignments?user.id={USER}&scope.project.id={PROJECT}&effective&include_names",
    f"/v3/role_assignments?scope.project.id={PROJECT}&include_subtree=true", "/v3/role_assignments?scope.system=all",
    f"/v3/role_assignments?role.id={ROLE}&scope.project.id={PROJECT}", f"/v3/role_assignments?scope.project.id={PROJECT}&role.id={ROLE}&effective",
    f"/v3/projects/{PROJECT}/users/{USER}/roles", f"/v3/projects/{PROJECT}/groups/{GROUP}/roles",
    f"/v3/credentials?user_id={number('', 1201)}", "/v3/limits?resource_name=thing&project_id=" + PROJECT,
    f"/v3/OS-TRUST/trusts?trustor_user_id={number('', 1201)}", f"/v3/users/{USER}/application_credentials", f"/v3/users/{USER}/credentials/OS-EC2",
    "/v3/auth/projects", "/v3/auth/domains", "/v3/auth/tokens", "/v3/auth/catalog",
]


def fill(stack, first, last):
    for statement in (FILL, FILL_MORE, FILL_LIMITS):
        stack.sql("identity", statement.replace("FIRST", str(first)).replace("LAST", str(last)))


def vacuum(stack):
    import psycopg2
    link = psycopg2.connect(stack.dsn("identity"))
    link.autocommit = True
    link.cursor().execute("VACUUM ANALYZE")
    link.close()


def forget_scopes(stack, token):
    """Tokens are made from the rows again: any change is taken over before it is answered."""
    stack.sql("identity", "INSERT INTO scope_change (key) VALUES (NULL)")
    stack.call("PATCH", "identity", f"/v3/groups/{number('a', 40)}", {"group": {"description": "same"}}, token)


def forget_replies(stack):
    """Lists are read from the rows again."""
    stack.sql("identity", "INSERT INTO table_change (name) VALUES ('tenancy'), ('assignment'), ('group_member'), ('role')")


def measure(stack, plans, role):
    found = {}
    token = stack.admin_token()
    for path in READS:
        path = path.replace(ROLE, role)

        def get():
            status, _, body = stack.request("GET", "identity", path, token=token, headers={"X-Subject-Token": token})
            assert status == 200, (path, status, body)
        for _ in range(6):  # a prepared statement's plan is chosen anew five times
            forget_replies(stack)
            get()
        forget_replies(stack)
        found[path] = plans.of(get)
    for name, scope in (("id", {"project": {"id": None}}), ("name", {"project": {"name": "admin", "domain": {"name": "Default"}}})):
        if name == "id":
            scope["project"]["id"] = stack.sql("identity", "SELECT id FROM tenancy WHERE name = 'admin'")[0]["id"]
        body = {"auth": {"identity": {"methods": ["token"], "token": {"id": token}}, "scope": scope}}
        for _ in range(6):
            forget_scopes(stack, token)
            stack.call("POST", "identity", "/v3/auth/tokens", body)
        forget_scopes(stack, token)
        found["token from token, project by " + name] = plans.of(lambda: stack.call("POST", "identity", "/v3/auth/tokens", body))
    found["delete a user"] = plans.of(lambda: stack.call("DELETE", "identity", f"/v3/users/{number('', 1331)}", token=token))
    found["delete a project"] = plans.of(lambda: stack.call("DELETE", "identity", f"/v3/projects/{number('e', 1340)}", token=token))
    found["delete a group"] = plans.of(lambda: stack.call("DELETE", "identity", f"/v3/groups/{number('a', 1360)}", token=token))
    return found


@pytest.fixture(scope="module")
def works(stack):
    plans = Plans(stack)
    role = stack.sql("identity", "SELECT id FROM role WHERE domain_id IS NULL ORDER BY name")[0]["id"]
    fill(stack, 0, SMALL)
    vacuum(stack)
    small = measure(stack, plans, role)
    fill(stack, SMALL, 10 * SMALL)
    # What was deleted comes back.
    stack.sql("identity", "INSERT INTO user_account (id, domain_id, name) VALUES (%s, 'default', 'again')", number("", 1331))
    stack.sql("identity", "INSERT INTO tenancy (id, is_domain, domain_id, parent_id, name) VALUES (%s, false, 'default', 'default', 'again')", number("e", 1340))
    stack.sql("identity", "INSERT INTO user_group (id, domain_id, name) VALUES (%s, 'default', 'again')", number("a", 1360))
    vacuum(stack)
    stack.stop("identity")
    stack.start("identity")
    return small, measure(stack, plans, role)


def test_ten_times_the_rows_cost_at_most_twice_the_pages(works):
    # A tree of pages is a level higher now and then, for each row that is looked up.
    assert not grown(*works, spare_pages=40, spare_rows=100)
