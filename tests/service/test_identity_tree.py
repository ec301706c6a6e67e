# SPDX-License-Identifier: Apache-2.0
"""The tree of projects, tags, domains' own roles and lists, as Keystone has them."""

import uuid

import pytest

SERVICES = ["identity"]


class World:
    def __init__(self, stack):
        self.stack, self.admin = stack, stack.admin_token()
        self.domain = self.make("domains", name=self.name())["id"]

    @staticmethod
    def name():
        return "t-" + uuid.uuid4().hex[:12]

    def call(self, method, path, body=None, **more):
        return self.stack.request(method, "identity", "/v3" + path, body, **{"token": self.admin, **more})

    def make(self, plural, **fields):
        status, _, body = self.call("POST", "/" + plural, {plural[:-1]: fields})
        assert status == 201, body
        return body[plural[:-1]]

    def project(self, parent=None, **fields):
        return self.make("projects", name=self.name(), **({"parent_id": parent} if parent else {"domain_id": self.domain}), **fields)["id"]

    def patch(self, project, **fields):
        return self.call("PATCH", f"/projects/{project}", {"project": fields})

    def show(self, project, query, token=None):
        status, _, body = self.call("GET", f"/projects/{project}?{query}", token=token or self.admin)
        assert status == 200, body
        return body["project"]


@pytest.fixture(scope="module")
def world(stack):
    return World(stack)


@pytest.fixture(scope="module")
def tree(world):
    """a above b above c and d."""
    a = world.project()
    b = world.project(a)
    return a, b, world.project(b), world.project(b)


def login(world, person, project):
    body = {"auth": {"identity": {"methods": ["password"], "password": {"user": {"id": person.user_id, "password": person.password}}},
                     "scope": {"project": {"id": project}}}}
    status, headers, body = world.call("POST", "/auth/tokens", body, token=None)
    assert status == 201, body
    return headers["X-Subject-Token"]


def test_parents_and_subtree_as_ids(world, tree):
    a, b, c, d = tree
    assert world.show(c, "parents_as_ids")["parents"] == {b: {a: {world.domain: None}}}
    assert world.show(a, "subtree_as_ids")["subtree"] == {b: {c: None, d: None}}
    assert world.show(c, "subtree_as_ids&parents_as_ids=0") == {**world.show(c, "x=1"), "subtree": None}
    assert world.show(world.domain, "parents_as_ids")["parents"] is None


def test_parents_and_subtree_as_lists_show_where_one_has_a_role(world, tree):
    a, b, c, d = tree
    person = world.stack.person()
    member = world.call("GET", "/roles?name=member")[2]["roles"][0]["id"]
    for project in (a, c, d):
        assert world.call("PUT", f"/projects/{project}/users/{person.user_id}/roles/{member}")[0] == 204
    shown = world.show(c, "parents_as_list&include_limits", login(world, person, c))["parents"]
    assert [p["project"]["id"] for p in shown] == [a] and shown[0]["project"]["limits"] == []
    assert shown[0]["project"]["links"]["self"].endswith("/v3/projects/" + a)
    assert world.show(b, "subtree_as_list")["subtree"] == []  # the administrator has no role there
    status, _, body = world.call("GET", f"/projects/{a}?subtree_as_list", token=login(world, person, a))
    assert status == 200 and {p["project"]["id"] for p in body["project"]["subtree"]} == {c, d}


@pytest.mark.parametrize("query", ["parents_as_list&parents_as_ids", "subtree_as_list=1&subtree_as_ids=1"])
def test_both_forms_at_once_are_refused(world, tree, query):
    assert world.call("GET", f"/projects/{tree[0]}?{query}")[0] == 400


def test_a_parent_of_an_enabled_project_stays_enabled(world):
    a = world.project()
    b = world.project(a)
    assert world.patch(a, enabled=False)[0] == 403
    assert world.patch(b, enabled=False)[0] == 200 and world.patch(a, enabled=False)[0] == 200
    assert world.patch(b, enabled=True)[0] == 403
    status, _, body = world.call("POST", "/projects", {"project": {"name": world.name(), "parent_id": a}})
    assert status == 400 and a in body["error"]["message"]
    assert world.patch(a, enabled=True)[0] == 200 and world.patch(b, enabled=True)[0] == 200
    assert world.call("DELETE", f"/projects/{a}")[0] == 403


