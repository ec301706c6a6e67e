# SPDX-License-Identifier: Apache-2.0
"""Limits in a tree of projects: what is given away never exceeds what is there, and the services see each project's share."""

import concurrent.futures
import time
import uuid

import psycopg2
import pytest

from tests.lib.stack import LaunchError, wait_until

SERVICES = ["identity", "network"]
SETTINGS = {"identity": {"quota": {"enforcement_model": "strict_tree"}}}


class Tree:
    def __init__(self, stack):
        self.stack, self.token = stack, stack.admin_token()
        [self.network] = [s["id"] for s in self.ask("GET", "/services?type=network")[1]["services"]]
        self.domain = self.make("domains", "domain")

    def ask(self, method, path, body=None):
        status, _, reply = self.stack.request(method, "identity", "/v3" + path, body, token=self.token)
        return status, reply

    def make(self, plural, singular, **more):
        return self.ask("POST", f"/{plural}", {singular: {"name": uuid.uuid4().hex, **more}})[1][singular]["id"]

    def project(self, parent=None):
        return self.make("projects", "project", domain_id=self.domain, **({"parent_id": parent} if parent else {}))

    def give(self, target, value, name="port"):
        key = "domain_id" if target == self.domain else "project_id"
        body = {"service_id": self.network, "resource_name": name, "resource_limit": value, key: target}
        status, reply = self.ask("POST", "/limits", {"limits": [body]})
        return reply["limits"][0]["id"] if status == 201 else status

    def change(self, limit_id, value):
        return self.ask("PATCH", f"/limits/{limit_id}", {"limit": {"resource_limit": value}})[0]

    def share(self, project_id, name="port"):
        return self.stack.call("GET", "network", f"/v2.0/quotas/{project_id}", token=self.token)["quota"][name]

    def shares(self, *wanted):
        start = time.monotonic()
        wait_until(lambda: [self.share(p) for p, _ in wanted] == [v for _, v in wanted], 5, f"the shares become {[v for _, v in wanted]}", interval_s=0.02)
        assert time.monotonic() - start < 1


@pytest.fixture
def tree(stack):
    return Tree(stack)


def test_the_model_is_shown(tree):
    assert tree.ask("GET", "/limits/model")[1]["model"]["name"] == "strict_tree"


def test_what_is_given_comes_out_of_the_giver_at_any_depth(tree):
    a = tree.project()
    b, c = tree.project(a), tree.project(a)
    d = tree.project(b)
    e = tree.project(d)  # a > b > d > e, a > c
    tree.shares((a, 500), (e, 500))
    in_a = tree.give(a, 100)
    tree.shares((a, 100), (b, 0), (c, 0), (d, 0), (e, 0))
    in_e = tree.give(e, 30)  # nobody between has a limit: it is a's
    tree.shares((a, 70), (b, 0), (d, 0), (e, 30))
    assert tree.give(c, 71) == 403
    in_c = tree.give(c, 70)
    tree.shares((a, 0), (c, 70))
    assert tree.give(b, 20) == 403  # e below it has 30 already
    assert tree.give(b, 31) == 403  # a has no more to give
    assert tree.change(in_c, 69) == 200 and tree.change(in_c, 71) == 403
    in_b = tree.give(b, 31)
    tree.shares((a, 0), (b, 1), (d, 0), (e, 30), (c, 69))
    assert tree.change(in_a, 99) == 403 and tree.change(in_b, 29) == 403 and tree.change(in_e, 32) == 403
    assert tree.change(in_e, -1) == 403  # without end does not fit into anything
    assert tree.ask("DELETE", f"/limits/{in_b}")[0] == 204
    tree.shares((a, 1), (b, 0), (e, 30))
    assert tree.ask("DELETE", f"/projects/{c}")[0] == 204  # what it had goes back
    tree.shares((a, 70))
    assert tree.ask("DELETE", f"/limits/{in_a}")[0] == 204
    tree.shares((a, 500), (b, 500), (d, 500), (e, 30))


def test_a_domain_limits_its_projects_and_new_ones_begin_with_nothing(tree):
    old = tree.project()
    in_domain = tree.give(tree.domain, 10)
    tree.shares((old, 0))
    assert tree.give(old, 11) == 403
    in_old = tree.give(old, 10)
    new = tree.project(old)
    tree.shares((new, 0), (old, 10))
    assert tree.give(new, 4) not in (400, 403)
    tree.shares((new, 4), (old, 6))
    assert tree.change(in_domain, 9) == 403 and tree.change(in_old, 9) == 200 and tree.change(in_domain, 9) == 200


