# SPDX-License-Identifier: Apache-2.0
"""Metadata definitions: namespaces, what is in them, who sees them, what is refused."""

import uuid

import pytest

SERVICES = ["identity", "image"]
SPACES = "/v2/metadefs/namespaces"
CORES = {"title": "Cores", "type": "integer", "minimum": 1}


@pytest.fixture(scope="module")
def admin(stack):
    def call(method, path, body=None, **more):
        return stack.request(method, "image", path, body, token=stack.admin_token(), **more)

    return call


def name_of():
    return f"NS::{uuid.uuid4().hex}"


def make(admin, **attributes):
    name = name_of()
    status, headers, body = admin("POST", SPACES, {"namespace": name, **attributes})
    assert status == 201, body
    return name, body


def test_a_namespace_lives_with_all_that_is_in_it(admin):
    name, body = make(
        admin,
        display_name="CPU",
        resource_type_associations=[{"name": "OS::Nova::Flavor", "prefix": "hw:"}],
        properties={"cores": CORES},
        objects=[{"name": "topology", "required": ["sockets"], "properties": {"sockets": {"title": "S", "type": "integer"}}}],
        tags=[{"name": "fast"}],
    )
    assert (body["visibility"], body["protected"]) == ("private", False)
    assert body["self"] == f"{SPACES}/{name}" and body["schema"] == "/v2/schemas/metadefs/namespace"
    shown = admin("GET", f"{SPACES}/{name}")[2]
    assert shown["properties"]["cores"]["minimum"] == 1
    assert shown["objects"][0]["self"] == f"{SPACES}/{name}/objects/topology"
    assert shown["tags"] == [{"name": "fast"}]
    flavor = admin("GET", f"{SPACES}/{name}?resource_type=OS::Nova::Flavor")[2]
    assert list(flavor["properties"]) == ["hw:cores"] and flavor["objects"][0]["required"] == ["hw:sockets"]
    status, _, one = admin("GET", f"{SPACES}/{name}/properties/hw:cores?resource_type=OS::Nova::Flavor")
    assert (status, one["name"]) == (200, "hw:cores")
    assert admin("GET", f"{SPACES}/{name}/properties/cores?resource_type=OS::Nova::Flavor")[0] == 404
    assert admin("POST", SPACES, {"namespace": name})[0] == 409
    renamed = name_of()
    status, _, body = admin("PUT", f"{SPACES}/{name}", {"namespace": renamed, "visibility": "public"})
    assert (status, body["namespace"], body["visibility"]) == (200, renamed, "public") and "display_name" not in body
    assert admin("GET", f"{SPACES}/{name}")[0] == 404
    assert admin("DELETE", f"{SPACES}/{renamed}")[0] == 204
    assert admin("GET", f"{SPACES}/{renamed}")[0] == 404


@pytest.mark.parametrize(
    "member, one, other",
    [
        ("objects", {"name": "a", "description": "d"}, {"name": "b"}),
        ("properties", {"name": "a", **CORES}, {"name": "b", "title": "T", "type": "string", "enum": ["x"]}),
    ],
)
def test_objects_and_properties(admin, member, one, other):
    name, _ = make(admin)
    path = f"{SPACES}/{name}/{member}"
    status, _, body = admin("POST", path, one)
    assert status == 201 and {**body, **one} == body
    assert admin("POST", path, one)[0] == 409
    assert admin("GET", f"{path}/a")[2] == body
    status, _, body = admin("PUT", f"{path}/a", other)
    assert status == 200 and {**body, **other} == body
    assert admin("GET", f"{path}/a")[0] == 404
    assert admin("POST", path, one)[0] == 201
    assert admin("PUT", f"{path}/a", other)[0] == 409
    assert len(admin("GET", path)[2][member]) == 2
    assert admin("DELETE", f"{path}/a")[0] == 204
    assert admin("DELETE", f"{path}/a")[0] == 404
    assert admin("DELETE", path)[0] == 204
    assert not admin("GET", path)[2][member]
    admin("DELETE", f"{SPACES}/{name}")


