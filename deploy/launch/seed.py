# SPDX-License-Identifier: Apache-2.0
"""What an operator sets up by the public APIs before people come: flavors, the provider network, a demo account. Every
step looks first, so that it may run at each start."""

from . import api, services
from .hosts import PROVIDER
from .settings import write_file

FLAVORS = (  # name, vCPUs, MiB, GiB
    ("m1.nano", 1, 128, 1),
    ("m1.tiny", 1, 256, 1),
    ("m1.small", 1, 512, 2),
)
PUBLIC = "public"
POOL = {"start": "203.0.113.10", "end": "203.0.113.199"}
DEMO = "demo"


def _flavors(cloud, token):
    url = cloud.url("compute") + "/v2.1/flavors"
    known = {f["name"] for f in api.call("GET", url, token=token)["flavors"]}
    for name, vcpus, ram, disk in FLAVORS:
        if name not in known:
            api.call("POST", url, {"flavor": {"name": name, "vcpus": vcpus, "ram": ram, "disk": disk}}, token)


def _public_network(cloud, token):
    base = cloud.url("network") + "/v2.0"
    found = api.call("GET", f"{base}/networks?name={PUBLIC}&router:external=true", token=token)["networks"]
    network = found[0] if found else api.call("POST", f"{base}/networks", {"network": {
        "name": PUBLIC, "router:external": True, "provider:network_type": "flat",
        "provider:physical_network": PROVIDER["physical"]}}, token)["network"]
    if not api.call("GET", f"{base}/subnets?network_id={network['id']}", token=token)["subnets"]:
        api.call("POST", f"{base}/subnets", {"subnet": {
            "name": PUBLIC, "network_id": network["id"], "ip_version": 4, "cidr": PROVIDER["cidr"],
            "gateway_ip": PROVIDER["gateway"], "enable_dhcp": False, "allocation_pools": [POOL]}}, token)


def _one(base, kind, name, token, more):
    found = api.call("GET", f"{base}/{kind}s?name={name}&domain_id=default", token=token)[f"{kind}s"]
    return found[0] if found else api.call("POST", f"{base}/{kind}s", {kind: {
        "name": name, "domain_id": "default", **more}}, token)[kind]


def _demo_account(cloud, token):
    base = cloud.url("identity") + "/v3"
    project = _one(base, "project", DEMO, token, {"description": "for trying things out"})
    user = _one(base, "user", DEMO, token, {"password": cloud.secret("demo"), "default_project_id": project["id"]})
    role = api.call("GET", f"{base}/roles?name=member", token=token)["roles"][0]
    api.call("PUT", f"{base}/projects/{project['id']}/users/{user['id']}/roles/{role['id']}", token=token)


def _domain_admin(cloud, token):
    """The first user administers the domain Default too: clients that ask for a token of their user's domain get one."""
    base = cloud.url("identity") + "/v3"
    user = api.call("GET", f"{base}/users?name=admin&domain_id=default", token=token)["users"][0]
    role = api.call("GET", f"{base}/roles?name=admin", token=token)["roles"][0]
    api.call("PUT", f"{base}/domains/default/users/{user['id']}/roles/{role['id']}", token=token)


def openrc(cloud, user, password, project):
    values = {"OS_AUTH_URL": cloud.url("identity") + "/v3", "OS_IDENTITY_API_VERSION": "3", "OS_REGION_NAME": services.REGION,
              "OS_USERNAME": user, "OS_PASSWORD": password, "OS_PROJECT_NAME": project,
              "OS_USER_DOMAIN_NAME": "Default", "OS_PROJECT_DOMAIN_NAME": "Default"}
    return values


def write_openrc(path, values):
    write_file(path, "".join(f"export {key}='{value}'\n" for key, value in values.items()), 0o600)


def _seconds(cloud, token):
    """Each further process in the catalog under a type of its own: image-remote as image_remote."""
    base = cloud.url("identity") + "/v3"
    for name in cloud.seconds:
        kind = name.replace("-", "_")
        found = api.call("GET", f"{base}/services?type={kind}", token=token)["services"]
        service = found[0] if found else api.call("POST", f"{base}/services", {"service": {"type": kind, "name": name}}, token)["service"]
        endpoints = api.call("GET", f"{base}/endpoints?service_id={service['id']}", token=token)["endpoints"]
        for endpoint in endpoints:
            if endpoint["url"] != cloud.url(name):  # the cloud was up on other ports before
                api.call("PATCH", f"{base}/endpoints/{endpoint['id']}", {"endpoint": {"url": cloud.url(name)}}, token)
        if not endpoints:
            for interface in ("public", "internal", "admin"):
                api.call("POST", f"{base}/endpoints", {"endpoint": {
                    "service_id": service["id"], "interface": interface, "region_id": services.REGION, "url": cloud.url(name)}}, token)


def up(cloud):
    write_openrc(cloud.var / "admin-openrc", openrc(cloud, "admin", cloud.secret("admin"), "admin"))
    write_openrc(cloud.var / "demo-openrc", openrc(cloud, DEMO, cloud.secret("demo"), DEMO))
    token, _ = api.token(cloud.url("identity"), "admin", cloud.secret("admin"), "admin")
    _domain_admin(cloud, token)
    _demo_account(cloud, token)
    _flavors(cloud, token)
    _public_network(cloud, token)
    _seconds(cloud, token)
