# SPDX-License-Identifier: Apache-2.0
"""Every route of the service with bodies, queries, headers and paths that nobody should send: never 5xx, and a 400 names what is wrong."""

import http.client
import json
import subprocess
import uuid
from urllib.parse import urlsplit

import pytest

SERVICES = ["identity"]
SETTINGS = {"identity": {"password": {"rounds": 10}, "accounts": {"rate_login": 1000000, "rate_network": 1000000, "rate_token": 1000000, "rate_all": 1000000,
                                                                  "rate_account": 1000000, "rate_address": 1000000},
                         "security_compliance": {"lockout_failure_attempts": 0}}}
SURROGATE, NUL = "\ud800", "\0"
DEEP = json.loads("[" * 40 + "]" * 40)
WRONG = [None, True, 0, -1, 1.5, 2 ** 63 - 1, "", "x" * 70000, "a" + NUL + "b", SURROGATE, "\u202e\u0301", [], {}, [None], [[]], [{}], ["a"], {"a": None}, {"id": 5},
         {"id": {"id": None}}, DEEP]
FEW = [None, 5, "a" + NUL + "b", SURROGATE, [], {"a": None}]
# They hash a secret or ask much of the database with each body.
DEAR = {"/v3/users/{id}/application_credentials", "/internal/v1/limits"}
# Bodies of routes that have no field table, and parts that the tables do not describe.
SAMPLES = {
    "POST /v3/auth/tokens": [
        {"auth": {"identity": {"methods": ["password"], "password": {"user": {"name": "n", "domain": {"id": "default"}, "password": "p"}}},
                  "scope": {"project": {"name": "p", "domain": {"name": "Default"}}}}},
        {"auth": {"identity": {"methods": ["token"], "token": {"id": "t"}}, "scope": {"system": {"all": True}}}},
        {"auth": {"identity": {"methods": ["totp"], "totp": {"user": {"id": "u", "passcode": "1"}}}, "scope": {"OS-TRUST:trust": {"id": "x"}}}},
        {"auth": {"identity": {"methods": ["application_credential"], "application_credential": {"name": "n", "secret": "s", "user": {"id": "u"}}}}},
        {"auth": {"identity": {"methods": ["mapped"], "mapped": {"identity_provider": "i", "protocol": "p"}}}}],
    "POST /v3/ec2tokens": [{"credentials": {"access": "{access}", "signature": "s", "host": "h", "verb": "GET", "path": "/", "params": {
        "SignatureVersion": "2", "SignatureMethod": "HmacSHA256", "Timestamp": "x"}, "headers": {"authorization": "AWS4-HMAC-SHA256 Credential=a"}, "body_hash": "b"}}],
    "POST /v3/s3tokens": [{"credentials": {"access": "{access}", "signature": "s", "token": "eA=="}}],
    "POST /v3/users": [{"user": {"name": "n", "options": {"multi_factor_auth_rules": [["password"]], "multi_factor_auth_enabled": True, "lock_password": False},
                                 "federated": [{"idp_id": "i", "protocols": [{"protocol_id": "p", "unique_id": "u"}]}]}}],
    "POST /v3/OS-TRUST/trusts": [{"trust": {"trustor_user_id": "{self}", "trustee_user_id": "{user}", "project_id": "{project}", "impersonation": False,
                                            "roles": [{"id": "{role}"}], "expires_at": "2040-01-01T00:00:00Z", "remaining_uses": 1}}],
    "POST /v3/users/{id}/application_credentials": [{"application_credential": {"name": "n", "roles": [{"name": "admin"}], "expires_at": "2040-01-01T00:00:00Z", "access_rules": [
        {"service": "identity", "method": "GET", "path": "/v3/users"}]}}],
    "POST /v3/users/{id}/credentials/OS-EC2": [{"tenant_id": "{project}"}],
    "POST /v3/credentials": [{"credential": {"type": "ec2", "blob": "{\"access\": \"a\", \"secret\": \"s\"}", "user_id": "{user}", "project_id": "{project}"}}],
    "PUT /v3/OS-FEDERATION/mappings/{id}": [{"mapping": {"rules": [{"local": [{"user": {"name": "{0}", "domain": {"id": "default"}}, "group": {"id": "g"}, "projects": [
        {"name": "p", "roles": [{"name": "r"}]}]}], "remote": [{"type": "a", "any_one_of": ["b"], "regex": True}]}]}}],
    "PUT /v3/OS-OAUTH1/authorize/{id}": [{"roles": [{"id": "{role}"}]}],
    "POST /v3/limits": [{"limits": [{"project_id": "{project}", "service_id": "{service}", "resource_name": "servers", "resource_limit": 5, "description": "d"}]}],
    "POST /v3/registered_limits": [{"registered_limits": [{"service_id": "{service}", "resource_name": "odd", "default_limit": 5, "region_id": None}]}],
    "PUT /v3/projects/{id}/tags": [{"tags": ["a", "b"]}],
    "PUT /v3/domains/{id}/config": [{"config": {"ldap": {"url": "u", "user_tree_dn": "d"}}}],
    "POST /internal/v1/limits": [{"limits": [{"project_id": "{project}", "service": "compute", "resource": "servers", "value": 1}]}],
    "POST /v3/OS-EP-FILTER/endpoint_groups": [{"endpoint_group": {"name": "n", "filters": {"interface": "admin", "service_id": "{service}"}}}],
    "POST /v3/policies": [{"policy": {"blob": {"a": "b"}, "type": "application/json"}}],
}
SKIPPED = {"/metrics", "/healthcheck"}