def test_nothing_is_enabled_or_made_in_a_disabled_domain(world):
    domain = world.make("domains", name=world.name())["id"]
    project = world.make("projects", name=world.name(), domain_id=domain, enabled=False)["id"]
    assert world.call("PATCH", f"/domains/{domain}", {"domain": {"enabled": False}})[0] == 200
    assert world.patch(project, enabled=True)[0] == 403
    assert world.call("POST", "/projects", {"project": {"name": world.name(), "domain_id": domain}})[0] == 400


def test_six_projects_deep_is_too_deep(world):
    parent = None
    for _ in range(5):
        parent = world.project(parent)
    status, _, body = world.call("POST", "/projects", {"project": {"name": world.name(), "parent_id": parent}})
    assert status == 403 and parent in body["error"]["message"]


@pytest.mark.parametrize("fields,status", [
    ({"parent_id": "same", "domain_id": "same", "is_domain": False}, 200), ({"parent_id": "default"}, 403), ({"domain_id": "default"}, 400),
    ({"is_domain": True}, 400), ({"name": "   "}, 400), ({"tags": ["x", "y", "x"]}, 400),
])
def test_a_project_stays_where_it_is(world, fields, status):
    project = world.project()
    fields = {key: world.domain if value == "same" else value for key, value in fields.items()}
    assert world.patch(project, **fields)[0] == status


def test_a_missing_parent_or_domain_is_400(world):
    for field in ("parent_id", "domain_id"):
        status, _, body = world.call("POST", "/projects", {"project": {"name": world.name(), field: uuid.uuid4().hex}})
        assert status == 400 and field in body["error"]["message"]


def test_blanks_around_a_name_do_not_count(world):
    name = world.name()
    assert world.make("projects", name=f"  {name} ", domain_id=world.domain)["name"] == name
    assert world.call("POST", "/projects", {"project": {"name": name + " ", "domain_id": world.domain}})[0] == 409


def test_no_tag_is_there_twice(world):
    project = world.project()
    tags = f"/projects/{project}/tags"
    assert world.call("PUT", tags, {"tags": ["a", "b"]})[0] == 200
    assert world.call("PUT", tags, {"tags": ["a", "b", "a"]})[0] == 400
    assert world.call("PUT", tags + "/a")[0] == 400 and world.call("PUT", tags + "/c")[0] == 201
    assert world.call("PUT", tags, {"tags": [f"t{i}" for i in range(80)]})[0] == 200
    assert world.call("PUT", tags + "/one-more")[0] == 400
    for plural in ("projects", "domains"):
        assert world.call("POST", f"/{plural}", {plural[:-1]: {"name": world.name(), "tags": ["a", "a"]}})[0] == 400


def test_a_domains_own_role_is_granted_on_its_projects_only(world):
    other = world.make("domains", name=world.name())["id"]
    own, foreign = (world.make("roles", name=world.name(), domain_id=d)["id"] for d in (world.domain, other))
    project = world.project()
    user = world.make("users", name=world.name(), domain_id=world.domain)["id"]
    assert world.call("PUT", f"/projects/{project}/users/{user}/roles/{own}")[0] == 204
    for path in ("/projects/{p}/users/{u}/roles/{r}", "/OS-INHERIT/projects/{p}/users/{u}/roles/{r}/inherited_to_projects"):
        assert world.call("PUT", path.format(p=project, u=user, r=foreign))[0] == 403
    assert world.call("PUT", f"/system/users/{user}/roles/{own}")[0] == 400
    assert world.call("PATCH", f"/roles/{own}", {"role": {"domain_id": other}})[0] == 400


def test_a_domains_own_role_shows_in_tokens_by_what_it_implies(world):
    role = world.make("roles", name=world.name(), domain_id=world.domain)["id"]
    reader = world.call("GET", "/roles?name=reader")[2]["roles"][0]["id"]
    project, person = world.project(), world.stack.person()
    assert world.call("PUT", f"/projects/{project}/users/{person.user_id}/roles/{role}")[0] == 204
    body = {"auth": {"identity": {"methods": ["password"], "password": {"user": {"id": person.user_id, "password": person.password}}},
                     "scope": {"project": {"id": project}}}}
    assert world.call("POST", "/auth/tokens", body, token=None)[0] == 401
    assert world.call("PUT", f"/roles/{role}/implies/{reader}")[0] == 201
    status, _, body = world.call("POST", "/auth/tokens", body, token=None)
    assert status == 201 and [r["name"] for r in body["token"]["roles"]] == ["reader"]


