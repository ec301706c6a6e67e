# SPDX-License-Identifier: Apache-2.0
"""A small JSON client for our own HTTP APIs, on the standard library."""

import json
import urllib.error
import urllib.request

from .settings import LaunchError


class ApiError(LaunchError):
    def __init__(self, method, url, status, body):
        text = body if isinstance(body, str) else json.dumps(body)
        super().__init__(f"{method} {url} answered {status}: {text[:500]}")
        self.status = status
        self.body = body


class Unreachable(LaunchError, ConnectionError):
    """Nobody answered."""


def _decode(data, content_type):
    text = data.decode(errors="replace")
    if "json" in (content_type or "") and text:
        return json.loads(text)
    return text


def request(method, url, body=None, token=None, headers=None, timeout=30, data=None):
    """(status, headers, body) whatever the status is. LaunchError when nobody answers."""
    head = dict(headers or {})
    if body is not None:
        data = json.dumps(body).encode()
        head.setdefault("Content-Type", "application/json")
    if token:
        head["X-Auth-Token"] = token
    call = urllib.request.Request(url, data=data, headers=head, method=method)
    try:
        with urllib.request.urlopen(call, timeout=timeout) as reply:
            return reply.status, reply.headers, _decode(reply.read(), reply.headers.get("Content-Type"))
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, _decode(error.read(), error.headers.get("Content-Type"))
    except OSError as error:
        raise Unreachable(f"{method} {url}: {error}") from None


def call(method, url, body=None, token=None, **more):
    """The body of a 2xx answer; ApiError otherwise."""
    status, _, answer = request(method, url, body, token, **more)
    if not 200 <= status < 300:
        raise ApiError(method, url, status, answer)
    return answer


def healthy(url):
    try:
        return request("GET", f"{url}/healthcheck", timeout=3)[0] == 200
    except (LaunchError, ValueError):
        return False


def token(identity_url, user, password, project=None, domain="Default"):
    """A new token and its decoded body. project: a name in the domain, a dict as in a scope, or None (unscoped)."""
    auth = {"identity": {"methods": ["password"], "password": {
        "user": {"name": user, "domain": {"name": domain}, "password": password}}}}
    if isinstance(project, str):
        auth["scope"] = {"project": {"name": project, "domain": {"name": domain}}}
    elif project:
        auth["scope"] = {"project": project}
    url = f"{identity_url}/v3/auth/tokens"
    status, headers, body = request("POST", url, {"auth": auth})
    if status != 201:
        raise ApiError("POST", url, status, body)
    return headers["X-Subject-Token"], body["token"]
