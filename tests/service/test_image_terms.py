# SPDX-License-Identifier: Apache-2.0
"""Lists by properties and tags, which are found by rows of their own: for few images and for many, in every order, for everybody
who sees some of them; and the rows follow whatever happens to an image."""

import pytest

SERVICES = ["identity", "image"]
MANY = 1300  # so that more than 500 are one owner's, and more than 500 of one visibility
KEPT = "SELECT term, created_at, image_id FROM image_term"
MEANT = "SELECT unnest(image_terms(owner, visibility, status, tags, properties)) AS term, created_at, id AS image_id FROM image"

FILL = """
INSERT INTO image (id, owner, name, status, visibility, os_hidden, disk_format, min_disk, tags, properties, created_at, updated_at)
SELECT md5('t' || n)::uuid, CASE WHEN n %% 10 < 7 THEN %s WHEN n %% 10 = 7 THEN %s ELSE 'somebody' END, CASE WHEN n %% 4 > 0 THEN 'n' || n %% 30 END, 'queued',
    CASE WHEN n %% 40 = 1 THEN 'public' WHEN n %% 40 = 7 THEN 'community' WHEN n %% 5 = 0 THEN 'shared' ELSE 'private' END, n %% 100 = 50, 'raw', n %% 3,
    ARRAY['all', 'tag' || n %% 7], jsonb_build_object('common', 'yes', 'few', (n %% 97)::text, 'half', (n %% 2)::text),
    '2026-01-01'::timestamptz + n / 3 * interval '1 second', '2026-01-01'::timestamptz + n %% 111 * interval '2 seconds'
FROM generate_series(1, %s) n
"""


def differing(stack):
    return stack.sql("image", f"({KEPT} EXCEPT {MEANT}) UNION ALL ({MEANT} EXCEPT {KEPT})")


def pages(stack, token, query):
    rows, path = [], "/v2/images?" + query
    while path:
        body = stack.call("GET", "image", path, token=token)
        rows += body["images"]
        path = body.get("next")
    return rows


@pytest.fixture(scope="module")
def shelf(stack):
    mine, other = stack.person(), stack.person()
    stack.sql("image", FILL, mine.project_id, other.project_id, MANY)
    stack.sql("image", "INSERT INTO image_member (image_id, member_id, status) SELECT id, %s, 'accepted' FROM image WHERE visibility = 'shared' "
              "AND owner = 'somebody'", mine.project_id)
    return {"tenant": mine.token, "other": other.token, "admin": stack.admin_token()}


FILTERS = {"common=yes": lambda i: i["common"] == "yes", "few=5": lambda i: i["few"] == "5", "tag=all": lambda i: True, "tag=tag3": lambda i: "tag3" in i["tags"],
           "half=1&tag=tag3": lambda i: i["half"] == "1" and "tag3" in i["tags"], "half=1&common=yes": lambda i: i["half"] == "1", "half=2": lambda i: False,
           "few=5&common=yes&half=1": lambda i: i["few"] == "5" and i["half"] == "1", "common=yes&min_disk=1": lambda i: i["min_disk"] == 1,
           "few=5&min_disk=1": lambda i: i["few"] == "5" and i["min_disk"] == 1, "tag=all&name=n7": lambda i: i["name"] == "n7",
           "half=1&half=0": lambda i: False, "few=in:5": lambda i: False}


@pytest.mark.parametrize("who", ["tenant", "other", "admin"])
@pytest.mark.parametrize("visibility", ["", "&visibility=all", "&visibility=public", "&visibility=shared", "&os_hidden=true"])
def test_filters_find_what_the_whole_list_has(stack, shelf, who, visibility):
    token = shelf[who]
    for order in ("", "&sort=created_at:asc", "&sort=name:asc", "&sort=created_at:desc,id:asc"):
        everything = [i for i in pages(stack, token, "limit=1000" + visibility + order) if "common" in i]
        assert everything or who == "other"
        for query, keep in FILTERS.items():
            found = stack.call("GET", "image", f"/v2/images?limit=1000&{query}{visibility}{order}", token=token)["images"]
            assert [i["id"] for i in found] == [i["id"] for i in everything if keep(i)][:1000], (query, order)


