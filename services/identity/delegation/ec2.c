// SPDX-License-Identifier: Apache-2.0
// EC2 credentials: rows of credential with type ec2, under the user's path. They are found by the
// digest of the access key.
#include "services/identity/delegation/ec2.h"
#include "common/base/util.h"
#include "services/identity/delegation/credential_db.h"
#include "services/identity/secret/secret.h"
#include "services/identity/tenancy/member_db.h"
#include "services/identity/token/auth.h"
#include <stdlib.h>
#include <string.h>

struct ec2 {
    const char *tenant_id;
};
static const struct field ec2_fields[] = {
    FIELD(struct ec2, tenant_id, "tenant_id", FIELD_TEXT, FIELD_REQUIRED, 1, 64)};
static const struct body_spec ec2_body = {
    .fields = ec2_fields, .n_fields = N_ELEMENTS(ec2_fields), .struct_size = sizeof(struct ec2)};

char *
ec2_key_id(const char *access)
{
    return sha256_hex(access, strlen(access));
}

static enum rc
allow(const struct request *request, const char *rule, struct err *err)
{
    json_auto_t *target =
        json_pack("{s:{s:{s:s}}}", "target", "credential", "user_id", request_param(request, "id"));
    return request_allow(request, rule, target, err);
}

static json_t *
item_json(const struct request *request, const struct ec2_key *key)
{
    return json_pack("{s:s, s:s?, s:s, s:s, s:O?, s:{s:o}}", "user_id", key->user_id, "tenant_id",
                     key->project_id, "access", key->access, "secret", key->secret, "trust_id",
                     json_object_get(key->blob, "trust_id"), "links", "self",
                     json_sprintf("%s/v3/users/%s/credentials/OS-EC2/%s", request_base_url(request),
                                  key->user_id, key->access));
}

enum rc
ec2_key_open(struct secret_ring *ring, const db_result *rows, int i, struct ec2_key *ret_key,
             struct err *err)
{
    char *text = NULL;
    enum rc rc = secret_read(ring, "credential", db_text(rows, i, "id"), db_text(rows, i, "sealed"),
                             db_text(rows, i, "blob"), &text, err);
    if (rc) {
        return rc;
    }
    json_t *blob = json_loads(text, 0, NULL);
    secret_text_free(text);
    *ret_key = (struct ec2_key){
        .blob = blob,
        .user_id = db_text(rows, i, "user_id"),
        .project_id = db_text(rows, i, "project_id"),
        .access = json_string_value(json_object_get(blob, "access")),
        .secret = json_string_value(json_object_get(blob, "secret")),
    };
    return RC_OK;
}

static enum rc
reply_key(const struct request *request, struct db *db, const char *user_id, const char *access,
          struct reply *reply, struct err *err)
{
    g_autoptr(db_result) row = NULL;
    struct ec2_key key = {0};
    enum rc rc = credential_db_find_ec2(db, user_id, access, &row, err);
    rc = rc ? rc : ec2_key_open(identity_of(request)->secrets, row, 0, &key, err);
    if (rc == RC_OK) {
        reply->json = json_pack("{s:o}", "credential", item_json(request, &key));
    }
    json_decref(key.blob);
    return rc;
}

static enum rc
add_key(const struct request *request, struct db *db, const char *project_id, const char *access,
        struct err *err)
{
    char secret[HEX_ID_SIZE];
    hex_id_new(secret);
    g_autofree char *id = ec2_key_id(access), *sealed = NULL,
                    *blob =
                        g_strdup_printf("{\"access\":\"%s\",\"secret\":\"%s\"}", access, secret);
    enum rc rc = secret_seal(identity_of(request)->secrets, "credential", id, blob, &sealed, err);
    const struct ec2_row row = {id, request_param(request, "id"), project_id, sealed};
    return rc ? rc : credential_db_add_ec2(db, &row, err);
}

