# SPDX-License-Identifier: Apache-2.0
"""OpenStack Swift with its S3 interface, from Debian's package python3-swift: a real object store in five processes on loopback,
one disk, one copy of everything; one of them answers the tests themselves, without asking who they are.

    if swift.is_installed():
        with Swift(directory) as s3:     # s3.settings(): a store of the image service
            s3.names()                   # the objects in the bucket, by Swift's own container listing
"""

import json
import os
import pwd
import subprocess
import urllib.request

from tests.lib.stack import free_ports, listens, wait_until

PYTHON = "/usr/bin/python3"
# tempauth takes no blanks in a secret.
ACCOUNT, USER, SECRET, BUCKET = "test", "image", "a-secret-of-the-tests", "images"
SERVERS = ("account", "container", "object")
# Every setting names its directory, but the hash's does so by a function only.
RUN = "import sys; from swift.common import utils; utils.set_swift_dir(sys.argv[3]); from swift.common.wsgi import run_wsgi; " \
      "sys.exit(run_wsgi(sys.argv[1], sys.argv[2]))"
# One process for all rings: starting it is what takes time.
RINGS = """
import sys
from swift.common.ring import RingBuilder
for kind, port in zip(sys.argv[2::2], sys.argv[3::2]):
    ring = RingBuilder(4, 1, 0)
    ring.add_dev({"region": 1, "zone": 1, "ip": "127.0.0.1", "port": int(port), "device": "disk", "weight": 1,
                  "replication_ip": "127.0.0.1", "replication_port": int(port), "meta": ""})
    ring.rebalance()
    ring.get_ring().save(f"{sys.argv[1]}/{kind}.ring.gz")
"""

PROXY = """[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
swift_dir = {dir}
user = {user}
workers = 0
[pipeline:main]
pipeline = {pipeline}
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
node_timeout = 60
[filter:s3api]
use = egg:swift#s3api
location = us-east-1
[filter:tempauth]
use = egg:swift#tempauth
user_{account}_{name} = {secret} .admin
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:{nobody}
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:gatekeeper]
use = egg:swift#gatekeeper
[filter:listing_formats]
use = egg:swift#listing_formats
[filter:bulk]
use = egg:swift#bulk
[filter:slo]
use = egg:swift#slo
[filter:dlo]
use = egg:swift#dlo
"""
STORAGE = """[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
swift_dir = {dir}
devices = {dir}/devices
mount_check = false
user = {user}
workers = 0
fallocate_reserve = 0
[pipeline:main]
pipeline = {kind}-server
[app:{kind}-server]
use = egg:swift#{kind}
"""
OUTER = "catch_errors gatekeeper cache listing_formats bulk s3api tempauth slo dlo proxy-server"
INNER = "catch_errors listing_formats proxy-server"
HASH = "[swift-hash]\nswift_hash_path_suffix = tests\nswift_hash_path_prefix = tests\n[storage-policy:0]\nname = one\ndefault = yes\n"


def is_installed():
    return subprocess.run([PYTHON, "-c", "import swift.proxy.server"], capture_output=True, check=False).returncode == 0


class Swift:
    def __init__(self, directory):
        self.dir = directory
        self.ports = free_ports([*SERVERS, "proxy", "inner", "nobody"])
        self.url = f"http://127.0.0.1:{self.ports['proxy']}"
        self.processes = []

    def settings(self):
        return {"url": self.url, "bucket": BUCKET, "access_key": f"{ACCOUNT}:{USER}", "secret_key": SECRET, "part_size": str(5 << 20)}

    def __enter__(self):
        (self.dir / "devices/disk").mkdir(parents=True)
        (self.dir / "swift.conf").write_text(HASH)
        try:
            self._rings()
            for kind in SERVERS:
                self._start(kind, STORAGE.format(kind=kind, port=self.ports[kind], dir=self.dir, user=_user()))
            for name, pipeline in (("proxy", OUTER), ("inner", INNER)):
                self._start(name, PROXY.format(port=self.ports[name], dir=self.dir, user=_user(), nobody=self.ports["nobody"], account=ACCOUNT,
                                               name=USER, secret=SECRET, pipeline=pipeline), "proxy")
            wait_until(self._listens, 120, f"Swift did not start, see {self.dir}")
            self.request("PUT", "")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for process in reversed(self.processes):
            process.terminate()
        for process in self.processes:
            process.wait(20)

    def _listens(self):
        for process in self.processes:
            if process.poll() is not None:
                raise RuntimeError(f"a process of Swift ended, see {self.dir}")
        return all(listens(self.ports[name]) for name in (*SERVERS, "proxy", "inner"))

    def _rings(self):
        words = [str(word) for kind in SERVERS for word in (kind, self.ports[kind])]
        subprocess.run([PYTHON, "-W", "ignore", "-c", RINGS, str(self.dir), *words], check=True, capture_output=True, timeout=120)

    def _start(self, name, text, kind=None):
        path = self.dir / f"{name}.conf"
        path.write_text(text)
        with open(self.dir / f"{name}.log", "wb") as log:
            self.processes.append(subprocess.Popen([PYTHON, "-W", "ignore", "-c", RUN, str(path), f"{kind or name}-server", str(self.dir)],
                                                   stdout=log, stderr=log, stdin=subprocess.DEVNULL))

    def request(self, method, name, data=None):
        """By Swift's own interface: of the bucket, or of an object in it ("/name")."""
        ask = urllib.request.Request(f"http://127.0.0.1:{self.ports['inner']}/v1/AUTH_{ACCOUNT}/{BUCKET}{name}", method=method, data=data)
        with urllib.request.urlopen(ask, timeout=30) as reply:
            return reply.read()

    def names(self):
        return [o["name"] for o in json.loads(self.request("GET", "?format=json"))]


def _user():
    return pwd.getpwuid(os.getuid()).pw_name
