# SPDX-License-Identifier: Apache-2.0
"""Ways to prove who one is beside passwords: passcodes, several methods at once, EC2 and S3 signatures, OAuth 2.0.

The clients are those of Debian (keystoneauth1, keystoneclient's Ec2Signer), unmodified."""

import base64
import copy
import hashlib
import hmac
import struct
import time
import uuid
from urllib.parse import quote

import pytest
from keystoneauth1 import exceptions, session
from keystoneauth1.identity import v3
from keystoneclient.contrib.ec2.utils import Ec2Signer

SERVICES = ["identity"]
SETTINGS = {"identity": {"security_compliance": {"lockout_failure_attempts": 4, "lockout_duration": 2}}}


def passcode(secret, step=None):
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    mac = hmac.new(key, struct.pack(">Q", int(time.time()) // 30 if step is None else step), hashlib.sha1).digest()
    return f"{(struct.unpack('>I', mac[mac[-1] & 15:][:4])[0] & 0x7fffffff) % 1000000:06d}"


def add_totp(stack, person, secret="GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"):
    body = {"credential": {"type": "totp", "blob": secret, "user_id": person.user_id}}
    stack.call("POST", "identity", "/v3/credentials", body, person.token)
    return secret


def now_step():
    """A period's number with at least 5 s of the period left."""
    while time.time() % 30 > 25:
        time.sleep(0.1)
    return int(time.time()) // 30


def methods(stack, person, password=None, code=None):
    found = []
    if password:
        found.append(v3.PasswordMethod(username=person.user, user_domain_id="default", password=password))
    if code:
        found.append(v3.TOTPMethod(user_id=person.user_id, passcode=code))
    return found


def log_in(stack, person, *more, **how):
    auth = v3.Auth(stack.url("identity") + "/v3", [*methods(stack, person, **how), *more], project_id=person.project_id)
    return session.Session().get_token(auth=auth) and auth


def set_options(stack, person, **options):
    return stack.call("PATCH", "identity", f"/v3/users/{person.user_id}", {"user": {"options": options}}, stack.admin_token())["user"]["options"]


def test_a_passcode_is_taken_once(stack):
    person = stack.person()
    secret, step = add_totp(stack, person), now_step()
    access = log_in(stack, person, code=passcode(secret, step - 1)).auth_ref
    assert access.auth_token and access.project_id == person.project_id
    token = stack.call("GET", "identity", "/v3/auth/tokens", token=person.token, headers={"X-Subject-Token": access.auth_token})["token"]
    assert token["methods"] == ["totp"]
    for again in (step - 1, step - 2, step - 40):
        with pytest.raises(exceptions.Unauthorized):
            log_in(stack, person, code=passcode(secret, again))
    assert log_in(stack, person, code=passcode(secret, step))


def test_wrong_passcodes_lock_out_though_the_password_is_right(stack):
    person = stack.person()
    secret = add_totp(stack, person)
    set_options(stack, person, multi_factor_auth_enabled=True, multi_factor_auth_rules=[["password", "totp"]])
    good = now_step()
    wrong = f"{(int(passcode(secret, good)) + 1) % 1000000:06d}"
    for _ in range(4):
        with pytest.raises(exceptions.MissingAuthMethods):  # right so far, and the count of failures goes on
            log_in(stack, person, password=person.password)
        with pytest.raises(exceptions.Unauthorized):
            log_in(stack, person, password=person.password, code=wrong)
    with pytest.raises(exceptions.Unauthorized) as error:
        log_in(stack, person, password=person.password, code=passcode(secret, good))
    assert not isinstance(error.value, exceptions.MissingAuthMethods)


def test_rules_ask_for_more_methods_and_a_receipt_remembers(stack):
    person, other = stack.person(), stack.person()
    secret = add_totp(stack, person)
    rules = [["password", "totp"], ["password", "oauth1"]]
    assert set_options(stack, person, multi_factor_auth_rules=rules) == {"multi_factor_auth_rules": rules}
    both = {"multi_factor_auth_rules": rules, "multi_factor_auth_enabled": True}
    assert set_options(stack, person, multi_factor_auth_enabled=True) == both
    with pytest.raises(exceptions.MissingAuthMethods) as error:
        log_in(stack, person, password=person.password)
    receipt = error.value.receipt
    assert error.value.methods == ["password"] and error.value.required_auth_methods == rules
    with pytest.raises(exceptions.Unauthorized):  # a receipt is no token
        session.Session().get(stack.url("identity") + "/v3/auth/projects", headers={"X-Auth-Token": receipt})
    with pytest.raises(exceptions.Unauthorized):  # a token is no receipt
        log_in(stack, person, v3.ReceiptMethod(receipt=person.token), code=passcode(secret, now_step()))
    with pytest.raises(exceptions.Unauthorized):
        log_in(stack, other, v3.ReceiptMethod(receipt=receipt), password=other.password)
    step = now_step()
    auth = log_in(stack, person, v3.ReceiptMethod(receipt=receipt), code=passcode(secret, step + 0))
    token = stack.call("GET", "identity", "/v3/auth/tokens", token=auth.auth_ref.auth_token,
                       headers={"X-Subject-Token": auth.auth_ref.auth_token})["token"]
    assert sorted(token["methods"]) == ["password", "totp"]
    rescoped = v3.Token(stack.url("identity") + "/v3", auth.auth_ref.auth_token, project_id=person.project_id)
    assert session.Session().get_token(auth=rescoped)
    stack.call("PATCH", "identity", f"/v3/users/{person.user_id}", {"user": {"password": "a new one"}}, stack.admin_token())
    with pytest.raises(exceptions.Unauthorized):  # what it says was proven with the old password
        log_in(stack, person, v3.ReceiptMethod(receipt=receipt), code=passcode(secret, step + 1))
    assert set_options(stack, person, multi_factor_auth_enabled=False)["multi_factor_auth_rules"] == rules
    assert log_in(stack, person, password="a new one")
    assert set_options(stack, person, multi_factor_auth_enabled=None, multi_factor_auth_rules=None) == {}


@pytest.mark.parametrize("options", [{"multi_factor_auth_rules": "password"}, {"multi_factor_auth_rules": [[]]}, {"multi_factor_auth_rules": [[5]]},
                                     {"multi_factor_auth_rules": [["totp", "totp"]]}, {"multi_factor_auth_enabled": "yes"}])
def test_malformed_rules_are_400(stack, options):
    person = stack.person()
    status, _, body = stack.request("PATCH", "identity", f"/v3/users/{person.user_id}", {"user": {"options": options}}, token=stack.admin_token())
    assert status == 400 and next(iter(options)) in body["error"]["message"]


# ---- EC2 and S3


@pytest.fixture
def key(stack):
    person = stack.person()
    path = f"/v3/users/{person.user_id}/credentials/OS-EC2"
    made = stack.call("POST", "identity", path, {"tenant_id": person.project_id}, person.token)["credential"]
    made["person"], made["path"] = person, f"{path}/{made['access']}"
    return made


def claim_of(key, version, host="cloud.example:8788", when=None):
    claim = {"access": key["access"], "verb": "GET", "host": host, "path": "/services/Cloud", "headers": {}, "body_hash": "",
             "params": {"Action": "Describe Things", "AWSAccessKeyId": key["access"], "b~*": "x/y=ü", "n": "1"}}
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(when))
    if version < 4:
        claim["params"].update(SignatureVersion=str(version), Timestamp=stamp)
    else:
        compact = stamp.replace("-", "").replace(":", "")
        claim["body_hash"] = hashlib.sha256(b"").hexdigest()
        claim["headers"] = {"Host": host, "X-Amz-Date": compact, "Authorization":
                            f"AWS4-HMAC-SHA256 Credential={key['access']}/{compact[:8]}/r1/ec2/aws4_request, SignedHeaders=host;x-amz-date, Signature=x"}
    claim["signature"] = Ec2Signer(key["secret"]).generate(copy.deepcopy(claim))
    return claim


def show(stack, claim, path="/v3/ec2tokens", token=None):
    return stack.request("POST", "identity", path, {"credentials": claim}, token=token or stack.service_token())


@pytest.mark.parametrize("version", [0, 1, 2, 4])
def test_a_signed_request_gives_its_users_token(stack, key, version):
    claim = claim_of(key, version)
    status, headers, body = show(stack, claim)
    assert status == 200, body
    token, person = body["token"], key["person"]
    assert (token["user"]["id"], token["project"]["id"], token["methods"]) == (person.user_id, person.project_id, ["ec2credential"])
    assert token["catalog"] and [r["name"] for r in token["roles"]] == ["member", "reader"]
    assert stack.request("GET", "identity", "/v3/auth/projects", token=headers["X-Subject-Token"])[0] == 200
    for wrong in ({**claim, "signature": claim["signature"][:-2] + "AA"}, {**claim, "signature": None}, {**claim, "access": "none"},
                  {**claim, "params": {**claim["params"], "Action": "Other"}}):
        assert show(stack, wrong)[0] == 401
    if version != 1:
        return
    assert show(stack, claim, token=person.token)[0] == 403
    assert stack.request("POST", "identity", "/v3/ec2tokens", {"credentials": claim})[0] == 401


def test_an_old_signature_is_refused_and_a_host_may_lose_its_port(stack, key):
    assert show(stack, claim_of(key, 2, when=time.time() - 1000))[0] == 401
    assert show(stack, {**claim_of(key, 2, host="cloud.example"), "host": "cloud.example:8788"})[0] == 200
    assert show(stack, [])[0] in (400, 401) and show(stack, {"access": 5})[0] == 401


def test_tokens_of_a_key_end_with_it_and_make_no_others(stack, key):
    token = show(stack, claim_of(key, 4))[1]["X-Subject-Token"]
    auth = {"identity": {"methods": ["token"], "token": {"id": token}}}
    assert stack.request("POST", "identity", "/v3/auth/tokens", {"auth": auth})[0] == 403
    assert stack.request("GET", "identity", "/v3/credentials", token=token)[0] == 403
    person = key["person"]
    assert stack.request("DELETE", "identity", key["path"], token=person.token)[0] == 204
    assert stack.request("GET", "identity", "/v3/auth/projects", token=token)[0] == 401
    assert stack.request("GET", "identity", "/v3/auth/projects", token=person.token)[0] == 200


def test_s3_signatures(stack, key):
    text = b"GET\n\n\nFri, 20 Nov 2026 20:37:19 GMT\n/bucket/object"
    claim = {"access": key["access"], "token": base64.urlsafe_b64encode(text).decode(),
             "signature": base64.b64encode(hmac.new(key["secret"].encode(), text, hashlib.sha1).digest()).decode()}
    status, headers, body = show(stack, claim, "/v3/s3tokens")
    assert status == 200 and body["token"]["user"]["id"] == key["person"].user_id and "X-Subject-Token" not in headers
    assert show(stack, {**claim, "signature": "x"}, "/v3/s3tokens")[0] == 401
    scope = ("20261120", "r1", "s3", "aws4_request")
    text = "\n".join(("AWS4-HMAC-SHA256", "20261120T203719Z", "/".join(scope), "ab" * 32)).encode()
    mac = ("AWS4" + key["secret"]).encode()
    for part in scope:
        mac = hmac.new(mac, part.encode(), hashlib.sha256).digest()
    claim.update(token=base64.urlsafe_b64encode(text).decode(), signature=hmac.new(mac, text, hashlib.sha256).hexdigest())
    assert show(stack, claim, "/v3/s3tokens")[0] == 200
    assert show(stack, claim, "/v3/s3tokens", token=key["person"].token)[0] == 403


# ---- OAuth 2.0


def oauth2(stack, client_id, secret, form="grant_type=client_credentials", **headers):
    basic = base64.b64encode(f"{quote(client_id)}:{quote(secret)}".encode()).decode()
    headers = {"Authorization": f"Basic {basic}", "Content-Type": "application/x-www-form-urlencoded", **headers}
    return stack.request("POST", "identity", "/v3/OS-OAUTH2/token", headers={k: v for k, v in headers.items() if v}, data=form.encode())


def test_client_credentials_give_a_bearer_token(stack):
    person = stack.person()
    made = stack.call("POST", "identity", f"/v3/users/{person.user_id}/application_credentials",
                      {"application_credential": {"name": uuid.uuid4().hex, "secret": "s3 cr+t/%é"}}, person.token)["application_credential"]
    status, headers, body = oauth2(stack, made["id"], "s3 cr+t/%é")
    assert status == 200 and headers["Cache-Control"] == "no-store" and body["token_type"] == "Bearer" and 3000 < body["expires_in"] <= 3600
    token = body["access_token"]
    shown = stack.call("GET", "identity", "/v3/auth/tokens", token=token, headers={"X-Subject-Token": token})["token"]
    assert shown["methods"] == ["application_credential"] and shown["project"]["id"] == person.project_id
    assert stack.request("GET", "identity", "/v3/auth/projects", headers={"Authorization": f"Bearer {token}"})[0] == 200
    for answer, want in ((oauth2(stack, made["id"], "wrong"), (401, "invalid_client")), (oauth2(stack, "none", "x"), (401, "invalid_client")),
                         (oauth2(stack, made["id"], "x", Authorization=None), (401, "invalid_client")),
                         (oauth2(stack, made["id"], "x", Authorization="Digest x"), (401, "invalid_client")),
                         (oauth2(stack, made["id"], "x", form="scope=y"), (400, "invalid_request")),
                         (oauth2(stack, made["id"], "x", form="grant_type=password"), (400, "unsupported_grant_type"))):
        assert (answer[0], answer[2]["error"]) == want and answer[2]["error_description"]
        assert ("WWW-Authenticate" in answer[1]) == (answer[0] == 401)
    assert stack.request("GET", "identity", "/v3/OS-OAUTH2/token")[0] == 405