static enum rc
create(struct request *request, struct reply *reply, struct err *err)
{
    const struct ec2 *body = request_body(request);
    const char *user_id = request_param(request, "id");
    char access[HEX_ID_SIZE];
    hex_id_new(access);
    struct db *db = NULL;
    enum rc rc = request_auth(request)->trust_id[0]
                     ? fault(err, RC_FORBIDDEN, "a token of a trust cannot make credentials")
                     : allow(request, "identity:ec2_create_credential", err);
    rc = rc ? rc : request_db(request, &db, err);
    rc = rc ? rc : member_db_exists(db, "user", user_id, err);
    rc = rc ? rc : member_db_exists(db, "project", body->tenant_id, err);
    rc = rc ? rc : add_key(request, db, body->tenant_id, access, err);
    return rc ? rc : reply_key(request, db, user_id, access, reply, err);
}

static enum rc
list(struct request *request, struct reply *reply, struct err *err)
{
    struct db *db = NULL;
    g_autoptr(db_result) rows = NULL;
    enum rc rc = allow(request, "identity:ec2_list_credentials", err);
    rc = rc ? rc : request_db(request, &db, err);
    rc = rc ? rc : credential_db_list_ec2(db, request_param(request, "id"), &rows, err);
    json_auto_t *items = json_array();
    for (int i = 0; rc == RC_OK && i < db_n_rows(rows); i++) {
        struct ec2_key key = {0};
        rc = ec2_key_open(identity_of(request)->secrets, rows, i, &key, err);
        if (rc == RC_OK) {
            json_array_append_new(items, item_json(request, &key));
        }
        json_decref(key.blob);
    }
    if (rc == RC_OK) {
        char *text = json_dumps(items, JSON_COMPACT);
        reply->text = auth_wrap(request, "credentials", text);
        free(text);
    }
    return rc;
}

// Whose the key is, by the policy; which path it is asked under does not matter, as in Keystone.
// What is not there is 404 for everybody.
static enum rc
allow_key(const struct request *request, struct db *db, const char *rule, char **ret_owner_id,
          struct err *err)
{
    g_autoptr(db_result) row = NULL;
    enum rc rc = credential_db_find_ec2(db, NULL, request_param(request, "access"), &row, err);
    if (rc) {
        return rc;
    }
    const char *owner_id = db_text(row, 0, "user_id");
    json_auto_t *target = json_pack("{s:{s:{s:s}}}", "target", "credential", "user_id", owner_id);
    *ret_owner_id = g_strdup(owner_id);
    return request_allow(request, rule, target, err);
}

static enum rc
show(struct request *request, struct reply *reply, struct err *err)
{
    struct db *db = NULL;
    g_autofree char *owner_id = NULL;
    enum rc rc = request_db(request, &db, err);
    rc = rc ? rc : allow_key(request, db, "identity:ec2_get_credential", &owner_id, err);
    return rc ? rc : reply_key(request, db, owner_id, request_param(request, "access"), reply, err);
}

static enum rc
drop(struct request *request, struct reply *reply, struct err *err)
{
    struct db *db = NULL;
    g_autofree char *owner_id = NULL;
    enum rc rc = request_db(request, &db, err);
    rc = rc ? rc : allow_key(request, db, "identity:ec2_delete_credential", &owner_id, err);
    rc = rc ? rc : credential_db_drop_ec2(db, owner_id, request_param(request, "access"), err);
    return rc ? rc : feed_catch_up(identity_of(request), err);
}

#define EC2 "/v3/users/{id}/credentials/OS-EC2"
const struct route ec2_routes[] = {
    {.method = "POST",
     .path = EC2,
     .handle = create,
     .body = &ec2_body,
     .status = 201,
     .summary = "create an EC2 credential"},
    {.method = "GET",
     .path = EC2,
     .handle = list,
     .status = 200,
     .summary = "list EC2 credentials"},
    {.method = "GET",
     .path = EC2 "/{access}",
     .handle = show,
     .status = 200,
     .summary = "show an EC2 credential"},
    {.method = "DELETE",
     .path = EC2 "/{access}",
     .handle = drop,
     .status = 204,
     .summary = "delete an EC2 credential"},
    {0},
};
