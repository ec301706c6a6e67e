# SPDX-License-Identifier: Apache-2.0
"""Images as Glance's clients see them: records, properties, lists, sharing, tickets, quota, usage."""

import contextlib
import hashlib
import urllib.error
import urllib.request
import uuid

import pytest
from launch import api

from tests.lib.image import PATCH, STREAM, create, send

SERVICES = ["identity", "image"]


def show(stack, person, image):
    return stack.request("GET", "image", f"/v2/images/{image['id']}", token=person.token)


def patch(stack, person, image, *changes, headers=PATCH):
    return stack.request("PATCH", "image", f"/v2/images/{image['id']}", list(changes), token=person.token, headers=headers)


def listed(stack, person, query=""):
    status, _, body = stack.request("GET", "image", f"/v2/images{query}", token=person.token)
    assert status == 200, body
    return [image["id"] for image in body["images"]]


def download(stack, url, **headers):
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=30) as reply:
        return reply.status, reply.headers, reply.read()


def test_an_image_lives_from_queued_to_deleted(stack, owner):
    image = create(stack, owner, name="first", custom="yes", tags=["b", "a", "b"])
    assert (image["status"], image["custom"], sorted(image["tags"]), image["visibility"]) == ("queued", "yes", ["a", "b"], "shared")
    assert image["owner"] == owner.project_id and image["file"] == f"/v2/images/{image['id']}/file"
    status, _, _ = stack.request("GET", "image", image["file"], token=owner.token)
    assert status == 204
    data = b"some bytes of a disk" * 50000
    assert send(stack, owner, image, data)[0] == 204
    image = show(stack, owner, image)[2]
    assert (image["status"], image["size"], image["virtual_size"]) == ("active", len(data), len(data))
    assert image["checksum"] == hashlib.md5(data).hexdigest()
    assert (image["os_hash_algo"], image["os_hash_value"]) == ("sha512", hashlib.sha512(data).hexdigest())
    status, headers, body = download(stack, stack.url("image") + image["file"], **{"X-Auth-Token": owner.token})
    assert body == data and headers["Content-MD5"] == image["checksum"] and headers["Content-Type"] == "application/octet-stream"
    assert send(stack, owner, image, b"again")[0] == 409
    rows = stack.sql("image", "SELECT meter, quantity, to_us FROM usage_interval WHERE resource_id = %s", image["id"])
    assert [(r["meter"], r["quantity"], r["to_us"]) for r in rows] == [("image.bytes", len(data), None)]
    assert stack.request("DELETE", "image", f"/v2/images/{image['id']}", token=owner.token)[0] == 204
    assert show(stack, owner, image)[0] == 404
    assert stack.request("DELETE", "image", f"/v2/images/{image['id']}", token=owner.token)[0] == 404
    rows = stack.sql("image", "SELECT to_us - from_us AS us FROM usage_interval WHERE resource_id = %s", image["id"])
    assert rows[0]["us"] > 0


@pytest.mark.parametrize("asked, status, first, last", [
    ("bytes=0-4", 206, 0, 4), ("bytes=5-", 206, 5, 999), ("bytes=-3", 206, 997, 999), ("bytes=990-5000", 206, 990, 999),
    ("bytes=1000-", 416, 0, 0), ("bytes=x-2", 416, 0, 0), ("items=0-4", 200, 0, 999), ("bytes=0-1,4-5", 200, 0, 999)])
def test_ranges_are_served_as_http_says(stack, owner, asked, status, first, last):
    data = bytes(i % 251 for i in range(1000))
    image = create(stack, owner)
    assert send(stack, owner, image, data)[0] == 204
    request = urllib.request.Request(stack.url("image") + image["file"], headers={"X-Auth-Token": owner.token, "Range": asked})
    try:
        with urllib.request.urlopen(request, timeout=10) as reply:
            assert (reply.status, reply.read()) == (status, data[first:last + 1])
            if status == 206:
                assert reply.headers["Content-Range"] == f"bytes {first}-{last}/1000"
    except urllib.error.HTTPError as error:
        assert error.code == status


