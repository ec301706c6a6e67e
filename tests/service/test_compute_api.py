# SPDX-License-Identifier: Apache-2.0
"""Nova's API as clients see it: versions, flavors, keys, what a server's body may say, lists, metadata, tags, groups, hosts."""

import gzip
import time
import uuid

import pytest

from tests.lib import hostile
from tests.lib.compute import CLOUD, NO_OVN, flavor, image

SERVICES = CLOUD
HAS_HOST = True
SETTINGS = NO_OVN


@pytest.fixture(scope="module")
def server_id(tenant):
    made = tenant.create(name="lasting", metadata={"a": "b"}, security_groups=[{"name": "default"}])
    tenant.wait(made, "ACTIVE")
    return made


def refused(reply):
    """The status' name and message of an error body."""
    (name, error), = reply[2].items()
    assert error["code"] == reply[0]
    return name, error["message"]


def test_versions_are_found_without_a_token(stack):
    status, _, body = stack.request("GET", "compute", "/")
    version, = body["versions"]
    assert status == 200 and version["id"] == "v2.1" and version["min_version"] == "2.1" and version["version"] == "2.90"
    status, _, body = stack.request("GET", "compute", "/v2.1/")
    assert status == 200 and body["version"]["status"] == "CURRENT"


def test_microversions_are_negotiated(tenant):
    status, headers, _ = tenant.request("GET", "/servers", version="2.53")
    headers = {k.lower(): v for k, v in headers.items()}
    assert status == 200 and headers["openstack-api-version"] == "compute 2.53" and headers["x-openstack-nova-api-version"] == "2.53"
    assert tenant.request("GET", "/servers", version="2.999")[0] == 406
    assert tenant.request("GET", "/servers", version="latest")[0] == 200


def test_a_private_flavor_is_seen_by_those_who_have_access(stack, tenant):
    made = flavor(stack, **{"os-flavor-access:is_public": False})
    admin = stack.admin_token()
    assert tenant.request("GET", f"/flavors/{made['id']}")[0] == 404
    assert tenant.request("POST", f"/flavors/{made['id']}/action", {"addTenantAccess": {"tenant": tenant.person.project_id}}, token=admin)[0] == 200
    assert tenant.request("GET", f"/flavors/{made['id']}")[0] == 200
    assert made["id"] in [f["id"] for f in tenant.request("GET", "/flavors")[2]["flavors"]]
    assert tenant.request("POST", f"/flavors/{made['id']}/os-extra_specs", {"extra_specs": {"hw:x": "1"}}, token=admin)[0] == 200
    assert tenant.request("GET", f"/flavors/{made['id']}/os-extra_specs/hw:x")[2] == {"hw:x": "1"}
    assert tenant.request("POST", "/flavors", {"flavor": {"name": "n", "ram": 1, "vcpus": 1, "disk": 1}})[0] == 403
    assert tenant.request("DELETE", f"/flavors/{made['id']}", token=admin)[0] == 202


@pytest.mark.parametrize("change, field", [
    ({"ram": "x"}, "ram"), ({"vcpus": 0}, "vcpus"), ({"name": ""}, "name"), ({"disk": None}, "disk"), ({"colour": "red"}, "colour"),
    ({"id": "a/b"}, "id"), ({"rxtx_factor": "fast"}, "rxtx_factor"), ({"swap": -1}, "swap"),
])
def test_a_flavors_wrong_field_is_named(stack, tenant, change, field):
    body = {"flavor": {"name": "wrong", "ram": 1, "vcpus": 1, "disk": 1, **change}}
    reply = tenant.request("POST", "/flavors", body, token=stack.admin_token())
    assert reply[0] == 400 and field in refused(reply)[1]


def test_keys_are_made_and_imported(tenant):
    status, _, body = tenant.request("POST", "/os-keypairs", {"keypair": {"name": "made"}})
    assert status == 200 and body["keypair"]["private_key"].startswith("-----BEGIN RSA PRIVATE KEY-----")
    public = body["keypair"]["public_key"]
    status, _, body = tenant.request("POST", "/os-keypairs", {"keypair": {"name": "taken", "public_key": public, "type": "ssh"}}, "2.2")
    assert status == 201 and "private_key" not in body["keypair"] and body["keypair"]["type"] == "ssh"
    assert tenant.request("POST", "/os-keypairs", {"keypair": {"name": "made"}})[0] == 409
    assert tenant.request("POST", "/os-keypairs", {"keypair": {"name": "bad", "public_key": "ssh-rsa nonsense"}})[0] == 400
    names = [k["keypair"]["name"] for k in tenant.request("GET", "/os-keypairs")[2]["keypairs"]]
    assert names == ["made", "taken"]
    assert tenant.request("DELETE", "/os-keypairs/taken")[0] == 202
    assert tenant.request("GET", "/os-keypairs/taken")[0] == 404