class Client:
    """One connection that is kept: (status, body)."""

    def __init__(self, stack, token):
        self.host, self.token, self.link = urlsplit(stack.url("identity")).netloc, token, None

    def ask(self, method, path, data=None, headers=None):
        for _ in range(2):
            try:
                self.link = self.link or http.client.HTTPConnection(self.host, timeout=60)
                self.link.putrequest(method, path, skip_accept_encoding=True)
                for name, value in headers or [("X-Auth-Token", self.token)]:
                    self.link.putheader(name, value)
                if data is not None:
                    self.link.putheader("Content-Type", "application/json")
                    self.link.putheader("Content-Length", str(len(data)))
                self.link.endheaders(data)
                reply = self.link.getresponse()
                return reply.status, reply.read().decode(errors="replace")
            except (http.client.HTTPException, ConnectionError):
                self.link = None
        raise AssertionError(f"no answer to {method} {path} {data[:200] if data else ''}")


@pytest.fixture(scope="module")
def client(stack):
    return Client(stack, stack.admin_token())


@pytest.fixture(scope="module")
def routes(stack):
    """(method, path, schema of the body or None) of all that the service says it has."""
    text = subprocess.run([stack.cloud.program("identity"), "--openapi"], stdout=subprocess.PIPE, check=True).stdout
    found = []
    for path, methods in json.loads(text)["paths"].items():
        for method, what in methods.items():
            schema = what.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
            found.append((method.upper(), path, schema))
    assert len(found) > 250
    return [route for route in found if route[1] not in SKIPPED]


@pytest.fixture(scope="module")
def things(stack, client):
    """A thing of each kind, to be named in paths and bodies."""
    victim, admin = stack.person(), stack.admin_token()

    def make(path, kind, /, **fields):
        return stack.call("POST", "identity", path, {kind: fields}, admin)[kind]

    ids = {"user": victim.user_id, "project": victim.project_id, "self": stack.call("GET", "identity", "/v3/auth/tokens", token=admin,
                                                                                    headers={"X-Subject-Token": admin})["token"]["user"]["id"]}
    ids["domain"] = make("/v3/domains", "domain", name=uuid.uuid4().hex)["id"]
    ids["group"] = make("/v3/groups", "group", name=uuid.uuid4().hex, domain_id="default")["id"]
    ids["role"] = stack.call("GET", "identity", "/v3/roles?name=reader", token=admin)["roles"][0]["id"]
    ids["service"] = make("/v3/services", "service", type="odd")["id"]
    ids["region"] = make("/v3/regions", "region", id="odd")["id"]
    ids["endpoint"] = make("/v3/endpoints", "endpoint", interface="public", service_id=ids["service"], url="http://x")["id"]
    ids["endpoint_group"] = make("/v3/OS-EP-FILTER/endpoint_groups", "endpoint_group", name="g", filters={"interface": "admin"})["id"]
    ids["policy"] = make("/v3/policies", "policy", blob="{}", type="application/json")["id"]
    ids["credential"] = make("/v3/credentials", "credential", type="cert", blob="b", user_id=victim.user_id)["id"]
    ids["consumer"] = make("/v3/OS-OAUTH1/consumers", "consumer", description="d")["id"]
    ids["access"] = stack.call("POST", "identity", f"/v3/users/{victim.user_id}/credentials/OS-EC2", {"tenant_id": victim.project_id}, victim.token)["credential"]["access"]
    registered = stack.call("POST", "identity", "/v3/registered_limits", {"registered_limits": [
        {"service_id": ids["service"], "resource_name": "things", "default_limit": 5}]}, admin)["registered_limits"][0]
    ids["registered_limit"] = registered["id"]
    ids["limit"] = stack.call("POST", "identity", "/v3/limits", {"limits": [{"project_id": victim.project_id, "service_id": ids["service"], "resource_name": "things",
                                                                           "resource_limit": 3}]}, admin)["limits"][0]["id"]
    return ids


