# SPDX-License-Identifier: Apache-2.0
"""Limits are identity's rows, whichever API shows or sets them; a change is felt everywhere within a second."""

import time
import uuid

import pytest

from tests.lib.stack import wait_until

SERVICES = ["identity", "image", "network", "compute"]
NOVA, NEUTRON = "/v2.1/os-quota-sets/", "/v2.0/quotas/"


@pytest.fixture(scope="module")
def admin(stack):
    return Admin(stack)


class Admin:
    def __init__(self, stack):
        self.stack, self.token = stack, stack.admin_token()
        self.services = {s["type"]: s["id"] for s in self.identity("GET", "/services")[1]["services"]}

    def ask(self, method, service, path, body=None, **more):
        status, _, reply = self.stack.request(method, service, path, body, token=self.token, **more)
        return status, reply

    def identity(self, method, path, body=None):
        return self.ask(method, "identity", "/v3" + path, body)

    def registered(self, service, name):
        [row] = self.identity("GET", f"/registered_limits?service_id={self.services[service]}&resource_name={name}")[1]["registered_limits"]
        return row

    def limits(self, project_id):
        rows = self.identity("GET", f"/limits?project_id={project_id}")[1]["limits"]
        return {row["resource_name"]: row["resource_limit"] for row in rows}

    def create(self, service, name, value, **target):
        return self.identity("POST", "/limits", {"limits": [{"service_id": self.services[service], "resource_name": name, "resource_limit": value, **target}]})

    def nova(self, project_id, name, more=""):
        return self.ask("GET", "compute", NOVA + project_id + more)[1]["quota_set"][name]

    def neutron(self, project_id, name, more=""):
        return self.ask("GET", "network", NEUTRON + project_id + more)[1]["quota"][name]


def within_a_second(ready, what):
    start = time.monotonic()
    wait_until(ready, 10, what, interval_s=0.02)
    assert time.monotonic() - start < 1, what


def test_every_service_shows_the_registered_limits_as_its_defaults(stack, admin):
    rows = admin.identity("GET", "/registered_limits")[1]["registered_limits"]
    types = {v: k for k, v in admin.services.items()}
    registered = {(types[r["service_id"]], r["resource_name"]): r["default_limit"] for r in rows}
    assert len(registered) == len(rows) == 27 and all(r["region_id"] is None for r in rows)
    project_id = stack.person().project_id
    nova = admin.ask("GET", "compute", NOVA + project_id + "/defaults")[1]["quota_set"]
    assert nova.pop("id") == project_id
    names = {"instances": "servers", "cores": "class:VCPU", "ram": "class:MEMORY_MB", "metadata_items": "server_metadata_items", "key_pairs": "server_key_pairs",
             "injected_files": "server_injected_files", "injected_file_content_bytes": "server_injected_file_content_bytes",
             "injected_file_path_bytes": "server_injected_file_path_bytes"}
    assert {("compute", names.get(k, k)): v for k, v in nova.items()} == {k: v for k, v in registered.items() if k[0] == "compute"}
    neutron = admin.ask("GET", "network", NEUTRON + "x/default")[1]["quota"]
    assert {("network", k): v for k, v in neutron.items()} == {k: v for k, v in registered.items() if k[0] == "network"}
    usage = stack.call("GET", "image", "/v2/info/usage", token=admin.token)["usage"]
    assert {("image", k): v["limit"] for k, v in usage.items()} == {k: v for k, v in registered.items() if k[0] == "image"}


def test_a_put_in_nova_is_a_limit_and_the_other_way_round(stack, admin):
    project_id = stack.person().project_id
    assert admin.ask("PUT", "compute", NOVA + project_id, {"quota_set": {"cores": 7, "instances": 3}})[1]["quota_set"]["cores"] == 7
    assert admin.limits(project_id) == {"class:VCPU": 7, "servers": 3}
    [row] = admin.identity("GET", f"/limits?project_id={project_id}&resource_name=servers")[1]["limits"]
    assert admin.identity("PATCH", f"/limits/{row['id']}", {"limit": {"resource_limit": 5}})[0] == 200
    within_a_second(lambda: admin.nova(project_id, "instances") == 5, "the limit reaches nova")
    assert admin.identity("DELETE", f"/limits/{row['id']}")[0] == 204
    within_a_second(lambda: admin.nova(project_id, "instances") == 10, "the default comes back")
    assert admin.ask("DELETE", "compute", NOVA + project_id)[0] == 202
    assert admin.limits(project_id) == {} and admin.nova(project_id, "cores") == 20


