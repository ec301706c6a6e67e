# SPDX-License-Identifier: Apache-2.0
"""haneul-billing against a real database and broker; the services that own the usage are played by this test."""

import json
import random
import threading
import time
import uuid
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pika
import psycopg2
import pytest

from tests.lib.stack import Stack, wait_until

METERS = {"server.vcpu": Fraction(8, 1000) / 3600, "server.ram_mib": Fraction(4, 1000) / 1024 / 3600,
          "floatingip": Fraction(5, 1000) / 3600}


def now_us():
    return time.time_ns() // 1000


class Owner:
    """A service that owns usage: keeps its facts, announces them, and is asked for them again."""

    def __init__(self, name):
        self.name, self.facts, self.up = name, [], True
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def _handler(owner):
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                url = urlsplit(self.path)
                assert url.path == "/internal/v1/usage" and self.headers["X-Auth-Token"]
                query = {k: int(v[0]) for k, v in parse_qs(url.query).items()}
                page = {"service": owner.name, "last": len(owner.facts), "pending": 0, "settled_us": now_us(),
                        "facts": owner.facts[query["after"]:query["after"] + query["limit"]]}
                body = json.dumps(page).encode()
                self.send_response(200 if owner.up else 503)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass
        return Handler

    def fact(self, kind, interval, project_id, resource_id, meter, quantity, from_us, to_us=None):
        """Adds a fact with the next number and returns it."""
        fact = {"service": self.name, "sequence": len(self.facts) + 1, "kind": kind, "interval_id": interval,
                "project_id": project_id, "resource_type": meter.split(".")[0], "resource_id": resource_id,
                "resource_name": "name of " + resource_id, "meter": meter, "quantity": quantity, "from_us": from_us,
                "to_us": to_us, "request_id": "req-1"}
        self.facts.append(fact)
        return fact

    def life(self, project_id, meter, quantity, from_us, to_us):
        """The two facts of an interval that has ended."""
        interval, resource = str(uuid.uuid4()), str(uuid.uuid4())
        return [self.fact("open", interval, project_id, resource, meter, quantity, from_us),
                self.fact("close", interval, project_id, resource, meter, quantity, from_us, to_us)]


class World:
    def __init__(self):
        self.owners = {name: Owner(name) for name in ("compute", "network", "image")}
        self.compute = self.owners["compute"]
        self.stack = Stack(["identity", "billing"],
                           settings={"billing": {"billing": {f"{n}_url": o.url for n, o in self.owners.items()}}})

    def publish(self, facts, user="compute", key=None):
        bus = self.stack.bus_settings(user)
        link = pika.BlockingConnection(pika.ConnectionParameters(
            bus["host"], bus["port"], bus["vhost"], pika.PlainCredentials(bus["user"], bus["password"])))
        channel = link.channel()
        channel.confirm_delivery()
        while facts:
            n = random.randint(1, 5)
            part, facts = facts[:n], facts[n:]
            envelope = {"id": str(uuid.uuid4()), "type": "usage.facts", "version": 1, "time_us": now_us(),
                        "body": {"service": user, "facts": part}}
            channel.basic_publish("haneul", key or f"usage.{user}", json.dumps(envelope), pika.BasicProperties(user_id=user))
        link.close()

    def get(self, project_id, what="cost", token=None, method="GET"):
        status, _, body = self.stack.request(method, "billing", f"/v1/accounts/{project_id}/{what}",
                                             token=token or self.stack.admin_token())
        return status, body

    def cost(self, project_id):
        status, body = self.get(project_id)
        assert status == 200, body
        return body

    def ingested(self, service="compute"):
        rows = self.stack.sql("billing", "SELECT contiguous FROM source WHERE service = %s", service)
        return rows[0]["contiguous"] if rows else 0

    def wait_ingested(self, timeout=20):
        wait_until(lambda: self.ingested() == len(self.compute.facts), timeout, "not all facts were taken in")


@pytest.fixture(scope="module")
def world():
    it = World()
    with it.stack:
        yield it


def project():
    return uuid.uuid4().hex


def exact(meter, quantity, duration_us):
    return METERS[meter] * quantity * Fraction(duration_us, 1000000)


def check_sum(bill):
    assert sum(Fraction(line["amount"]) for line in bill["lines"]) == Fraction(bill["total"])


