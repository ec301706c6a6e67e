# SPDX-License-Identifier: Apache-2.0
"""OS-FEDERATION's things by unmodified clients: identity providers, protocols, mappings, service providers."""

import json
import subprocess
import uuid

import pytest
from keystoneauth1 import exceptions, session
from keystoneauth1.identity import v3
from keystoneclient.v3 import client as keystoneclient

SERVICES = ["identity"]
BASE = "/v3/OS-FEDERATION"
RULES = [{"local": [{"user": {"name": "{0}"}}, {"group": {"id": "0cd5e9"}}], "remote": [{"type": "UserName"}, {"type": "orgPersonType", "not_any_of": ["Contractor"]}]}]


@pytest.fixture(scope="module")
def admin(stack):
    auth = v3.Password(stack.url("identity") + "/v3", username="admin", password=stack.cloud.secret("admin"), user_domain_id="default",
                       project_name="admin", project_domain_id="default")
    return keystoneclient.Client(session=session.Session(auth=auth), interface="public")


def new_id():
    return uuid.uuid4().hex


def call(stack, method, path, body=None, token=None):
    return stack.request(method, "identity", BASE + path, body, token=token or stack.admin_token())


def test_an_identity_provider_has_a_domain_of_its_own(stack, admin):
    name = new_id()
    made = admin.federation.identity_providers.create(id=name, remote_ids=[name + "-a", name + "-b"], description="people")
    assert (made.id, made.enabled, made.remote_ids, made.description, made.authorization_ttl) == (name, False, [name + "-a", name + "-b"], "people", None)
    assert made.links["protocols"] == made.links["self"] + "/protocols" and made.links["self"].endswith(f"{BASE}/identity_providers/{name}")
    assert admin.domains.get(made.domain_id).description.endswith(name)
    assert admin.federation.identity_providers.update(name, enabled=True, authorization_ttl=5).authorization_ttl == 5
    listed = call(stack, "GET", f"/identity_providers?id={name}&enabled=true")[2]["identity_providers"]
    assert [p["id"] for p in listed] == [name] and listed[0]["links"]["protocols"].endswith("/protocols")
    assert name not in [p.id for p in admin.federation.identity_providers.list(enabled=False)]
    assert call(stack, "HEAD", f"/identity_providers/{name}")[0] == 200
    admin.federation.identity_providers.delete(name)
    with pytest.raises(exceptions.NotFound, match=f"Could not find Identity Provider: {name}"):
        admin.federation.identity_providers.get(name)


def test_a_provider_goes_with_its_domain_and_no_two_have_one_remote_id(stack, admin):
    domain = admin.domains.create(name=new_id())
    first, second, remote = new_id(), new_id(), new_id()
    admin.federation.identity_providers.create(id=first, domain_id=domain.id, remote_ids=[remote])
    with pytest.raises(exceptions.Conflict):
        admin.federation.identity_providers.create(id=second, remote_ids=[remote])
    assert stack.sql("identity", f"SELECT id FROM tenancy WHERE description LIKE '%{second}'") == []
    admin.federation.identity_providers.create(id=second, remote_ids=[new_id()])
    with pytest.raises(exceptions.Conflict):
        admin.federation.identity_providers.update(second, remote_ids=[remote])
    with pytest.raises(exceptions.Conflict):
        admin.federation.identity_providers.create(id=first)
    admin.domains.update(domain, enabled=False)
    admin.domains.delete(domain)
    with pytest.raises(exceptions.NotFound):
        admin.federation.identity_providers.get(first)
    admin.federation.identity_providers.update(second, remote_ids=[remote])


@pytest.mark.parametrize("body, field", [
    ({"enabled": "yes"}, "enabled"), ({"enabled": 1}, "enabled"), ({"remote_ids": "x"}, "remote_ids"), ({"remote_ids": ["a", "a"]}, "remote_ids"),
    ({"remote_ids": [1]}, "remote_ids"), ({"remote_ids": ["x" * 256]}, "remote_ids"), ({"authorization_ttl": -1}, "authorization_ttl"), ({"id": "other"}, "id"),
    ({"colour": "red"}, "colour"), ({"domain_id": 5}, "domain_id")])
def test_wrong_providers_are_400_and_named(stack, body, field):
    status, _, reply = call(stack, "PUT", "/identity_providers/" + new_id(), {"identity_provider": body})
    assert status == 400 and field in reply["error"]["message"]