@pytest.mark.parametrize("body, status, words", [
    ({"name": 5}, 400, "name"), ({"name": "x" * 256}, 400, "name"), ({"disk_format": "exe"}, 400, "disk_format"),
    ({"container_format": "wrong"}, 400, "container_format"), ({"visibility": "secret"}, 400, "visibility"),
    ({"protected": "yes"}, 400, "protected"), ({"min_ram": -1}, 400, "min_ram"), ({"min_disk": 2**31}, 400, "min_disk"),
    ({"id": "not-a-uuid"}, 400, "id"), ({"tags": "x"}, 400, "tags"), ({"tags": ["x" * 256]}, 400, "tags"), ({"mine": 7}, 400, "mine"),
    ({"status": "active"}, 403, "status"), ({"checksum": "0"}, 403, "checksum"), ({"self": "/x"}, 403, "self"),
    ({"os_glance_foo": "x"}, 403, "os_glance_foo"), ({"location": "x"}, 403, "location"), ({"locations": []}, 403, "locations"),
    ({"visibility": "public"}, 403, "publicize_image"), ({"owner": "someone"}, 403, "add_image"), ([], 400, "JSON object")])
def test_what_create_refuses_is_named(stack, owner, body, status, words):
    answer = stack.request("POST", "image", "/v2/images", body, token=owner.token, headers={"Accept": "application/json"})
    assert answer[0] == status and words in answer[2]["message"]


def test_an_id_may_be_given_once(stack, owner):
    chosen = str(uuid.uuid4())
    assert create(stack, owner, id=chosen)["id"] == chosen
    assert stack.request("POST", "image", "/v2/images", {"id": chosen}, token=owner.token)[0] == 409
    stack.call("DELETE", "image", f"/v2/images/{chosen}", token=owner.token)
    assert stack.request("POST", "image", "/v2/images", {"id": chosen}, token=owner.token)[0] == 409


def test_the_same_idempotency_key_makes_one_image(stack, owner):
    key, body = {"Idempotency-Key": uuid.uuid4().hex}, {"name": "once"}
    first = stack.request("POST", "image", "/v2/images", body, token=owner.token, headers=key)
    second = stack.request("POST", "image", "/v2/images", body, token=owner.token, headers=key)
    assert (first[0], second[0]) == (201, 201) and first[2]["id"] == second[2]["id"]
    assert stack.request("POST", "image", "/v2/images", {"name": "twice"}, token=owner.token, headers=key)[0] == 409


def test_patch_changes_attributes_and_properties(stack, owner):
    image = create(stack, owner, kept="1", gone="2")
    status, _, changed = patch(stack, owner, image, {"op": "replace", "path": "/name", "value": "new"}, {"op": "remove", "path": "/gone"},
                               {"op": "add", "path": "/a~1b~0c", "value": "3"}, {"op": "replace", "path": "/tags", "value": ["t"]},
                               {"op": "replace", "path": "/min_ram", "value": 64}, {"op": "replace", "path": "/protected", "value": True})
    assert status == 200
    assert (changed["name"], changed["kept"], changed["a/b~c"], changed["tags"], changed["min_ram"]) == ("new", "1", "3", ["t"], 64)
    assert "gone" not in changed
    assert stack.request("DELETE", "image", f"/v2/images/{image['id']}", token=owner.token)[0] == 403
    old = {"Content-Type": "application/openstack-images-v2.0-json-patch"}
    assert patch(stack, owner, image, {"replace": "/protected", "value": False}, headers=old)[0] == 200
    assert patch(stack, owner, image, {"add": "/kept", "value": "again"}, headers=old)[0] == 409