def test_facts_in_any_order_and_twice_cost_the_same(world):
    account, wanted, facts = project(), Fraction(0), []
    for _ in range(60):
        meter, quantity = random.choice(list(METERS)), random.randint(1, 4096)
        start = now_us() - random.randint(10**9, 10**12)
        length = random.randint(0, 10**9)
        facts += world.compute.life(account, meter, quantity, start, start + length)
        wanted += exact(meter, quantity, length)
    facts = facts * 2
    random.shuffle(facts)
    world.publish(facts)
    world.wait_ingested()
    bill = world.cost(account)
    check_sum(bill)
    assert abs(Fraction(bill["total"]) - wanted) <= Fraction(len(bill["lines"]), 2 * 10**9)
    rows = world.stack.sql("billing", "SELECT count(*) AS n FROM interval WHERE project_id = %s", account)
    assert rows[0]["n"] == 60


def test_a_lost_fact_is_asked_for_again(world):
    account = project()
    start = now_us() - 10**9
    lost = world.compute.life(account, "server.vcpu", 2, start, start + 10**8)
    sent = world.compute.life(account, "server.vcpu", 3, start, start + 10**8)
    world.publish(sent)
    world.wait_ingested()
    assert len(world.cost(account)["lines"]) == 2, lost


def test_running_cost_grows_with_time(world):
    account, interval = project(), str(uuid.uuid4())
    start = now_us() - 3600 * 10**6
    world.publish([world.compute.fact("open", interval, account, "s1", "server.vcpu", 4, start)])
    world.wait_ingested()
    one, two = world.cost(account), world.cost(account)
    line = two["lines"][0]
    assert line["open"] and line["seconds"] in range(3600, 3660) and line["quantity"] == 4
    assert Fraction(two["total"]) > Fraction(one["total"]) > 0
    assert abs(Fraction(line["amount"]) - exact("server.vcpu", 4, line["duration_us"])) <= Fraction(1, 2 * 10**9)
    assert one["currency"] == "USD" and one["as_of"] < two["as_of"]
    world.publish([world.compute.fact("close", interval, account, "s1", "server.vcpu", 4, start, start + 90 * 10**6)])
    world.wait_ingested()
    line = world.cost(account)["lines"][0]
    assert not line["open"] and line["duration_us"] == 90 * 10**6
    status, usage = world.get(account, "usage")
    assert status == 200 and [u["duration_us"] for u in usage["usage"]] == [90 * 10**6]


def test_a_tenant_sees_only_its_own(world):
    person, other = world.stack.person(), world.stack.person()
    assert world.get(person.project_id, token=person.token)[0] == 200
    for what in ("cost", "usage", "statement", "statements"):
        assert world.get(other.project_id, what, person.token)[0] == 403
    assert world.stack.request("GET", "billing", f"/v1/accounts/{person.project_id}/cost")[0] == 401
    assert world.get(other.project_id, "statement", person.token, "POST")[0] == 403


def test_a_final_statement_adds_up_and_never_changes(world):
    person = world.stack.person()
    start = now_us() - 10**9
    for meter in METERS:
        world.publish(world.compute.life(person.project_id, meter, 7, start, start + 123456789))
    status, preview = world.get(person.project_id, "statement", person.token)
    assert status == 200 and preview["complete"] and preview["final"] and len(preview["lines"]) == 3, preview
    check_sum(preview)
    status, closed = world.get(person.project_id, "statement", person.token, "POST")
    assert status == 201, closed
    check_sum(closed)
    assert [line["amount"] for line in closed["lines"]] == [line["amount"] for line in preview["lines"]]
    status, shown = world.get(person.project_id, f"statements/{closed['id']}", person.token)
    assert status == 200 and shown == closed
    assert len(world.get(person.project_id, "statements", person.token)[1]["statements"]) == 1
    rows = world.stack.sql("billing", "SELECT coalesce(sum(e.amount_nano), 0) AS n, count(*) AS entries FROM ledger_entry e"
                           " JOIN ledger_transaction t ON t.id = e.transaction_id WHERE t.statement_id = %s", closed["id"])
    assert rows[0]["n"] == 0 and rows[0]["entries"] >= 4
    rows = world.stack.sql("billing", "SELECT sum(amount_nano) AS n FROM statement_line WHERE statement_id = %s", closed["id"])
    assert Fraction(int(rows[0]["n"]), 10**9) == Fraction(closed["total"])
    for table in ("statement", "statement_line", "ledger_entry", "ledger_transaction", "price"):
        with pytest.raises(psycopg2.errors.CheckViolation):
            world.stack.sql("billing", f"DELETE FROM {table}")


