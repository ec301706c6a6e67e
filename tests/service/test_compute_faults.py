# SPDX-License-Identifier: Apache-2.0
"""The unhappy ways of a server: no room, no image, wrong words, and processes killed in the middle."""

import random
import time
import uuid

from tests.lib.compute import CLOUD, NO_OVN, flavor, hosts_up, image, nothing_left
from tests.lib.stack import wait_until

SERVICES = CLOUD
HAS_HOST = True
INSTANCES = {"scheduler": 2}
SETTINGS = {"scheduler": NO_OVN["scheduler"], "compute": {"compute": {"build_deadline_s": "20"}}}


def servers(stack, tenant):
    return stack.sql("compute", "SELECT * FROM server WHERE project_id = %s AND deleted_at IS NULL", tenant.person.project_id)


def clear(stack, tenant):
    for row in servers(stack, tenant):
        tenant.delete(row["id"])
    wait_until(lambda: not servers(stack, tenant), 60, "all servers are gone")
    nothing_left(stack, tenant)


def unequal_lives(stack):
    """Servers whose usage is not, to the microsecond, the time from ACTIVE to gone."""
    return stack.sql("compute", "SELECT s.id, u.meter FROM server s LEFT JOIN usage_interval u ON u.resource_id = s.id::text"
                     " WHERE (u.id IS NULL) <> (s.launched_at IS NULL) OR u.id IS NOT NULL AND (u.from_us <> (extract(epoch FROM s.launched_at) * 1000000)::bigint"
                     " OR u.to_us IS DISTINCT FROM (extract(epoch FROM s.terminated_at) * 1000000)::bigint)")


def test_no_host_fits_is_an_error_that_says_why(stack, tenant):
    huge = flavor(stack, ram=40000, disk=100000)["id"]
    server_id = tenant.create(flavorRef=huge)
    server = tenant.wait(server_id, "ERROR")
    assert server["fault"]["message"] == "No valid host was found. 1 host: 1 too little disk"
    assert server["fault"]["code"] == 500
    clear(stack, tenant)


def test_quota_is_checked_before_anything_exists(stack, tenant):
    body = {"limits": [{"project_id": tenant.person.project_id, "service": "compute", "resource": "cores", "value": 1}]}
    stack.call("POST", "identity", "/internal/v1/limits", body, stack.service_token())
    wait_until(lambda: stack.sql("compute", "SELECT 1 FROM quota_limit WHERE project_id = %s AND value IS NOT NULL", tenant.person.project_id), 10, "the limit came")
    first = tenant.create()
    status, _, reply = tenant.request("POST", "/servers", tenant.body())
    assert status == 403 and "Quota exceeded for cores" in reply["forbidden"]["message"]
    assert len(servers(stack, tenant)) == 1
    tenant.wait(first, "ACTIVE")
    body["limits"][0]["value"] = None
    stack.call("POST", "identity", "/internal/v1/limits", body, stack.service_token())
    wait_until(lambda: not stack.sql("compute", "SELECT 1 FROM quota_limit WHERE project_id = %s AND value IS NOT NULL", tenant.person.project_id), 10, "the limit went")
    clear(stack, tenant)


def test_the_same_key_makes_one_server(stack, tenant):
    key = {"Idempotency-Key": uuid.uuid4().hex}
    assert tenant.create(headers=key) == tenant.create(headers=key)
    assert len(servers(stack, tenant)) == 1
    status, _, reply = tenant.request("POST", "/servers", tenant.body(name="other"), headers=key)
    assert status == 409, reply
    clear(stack, tenant)


def test_an_image_deleted_while_scheduling_is_the_servers_fault(stack, tenant):
    for label in ("scheduler", "scheduler-2"):
        stack.kill(label)
    server_id = tenant.create(imageRef=image(stack, tenant.person))
    image_id = stack.sql("compute", "SELECT image_id FROM server WHERE id = %s", server_id)[0]["image_id"]
    stack.call("DELETE", "image", f"/v2/images/{image_id}", token=tenant.token)
    for label in ("scheduler", "scheduler-2"):
        stack.start(label)
    server = tenant.wait(server_id, "ERROR")
    assert str(image_id) in server["fault"]["message"]
    assert stack.sql("compute", "SELECT * FROM claim WHERE server_id = %s", server_id) == []
    assert tenant.ports() == []
    clear(stack, tenant)


def test_a_server_on_a_silent_host_fails_at_its_deadline_and_gives_all_back(stack, tenant):
    stack.agent.kill()
    server_id = tenant.create()
    server = tenant.wait(server_id, "ERROR", timeout=60)
    assert "deadline" in server["fault"]["message"] and "h1" in server["fault"]["message"]
    assert tenant.ports() == [] and stack.sql("compute", "SELECT * FROM claim") == []
    clear(stack, tenant)
    stack.agent.start()
    hosts_up(stack)


def test_a_server_is_deleted_while_its_host_is_gone(stack, tenant):
    server_id = tenant.create()
    tenant.wait(server_id, "ACTIVE")
    stack.agent.kill()
    tenant.delete(server_id)
    tenant.wait_gone(server_id, 60)
    nothing_left(stack, tenant)
    stack.agent.start()
    hosts_up(stack)
    wait_until(lambda: not any(stack.cloud.dir("state-h1").glob(f"instances/{server_id}/*")), 30, "the guest is ordered away")


def test_killed_at_random_moments_everything_converges(stack, tenant):
    random.seed(7)
    labels = ["scheduler", "scheduler-2", stack.agent.label, "compute", "network"]
    for turn in range(10):
        server_id = tenant.create(name=f"k{turn}")
        time.sleep(random.random() * 0.4)
        label = labels[turn % len(labels)]
        stack.kill(label)
        if label == stack.agent.label:
            stack.agent.start()
        else:
            stack.start(label)
        if turn % 3 == 2:
            tenant.delete(server_id)
    for row in servers(stack, tenant):
        if row["task_state"] != "deleting":
            tenant.wait(str(row["id"]), "ACTIVE", "ERROR", timeout=60)
    clear(stack, tenant)
    assert unequal_lives(stack) == []
