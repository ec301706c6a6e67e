# SPDX-License-Identifier: Apache-2.0
"""OpenStack Swift with its S3 interface, from Debian's package python3-swift: a real object store in five servers on loopback,
one disk, one copy of everything; one of them answers the tests themselves, without asking who they are.

    if swift.is_installed():
        with Swift(directory) as s3:     # s3.settings(): a store of the image service
            s3.names()                   # the objects in the bucket, by Swift's own container listing
"""

import json
import os
import pwd
import subprocess
import tempfile
import urllib.request

from tests.lib.stack import free_ports, listens, wait_until

PYTHON = "/usr/bin/python3"
# tempauth takes no blanks in a secret.
ACCOUNT, USER, SECRET, BUCKET = "test", "image", "a-secret-of-the-tests", "images"
SERVERS = ("account", "container", "object")
# All servers in one program, which loads Swift once and then forks: that is what takes time. Every setting names its directory,
# but the hash's does so by a function only. argv: directory, then kind and port of each ring; on stdin the servers, "name kind".
RUN = """
import os, signal, sys
from swift.common import utils
from swift.common.ring import RingBuilder
directory = sys.argv[1]
utils.set_swift_dir(directory)
import swift.account.server, swift.container.server, swift.obj.server, swift.proxy.server
import swift.common.middleware.s3api.s3api, swift.common.middleware.slo, swift.common.middleware.dlo
import swift.common.middleware.tempauth, swift.common.middleware.bulk
from swift.common.wsgi import run_wsgi
for kind, port in zip(sys.argv[2::2], sys.argv[3::2]):
    ring = RingBuilder(4, 1, 0)
    ring.add_dev({"region": 1, "zone": 1, "ip": "127.0.0.1", "port": int(port), "device": "disk", "weight": 1,
                  "replication_ip": "127.0.0.1", "replication_port": int(port), "meta": ""})
    ring.rebalance()
    ring.get_ring().save(f"{directory}/{kind}.ring.gz")
children = []
def end(*_):
    for child in children:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    os._exit(0)
signal.signal(signal.SIGTERM, end)
for line in sys.stdin.read().splitlines():
    name, kind = line.split()
    children.append(os.fork())
    if children[-1] == 0:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        log = os.open(f"{directory}/{name}.log", os.O_WRONLY | os.O_CREAT, 0o600)
        os.dup2(log, 1)
        os.dup2(log, 2)
        sys.exit(run_wsgi(f"{directory}/{name}.conf", f"{kind}-server"))
os.wait()
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
        self.process = None

    def settings(self):
        return {"url": self.url, "bucket": BUCKET, "access_key": f"{ACCOUNT}:{USER}", "secret_key": SECRET, "part_size": str(5 << 20)}

    def __enter__(self):
        (self.dir / "devices/disk").mkdir(parents=True)
        (self.dir / "swift.conf").write_text(HASH)
        for kind in SERVERS:
            self._write(kind, STORAGE.format(kind=kind, port=self.ports[kind], dir=self.dir, user=_user()))
        for name, pipeline in (("proxy", OUTER), ("inner", INNER)):
            self._write(name, PROXY.format(port=self.ports[name], dir=self.dir, user=_user(), nobody=self.ports["nobody"], account=ACCOUNT,
                                           name=USER, secret=SECRET, pipeline=pipeline))
        try:
            self._start()
            wait_until(self._listens, 120, f"Swift did not start, see {self.dir}")
            self.request("PUT", "")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.process:
            self.process.terminate()
            self.process.wait(60)

    def _listens(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"a process of Swift ended, see {self.dir}")
        return all(listens(self.ports[name]) for name in (*SERVERS, "proxy", "inner"))

    def _write(self, name, text):
        (self.dir / f"{name}.conf").write_text(text)

    def _start(self):
        words = [str(word) for kind in SERVERS for word in (kind, self.ports[kind])]
        names = "".join(f"{name} {name}\n" for name in (*SERVERS, "proxy")) + "inner proxy\n"
        with open(self.dir / "swift.log", "wb") as log, tempfile.TemporaryFile() as servers:
            servers.write(names.encode())
            servers.seek(0)
            self.process = subprocess.Popen([PYTHON, "-W", "ignore", "-c", RUN, str(self.dir), *words], stdout=log, stderr=log, stdin=servers)

    def request(self, method, name, data=None):
        """By Swift's own interface: of the bucket, or of an object in it ("/name")."""
        ask = urllib.request.Request(f"http://127.0.0.1:{self.ports['inner']}/v1/AUTH_{ACCOUNT}/{BUCKET}{name}", method=method, data=data)
        with urllib.request.urlopen(ask, timeout=30) as reply:
            return reply.read()

    def names(self):
        return [o["name"] for o in json.loads(self.request("GET", "?format=json"))]


def _user():
    return pwd.getpwuid(os.getuid()).pw_name
