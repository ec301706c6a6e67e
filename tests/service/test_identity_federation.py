# SPDX-License-Identifier: Apache-2.0
"""Signing in by an OpenID provider: keystoneauth's own plugins, a real issuer on loopback, and hostile tokens."""

import datetime
import hashlib
import hmac
import re
import secrets
import threading
import time
import uuid

import pytest
import requests
from keystoneauth1 import exceptions, session
from keystoneauth1.identity import v3
from keystoneclient.v3 import client as keystoneclient

from tests.lib import oidc

SERVICES = ["identity"]
SETTINGS = {"identity": {"federation": {"audiences": "other, cloud", "may_http": "true", "key_refetch": 2, "leeway": 5,
                                        "assertion_prefix": "OIDC-", "trusted_proxies": "127.0.0.1", "remote_id_attribute": "HTTP_OIDC_ISS",
                                        "trusted_dashboards": "https://board.example/auth/websso/, https://other.example/?a=1&b=2"}}}
BASE = "/v3/OS-FEDERATION"


@pytest.fixture(scope="module")
def issuer():
    with oidc.Issuer() as one:
        yield one


@pytest.fixture(autouse=True)
def honest(issuer):
    issuer.answers.clear()


@pytest.fixture(scope="module")
def admin(stack):
    auth = v3.Password(stack.url("identity") + "/v3", username="admin", password=stack.cloud.secret("admin"), user_domain_id="default",
                       project_name="admin", project_domain_id="default")
    return keystoneclient.Client(session=session.Session(auth=auth), interface="public")


class Place:
    pass


@pytest.fixture(scope="module")
def place(stack, admin, issuer):
    """A provider whose group "builders" is member of a project."""
    place = Place()
    place.provider, place.protocol, place.mapping = "keycloak-" + uuid.uuid4().hex[:8], "openid", uuid.uuid4().hex
    place.domain = admin.domains.create(name="people-" + uuid.uuid4().hex[:8])
    place.group = admin.groups.create(name="builders", domain=place.domain)
    place.project = admin.projects.create(name="site", domain=place.domain)
    member = admin.roles.list(name="member")[0]
    admin.roles.grant(member, group=place.group, project=place.project)
    place.rules = [{"local": [{"user": {"name": "{0}", "email": "{1}"}, "groups": "{2}", "domain": {"id": place.domain.id}}],
                    "remote": [{"type": "OIDC-sub"}, {"type": "HTTP_OIDC_EMAIL"}, {"type": "OIDC-groups", "blacklist": ["everybody"]}]},
                   {"local": [{"user": {"name": "{0}"}, "groups": "{1}", "domain": {"id": place.domain.id}}],
                    "remote": [{"type": "OIDC-sub"}, {"type": "OIDC-groups"}]},
                   {"local": [{"user": {"name": "{0}"}}], "remote": [{"type": "OIDC-sub"}]}]
    admin.federation.mappings.create(place.mapping, rules=place.rules)
    admin.federation.identity_providers.create(id=place.provider, domain_id=place.domain.id, enabled=True, remote_ids=[issuer.url])
    admin.federation.protocols.create(place.protocol, place.provider, place.mapping)
    place.path = f"{BASE}/identity_providers/{place.provider}/protocols/{place.protocol}/auth"
    return place


def bearer(token):
    return {"Authorization": "Bearer " + token}


def sign_in(stack, place, token, method="POST", **headers):
    return stack.request(method, "identity", place.path, headers={**bearer(token), **headers})


def show(stack, token):
    return stack.call("GET", "identity", "/v3/auth/tokens", token=token, headers={"X-Subject-Token": token})["token"]


def works(stack, token):
    return stack.request("GET", "identity", "/v3/auth/projects", token=token)[0] == 200


def ends(stack, token):
    until = time.time() + 1.5
    while works(stack, token):
        assert time.time() < until, "the token goes on"
        time.sleep(0.05)


def rescope(stack, token, project):
    auth = {"identity": {"methods": ["token"], "token": {"id": token}}, "scope": {"project": {"id": project}}}
    return stack.request("POST", "identity", "/v3/auth/tokens", {"auth": auth})


def subject(answer):
    return answer[1]["X-Subject-Token"]


