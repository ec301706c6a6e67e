# SPDX-License-Identifier: Apache-2.0
"""A deleted server leaves nothing behind, and its bill adds up."""

import time
from fractions import Fraction
from types import SimpleNamespace

import pytest

from tests.lib.whole import wait_until

TICK_S = 5  # of a host's agent


@pytest.fixture(scope="module")
def person(whole):
    made = whole.person()
    yield made
    made.clear()


def statement(whole, person):
    status, _, body = whole.request("GET", "billing", f"/v1/accounts/{person.project_id}/statement", token=person.token)
    assert status == 200, body
    return body


def test_delete_leaves_nothing(whole, person):
    files, ports = set(whole.instance_files()), whole.switch_ports()
    site = person.site("10.3.0.0/24")
    server = person.server(site, "gone")
    port = person.port(server)
    person.floating(server)
    assert port.id in whole.switch_ports()
    assert any(f"instance-{server.id}" in names for names in whole.domains().values())
    person.clear()
    wait_until(lambda: not any(f"instance-{server.id}" in names for names in whole.domains().values()), 20, "the domain stays")
    wait_until(lambda: set(whole.instance_files()) <= files, 20, f"files stay: {set(whole.instance_files()) - files}")
    wait_until(lambda: whole.switch_ports() <= ports, 20, f"OVN ports stay: {whole.switch_ports() - ports}")
    tap = "tap" + port.id[:11]
    for host in whole.cloud.host_names():
        wait_until(lambda: tap not in whole.taps(host), 20, f"{tap} stays on {host}")
    assert list(person.sdk.network.ports(project_id=person.project_id)) == []
    # The intervals of every service are closed.
    for service in ("compute", "network", "image"):
        open_now = whole.sql(service, f"SELECT resource_id FROM usage_interval WHERE project_id = '{person.project_id}' AND to_us IS NULL")
        assert open_now == [], service


def test_a_network_without_metadata_is_complained_about_once(whole, person):
    def ask(method, path="", body=None):
        return whole.request(method, "compute", f"/v2.1/servers{path}", body, token=whole.admin_token())

    public = person.sdk.network.find_network("public", ignore_missing=False)
    flavor = person.sdk.compute.find_flavor("m1.nano", ignore_missing=False)
    image = person.sdk.image.update_image(person.image(), visibility="community")
    status, _, body = ask("POST", body={"server": {"name": "outside", "imageRef": image.id, "flavorRef": flavor.id,
                                                   "networks": [{"uuid": public.id}]}})
    assert status == 202, body
    server = "/" + body["server"]["id"]
    wait_until(lambda: ask("GET", server)[2]["server"]["status"] == "ACTIVE", 60, "the server does not start")
    time.sleep(2 * TICK_S)
    logs = [whole.log(f"hypervisor-{host}") for host in whole.cloud.host_names()]
    assert sum(log.count(f"metadata is not served yet network_id={public.id}") for log in logs) == 1
    assert ask("DELETE", server)[0] == 204
    wait_until(lambda: ask("GET", server)[0] == 404, 60, "the server stays")


def test_the_final_statement_adds_up(whole, person):
    def settled():
        found = statement(whole, person)
        return found if {line["resource_type"] for line in found["lines"]} >= {"server", "image"} else None
    final = wait_until(settled, 30, "billing never saw the server")
    assert sum(Fraction(str(line["amount"])) for line in final["lines"]) == Fraction(str(final["total"]))