WRONG = [
    ({"name": ""}, 400, "name"), ({"name": 5}, 400, "name"), ({"name": None}, 400, "name"), ({"imageRef": "x"}, 400, "imageRef"),
    ({"imageRef": str(uuid.uuid4())}, 400, "image"), ({"flavorRef": "none"}, 400, "Flavor"), ({"key_name": "none"}, 400, "key_name"),
    ({"networks": [{"uuid": "x"}]}, 400, "uuid"), ({"networks": [{"uuid": str(uuid.uuid4())}]}, 400, "Network"),
    ({"networks": [{"port": str(uuid.uuid4())}]}, 400, "Port"), ({"networks": "auto"}, 400, "networks"), ({"colour": "red"}, 400, "colour"),
    ({"security_groups": [{"name": "none"}]}, 400, "none"), ({"metadata": {"a": 5}}, 400, "a"), ({"user_data": "?"}, 400, "user_data"),
    ({"availability_zone": "moon"}, 400, "availability zone"), ({"min_count": 3, "max_count": 2}, 400, "min_count"), ({"min_count": 0}, 400, "min_count"),
    ({"accessIPv4": "1.2.3"}, 400, "accessIPv4"), ({"OS-DCF:diskConfig": "X"}, 400, "diskConfig"), ({"tags": ["a"]}, 400, "tags"),
    ({"availability_zone": "nova:h1"}, 403, "forced_host"), ({"config_drive": "maybe"}, 400, "config_drive"),
]


@pytest.mark.parametrize("change, expected, word", WRONG)
def test_a_servers_wrong_field_is_named_and_nothing_is_made(stack, tenant, change, expected, word):
    body = tenant.body()
    body["server"].update(change)
    count = "SELECT count(*) AS n FROM server"
    before = stack.sql("compute", count)[0]["n"]
    reply = tenant.request("POST", "/servers", body)
    assert reply[0] == expected and word in refused(reply)[1], reply
    assert stack.sql("compute", count)[0]["n"] == before


@pytest.mark.parametrize("container, data", [
    ("docker", hostile.docker(hostile.LAYERS)), ("docker", hostile.rootfs()), ("compressed", gzip.compress(b"disk" * 500)),
    ("ova", hostile.tar([hostile.member("a.ovf", b"<Envelope/>")]))], ids=["docker", "rootfs", "compressed", "ova"])
def test_a_server_does_not_boot_from_what_is_packed(stack, tenant, server_id, container, data):
    packed = image(stack, tenant.person, container=container, data=data)
    before = tenant.request("GET", "/servers")[2]
    said = f"Image {packed} is unacceptable: a server cannot boot from container_format '{container}'"
    answer = tenant.request("POST", "/servers", tenant.body(imageRef=packed))
    assert (answer[0], refused(answer)) == (400, ("badRequest", said))
    answer = tenant.request("POST", f"/servers/{server_id}/action", {"rebuild": {"imageRef": packed}})
    assert (answer[0], refused(answer)) == (400, ("badRequest", said))
    assert tenant.request("GET", "/servers")[2] == before


def test_several_servers_are_made_at_once(tenant):
    status, _, body = tenant.request("POST", "/servers", tenant.body(name="many", min_count=2, return_reservation_id=True))
    assert status == 202
    rows = tenant.request("GET", f"/servers/detail?reservation_id={body['reservation_id']}")[2]["servers"]
    assert sorted(s["name"] for s in rows) == ["many-1", "many-2"]
    for row in rows:
        tenant.wait(row["id"], "ACTIVE")
        tenant.delete(row["id"])
    for row in rows:
        tenant.wait_gone(row["id"])


def test_lists_filter_sort_and_page(stack, tenant, server_id):
    others = [tenant.create(name=f"page-{i}", networks=None) for i in range(3)]
    for other in others:
        tenant.wait(other, "ACTIVE")
    assert [s["id"] for s in tenant.request("GET", "/servers?name=page")[2]["servers"]] == others[::-1]
    found, path = [], "/servers?name=page&limit=2"
    while path:
        body = tenant.request("GET", path)[2]
        found += [s["id"] for s in body["servers"]]
        link = body.get("servers_links")
        path = link[0]["href"].split("/v2.1", 1)[1] if link else None
    assert found == others[::-1]
    assert [s["name"] for s in tenant.request("GET", "/servers?name=page&sort_key=display_name&sort_dir=asc")[2]["servers"]] == ["page-0", "page-1", "page-2"]
    assert tenant.request("GET", "/servers?status=SHUTOFF")[2]["servers"] == []
    assert server_id in [s["id"] for s in tenant.request("GET", "/servers?status=active")[2]["servers"]]
    for query in ("limit=x", "limit=-1", "marker=x", "marker=" + str(uuid.uuid4()), "sort_key=x", "sort_dir=up", "changes-since=soon"):
        assert tenant.request("GET", f"/servers?{query}")[0] == 400, query
    assert tenant.request("GET", "/servers?all_tenants=1")[0] == 403
    assert len(tenant.request("GET", "/servers?all_tenants=1", token=stack.admin_token())[2]["servers"]) >= 4
    for other in others:
        tenant.delete(other)
    for other in others:
        tenant.wait_gone(other)


