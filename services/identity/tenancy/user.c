// SPDX-License-Identifier: Apache-2.0
// Users and their passwords. A changed password, a disabled or deleted user: all their tokens end.
#include "common/base/util.h"
#include "services/identity/account/admit.h"
#include "services/identity/federation/federated_user.h"
#include "services/identity/identity_resource.h"
#include "services/identity/tenancy/member_db.h"
#include "services/identity/tenancy/options.h"
#include "services/identity/tenancy/target.h"
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
    const struct compliance *rules = &identity_of(op->request)->compliance;
    enum rc rc = compliance_check_password(rules, json_string_value(password), err);
    rc = rc ? rc : password_hash(json_string_value(password), &hash, err);
    if (rc == RC_OK) {
        json_object_set_new(op->values, "password_hash", json_string(hash));
    }
    return rc;
}

static enum rc
check_enabled(struct resource_op *op, struct err *err)
{
    json_t *enabled = json_object_get(op->input, "enabled");
    enum rc rc =
        !enabled || json_is_boolean(enabled)
            ? RC_OK
            : fault(err, RC_INVALID, "invalid input for field 'enabled': it is not a boolean");
    rc = rc ? rc : options_check(op, user_options, err);
    rc = rc ? rc : federated_user_check(op, err);
    return rc ? rc : mfa_check_options(json_object_get(op->input, "options"), err);
}

static enum rc
before_create(struct resource_op *op, struct err *err)
{
    bool has_password = false;
    enum rc rc = check_enabled(op, err);
    rc = rc ? rc : default_domain(op, err);
    rc = rc ? rc
            : member_db_exists(op->db, "domain",
                               json_string_value(json_object_get(op->values, "domain_id")), err);
    return rc ? rc : hash_given(op, &has_password, err);
}

// A password is an administrator's here.
static enum rc
after_write(struct resource_op *op, struct err *err)
{
    const struct compliance *rules = &identity_of(op->request)->compliance;
    const char *hash = json_string_value(json_object_get(op->values, "password_hash"));
    const struct new_password password = {.user_id = op->id,
                                          .hash = hash,
                                          .must_change = rules->must_change_first,
                                          .expires_days = rules->password_expires_days};
    enum rc rc = hash ? member_db_set_password(op->db, &password, err) : RC_OK;
    rc = rc ? rc : federated_user_store(op, err);
    bool enabled = op->old && json_is_true(json_object_get(op->input, "enabled"));
    return rc || !enabled ? rc : member_db_see_enabled(op->db, op->id, err);
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
    enum rc rc = check_enabled(op, err);
    rc = rc ? rc : identity_keeps(op, "domain_id", RC_INVALID, err);
    rc = rc ? rc : hash_given(op, &has_password, err);
    if (rc == RC_OK && has_password) {
        json_object_set_new(op->values, "n_failures", json_integer(0));
    }
    return rc == RC_OK && (has_password || is_being_disabled(op)) ? end_tokens(op, err) : rc;
}

// ?password_expires_at={operator}:{time}
static enum rc
check_query(const struct request *request, struct err *err)
{
    static const char *const operators[] = {"lt:", "lte:", "gt:", "gte:", "eq:", "neq:", NULL};
    const char *given = request_query(request, "password_expires_at");
    int64_t time_us = 0;
    bool fits = !given;
    for (const char *const *start = operators; !fits && *start; start++) {
        fits = g_str_has_prefix(given, *start) && iso8601_parse(given + strlen(*start), &time_us);
    }
    return fits ? RC_OK
                : fault(err, RC_INVALID,
                        "invalid input for query parameter 'password_expires_at': it is not an "
                        "operator (lt, lte, gt, gte, eq, neq), a colon and a time");
}

#define KNOWN_BY(column) \
    "r.id IN (SELECT f.user_id FROM federated_user f WHERE f." column " = ANY (%s))"
