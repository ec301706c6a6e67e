# SPDX-License-Identifier: Apache-2.0
"""glance-download: an image of another region's image service."""

import os
import uuid

import pytest

from tests.lib.image import STREAM
from tests.lib.stack import wait_until

SERVICES = ["identity", "image"]
INSTANCES = {"image": 2}
DATA = os.urandom(700_000)


@pytest.fixture(scope="module")
def regions(stack):
    admin = stack.admin_token()
    service = next(s for s in stack.call("GET", "identity", "/v3/services", token=admin)["services"] if s["type"] == "image")
    for region, url in (("Two", stack.url("image-2") + "/v2/"), ("Dead", "http://127.0.0.1:1")):
        stack.call("POST", "identity", "/v3/regions", {"region": {"id": region}}, token=admin)
        endpoint = {"service_id": service["id"], "interface": "public", "url": url, "region_id": region}
        stack.call("POST", "identity", "/v3/endpoints", {"endpoint": endpoint}, token=admin)


@pytest.fixture(scope="module")
def owner(stack, regions):
    return stack.person()


def create(stack, person, **more):
    body = {"disk_format": "raw", "container_format": "bare", **more}
    return stack.call("POST", "image", "/v2/images", body, token=person.token)["id"]


def show(stack, person, image):
    return stack.call("GET", "image", f"/v2/images/{image}", token=person.token)


@pytest.fixture(scope="module")
def source(stack, owner):
    image = create(stack, owner, hw_cpu_cores="5", os_distro="rhel", speed="88mph", disk_format="ami", container_format="ami")
    assert stack.request("PUT", "image", f"/v2/images/{image}/file", data=DATA, token=owner.token, headers=STREAM)[0] == 204
    return image


def ask(stack, person, image, **method):
    body = {"method": {"name": "glance-download", **method}}
    return stack.request("POST", "image", f"/v2/images/{image}/import", body, token=person.token, headers={"Accept": "application/json"})


def ended(stack, person, image):
    def task():
        return stack.call("GET", "image", f"/v2/images/{image}/tasks", token=person.token)["tasks"][-1]

    wait_until(lambda: task()["status"] != "processing", 20, "the import did not end")
    return task()


def test_an_image_comes_from_another_region(stack, owner, source):
    image = create(stack, owner, hw_cpu_cores="1", own="kept")
    assert ask(stack, owner, image, glance_region="Two", glance_image_id=source)[0] == 202
    assert ended(stack, owner, image)["status"] == "success"
    now, there = show(stack, owner, image), show(stack, owner, source)
    for name in ("checksum", "os_hash_value", "size", "disk_format", "container_format", "hw_cpu_cores", "os_distro"):
        assert now[name] == there[name], name
    assert now["status"] == "active" and now["own"] == "kept" and "speed" not in now
    assert now["owner"] == owner.project_id


@pytest.mark.parametrize("region, interface", [("Nowhere", "public"), ("Two", "internal"), ("Dead", "public")])
def test_a_region_that_is_not_there_fails_the_import(stack, owner, source, region, interface):
    image = create(stack, owner, hw_cpu_cores="1")
    assert ask(stack, owner, image, glance_region=region, glance_image_id=source, glance_service_interface=interface)[0] == 202
    task = ended(stack, owner, image)
    assert task["status"] == "failure" and task["message"]
    now = show(stack, owner, image)
    assert (now["status"], now["hw_cpu_cores"], now["disk_format"], now["size"]) == ("queued", "1", "raw", None)


def test_only_what_the_client_may_see_is_fetched(stack, source):
    stranger = stack.person()
    image = create(stack, stranger)
    for wanted in (source, str(uuid.uuid4()), image):  # hidden, missing, without data
        assert ask(stack, stranger, image, glance_region="Two", glance_image_id=wanted)[0] == 202
        assert ended(stack, stranger, image)["status"] == "failure"
        assert show(stack, stranger, image)["status"] == "queued"


@pytest.mark.parametrize(
    "method, word",
    [
        ({"glance_region": "Two"}, "glance_image_id"),
        ({"glance_image_id": str(uuid.uuid4())}, "glance_region"),
        ({"glance_region": "Two", "glance_image_id": "foo"}, "image id does not look like a UUID"),
        ({"glance_region": "Two", "glance_image_id": str(uuid.uuid4()), "glance_service_interface": 1}, "glance_service_interface"),
    ],
)
def test_what_is_missing_is_named(stack, owner, method, word):
    image = create(stack, owner)
    status, _, body = ask(stack, owner, image, **method)
    assert status == 400 and word in body["message"]
