# SPDX-License-Identifier: Apache-2.0
"""Images as a project's member makes them and looks at them (stack: tests/lib/stack.py)."""

STREAM = {"Content-Type": "application/octet-stream"}
PATCH = {"Content-Type": "application/openstack-images-v2.1-json-patch"}


def fetching(port, **more):
    """Settings of a service that may fetch from here, besides the ports that all may name."""
    return {"import": {"ports": f"80,443,{port}", "allow_private": "true", **more}}


def create(stack, person, **attributes):
    """The image, queued: a raw disk unless the attributes say another."""
    return stack.call("POST", "image", "/v2/images", {"disk_format": "raw", "container_format": "bare", **attributes}, token=person.token)


def show(stack, person, image):
    return stack.call("GET", "image", f"/v2/images/{image['id']}", token=person.token)


def send(stack, person, image, data, store=None, kind="file", **headers):
    """PUT file or stage: (status, headers, body)."""
    chosen = {"X-Image-Meta-Store": store} if store else {}
    return stack.request("PUT", "image", f"/v2/images/{image['id']}/{kind}", data=data, token=person.token, headers={**STREAM, **chosen, **headers})
