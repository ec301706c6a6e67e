# SPDX-License-Identifier: Apache-2.0
"""The work of a password's hash is a setting: a hash of another cost is replaced when its user signs in, and never otherwise."""

import time

SERVICES = ["identity"]
SETTINGS = {"identity": {"password": {"rounds": "10"}}}


def hash_of(stack, user_id):
    return stack.sql("identity", "SELECT password_hash, password_changed_at FROM user_account WHERE id = %s", user_id)[0]


def sign_in(stack, name, password):
    """Status and the seconds that it took."""
    user = {"name": name, "domain": {"id": "default"}, "password": password}
    begin = time.monotonic()
    status = stack.request("POST", "identity", "/v3/auth/tokens", {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}}})[0]
    return status, time.monotonic() - begin


def test_hashes_follow_the_setting_as_users_sign_in(stack):
    person = stack.person()
    old = hash_of(stack, person.user_id)
    assert old["password_hash"].startswith("$2b$10$")
    stack.restart("identity", {"password": {"rounds": "12"}})
    assert sign_in(stack, person.user, "wrong")[0] == 401
    assert hash_of(stack, person.user_id) == old, "only who knows the password has it hashed anew"
    # Nobody learns by time that this user has an older hash, or is one.
    stranger, older = (sum(times) for times in zip(*((sign_in(stack, "nobody", "wrong")[1], sign_in(stack, person.user, "wrong")[1])
                                                     for _ in range(6))))
    assert 0.5 < older / stranger < 2, (older, stranger)  # the older hash alone is a quarter
    token = stack.token(person.user, person.password, {"id": person.project_id})
    new = hash_of(stack, person.user_id)
    assert new["password_hash"].startswith("$2b$12$") and new["password_changed_at"] == old["password_changed_at"]
    assert stack.request("GET", "identity", "/v3/auth/projects", token=token)[0] == 200, "the token stays good"
    assert sign_in(stack, person.user, person.password)[0] == 201
    assert hash_of(stack, person.user_id) == new, "once is enough"