def test_keystoneauth_signs_in_and_enters_a_project(stack, place, issuer):
    plugin = v3.OidcAccessToken(stack.url("identity") + "/v3", identity_provider=place.provider, protocol=place.protocol,
                                access_token=issuer.sign({"sub": "ann", "email": "ann@example.org", "groups": ["builders", "everybody", "nowhere"]}),
                                project_id=place.project.id)
    ours = session.Session(auth=plugin)
    shown = show(stack, ours.get_token())
    federation = {"groups": [{"id": place.group.id}], "identity_provider": {"id": place.provider}, "protocol": {"id": "openid"}}
    assert shown["user"] == {"id": shown["user"]["id"], "name": "ann", "domain": {"id": place.domain.id, "name": place.domain.name}, "OS-FEDERATION": federation}
    assert "mapped" in shown["methods"] and [r["name"] for r in shown["roles"]] == ["member", "reader"] and shown["project"]["id"] == place.project.id
    user = stack.call("GET", "identity", "/v3/users/" + shown["user"]["id"], token=stack.admin_token())["user"]
    assert user["email"] == "ann@example.org" and len(user["id"]) == 64 and len(shown["audit_ids"]) == 2


@pytest.mark.parametrize("kind", [v3.OidcClientCredentials, v3.OidcPassword])
def test_plugins_that_fetch_their_token(stack, place, issuer, kind):
    more = {"username": "ann", "password": "x"} if kind is v3.OidcPassword else {}
    plugin = kind(stack.url("identity") + "/v3", identity_provider=place.provider, protocol=place.protocol, client_id="cloud", client_secret="s",
                  discovery_endpoint=issuer.url + "/.well-known/openid-configuration", project_name="site", project_domain_name=place.domain.name, **more)
    assert show(stack, session.Session(auth=plugin).get_token())["project"]["name"] == "site"


def test_a_token_shows_where_it_comes_from_however_often_it_is_scoped_anew(stack, place, issuer):
    status, headers, body = sign_in(stack, place, issuer.sign({"sub": "bob", "groups": "builders"}, key="ec"), method="GET")
    first = body["token"]
    assert status == 201 and "project" not in first and "roles" not in first and first["methods"] == ["mapped"]
    unscoped = headers["X-Subject-Token"]
    reach = stack.call("GET", "identity", "/v3/auth/projects", token=unscoped)["projects"]
    assert [p["id"] for p in reach] == [place.project.id] and reach[0]["links"]["self"].endswith("/v3/projects/" + place.project.id)
    assert stack.call("GET", "identity", BASE + "/domains", token=unscoped)["domains"] == []
    token = unscoped
    for _ in range(2):
        status, headers, body = rescope(stack, token, place.project.id)
        assert status == 201 and body["token"]["user"] == first["user"] and set(body["token"]["methods"]) == {"mapped", "token"}
        assert body["token"]["expires_at"] == first["expires_at"]
        token = headers["X-Subject-Token"]
    assert show(stack, token)["user"]["OS-FEDERATION"] == first["user"]["OS-FEDERATION"]
    auth = {"identity": {"methods": ["mapped"], "mapped": {"identity_provider": place.provider, "protocol": place.protocol}}, "scope": {"project": {"id": place.project.id}}}
    status, _, body = stack.request("POST", "identity", "/v3/auth/tokens", {"auth": auth}, headers=bearer(issuer.sign({"sub": "bob", "groups": ["builders"]})))
    assert status == 201 and body["token"]["user"]["id"] == first["user"]["id"] and body["token"]["project"]["id"] == place.project.id


def test_groups_are_those_of_the_token(stack, place, issuer):
    rich = subject(sign_in(stack, place, issuer.sign({"sub": "cat", "groups": ["builders"]})))
    poor = subject(sign_in(stack, place, issuer.sign({"sub": "cat", "groups": []})))
    assert show(stack, rich)["user"]["id"] == show(stack, poor)["user"]["id"]
    for _ in range(2):
        assert rescope(stack, rich, place.project.id)[0] == 201
        assert rescope(stack, poor, place.project.id)[0] == 401
        assert len(stack.call("GET", "identity", "/v3/auth/projects", token=rich)["projects"]) == 1
        assert stack.call("GET", "identity", "/v3/auth/projects", token=poor)["projects"] == []