def test_tags_are_replaced_or_added(admin):
    name, _ = make(admin)
    path = f"{SPACES}/{name}/tags"
    tags = [{"name": "a"}, {"name": "b"}]
    assert admin("POST", path, {"tags": tags})[0] == 201
    status, _, body = admin("POST", f"{path}/c")
    assert (status, body["name"]) == (201, "c") and body["created_at"]
    assert [t["name"] for t in admin("GET", f"{path}?sort_key=name&sort_dir=asc")[2]["tags"]] == ["a", "b", "c"]
    assert [t["name"] for t in admin("GET", f"{path}?sort_key=name&sort_dir=asc&limit=1&marker=a")[2]["tags"]] == ["b"]
    assert admin("POST", path, {"tags": [{"name": "d"}]}, headers={"X-Openstack-Append": "True"})[0] == 201
    assert len(admin("GET", path)[2]["tags"]) == 4
    assert admin("PUT", f"{path}/d", {"name": "e"})[2]["name"] == "e"
    assert admin("POST", path, {"tags": tags})[0] == 201
    assert len(admin("GET", path)[2]["tags"]) == 2
    assert admin("POST", path, {"tags": [{"name": "x"}, {"name": "x"}]})[0] == 409
    assert len(admin("GET", path)[2]["tags"]) == 2
    admin("DELETE", f"{SPACES}/{name}")


def test_resource_types(admin):
    name, _ = make(admin)
    new = f"OS::Test::{uuid.uuid4().hex}"
    path = f"{SPACES}/{name}/resource_types"
    status, _, body = admin("POST", path, {"name": new, "prefix": "p_"})
    assert (status, body["prefix"]) == (201, "p_")
    assert admin("POST", path, {"name": new})[0] == 409
    assert new in [t["name"] for t in admin("GET", "/v2/metadefs/resource_types")[2]["resource_types"]]
    listed = admin("GET", f"{SPACES}?resource_types={new},other")[2]["namespaces"]
    assert [n["namespace"] for n in listed] == [name]
    assert listed[0]["resource_type_associations"][0]["name"] == new
    assert admin("DELETE", f"{path}/{new}")[0] == 204
    assert admin("GET", path)[2]["resource_type_associations"] == []
    admin("DELETE", f"{SPACES}/{name}")


def test_protected_means_nothing_is_deleted(admin):
    name, _ = make(admin, protected=True, tags=[{"name": "a"}])
    for path in ("", "/tags", "/tags/a", "/objects"):
        status, _, body = admin("DELETE", f"{SPACES}/{name}{path}", headers={"Accept": "application/json"})
        assert status == 403 and "protected" in body["message"]
    assert admin("PUT", f"{SPACES}/{name}", {"namespace": name, "protected": False})[0] == 200
    assert admin("DELETE", f"{SPACES}/{name}")[0] == 204


def test_who_sees_and_who_writes(stack, admin):
    person = stack.person()
    hidden, _ = make(admin)
    public, _ = make(admin, visibility="public", tags=[{"name": "a"}])
    own, _ = make(admin, owner=person.project_id)

    def ask(method, path, body=None):
        return stack.request(method, "image", path, body, token=person.token)

    assert ask("GET", f"{SPACES}/{hidden}")[0] == 404
    assert ask("GET", f"{SPACES}/{hidden}/tags")[0] == 404
    assert ask("GET", f"{SPACES}/{public}/tags")[2]["tags"] == [{"name": "a"}]
    assert {n["namespace"] for n in ask("GET", SPACES)[2]["namespaces"]} == {public, own}
    assert [n["namespace"] for n in ask("GET", f"{SPACES}?visibility=private")[2]["namespaces"]] == [own]
    for method, path, body in [
        ("POST", SPACES, {"namespace": name_of()}),
        ("PUT", f"{SPACES}/{own}", {"namespace": own}),
        ("DELETE", f"{SPACES}/{own}", None),
        ("POST", f"{SPACES}/{own}/objects", {"name": "o"}),
        ("POST", f"{SPACES}/{own}/tags/t", None),
        ("DELETE", f"{SPACES}/{own}/tags", None),
    ]:
        assert ask(method, path, body)[0] == 403, (method, path)
    for name in (hidden, public, own):
        admin("DELETE", f"{SPACES}/{name}")


