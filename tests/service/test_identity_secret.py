# SPDX-License-Identifier: Apache-2.0
"""Secrets are stored sealed, with keys that rotate; signing keys rotate and nobody is logged out."""

import json
import os
import time
import uuid

import pytest

from launch import process
from tests.lib.stack import wait_until

SERVICES = ["identity", "image"]
INSTANCES = {"identity": 2}
SETTINGS = {"identity": {"token": {"key_notice": 2}}}
BOTH = ("identity", "identity-2")
TABLES = (("credential", "blob"), ("consumer", "secret"), ("signing_key", "private_pem"))


def command(stack, option):
    program, config = stack.cloud.program("identity"), stack.cloud.dir("etc") / "haneul-identity.conf"
    return process.run([program, "--config", config, option])


def keys_used(stack):
    rows = []
    for table, _ in TABLES:
        rows += stack.sql("identity", f"SELECT DISTINCT left(sealed, 16) AS id FROM {table}")
    return {row["id"] for row in rows}


def make_credential(stack, person, blob):
    body = {"credential": {"type": "certificate", "blob": blob, "user_id": person.user_id}}
    return stack.call("POST", "identity", "/v3/credentials", body, person.token)["credential"]


def show(stack, person, made, label="identity"):
    return stack.call("GET", label, f"/v3/credentials/{made['id']}", token=person.token)["credential"]


def test_no_secret_is_in_the_database(stack):
    person, admin, blob = stack.person(), stack.admin_token(), "hush-" + uuid.uuid4().hex
    made = make_credential(stack, person, blob)
    assert made["blob"] == blob == show(stack, person, made)["blob"]
    assert made in stack.call("GET", "identity", "/v3/credentials", token=person.token)["credentials"]
    new = stack.call("PATCH", "identity", f"/v3/credentials/{made['id']}", {"credential": {"blob": blob + "2"}}, person.token)["credential"]
    assert new["blob"] == blob + "2" == show(stack, person, made)["blob"]
    consumer = stack.call("POST", "identity", "/v3/OS-OAUTH1/consumers", {"consumer": {}}, admin)["consumer"]
    path = f"/v3/users/{person.user_id}/credentials/OS-EC2"
    ec2 = stack.call("POST", "identity", path, {"tenant_id": person.project_id}, person.token)["credential"]
    assert stack.call("GET", "identity", path, token=person.token)["credentials"] == [ec2]
    for table, plain in TABLES:
        rows = stack.sql("identity", f"SELECT to_jsonb(r)::text AS text, {plain} AS plain FROM {table} r")
        assert rows and all(row["plain"] is None for row in rows)
        assert not [row for row in rows for secret in (blob, consumer["secret"], ec2["secret"], "PRIVATE") if secret in row["text"]]


def test_a_secret_moved_to_another_row_does_not_open(stack):
    person = stack.person()
    first, second = make_credential(stack, person, "first"), make_credential(stack, person, "second")
    stack.sql("identity", "UPDATE credential SET sealed = (SELECT sealed FROM credential WHERE id = %s) WHERE id = %s", first["id"], second["id"])
    assert stack.request("GET", "identity", f"/v3/credentials/{second['id']}", token=person.token)[0] == 500
    stack.kill("identity")
    stack.start("identity")  # one broken row stops nobody else
    assert show(stack, person, first)["blob"] == "first"
    stack.call("DELETE", "identity", f"/v3/credentials/{second['id']}", token=person.token)


def test_rows_from_before_are_sealed_at_start(stack):
    person, row = stack.person(), uuid.uuid4().hex
    stack.sql("identity", "INSERT INTO credential (id, user_id, type, blob) SELECT %s, %s, 'x', 'plain one'", row, person.user_id)
    assert show(stack, person, {"id": row})["blob"] == "plain one"
    stack.kill("identity")
    stack.start("identity")
    assert stack.sql("identity", "SELECT blob FROM credential WHERE id = %s AND sealed IS NOT NULL", row) == [{"blob": None}]
    assert show(stack, person, {"id": row})["blob"] == "plain one"


def test_a_rotation_seals_everything_again_and_both_processes_go_on(stack):
    person = stack.person()
    made = make_credential(stack, person, "before")
    staged, old = (command(stack, "--show-secret-keys").splitlines()[i].split("\t")[1] for i in (0, 1))
    assert keys_used(stack) == {old}
    assert staged + "\tprimary" in command(stack, "--rotate-secret-keys")
    for label in BOTH:
        assert show(stack, person, made, label)["blob"] == "before"
    stack.kill("identity")
    stack.start("identity")
    assert keys_used(stack) == {staged}
    for label in BOTH:  # the second one still has the keys it read before the rotation
        assert show(stack, person, made, label)["blob"] == "before"
        assert stack.call("GET", label, "/v3/auth/catalog", token=person.token)
    directory = stack.cloud.dir("keys")
    assert {path.name: oct(path.stat().st_mode & 0o777) for path in directory.iterdir()} == dict.fromkeys("012", "0o600")


