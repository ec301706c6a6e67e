# SPDX-License-Identifier: Apache-2.0
"""A tenant asks for another limit; an admin decides, and it holds."""

import pytest

from tests.lib.stack import wait_until

SERVICES = ["identity", "network"]
PATH = "/accounts/v1/limit-requests"


class Asker:
    def __init__(self, stack, person):
        self.stack, self.person, self.token = stack, person, person.token

    def body(self, **more):
        return {"project_id": self.person.project_id, "service": "network", "resource": "network", "value": 150, "reason": "we grow", **more}

    def ask(self, method="POST", path="", body=None, token=None):
        status, _, reply = self.stack.request(method, "identity", PATH + path, body, token=token or self.token)
        return status, reply

    def make(self, **more):
        status, reply = self.ask(body=self.body(**more))
        assert status == 201, reply
        return reply["limit_request"]

    def decide(self, made, verb, body=None, token=None):
        return self.ask(path=f"/{made['id']}/{verb}", body=body, token=token or self.stack.admin_token())

    def quota(self, name="network"):
        return self.stack.call("GET", "network", f"/v2.0/quotas/{self.person.project_id}", token=self.token)["quota"][name]

    def trail(self):
        rows = self.stack.sql("identity", "SELECT action, actor_id, detail FROM audit WHERE project_id = %s AND action LIKE 'limit.%%' ORDER BY n", self.person.project_id)
        return [(row["action"], row["actor_id"] == self.person.user_id, row["detail"].get("granted")) for row in rows]


@pytest.fixture
def asker(stack):
    return Asker(stack, stack.person())


def test_what_is_approved_holds_within_a_second_and_is_recorded(stack, asker):
    made = asker.make()
    assert (made["status"], made["value"], made["granted"], made["user_id"]) == ("pending", 150, None, asker.person.user_id)
    assert asker.ask("GET", f"/{made['id']}") == (200, {"limit_request": made}) and "decided_by" not in made
    status, reply = asker.decide(made, "approve", {"value": 120, "note": "for now"})
    assert status == 200 and (reply["limit_request"]["status"], reply["limit_request"]["granted"]) == ("approved", 120)
    wait_until(lambda: asker.quota() == 120, 1, "the limit holds")
    assert asker.trail() == [("limit.request", True, None), ("limit.approve", False, 120)]
    [shown] = asker.ask("GET", "?status=approved")[1]["limit_requests"]
    assert shown["note"] == "for now" and asker.ask("GET", "?status=pending")[1]["limit_requests"] == []
    for verb, body in (("approve", {}), ("refuse", {"note": "no"}), ("withdraw", None)):
        assert asker.decide(made, verb, body)[0] == 409


def test_refused_and_withdrawn_change_nothing(asker):
    made = asker.make()
    assert asker.decide(made, "refuse", {"note": "no room\nsorry"})[1]["limit_request"]["status"] == "refused"
    again = asker.make(value=101)
    assert asker.ask(path=f"/{again['id']}/withdraw")[1]["limit_request"]["status"] == "withdrawn"
    assert asker.quota() == 100 and [row[0] for row in asker.trail()] == ["limit.request", "limit.refuse", "limit.request", "limit.withdraw"]


def test_a_project_asks_once_for_a_thing_by_either_of_its_names(asker):
    asker.make(service="compute", resource="cores")
    assert asker.ask(body=asker.body(service="compute", resource="class:VCPU"))[0] == 409
    asker.make()


def test_others_see_and_decide_nothing(stack, asker):
    made, other = asker.make(), Asker(stack, stack.person())
    assert other.ask("GET", f"/{made['id']}")[0] == 404 and other.ask("GET")[1]["limit_requests"] == []
    assert other.ask(path=f"/{made['id']}/withdraw")[0] == 404
    assert other.ask(body=asker.body())[0] == 403
    reader = Asker(stack, stack.person("reader"))
    assert reader.ask(body=reader.body())[0] == 403
    for one in (asker, other):
        assert one.decide(made, "approve", {}, one.token)[0] == 403 and one.decide(made, "refuse", {"note": "x"}, one.token)[0] == 403
    status, reply = asker.ask("GET", f"/{made['id']}")
    assert status == 200 and reply["limit_request"]["status"] == "pending"


@pytest.mark.parametrize("field,value", [("project_id", 1), ("service", "gold"), ("resource", "gold"), ("value", -1), ("value", 1 << 31),
                                         ("value", "x"), ("reason", ""), ("reason", "a\x01"), ("reason", "x" * 2001), ("more", 1)])
def test_a_wrong_field_is_named(asker, field, value):
    status, reply = asker.ask(body=asker.body(**{field: value}))
    assert status == 400 and ("resource" if field == "service" else field) in reply["error"]["message"]


def test_more_than_was_asked_is_not_granted(asker):
    made = asker.make()
    status, reply = asker.decide(made, "approve", {"value": 151})
    assert status == 400 and "'value'" in reply["error"]["message"] and asker.quota() == 100


def test_who_has_an_account_gets_a_mail(stack, asker):
    stack.sql("identity", "INSERT INTO account (user_id, email, locale, state) VALUES (%s, %s, 'ko', 'active')",
              asker.person.user_id, f"{asker.person.user}@example.org")
    made = asker.make()
    asker.decide(made, "approve", {"note": "good luck"})

    def mine():
        return [m for m in stack.mails() if m["to"] == [f"{asker.person.user}@example.org"]]
    wait_until(mine, 10, "the mail came")
    [mail] = mine()
    assert "good luck" in mail["text"] and "network network = 150" in mail["text"] and "승인" in mail["subject"] + mail["text"]