def test_a_put_in_neutron_is_a_limit_and_the_other_way_round(stack, admin):
    project_id = stack.person().project_id
    assert admin.ask("DELETE", "network", NEUTRON + project_id)[0] == 404
    assert admin.ask("PUT", "network", NEUTRON + project_id, {"quota": {"network": 7}})[1]["quota"]["network"] == 7
    assert admin.limits(project_id) == {"network": 7}
    assert admin.create("network", "port", 9, project_id=project_id)[0] == 201
    within_a_second(lambda: admin.neutron(project_id, "port") == 9, "the limit reaches neutron")
    [own] = [q for q in admin.ask("GET", "network", "/v2.0/quotas")[1]["quotas"] if q["project_id"] == project_id]
    assert (own["network"], own["port"], own["router"]) == (7, 9, 10)
    assert admin.ask("DELETE", "network", NEUTRON + project_id)[0] == 204
    assert admin.limits(project_id) == {} and admin.neutron(project_id, "network") == 100


def test_a_limit_reaches_glance(stack, admin):
    person = stack.person()
    assert admin.create("image", "image_count_total", 1, project_id=person.project_id)[0] == 201

    def shown():
        return stack.call("GET", "image", "/v2/info/usage", token=person.token)["usage"]["image_count_total"]
    within_a_second(lambda: shown() == {"usage": 0, "limit": 1}, "the limit reaches glance")
    assert stack.request("POST", "image", "/v2/images", {"name": "one"}, token=person.token)[0] == 201
    assert stack.request("POST", "image", "/v2/images", {"name": "two"}, token=person.token)[0] == 413


def test_the_default_class_is_the_registered_limits(stack, admin):
    path, project_id = "/v2.1/os-quota-class-sets/default", stack.person().project_id
    before = admin.registered("compute", "server_key_pairs")["default_limit"]
    admin.ask("PUT", "compute", NOVA + stack.person().project_id, {"quota_set": {"key_pairs": 3}})  # a reference
    assert admin.ask("PUT", "compute", path, {"quota_class_set": {"key_pairs": 33}})[1]["quota_class_set"]["key_pairs"] == 33
    row = admin.registered("compute", "server_key_pairs")
    assert row["default_limit"] == 33
    assert admin.nova(project_id, "key_pairs") == admin.nova(project_id, "key_pairs", "/defaults") == 33
    assert admin.identity("PATCH", f"/registered_limits/{row['id']}", {"registered_limit": {"default_limit": before}})[0] == 200
    within_a_second(lambda: admin.nova(project_id, "key_pairs") == before, "the default reaches nova")
    assert admin.ask("GET", "compute", path)[1]["quota_class_set"]["id"] == "default"
    assert stack.request("PUT", "compute", path, {"quota_class_set": {"cores": 1}}, token=stack.person().token)[0] == 403


@pytest.mark.parametrize("value", [-2, 1 << 31, "x", None, 1.5, {}])
def test_a_wrong_value_is_refused_everywhere_and_named(stack, admin, value):
    project_id = stack.person().project_id
    status, reply = admin.ask("PUT", "compute", NOVA + project_id, {"quota_set": {"cores": value}})
    assert status == 400 and "cores" in reply["badRequest"]["message"]
    status, reply = admin.ask("PUT", "compute", "/v2.1/os-quota-class-sets/default", {"quota_class_set": {"cores": value}})
    assert status == 400 and "cores" in reply["badRequest"]["message"]
    status, reply = admin.ask("PUT", "network", NEUTRON + project_id, {"quota": {"port": value}})
    assert status == 400 and "port" in reply["NeutronError"]["message"]
    status, reply = admin.create("compute", "servers", value, project_id=project_id)
    assert status == 400 and "resource_limit" in reply["error"]["message"]
    if value is not None:
        status, reply = admin.ask("POST", "identity", "/internal/v1/limits", {"limits": [
            {"project_id": project_id, "service": "compute", "resource": "servers", "value": value}]})
        assert status == 400 and "value" in reply["error"]["message"]
    assert admin.limits(project_id) == {}