@pytest.mark.parametrize("change, status", [
    ({"op": "replace", "path": "/none", "value": "x"}, 409), ({"op": "remove", "path": "/none"}, 409), ({"op": "remove", "path": "/name"}, 403),
    ({"op": "replace", "path": "/status", "value": "active"}, 403), ({"op": "replace", "path": "/id", "value": "x"}, 403),
    ({"op": "add", "path": "/os_glance_x", "value": "x"}, 403), ({"op": "replace", "path": "/owner", "value": "x"}, 403),
    ({"op": "replace", "path": "/visibility", "value": "public"}, 403), ({"op": "replace", "path": "name", "value": "x"}, 400),
    ({"op": "replace", "path": "/a/b", "value": "x"}, 400), ({"op": "replace", "path": "/~2", "value": "x"}, 400),
    ({"op": "replace", "path": "/name"}, 400), ({"op": "move", "path": "/name", "value": "x"}, 400), ("x", 400), ({"op": "add", "path": "/p", "value": 1}, 400)])
def test_a_refused_change_changes_nothing(stack, owner, change, status):
    image = create(stack, owner, name="as it was")
    assert patch(stack, owner, image, {"op": "replace", "path": "/min_disk", "value": 9}, change)[0] == status
    now = show(stack, owner, image)[2]
    assert (now["name"], now["min_disk"]) == ("as it was", 0)


def test_another_content_type_is_415(stack, owner):
    status, headers, _ = patch(stack, owner, create(stack, owner), headers={"Content-Type": "application/json"})
    assert status == 415 and "v2.1-json-patch" in headers["Accept-Patch"]


def test_formats_are_fixed_once_there_is_data(stack, owner):
    image = create(stack, owner)
    assert patch(stack, owner, image, {"op": "replace", "path": "/disk_format", "value": "aki"})[0] == 200
    assert send(stack, owner, image, b"x")[0] == 204
    assert patch(stack, owner, image, {"op": "replace", "path": "/disk_format", "value": "qcow2"})[0] == 403


def test_private_images_are_invisible_to_others(stack, owner, other):
    image = create(stack, owner, visibility="private")
    assert show(stack, other, image)[0] == 404
    assert patch(stack, other, image, {"op": "replace", "path": "/name", "value": "mine"})[0] == 404
    assert send(stack, other, image, b"x")[0] == 404
    assert stack.request("GET", "image", image["file"], token=other.token)[0] == 404
    assert stack.request("DELETE", "image", f"/v2/images/{image['id']}", token=other.token)[0] == 404
    assert image["id"] not in listed(stack, other) and image["id"] in listed(stack, owner)


def test_public_images_are_everybodys_to_see_and_the_admins_to_make(stack, owner, other):
    image = create(stack, owner)
    change = [{"op": "replace", "path": "/visibility", "value": "public"}]
    status, _, _ = stack.request("PATCH", "image", f"/v2/images/{image['id']}", change, token=stack.admin_token(), headers=PATCH)
    assert status == 200 and image["id"] in listed(stack, other)
    assert patch(stack, other, image, {"op": "replace", "path": "/name", "value": "mine"})[0] == 403
    assert stack.request("DELETE", "image", f"/v2/images/{image['id']}", token=other.token)[0] == 403


def test_community_images_are_listed_only_when_asked_for(stack, owner, other):
    image = create(stack, owner, visibility="community")
    assert show(stack, other, image)[0] == 200
    assert image["id"] not in listed(stack, other) and image["id"] in listed(stack, other, "?visibility=community")