@pytest.mark.parametrize("name", ["admin", "manager", "member", "reader", "service"])
def test_a_default_role_changes_only_after_its_option_is_off(world, name):
    role = world.call("GET", f"/roles?name={name}")[2]["roles"][0]
    path = f"/roles/{role['id']}"
    assert role["options"] == {"immutable": True}
    assert world.call("PATCH", path, {"role": {"description": "x"}})[0] == 403 and world.call("DELETE", path)[0] == 403
    assert world.call("PATCH", path, {"role": {"options": {"immutable": False}}})[0] == 200
    assert world.call("PATCH", path, {"role": {"description": "x"}})[0] == 200
    assert world.call("PATCH", path, {"role": {"options": {"immutable": True}}})[0] == 200


@pytest.mark.parametrize("given,found", [("exact", True), ("upper", True), ("other", False)])
def test_a_domains_name_in_other_case_is_the_domain_when_it_is_the_only_one(world, given, found):
    name = world.name()
    domain = world.make("domains", name=name)["id"]
    user = world.make("users", name="u", domain_id=domain, password="secret-of-u")
    wanted = {"exact": name, "upper": name.upper(), "other": name.upper()}[given]
    if given == "other":
        world.make("domains", name=name.capitalize())
    body = {"auth": {"identity": {"methods": ["password"], "password": {"user": {"name": "u", "domain": {"name": wanted}, "password": "secret-of-u"}}}}}
    status, _, body = world.call("POST", "/auth/tokens", body, token=None)
    assert status == (201 if found else 401) and (not found or body["token"]["user"]["id"] == user["id"])


@pytest.mark.parametrize("plural,null", [("projects", None), ("domains", None), ("groups", None), ("regions", "")])
def test_a_description_may_be_null_and_is_empty_when_not_given(world, plural, null):
    kind = plural[:-1]

    def make(**fields):
        name = {} if kind == "region" else {"name": world.name()}
        return world.make(plural, **name, **fields)
    assert make()["description"] == "" and make(description=None)["description"] == null
    made = make(description="x")
    status, _, body = world.call("PATCH", f"/{plural}/{made['id']}", {kind: {"description": None}})
    assert (status, body[kind]["description"]) == (200, null)
    assert world.call("GET", f"/{plural}/{made['id']}")[2][kind]["description"] == null
    if kind == "project":
        found = world.call("GET", f"/{plural}?domain_id={made['domain_id']}")[2][plural]
        assert [each["description"] for each in found if each["id"] == made["id"]] == [null]


def test_a_domains_own_role_alone_opens_no_project(world):
    user, project = world.make("users", name=world.name(), domain_id=world.domain)["id"], world.project()
    role = world.make("roles", name=world.name(), domain_id=world.domain)["id"]
    assert world.call("PUT", f"/projects/{project}/users/{user}/roles/{role}")[0] == 204

    def projects():
        return [each["id"] for each in world.call("GET", f"/users/{user}/projects")[2]["projects"]]
    assert projects() == []
    member = world.call("GET", "/roles?name=member")[2]["roles"][0]["id"]
    assert world.call("PUT", f"/roles/{role}/implies/{member}")[0] == 201
    assert projects() == [project]


# ---- role assignments

class Family:
    """A user with reader on a project by itself, member on the domain for all projects by a group, manager on the parent for those below it."""

    def __init__(self, world):
        self.world = world
        self.roles = {role["name"]: role["id"] for role in world.call("GET", "/roles")[2]["roles"]}
        self.user, self.group = (world.make(kind, name=world.name(), domain_id=world.domain)["id"] for kind in ("users", "groups"))
        self.parent = world.project()
        self.project = world.project(self.parent)
        self.grant(f"/projects/{self.project}/users/{self.user}/roles/{self.roles['reader']}")
        self.grant(f"/OS-INHERIT/domains/{world.domain}/groups/{self.group}/roles/{self.roles['reader']}/inherited_to_projects")
        self.grant(f"/OS-INHERIT/projects/{self.parent}/users/{self.user}/roles/{self.roles['member']}/inherited_to_projects")
        self.grant(f"/groups/{self.group}/users/{self.user}")
        self.grant(f"/system/users/{self.user}/roles/{self.roles['reader']}")

    def grant(self, path):
        assert self.world.call("PUT", path)[0] == 204


@pytest.fixture(scope="module")
def family(world):
    return Family(world)


def assignments(world, query):
    status, _, body = world.call("GET", "/role_assignments?" + query)
    assert status == 200, body
    return body["role_assignments"]