def wrong_tokens(issuer):
    now = int(time.time())
    other = oidc.new_rsa("rsa-1")
    small = oidc.new_rsa("small", 1024)
    pem = issuer.keys["rsa"].public_pem()

    def secret(data):
        return hmac.new(pem, data, hashlib.sha256).digest()
    good = issuer.sign({"sub": "eve"})
    head, claims, signature = good.split(".")
    return {
        "audience": issuer.sign({"sub": "eve", "aud": "somebody"}), "no audience": issuer.sign({"sub": "eve", "aud": None}), "audiences": issuer.sign({"sub": "eve", "aud": ["a", "b"]}),
        "issuer": issuer.sign({"sub": "eve", "iss": issuer.url + "/other"}), "no issuer": issuer.sign({"sub": "eve", "iss": None}), "issuers": issuer.sign({"sub": "eve", "iss": [issuer.url]}),
        "expired": issuer.sign({"sub": "eve", "exp": now - 6}), "never": issuer.sign({"sub": "eve", "exp": None}), "time": issuer.sign({"sub": "eve", "exp": "tomorrow"}),
        "early": issuer.sign({"sub": "eve", "nbf": now + 60}), "future": issuer.sign({"sub": "eve", "iat": now + 60}),
        "none": issuer.sign({"sub": "eve"}, header={"alg": "none"}, signature=lambda _: b""), "hmac": issuer.sign({"sub": "eve"}, header={"alg": "HS256"}, signature=secret),
        "other key": issuer.sign({"sub": "eve"}, key=other), "kid of another kind": issuer.sign({"sub": "eve"}, header={"kid": "ec-1"}),
        "ec as rsa": issuer.sign({"sub": "eve"}, key="ec", header={"kid": "rsa-1"}), "unknown kid": issuer.sign({"sub": "eve"}, key=small),
        "no kid": issuer.sign({"sub": "eve"}, header={"kid": None}), "critical": issuer.sign({"sub": "eve"}, header={"crit": ["exp"]}),
        "signature": ".".join([head, claims, signature[:-4] + "AAAA"]), "no signature": f"{head}.{claims}.", "two parts": f"{head}.{claims}", "claims": f"{head}.e30.{signature}",
        "nobody": issuer.sign({"email": "eve@example.org"}), "two names": issuer.sign({"sub": "eve", "SUB": "admin"}), "long": issuer.sign({"sub": "eve", "x": "y" * 17000}),
        "a logout": issuer.sign({"sub": "eve", "events": {"http://schemas.openid.net/event/backchannel-logout": {}}}),
        "control": issuer.sign({"sub": "e\u0001ve"}), "several": issuer.sign({"sub": ["eve", "admin"]}), "empty": ""}


def test_hostile_tokens_are_all_the_same_401(stack, place, issuer):
    answers = set()
    for name, token in wrong_tokens(issuer).items():
        if len(token) < 20000:
            status, headers, body = sign_in(stack, place, token)
            assert status == 401 and "X-Subject-Token" not in headers, name
            answers.add(str(body))
    nowhere = stack.request("POST", "identity", place.path.replace(place.provider, "nowhere"), headers=bearer(issuer.sign({"sub": "eve"})))
    nothing = stack.request("POST", "identity", place.path)
    answers |= {str(nowhere[2]), str(nothing[2])}
    assert (nowhere[0], nothing[0]) == (401, 401) and len(answers) == 1
    assert stack.sql("identity", "SELECT 1 AS one FROM federated_user WHERE unique_id LIKE '%eve%'") == []
    assert sign_in(stack, place, issuer.sign({"sub": "good", "exp": int(time.time()) - 3}))[0] == 201  # within the leeway


def test_only_registered_issuers_are_ever_asked(stack, place, admin):
    with oidc.Issuer() as stranger:
        assert sign_in(stack, place, stranger.sign({"sub": "eve"}))[0] == 401
        assert stranger.asked == []


def test_another_key_is_asked_for_once_in_a_while(stack, place, issuer):
    assert sign_in(stack, place, issuer.sign({"sub": "dan"}))[0] == 201
    old = issuer.keys["rsa"]
    issuer.rotate()
    begun, n = time.time(), issuer.asked.count("/jwks")
    while sign_in(stack, place, issuer.sign({"sub": "dan"}))[0] != 201:
        assert time.time() < begun + 10
        time.sleep(0.1)
    for i in range(5):
        assert sign_in(stack, place, issuer.sign({"sub": "dan"}, key=oidc.Key(f"no-{i}", old.private)))[0] == 401
    assert sign_in(stack, place, issuer.sign({"sub": "dan"}, key=old))[0] == 401
    assert 1 <= issuer.asked.count("/jwks") - n <= 1 + (time.time() - begun) / 2


def fresh(stack, admin, place, issuer, **more):
    """Another provider with the same mapping, for an issuer of its own."""
    name = "p-" + uuid.uuid4().hex[:8]
    admin.federation.identity_providers.create(id=name, enabled=True, remote_ids=[issuer.url], domain_id=place.domain.id, **more)
    admin.federation.protocols.create("openid", name, place.mapping)
    other = Place()
    other.__dict__.update(place.__dict__, provider=name, path=f"{BASE}/identity_providers/{name}/protocols/openid/auth")
    return other