def test_sharing_is_offered_and_accepted(stack, owner, other):
    image = create(stack, owner)
    members = f"/v2/images/{image['id']}/members"
    status, _, member = stack.request("POST", "image", members, {"member": other.project_id}, token=owner.token)
    assert (status, member["status"], member["member_id"]) == (200, "pending", other.project_id)
    assert stack.request("POST", "image", members, {"member": other.project_id}, token=owner.token)[0] == 409
    assert image["id"] not in listed(stack, other) and image["id"] in listed(stack, other, "?member_status=pending&visibility=shared")
    mine = f"{members}/{other.project_id}"
    assert stack.request("PUT", "image", mine, {"status": "accepted"}, token=owner.token)[0] == 403
    assert stack.request("PUT", "image", mine, {"status": "maybe"}, token=other.token)[0] == 400
    assert stack.request("PUT", "image", mine, {"status": "accepted"}, token=other.token)[0] == 200
    assert image["id"] in listed(stack, other)
    assert stack.request("DELETE", "image", mine, token=other.token)[0] == 403
    assert stack.request("DELETE", "image", mine, token=owner.token)[0] == 204
    assert show(stack, other, image)[0] == 404


def test_tags_are_added_and_removed_one_by_one(stack, owner):
    image = create(stack, owner)
    path = f"/v2/images/{image['id']}/tags/"
    assert stack.request("PUT", "image", path + "new%20tag", token=owner.token)[0] == 204
    assert stack.request("PUT", "image", path + "new%20tag", token=owner.token)[0] == 204
    assert show(stack, owner, image)[2]["tags"] == ["new tag"]
    assert stack.request("DELETE", "image", path + "new%20tag", token=owner.token)[0] == 204
    assert stack.request("DELETE", "image", path + "new%20tag", token=owner.token)[0] == 404


def test_a_deactivated_image_is_not_downloaded(stack, owner):
    image = create(stack, owner)
    action = f"/v2/images/{image['id']}/actions/"
    assert stack.request("POST", "image", action + "deactivate", token=owner.token)[0] == 403
    assert send(stack, owner, image, b"x" * 10)[0] == 204
    assert stack.request("POST", "image", action + "deactivate", token=owner.token)[0] == 204
    assert show(stack, owner, image)[2]["status"] == "deactivated"
    assert stack.request("GET", "image", image["file"], token=owner.token)[0] == 403
    assert stack.request("GET", "image", image["file"], token=stack.admin_token())[0] == 200
    assert stack.request("POST", "image", action + "reactivate", token=owner.token)[0] == 204
    assert stack.request("GET", "image", image["file"], token=owner.token)[0] == 200


@pytest.fixture(scope="module")
def shelf(stack):
    """A person with five images: names a … e, sizes 50, 40, 30, 20, 10."""
    person = stack.person()
    person.images = {}
    for number, name in enumerate("abcde"):
        image = create(stack, person, name=name, number=str(number), tags=[name, "all"], os_hidden=name == "e")
        assert send(stack, person, image, b"x" * (50 - 10 * number))[0] == 204
        person.images[name] = image["id"]
    return person


@pytest.mark.parametrize("query, names", [
    ("?owner={p}&sort=name:asc", "abcd"), ("?owner={p}&sort=size:asc", "dcba"), ("?owner={p}&sort_key=name&sort_dir=desc", "dcba"),
    ("?owner={p}&name=b", "b"), ("?owner={p}&name=in:a,%22c%22&sort=name:asc", "ac"), ("?owner={p}&tag=all&tag=d", "d"),
    ("?owner={p}&size_min=30&size_max=40&sort=name:asc", "bc"), ("?owner={p}&number=2", "c"), ("?owner={p}&status=queued", ""),
    ("?owner={p}&os_hidden=true", "e"), ("?owner={p}&protected=true", ""), ("?owner={p}&created_at=gt:2020-01-01T00:00:00Z&sort=name", "dcba"),
    ("?owner={p}&created_at=lt:2020-01-01T00:00:00Z", ""), ("?owner={p}&disk_format=in:raw,qcow2&sort=name:asc&limit=2", "ab"),
    ("?owner={p}&visibility=private", ""), ("?owner={p}&visibility=shared&sort=name:asc", "abcd"), ("?owner={p}&sort=status:asc,name:desc", "dcba")])
def test_lists_filter_and_sort(stack, shelf, query, names):
    assert listed(stack, shelf, query.replace("{p}", shelf.project_id)) == [shelf.images[name] for name in names]