def test_a_provider_needs_a_domain_that_is_there_and_a_change(stack, admin):
    name = new_id()
    status, _, reply = call(stack, "PUT", f"/identity_providers/{name}", {"identity_provider": {"domain_id": new_id()}})
    assert status == 404 and "domain" in reply["error"]["message"]
    assert call(stack, "PUT", "/identity_providers/a%20b", {"identity_provider": {}})[0] == 400
    assert call(stack, "PUT", "/identity_providers/" + "x" * 65, {"identity_provider": {}})[0] == 400
    assert call(stack, "PUT", f"/identity_providers/{name}", {"identity_provider": {"remote_ids": None, "domain_id": None}})[0] == 201
    assert call(stack, "PATCH", f"/identity_providers/{name}", {"identity_provider": {}})[0] == 400
    assert call(stack, "PATCH", f"/identity_providers/{name}", {"identity_provider": {"domain_id": "default"}})[0] == 400
    assert call(stack, "PATCH", f"/identity_providers/{new_id()}", {"identity_provider": {"enabled": True}})[0] == 404
    assert call(stack, "DELETE", f"/identity_providers/{new_id()}")[0] == 404


def test_protocols_belong_to_a_provider_and_name_a_mapping(stack, admin):
    provider, other, mapping = new_id(), new_id(), new_id()
    admin.federation.mappings.create(mapping, rules=RULES)
    for name in (provider, other):
        admin.federation.identity_providers.create(id=name)
        made = admin.federation.protocols.create("openid", name, mapping)
        assert (made.id, made.mapping_id) == ("openid", mapping)
    assert made.links["self"].endswith(f"/identity_providers/{other}/protocols/openid")
    assert made.links["identity_provider"].endswith(f"/identity_providers/{other}")
    with pytest.raises(exceptions.Conflict):
        admin.federation.protocols.create("openid", provider, mapping)
    with pytest.raises(exceptions.BadRequest, match="Invalid mapping id"):
        admin.federation.protocols.create("saml2", provider, new_id())
    with pytest.raises(exceptions.NotFound, match="Identity Provider"):
        admin.federation.protocols.create("saml2", new_id(), mapping)
    path = f"/identity_providers/{provider}/protocols/openid"
    assert call(stack, "PATCH", path, {"protocol": {"remote_id_attribute": "HTTP_OIDC_ISS"}})[2]["protocol"]["remote_id_attribute"] == "HTTP_OIDC_ISS"
    with pytest.raises(exceptions.BadRequest):
        admin.federation.protocols.update(provider, "openid", new_id())
    for body in ({"protocol": {}}, {"protocol": {"remote_id_attribute": "x" * 65}}, {"protocol": {"colour": "red"}}):
        assert call(stack, "PATCH", path, body)[0] == 400
    assert [p.id for p in admin.federation.protocols.list(provider)] == ["openid"]
    admin.federation.protocols.delete(provider, "openid")
    with pytest.raises(exceptions.NotFound, match=f"Could not find federated protocol openid for Identity Provider: {provider}"):
        admin.federation.protocols.get(provider, "openid")
    assert admin.federation.protocols.get(other, "openid").mapping_id == mapping
    admin.federation.identity_providers.delete(other)
    assert stack.sql("identity", f"SELECT id FROM federation_protocol WHERE provider_id = '{other}'") == []


def test_mappings_are_kept_as_they_were_given(stack, admin):
    name = new_id()
    assert admin.federation.mappings.create(name, rules=RULES).rules == RULES
    changed = [{"local": [{"groups": "{0}", "domain": {"id": "default"}}], "remote": [{"type": "g", "whitelist": ["^a.*$"], "regex": True}]}]
    assert admin.federation.mappings.update(name, rules=changed).rules == changed
    assert changed in [m.rules for m in admin.federation.mappings.list()]
    assert call(stack, "PATCH", f"/mappings/{name}", {"mapping": {"schema_version": "2.0"}})[0] == 400
    with pytest.raises(exceptions.Conflict):
        admin.federation.mappings.create(name, rules=RULES)
    admin.federation.mappings.delete(name)
    with pytest.raises(exceptions.NotFound, match=f"Could not find mapping: {name}"):
        admin.federation.mappings.get(name)


def test_a_mapping_may_repeat_its_id_in_the_body(stack):
    name = new_id()
    assert call(stack, "PUT", f"/mappings/{name}", {"mapping": {"id": name, "rules": RULES}})[0] == 201
    assert call(stack, "PATCH", f"/mappings/{name}", {"mapping": {"id": name, "rules": RULES}})[0] == 200
    for wrong in (new_id(), 7):
        status, _, reply = call(stack, "PUT", f"/mappings/{new_id()}", {"mapping": {"id": wrong, "rules": RULES}})
        assert status == 400 and "id" in reply["error"]["message"]


def test_rules_that_are_none_are_400_by_their_path(stack):
    remote = [{"type": "a"}]
    for rules, path in [([], "rules"), ("x", "rules"), ([{"local": []}], "rules[0].remote"), ([{"local": [], "remote": []}], "rules[0].remote"),
                        ([{"local": [{"user": {"type": "alien"}}], "remote": remote}], "rules[0].local[0].user"),
                        ([{"local": [], "remote": [{"type": "a", "any_one_of": ["("], "regex": True}]}], "rules[0].remote[0]")]:
        status, _, reply = call(stack, "PUT", f"/mappings/{new_id()}", {"mapping": {"rules": rules}})
        assert status == 400 and path in reply["error"]["message"], rules


