# SPDX-License-Identifier: Apache-2.0
"""Where one cloud lives, which ports it takes, and its secrets. Nothing here starts anything."""

import hashlib
import json
import os
import secrets
import threading
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# Port of each part before the offset is added. Services have OpenStack's numbers; what is private to the cloud keeps off
# the numbers of a person's own PostgreSQL or RabbitMQ.
PORTS = {
    "identity": 5000,
    "image": 9292,
    "image-remote": 9293,
    "network": 9696,
    "compute": 8774,
    "billing": 8889,
    "scheduler": 18774,
    "postgres": 15432,
    "rabbit": 15675,
    "rabbit-dist": 25675,
    "epmd": 14369,
    "smtp": 10025,
}
# Profiles say how large a cloud is and which settings differ; HANEUL_HOSTS overrides the number of hosts.
PROFILES = {
    "default": {"hosts": 1},
    "two-hosts": {"hosts": 2},
    "three-hosts": {"hosts": 3},
    # What Tempest expects: its security compliance tests, random bytes that it calls qcow2, web-download from the runner's
    # own little server on loopback, two stores, locations shown, an image cache, and a second process of the image service
    # under its own catalog type.
    "conformance": {"hosts": 2, "seconds": {"image-remote": "image"}, "settings": {
        "identity": {"security_compliance": {"lockout_failure_attempts": 2, "lockout_duration": 5, "unique_last_password_count": 2}},
        "image": {"image": {"require_format_match": "false", "show_multiple_locations": "true"}, "stores": {"enabled": "local:file, archive:file"}, "import": {"ports": "80,443,18099", "allow_private": "true"},
                  "cache": {"path": "{var}/image-cache"}}}},
    # No guests, so no port comes up either: for measuring the control plane alone.
    "simulated": {"hosts": 1, "settings": {"hypervisor": {"agent": {"driver": "simulated"}},
                                           "scheduler": {"scheduler": {"wait_for_ports": "false"}}}},
}
MAX_HOSTS = 9
# A UNIX socket's path may have 107 characters, and the longest of ours adds 35 to var's.
MAX_VAR = 70


class LaunchError(Exception):
    """Something a person must know; shown as one sentence."""


class Cloud:
    """One cloud under one directory."""

    def __init__(self, var, offset=0, profile="default", ports=None):
        self.var = Path(var).resolve()
        if len(str(self.var)) > MAX_VAR:
            raise LaunchError(f"{self.var} is too long a path: at most {MAX_VAR} characters "
                              "leave room for the names of sockets; give a shorter VAR")
        if profile not in PROFILES:
            raise LaunchError(f"no profile {profile!r}: choose from {', '.join(PROFILES)}")
        if not 0 <= offset <= 35000:
            raise LaunchError(f"the port offset {offset} is not between 0 and 35000")
        self.offset = offset
        self.profile = profile
        self.n_hosts = int(os.environ.get("HANEUL_HOSTS") or PROFILES[profile]["hosts"])
        if not 1 <= self.n_hosts <= MAX_HOSTS:
            raise LaunchError(f"HANEUL_HOSTS is {self.n_hosts}, not between 1 and {MAX_HOSTS}")
        self.more = json.loads(json.dumps(PROFILES[profile].get("settings", {})).replace("{var}", str(self.var)))
        # Further processes of a service, on the same data: name → service.
        self.seconds = PROFILES[profile].get("seconds", {})
        self.ports = ports or {name: port + offset for name, port in PORTS.items()}
        # Names that the kernel shares between clouds (network namespaces, cgroups) carry this.
        self.tag = hashlib.sha256(str(self.var).encode()).hexdigest()[:6]
        self._lock = threading.Lock()

    def dir(self, *parts, mode=0o755):
        path = self.var.joinpath(*parts)
        if not path.is_dir():
            path.mkdir(parents=True, exist_ok=True)
            path.chmod(mode)
        return path

    def url(self, service):
        return f"http://127.0.0.1:{self.ports[service]}"

    def secret(self, name):
        """The secret of that name, made on first use and kept in var/secrets (0600)."""
        with self._lock:
            path = self.var / "secrets"
            known = json.loads(path.read_text()) if path.exists() else {}
            if name not in known:
                self.dir()
                known[name] = secrets.token_hex(16)
                write_file(path, json.dumps(known, indent=1, sort_keys=True) + "\n", 0o600)
            return known[name]

    def secret_keys(self):
        """The directory of identity's keys for stored secrets, with the first key and the staged one (0600)."""
        with self._lock:
            path = self.dir("keys", mode=0o700)
            for number in ("0", "1"):
                if not (path / "1").exists():
                    write_file(path / number, secrets.token_hex(32) + "\n", 0o600)
            return path

    def programs(self):
        """The folder of our own programs."""
        return Path(os.environ.get("HANEUL_BIN") or ROOT / "build/debug/bin")

    def program(self, service):
        path = self.programs() / f"haneul-{service}"
        if not path.exists():
            raise LaunchError(f"{path} does not exist: build it first (make {service})")
        return path

    def host_names(self):
        return [f"h{i}" for i in range(1, self.n_hosts + 1)]

    def namespace(self, name):
        return f"hn{self.tag}-{name}"

    def cgroup(self, name):
        return f"haneul-{self.tag}-{name}"


def write_file(path, text, mode=0o644):
    """Whole or not at all, with its mode from the first byte."""
    path = Path(path)
    new = path.with_name(path.name + ".new")
    fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(fd, "w") as file:
        os.fchmod(fd, mode)
        file.write(text)
    new.replace(path)
