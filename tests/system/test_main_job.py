# SPDX-License-Identifier: Apache-2.0
"""What people do with the cloud, by openstacksdk, on real guests."""

import base64

import openstack
import pytest

from tests.lib.whole import wait_until

from launch import services


@pytest.fixture(scope="module")
def person(whole):
    made = whole.person()
    yield made
    made.clear()


@pytest.fixture(scope="module")
def site(person):
    return person.site()


@pytest.fixture(scope="module")
def pair(whole, person, site):
    """Two servers on one network, booted."""
    servers = [person.create(site, name) for name in ("one", "two")]
    servers = [person.active(server) for server in servers]
    for server in servers:
        whole.guest_says(person, server, "ready after")
    return servers


def address(server):
    return next(iter(server.addresses.values()))[0]["addr"]


def test_ssh_by_floating_ip_and_two_servers_reach_each_other(whole, person, pair):
    one, two = pair
    floating = person.floating(one)
    assert whole.ssh(floating, "hostname").strip() == "one"
    assert "2 packets received" in whole.ssh(floating, f"ping -c 2 {address(two)}")
    assert "2 received" in whole.ping(floating)


def test_a_guest_learns_its_name_by_the_metadata_service(whole, person, pair):
    console = person.console(pair[0])
    assert f"datasource metadata-service, instance {pair[0].id}, hostname one" in console


def test_a_port_is_active_with_its_server(person, pair):
    assert [person.port(server).status for server in pair] == ["ACTIVE", "ACTIVE"]


def test_config_drive_and_user_data(whole, person, site):
    script = base64.b64encode(b"#!/bin/sh\necho user data on $(hostname)\n").decode()
    server = person.server(site, "drive", config_drive=True, user_data=script)
    console = whole.guest_says(person, server, "ready after")
    assert "datasource config-drive" in console
    assert "user data on drive" in console
    person.delete(server)


def test_stop_start_and_reboot(whole, person, site):
    server = person.server(site, "stops")
    compute = person.sdk.compute
    whole.guest_says(person, server, "ready after")
    compute.stop_server(server)
    assert compute.wait_for_server(server, status="SHUTOFF", wait=120, interval=0.5).status == "SHUTOFF"
    compute.start_server(server)
    person.active(server)
    compute.reboot_server(server, "HARD")
    person.active(server)
    said = whole.request("GET", "compute", f"/v2.1/servers/{server.id}/os-instance-actions", token=person.token)[2]
    actions = [a["action"] for a in said["instanceActions"]]
    assert sorted(actions) == ["create", "reboot", "start", "stop"]
    person.delete(server)


def set_quota(whole, person, name, value):
    """A limit goes round by identity's feed: in force within a second."""
    path = f"/v2.1/os-quota-sets/{person.project_id}"
    status, _, body = whole.request("PUT", "compute", path, {"quota_set": {name: value}})
    assert status == 200, body
    wait_until(lambda: whole.request("GET", "compute", path)[2]["quota_set"][name] == value, 2, f"the quota of {name} never became {value}")


def test_too_many_servers_are_refused_before_anything_exists(whole, person, site):
    set_quota(whole, person, "cores", 2 + len(list(person.sdk.compute.servers())))
    before = {p.id for p in person.sdk.network.ports()}
    with pytest.raises(openstack.exceptions.HttpException) as refused:
        for name in ("q1", "q2", "q3"):
            person.create(site, name)
    assert refused.value.response.status_code == 403
    assert "cores" in refused.value.response.text
    whole.request("DELETE", "compute", f"/v2.1/os-quota-sets/{person.project_id}")
    for server in list(person.sdk.compute.servers()):
        if server.name.startswith("q"):
            person.delete(server)
    assert {p.id for p in person.sdk.network.ports()} == before


def test_the_same_idempotency_key_makes_one_server(whole, person, site):
    flavor = person.sdk.compute.find_flavor("m1.nano", ignore_missing=False)
    body = {"server": {"name": "once", "imageRef": site.image.id, "flavorRef": flavor.id, "networks": [{"uuid": site.network.id}]}}
    answers = [whole.request("POST", "compute", "/v2.1/servers", body, person.token, {"Idempotency-Key": "once-1"}) for _ in range(2)]
    assert [a[0] for a in answers] == [202, 202]
    ids = {a[2]["server"]["id"] for a in answers}
    assert len(ids) == 1
    body["server"]["name"] = "twice"
    assert whole.request("POST", "compute", "/v2.1/servers", body, person.token, {"Idempotency-Key": "once-1"})[0] == 409
    assert len([s for s in person.sdk.compute.servers() if s.name in ("once", "twice")]) == 1
    person.delete(person.sdk.compute.get_server(ids.pop()))


def test_no_host_fits_says_what_each_filter_turned_away(whole, person, site):
    flavor = {"flavor": {"name": f"huge-{person.project_id}", "vcpus": 1, "ram": 8 * 1024 * 1024, "disk": 1}}
    status, _, made = whole.request("POST", "compute", "/v2.1/flavors", flavor)
    assert status == 200, made
    set_quota(whole, person, "ram", -1)
    server = person.sdk.compute.create_server(name="huge", image_id=site.image.id, flavor_id=made["flavor"]["id"],
                                              networks=[{"uuid": site.network.id}])
    found = wait_until(lambda: person.sdk.compute.get_server(server) if person.sdk.compute.get_server(server).status == "ERROR" else None,
                       30, "the server never went to ERROR")
    fault = whole.request("GET", "compute", f"/v2.1/servers/{server.id}", token=person.token)[2]["server"]["fault"]["message"]
    assert "No valid host" in fault and "2" in fault, fault
    person.delete(found)
    whole.request("DELETE", "compute", f"/v2.1/flavors/{made['flavor']['id']}")
    whole.request("DELETE", "compute", f"/v2.1/os-quota-sets/{person.project_id}")


def test_the_first_user_gets_a_token_of_its_domain(whole):
    sdk = openstack.connect(
        load_yaml_config=False, load_envvars=False, region_name=services.REGION, app_name="tests",
        auth={"auth_url": whole.cloud.url("identity") + "/v3", "username": "admin", "password": whole.cloud.secret("admin"),
              "user_domain_id": "default", "domain_id": "default"})
    assert "admin" in [user.name for user in sdk.identity.users(domain_id="default")]