def hostile(kind, issuer):
    def huge(handler):
        oidc.reply(handler, b'{"keys": [' + b'{"kty": "oct", "k": "' + b"A" * 300000 + b'"}]}')

    def away(handler):
        oidc.reply(handler, {}, 302, [("Location", issuer.url + "/jwks2")])
    document = {"issuer": issuer.url, "jwks_uri": issuer.url + "/jwks"}
    return {"huge": ("/jwks", huge), "redirect": ("/jwks", away), "slow": ("/jwks", lambda h: time.sleep(6)), "error": ("/jwks", lambda h: h.send_error(500)),
            "no keys": ("/jwks", lambda h: oidc.reply(h, {"keys": []})), "symmetric": ("/jwks", lambda h: oidc.reply(h, {"keys": [{"kty": "oct", "kid": "rsa-1", "k": "AAAA"}]})),
            "small key": ("/jwks", lambda h: oidc.reply(h, {"keys": [oidc.new_rsa("rsa-1", 1024).jwk()]})),
            "another's": ("/.well-known/openid-configuration", lambda h: oidc.reply(h, {**document, "issuer": "http://other.example"})),
            "file": ("/.well-known/openid-configuration", lambda h: oidc.reply(h, {**document, "jwks_uri": "file:///etc/passwd"})),
            "list": ("/.well-known/openid-configuration", lambda h: oidc.reply(h, [1]))}[kind]


@pytest.mark.parametrize("kind", ["huge", "redirect", "error", "no keys", "symmetric", "small key", "another's", "file", "list"])
def test_issuers_that_answer_badly_are_503_and_nobody_signs_in(stack, admin, place, kind):
    with oidc.Issuer() as bad:
        path, answer = hostile(kind, bad)
        bad.answers[path] = answer
        other = fresh(stack, admin, place, bad)
        status, headers, body = sign_in(stack, other, bad.sign({"sub": "eve"}))
        assert status == 503 and "X-Subject-Token" not in headers and "Retry-After" in headers and bad.url not in str(body)
        assert "/jwks2" not in bad.asked


def test_keys_that_are_too_old_and_cannot_be_renewed_are_nobodys_fault(stack, admin, place):
    stack.restart("identity", {"federation": {**SETTINGS["identity"]["federation"], "key_life": 1, "key_refetch": 1}})
    try:
        with oidc.Issuer() as bad:
            other = fresh(stack, admin, place, bad)
            token = bad.sign({"sub": "ann"})
            assert sign_in(stack, other, token)[0] == 201
            bad.answers["/jwks"] = hostile("error", bad)[1]
            until = time.time() + 10
            while (status := sign_in(stack, other, token)[0]) == 201:  # for four times their life they still count
                assert time.time() < until
                time.sleep(0.2)
            assert status == 503 and sign_in(stack, other, bad.sign({"sub": "ann"}, key=oidc.new_rsa("rsa-2")))[0] == 503
            bad.answers.clear()
            while sign_in(stack, other, token)[0] != 201:
                assert time.time() < until
                time.sleep(0.1)
    finally:
        stack.restart("identity", SETTINGS["identity"])


def test_a_slow_issuer_holds_up_nobody_else(stack, admin, place, issuer):
    with oidc.Issuer() as slow:
        slow.answers["/jwks"] = hostile("slow", slow)[1]
        other = fresh(stack, admin, place, slow)
        token, took = slow.sign({"sub": "eve"}), []

        def knock():
            begun = time.time()
            took.append((sign_in(stack, other, token)[0], time.time() - begun))
        threads = [threading.Thread(target=knock) for _ in range(12)]
        for thread in threads:
            thread.start()
        time.sleep(0.5)
        begun = time.time()
        assert sign_in(stack, place, issuer.sign({"sub": "ann"}))[0] == 201 and time.time() - begun < 3
        for thread in threads:
            thread.join()
        assert {status for status, _ in took} == {503} and max(t for _, t in took) < 5.5
        assert slow.asked.count("/jwks") == 1