def test_the_next_statement_begins_where_the_last_ended(world):
    account, interval = project(), str(uuid.uuid4())
    start = now_us() - 10**9
    world.publish([world.compute.fact("open", interval, account, "s1", "server.vcpu", 1, start)])
    world.wait_ingested()
    status, first = world.get(account, "statement", method="POST")
    assert status == 201 and not first["final"]
    end = now_us()
    world.publish([world.compute.fact("close", interval, account, "s1", "server.vcpu", 1, start, end)])
    status, second = world.get(account, "statement", method="POST")
    assert status == 201 and second["from"] == first["to"] and second["final"]
    lengths = [s["lines"][0]["duration_us"] for s in (first, second)]
    assert sum(lengths) == end - start


def test_the_ledger_refuses_what_does_not_balance(world):
    with pytest.raises(psycopg2.errors.CheckViolation):
        world.stack.sql("billing", "WITH t AS (INSERT INTO ledger_transaction (kind, currency) VALUES ('statement', 'USD')"
                        " RETURNING id) INSERT INTO ledger_entry (transaction_id, account, amount_nano)"
                        " SELECT id, 'receivable:x', 5 FROM t")


def test_without_a_service_the_statement_is_not_complete(world):
    account = project()
    start = now_us() - 10**9
    world.publish(world.compute.life(account, "server.vcpu", 1, start, start + 10**6))
    world.wait_ingested()
    world.owners["network"].up = False
    try:
        status, body = world.get(account, "statement")
        assert status == 200 and not body["complete"] and not body["final"] and body["incomplete_services"] == "network"
        assert world.get(account, "statement", method="POST")[0] == 409
    finally:
        world.owners["network"].up = True


def test_a_fact_in_anothers_name_is_refused(world):
    account = project()
    forged = dict(world.compute.facts[0], service="compute", sequence=10**6, project_id=account, interval_id=str(uuid.uuid4()))
    world.publish([forged], user="network", key="usage.network")
    for broken in ({"service": "compute"}, None, "x", dict(forged, quantity=-1), dict(forged, to_us=1)):
        world.publish([broken])
    start = now_us() - 10**9
    world.publish(world.compute.life(account, "server.vcpu", 1, start, start + 10**6))
    world.wait_ingested()
    assert len(world.cost(account)["lines"]) == 1


def test_kill_in_the_middle_of_ingestion_counts_everything_once(world):
    account, facts = project(), []
    start = now_us() - 10**10
    for i in range(400):
        facts += world.compute.life(account, "server.vcpu", 1, start, start + 10**6)
    sender = threading.Thread(target=world.publish, args=(facts,))
    sender.start()
    for _ in range(3):
        time.sleep(0.3)
        world.stack.kill("billing")
        world.stack.start("billing")
    sender.join()
    world.wait_ingested(60)
    rows = world.stack.sql("billing", "SELECT count(*) AS n, sum(to_us - from_us)::bigint AS us FROM interval WHERE project_id = %s", account)
    assert rows[0] == {"n": 400, "us": 400 * 10**6}


def test_a_cut_database_connection_loses_nothing(world):
    account, facts = project(), []
    start = now_us() - 10**10
    for i in range(300):
        facts += world.compute.life(account, "server.vcpu", 1, start, start + 10**6)
    sender = threading.Thread(target=world.publish, args=(facts,))
    sender.start()
    for _ in range(10):
        world.stack.sql("billing", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = current_user"
                        " AND datname = current_database() AND pid <> pg_backend_pid()")
        time.sleep(0.1)
    sender.join()
    world.wait_ingested(60)
    rows = world.stack.sql("billing", "SELECT count(*) AS n FROM interval WHERE project_id = %s AND to_us IS NOT NULL", account)
    assert rows[0]["n"] == 300


PRICE = {"meter": "test.meter", "kind": "graduated", "unit_quantity": 1, "unit_seconds": 1,
         "tiers": [{"up_to": 10, "price": "1.5"}, {"up_to": None, "price": "0.000000001"}]}


def post_price(world, token=None, **change):
    price = {k: v for k, v in {**PRICE, **change}.items() if v is not ...}
    status, _, body = world.stack.request("POST", "billing", "/v1/prices", {"price": price}, token or world.stack.admin_token())
    return status, body