def test_an_effective_assignment_says_where_it_comes_from(world, family):
    base = world.stack.url("identity") + "/v3"
    found = {}
    for each in assignments(world, f"user.id={family.user}&scope.project.id={family.project}&effective"):
        assert each["user"] == {"id": family.user} and "group" not in each and each["scope"]["project"] == {"id": family.project}
        links = {name: url.removeprefix(base) for name, url in each["links"].items()}
        found[links["assignment"]] = (each["role"]["id"], each["scope"].get("OS-INHERIT:inherited_to"), links.get("membership"), links.get("prior_role"))
    reader, member = family.roles["reader"], family.roles["member"]
    below = f"/OS-INHERIT/projects/{family.parent}/users/{family.user}/roles/{member}/inherited_to_projects"
    # The role and what it implies have one assignment; the implied one names its prior role.
    assert [each["role"]["id"] for each in assignments(world, f"user.id={family.user}&effective&role.id={member}")] == [member]
    assert found.pop(f"/projects/{family.project}/users/{family.user}/roles/{reader}") == (reader, None, None, None)
    assert found.pop(f"/OS-INHERIT/domains/{world.domain}/groups/{family.group}/roles/{reader}/inherited_to_projects") == (
        reader, "projects", f"/groups/{family.group}/users/{family.user}", None)
    assert found.pop(below) in ((reader, "projects", None, f"/prior_role/{reader}/implies/{member}"), (member, "projects", None, None))
    assert not found
    implied = [each for each in assignments(world, f"user.id={family.user}&effective&role.id={reader}") if "prior_role" in each["links"]]
    assert [(each["scope"]["project"]["id"], each["links"]["assignment"], each["links"]["prior_role"]) for each in implied] == [
        (family.project, base + below, f"{base}/prior_role/{reader}/implies/{member}")]


@pytest.mark.parametrize("query,n", [
    ("user.id={user}", 3), ("user.id={user}&scope.system=all", 1), ("user.id={user}&scope.system=some", 3), ("group.id={group}", 1),
    ("user.id={user}&scope.OS-INHERIT:inherited_to=projects", 1), ("user.id={user}&scope.OS-INHERIT:inherited_to=others", 2),
    ("scope.domain.id={domain}&scope.OS-INHERIT:inherited_to=projects", 1), ("scope.project.id={parent}", 1),
    ("scope.project.id={parent}&include_subtree", 2), ("scope.project.id={parent}&include_subtree=0", 1), ("scope.project.id={project}", 1),
    # Reader by itself; member and reader by the parent; reader by the group.
    ("user.id={user}&effective&scope.project.id={project}", 4), ("scope.project.id={parent}&effective", 1),
    ("scope.project.id={parent}&include_subtree&effective&include_names", 5),
    ("user.id={user}&effective&scope.project.id={project}&scope.OS-INHERIT:inherited_to=projects", 3),
    ("user.id={user}&effective&scope.project.id={project}&scope.OS-INHERIT:inherited_to=no", 1),
    ("user.id={user}&effective&scope.project.id={project}&role.id={member}", 1), ("scope.domain.id={domain}&effective", 0),
    ("user.id={user}&effective&scope.system=all", 1), ("user.id=unknown", 0), ("scope.project.id=unknown", 0), ("role.id=unknown&effective", 0),
])
def test_assignments_by_every_filter(world, family, query, n):
    text = query.format(**vars(family), domain=world.domain, member=family.roles["member"])
    found = assignments(world, text)
    assert len(found) == n, found
    assert all(("name" in each["role"]) == ("include_names" in query) for each in found)


@pytest.mark.parametrize("query,status", [
    ("scope.project.id=a&scope.domain.id=b", 400), ("scope.system=all&scope.domain.id=b", 400), ("scope.system=all&scope.project.id=b", 400),
    ("user.id=a&group.id=b", 400), ("effective&group.id=a", 400), ("effective&scope.domain.id=a&scope.OS-INHERIT:inherited_to=projects", 400),
    ("include_subtree", 400), ("include_subtree&scope.project.id=unknown", 404), ("effective&scope.project.id=unknown", 404),
])
def test_filters_that_exclude_each_other(world, query, status):
    assert world.call("GET", "/role_assignments?" + query)[0] == status


def test_effective_assignments_of_everybody_leave_the_system_out(world, family):
    assert not any("system" in each["scope"] for each in assignments(world, "effective"))
    assert any("system" in each["scope"] for each in assignments(world, ""))
