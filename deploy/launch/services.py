# SPDX-License-Identifier: Apache-2.0
"""Haneul's own services: a settings file each, migrations, start in the order of need, readiness by /healthcheck."""

import os

from . import api, postgres, process
from .settings import ROOT, write_file

# In the order they are started. Identity first: all others verify tokens with its keys.
ORDER = ("identity", "image", "network", "compute", "scheduler", "billing")
# Users of project `service`, each with roles service and admin. The scheduler calls other services as compute.
ACCOUNTS = ("identity", "compute", "network", "image", "billing")
ACCOUNT_OF = {"scheduler": "compute"}
# Catalog type → (service, path behind its URL)
ENDPOINTS = {
    "identity": ("identity", "/v3"),
    "account": ("identity", "/accounts/v1"),
    "image": ("image", ""),
    "network": ("network", ""),
    "compute": ("compute", "/v2.1"),
    "rating": ("billing", ""),
}
REGION = "RegionOne"


def urls(cloud):
    return {kind: cloud.url(service) + path for kind, (service, path) in ENDPOINTS.items()}


def bus(cloud, user, vhost):
    return {"host": "127.0.0.1", "port": cloud.ports["rabbit"], "vhost": vhost, "user": user,
            "password": cloud.secret("bus-" + user)}


def _identity(cloud):
    bootstrap = {"admin_password": cloud.secret("admin"), "region": REGION}
    bootstrap["service_password"] = cloud.secret("service")
    bootstrap.update({f"endpoint_{kind}": url for kind, url in urls(cloud).items()})
    return {"bootstrap": bootstrap,
            "secret": {"key_directory": cloud.secret_keys()},
            "smtp": {"url": f"smtp://127.0.0.1:{cloud.ports['smtp']}", "from": "Haneul <no-reply@haneul.example>"}}


def _image(cloud):
    return {"store": {"path": cloud.dir("images")}, "image": {"url": cloud.url("image")}}


def _network(cloud):
    return {"ovn": {"northbound": f"unix:{cloud.var}/ovn/nb.sock"}}


def _compute(cloud):
    return {"compute": {"network_url": cloud.url("network"), "image_url": cloud.url("image")}}


def _billing(cloud):
    return {"billing": {f"{s}_url": cloud.url(s) for s in ("compute", "network", "image")}}


# What a service needs beyond the groups of the frame.
OWN = {"identity": _identity, "image": _image, "network": _network, "compute": _compute, "scheduler": _compute,
       "billing": _billing}


def settings(cloud, service, database="haneul", vhost="/", more=None):
    """The settings of a service as {group: {key: value}}; `more` is merged over them."""
    conf = {
        "service": {"listen": "127.0.0.1", "port": cloud.ports[service], "log_level": "info"},
        "database": {"dsn": postgres.dsn(cloud, service, database)},
        "bus": bus(cloud, service, vhost),
        "identity": {"url": cloud.url("identity"), "user": ACCOUNT_OF.get(service, service),
                     "password": cloud.secret("service")},
    }
    for extra in (OWN[service](cloud), cloud.more.get(service, {}), more or {}):
        merge(conf, extra)
    return conf


def merge(conf, extra):
    for group, values in extra.items():
        conf.setdefault(group, {}).update(values)
    return conf


def write_settings(path, conf):
    lines = ["# Written by deploy/cloud at every start."]
    for group, values in conf.items():
        lines += ["", f"[{group}]", *(f"{key} = {value}" for key, value in values.items())]
    write_file(path, "\n".join(lines) + "\n", 0o600)


def config_path(cloud, service):
    return cloud.dir("etc") / f"haneul-{service}.conf"


def migrate(cloud, service):
    process.run([cloud.program(service), "--config", config_path(cloud, service), "--migrate"])


def start(cloud, service):
    """Starts a service whose settings are written, and waits until it is healthy."""
    if not process.alive(cloud, service):
        process.start(cloud, service, [cloud.program(service), "--config", config_path(cloud, service)], cwd="/")
    process.wait_ready(cloud, service, lambda: api.healthy(cloud.url(service)))


def up(cloud, service):
    """Settings, migrations and program of a service; one that runs already keeps running."""
    if not process.alive(cloud, service):
        write_settings(config_path(cloud, service), settings(cloud, service))
        if service not in postgres.ROLE_OF:
            migrate(cloud, service)
    start(cloud, service)


def up_second(cloud, name, service):
    """A further process of a service that is up already, as on another host: its own port and cache, else the same settings."""
    if not process.alive(cloud, name):
        conf = settings(cloud, service)
        conf["service"]["port"] = cloud.ports[name]
        if "cache" in conf:
            conf["cache"] = {**conf["cache"], "path": f"{conf['cache']['path']}-{name}"}
        write_settings(config_path(cloud, name), conf)
        process.start(cloud, name, [cloud.program(service), "--config", config_path(cloud, name)], cwd="/")
    process.wait_ready(cloud, name, lambda: api.healthy(cloud.url(name)))


def build():
    """Builds the programs when no other folder of programs was named."""
    if not os.environ.get("HANEUL_BIN"):
        process.run(["make", "-C", ROOT, "-j2", "all"], timeout=1800)