def test_what_takes_the_way_in_away_ends_its_tokens(stack, admin, place, issuer):
    def enter(at):
        answer = sign_in(stack, at, issuer2.sign({"sub": "fay", "groups": ["builders"]}))
        return [subject(answer), subject(rescope(stack, subject(answer), place.project.id))]
    with oidc.Issuer() as issuer2:
        other = fresh(stack, admin, place, issuer2)
        mapping = uuid.uuid4().hex
        admin.federation.mappings.create(mapping, rules=place.rules)
        admin.federation.protocols.update(other.provider, "openid", mapping)
        kept = subject(sign_in(stack, place, issuer.sign({"sub": "fay"})))
        ways = [lambda: admin.federation.identity_providers.update(other.provider, enabled=False),
                lambda: admin.federation.identity_providers.update(other.provider, remote_ids=[]),
                lambda: admin.federation.mappings.update(mapping, rules=place.rules[1:]),
                lambda: admin.federation.protocols.update(other.provider, "openid", place.mapping),
                lambda: admin.roles.revoke(admin.roles.list(name="member")[0], group=place.group, project=place.project),
                lambda: admin.federation.mappings.delete(mapping),
                lambda: admin.federation.identity_providers.delete(other.provider)]
        for i, take in enumerate(ways):
            unscoped, scoped = enter(other)
            assert works(stack, unscoped) and works(stack, scoped)
            take()
            ends(stack, scoped)
            if i == 4:
                admin.roles.grant(admin.roles.list(name="member")[0], group=place.group, project=place.project)
            else:
                ends(stack, unscoped)
                assert rescope(stack, unscoped, place.project.id)[0] == 404
            if i != len(ways) - 1 and i != 4:
                if i < 2:
                    assert sign_in(stack, other, issuer2.sign({"sub": "fay"}))[0] == 401
                if i == 5:
                    assert sign_in(stack, other, issuer2.sign({"sub": "fay"}))[0] == 401
                    admin.federation.mappings.create(mapping, rules=place.rules)
                admin.federation.identity_providers.update(other.provider, enabled=True, remote_ids=[issuer2.url])
                admin.federation.protocols.update(other.provider, "openid", mapping)
        assert works(stack, kept)


def test_a_group_that_is_deleted_leaves_no_token(stack, admin, place, issuer):
    group = admin.groups.create(name="passing", domain=place.domain)
    token = subject(sign_in(stack, place, issuer.sign({"sub": "gus", "groups": ["passing"]})))
    assert show(stack, token)["user"]["OS-FEDERATION"]["groups"] == [{"id": group.id}]
    admin.groups.delete(group)
    ends(stack, token)


def test_one_name_is_one_user_by_provider_and_names_are_nobody_elses(stack, admin, place, issuer):
    taken = admin.users.create(name="hal", domain=place.domain, password="hal-password")
    first = show(stack, subject(sign_in(stack, place, issuer.sign({"sub": "hal"}))))["user"]
    assert first["id"] != taken.id and first["name"] == "hal#" + first["id"][:8]
    again = show(stack, subject(sign_in(stack, place, issuer.sign({"sub": "hal"}))))["user"]
    assert again == first
    with oidc.Issuer() as issuer2:
        other = fresh(stack, admin, place, issuer2)
        second = show(stack, subject(sign_in(stack, other, issuer2.sign({"sub": "hal"}))))["user"]
        assert second["id"] not in (first["id"], taken.id) and second["name"] not in ("hal", first["name"])
    auth = {"identity": {"methods": ["password"], "password": {"user": {"name": "hal", "domain": {"id": place.domain.id}, "password": "hal-password"}}}}
    assert stack.request("POST", "identity", "/v3/auth/tokens", {"auth": auth})[2]["token"]["user"]["id"] == taken.id
    admin.users.update(first["id"], enabled=False)
    assert sign_in(stack, place, issuer.sign({"sub": "hal"}))[0] == 401