KINDS = {"projects": "project", "users": "user", "groups": "group", "domains": "domain", "roles": "role", "services": "service", "regions": "region", "endpoints": "endpoint",
         "endpoint_groups": "endpoint_group", "policies": "policy", "credentials": "credential", "consumers": "consumer", "limits": "limit",
         "registered_limits": "registered_limit", "accounts": "user", "implies": "role", "OS-EC2": "access"}


def fill_path(path, things):
    parts = path.split("/")
    if path.endswith("/application_credentials"):
        return path.replace("{id}", things["self"])
    for i, part in enumerate(parts):
        if part.startswith("{"):
            parts[i] = things.get(KINDS.get(parts[i - 1]), "odd")
    return "/".join(parts)


def fill(value, things):
    """{name} in a sample's texts is the thing of that kind."""
    if isinstance(value, dict):
        return {k: fill(v, things) for k, v in value.items()}
    if isinstance(value, list):
        return [fill(v, things) for v in value]
    is_name = isinstance(value, str) and value[:1] == "{" and value[1:-1] in things
    return things[value[1:-1]] if is_name else value


def sample_of(schema):
    """Some body that fits."""
    kind = schema.get("type", "string")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object":
        return {name: sample_of(part) for name, part in schema.get("properties", {}).items()}
    if "enum" in schema:
        return schema["enum"][0]
    return {"array": [], "boolean": True, "integer": schema.get("minimum", 1), "number": 1}.get(kind, uuid.uuid4().hex[:max(1, min(32, schema.get("maxLength", 32)))])


def spoiled(value, values):
    """(name of the part, the body with that part wrong)."""
    def walk(node, name, rebuild, depth):
        for wrong in values if depth < 4 else FEW:
            yield name, rebuild(wrong)
        children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
        for key, child in children:
            def inside(new, key=key):
                copy = dict(node) if isinstance(node, dict) else list(node)
                copy[key] = new
                return rebuild(copy)
            yield from walk(child, key if isinstance(key, str) else name, inside, depth + 1)
        if isinstance(node, dict):
            yield name, rebuild({**node, "no such attribute": 1})
            for key in node:
                yield key, rebuild({k: v for k, v in node.items() if k != key})
    yield from walk(value, "", lambda new: new, 0)


def keys_of(node):
    """All names in a body, at any depth."""
    if isinstance(node, dict):
        return set(node).union(*map(keys_of, node.values()))
    return set().union(*map(keys_of, node)) if isinstance(node, list) else set()


KEYSTONE_SAYS = {"Invalid mapping id", "Could not find Identity Provider", "it is empty", "no such attribute", "JSON"}


def is_named(name, sample, body, text):
    """A 400 for a wrong attribute is about an attribute: about another one when that is wrong as well. The envelope is none."""
    envelope = set(sample) if isinstance(sample, dict) and len(sample) == 1 else set()
    message = json.loads(text)["error"]["message"] if text.startswith('{"error":{') else text
    return not name or name in envelope or any(word in message for word in (keys_of(sample) | keys_of(body)) - envelope | KEYSTONE_SAYS)


def path_samples(method, path, schema, things):
    samples = [fill(sample, things) for sample in SAMPLES.get(f"{method} {path}", [])]
    if schema:
        samples.append(sample_of(schema))
    return samples


def test_no_body_is_too_odd(client, routes, things):
    target, found, n = None, [], 0
    for method, path, schema in routes:
        if method == "DELETE":
            continue
        for sample in path_samples(method, path, schema, things):
            for name, body in spoiled(sample, FEW if path in DEAR else WRONG):
                target = fill_path(path, things)
                status, text = client.ask(method, target, json.dumps(body).encode())
                n += 1
                if status >= 500 or (status == 400 and not is_named(name, sample, body, text)):
                    found.append((status, method, path, name, json.dumps(body)[:300], text[:300]))
    assert not found, (len(found), found[:10])
    assert n > 5000  # the list of routes was not empty, and its tables were walked


RAW = [b"", b"{", b"null", b"[]", b"5", b'"x"', b"\xff\xfe", b'{"a":1,"a":2}', b'{"user":{"name":"\xed\xa0\x80"}}', b"[" * 100000, b'{"a":' * 5000 + b"1" + b"}" * 5000,
       b'{"user":{"name":1e999}}', b'{"user":{"name":' + b"9" * 400 + b"}}", b"{}", b'{"":{}}', b'\xef\xbb\xbf{}', b'{"auth":NaN}']


