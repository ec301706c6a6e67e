# SPDX-License-Identifier: Apache-2.0
"""Who manages a project invites people into it by mail, sees who is there and removes them; the invited need no account before."""

import threading
import uuid

import pytest

from tests.lib.accounts import PASSWORD, TERMS, account, address, log_in, mail_to, n_mails, post, token_in, token_of
from tests.lib.stack import wait_until

SERVICES = ["identity"]
SETTINGS = {"identity": {"accounts": {"rate_network": 500, "rate_address": 4, "rate_account": 30, "rate_window": 3600, "invitations_max": 6,
                                      "terms_version": TERMS, "invitation_life": 5}}}


@pytest.fixture(scope="module")
def owner(stack):
    return account(stack, name="Owner")


@pytest.fixture(scope="module")
def friend(stack):
    return account(stack)


def base(owner, what="invitations"):
    return f"/accounts/v1/projects/{owner.project_id}/{what}"


def invite(stack, owner, email, role="member", token=None, **more):
    return stack.request("POST", "identity", base(owner), {"email": email, "role": role, **more}, token=token or owner.token)


def members(stack, owner, token=None):
    rows = stack.call("GET", "identity", base(owner, "members"), token=token or owner.token)["members"]
    return {r["user"]["name"]: (r["roles"], r["is_owner"]) for r in rows}


def accept(stack, token, **more):
    return post(stack, "/invitations/accept", {"token": token, **more})


def state_of(stack, owner, email):
    rows = stack.call("GET", "identity", base(owner), token=owner.token)["invitations"]
    return [r["state"] for r in rows if r["email"] == email]


def test_somebody_with_an_account_is_invited_joins_and_is_removed(stack, owner, friend):
    status, _, body = invite(stack, owner, friend.email.upper(), "reader")
    assert status == 201 and body["invitation"]["state"] == "pending" and body["invitation"]["email"] == friend.email
    assert "token" not in str(body)
    mail = mail_to(stack, friend.email, 2)
    assert owner.email in mail["text"]
    status, _, body = accept(stack, token_in(mail))
    assert status == 201 and body["membership"]["project"]["id"] == owner.project_id and body["membership"]["role"] == "reader"
    assert accept(stack, token_in(mail))[0] == 410
    assert members(stack, owner) == {owner.email: (["member"], True), friend.email: (["reader"], False)}
    token = token_of(stack, friend.email, project=owner.project_id)
    assert members(stack, owner, token) == members(stack, owner)
    assert invite(stack, owner, friend.email)[0] == 409
    assert stack.request("DELETE", "identity", base(owner, f"members/{friend.user_id}"), token=owner.token)[0] == 204
    assert stack.request("GET", "identity", "/v3/auth/projects", token=token)[0] == 401, "the removed member's token lives on"
    assert stack.request("GET", "identity", "/v3/auth/projects", token=friend.token)[0] == 200, "a token elsewhere ended too"
    assert log_in(stack, friend.email, project=owner.project_id)[0] == 401
    assert owner.project_id in mail_to(stack, friend.email, 3)["text"]
    assert stack.request("DELETE", "identity", base(owner, f"members/{friend.user_id}"), token=owner.token)[0] == 404
    actions = [r["action"] for r in stack.call("GET", "identity", "/accounts/v1/audit", token=owner.token)["audit"]]
    assert actions[:3] == ["member.remove", "invitation.accept", "invitation.send"]


def test_somebody_without_an_account_gets_one_by_accepting(stack, owner):
    email = address()
    assert invite(stack, owner, email, locale="ko")[0] == 201
    mail = mail_to(stack, email)
    assert "초대" in mail["subject"]
    token = token_in(mail)
    status, _, body = accept(stack, token)
    assert status == 400 and "'password'" in body["error"]["message"]
    status, _, body = accept(stack, token, password=PASSWORD)
    assert status == 400 and "terms_version" in body["error"]["message"]
    status, _, body = accept(stack, token, password=PASSWORD, terms_version=TERMS, name="New", locale="ko")
    assert status == 201 and body["account"]["state"] == "active"
    status, _, seen = log_in(stack, email)
    assert status == 201 and seen["token"]["project"]["id"] == owner.project_id
    assert stack.sql("identity", "SELECT full_name, locale FROM account WHERE email = %s", email) == [{"full_name": "New", "locale": "ko"}]
    me = token_of(stack, email)
    assert stack.request("DELETE", "identity", base(owner, f"members/{body['membership']['user']['id']}"), token=me)[0] == 204
    assert email not in members(stack, owner) and n_mails(stack, email) == 1, "who leaves needs no mail"