def test_a_put_in_neutron_is_bound_by_the_tree_and_leaves_nothing_half(tree):
    a = tree.project()
    b = tree.project(a)
    tree.give(a, 5)
    path = f"/v2.0/quotas/{b}"
    status, _, reply = tree.stack.request("PUT", "network", path, {"quota": {"router": 3, "port": 6}}, token=tree.token)
    assert status == 403 and "hierarchy model" in str(reply)
    assert tree.ask("GET", f"/limits?project_id={b}")[1]["limits"] == [] and tree.share(b, "router") == 10
    status, _, reply = tree.stack.request("PUT", "network", path, {"quota": {"router": 3, "port": 5}}, token=tree.token)
    assert status == 200 and (reply["quota"]["router"], reply["quota"]["port"]) == (3, 5)
    tree.shares((a, 0), (b, 5))


def test_sixteen_writers_never_give_more_than_there_is(tree):
    a = tree.project()
    children = [tree.project(a) for _ in range(16)]
    tree.give(a, 100)

    def storm(child):
        made = tree.give(child, 10)
        if isinstance(made, int):
            return made
        return [tree.change(made, value) for value in (20, 5, 40, 7)]
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(storm, children))
    assert {s for a in answers for s in (a if isinstance(a, list) else [a])} <= {200, 403}
    limits = tree.ask("GET", "/limits")[1]["limits"]
    given = sum(row["resource_limit"] for row in limits if row["project_id"] in children)
    assert 0 < given <= 100
    tree.shares((a, 100 - given))


def test_a_limit_of_a_region_does_not_go_from_above_what_was_given(tree):
    """The limit of no region is in force then, and would be less than what those below have."""
    top = tree.project()
    below = tree.project(top)
    [region] = {e["region_id"] for e in tree.ask("GET", f"/endpoints?service_id={tree.network}")[1]["endpoints"]}
    assert isinstance(tree.give(top, 5), str)
    status, reply = tree.ask("POST", "/limits", {"limits": [{"service_id": tree.network, "resource_name": "port", "resource_limit": 50, "project_id": top,
                                                            "region_id": region}]})
    assert status == 201 and isinstance(tree.give(below, 20), str)
    path = "/limits/" + reply["limits"][0]["id"]
    assert tree.ask("DELETE", path)[0] == 403 and tree.ask("GET", path)[0] == 200
    [given] = tree.ask("GET", f"/limits?project_id={below}")[1]["limits"]
    assert tree.change(given["id"], 5) == 200 and tree.ask("DELETE", path)[0] == 204


@pytest.mark.parametrize("first", ["project", "limit"])
def test_a_project_made_while_a_limit_is_put_above_it_has_nothing(stack, tree, first):
    a, made = tree.project(), uuid.uuid4().hex
    steps = {"project": ("INSERT INTO project (id, domain_id, parent_id, name) VALUES (%s, %s, %s, %s)", (made, tree.domain, a, made)),
             "limit": ("INSERT INTO project_limit (id, service_id, project_id, resource_name, resource_limit) VALUES (%s, %s, %s, 'port', 5)",
                       (uuid.uuid4().hex, tree.network, a))}
    links = {step: psycopg2.connect(stack.dsn("identity"), options="-c search_path=identity,public") for step in steps}
    second = "limit" if first == "project" else "project"

    def run(step):
        links[step].cursor().execute(*steps[step])
    try:
        run(first)
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(run, second)
            waits = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
            wait_until(lambda: waiting.done() or stack.sql("identity", waits), 5, "the second waits for the first", interval_s=0.02)
            assert not waiting.done(), waiting.exception()
            links[first].commit()
            waiting.result(5)
        links[second].commit()
    finally:
        for link in links.values():
            link.close()
    tree.shares((made, 0), (a, 5))


def test_the_model_of_two_levels_is_refused_while_projects_are_deeper(stack, tree):
    tree.project(tree.project())
    conf = stack.cloud.dir("etc") / "haneul-identity.conf"
    text = conf.read_text()
    try:
        stack.stop("identity")
        conf.write_text(text.replace("strict_tree", "strict_two_level"))
        with pytest.raises(LaunchError):
            stack.start("identity")
        assert "is deeper than 1 below its domain" in stack.log("identity")
    finally:
        conf.write_text(text.replace("strict_tree", "flat"))
        stack.start("identity")
    assert tree.ask("GET", "/limits/model")[1]["model"]["name"] == "flat"
