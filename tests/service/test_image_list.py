# SPDX-License-Identifier: Apache-2.0
"""GET /v2/images against a model of it: every filter and every order, over rows with ties and nulls, and the pages of each."""

import itertools
import os
from urllib.parse import parse_qsl, quote, urlsplit

import pytest

SERVICES = ["identity", "image"]
KEYS = ["name", "status", "container_format", "disk_format", "size", "id", "created_at", "updated_at"]
N = 24


def day(number):
    return f"2024-01-{number:02}T00:00:00Z"


@pytest.fixture(scope="module")
def shelf(stack):
    """A person with N images whose columns repeat with different periods, some null."""
    person = stack.person()
    person.images = []
    for i in range(N):
        body = {"name": [None, "a", "b:c", 'd,"e'][i % 4], "disk_format": ["raw", "qcow2", None][i % 3], "min_disk": i % 2, "min_ram": i % 5,
                "container_format": ["bare", None][i // 12], "tags": [f"t{i % 2}", f"u{i % 3}"], "color": ["red", "Red", "blue"][i % 3],
                "protected": i % 8 == 0, "os_hidden": i % 6 == 5}
        row = stack.call("POST", "image", "/v2/images", body, token=person.token)
        row |= {"size": [None, 10, 20][i % 3], "virtual_size": [None, 40][i % 2], "created_at": day(i % 4 + 1), "updated_at": day(i % 5 + 1),
                "checksum": [None, f"{i % 4}" * 32][i % 2], "os_hash_algo": "sha512", "os_hash_value": f"{i % 4}" * 128}
        stack.sql("image", "UPDATE image SET size = %s, virtual_size = %s, created_at = %s, updated_at = %s, checksum = %s, os_hash_algo = %s, "
                  "os_hash_value = %s WHERE id = %s", *(row[k] for k in ("size", "virtual_size", "created_at", "updated_at", "checksum", "os_hash_algo",
                                                                         "os_hash_value", "id")))
        person.images.append(row)
    return person


def value_of(row, key):
    none = {"size": -1}.get(key, "")
    return none if row[key] is None else row[key]


def ordered(rows, *sorts):
    """Glance's order: what ties goes by time and id, in the only direction that is given, else downwards."""
    tie = sorts[0][1] if len(sorts) == 1 else "desc"
    given = [key for key, _ in sorts]
    sorts = [*sorts, *((key, tie) for key in ("created_at", "id") if key not in given)]
    for key, direction in reversed(sorts):
        rows = sorted(rows, key=lambda row: value_of(row, key), reverse=direction == "desc")
    return rows


def ask(stack, person, query):
    return stack.call("GET", "image", "/v2/images" + query, token=person.token)


def listed(stack, person, query):
    return [row["id"] for row in ask(stack, person, query + ("&" if "?" in query else "?") + "limit=100")["images"]]


def paged(stack, person, query, limit):
    path, found = f"{query}{'&' if '?' in query else '?'}limit={limit}", []
    wanted = {(k, v) for k, v in parse_qsl(urlsplit(path).query)}
    while path:
        page = ask(stack, person, path)
        found += [row["id"] for row in page["images"]]
        assert {(k, v) for k, v in parse_qsl(urlsplit(page["first"]).query)} == wanted, "a filter is lost from `first`"
        path = page.get("next", "").removeprefix("/v2/images")
        assert not path or {(k, v) for k, v in parse_qsl(urlsplit(path).query) if k != "marker"} == wanted, "a filter is lost from `next`"
    return found


def visible(person, keep=lambda row: True):
    return [row for row in person.images if not row["os_hidden"] and keep(row)]


@pytest.mark.parametrize("key, direction", itertools.product(KEYS, ("asc", "desc")))
def test_every_order_of_one_key_in_both_syntaxes(stack, shelf, key, direction):
    expected = [row["id"] for row in ordered(visible(shelf), (key, direction))]
    assert listed(stack, shelf, f"?sort={key}:{direction}") == expected
    assert listed(stack, shelf, f"?sort_key={key}&sort_dir={direction}") == expected
    assert paged(stack, shelf, f"?sort={key}:{direction}", 3) == expected


@pytest.mark.parametrize("first, second", [("name", "size"), ("size", "name"), ("status", "updated_at"), ("disk_format", "id"), ("container_format", "created_at")])
def test_orders_of_two_keys(stack, shelf, first, second):
    for a, b in itertools.product(("asc", "desc"), repeat=2):
        expected = [row["id"] for row in ordered(visible(shelf), (first, a), (second, b))]
        assert listed(stack, shelf, f"?sort_key={first}&sort_dir={a}&sort_key={second}&sort_dir={b}") == expected
        assert paged(stack, shelf, f"?sort={first}:{a},{second}:{b}", 5) == expected


def test_a_direction_may_be_left_out(stack, shelf):
    down = [row["id"] for row in ordered(visible(shelf), ("name", "desc"))]
    assert listed(stack, shelf, "?sort=name") == listed(stack, shelf, "?sort=name:") == listed(stack, shelf, "?sort_key=name") == down
    assert listed(stack, shelf, "") == listed(stack, shelf, "?sort_dir=desc") == [row["id"] for row in ordered(visible(shelf), ("created_at", "desc"))]
    up = [row["id"] for row in sorted(visible(shelf), key=lambda row: (value_of(row, "size"), value_of(row, "name"), row["created_at"], row["id"]))]
    assert listed(stack, shelf, "?sort_key=size&sort_key=name&sort_dir=asc") == up, "one direction is that of all keys"
    every = ",".join(key + ":asc" for key in KEYS)
    assert len(listed(stack, shelf, "?sort=" + every)) == len(visible(shelf))


FILTERS = [
    ("name=a", lambda r: r["name"] == "a"),
    ("name=eq:a", lambda r: r["name"] == "a"),
    ("name=b:c", lambda r: r["name"] == "b:c"),
    ("name=in:a,b:c", lambda r: r["name"] in ("a", "b:c")),
    (f'name=in:{quote(chr(34) + "d," + chr(92) + chr(34) + "e" + chr(34))},a', lambda r: r["name"] in ("a", 'd,"e')),
    ("name=in:", lambda r: False),
    ("status=queued", lambda r: True),
    ("status=in:active,queued", lambda r: True),
    ("status=active", lambda r: False),
    ("disk_format=raw", lambda r: r["disk_format"] == "raw"),
    ("disk_format=in:raw,qcow2", lambda r: r["disk_format"] in ("raw", "qcow2")),
    ("container_format=bare", lambda r: r["container_format"] == "bare"),
    ("container_format=in:bare,ovf", lambda r: r["container_format"] == "bare"),
    ("visibility=shared", lambda r: True),
    ("visibility=all", lambda r: True),
    ("visibility=private", lambda r: False),
    ("owner={project}", lambda r: True),
    ("owner=nobody", lambda r: False),
    ("member_status=all", lambda r: True),
    ("protected=true", lambda r: r["protected"]),
    ("protected=false", lambda r: not r["protected"]),
    ("os_hidden=false", lambda r: True),
    ("size=10", lambda r: r["size"] == 10),
    ("size_min=11", lambda r: (r["size"] or 0) >= 11),
    ("size_max=10", lambda r: r["size"] is not None and r["size"] <= 10),
    ("size_min=10&size_max=19", lambda r: r["size"] == 10),
    ("size_min=-5", lambda r: r["size"] is not None),
    ("virtual_size=40", lambda r: r["virtual_size"] == 40),
    ("virtual_size_min=1", lambda r: r["virtual_size"] == 40),
    ("virtual_size_max=39", lambda r: False),
    ("min_disk=1", lambda r: r["min_disk"] == 1),
    ("min_disk_max=0", lambda r: r["min_disk"] == 0),
    ("min_ram_min=2&min_ram_max=3", lambda r: r["min_ram"] in (2, 3)),
    ("checksum=" + "3" * 32, lambda r: r["checksum"] == "3" * 32),
    ("os_hash_algo=sha512", lambda r: True),
    ("os_hash_value=" + "2" * 128, lambda r: r["os_hash_value"] == "2" * 128),
    ("tag=t1", lambda r: "t1" in r["tags"]),
    ("tag=t1&tag=u2", lambda r: {"t1", "u2"} <= set(r["tags"])),
    ("color=red", lambda r: r["color"] == "red"),
    ("color=red&min_disk=1", lambda r: r["color"] == "red" and r["min_disk"] == 1),
    ("color=green", lambda r: False),
    ("shade=red", lambda r: False),
    ("created_at=" + day(2), lambda r: r["created_at"] == day(2)),
    ("created_at=2024-01-02T01:00:00%2B01:00", lambda r: r["created_at"] == day(2)),
    ("deleted=true", lambda r: True),
    *((f"{column}={name}:{day(3)}", lambda r, column=column, compare=compare: compare(r[column], day(3)))
      for column in ("created_at", "updated_at")
      for name, compare in (("eq", str.__eq__), ("neq", str.__ne__), ("gt", str.__gt__), ("gte", str.__ge__), ("lt", str.__lt__), ("lte", str.__le__))),
]


@pytest.mark.parametrize("query, keep", FILTERS, ids=[f[0][:60] for f in FILTERS])
def test_every_filter_alone_and_page_by_page(stack, shelf, query, keep):
    query = "?" + query.replace("{project}", shelf.project_id)
    assert listed(stack, shelf, query) == [row["id"] for row in ordered(visible(shelf, keep), ("created_at", "desc"))]
    assert paged(stack, shelf, query + "&sort=name:asc", 4) == [row["id"] for row in ordered(visible(shelf, keep), ("name", "asc"))]


def test_ids_and_hidden_ones(stack, shelf):
    one, two = shelf.images[0]["id"], shelf.images[1]["id"]
    assert listed(stack, shelf, f"?id={one}") == [one]
    assert sorted(listed(stack, shelf, f"?id=in:{one},{two},{'0' * 8}-0000-0000-0000-{'0' * 12}")) == sorted([one, two])
    hidden = [row for row in shelf.images if row["os_hidden"]]
    assert listed(stack, shelf, "?os_hidden=True") == [row["id"] for row in ordered(hidden, ("created_at", "desc"))]
    # A marker need not be among what the filters leave.
    assert listed(stack, shelf, f"?os_hidden=true&sort=id:asc&marker={one}") == sorted(row["id"] for row in hidden if row["id"] > one)


@pytest.mark.parametrize("query", [
    "limit=x", "limit=-1", "limit=1.5", "marker=", "marker=x", "marker=" + "0" * 8 + "-0000-0000-0000-" + "0" * 12, "sort=", "sort=bad", "sort=name:up",
    "sort=min_ram", "sort_key=", "sort_key=owner", "sort_key=name&sort_dir=up", "sort=name&sort_dir=asc", "sort_key=name&sort_dir=asc&sort_dir=desc",
    "sort_dir=asc&sort_dir=desc", "visibility=x", "member_status=x", "os_hidden=maybe", "protected=True", "size=x", "size_min=x", "size_max=1.5",
    "virtual_size_min=x", "min_disk=x", "min_ram_max=x", "size=gt:10", "created_at=yesterday", "created_at=wat:" + day(1), "created_at=in:" + day(1),
    "updated_at=gt:", "updated_at=gt:x", "name=gt:a", "name=neq:a", "status=wat:active", "status=neq:active", "id=gt:x", "disk_format=x:raw",
    "container_format=lte:bare", "name=in:%22a", "name=in:a%22b%22", "name=in:%22a%22b", "changes-since=" + day(1)])
def test_what_makes_no_sense_is_400(stack, shelf, query):
    status, _, body = stack.request("GET", "image", "/v2/images?" + query, token=shelf.token)
    assert status == 400 and body


def test_a_marker_that_is_gone_or_not_for_the_viewer_is_400(stack, shelf):
    gone = stack.call("POST", "image", "/v2/images", {}, token=shelf.token)["id"]
    assert len(listed(stack, shelf, f"?marker={gone}")) == len(visible(shelf))
    assert stack.request("DELETE", "image", f"/v2/images/{gone}", token=shelf.token)[0] == 204
    other = stack.person()
    for person, marker in ((shelf, gone), (other, shelf.images[1]["id"])):
        assert stack.request("GET", "image", f"/v2/images?marker={marker}", token=person.token)[0] == 400


def test_limits(stack, shelf):
    nothing = ask(stack, shelf, "?limit=0")
    assert nothing["images"] == [] and "next" not in nothing
    n = len(visible(shelf))
    assert "next" not in ask(stack, shelf, f"?limit={n + 1}") and ask(stack, shelf, f"?limit={n}")["next"]
    assert len(ask(stack, shelf, "?limit=100000")["images"]) == n
    assert os.path.basename(ask(stack, shelf, "?limit=1")["schema"]) == "images"
