// SPDX-License-Identifier: Apache-2.0
// Users and their passwords. A changed password, a disabled or deleted user: all their tokens end.
#include "common/base/util.h"
#include "services/identity/identity_resource.h"
#include "services/identity/tenancy/member_db.h"
#include "services/identity/token/auth.h"
#include "services/identity/token/mfa.h"
#include <string.h>

static enum rc
hash_given(struct resource_op *op, bool *ret_given, struct err *err)
{
    json_t *password = json_object_get(op->input, "password");
    *ret_given = json_is_string(password);
    if (!*ret_given) {
        return RC_OK;
    }
    g_autofree char *hash = NULL;
    enum rc rc = password_hash(json_string_value(password), &hash, err);
    if (rc == RC_OK) {
        json_object_set_new(op->values, "password_hash", json_string(hash));
    }
    return rc;
}

static enum rc
check_options(struct resource_op *op, struct err *err)
{
    json_t *enabled = json_object_get(op->input, "enabled");
    return !enabled || json_is_boolean(enabled)
               ? mfa_check_options(json_object_get(op->input, "options"), err)
               : fault(err, RC_INVALID, "invalid input for field 'enabled': it is not a boolean");
}

// As in Keystone: options that are not given stay, null takes one away.
static void
merge_options(struct resource_op *op)
{
    json_t *given = json_object_get(op->values, "options"), *value;
    if (!given) {
        return;
    }
    json_t *old = json_object_get(op->old, "options");
    json_t *merged = old ? json_copy(old) : json_object();
    const char *name;
    json_object_foreach(given, name, value)
    {
        if (json_is_null(value)) {
            json_object_del(merged, name);
        } else {
            json_object_set(merged, name, value);
        }
    }
    json_object_set_new(op->values, "options", merged);
}

static enum rc
before_create(struct resource_op *op, struct err *err)
{
    bool has_password = false;
    enum rc rc = check_options(op, err);
    merge_options(op);
    rc = rc ? rc : default_domain(op, err);
    rc = rc ? rc
            : member_db_exists(op->db, "domain",
                               json_string_value(json_object_get(op->values, "domain_id")), err);
    return rc ? rc : hash_given(op, &has_password, err);
}

static enum rc
remember_password(struct resource_op *op, struct err *err)
{
    const char *hash = json_string_value(json_object_get(op->values, "password_hash"));
    return hash ? member_db_add_password(op->db, op->id, hash, err) : RC_OK;
}

static enum rc
end_tokens(struct resource_op *op, struct err *err)
{
    return feed_revoke(op->db, &(struct revocation){.user_id = op->id}, err);
}

static enum rc
before_update(struct resource_op *op, struct err *err)
{
    bool has_password = false;
    enum rc rc = check_options(op, err);
    merge_options(op);
    rc = rc ? rc : hash_given(op, &has_password, err);
    if (rc == RC_OK && has_password) {
        json_object_set_new(op->values, "n_failures", json_integer(0));
    }
    return rc == RC_OK && (has_password || is_being_disabled(op)) ? end_tokens(op, err) : rc;
}

static const struct attribute attributes[] = {
    {"name", ATTR_TEXT, ATTR_RW | ATTR_FS | ATTR_REQUIRED, .min = 1, .max = 255},
    {"domain_id", ATTR_TEXT, ATTR_CREATE | ATTR_FS | ATTR_NULLABLE, .max = 64},
    {"default_project_id", ATTR_TEXT, ATTR_RW | ATTR_NULLABLE, .max = 64},
    {"enabled", ATTR_BOOL, ATTR_RW | ATTR_FS, .default_json = "true"},
    {"password", ATTR_TEXT, ATTR_RW | ATTR_VIRTUAL | ATTR_HIDDEN | ATTR_NULLABLE | ATTR_BLANK,
     .max = 4096},
    {"password_expires_at", ATTR_TIME, ATTR_VIRTUAL, .select = "NULL::text"},
    {"options", ATTR_OBJECT, ATTR_RW, .default_json = "{}"},
    {0},
};
static const struct resource user = {
    .singular = "user",
    .plural = "users",
    .path = "/v3/users",
    .table = "user_account",
    .not_found_format = "Could not find user: %s.",
    .style = KEYSTONE_STYLE,
    .policy_list = "identity:list_users",
    .policy_get = "identity:get_user",
    .policy_create = "identity:create_user",
    .policy_update = "identity:update_user",
    .policy_delete = "identity:delete_user",
    .default_sort = "name",
    .attributes = attributes,
    .before_create = before_create,
    .after_create = remember_password,
    .before_update = before_update,
    .after_update = remember_password,
    .before_delete = end_tokens,
};

// ---- one's own password

