// SPDX-License-Identifier: Apache-2.0
// Trusts: /v3/OS-TRUST/trusts. The trustor lets the trustee act with some of its roles on one
// project; a token of a trust may pass it on when the trust allows.
#include "common/base/util.h"
#include "services/identity/delegation/trust_db.h"
#include "services/identity/tenancy/member_db.h"
#include "services/identity/token/auth.h"
#include <string.h>

#define ROLES_MAX 64
#define REDELEGATION_MAX 3

struct trust {
    const char *trustor_id, *trustee_id, *project_id, *expires_at;
    json_t *roles, *remaining_uses, *redelegation_count;
    bool impersonation, allow_redelegation;
};
static const struct field fields[] = {
    FIELD(struct trust, trustor_id, "trustor_user_id", FIELD_TEXT, FIELD_REQUIRED, 1, 64),
    FIELD(struct trust, trustee_id, "trustee_user_id", FIELD_TEXT, FIELD_REQUIRED, 1, 64),
    FIELD(struct trust, project_id, "project_id", FIELD_TEXT, FIELD_REQUIRED, 1, 64),
    FIELD(struct trust, expires_at, "expires_at", FIELD_TEXT, FIELD_NULLABLE, 1, 64),
    FIELD(struct trust, roles, "roles", FIELD_ARRAY, 0, 0, ROLES_MAX),
    FIELD(struct trust, remaining_uses, "remaining_uses", FIELD_ANY, FIELD_NULLABLE),
    FIELD(struct trust, redelegation_count, "redelegation_count", FIELD_ANY, FIELD_NULLABLE),
    FIELD(struct trust, impersonation, "impersonation", FIELD_BOOL, FIELD_REQUIRED),
    FIELD(struct trust, allow_redelegation, "allow_redelegation", FIELD_BOOL, FIELD_NULLABLE),
};
static const struct body_spec body_spec = {.envelope = "trust",
                                           .fields = fields,
                                           .n_fields = N_ELEMENTS(fields),
                                           .struct_size = sizeof(struct trust),
                                           .unknown = BODY_ALLOW_UNKNOWN};

static enum rc
allow(const struct request *request, const char *policy, const char *trustor_id,
      const char *trustee_id, struct err *err)
{
    json_auto_t *target =
        json_pack("{s:{s:{s:s, s:s}}}", "target", "trust", "trustor_user_id",
                  trustor_id ? trustor_id : "", "trustee_user_id", trustee_id ? trustee_id : "");
    return request_allow(request, policy, target, err);
}

// ---- create

struct making {
    const struct auth_context *auth;
    const struct trust *body;
    struct trust_row row;
    char uses[24], expires_at[32];
    int64_t expires_us;      // 0: never
    int64_t asked_count;     // -1: not given
    json_t *parent_role_ids; // of the trust that is passed on; NULL: none
};

static enum rc
whole_number(json_t *value, const char *name, int64_t min, int64_t *ret_number, struct err *err)
{
    if (!value || json_is_null(value)) {
        return RC_OK;
    }
    if (!json_is_integer(value) || json_integer_value(value) < min) {
        return fault(err, RC_INVALID, "invalid input for field '%s': it is not an integer from %d",
                     name, (int)min);
    }
    *ret_number = json_integer_value(value);
    return RC_OK;
}

static enum rc
check_body(struct making *making, struct err *err)
{
    const struct trust *body = making->body;
    int64_t uses = 0;
    making->asked_count = -1;
    enum rc rc = whole_number(body->remaining_uses, "remaining_uses", 1, &uses, err);
    rc = rc ? rc
            : whole_number(body->redelegation_count, "redelegation_count", 0, &making->asked_count,
                           err);
    if (rc) {
        return rc;
    }
    if (body->expires_at &&
        (!iso8601_parse(body->expires_at, &making->expires_us) || making->expires_us <= now_us())) {
        return fault(err, RC_INVALID,
                     "invalid input for field 'expires_at': it is not a time in the future");
    }
    if (!json_array_size(body->roles)) {
        return fault(err, RC_FORBIDDEN, "At least one role should be specified");
    }
    bool is_open = body->allow_redelegation && making->asked_count != 0;
    if (is_open && uses) {
        return fault(err, RC_INVALID,
                     "invalid input for field 'remaining_uses': it must not be set if redelegation "
                     "is allowed");
    }
    if (is_open && making->asked_count > REDELEGATION_MAX) {
        return fault(err, RC_FORBIDDEN, "Requested redelegation depth of %d is greater than %d",
                     (int)MIN(making->asked_count, INT_MAX), REDELEGATION_MAX);
    }
    making->row.redelegation_count = !is_open                  ? 0
                                     : making->asked_count > 0 ? making->asked_count
                                                               : REDELEGATION_MAX;
    if (uses) {
        g_snprintf(making->uses, sizeof making->uses, "%lld", (long long)uses);
        making->row.remaining_uses = making->uses;
    }
    return RC_OK;
}