def test_a_price_is_added_and_never_changed(world):
    status, body = post_price(world)
    assert status == 201 and body["price"]["version"] == 1 and body["price"]["currency"] == "USD", body
    status, body = post_price(world, minimum="2")
    assert status == 201 and body["price"]["version"] == 2, (status, body)
    assert post_price(world, token=world.stack.person().token)[0] == 403
    assert post_price(world, effective_from="2020-01-01T00:00:00Z")[0] == 409
    assert post_price(world, currency="EUR")[0] == 409
    status, _, body = world.stack.request("GET", "billing", "/v1/prices?meter=test.meter", token=world.stack.person().token)
    assert status == 200 and [p["version"] for p in body["prices"]] == [1, 2]


@pytest.mark.parametrize("change, field", [
    ({"meter": ...}, "meter"), ({"meter": 5}, "meter"), ({"kind": "free"}, "kind"), ({"unit_quantity": 0}, "unit_quantity"),
    ({"unit_seconds": 10**12}, "unit_seconds"), ({"tiers": []}, "tiers"), ({"tiers": [{"price": "x"}]}, "price"),
    ({"tiers": [{"price": "1", "up_to": 5}]}, "up_to"), ({"kind": "flat"}, "tiers"), ({"minimum": "-1"}, "minimum"),
    ({"effective_from": "soon"}, "effective_from"), ({"currency": "usd"}, "currency"), ({"other": 1}, "other"),
])
def test_a_bad_price_is_refused_naming_the_field(world, change, field):
    status, body = post_price(world, **change)
    assert status == 400 and field in json.dumps(body), body


@pytest.mark.parametrize("query, name", [("from=x", "from"), ("to=2100-01-01T00:00:00Z", "to"), ("limit=0", "limit"),
                                         ("from=2026-02-01T00:00:00Z&to=2026-01-01T00:00:00Z", "from"), ("marker=1", "marker")])
def test_a_bad_query_is_refused_naming_the_parameter(world, query, name):
    status, body = world.get(project(), "usage?" + query)
    assert status == 400 and name in json.dumps(body), body


def test_the_cloudkitty_summary_agrees(world):
    person = world.stack.person()
    start = now_us() - 10**8
    world.publish(world.compute.life(person.project_id, "floatingip", 3, start, start + 10**7))
    world.wait_ingested()
    status, _, body = world.stack.request("GET", "billing", "/v2/summary?groupby=type,project_id&begin=2020-01-01T00:00:00", token=person.token)
    assert status == 200 and body["columns"] == ["begin", "end", "qty", "rate", "type", "project_id"], body
    [row] = body["results"]
    assert row[4:] == ["floatingip", person.project_id]
    assert abs(row[3] - float(exact("floatingip", 3, 10**7))) < 1e-9
    status, _, _ = world.stack.request("GET", "billing", f"/v2/summary?filters=project_id:{project()}", token=person.token)
    assert status == 403
    status, _, total = world.stack.request("GET", "billing", "/v1/report/total", token=person.token)
    assert status == 200 and abs(total - row[3]) < 1e-12
    status, _, body = world.stack.request("GET", "billing", "/v1/report/summary?groupby=res_type", token=person.token)
    assert status == 200 and [(r["tenant_id"], r["res_type"]) for r in body["summary"]] == [("ALL", "floatingip")]
    for path in ("/v1/report/tenants", "/v1/report/total?all_tenants=true", f"/v1/report/summary?tenant_id={project()}"):
        assert world.stack.request("GET", "billing", path, token=person.token)[0] == 403
    status, _, tenants = world.stack.request("GET", "billing", "/v1/report/tenants", token=world.stack.admin_token())
    assert status == 200 and person.project_id in tenants
    status, _, versions = world.stack.request("GET", "billing", "/")
    assert status == 200 and [v["id"] for v in versions] == ["v1", "v2"]


def test_the_usage_listing_is_paged(world):
    account = project()
    start = now_us() - 10**10
    for i in range(7):
        world.publish(world.compute.life(account, "server.vcpu", 1, start + i // 2, start + 10**6))
    world.wait_ingested()
    seen, marker = [], ""
    while marker is not None:
        status, body = world.get(account, f"usage?limit=3{marker}")
        assert status == 200
        seen += [u["id"] for u in body["usage"]]
        marker = f"&marker={body['next_marker']}" if "next_marker" in body else None
    assert len(seen) == len(set(seen)) == 7