def test_another_project_sees_no_server(stack, server_id, tenant):
    stranger = stack.person().token
    assert tenant.show(server_id, token=stranger) is None
    for method, path, body in (("DELETE", "", None), ("PUT", "", {"server": {"name": "x"}}), ("POST", "/action", {"os-stop": None}),
                               ("GET", "/metadata", None), ("GET", "/os-interface", None), ("GET", "/os-instance-actions", None)):
        assert tenant.request(method, f"/servers/{server_id}{path}", body, token=stranger)[0] == 404, path


def test_the_reply_has_the_shape_of_its_microversion(tenant, server_id):
    assert "description" not in tenant.show(server_id) and "locked" not in tenant.show(server_id, "2.8")
    server = tenant.show(server_id, "2.90")
    assert server["flavor"]["original_name"].startswith("f-") and server["tags"] == [] and server["locked"] is False
    assert server["OS-EXT-SRV-ATTR:hostname"] == "lasting" and server["server_groups"] == [] and "progress" in server


def test_names_metadata_and_tags_change(tenant, server_id):
    path = f"/servers/{server_id}"
    status, _, body = tenant.request("PUT", path, {"server": {"name": "renamed", "accessIPv4": "192.0.2.1"}})
    assert status == 200 and body["server"]["name"] == "renamed" and body["server"]["accessIPv4"] == "192.0.2.1"
    assert tenant.request("POST", path + "/metadata", {"metadata": {"c": "d"}})[2] == {"metadata": {"a": "b", "c": "d"}}
    assert tenant.request("PUT", path + "/metadata", {"metadata": {"e": "f"}})[2] == {"metadata": {"e": "f"}}
    assert tenant.request("PUT", path + "/metadata/e", {"meta": {"e": "g"}})[2] == {"meta": {"e": "g"}}
    assert tenant.request("GET", path + "/metadata/e")[2] == {"meta": {"e": "g"}}
    assert tenant.request("DELETE", path + "/metadata/e")[0] == 204
    assert tenant.request("GET", path + "/metadata/e")[0] == 404
    assert tenant.request("PUT", path + "/tags/red", version="2.26")[0] == 201
    assert tenant.request("PUT", path + "/tags/red", version="2.26")[0] == 204
    assert tenant.request("GET", path + "/tags", version="2.26")[2] == {"tags": ["red"]}
    assert [s["id"] for s in tenant.request("GET", "/servers?tags=red", version="2.26")[2]["servers"]] == [server_id]
    assert tenant.request("DELETE", path + "/tags", version="2.26")[0] == 204
    assert tenant.request("GET", path + "/tags")[0] == 404


def test_a_locked_server_stays(tenant, server_id):
    tenant.act(server_id, {"lock": None})
    tenant.act(server_id, {"os-stop": None}, 409)
    assert tenant.request("DELETE", f"/servers/{server_id}")[0] == 409
    tenant.act(server_id, {"unlock": None})


def test_unknown_and_wrong_actions_are_refused(tenant, server_id):
    for action in ({"dance": None}, {}, {"reboot": {}}, {"reboot": {"type": "NICE"}}, {"os-start": None, "os-stop": None}):
        assert tenant.request("POST", f"/servers/{server_id}/action", action)[0] == 400, action
    tenant.act(server_id, {"changePassword": {"adminPass": "x"}}, 501)
    assert tenant.request("POST", f"/servers/{uuid.uuid4()}/action", {"os-stop": None})[0] == 404


def test_the_console_is_asked_of_the_host(tenant, server_id):
    assert isinstance(tenant.act(server_id, {"os-getConsoleOutput": {"length": 10}}, 200)["output"], str)
    tenant.act(server_id, {"os-getConsoleOutput": {"length": "ten"}}, 400)