struct change {
    const char *password, *original;
    char *user_id, *hash;
};
static const struct field change_fields[] = {
    FIELD(struct change, password, "password", FIELD_TEXT, FIELD_REQUIRED | FIELD_SECRET, 1, 4096),
    FIELD(struct change, original, "original_password", FIELD_TEXT, FIELD_REQUIRED | FIELD_SECRET,
          1, 4096),
};
static const struct body_spec change_body = {.envelope = "user",
                                             .fields = change_fields,
                                             .n_fields = N_ELEMENTS(change_fields),
                                             .struct_size = sizeof(struct change)};

static enum rc
check_unique(const struct identity *identity, struct db *db, const struct change *change,
             struct err *err)
{
    g_autoptr(db_result) rows = NULL;
    enum rc rc =
        member_db_last_passwords(db, change->user_id, identity->n_unique_passwords, &rows, err);
    for (int i = 0; rc == RC_OK && i < db_n_rows(rows); i++) {
        if (password_matches(change->password, db_text(rows, i, "hash"))) {
            return fault(err, RC_INVALID,
                         "Changed password cannot be identical to the last password and must not "
                         "be one of the last %d.",
                         (int)identity->n_unique_passwords);
        }
    }
    return rc;
}

static enum rc
change_tx(struct db *db, void *argument, struct err *err)
{
    const struct change *change = argument;
    enum rc rc = member_db_set_password(db, change->user_id, change->hash, err);
    return rc ? rc : feed_revoke(db, &(struct revocation){.user_id = change->user_id}, err);
}

// The old password is the proof, whoever's token it is.
static enum rc
change_password(struct request *request, struct reply *reply, struct err *err)
{
    struct identity *identity = identity_of(request);
    struct change change = *(const struct change *)request_body(request);
    const struct login login = {.has_password = true,
                                .user = {.id = request_param(request, "id")},
                                .password = change.original};
    struct db *db = NULL;
    g_autoptr(db_result) row = NULL;
    enum rc rc = request_db(request, &db, err);
    rc = rc ? rc : auth_check_password(identity, db, &login, &row, err);
    rc = rc ? rc : password_check(change.password, err);
    if (rc) {
        return rc;
    }
    change.user_id = request_strdup(request, db_text(row, 0, "id"));
    rc = check_unique(identity, db, &change, err);
    g_autofree char *hash = NULL;
    rc = rc ? rc : password_hash(change.password, &hash, err);
    change.hash = hash;
    rc = rc ? rc : db_tx(db, change_tx, &change, err);
    return rc ? rc : feed_catch_up(identity, err);
}

// ---- what a user has

static enum rc
allow_self(const struct request *request, const char *rule, struct err *err)
{
    json_auto_t *target =
        json_pack("{s:{s:{s:s}}}", "target", "user", "id", request_param(request, "id"));
    return request_allow(request, rule, target, err);
}

static enum rc
list_projects(struct request *request, struct reply *reply, struct err *err)
{
    struct db *db = NULL;
    g_autofree char *items = NULL;
    const char *id = request_param(request, "id");
    enum rc rc = allow_self(request, "identity:list_user_projects", err);
    rc = rc ? rc : request_db(request, &db, err);
    rc = rc ? rc : member_db_exists(db, "user", id, err);
    rc = rc ? rc : auth_db_projects(db, id, request_base_url(request), &items, err);
    if (rc == RC_OK) {
        reply->text = auth_wrap(request, "projects", items);
    }
    return rc;
}

static enum rc
list_groups(struct request *request, struct reply *reply, struct err *err)
{
    struct db *db = NULL;
    g_autofree char *items = NULL;
    const char *id = request_param(request, "id");
    enum rc rc = allow_self(request, "identity:list_groups_for_user", err);
    rc = rc ? rc : request_db(request, &db, err);
    rc = rc ? rc : member_db_exists(db, "user", id, err);
    rc = rc ? rc : member_db_groups_of_user(db, id, request_base_url(request), &items, err);
    if (rc == RC_OK) {
        reply->text = auth_wrap(request, "groups", items);
    }
    return rc;
}

const struct route user_routes[] = {
    IDENTITY_ROUTES(user, "/v3/users", ROUTE_SLOW),
    {.method = "POST",
     .path = "/v3/users/{id}/password",
     .handle = change_password,
     .body = &change_body,
     .flags = ROUTE_SLOW |
              ROUTE_PUBLIC, // as in Keystone: who must change an expired password has no token
     .status = 204,
     .summary = "change one's own password"},
    {.method = "GET",
     .path = "/v3/users/{id}/projects",
     .handle = list_projects,
     .status = 200,
     .summary = "a user's projects"},
    {.method = "GET",
     .path = "/v3/users/{id}/groups",
     .handle = list_groups,
     .status = 200,
     .summary = "a user's groups"},
    {0},
};