static const struct attribute attributes[] = {
    {"name", ATTR_TEXT, ATTR_RW | ATTR_FS | ATTR_REQUIRED, .min = 1, .max = 255},
    {"domain_id", ATTR_TEXT, ATTR_RW | ATTR_FS | ATTR_NULLABLE, .max = 64},
    {"default_project_id", ATTR_TEXT, ATTR_RW | ATTR_NULLABLE, .max = 64},
    {"enabled", ATTR_BOOL, ATTR_RW | ATTR_FS, .default_json = "true"},
    {"password", ATTR_TEXT, ATTR_RW | ATTR_VIRTUAL | ATTR_HIDDEN | ATTR_NULLABLE | ATTR_BLANK,
     .max = 4096},
    // Given back by a client that changes a user as it was shown: never written.
    {"password_expires_at", ATTR_TIME, ATTR_RW | ATTR_VIRTUAL | ATTR_FILTER | ATTR_NULLABLE,
     .select = "to_char(r.password_expires_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US')",
     .filter = "time_matches(r.password_expires_at, (%s)[1])"},
    {"options", ATTR_OBJECT, ATTR_RW, .default_json = "{}"},
    {"federated", ATTR_ARRAY, ATTR_RW | ATTR_VIRTUAL | ATTR_HIDDEN | ATTR_NULLABLE, .max = 64},
    {"idp_id", ATTR_TEXT, ATTR_VIRTUAL | ATTR_HIDDEN | ATTR_FILTER,
     .filter = KNOWN_BY("provider_id")},
    {"protocol_id", ATTR_TEXT, ATTR_VIRTUAL | ATTR_HIDDEN | ATTR_FILTER,
     .filter = KNOWN_BY("protocol_id")},
    {"unique_id", ATTR_TEXT, ATTR_VIRTUAL | ATTR_HIDDEN | ATTR_FILTER,
     .filter = KNOWN_BY("unique_id")},
    {0},
};
static const struct resource user = {
    .singular = "user",
    .plural = "users",
    .path = "/v3/users",
    .table = "user_account",
    .not_found_format = "Could not find user: %s.",
    .style = KEYSTONE_STYLE,
    .list_scope = "$3::text = '' OR r.domain_id = $3",
    .policy_list = "identity:list_users",
    .policy_get = "identity:get_user",
    .policy_create = "identity:create_user",
    .policy_update = "identity:update_user",
    .policy_delete = "identity:delete_user",
    .default_sort = "name",
    .attributes = attributes,
    .before_list = check_query,
    .before_create = before_create,
    .after_create = after_write,
    .before_update = before_update,
    .after_update = after_write,
    .before_delete = end_tokens,
};

// ---- one's own password

struct change {
    const char *password, *original;
    char *user_id, *hash;
    int64_t changed_us; // of the password that was proven
    const struct compliance *rules;
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
    int64_t n = identity->compliance.n_unique_passwords;
    enum rc rc = member_db_last_passwords(db, change->user_id, n, &rows, err);
    for (int i = 0; rc == RC_OK && i < db_n_rows(rows); i++) {
        if (password_matches(change->password, db_text(rows, i, "hash"))) {
            return fault(err, RC_INVALID,
                         "The new password cannot be identical to a previous password. The total "
                         "number which includes the new password must be unique is %d.",
                         (int)n);
        }
    }
    return rc;
}

static enum rc
check_may_change(const struct compliance *rules, const db_result *row, struct err *err)
{
    int64_t min_s = rules->minimum_password_days * 86400, age_s = db_int(row, 0, "password_age_s");
    if (db_bool(row, 0, "is_password_locked")) {
        return fault(err, RC_INVALID,
                     "You cannot change your password at this time due to password policy "
                     "disallowing password changes. Please contact your administrator to reset "
                     "your password.");
    }
    if (db_bool(row, 0, "is_password_own") && age_s < min_s) {
        return fault(err, RC_INVALID,
                     "You cannot change your password at this time due to the minimum password "
                     "age. Once you change your password, it must be used for %d day(s) before it "
                     "can be changed. Please try again in %d day(s) or contact your administrator "
                     "to reset your password.",
                     (int)rules->minimum_password_days, (int)((min_s - age_s) / 86400));
    }
    return RC_OK;
}

static enum rc
change_tx(struct db *db, void *argument, struct err *err)
{
    const struct change *change = argument;
    const struct new_password password = {.user_id = change->user_id,
                                          .hash = change->hash,
                                          .is_own = true,
                                          .changed_us = change->changed_us,
                                          .expires_days = change->rules->password_expires_days};
    enum rc rc = member_db_set_password(db, &password, err);
    if (rc == RC_NOT_FOUND) { // what was proven is no longer the password
        return auth_denied(err);
    }
    return rc ? rc : feed_revoke(db, &(struct revocation){.user_id = change->user_id}, err);
}

