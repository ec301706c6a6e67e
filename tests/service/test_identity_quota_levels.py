# SPDX-License-Identifier: Apache-2.0
"""Limits on two levels, as Keystone's model: no project's limit is above its domain's, or above the default while the domain has none,
whatever is changed."""

import threading
import uuid

import pytest

from tests.lib.stack import LaunchError

SERVICES = ["identity"]
SETTINGS = {"identity": {"quota": {"enforcement_model": "strict_two_level"}}}


class Levels:
    """A domain with a project, and a resource with the default 10."""

    def __init__(self, stack):
        self.stack, self.token, self.name = stack, stack.admin_token(), "r" + uuid.uuid4().hex[:8]
        [self.service] = [s["id"] for s in self.ask("GET", "/services?type=network")[1]["services"]]
        self.domain = self.make("domains", "domain")
        self.project = self.make("projects", "project", domain_id=self.domain)
        made = self.ask("POST", "/registered_limits", {"registered_limits": [self.row(default_limit=10)]})[1]
        self.default = made["registered_limits"][0]["id"]

    def row(self, **more):
        return {"service_id": self.service, "resource_name": self.name, **more}

    def ask(self, method, path, body=None):
        status, _, reply = self.stack.request(method, "identity", "/v3" + path, body, token=self.token)
        return status, reply

    def make(self, plural, singular, **more):
        return self.ask("POST", f"/{plural}", {singular: {"name": uuid.uuid4().hex, **more}})[1][singular]["id"]

    def give(self, value, **target):
        status, reply = self.ask("POST", "/limits", {"limits": [self.row(resource_limit=value, **target)]})
        return reply["limits"][0]["id"] if status == 201 else (status, reply["error"]["message"])

    def set_default(self, value):
        return self.ask("PATCH", f"/registered_limits/{self.default}", {"registered_limit": {"default_limit": value}})[0]

    def change(self, limit_id, value):
        return self.ask("PATCH", f"/limits/{limit_id}", {"limit": {"resource_limit": value}})[0]

    def by_service(self, value):
        body = {"limits": [{"project_id": "", "service": "network", "resource": self.name, "value": value}]}
        return self.stack.request("POST", "identity", "/internal/v1/limits", body, token=self.token)[0]


@pytest.fixture
def levels(stack):
    return Levels(stack)


def test_a_default_bounds_projects_while_the_domain_has_no_limit(levels):
    status, message = levels.give(11, project_id=levels.project)
    assert status == 403 and "hierarchy model" in message
    mine = levels.give(10, project_id=levels.project)
    assert levels.set_default(9) == 403 and levels.by_service(9) == 403, "the default went below what a project has"
    assert levels.set_default(12) == 200 and levels.change(mine, 12) == 200 and levels.change(mine, 13) == 403
    assert levels.by_service(11) == 403 and levels.by_service(12) == 200
    assert levels.change(mine, 3) == 200 and levels.set_default(3) == 200


def test_a_domains_limit_bounds_its_projects_and_does_not_go_from_above_them(levels):
    above = levels.give(20, domain_id=levels.domain)
    mine = levels.give(20, project_id=levels.project)
    assert levels.change(mine, 21) == 403 and levels.change(mine, -1) == 403 and levels.change(above, 19) == 403
    assert levels.set_default(1) == 200, "the domain's own limit counts"
    assert levels.ask("DELETE", f"/limits/{above}")[0] == 403, "the default of 1 would bound a limit of 20"
    assert levels.ask("GET", f"/limits/{above}")[0] == 200
    assert levels.change(mine, 1) == 200 and levels.ask("DELETE", f"/limits/{above}")[0] == 204
    assert levels.ask("DELETE", f"/limits/{mine}")[0] == 204 and levels.set_default(0) == 200


def test_a_default_and_a_limit_that_race_do_not_pass_each_other(levels):
    mine, answers = levels.give(5, project_id=levels.project), {}
    for _ in range(5):
        assert levels.set_default(10) == 200 and levels.change(mine, 5) == 200
        threads = [threading.Thread(target=lambda: answers.update(default=levels.set_default(6))),
                   threading.Thread(target=lambda: answers.update(limit=levels.change(mine, 8)))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(answers.values()) == [200, 403], answers


def test_no_project_is_made_below_a_project(levels):
    status, body = levels.ask("POST", "/projects", {"project": {"name": "deep", "domain_id": levels.domain, "parent_id": levels.project}})
    assert status == 403 and "Max hierarchy depth reached" in body["error"]["message"]


def test_a_model_that_the_limits_break_is_refused_at_start(stack, levels):
    conf = stack.cloud.dir("etc") / "haneul-identity.conf"
    text = conf.read_text()

    def start(model):
        stack.stop("identity")
        conf.write_text(text.replace("strict_two_level", model))
        stack.start("identity")
    start("flat")
    try:
        mine = levels.give(99, project_id=levels.project)
        with pytest.raises(LaunchError):
            start("strict_two_level")
        assert "doesn't satisfy current hierarchy model" in stack.log("identity")
    finally:
        start("flat")
    assert levels.ask("DELETE", f"/limits/{mine}")[0] == 204
    start("strict_two_level")
    assert levels.ask("GET", "/limits/model")[1]["model"]["name"] == "strict_two_level"