def test_the_inviter_learns_nothing_about_the_address(stack, owner, friend):
    def shape(email):
        status, headers, body = invite(stack, owner, email)
        for key in ("id", "email", "created_at", "expires_at"):
            body["invitation"].pop(key)
        return status, body, sorted(h for h in headers)
    known, unknown = shape(friend.email), shape(address())
    assert known == unknown
    one = mail_to(stack, friend.email, 4)
    assert one["text"].replace(token_in(one), "") == [m for m in stack.mails() if "invited" in m["subject"]][-1]["text"].replace(
        token_in([m for m in stack.mails() if "invited" in m["subject"]][-1]), "")


def test_only_who_manages_the_project_invites_and_nobody_gives_admin(stack, owner, friend):
    for role in ("admin", "service", "nonsense"):
        status, _, body = invite(stack, owner, address(), role)
        assert status == 403 and "role" in body["error"]["message"]
        assert invite(stack, owner, address(), role, stack.admin_token())[0] == 403
    assert invite(stack, owner, address(), token=friend.token)[0] == 404
    for method, what in (("GET", "invitations"), ("GET", "members"), ("DELETE", f"members/{owner.user_id}"), ("DELETE", "invitations/x")):
        assert stack.request(method, "identity", base(owner, what), token=friend.token)[0] == 404
    assert stack.request("DELETE", "identity", base(owner, f"members/{owner.user_id}"), token=owner.token)[0] == 409
    assert invite(stack, owner, "nobody")[0] == 400 and invite(stack, owner, address(), locale="xx")[0] == 400


def test_a_manager_invites_and_a_member_does_not(stack, owner):
    tokens = {}
    for role in ("manager", "member"):
        email = address()
        assert invite(stack, owner, email, role)[0] == 201
        assert accept(stack, token_in(mail_to(stack, email)), password=PASSWORD, terms_version=TERMS)[0] == 201
        tokens[role] = token_of(stack, email)
    assert invite(stack, owner, address(), "reader", tokens["member"])[0] == 403
    assert invite(stack, owner, address(), "reader", tokens["manager"])[0] == 201
    assert stack.request("GET", "identity", base(owner), token=tokens["member"])[0] == 403
    assert owner.email in members(stack, owner, tokens["member"])


def test_invitations_are_declined_taken_back_renewed_and_late(stack):
    owner = account(stack)
    declined, revoked, late = address(), address(), address()
    for email in (declined, revoked, late):
        assert invite(stack, owner, email)[0] == 201
    first = token_in(mail_to(stack, declined))
    assert invite(stack, owner, declined)[0] == 201
    second = token_in(mail_to(stack, declined, 2))
    assert post(stack, "/invitations/decline", {"token": first})[0] == 410
    assert post(stack, "/invitations/decline", {"token": second})[0] == 204
    assert accept(stack, second, password=PASSWORD, terms_version=TERMS)[0] == 410
    [row] = [r for r in stack.call("GET", "identity", base(owner), token=owner.token)["invitations"] if r["email"] == revoked]
    assert stack.request("DELETE", "identity", base(owner, f"invitations/{row['id']}"), token=owner.token)[0] == 204
    assert stack.request("DELETE", "identity", base(owner, f"invitations/{row['id']}"), token=owner.token)[0] == 404
    assert accept(stack, token_in(mail_to(stack, revoked)), password=PASSWORD, terms_version=TERMS)[0] == 410
    wait_until(lambda: state_of(stack, owner, late) == ["expired"], 10, "the invitation does not expire")
    assert accept(stack, token_in(mail_to(stack, late)), password=PASSWORD, terms_version=TERMS)[0] == 410

    def trail():
        rows = stack.call("GET", "identity", f"/accounts/v1/audit?project_id={owner.project_id}", token=owner.token)["audit"]
        return [(r["detail"]["email"], r["actor_id"]) for r in rows if r["action"] == "invitation.expire"]
    wait_until(trail, 15, "the trail does not say that the invitation expired")
    assert invite(stack, owner, late)[0] == 201 and state_of(stack, owner, late).count("pending") == 1, "it cannot be asked again"
    assert trail() == [(late, None)]
    assert state_of(stack, owner, declined) == ["declined"] and state_of(stack, owner, revoked) == ["revoked"]
    assert stack.sql("identity", "SELECT 1 FROM user_account WHERE name = ANY(%s)", [declined, revoked, late]) == []