def test_unknown_names_are_refused_and_named(stack, admin):
    project_id = stack.person().project_id
    for service, path, body, name in (("compute", NOVA, {"quota_set": {"gold": 1}}, "gold"), ("network", NEUTRON, {"quota": {"gold": 1}}, "gold")):
        status, reply = admin.ask("PUT", service, path + project_id, body)
        assert status == 400 and name in str(reply)
    item = {"project_id": project_id, "service": "compute", "resource": "gold", "value": 1}
    status, reply = admin.ask("POST", "identity", "/internal/v1/limits", {"limits": [item]})
    assert status == 400 and "'resource'" in reply["error"]["message"]
    item["resource"] = "cores"
    status, reply = admin.ask("POST", "identity", "/internal/v1/limits", {"limits": [item, {**item, "resource": "class:VCPU"}]})
    assert status == 400 and "'limits'" in reply["error"]["message"]
    item["project_id"] = uuid.uuid4().hex
    assert admin.ask("POST", "identity", "/internal/v1/limits", {"limits": [item]})[0] == 404
    assert admin.ask("PUT", "compute", NOVA + uuid.uuid4().hex, {"quota_set": {"cores": 1}})[0] == 400


def test_limits_refuse_what_keystone_refuses(stack, admin):
    project_id = stack.person().project_id
    status, reply = admin.create("compute", "gold", 1, project_id=project_id)
    assert (status, reply["error"]["message"]) == (403, "Unable to create a limit that has no corresponding registered limit.")
    assert admin.create("compute", "servers", 1)[0] == 400
    assert admin.create("compute", "servers", 1, project_id=project_id, domain_id="default")[0] == 400
    for wrong in ({"project_id": "gone"}, {"domain_id": "gone"}, {"project_id": project_id, "region_id": "gone"}):
        status, reply = admin.create("compute", "servers", 1, **wrong)
        assert status == 400 and f"Expecting to find {list(wrong)[-1]} in limit" in reply["error"]["message"]
    status, reply = admin.create("compute", "servers", 1, project_id=project_id)
    limit = reply["limits"][0]
    assert status == 201 and limit["domain_id"] is None and limit["links"]["self"].endswith(limit["id"])
    assert admin.create("compute", "servers", 2, project_id=project_id)[0] == 409
    registered = admin.registered("compute", "servers")
    status, reply = admin.identity("DELETE", f"/registered_limits/{registered['id']}")
    assert status == 403 and "because there are project limits associated with it" in reply["error"]["message"]
    assert admin.identity("PATCH", f"/registered_limits/{registered['id']}", {"registered_limit": {"resource_name": "other"}})[0] == 403
    assert admin.identity("PATCH", f"/limits/{limit['id']}", {"limit": {"resource_name": "other"}})[0] == 400
    assert admin.identity("GET", "/limits/model")[1]["model"]["name"] == "flat"
    assert admin.identity("GET", "/limits/gone")[0] == 404
    status, reply = admin.create("compute", "servers", 50, project_id="default")  # a domain is a project that acts as one
    assert status == 201 and (reply["limits"][0]["domain_id"], reply["limits"][0]["project_id"]) == ("default", None)
    admin.identity("DELETE", f"/limits/{reply['limits'][0]['id']}")