def test_a_user_can_be_there_before_the_first_sign_in(stack, admin, place, issuer):
    def write(method, path, body, token=None):
        return stack.request(method, "identity", path, {"user": body}, token=token or stack.admin_token())
    known = [{"idp_id": place.provider, "protocols": [{"protocol_id": "openid", "unique_id": "ola%40example.org"}]}]
    status, _, body = write("POST", "/v3/users", {"name": "planned", "domain_id": place.domain.id, "federated": known})
    assert status == 201 and body["user"]["federated"] == known
    user = body["user"]["id"]
    token = subject(sign_in(stack, place, issuer.sign({"sub": "ola@example.org"})))
    assert show(stack, token)["user"]["id"] == user and admin.users.get(user).name == "ola@example.org"
    listed = stack.call("GET", "identity", f"/v3/users?idp_id={place.provider}&unique_id=ola%2540example.org", token=stack.admin_token())["users"]
    assert [u["id"] for u in listed] == [user] and listed[0]["federated"] == known
    assert write("POST", "/v3/users", {"name": "again", "domain_id": place.domain.id, "federated": known})[0] == 409
    other = [{"idp_id": place.provider, "protocols": [{"protocol_id": "openid", "unique_id": "other"}]}]
    assert write("PATCH", f"/v3/users/{user}", {"federated": other, "colour": "red"})[2]["user"]["federated"] == other
    ends(stack, token)
    assert write("PATCH", f"/v3/users/{user}", {"federated": []})[2]["user"]["federated"] == other
    for wrong, word in ((["x"], "federated"), ([{"idp_id": place.provider, "protocols": []}], "federated"), ([{**other[0], "idp_id": "none"}], "Identity Provider: none"),
                        ([{"idp_id": place.provider, "protocols": [{"protocol_id": "none", "unique_id": "x"}]}], "federated protocol none")):
        status, _, body = write("PATCH", f"/v3/users/{user}", {"federated": wrong})
        assert status == 400 and word in body["error"]["message"]
    elsewhere = admin.domains.create(name=uuid.uuid4().hex)
    manager = admin.users.create(name="manager", domain=elsewhere, password="manager-password")
    admin.roles.grant(admin.roles.list(name="manager")[0], user=manager, domain=elsewhere)
    theirs = session.Session(auth=v3.Password(stack.url("identity") + "/v3", user_id=manager.id, password="manager-password", domain_id=elsewhere.id)).get_token()
    assert write("POST", "/v3/users", {"name": "trap", "domain_id": elsewhere.id, "federated": known}, token=theirs)[0] == 403
    assert admin.users.list(domain=elsewhere, name="trap") == []
    admin.users.delete(user)
    assert "federated" not in stack.call("GET", "identity", "/v3/users/" + manager.id, token=stack.admin_token())["user"]


def test_memberships_stay_as_long_as_the_provider_says(stack, admin, place):
    with oidc.Issuer() as issuer2:
        other = fresh(stack, admin, place, issuer2, authorization_ttl=5)
        token = subject(sign_in(stack, other, issuer2.sign({"sub": "ida", "groups": ["builders"]})))
        user = show(stack, token)["user"]["id"]
        assert [g.id for g in admin.groups.list(user=user)] == [place.group.id]
        plain = admin.groups.create(name="plain", domain=place.domain)
        admin.users.add_to_group(user, plain)
        listed = stack.call("GET", "identity", f"/v3/users/{user}/groups?sort_key=name", token=stack.admin_token())["groups"]
        ends_at = datetime.datetime.fromisoformat(listed[0]["membership_expires_at"] + "+00:00").timestamp()
        assert [g["name"] for g in listed] == ["builders", "plain"] and 240 < ends_at - time.time() < 301 and listed[1]["membership_expires_at"] is None
        assert stack.call("GET", "identity", f"/v3/users/{user}/groups?name=plain", token=token)["groups"] == [listed[1]]
        assert "membership_expires_at" not in stack.call("GET", "identity", "/v3/groups/" + plain.id, token=stack.admin_token())["group"]
        admin.users.add_to_group(user, place.group)  # for good
        assert stack.call("GET", "identity", f"/v3/users/{user}/groups", token=token)["groups"][0]["membership_expires_at"] is None
        stack.sql("identity", f"UPDATE group_member SET provider_id = '{other.provider}' WHERE user_id = '{user}' AND group_id = '{place.group.id}'")
        admin.groups.delete(plain)
        token = subject(sign_in(stack, other, issuer2.sign({"sub": "ida", "groups": ["builders"]})))
        scoped = subject(rescope(stack, token, place.project.id))
        made = stack.request("POST", "identity", f"/v3/users/{user}/application_credentials", {"application_credential": {"name": "robot"}}, token=scoped)
        assert made[0] == 201
        credential = made[2]["application_credential"]
        robot = v3.ApplicationCredential(stack.url("identity") + "/v3", application_credential_id=credential["id"], application_credential_secret=credential["secret"])
        assert works(stack, session.Session(auth=robot).get_token())
        stack.sql("identity", f"UPDATE federated_membership SET member_until = now() WHERE user_id = '{user}'")
        until = time.time() + 10
        while admin.groups.list(user=user):
            assert time.time() < until
            time.sleep(0.2)
        ends(stack, scoped)
        with pytest.raises(exceptions.Unauthorized):
            session.Session(auth=v3.ApplicationCredential(stack.url("identity") + "/v3", application_credential_id=credential["id"],
                                                          application_credential_secret=credential["secret"])).get_token()


