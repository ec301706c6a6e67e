// SPDX-License-Identifier: Apache-2.0
// GET, HEAD and DELETE /v3/auth/tokens: the token in X-Subject-Token, one's own or another's.
#include "common/base/util.h"
#include "services/identity/token/auth.h"
#include <string.h>

// As in Keystone, a service may ask about work that took longer than its token (allow_expired).
static enum rc
verify_subject(const struct request *request, const char *text, struct auth_context **ret_subject,
               struct err *err)
{
    const struct identity *identity = identity_of(request);
    const char *is_late = request_query(request, "allow_expired");
    bool value = false;
    return is_late && parse_bool(is_late, &value) && value
               ? authenticator_verify_late(identity->auth, text, identity->expired_window_us,
                                           ret_subject, err)
               : authenticator_verify(identity->auth, text, ret_subject, err);
}

static enum rc
find_subject(const struct request *request, const char *rule, struct auth_context **ret_subject,
             struct err *err)
{
    const char *text = request_header(request, "X-Subject-Token");
    struct auth_context *subject = NULL;
    enum rc rc = text ? verify_subject(request, text, &subject, err) : RC_UNAUTHORIZED;
    if (rc == RC_UNAUTHORIZED) {
        return text ? fault(err, RC_NOT_FOUND, "Could not find token.")
                    : fault(err, RC_NOT_FOUND,
                            "Could not find token: header X-Subject-Token is missing.");
    }
    if (rc) {
        return rc;
    }
    json_auto_t *target =
        json_pack("{s:{s:{s:s}}}", "target", "token", "user_id", subject->user_id);
    rc = request_allow(request, rule, target, err);
    if (rc) {
        auth_context_unref(subject);
        return rc;
    }
    *ret_subject = subject;
    return RC_OK;
}

// As in Keystone: who does not say that it knows access rules is not told of a token that has some.
static enum rc
check_asker_knows_rules(const struct request *request, const struct auth_context *subject,
                        struct err *err)
{
    const char *version = request_header(request, "OpenStack-Identity-Access-Rules");
    return subject->n_access_rules && !(version && g_ascii_strtod(version, NULL) >= 1)
               ? fault(err, RC_NOT_FOUND, "Could not find token.")
               : RC_OK;
}

static enum rc
show_token(struct request *request, struct reply *reply, struct err *err)
{
    struct auth_context *subject = NULL;
    bool is_head = !strcmp(request_method(request), "HEAD");
    enum rc rc = find_subject(request, is_head ? "identity:check_token" : "identity:validate_token",
                              &subject, err);
    rc = rc ? rc : check_asker_knows_rules(request, subject, err);
    rc = rc ? rc
            : auth_reply(request, subject, request_header(request, "X-Subject-Token"), reply, err);
    auth_context_unref(subject);
    return rc;
}

// All tokens of a trust, a credential or an access token have one audit id, and may live longer.
static bool
is_one_of_many(const struct auth_context *subject)
{
    const char *const origins[] = {subject->trust_id, subject->oauth_id, subject->appcred_id};
    for (size_t i = 0; i < N_ELEMENTS(origins); i++) {
        if (origins[i] && origins[i][0]) {
            return true;
        }
    }
    return strstr(subject->methods, "ec2credential") != NULL;
}

static enum rc
revoke_tx(struct db *db, void *argument, struct err *err)
{
    const struct auth_context *subject = argument;
    const struct revocation revocation = {.audit_id = subject->audit_id,
                                          .user_id = subject->user_id,
                                          .ends_us =
                                              is_one_of_many(subject) ? 0 : subject->expires_at_us};
    return feed_revoke(db, &revocation, err);
}

static enum rc
delete_token(struct request *request, struct reply *reply, struct err *err)
{
    struct auth_context *subject = NULL;
    struct db *db = NULL;
    enum rc rc = find_subject(request, "identity:revoke_token", &subject, err);
    rc = rc ? rc : request_db(request, &db, err);
    rc = rc ? rc : db_tx(db, revoke_tx, subject, err);
    rc = rc ? rc : feed_catch_up(identity_of(request), err);
    auth_context_unref(subject);
    return rc;
}

const struct route subject_routes[] = {
    {.method = "GET",
     .path = "/v3/auth/tokens",
     .handle = show_token,
     .flags = ROUTE_ANY_TOKEN,
     .status = 200,
     .summary = "validate a token"},
    {.method = "DELETE",
     .path = "/v3/auth/tokens",
     .handle = delete_token,
     .status = 204,
     .summary = "revoke a token"},
    {0},
};