@pytest.mark.parametrize("sort", ["name:asc", "size:desc", "created_at:asc", "disk_format:asc,name:desc", "status"])
def test_pages_join_to_the_whole(stack, shelf, sort):
    whole = listed(stack, shelf, f"?owner={shelf.project_id}&sort={sort}")
    path, found = f"/v2/images?owner={shelf.project_id}&sort={sort}&limit=1", []
    while path:
        page = stack.call("GET", "image", path, token=shelf.token)
        found += [image["id"] for image in page["images"]]
        path = page.get("next")
    assert found == whole and len(whole) == 4


@pytest.mark.parametrize("query", [
    "?limit=x", "?limit=-1", "?sort=bad", "?sort=name:up", "?sort_key=bad", "?sort_dir=up", "?sort=name&sort_key=name", "?marker=x",
    "?marker=00000000-0000-0000-0000-000000000000", "?visibility=x", "?member_status=x", "?size_min=x", "?protected=maybe", "?os_hidden=maybe",
    "?created_at=yesterday", "?name=in:%22open", "?changes-since=2020-01-01T00:00:00Z", "?name=gt:x"])
def test_a_bad_query_is_400(stack, shelf, query):
    assert stack.request("GET", "image", "/v2/images" + query, token=shelf.token)[0] == 400


def test_discovery_needs_no_token(stack):
    for path, expected in (("/", 300), ("/versions", 200)):
        status, _, body = stack.request("GET", "image", path)
        assert status == expected and body["versions"][0]["status"] == "CURRENT"
        assert body["versions"][0]["links"][0]["href"] == stack.url("image") + "/v2/"


def test_schemas_describe_images_and_members(stack, owner):
    for name in ("image", "images", "member", "members"):
        assert stack.call("GET", "image", f"/v2/schemas/{name}", token=owner.token)["name"] == name
    assert stack.request("GET", "image", "/v2/schemas/none", token=owner.token)[0] == 404


def test_tickets_open_one_image_without_a_token(stack, owner, other):
    image, service = create(stack, owner, visibility="private"), stack.service_token()
    path = f"/internal/v1/images/{image['id']}/ticket"
    ask = {"project_id": owner.project_id}
    assert stack.request("POST", "image", path, ask, token=service)[0] == 409
    assert send(stack, owner, image, b"the disk")[0] == 204
    assert stack.request("POST", "image", path, ask, token=owner.token)[0] == 403
    assert stack.request("POST", "image", path, {"project_id": other.project_id}, token=service)[0] == 404
    ticket = stack.call("POST", "image", path, ask, token=service)
    assert (ticket["size"], ticket["os_hash_algo"], ticket["os_hash_value"], ticket["disk_format"]) == (8, "sha512", hashlib.sha512(b"the disk").hexdigest(), "raw")
    assert download(stack, ticket["url"])[2] == b"the disk"
    second = create(stack, owner)
    send(stack, owner, second, b"other")
    for wrong in (ticket["url"][:-1] + ("A" if ticket["url"][-1] != "A" else "B"), ticket["url"].replace(image["id"], second["id"]),
                  ticket["url"].replace("ticket=1", "ticket=9"), ticket["url"].split("?")[0]):
        with pytest.raises(urllib.error.HTTPError) as refused:
            download(stack, wrong)
        assert refused.value.code == 401


def test_quota_is_checked_before_anything_is_stored(stack):
    MIB = 1 << 20
    person = stack.person()
    stack.sql("image", "INSERT INTO quota_limit VALUES (%s, 'image_count_total', 2), (%s, 'image_size_total', 1)", person.project_id, person.project_id)
    image, second = create(stack, person), create(stack, person)
    assert stack.request("POST", "image", "/v2/images", {"name": "third"}, token=person.token)[0] == 413
    assert send(stack, person, image, b"x" * (MIB + 1))[0] == 413
    assert show(stack, person, image)[2]["status"] == "queued"
    assert send(stack, person, image, b"x" * (MIB - 40))[0] == 204
    assert send(stack, person, second, b"x" * 41)[0] == 413
    assert send(stack, person, second, b"x" * 40)[0] == 204
    usage = stack.call("GET", "image", "/v2/info/usage", token=person.token)["usage"]
    assert usage["image_size_total"] == {"usage": 1, "limit": 1}