def test_enabled_service_providers_are_in_tokens(stack, admin):
    name = new_id()
    urls = {"auth_url": "https://other.example/v3/OS-FEDERATION/identity_providers/us/protocols/saml2/auth", "sp_url": "https://other.example/Shibboleth.sso/SAML2/ECP"}
    made = admin.federation.service_providers.create(name, **urls)
    assert (made.enabled, made.relay_state_prefix, made.auth_url) == (False, "ss:mem:", urls["auth_url"])
    token = stack.admin_token()

    def shown(query=""):
        return stack.call("GET", "identity", "/v3/auth/tokens" + query, token=token, headers={"X-Subject-Token": token})["token"].get("service_providers", [])
    assert {"id": name, **urls} not in shown()
    admin.federation.service_providers.update(name, enabled=True)
    assert {"id": name, **urls} in shown() and {"id": name, **urls} in shown("?nocatalog")
    admin.federation.service_providers.delete(name)
    assert {"id": name, **urls} not in shown()
    for wrong in ({"auth_url": urls["auth_url"]}, {**urls, "sp_url": "nothing"}, {**urls, "enabled": "on"}, {**urls, "auth_url": "https://" + "x" * 225}):
        assert call(stack, "PUT", f"/service_providers/{new_id()}", {"service_provider": wrong})[0] == 400
    with pytest.raises(exceptions.NotFound, match="Could not find Service Provider"):
        admin.federation.service_providers.get(name)


def test_only_administrators_write_and_system_readers_read(stack):
    person = stack.person()
    name = new_id()
    for path, body in ((f"/identity_providers/{name}", {"identity_provider": {}}), (f"/mappings/{name}", {"mapping": {"rules": RULES}}),
                       (f"/identity_providers/{name}/protocols/p", {"protocol": {"mapping_id": "m"}}),
                       (f"/service_providers/{name}", {"service_provider": {"auth_url": "https://a", "sp_url": "https://b"}})):
        for method in ("PUT", "PATCH", "DELETE", "GET"):
            assert call(stack, method, path, body if method[0] == "P" else None, token=person.token)[0] in (403, 404), (method, path)
        assert stack.request("GET", "identity", BASE + path)[0] == 401
    for path in ("/identity_providers", "/mappings", "/service_providers", "/identity_providers/x/protocols"):
        assert call(stack, "GET", path, token=person.token)[0] == 403


def test_the_old_addresses_of_what_one_may_enter(stack):
    token = stack.admin_token()
    for what in ("projects", "domains"):
        old = stack.call("GET", "identity", f"{BASE}/{what}", token=token)
        assert old[what] == stack.call("GET", "identity", f"/v3/auth/{what}", token=token)[what] and old["links"]["self"].endswith(f"{BASE}/{what}")


def test_json_home_names_it(stack):
    home = stack.call("GET", "identity", "/v3", headers={"Accept": "application/json-home"})["resources"]
    start = "https://docs.openstack.org/api/openstack-identity/3/ext/OS-FEDERATION/1.0/"
    assert home[start + "rel/identity_provider_protocol"] == {
        "href-template": "/v3/OS-FEDERATION/identity_providers/{idp_id}/protocols/{protocol_id}",
        "href-vars": {"idp_id": start + "param/idp_id", "protocol_id": start + "param/protocol_id"}}
    assert home[start + "rel/mappings"] == {"href": "/v3/OS-FEDERATION/mappings"} and start + "rel/service_provider" in home


def test_the_openstack_command_makes_all_of_it(stack, tmp_path):
    rules = tmp_path / "rules.json"
    rules.write_text(json.dumps(RULES))
    name = new_id()
    environment = {"OS_AUTH_URL": stack.url("identity") + "/v3", "OS_USERNAME": "admin", "OS_PASSWORD": stack.cloud.secret("admin"), "OS_PROJECT_NAME": "admin",
                   "OS_USER_DOMAIN_ID": "default", "OS_PROJECT_DOMAIN_ID": "default", "OS_IDENTITY_API_VERSION": "3", "PATH": "/usr/bin:/bin"}
    script = f"""mapping create --rules {rules} {name}
identity provider create --remote-id {name} --enable --description people {name}
federation protocol create --identity-provider {name} --mapping {name} openid
federation protocol list --identity-provider {name} -f value
identity provider set --disable {name}
service provider create --auth-url https://other.example/auth --service-provider-url https://other.example/sp {name}
federation project list
federation protocol delete --identity-provider {name} openid
identity provider delete {name}
service provider delete {name}
mapping delete {name}
"""
    ran = subprocess.run(["openstack"], input=script, env=environment, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0 and f"openid {name}" in ran.stdout and "rror" not in ran.stderr, ran.stdout + ran.stderr
    assert name not in json.dumps(call(stack, "GET", "/mappings")[2])