def test_tenants_see_their_own_limits_and_change_none(stack, admin):
    person, other = stack.person(), stack.person()
    for one in (person, other):
        assert admin.create("compute", "servers", 2, project_id=one.project_id)[0] == 201
    mine = stack.call("GET", "identity", "/v3/limits", token=person.token)["limits"]
    assert [row["project_id"] for row in mine] == [person.project_id]
    assert len(stack.call("GET", "identity", "/v3/registered_limits", token=person.token)["registered_limits"]) >= 27
    status, _, _ = stack.request("PATCH", "identity", f"/v3/limits/{mine[0]['id']}", {"limit": {"resource_limit": 99}}, token=person.token)
    assert status == 403
    assert stack.request("PUT", "network", NEUTRON + person.project_id, {"quota": {"port": 1}}, token=person.token)[0] == 403
    assert stack.request("POST", "identity", "/internal/v1/limits", {"limits": []}, token=person.token)[0] == 403


def test_a_service_reads_its_own_write(stack, admin):
    person = stack.person()
    for n in range(1, 20):  # whatever the feed brings meanwhile, what was just set holds
        assert admin.ask("PUT", "network", NEUTRON + person.project_id, {"quota": {"network": n}})[0] == 200
        made = [stack.request("POST", "network", "/v2.0/networks", {"network": {}}, token=person.token)[0] for _ in range(2)]
        assert made == [201, 409], n


def test_what_a_gone_project_had_is_gone(stack, admin):
    project_id = stack.person().project_id
    assert admin.ask("PUT", "network", NEUTRON + project_id, {"quota": {"network": 7}})[0] == 200
    assert admin.identity("DELETE", f"/projects/{project_id}")[0] == 204
    assert admin.limits(project_id) == {}
    within_a_second(lambda: admin.neutron(project_id, "network") == 100, "the service forgets it")


def test_a_region_of_ones_own_goes_first(stack, admin):
    person = stack.person()
    body = {"registered_limits": [{"service_id": admin.services["network"], "region_id": "RegionOne", "resource_name": "subnetpool", "default_limit": 4}]}
    status, reply = admin.identity("POST", "/registered_limits", body)
    assert status == 201
    within_a_second(lambda: admin.neutron(person.project_id, "subnetpool") == 4, "the region's default is used")
    assert admin.identity("DELETE", f"/registered_limits/{reply['registered_limits'][0]['id']}")[0] == 204
    within_a_second(lambda: admin.neutron(person.project_id, "subnetpool") == -1, "the general default is back")


def test_a_limit_in_a_region_refers_to_what_is_registered_there_else_everywhere(stack, admin):
    person, name = stack.person(), "image_count_total"
    [limit] = admin.create("image", name, 1, project_id=person.project_id, region_id="RegionOne")[1]["limits"]

    def shown():
        return stack.call("GET", "image", "/v2/info/usage", token=person.token)["usage"][name]["limit"]
    within_a_second(lambda: shown() == 1, "the region's limit is enforced")
    registered = admin.registered("image", name)
    status, reply = admin.identity("DELETE", f"/registered_limits/{registered['id']}")
    assert status == 403 and "project limits" in reply["error"]["message"]
    # What services set is the row in force, not a second one that the region's would hide.
    item = {"project_id": person.project_id, "service": "image", "resource": name, "value": 5}
    assert admin.ask("POST", "identity", "/internal/v1/limits", {"limits": [item]})[0] == 200
    rows = admin.identity("GET", f"/limits?project_id={person.project_id}")[1]["limits"]
    assert [(row["id"], row["region_id"], row["resource_limit"]) for row in rows] == [(limit["id"], "RegionOne", 5)]
    within_a_second(lambda: shown() == 5, "the service's value is enforced")
    assert admin.create("image", name, 9, project_id=person.project_id)[0] == 201  # of no region: the region's goes before it
    assert admin.identity("GET", f"/limits?project_id={person.project_id}&region_id=RegionOne")[1]["limits"][0]["resource_limit"] == 5
    assert admin.ask("POST", "identity", "/internal/v1/limits", {"limits": [{**item, "value": None}]})[0] == 200
    assert admin.limits(person.project_id) == {}
    within_a_second(lambda: shown() == registered["default_limit"], "the default is back")


