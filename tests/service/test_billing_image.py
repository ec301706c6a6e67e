# SPDX-License-Identifier: Apache-2.0
"""Usage as a real service writes it, all the way to what it costs: an image's bytes from its upload to its deletion."""

from fractions import Fraction

import pytest

from tests.lib.stack import wait_until

SERVICES = ["identity", "image", "billing"]
SIZE = 5 * 1024 * 1024
PRICE = Fraction(25, 1000) / 2**30 / 2592000  # per byte and second


def cost(stack, person):
    return stack.call("GET", "billing", f"/v1/accounts/{person.project_id}/cost", token=person.token)


def upload(stack, person):
    image = stack.call("POST", "image", "/v2/images", {"name": "disk", "disk_format": "raw", "container_format": "bare"}, person.token)
    status, _, body = stack.request("PUT", "image", f"/v2/images/{image['id']}/file", data=bytes(SIZE), token=person.token,
                                    headers={"Content-Type": "application/octet-stream"})
    assert status == 204, body
    return image["id"]


@pytest.mark.parametrize("kill", [None, "image", "billing"])
def test_an_image_costs_from_upload_to_deletion(stack, kill):
    person = stack.person()
    image = upload(stack, person)
    if kill:
        stack.kill(kill)
        stack.start(kill)
    wait_until(lambda: cost(stack, person)["lines"], 20, "the image does not cost anything")
    [line] = cost(stack, person)["lines"]
    assert (line["meter"], line["quantity"], line["resource_id"], line["open"]) == ("image.bytes", SIZE, image, True)
    assert stack.request("DELETE", "image", f"/v2/images/{image}", token=person.token)[0] == 204
    wait_until(lambda: not cost(stack, person)["lines"][0]["open"], 20, "the image still costs")
    bill = cost(stack, person)
    [line] = bill["lines"]
    wanted = PRICE * SIZE * Fraction(line["duration_us"], 10**6)
    assert abs(Fraction(line["amount"]) - wanted) <= Fraction(1, 2 * 10**9) and bill["total"] == line["amount"]
    [own] = stack.sql("image", "SELECT to_us - from_us AS us FROM usage_interval WHERE resource_id = %s", image)
    assert line["duration_us"] == own["us"]


def test_the_usage_feed_is_for_services_only(stack):
    person = stack.person()
    assert stack.request("GET", "image", "/internal/v1/usage")[0] == 401
    assert stack.request("GET", "image", "/internal/v1/usage", token=person.token)[0] == 403
    upload(stack, person)
    status, _, page = stack.request("GET", "image", "/internal/v1/usage?after=0&limit=1", token=stack.service_token())
    assert status == 200 and [f["sequence"] for f in page["facts"]] == [1] and page["service"] == "image", page
    for query in ("after=x", "after=-1", "limit=1001", "limit=x"):
        assert stack.request("GET", "image", "/internal/v1/usage?" + query, token=stack.service_token())[0] == 400
