// SPDX-License-Identifier: Apache-2.0
// Tokens for requests that were signed with an EC2 key: services that speak Amazon's API show what
// they got. As Keystone's, both are for services and administrators.
#include "common/base/util.h"
#include "services/identity/delegation/credential_db.h"
#include "services/identity/delegation/ec2.h"
#include "services/identity/delegation/ec2_sign.h"
#include "services/identity/token/auth_place.h"
#include <string.h>

typedef bool (*signature_fn)(json_t *claim, const char *secret);

// The body's one member, by any of the names that clients use.
static json_t *
claim_of(const struct request *request)
{
    static const char *const names[] = {"credentials", "credential", "ec2Credentials"};
    json_t *claim = NULL;
    for (size_t i = 0; i < N_ELEMENTS(names) && !claim; i++) {
        claim = json_object_get(request_json(request), names[i]);
    }
    return claim;
}

static bool
is_fresh(const struct identity *identity, json_t *claim)
{
    int64_t signed_us = 0;
    return ec2_signed_at(claim, &signed_us) &&
           (!signed_us || now_us() <= signed_us + identity->ec2_signature_s * 1000000);
}

static enum rc
find_key(const struct request *request, signature_fn is_good, db_result **ret_row, struct err *err)
{
    json_t *claim = claim_of(request);
    const char *access = json_string_value(json_object_get(claim, "access"));
    if (!json_is_object(request_json(request)) || (claim && !json_is_object(claim))) {
        return fault(err, RC_INVALID, "invalid input for field 'credentials': it is not an object");
    }
    if (!access || strlen(access) > 255) {
        return auth_denied(err);
    }
    struct identity *identity = identity_of(request);
    struct ec2_key key = {0};
    struct db *db = NULL;
    enum rc rc = request_db(request, &db, err);
    rc = rc ? rc : credential_db_find_ec2(db, NULL, access, ret_row, err);
    rc = rc ? rc : ec2_key_open(identity->secrets, *ret_row, 0, &key, err);
    bool ok = rc == RC_OK && key.secret && key.project_id && is_good(claim, key.secret) &&
              is_fresh(identity, claim);
    json_decref(key.blob);
    return rc && rc != RC_NOT_FOUND ? rc : ok ? RC_OK : auth_denied(err);
}

static enum rc
reply_for(struct request *request, signature_fn is_good, bool with_token, struct reply *reply,
          struct err *err)
{
    g_autoptr(db_result) row = NULL;
    enum rc rc = find_key(request, is_good, &row, err);
    if (rc) {
        return rc;
    }
    g_autofree char *audit_id = g_strdup_printf("ec2-%.18s", db_text(row, 0, "digest"));
    const struct login login = {.ec2_user_id = db_text(row, 0, "user_id"),
                                .ec2_audit_id = audit_id,
                                .scope = SCOPE_PROJECT,
                                .target = {.id = db_text(row, 0, "project_id")}};
    struct session session = {0};
    rc = auth_open(request, &login, &session, err);
    rc =
        rc ? rc : auth_reply(request, &session.token, with_token ? session.text : NULL, reply, err);
    session_done(&session);
    return rc;
}

static enum rc
create_for_ec2(struct request *request, struct reply *reply, struct err *err)
{
    return reply_for(request, ec2_signature_is_good, true, reply, err);
}

static enum rc
create_for_s3(struct request *request, struct reply *reply, struct err *err)
{
    return reply_for(request, s3_signature_is_good, false, reply, err);
}

const struct route ec2_token_routes[] = {
    {.method = "POST",
     .path = "/v3/ec2tokens",
     .handle = create_for_ec2,
     .policy = "identity:ec2tokens_validate",
     .status = 200,
     .summary = "a token for a request signed with an EC2 key"},
    {.method = "POST",
     .path = "/v3/s3tokens",
     .handle = create_for_s3,
     .policy = "identity:s3tokens_validate",
     .status = 200,
     .summary = "whose an S3 request signed with an EC2 key is"},
    {0},
};
