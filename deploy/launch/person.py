# SPDX-License-Identifier: Apache-2.0
"""A person at a shell: signs up by REST, then uses the unmodified `openstack` command line with what they got."""

import json
import os
import re
import secrets
import subprocess
import time

from . import api, process
from .settings import LaunchError

CLIENT = "/usr/bin/openstack"


def mail_token(text):
    """The token in a mail: the longest word of at least 20 characters that a token may consist of."""
    words = re.findall(r"(?:token=)?([A-Za-z0-9_-]{20,})", text)
    if not words:
        raise LaunchError(f"no token in the mail:\n{text}")
    return max(words, key=len)


def wait_mail(cloud, address, timeout_s=30):
    """The text of the newest mail to that address."""
    folder = cloud.dir("mail")

    def found():
        for path in sorted(folder.glob("*.json"), reverse=True):
            mail = json.loads(path.read_text())
            if address in mail["to"]:
                return mail
        return None
    return process.wait_until(found, timeout_s, f"no mail came to {address} within {timeout_s} s")


class Person:
    def __init__(self, cloud):
        self.cloud = cloud
        tail = f"{int(time.time())}-{secrets.token_hex(3)}"
        self.email = f"person-{tail}@example.org"
        self.password = secrets.token_urlsafe(16)
        self.project_id = None
        self.environment = None

    def accounts(self, path, body):
        url = self.cloud.url("identity") + "/accounts/v1" + path
        return api.call("POST", url, body)

    def sign_up(self):
        self.accounts("/sign-up", {"email": self.email, "password": self.password, "name": "Haneul Person", "locale": "en"})

    def verify(self):
        mail = wait_mail(self.cloud, self.email)
        answer = self.accounts("/sign-up/verify", {"token": mail_token(mail["text"])})
        self.project_id = answer["project"]["id"] if "project" in answer else answer["project_id"]
        return mail

    def log_in(self):
        """Environment variables of the openstack client, scoped to the person's project by id."""
        self.environment = {
            "OS_AUTH_URL": self.cloud.url("identity") + "/v3", "OS_IDENTITY_API_VERSION": "3", "OS_USERNAME": self.email,
            "OS_PASSWORD": self.password, "OS_PROJECT_ID": self.project_id, "OS_USER_DOMAIN_NAME": "Default",
            "OS_REGION_NAME": "RegionOne", "HOME": str(self.cloud.dir("demo")), "PYTHONWARNINGS": "ignore"}
        return self.token()

    def token(self):
        token, _ = api.token(self.cloud.url("identity"), self.email, self.password, {"id": self.project_id})
        return token

    def openstack(self, *words, timeout=120):
        """The unmodified client's JSON output (None when it prints nothing)."""
        clean = {k: v for k, v in os.environ.items() if not k.startswith("OS_")}
        output = _run([CLIENT, *words], {**clean, **self.environment}, timeout)
        return json.loads(output) if output.strip().startswith(("{", "[")) else output


def _run(argv, environment, timeout):
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=timeout, check=False,
                          stdin=subprocess.DEVNULL)
    if done.returncode:
        raise LaunchError(f"{' '.join(argv[:8])} … ended with {done.returncode}: {(done.stderr or done.stdout).strip()[-1500:]}")
    return done.stdout