// A token of a trust can only pass on what it has, as long as it has it.
static enum rc
check_parent(struct db *db, struct making *making, struct err *err)
{
    g_autoptr(db_result) parent = NULL;
    if (!making->auth->trust_id[0]) {
        return RC_OK;
    }
    making->row.parent_id = making->auth->trust_id;
    enum rc rc = trust_db_parent(db, making->row.parent_id, &parent, err);
    if (rc) {
        return rc;
    }
    if (g_strcmp0(db_text(parent, 0, "project_id"), making->row.project_id)) {
        return fault(err, RC_FORBIDDEN, "The requested project is not the redelegated trust's.");
    }
    int64_t depth = db_int(parent, 0, "redelegation_count"),
            expires_us = db_int(parent, 0, "expires_us");
    if (depth <= 0 || (making->row.redelegation_count && making->asked_count > 0 &&
                       making->asked_count != depth - 1)) {
        return fault(err, RC_FORBIDDEN, "Remaining redelegation depth of %d does not allow this",
                     (int)depth);
    }
    if (making->row.redelegation_count) {
        making->row.redelegation_count = depth - 1;
    }
    if (making->row.impersonation && !db_bool(parent, 0, "impersonation")) {
        return fault(err, RC_FORBIDDEN,
                     "Impersonation is not allowed because redelegated trust does not specify "
                     "impersonation.");
    }
    if (expires_us && making->expires_us > expires_us) {
        return fault(err, RC_FORBIDDEN,
                     "Requested expiration time is more than redelegated trust can provide");
    }
    making->expires_us = making->expires_us ? making->expires_us : expires_us;
    making->parent_role_ids = db_json(parent, 0, "role_ids");
    return RC_OK;
}

static bool
is_in(json_t *ids, const char *id)
{
    for (size_t i = 0; i < json_array_size(ids); i++) {
        if (!strcmp(json_string_value(json_array_get(ids, i)), id)) {
            return true;
        }
    }
    return false;
}

static enum rc
add_roles(struct db *db, const struct making *making, struct err *err)
{
    g_autoptr(db_result) place = NULL;
    const struct named project = {.id = making->row.project_id};
    enum rc rc = auth_db_project_scope(db, making->row.trustor_id, &project, &place, err);
    if (rc) {
        return rc == RC_NOT_FOUND
                   ? fault(err, rc, "Could not find project: %.64s.", making->row.project_id)
                   : rc;
    }
    json_auto_t *held = db_json(place, 0, "roles");
    for (size_t i = 0; rc == RC_OK && i < json_array_size(making->body->roles); i++) {
        json_t *role = json_array_get(making->body->roles, i);
        const char *role_id = auth_held_role(held, role),
                   *id = json_string_value(json_object_get(role, "id")),
                   *name = json_string_value(json_object_get(role, "name"));
        rc = !id && !name ? fault(err, RC_INVALID,
                                  "invalid input for field 'roles': item %zu has neither id nor "
                                  "name",
                                  i)
             : !role_id   ? fault(err, RC_NOT_FOUND, "Could not find role: %.64s.", id ? id : name)
             : making->parent_role_ids && !is_in(making->parent_role_ids, role_id)
                 ? fault(err, RC_FORBIDDEN, "Some of requested roles are not in redelegated trust")
                 : trust_db_add_role(db, making->row.id, role_id, err);
    }
    return rc;
}

static enum rc
make_tx(struct db *db, void *argument, struct err *err)
{
    struct making *making = argument;
    g_clear_pointer(&making->parent_role_ids, json_decref);
    making->expires_us = 0;
    enum rc rc = check_body(making, err);
    rc = rc ? rc : check_parent(db, making, err);
    if (rc) {
        return rc;
    }
    if (making->expires_us) {
        iso8601_format(making->expires_us, true, making->expires_at);
        making->row.expires_at = making->expires_at;
    }
    rc = member_db_exists(db, "user", making->row.trustee_id, err);
    rc = rc ? rc : member_db_exists(db, "project", making->row.project_id, err);
    rc = rc ? rc : trust_db_add(db, &making->row, err);
    return rc ? rc : add_roles(db, making, err);
}

static enum rc
create(struct request *request, struct reply *reply, struct err *err)
{
    const struct trust *body = request_body(request);
    char id[HEX_ID_SIZE];
    hex_id_new(id);
    g_autofree char *audit_id = random_token(16);
    struct making making = {.auth = request_auth(request),
                            .body = body,
                            .row = {.id = id,
                                    .trustor_id = body->trustor_id,
                                    .trustee_id = body->trustee_id,
                                    .project_id = body->project_id,
                                    .impersonation = body->impersonation,
                                    .audit_id = audit_id}};
    struct db *db = NULL;
    g_autoptr(db_result) row = NULL;
    enum rc rc = request_db(request, &db, err);
    rc = rc ? rc : allow(request, "identity:create_trust", body->trustor_id, body->trustee_id, err);
    rc = rc ? rc : db_tx(db, make_tx, &making, err);
    json_decref(making.parent_role_ids);
    rc = rc ? rc : trust_db_find(db, id, request_base_url(request), &row, err);
    if (rc == RC_OK) {
        reply->text = g_strdup(db_text(row, 0, "item"));
    }
    return rc;
}