def use(stack, admin, place, issuer, rules, claims, **more):
    mapping = uuid.uuid4().hex
    body = {"mapping": {"rules": rules, **more}}
    assert stack.request("PUT", "identity", f"{BASE}/mappings/{mapping}", body, token=stack.admin_token())[0] == 201
    other = fresh(stack, admin, place, issuer)
    admin.federation.protocols.update(other.provider, "openid", mapping)
    return sign_in(stack, other, issuer.sign(claims)), other


def test_projects_are_made_with_roles_for_who_comes(stack, admin, place):
    with oidc.Issuer() as issuer2:
        rules = [{"local": [{"user": {"name": "{0}"}}, {"projects": [{"name": "home of {0}", "roles": [{"name": "member"}]}]}], "remote": [{"type": "OIDC-sub"}]}]
        token = subject(use(stack, admin, place, issuer2, rules, {"sub": "jim"})[0])
        reach = stack.call("GET", "identity", "/v3/auth/projects", token=token)["projects"]
        assert [(p["name"], p["domain_id"], p["parent_id"]) for p in reach] == [("home of jim", place.domain.id, place.domain.id)]
        status, _, body = rescope(stack, token, reach[0]["id"])
        assert status == 201 and [r["name"] for r in body["token"]["roles"]] == ["member", "reader"]
    with oidc.Issuer() as issuer2:
        rules[0]["local"][1]["projects"] = [{"name": "none", "roles": [{"name": "no-such-role"}]}]
        assert use(stack, admin, place, issuer2, rules, {"sub": "kim"})[0][0] == 401
        assert stack.sql("identity", "SELECT id FROM tenancy WHERE name = 'none'") == [] and stack.sql("identity", "SELECT 1 AS one FROM user_account WHERE name = 'kim'") == []
    with oidc.Issuer() as issuer2:
        domain = admin.domains.create(name=uuid.uuid4().hex)
        rules[0]["local"][1]["projects"] = [{"name": "there", "roles": [{"name": "reader"}], "domain": {"name": domain.name}}]
        rules[0]["local"][0]["user"]["domain"] = {"id": domain.id}
        user = use(stack, admin, place, issuer2, rules, {"sub": "kim"}, schema_version="2.0")[0][2]["token"]["user"]
        assert user["domain"]["id"] == domain.id and [p.name for p in admin.projects.list(user=user["id"])] == ["there"]


@pytest.mark.parametrize(("sub", "status"), [("\uac00" * 227, 201), (None, 401)])
def test_ids_are_bounded(stack, admin, place, sub, status):
    rules = [{"local": [{"user": {"id": "{0}", "name": "long " + uuid.uuid4().hex}}], "remote": [{"type": "OIDC-sub"}]}]
    sub = sub or "".join(chr(0xac00 + secrets.randbelow(11000)) for _ in range(1000))
    with oidc.Issuer() as issuer2:
        assert use(stack, admin, place, issuer2, rules, {"sub": sub})[0][0] == status


def test_a_name_that_is_taken_twice_refuses(stack, admin, place, issuer):
    sub = "twice-" + uuid.uuid4().hex
    derived = hashlib.sha256("\n".join([place.domain.id, place.provider, "openid", sub]).encode()).hexdigest()
    taken = [admin.users.create(name=name, domain=place.domain) for name in (sub, f"{sub}#{derived[:8]}")]
    status, headers, body = sign_in(stack, place, issuer.sign({"sub": sub}))
    assert status == 401 and "X-Subject-Token" not in headers and sub not in str(body)
    admin.users.delete(taken[1])
    assert sign_in(stack, place, issuer.sign({"sub": sub}))[2]["token"]["user"] == {**show(stack, subject(sign_in(stack, place, issuer.sign({"sub": sub}))))["user"],
                                                                                 "id": derived, "name": f"{sub}#{derived[:8]}"}


def test_a_protocols_attribute_can_be_taken_away(stack, admin, place, issuer):
    path = f"{BASE}/identity_providers/{place.provider}/protocols/openid"

    def change(**fields):
        return stack.call("PATCH", "identity", path, {"protocol": fields}, token=stack.admin_token())["protocol"]["remote_id_attribute"]
    assert change(remote_id_attribute="HTTP_OIDC_ISSUER") == "HTTP_OIDC_ISSUER"
    assert change(mapping_id=place.mapping) == "HTTP_OIDC_ISSUER" and change(remote_id_attribute=None) is None