def test_no_text_is_too_odd_to_be_a_body(client, routes, things):
    found = []
    for method, path, _ in routes:
        if method in ("POST", "PUT", "PATCH"):
            for raw in RAW:
                status, text = client.ask(method, fill_path(path, things), raw)
                if status >= 500:
                    found.append((status, method, path, raw[:60], text[:200]))
    assert not found, (len(found), found[:10])


QUERIES = ["limit=0", "limit=-1", "limit=99999999999999999999", "limit=x", "limit=", "limit=1&limit=2", "marker=", "marker=nobody", "marker=%00", "marker=%ff", "sort_key=nothing",
           "sort_key=&sort_dir=", "sort_dir=up", "sort_key=id%27%3B", "fields=", "fields=nothing&fields=id", "name=a&name=b", "name__regex=(", "name__icontains=%25", "name__icontains=%5C",
           "name__=", "__icontains=x", "name=%00", "name=%ed%a0%80", "enabled=maybe", "enabled=", "domain_id=", "id=%27", "&&&=&", "%", "%zz=%zz", "a" * 7000 + "=1",
           "password_expires_at=lt:x", "password_expires_at=lt:9999999-01-01T00:00:00Z", "created_after=x", "created_before=294277-01-01T00:00:00Z", "allow_expired=x", "nocatalog",
           "include_names=x&effective=x&include_subtree=x", "scope.project.id=%00", "scope.system=x&scope.project.id=y", "role.id=x&user.id=y&group.id=z",
           "scope.OS-INHERIT:inherited_to=x", "tags=,,&not-tags=%00", "tags-any=" + "a," * 500, "parents_as_list&parents_as_ids&subtree_as_ids&subtree_as_list", "is_domain=x",
           "after=x", "after=-1", "after=9223372036854775808", "reader=%00", "origin=%00", "service_id=&region_id=&resource_name=", "state=x&status=x", "email=%25", "user_id=%00"]


def test_no_query_is_too_odd(client, routes, things):
    found = []
    for method, path, _ in routes:
        if method == "GET":
            for query in QUERIES:
                status, text = client.ask(method, fill_path(path, things) + "?" + query)
                if status >= 500:
                    found.append((status, path, query[:60], text[:200]))
    assert not found, (len(found), found[:10])


ODD_IDS = ["%00", "%ff%fe", "%ed%a0%80", "%2e%2e", "..", "%2F", "a%2Fb", "%27%3B--", "x" * 300, "x" * 4000, "%E2%80%AE", "%", "%zz", "*", "{id}", "a%0d%0aX-Evil:1", "a b".replace(" ", "%20")]


def test_no_path_is_too_odd(client, routes):
    found = []
    for method, path, _ in routes:
        for odd in ODD_IDS:
            target = "/".join(odd if part.startswith("{") else part for part in path.split("/"))
            for tail in ("", "/"):
                status, text = client.ask("HEAD" if method == "GET" and tail else method, target + tail)
                if status >= 500:
                    found.append((status, method, target[:100] + tail, text[:200]))
            if target == path:
                break
    assert not found, (len(found), found[:10])


@pytest.mark.parametrize("headers", [[], [("X-Auth-Token", "")], [("X-Auth-Token", "a"), ("X-Auth-Token", "b")], [("X-Auth-Token", "x" * 6000)], [("X-Auth-Token", "é")],
                                     [("X-Auth-Token", "e30.e30.e30")], [("Authorization", "Bearer x")], [("Authorization", "Basic eA==")],
                                     [("Authorization", 'OAuth oauth_token="x", oauth_token="y"')], [("X-Subject-Token", "x")], [("Openstack-Auth-Receipt", "x")],
                                     [("Content-Length", "-1")], [("Idempotency-Key", "x" * 3000)], [("X-Forwarded-For", "::::, x"), ("Forwarded", "for=\"")],
                                     [("Accept", "*/" * 500)], [("Host", "\"><script>")]], ids=lambda h: (h[0][0] + "=" + h[0][1][:12]) if h else "none")
def test_no_header_is_too_odd(client, routes, things, headers):
    found = []
    named = {name for name, _ in headers}
    if headers and not named & {"X-Auth-Token", "Authorization"}:
        headers = headers + [("X-Auth-Token", client.token)]
    for method, path, _ in routes:
        status, text = client.ask("GET" if method == "DELETE" else method, fill_path(path, things), headers=headers or [("X-None", "1")])
        if status >= 500:
            found.append((status, method, path, text[:200]))
    assert not found, (len(found), found[:10])


def test_every_get_is_also_head_and_options_is_no_accident(client, routes, things):
    for method, path, _ in routes:
        if method == "GET":
            target = fill_path(path, things)
            got, head, options = client.ask("GET", target)[0], client.ask("HEAD", target), client.ask("OPTIONS", target)[0]
            assert head == (got, "") or path.startswith("/internal"), (path, got, head)
            assert options < 500