def test_pages_follow_each_other(admin):
    names = sorted(make(admin, visibility="public")[0] for _ in range(5))
    for query in ("sort_key=namespace&sort_dir=asc", "sort_key=created_at"):
        found, path = [], f"{SPACES}?limit=2&{query}"
        while path:
            page = admin("GET", path)[2]
            found += [n["namespace"] for n in page["namespaces"]]
            path = page.get("next")
        assert sorted(found) == names
    for name in names:
        admin("DELETE", f"{SPACES}/{name}")


@pytest.mark.parametrize(
    "path, body, status, word",
    [
        ("", {}, 400, "namespace"),
        ("", [], 400, "namespace"),
        ("", {"namespace": ""}, 400, "namespace"),
        ("", {"namespace": "x" * 81}, 400, "namespace"),
        ("", {"namespace": "x", "visibility": "shared"}, 400, "visibility"),
        ("", {"namespace": "x", "protected": "yes"}, 400, "protected"),
        ("", {"namespace": "x", "wrong": 1}, 400, "wrong"),
        ("", {"namespace": "x", "created_at": "now"}, 403, "created_at"),
        ("", {"namespace": "x", "properties": {"p": {"title": "t"}}}, 400, "type"),
        ("", {"namespace": "x", "properties": {"p": {"title": "t", "type": "text"}}}, 400, "type"),
        ("", {"namespace": "x", "tags": [{"name": "t"}, {"name": "t"}]}, 409, "tag"),
        ("/{}/objects", {"description": "d"}, 400, "name"),
        ("/{}/objects", {"name": "o", "required": ["a", "a"]}, 400, "required"),
        ("/{}/properties", {"name": "p", "title": "t", "type": "string", "minLength": -1}, 400, "minLength"),
        ("/{}/tags", {"tags": "t"}, 400, "tags"),
        ("/{}/resource_types", {"name": "r", "prefix": 5}, 400, "prefix"),
        ("/missing/objects", {"name": "o"}, 404, "missing"),
    ],
)
def test_what_does_not_fit_is_refused(admin, path, body, status, word):
    name, _ = make(admin)
    answer = admin("POST", SPACES + path.format(name), body, headers={"Accept": "application/json"})
    assert answer[0] == status and word in answer[2]["message"]
    assert admin("GET", f"{SPACES}/x")[0] == 404
    assert admin("DELETE", f"{SPACES}/{name}")[0] == 204


@pytest.mark.parametrize("query", ["limit=-1", "limit=x", "sort_dir=up", "sort_key=size", "visibility=shared"])
def test_wrong_queries_are_refused(admin, query):
    assert admin("GET", f"{SPACES}?{query}")[0] == 400


@pytest.mark.parametrize(
    "name, title",
    [("namespace", "namespace"), ("resource_type", "resource_type_association"), ("object", "object"), ("property", "property"), ("tag", "tag")],
)
def test_schemas(admin, name, title):
    many = {"property": "properties"}.get(name, name + "s")
    titles = {"property": "properties"}.get(title, title + "s")
    assert admin("GET", f"/v2/schemas/metadefs/{name}")[2]["name"] == title
    assert titles in admin("GET", f"/v2/schemas/metadefs/{many}")[2]["properties"]
    assert admin("GET", "/v2/schemas/metadefs/other")[0] == 404