def test_an_invitation_used_from_many_sides_makes_one_member(stack, owner):
    email, answers = address(), []
    assert invite(stack, owner, email)[0] == 201
    token = token_in(mail_to(stack, email))
    threads = [threading.Thread(target=lambda: answers.append(accept(stack, token, password=PASSWORD, terms_version=TERMS)[0])) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [201] + [410] * 3
    assert len(stack.sql("identity", "SELECT 1 FROM assignment a JOIN user_account u ON u.id = a.user_id WHERE u.name = %s", email)) == 1


def test_open_invitations_and_mails_per_address_are_limited(stack):
    owner = account(stack)
    answers = [invite(stack, owner, address())[0] for _ in range(7)]
    assert answers == [201] * 6 + [403]
    email = address()
    other = account(stack)
    answers = [invite(stack, other, email) for _ in range(5)]
    assert [a[0] for a in answers] == [201] * 4 + [429] and int(answers[-1][1]["Retry-After"]) > 0
    assert len({a[2]["invitation"]["id"] for a in answers[:4]}) == 1, "a renewed invitation is another"


def test_a_blocked_account_joins_nothing(stack, owner):
    person = account(stack, log_in=False)
    assert invite(stack, owner, person.email)[0] == 201
    token = token_in(mail_to(stack, person.email, 2))
    stack.call("POST", "identity", f"/accounts/v1/admin/accounts/{person.user_id}/block", token=stack.admin_token())
    assert accept(stack, token)[0] == 409
    assert person.email not in members(stack, owner)


def test_members_come_in_pages(stack, owner):
    every = stack.call("GET", "identity", base(owner, "members"), token=owner.token)["members"]
    seen, marker = [], ""
    while marker is not None:
        page = stack.call("GET", "identity", base(owner, "members") + "?limit=1" + (f"&marker={marker}" if marker else ""), token=owner.token)
        seen, marker = seen + page["members"], page["next_marker"]
    assert seen == every and len(every) >= 3


def test_tokens_that_nobody_has_are_404(stack):
    for path in ("accept", "decline"):
        assert post(stack, f"/invitations/{path}", {"token": uuid.uuid4().hex})[0] == 404
        assert post(stack, f"/invitations/{path}", {"token": "x" * 129})[0] == 400
    assert stack.request("GET", "identity", "/accounts/v1/projects/nothing/members", token=stack.admin_token())[0] == 404


# ---- another role


def change(stack, project_id, user_id, role, token):
    return stack.request("PATCH", "identity", f"/accounts/v1/projects/{project_id}/members/{user_id}", {"role": role}, token=token)


def join(stack, owner, role):
    email = address()
    assert invite(stack, owner, email, role)[0] == 201
    status, _, body = accept(stack, token_in(mail_to(stack, email)), password=PASSWORD, terms_version=TERMS)
    assert status == 201, body
    return body["membership"]["user"]["id"], token_of(stack, email), email


def alive(stack, token):
    return stack.request("GET", "identity", "/v3/auth/projects", token=token)[0] == 200


def test_a_member_gets_another_role_and_what_is_lost_ends_tokens(stack):
    owner = account(stack)
    user_id, token, email = join(stack, owner, "manager")
    status, _, body = change(stack, owner.project_id, user_id, "member", owner.token)
    assert status == 200 and body["member"]["roles"] == ["member"] and body["member"]["user"]["name"] == email and not body["member"]["is_owner"]
    assert not alive(stack, token), "the token with the role that was taken lives on"
    token = token_of(stack, email)
    assert change(stack, owner.project_id, user_id, "member", owner.token)[0] == 200 and alive(stack, token), "nothing changed"
    assert change(stack, owner.project_id, user_id, "manager", owner.token)[0] == 200 and alive(stack, token), "nothing was taken"
    assert members(stack, owner)[email] == (["manager"], False)
    rows = stack.call("GET", "identity", "/accounts/v1/audit", token=owner.token)["audit"]
    assert [(r["user_id"], r["actor_id"], r["detail"]["former_roles"], r["detail"]["role"]) for r in rows if r["action"] == "member.change"] == [
        (user_id, owner.user_id, "member", "manager"), (user_id, owner.user_id, "manager", "member")]


def test_roles_are_changed_by_who_may_give_them(stack, friend):
    owner = account(stack)
    manager, manager_token, _ = join(stack, owner, "manager")
    member, member_token, _ = join(stack, owner, "member")
    for role in ("admin", "service", "nonsense"):
        status, _, body = change(stack, owner.project_id, member, role, owner.token)
        assert status == 403 and "'role'" in body["error"]["message"]
        assert change(stack, owner.project_id, member, role, manager_token)[0] == 403
    assert change(stack, owner.project_id, owner.user_id, "reader", manager_token)[0] == 409
    assert change(stack, owner.project_id, owner.user_id, "reader", stack.admin_token())[0] == 409
    assert change(stack, owner.project_id, friend.user_id, "reader", owner.token)[0] == 404
    assert change(stack, owner.project_id, member, "reader", friend.token)[0] == 404
    assert change(stack, owner.project_id, member, "manager", member_token)[0] == 403
    for body in ({}, {"role": None}, {"role": 1}, {"role": "reader", "more": 1}, {"role": "x" * 256}):
        assert stack.request("PATCH", "identity", base(owner, f"members/{member}"), body, token=owner.token)[0] == 400, body
    admin = stack.admin_token()
    [role] = stack.call("GET", "identity", "/v3/roles?name=service", token=admin)["roles"]
    stack.call("PUT", "identity", f"/v3/projects/{owner.project_id}/users/{member}/roles/{role['id']}", token=admin)
    assert change(stack, owner.project_id, member, "reader", owner.token)[0] == 403, "an administrator's grant"
    assert change(stack, owner.project_id, manager, "reader", manager_token)[0] == 200, "one's own role"
    assert change(stack, owner.project_id, member, "reader", manager_token)[0] == 401


def test_a_project_that_nobody_owns_keeps_a_manager(stack):
    first, admin = stack.person("manager"), stack.admin_token()
    path = f"/accounts/v1/projects/{first.project_id}/members/{first.user_id}"
    assert change(stack, first.project_id, first.user_id, "reader", first.token)[0] == 409
    assert stack.request("DELETE", "identity", path, token=first.token)[0] == 409
    second = stack.person()
    [role] = stack.call("GET", "identity", "/v3/roles?name=manager", token=admin)["roles"]
    stack.call("PUT", "identity", f"/v3/projects/{first.project_id}/users/{second.user_id}/roles/{role['id']}", token=admin)
    tokens = [first.token, stack.token(second.user, second.password, first.project)]
    answers = []
    threads = [threading.Thread(target=lambda who, token: answers.append(change(stack, first.project_id, who, "member", token)[0]), args=pair)
               for pair in ((second.user_id, tokens[0]), (first.user_id, tokens[1]))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers.count(200) == 1 and set(answers) <= {200, 401, 403, 409}, answers
    rows = stack.call("GET", "identity", f"/accounts/v1/projects/{first.project_id}/members", token=admin)["members"]
    assert sorted(r["roles"] for r in rows) == [["manager"], ["member"]]