def test_a_local_user_signs_in_as_itself(stack, admin, place):
    local = admin.users.create(name="lea", domain=place.domain)
    rules = [{"local": [{"user": {"name": "{0}", "domain": {"id": place.domain.id}, "type": "local"}}], "remote": [{"type": "OIDC-sub"}]}]
    with oidc.Issuer() as issuer2:
        answer, other = use(stack, admin, place, issuer2, rules, {"sub": "lea"})
        user = answer[2]["token"]["user"]
        assert user["id"] == local.id and "OS-FEDERATION" not in user
        assert sign_in(stack, other, issuer2.sign({"sub": "nobody"}))[0] == 401
        admin.federation.identity_providers.update(other.provider, enabled=False)
        ends(stack, subject(answer))


def test_a_trusted_proxy_says_who_it_is(stack, admin, place, issuer):
    def by(**headers):
        return stack.request("GET", "identity", place.path, headers={k.replace("_", "-", 1): v for k, v in headers.items()})
    good = {"OIDC_sub": "mia", "OIDC_groups": "everybody;builders", "OIDC_email": "mia@example.org", "OIDC_iss": issuer.url}
    status, headers, body = by(**good)
    assert status == 201 and body["token"]["user"]["name"] == "mia" and body["token"]["user"]["OS-FEDERATION"]["groups"] == [{"id": place.group.id}]
    assert by(**{**good, "OIDC_iss": "https://other.example"})[0] == 401
    assert by(**{k: v for k, v in good.items() if k != "OIDC_iss"})[0] == 401
    twice = {**{k.replace("_", "-", 1): v for k, v in good.items()}, "OIDC_sub": "admin"}
    assert stack.request("GET", "identity", place.path, headers=twice)[0] == 401


def test_a_browser_takes_its_token_to_a_trusted_dashboard(stack, place, issuer):
    ways = ["/v3/auth/OS-FEDERATION/websso/openid", f"/v3/auth/OS-FEDERATION/identity_providers/{place.provider}/protocols/openid/websso"]
    who = {"OIDC-sub": "nan", "OIDC-iss": issuer.url}

    def go(path, origin, headers=who):
        answer = requests.post(stack.url("identity") + path, params={"origin": origin} if origin else {}, headers=headers)
        return answer.status_code, answer.headers, answer.text
    for path in ways:
        status, headers, page = go(path, "https://board.example/auth/websso/")
        token = re.search(r'name="token" value="([^"]+)"', page).group(1)
        assert status == 200 and headers["Content-Type"].startswith("text/html") and headers["Cache-Control"] == "no-store"
        assert 'action="https://board.example/auth/websso/"' in page and show(stack, token)["user"]["name"] == "nan"
        assert 'action="https://other.example/?a=1&amp;b=2"' in go(path, "https://other.example/?a=1&b=2")[2]
        assert go(path, None)[0] == 400
        for origin, headers in (("https://board.example/auth/websso", who), ("https://evil.example/", who), ("https://board.example/auth/websso/", {}),
                                ("https://board.example/auth/websso/", {**who, "OIDC-iss": "https://other.example"})):
            status, _, page = go(path, origin, headers)
            assert status == 401 and "token" not in page
    assert go(ways[0].replace("openid", "saml2"), "https://board.example/auth/websso/")[0] == 401


def test_nobody_else_says_who_it_is(stack, place, issuer):
    changed = {"federation": {**SETTINGS["identity"]["federation"], "trusted_proxies": "192.0.2.1"}}
    stack.restart("identity", changed)
    try:
        headers = {"OIDC-sub": "admin", "OIDC-iss": issuer.url, "X-Forwarded-For": "192.0.2.1"}
        assert stack.request("GET", "identity", place.path, headers=headers)[0] == 401
        assert show(stack, subject(sign_in(stack, place, issuer.sign({"sub": "ann"}), **headers)))["user"]["name"] == "ann"
    finally:
        stack.restart("identity", SETTINGS["identity"])
    stack.restart("identity", {"federation": {**SETTINGS["identity"]["federation"], "audiences": "", "assertion_prefix": ""}, "accounts": {"rate_login": 3}})
    try:
        stack.sql("identity", "DELETE FROM rate_limit")
        seen = [sign_in(stack, place, issuer.sign({"sub": "ann"}))[0] for _ in range(5)]
        assert seen == [401, 401, 401, 429, 429]
    finally:
        stack.sql("identity", "DELETE FROM rate_limit")
        stack.restart("identity", SETTINGS["identity"])