// The old password, expired or not, is the proof, whoever's token it is: it is guarded as a log-in.
static enum rc
prove_original(const struct request *request, struct db *db, const struct login *login,
               db_result **ret_row, struct err *err)
{
    const struct identity *identity = identity_of(request);
    g_autoptr(db_result) row = NULL;
    enum rc rc = admit_login(request, err);
    rc = rc ? rc : auth_check_password(identity, db, login, &row, err);
    rc = rc ? rc : auth_check_account(identity, row, err);
    if (rc == RC_UNAUTHORIZED) {
        admit_login_failed(request);
    }
    if (rc == RC_OK) {
        *ret_row = g_steal_pointer(&row);
    }
    return rc;
}

static enum rc
change_password(struct request *request, struct reply *reply, struct err *err)
{
    struct identity *identity = identity_of(request);
    struct change change = *(const struct change *)request_body(request);
    change.rules = &identity->compliance;
    const struct login login = {.has_password = true,
                                .user = {.id = request_param(request, "id")},
                                .password = change.original};
    struct db *db = NULL;
    g_autoptr(db_result) row = NULL;
    enum rc rc = request_db(request, &db, err);
    rc = rc ? rc : prove_original(request, db, &login, &row, err);
    rc = rc ? rc : password_check(change.password, err);
    rc = rc ? rc : compliance_check_password(change.rules, change.password, err);
    rc = rc ? rc : check_may_change(change.rules, row, err);
    if (rc) {
        return rc;
    }
    change.user_id = request_strdup(request, db_text(row, 0, "id"));
    change.changed_us = db_int(row, 0, "password_changed_us");
    rc = check_unique(identity, db, &change, err);
    g_autofree char *hash = NULL;
    rc = rc ? rc : password_hash(change.password, &hash, err);
    change.hash = hash;
    rc = rc ? rc : db_tx(db, change_tx, &change, err);
    return rc ? rc : feed_catch_up(identity, err);
}

// ---- who was away too long

#define DISABLE_AT_ONCE 500

static enum rc
disable_tx(struct db *db, void *days, struct err *err)
{
    g_autoptr(db_result) rows = NULL;
    enum rc rc =
        member_db_disable_inactive(db, *(const int64_t *)days, DISABLE_AT_ONCE, &rows, err);
    for (int i = 0; rc == RC_OK && i < db_n_rows(rows); i++) {
        rc = feed_revoke(db, &(struct revocation){.user_id = db_text(rows, i, "id")}, err);
    }
    return rc;
}

enum rc
user_disable_inactive(struct identity *identity, struct db *db, struct err *err)
{
    return identity->compliance.inactive_days
               ? db_tx(db, disable_tx, &identity->compliance.inactive_days, err)
               : RC_OK;
}

// ---- those of a group

static enum rc
list_of_group(struct request *request, struct reply *reply, struct err *err)
{
    struct db *db = NULL;
    const char *id = request_param(request, "id");
    const struct resource_whole whole = {
        "r.id IN (SELECT user_id FROM group_member WHERE group_id = %s)", id};
    enum rc rc = target_allow(request, "identity:list_users_in_group",
                              &(struct target){.group_id = id}, err);
    rc = rc ? rc : request_db(request, &db, err);
    rc = rc ? rc : member_db_exists(db, "group", id, err);
    return rc ? rc : resource_list_within(request, &user, &whole, reply, err);
}

const struct route user_routes[] = {
    IDENTITY_ROUTES(user, "/v3/users", NULL, ROUTE_SLOW),
    {.method = "POST",
     .path = "/v3/users/{id}/password",
     .handle = change_password,
     .body = &change_body,
     .flags = ROUTE_SLOW |
              ROUTE_PUBLIC, // as in Keystone: who must change an expired password has no token
     .status = 204,
     .summary = "change one's own password"},
    {.method = "GET",
     .path = "/v3/groups/{id}/users",
     .handle = list_of_group,
     .status = 200,
     .data = &user,
     .describe = resource_describe,
     .summary = "list a group's users"},
    {0},
};
