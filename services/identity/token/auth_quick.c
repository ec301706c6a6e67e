// SPDX-License-Identifier: Apache-2.0
// A token by a token: issued as of the instant up to which this process knows all changes and
// revocations, so that one that is not known here yet ends it too; and without a statement when the
// scope was entered a short time ago.
#include "common/auth/revocation.h"
#include "common/base/util.h"
#include "services/identity/federation/sign_in.h"
#include "services/identity/token/auth_place.h"
#include "services/identity/token/mfa.h"
#include "services/identity/token/scope_cache.h"
#include <string.h>

enum rc
auth_may_descend(const struct auth_context *by_token, struct err *err)
{
    if (by_token->trust_id[0]) {
        return fault(err, RC_FORBIDDEN, "a token of a trust cannot make another token");
    }
    if (strstr(by_token->methods, APPCRED)) { // its token must not grow into the user's own
        return auth_denied(err);
    }
    if (strstr(by_token->methods, "oauth1") || strstr(by_token->methods, "ec2credential")) {
        return fault(err, RC_FORBIDDEN,
                     "a token of an OAuth access token or an EC2 key cannot make another token");
    }
    return RC_OK;
}

void
auth_descend(const struct auth_context *by_token, struct auth_context *token)
{
    token->expires_at_us = MIN(token->expires_at_us, by_token->expires_at_us);
    token->audit_parent_id =
        by_token->audit_parent_id[0] ? by_token->audit_parent_id : by_token->audit_id;
}

static bool
is_alone(const struct login *login)
{
    bool is_joined = login->has_password || login->has_totp || login->receipt ||
                     login->ec2_user_id || login->has_oauth1 || login->has_appcred ||
                     login->has_mapped;
    return !is_joined && (login->scope == SCOPE_PROJECT || login->scope == SCOPE_DOMAIN ||
                          login->scope == SCOPE_SYSTEM);
}

static struct scope_key
key_of(const struct login *login, const struct session *session)
{
    return (struct scope_key){session->person.by_token->user_id, login->scope, login->target};
}

// Why a token is refused is said by who asks for it next.
static struct auth_context *
verify(const struct identity *identity, const struct login *login)
{
    struct auth_context *by_token = NULL;
    struct err why = {0};
    return authenticator_verify(identity->auth, login->token, &by_token, &why) ? NULL : by_token;
}

// The instant first: what was revoked until then, verifying knows.
static enum rc
find_parent(struct identity *identity, const struct login *login, struct person *person,
            struct err *err)
{
    person->asked_at_us = scope_cache_as_of_us(identity->scopes);
    person->by_token = verify(identity, login);
    if (!person->by_token ||
        (person->asked_at_us && person->asked_at_us >= person->by_token->issued_at_us)) {
        return RC_OK;
    }
    enum rc rc = feed_catch_up_to(identity, person->by_token->issued_at_us, err);
    auth_context_unref(person->by_token);
    person->asked_at_us = scope_cache_as_of_us(identity->scopes);
    person->by_token = rc ? NULL : verify(identity, login);
    return rc;
}

enum rc
auth_quick_begin(struct identity *identity, const struct login *login, struct session *session,
                 struct err *err)
{
    struct person *person = &session->person;
    if (!login->has_token) {
        return RC_OK;
    }
    enum rc rc = find_parent(identity, login, person, err);
    if (rc || !person->by_token || !person->asked_at_us) {
        person->asked_at_us = 0;
        return rc;
    }
    struct err why = {0};
    // Two tokens of one federated user may have different groups.
    session->is_quick = is_alone(login) && !person->by_token->group_ids &&
                        auth_may_descend(person->by_token, &why) == RC_OK;
    if (session->is_quick) {
        const struct scope_key key = key_of(login, session);
        session->scope_epoch = scope_cache_epoch(identity->scopes);
        session->held = scope_cache_find(identity->scopes, &key);
    }
    return RC_OK;
}

enum rc
auth_quick_open(const struct identity *identity, const struct login *login, struct session *session,
                struct err *err)
{
    const struct person *person = &session->person;
    struct auth_context *token = &session->token;
    session->audit_id = id_text_new();
    session->methods = auth_methods(login, person);
    *token = *session->held;
    token->audit_id = session->audit_id;
    token->methods = session->methods;
    token->issued_at_us = person->asked_at_us;
    token->expires_at_us = person->asked_at_us + identity->token_life_us;
    auth_descend(person->by_token, token);
    federation_fill(person, token);
    g_autofree char *claims = claims_text(token);
    return jws_sign(identity->keys, claims, &session->text, err);
}

// Rules that want more than a token are asked each time.
void
auth_quick_keep(const struct identity *identity, const struct login *login,
                const struct session *session, const char *claims)
{
    if (!session->is_quick) {
        return;
    }
    struct err why = {0};
    struct auth_context *held = NULL;
    json_auto_t *options = db_json(session->person.row, 0, "options"),
                *read = json_loads(claims, 0, NULL);
    if (mfa_is_enough(options, "token") && context_from_claims(read, &held, &why) == RC_OK) {
        const struct scope_key key = key_of(login, session);
        scope_cache_put(identity->scopes, &key, held, session->scope_epoch);
        auth_context_unref(held);
    }
}