def test_a_limit_needs_a_registered_limit_of_its_region(stack, admin):
    region, project_id = uuid.uuid4().hex, stack.person().project_id
    assert admin.identity("POST", "/regions", {"region": {"id": region}})[0] == 201
    service = admin.identity("POST", "/services", {"service": {"type": uuid.uuid4().hex}})[1]["service"]["id"]
    name = {"service_id": service, "resource_name": "things"}
    rows = [{**name, "default_limit": 3, "region_id": region}]
    [regional] = admin.identity("POST", "/registered_limits", {"registered_limits": rows})[1]["registered_limits"]
    assert admin.identity("POST", "/registered_limits", {"registered_limits": rows})[0] == 409
    limit = {**name, "project_id": project_id, "resource_limit": 1}
    for wrong in ({}, {"region_id": "RegionOne"}):
        assert admin.identity("POST", "/limits", {"limits": [{**limit, **wrong}]})[0] == 403
    assert admin.identity("POST", "/limits", {"limits": [{**limit, "region_id": region}]})[0] == 201
    [general] = admin.identity("POST", "/registered_limits", {"registered_limits": [{**name, "default_limit": 9}]})[1]["registered_limits"]
    assert admin.identity("DELETE", f"/registered_limits/{general['id']}")[0] == 204  # the limit is the region's
    assert admin.identity("DELETE", f"/registered_limits/{regional['id']}")[0] == 403


def test_a_limit_that_was_answered_is_enforced(stack, admin):
    person = stack.person()
    [limit] = admin.create("image", "image_count_total", 0, project_id=person.project_id)[1]["limits"]
    for n in range(1, 6):
        assert admin.identity("PATCH", f"/limits/{limit['id']}", {"limit": {"resource_limit": n}})[0] == 200
        made = [stack.request("POST", "image", "/v2/images", {"name": f"i{n}"}, token=person.token)[0] for _ in range(2)]
        assert made == [201, 413], n
    start = time.monotonic()
    stack.kill("network")  # who is gone is waited for a moment only
    assert admin.identity("DELETE", f"/limits/{limit['id']}")[0] == 204
    stack.start("network")
    assert time.monotonic() - start < 20


def test_limits_outlive_their_service_and_count_for_nothing(stack, admin):
    person, kind = stack.person(), uuid.uuid4().hex

    def service():
        return admin.identity("POST", "/services", {"service": {"type": kind}})[1]["service"]["id"]

    def events():
        rows = stack.sql("identity", "SELECT body FROM feed_event WHERE kind = 'limit' AND body->>'service' = %s", kind)
        return {row["body"]["project_id"]: row["body"]["value"] for row in rows}
    gone, name = service(), "things"
    [registered] = admin.identity("POST", "/registered_limits", {"registered_limits": [{"service_id": gone, "resource_name": name, "default_limit": 3}]})[1]["registered_limits"]
    row = {"service_id": gone, "resource_name": name, "resource_limit": 5, "project_id": person.project_id}
    [limit] = admin.identity("POST", "/limits", {"limits": [row]})[1]["limits"]
    assert events() == {"": 3, person.project_id: 5}
    assert admin.identity("DELETE", f"/services/{gone}")[0] == 204
    assert events() == {"": None, person.project_id: None}
    assert admin.identity("GET", f"/registered_limits/{registered['id']}")[1]["registered_limit"]["service_id"] == gone
    assert admin.identity("PATCH", f"/registered_limits/{registered['id']}", {"registered_limit": {"description": "x"}})[0] == 200
    assert admin.identity("POST", "/limits", {"limits": [{**row, "project_id": stack.person().project_id}]})[0] == 400
    assert admin.identity("DELETE", f"/limits/{limit['id']}")[0] == 204
    assert admin.identity("PATCH", f"/registered_limits/{registered['id']}", {"registered_limit": {"service_id": service()}})[0] == 200
    assert events()[""] == 3
    assert admin.identity("DELETE", f"/registered_limits/{registered['id']}")[0] == 204