// ---- the others

static enum rc
list(struct request *request, struct reply *reply, struct err *err)
{
    const char *trustor_id = request_query(request, "trustor_user_id"),
               *trustee_id = request_query(request, "trustee_user_id");
    struct db *db = NULL;
    g_autofree char *items = NULL;
    enum rc rc = allow(request,
                       trustor_id   ? "identity:list_trusts_for_trustor"
                       : trustee_id ? "identity:list_trusts_for_trustee"
                                    : "identity:list_trusts",
                       trustor_id, trustee_id, err);
    rc = rc ? rc : request_db(request, &db, err);
    rc =
        rc ? rc : trust_db_list(db, trustor_id, trustee_id, request_base_url(request), &items, err);
    if (rc == RC_OK) {
        reply->text = auth_wrap(request, "trusts", items);
    }
    return rc;
}

// The trust of the path, when the requester may do this with it.
static enum rc
find(const struct request *request, const char *policy, struct db **ret_db, db_result **ret_row,
     struct err *err)
{
    enum rc rc = request_db(request, ret_db, err);
    rc = rc ? rc
            : trust_db_find(*ret_db, request_param(request, "id"), request_base_url(request),
                            ret_row, err);
    return rc ? rc
              : allow(request, policy, db_text(*ret_row, 0, "trustor_user_id"),
                      db_text(*ret_row, 0, "trustee_user_id"), err);
}

static enum rc
show(struct request *request, struct reply *reply, struct err *err)
{
    struct db *db = NULL;
    g_autoptr(db_result) row = NULL;
    enum rc rc = find(request, "identity:get_trust", &db, &row, err);
    if (rc == RC_OK) {
        reply->text = g_strdup(db_text(row, 0, "item"));
    }
    return rc;
}

static enum rc
drop_tx(struct db *db, void *request, struct err *err)
{
    return trust_db_drop(db, request_param(request, "id"), err);
}

static enum rc
drop(struct request *request, struct reply *reply, struct err *err)
{
    struct db *db = NULL;
    g_autoptr(db_result) row = NULL;
    enum rc rc = find(request, "identity:delete_trust", &db, &row, err);
    rc = rc ? rc : db_tx(db, drop_tx, request, err);
    return rc ? rc : feed_catch_up(identity_of(request), err);
}

static enum rc
list_roles(struct request *request, struct reply *reply, struct err *err)
{
    struct db *db = NULL;
    g_autoptr(db_result) row = NULL;
    g_autofree char *items = NULL;
    enum rc rc = find(request, "identity:get_trust", &db, &row, err);
    rc = rc ? rc
            : trust_db_roles(db, request_param(request, "id"), request_base_url(request), &items,
                             err);
    if (rc == RC_OK) {
        reply->text = auth_wrap(request, "roles", items);
    }
    return rc;
}

static enum rc
show_role(struct request *request, struct reply *reply, struct err *err)
{
    struct db *db = NULL;
    g_autoptr(db_result) row = NULL;
    enum rc rc = find(request, "identity:get_trust", &db, &row, err);
    return rc ? rc
              : trust_db_role(db, request_param(request, "id"), request_param(request, "role_id"),
                              request_base_url(request), &reply->text, err);
}

#define TRUSTS "/v3/OS-TRUST/trusts"
static const char *const list_query[] = {"trustor_user_id", "trustee_user_id", NULL};
const struct route trust_routes[] = {
    {.method = "POST",
     .path = TRUSTS,
     .handle = create,
     .body = &body_spec,
     .status = 201,
     .summary = "create a trust"},
    {.method = "GET",
     .path = TRUSTS,
     .handle = list,
     .status = 200,
     .query = list_query,
     .summary = "list trusts"},
    {.method = "GET",
     .path = TRUSTS "/{id}",
     .handle = show,
     .status = 200,
     .summary = "show a trust"},
    {.method = "DELETE",
     .path = TRUSTS "/{id}",
     .handle = drop,
     .status = 204,
     .summary = "delete a trust"},
    {.method = "GET",
     .path = TRUSTS "/{id}/roles",
     .handle = list_roles,
     .status = 200,
     .summary = "list a trust's roles"},
    {.method = "GET",
     .path = TRUSTS "/{id}/roles/{role_id}",
     .handle = show_role,
     .status = 200,
     .summary = "show a trust's role"},
    {0},
};
