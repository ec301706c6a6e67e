# SPDX-License-Identifier: Apache-2.0
"""A private RabbitMQ: own data, cookie, name daemon and ports on 127.0.0.1. Users, their passwords and permissions are a
definitions file that the broker reads at every start."""

import base64
import hashlib
import json
import socket
import struct
from pathlib import Path

from . import process
from .postgres import as_user
from .settings import LaunchError, write_file

NAME = "rabbitmq"
EPMD = "epmd"
SEEN_AS = "/var/lib/rabbitmq"
SERVICES = ("identity", "image", "network", "compute", "scheduler", "billing")
ANONYMOUS = r"amq\.gen.*"  # queues that the broker names: hints and replies
# Queues beside the anonymous ones that a service declares and reads.
QUEUES = {"scheduler": r"compute\.scheduler", "billing": "billing"}


def _binary(name):
    found = sorted(Path("/usr/lib/rabbitmq/lib").glob(f"rabbitmq_server-*/sbin/{name}"))
    if not found:
        raise LaunchError("RabbitMQ is not installed: make deps")
    return found[-1]


def _environment(cloud):
    return {
        "HOME": SEEN_AS, "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8",
        "RABBITMQ_NODENAME": f"haneul-{cloud.tag}@localhost", "RABBITMQ_BASE": SEEN_AS,
        "RABBITMQ_MNESIA_BASE": f"{SEEN_AS}/mnesia", "RABBITMQ_LOG_BASE": f"{SEEN_AS}/log", "RABBITMQ_LOGS": "-",
        "RABBITMQ_CONFIG_FILE": f"{SEEN_AS}/rabbitmq.conf", "RABBITMQ_CONF_ENV_FILE": f"{SEEN_AS}/none",
        "RABBITMQ_ENABLED_PLUGINS_FILE": f"{SEEN_AS}/enabled_plugins", "RABBITMQ_DIST_PORT": str(cloud.ports["rabbit-dist"]),
        "ERL_EPMD_PORT": str(cloud.ports["epmd"]), "ERL_EPMD_ADDRESS": "127.0.0.1",
        # The start script then becomes the broker instead of waiting for it, so that its pid is the broker's.
        "RUNNING_UNDER_SYSTEMD": "true",
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS":
            "-kernel inet_dist_use_interface {127,0,0,1} +sbwt none +sbwtdcpu none +sbwtdio none",
    }


def _hash(password, salt):
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()


def _user(cloud, name):
    password = cloud.secret("bus-" + name)
    salt = hashlib.sha256(("salt" + password).encode()).digest()[:4]
    return {"name": name, "password_hash": _hash(password, salt), "tags": "",
            "hashing_algorithm": "rabbit_password_hashing_sha256"}


def _service_permission(name, vhost):
    own = "|".join(["haneul", r"haneul\.dead", ANONYMOUS, *filter(None, [QUEUES.get(name)])])
    return {"user": name, "vhost": vhost, "configure": f"^({own})$", "write": f"^({own})$", "read": f"^({own})$"}


def _host_permission(host, vhost):
    """A host reads its own queue and sends its reports and replies; it can neither make exchanges nor hear other hosts."""
    own = rf"host\.{host}|{ANONYMOUS}"
    return {"user": f"host-{host}", "vhost": vhost, "configure": f"^({own})$", "write": f"^(haneul|haneul\\.dead|{own})$",
            "read": f"^(haneul|{own})$"}


def _host_topics(host, vhost):
    return {"user": f"host-{host}", "vhost": vhost, "exchange": "haneul", "write": r"^(compute\.host|reply\..*)$",
            "read": rf"^host\.{host}$"}


def definitions(cloud, hosts, vhosts):
    users = [*SERVICES, *(f"host-{h}" for h in hosts)]
    return {
        "rabbit_version": "3.10.8",
        "users": [_user(cloud, u) for u in users],
        "vhosts": [{"name": v} for v in vhosts],
        "permissions": [_service_permission(s, v) for v in vhosts for s in SERVICES]
                       + [_host_permission(h, v) for v in vhosts for h in hosts],
        "topic_permissions": [_host_topics(h, v) for v in vhosts for h in hosts],
    }


def _frame_method(class_id, method_id, payload):
    body = struct.pack(">HH", class_id, method_id) + payload
    return struct.pack(">BHI", 1, 0, len(body)) + body + b"\xce"


def _read_frame(stream):
    _, _, size = struct.unpack(">BHI", stream.read(7))
    return struct.unpack(">HH", stream.read(size + 1)[:4])


def ready(cloud):
    """True when the broker lets a service log in: the listener is up and the definitions are read."""
    login = b"\0identity\0" + cloud.secret("bus-identity").encode()
    start_ok = (struct.pack(">I", 0) + b"\x05PLAIN" + struct.pack(">I", len(login)) + login + b"\x05en_US")
    try:
        with socket.create_connection(("127.0.0.1", cloud.ports["rabbit"]), 2) as link:
            link.settimeout(5)
            stream = link.makefile("rwb")
            stream.write(b"AMQP\0\0\x09\x01")
            stream.flush()
            _read_frame(stream)
            stream.write(_frame_method(10, 11, start_ok))
            stream.flush()
            return _read_frame(stream) == (10, 30)  # connection.tune
    except (OSError, struct.error):
        return False


def _configure(cloud, home, vhosts):
    write_file(home / "rabbitmq.conf", "\n".join([
        f"listeners.tcp.1 = 127.0.0.1:{cloud.ports['rabbit']}",
        f"load_definitions = {SEEN_AS}/definitions.json",
        "vm_memory_high_watermark.relative = 0.2", "disk_free_limit.absolute = 200MB", "log.console = true",
        "log.console.level = warning", "log.file = false"]) + "\n")
    write_file(home / "enabled_plugins", "[].\n")
    text = json.dumps(definitions(cloud, cloud.host_names(), vhosts), indent=1)
    path = home / "definitions.json"
    changed = not path.exists() or path.read_text() != text
    write_file(path, text, 0o600)
    if not (home / ".erlang.cookie").exists():
        write_file(home / ".erlang.cookie", cloud.secret("erlang-cookie"), 0o400)
    process.run(["chown", "-R", "rabbitmq:rabbitmq", home])
    return changed


def control(cloud, *argv):
    return process.run(as_user("rabbitmq", cloud.dir("rabbit"), SEEN_AS, [_binary("rabbitmqctl"), *argv]), env=_environment(cloud))


def begin(cloud, vhosts=("/",)):
    """Starts the broker without waiting. finish() waits."""
    home = cloud.dir("rabbit")
    changed = _configure(cloud, home, vhosts)
    environment = _environment(cloud)
    if not process.alive(cloud, EPMD):
        process.start(cloud, EPMD, ["epmd", "-port", str(cloud.ports["epmd"]), "-address", "127.0.0.1"], env=environment)
    if not process.alive(cloud, NAME):
        process.start(cloud, NAME, as_user("rabbitmq", home, SEEN_AS, [_binary("rabbitmq-server")]), env=environment)
        changed = False
    return changed


def finish(cloud, changed):
    process.wait_ready(cloud, NAME, lambda: ready(cloud), 120)
    if changed:
        control(cloud, "import_definitions", f"{SEEN_AS}/definitions.json")


def up(cloud, vhosts=("/",)):
    finish(cloud, begin(cloud, vhosts))