@pytest.mark.parametrize("what, says", [("missing", "is sealed by key|are sealed by key"), ("other", "are sealed by key"), ("readable", "0600"),
                                        ("short", "64 hexadecimal"), ("none", "--make-secret-keys")])
def test_wrong_keys_are_said_at_start(stack, what, says):
    directory = stack.cloud.dir("keys")
    kept = {path.name: path.read_text() for path in directory.iterdir()}
    highest = max(kept, key=int)
    stack.stop("identity")
    try:
        if what == "missing":
            (directory / highest).unlink()
        elif what == "other":
            (directory / highest).write_text("ab" * 32)
        elif what == "readable":
            (directory / highest).chmod(0o644)
        elif what == "short":
            (directory / highest).write_text("abc")
        else:
            for name in kept:
                (directory / name).unlink()
        stack.start("identity", wait=False)
        wait_until(lambda: any(part in stack.log("identity")[-2000:] for part in says.split("|")), 10, "the reason is not in the log")
        wait_until(lambda: not stack.pid("identity"), 10, "it does not stop")
    finally:
        for name, text in kept.items():
            (directory / name).write_text(text)
            os.chmod(directory / name, 0o600)
        stack.start("identity")


def test_keys_are_not_made_where_a_cloud_has_some(stack):
    with pytest.raises(Exception) as error:
        command(stack, "--make-secret-keys")
    assert "has keys already" in str(error.value)


# ---- signing keys


def kid_of(token):
    import base64
    return json.loads(base64.urlsafe_b64decode(token.split(".")[0] + "=="))["kid"]


def test_signing_keys_rotate_and_nobody_is_logged_out(stack):
    person = stack.person()
    old = kid_of(person.token)

    def works(token):
        places = [(label, "/v3/auth/projects") for label in BOTH] + [("image", "/v2/images")]
        return [stack.request("GET", label, path, token=token)[0] for label, path in places] == [200, 200, 200]
    assert works(person.token)
    status, headers, before = stack.request("GET", "identity", "/v3/auth/jwks")
    assert status == 200 and headers["Cache-Control"] == "public, max-age=1" and old in [key["kid"] for key in before["keys"]]
    new = command(stack, "--rotate-signing-key").split()[1]
    with pytest.raises(Exception) as error:
        command(stack, "--rotate-signing-key")
    assert "published already" in str(error.value)
    assert {key["kid"] for key in stack.call("GET", "identity-2", "/v3/auth/jwks")["keys"]} == {key["kid"] for key in before["keys"]} | {new}
    tokens, until = {}, time.monotonic() + 10
    while set(tokens) != {old, new} and time.monotonic() < until:
        for label in BOTH:
            auth = {"identity": {"methods": ["token"], "token": {"id": person.token}}, "scope": {"project": {"id": person.project_id}}}
            token = stack.request("POST", label, "/v3/auth/tokens", {"auth": auth})[1]["X-Subject-Token"]
            assert works(token), "a token was refused during the rotation"
            tokens[kid_of(token)] = token
    assert set(tokens) == {old, new}
    assert works(person.token) and works(tokens[new])
    stack.sql("identity", "UPDATE signing_key SET signs_from_us = signs_from_us - 95000::bigint * 1000000")
    stack.kill("identity-2")
    stack.start("identity-2")
    wait_until(lambda: old not in [key["kid"] for key in stack.call("GET", "identity", "/v3/auth/jwks")["keys"]], 5, "the old key stays")
    assert stack.request("GET", "identity-2", "/v3/auth/projects", token=tokens[old])[0] == 401
    assert works(tokens[new])


def test_tokens_of_a_stolen_key_are_refused_everywhere_within_a_second(stack):
    stack.admin = None  # its key may have gone in another test
    person, admin = stack.person(), stack.admin_token()
    places = [(label, "/v3/auth/projects") for label in BOTH] + [("image", "/v2/images")]

    def answers(token):
        return {stack.request("GET", label, path, token=token)[0] for label, path in places}
    for _ in range(2):  # the second time from the caches
        assert answers(person.token) == answers(admin) == {200}
    stolen, since = kid_of(person.token), time.monotonic()
    new = command(stack, "--replace-signing-keys").split()[1]
    wait_until(lambda: answers(person.token) == {401}, 5, "a token of the stolen key lives on", interval_s=0.02)
    assert time.monotonic() - since < 1.5, "the command's own time included"
    keys = [key["kid"] for key in stack.call("GET", "identity", "/v3/auth/jwks")["keys"]]
    assert keys == [new] and stolen not in keys and answers(admin) == {401}
    stack.admin = None
    fresh = stack.token(person.user, person.password, person.project)
    assert kid_of(fresh) == new
    wait_until(lambda: answers(fresh) == {200}, 2, "the new key is not known")