def test_groups_keep_servers_apart(stack, tenant):
    status, _, body = tenant.request("POST", "/os-server-groups", {"server_group": {"name": "g", "policies": ["anti-affinity"]}})
    assert status == 200
    group = body["server_group"]["id"]

    def member():
        body = tenant.body(networks=None)
        body["os:scheduler_hints"] = {"group": group}
        return tenant.request("POST", "/servers", body)[2]["server"]["id"]
    first, second = member(), member()
    states = sorted(tenant.wait(s, "ACTIVE", "ERROR")["status"] for s in (first, second))
    assert states == ["ACTIVE", "ERROR"]
    assert set(tenant.request("GET", f"/os-server-groups/{group}")[2]["server_group"]["members"]) == {first, second}
    for made in (first, second):
        tenant.delete(made)
        tenant.wait_gone(made)
    assert tenant.request("DELETE", f"/os-server-groups/{group}")[0] == 204


def test_hosts_services_zones_and_aggregates_are_the_operators(stack, tenant):
    admin = stack.admin_token()
    for path in ("/os-hypervisors", "/os-services", "/os-aggregates", "/os-hypervisors/statistics"):
        assert tenant.request("GET", path)[0] == 403, path
    host, = tenant.request("GET", "/os-hypervisors/detail", token=admin, version="2.53")[2]["hypervisors"]
    assert host["hypervisor_hostname"] == "h1" and host["state"] == "up"
    service = next(s for s in tenant.request("GET", "/os-services", token=admin, version="2.53")[2]["services"] if s["binary"] == "nova-compute")
    put = {"status": "disabled", "disabled_reason": "test"}
    assert tenant.request("PUT", f"/os-services/{service['id']}", put, "2.53", admin)[2]["service"]["status"] == "disabled"
    made = tenant.create(networks=None)
    assert tenant.wait(made, "ERROR")["fault"]["message"] == "No valid host was found. 1 host: 1 disabled"
    tenant.request("PUT", f"/os-services/{service['id']}", {"status": "enabled"}, "2.53", admin)
    tenant.delete(made)
    tenant.wait_gone(made)
    zone, = tenant.request("GET", "/os-availability-zone")[2]["availabilityZoneInfo"]
    assert zone == {"zoneName": "nova", "zoneState": {"available": True}, "hosts": None}
    aggregate = tenant.request("POST", "/os-aggregates", {"aggregate": {"name": "a"}}, token=admin)[2]["aggregate"]
    path = f"/os-aggregates/{aggregate['id']}"
    assert tenant.request("POST", path + "/action", {"add_host": {"host": "h1"}}, token=admin)[2]["aggregate"]["hosts"] == ["h1"]
    assert tenant.request("DELETE", path, token=admin)[0] == 400
    assert tenant.request("POST", path + "/action", {"remove_host": {"host": "h1"}}, token=admin)[0] == 200
    assert tenant.request("DELETE", path, token=admin)[0] == 200


def test_quota_sets_are_read_and_set(stack, tenant):
    path, admin = f"/os-quota-sets/{tenant.person.project_id}", stack.admin_token()
    quota = tenant.request("GET", path)[2]["quota_set"]
    assert (quota["instances"], quota["cores"], quota["ram"], quota["id"]) == (10, 20, 51200, tenant.person.project_id)
    assert tenant.request("PUT", path, {"quota_set": {"instances": 3}})[0] == 403
    assert tenant.request("PUT", path, {"quota_set": {"instances": 3}}, token=admin)[2]["quota_set"]["instances"] == 3
    deadline = time.monotonic() + 10
    while tenant.request("GET", path)[2]["quota_set"]["instances"] != 3:
        assert time.monotonic() < deadline
    assert tenant.request("PUT", path, {"quota_set": {"instances": "x"}}, token=admin)[0] == 400
    assert tenant.request("DELETE", path, token=admin)[0] == 202
    assert tenant.request("GET", f"/os-quota-sets/{stack.person().project_id}")[0] == 403
    for what in ("", "/detail", "/defaults"):
        status, _, body = stack.request("GET", "compute", "/v2.1/os-quota-sets/" + "0" * 32 + what, token=admin)
        assert status == 400 and "is not a valid project" in str(body), (what, body)
        assert stack.request("GET", "compute", f"/v2.1{path}{what}", token=admin)[0] == 200
    detail = tenant.request("GET", path + "/detail")[2]["quota_set"]["instances"]
    assert set(detail) == {"limit", "in_use", "reserved"}


def test_post_servers_takes_few_statements(stack, tenant):
    made = tenant.create(name="counted", networks=None)
    line = [row for row in stack.log("compute").splitlines() if "method=POST path=/v2.1/servers status=202" in row][-1]
    assert int(line.split("statements=")[1].split()[0]) <= 10, line
    tenant.wait(made, "ACTIVE")
    tenant.delete(made)
    tenant.wait_gone(made)