@pytest.mark.parametrize("query", ["common=yes", "few=5&limit=3", "common=yes&sort=name:asc", "half=1&tag=tag3&limit=7", "common=yes&min_disk=1&sort=updated_at:desc"])
@pytest.mark.parametrize("who", ["tenant", "admin"])
def test_pages_make_the_whole(stack, shelf, who, query):
    limit = "" if "limit" in query else "&limit=90"
    whole = stack.call("GET", "image", f"/v2/images?{query.split('&limit')[0]}&limit=1000", token=shelf[who])["images"]
    found = pages(stack, shelf[who], query + limit)
    assert [i["id"] for i in found[:1000]] == [i["id"] for i in whole]
    assert len({i["id"] for i in found}) == len(found)


def patch(stack, token, image, *changes):
    stack.call("PATCH", "image", f"/v2/images/{image}", list(changes), token, headers={"Content-Type": "application/openstack-images-v2.1-json-patch"})


def test_terms_follow_the_image(stack, shelf):
    person, admin = stack.person(), stack.admin_token()

    def has(query, token=person.token):
        return [i["id"] for i in stack.call("GET", "image", "/v2/images?" + query, token=token)["images"]]
    image = stack.call("POST", "image", "/v2/images", {"name": "x", "colour": "red", "tags": ["a"]}, person.token)["id"]
    assert has("colour=red") == has("tag=a") == has("colour=red&tag=a", admin) == [image]
    patch(stack, person.token, image, {"op": "replace", "path": "/colour", "value": "blue"}, {"op": "add", "path": "/shape", "value": "round"})
    assert has("colour=red") == [] and has("colour=blue") == has("shape=round&tag=a") == [image]
    stack.call("PUT", "image", f"/v2/images/{image}/tags/b", token=person.token)
    stack.call("DELETE", "image", f"/v2/images/{image}/tags/a", token=person.token)
    assert has("tag=a") == [] and has("tag=b") == [image]
    patch(stack, admin, image, {"op": "replace", "path": "/visibility", "value": "public"})
    stranger = stack.person()
    assert has("tag=b&visibility=public") == has("shape=round", stranger.token) == has("colour=blue&visibility=public", admin) == [image]
    patch(stack, admin, image, {"op": "replace", "path": "/owner", "value": stranger.project_id})
    patch(stack, admin, image, {"op": "replace", "path": "/visibility", "value": "private"})
    assert has("tag=b") == [] and has("tag=b", stranger.token) == has("shape=round", admin) == [image]
    assert not differing(stack)
    stack.call("DELETE", "image", f"/v2/images/{image}", token=stranger.token)
    assert has("shape=round", admin) == [] and not differing(stack)
    assert not stack.sql("image", "SELECT FROM image_term WHERE image_id = %s", image)
    stack.sql("image", "UPDATE image SET created_at = created_at + interval '1 day' WHERE id = md5('t1')::uuid")
    stack.sql("image", "DELETE FROM image WHERE id = md5('t2')::uuid")
    assert not differing(stack)


def test_names_and_values_are_told_apart(stack, shelf):
    person = stack.person()
    body = {"name": "x", "ab": "c", "tags": ["abc"], "long": "y" * 255, "odd": "%s'\"\\\x01é"}
    image = stack.call("POST", "image", "/v2/images", body, person.token)["id"]
    for query, found in (("ab=c", True), ("a=bc", False), ("abc=", False), ("tag=abc", True), ("tag=ab", False), ("long=" + "y" * 255, True),
                         ("long=" + "y" * 254, False), ("odd=%25s%27%22%5C%01%C3%A9", True)):
        rows = stack.call("GET", "image", "/v2/images?" + query, token=person.token)["images"]
        assert [i["id"] for i in rows] == ([image] if found else []), query