@pytest.mark.parametrize("path, quota", [("file", "image_size_total"), ("stage", "image_stage_total")])
def test_one_upload_of_unknown_size_may_cross_the_quota(stack, path, quota):
    MIB = 1 << 20
    person = stack.person()
    stack.sql("image", f"INSERT INTO quota_limit VALUES (%s, '{quota}', 1)", person.project_id)

    def put(image, size):
        chunks = (b"x" * (size // 4) for _ in range(4))  # without a length: chunked
        return stack.request("PUT", "image", f"/v2/images/{image['id']}/{path}", data=chunks, token=person.token, headers=STREAM)[0]

    def refused(image, size):
        with contextlib.suppress(api.Unreachable):  # the answer may come, and the connection go, before the last bytes
            assert put(image, size) == 413
        return show(stack, person, image)[2]["status"] == "queued"

    first, second, third = (create(stack, person) for _ in range(3))
    assert refused(first, 2 * MIB + 4)
    assert put(first, MIB) == 204 and refused(second, MIB + 4)
    assert put(second, MIB) == 204 and refused(third, 4)
    assert stack.call("GET", "image", "/v2/info/usage", token=person.token)["usage"][quota] == {"usage": 2, "limit": 1}
    stack.request("DELETE", "image", f"/v2/images/{first['id']}", token=person.token)
    assert put(third, 4) == 204


def test_a_token_of_the_system_administers_no_images(stack):
    person, admin = stack.person(), stack.admin_token()
    user = stack.call("GET", "identity", "/v3/users?name=admin", token=admin)["users"][0]["id"]
    role = stack.call("GET", "identity", "/v3/roles?name=admin", token=admin)["roles"][0]["id"]
    stack.call("PUT", "identity", f"/v3/system/users/{user}/roles/{role}", token=admin)
    password = {"user": {"id": user, "password": stack.cloud.secret("admin")}}
    login = {"auth": {"identity": {"methods": ["password"], "password": password}, "scope": {"system": {"all": True}}}}
    status, headers, _ = stack.request("POST", "identity", "/v3/auth/tokens", login)
    assert status == 201
    token, image = headers["X-Subject-Token"], create(stack, person)
    assert stack.request("GET", "image", "/v2/images", token=token)[0] == 403
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/actions/deactivate"), ("GET", "/file"), ("GET", "/members")):
        assert stack.request(method, "image", f"/v2/images/{image['id']}{path}", token=token)[0] == 404
    common = create(stack, person, visibility="community")
    for method, path in (("GET", ""), ("DELETE", ""), ("PUT", "/tags/t")):
        assert stack.request(method, "image", f"/v2/images/{common['id']}{path}", token=token)[0] == 404
    assert stack.request("POST", "image", "/v2/images", {"name": "nobody's"}, token=token)[0] == 403
    assert stack.request("GET", "image", f"/v2/images/{image['id']}", token=admin)[0] == 200


def test_one_location_of_an_image_cannot_be_written(stack):
    person = stack.person()
    image = create(stack, person)
    for path in ("/locations", "/locations/-", "/locations/0"):
        change = [{"op": "add", "path": path, "value": {"url": "http://127.0.0.1/x", "metadata": {}}}]
        headers = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
        assert stack.request("PATCH", "image", f"/v2/images/{image['id']}", change, token=person.token, headers=headers)[0] == 403
    change[0]["path"] = "/locations/x"
    assert stack.request("PATCH", "image", f"/v2/images/{image['id']}", change, token=person.token, headers=headers)[0] == 400
