// SPDX-License-Identifier: Apache-2.0
// Credentials of users (EC2 keys, TOTP secrets, certificates): each sees its own. The blob is
// stored sealed.
#include "common/base/util.h"
#include "services/identity/delegation/ec2.h"
#include "services/identity/identity_resource.h"
#include "services/identity/secret/secret.h"
#include <string.h>

// A column as it will be: written now, else as it was.
static const char *
text_of(const struct resource_op *op, const char *column)
{
    json_t *value = json_object_get(op->values, column);
    return json_string_value(value ? value : json_object_get(op->old, column));
}

// A new EC2 key's id is made of its access key; the sealed text is bound to it.
static void
choose_id(struct resource_op *op)
{
    json_auto_t *blob = NULL;
    const char *type = text_of(op, "type"), *text = text_of(op, "blob");
    if (!g_strcmp0(type, "ec2") && text) {
        blob = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    }
    const char *access = json_string_value(json_object_get(blob, "access"));
    if (access) {
        g_autofree char *id = ec2_key_id(access);
        g_strlcpy(op->id, id, sizeof op->id);
    }
}

// The blob is {"access", "secret"}; the row is found by the digest of the access key.
static enum rc
check_ec2(struct resource_op *op, const char *blob_text, struct err *err)
{
    const char *type = text_of(op, "type");
    if (!type || strcmp(type, "ec2")) {
        json_object_set_new(op->values, "digest", json_null());
        return RC_OK;
    }
    json_auto_t *blob = blob_text ? json_loads(blob_text, JSON_REJECT_DUPLICATES, NULL) : NULL;
    const char *access = json_string_value(json_object_get(blob, "access"));
    if (!access || !json_is_string(json_object_get(blob, "secret"))) {
        return fault(err, RC_INVALID,
                     "invalid input for field 'blob': an ec2 credential has an object with access "
                     "and secret");
    }
    if (!text_of(op, "project_id")) {
        return fault(err, RC_INVALID,
                     "invalid input for field 'project_id': an ec2 credential needs one");
    }
    g_autofree char *digest = ec2_key_id(access);
    json_object_set_new(op->values, "digest", json_string(digest));
    return RC_OK;
}

// What was given goes to the sealed column; ret_blob is what will be there, to be wiped.
static enum rc
seal_blob(struct resource_op *op, char **ret_blob, struct err *err)
{
    struct secret_ring *ring = identity_of(op->request)->secrets;
    const char *given = json_string_value(json_object_get(op->values, "blob"));
    if (!given) {
        return secret_read(ring, "credential", op->id, old_text(op, "sealed"), old_text(op, "blob"),
                           ret_blob, err);
    }
    g_autofree char *sealed = NULL;
    enum rc rc = secret_seal(ring, "credential", op->id, given, &sealed, err);
    if (rc == RC_OK) {
        *ret_blob = g_strdup(given);
        json_object_set_new(op->values, "sealed", json_string(sealed));
        json_object_set_new(op->values, "blob", json_null());
    }
    return rc;
}

// Who gives a credential away must be allowed to change the new owner's too.
static enum rc
check_owner(struct resource_op *op, struct err *err)
{
    const char *user_id = json_string_value(json_object_get(op->values, "user_id"));
    if (!user_id || !g_strcmp0(user_id, old_text(op, "user_id"))) {
        return RC_OK;
    }
    json_auto_t *target = json_pack("{s:{s:{s:s}}}", "target", "credential", "user_id", user_id);
    return request_allow(op->request, "identity:update_credential", target, err);
}

static enum rc
check(struct resource_op *op, struct err *err)
{
    char *blob = NULL;
    enum rc rc = seal_blob(op, &blob, err);
    rc = rc ? rc : check_ec2(op, blob, err);
    secret_text_free(blob);
    return rc;
}

static bool
is_same(json_t *one, json_t *other)
{
    one = json_is_null(one) ? NULL : one;
    other = json_is_null(other) ? NULL : other;
    return one == other || json_equal(one, other);
}

// What an EC2 key was made under stays: it can be neither taken off nor put on later.
static enum rc
check_scope_stays(struct resource_op *op, struct err *err)
{
    static const char *const names[] = {"trust_id", "app_cred_id", "access_token_id", "access_id"};
    const char *given = json_string_value(json_object_get(op->values, "blob"));
    if (!given || g_strcmp0(old_text(op, "type"), "ec2")) {
        return RC_OK;
    }
    char *old = NULL;
    enum rc rc = secret_read(identity_of(op->request)->secrets, "credential", op->id,
                             old_text(op, "sealed"), old_text(op, "blob"), &old, err);
    json_auto_t *was = old ? json_loads(old, 0, NULL) : NULL, *will = json_loads(given, 0, NULL);
    secret_text_free(old);
    for (size_t i = 0; rc == RC_OK && i < N_ELEMENTS(names); i++) {
        if (!is_same(json_object_get(was, names[i]), json_object_get(will, names[i]))) {
            rc = fault(err, RC_INVALID, "%s can not be updated for credential", names[i]);
        }
    }
    return rc;
}

static enum rc
before_update(struct resource_op *op, struct err *err)
{
    enum rc rc = check_owner(op, err);
    rc = rc ? rc : check_scope_stays(op, err);
    return rc ? rc : check(op, err);
}

static enum rc
before_create(struct resource_op *op, struct err *err)
{
    const struct auth_context *auth = request_auth(op->request);
    if (auth->trust_id[0]) {
        return fault(err, RC_FORBIDDEN, "a token of a trust cannot make credentials");
    }
    json_t *user_id = json_object_get(op->values, "user_id");
    if (!json_is_string(user_id)) {
        json_object_set_new(op->values, "user_id", json_string(auth->user_id));
    } else if (strcmp(json_string_value(user_id), auth->user_id) && !auth->is_admin) {
        return fault(
            err, RC_FORBIDDEN,
            "You are not authorized to perform the requested action: identity:create_credential.");
    }
    choose_id(op);
    return check(op, err);
}

// Shown to opened() below: p and the blob, or s, the id, a point and the sealed text.
#define STORED_BLOB \
    "CASE WHEN r.sealed IS NULL THEN 'p' || r.blob ELSE 's' || r.id || '.' || r.sealed END"

static const struct attribute attributes[] = {
    {"user_id", ATTR_TEXT, ATTR_RW | ATTR_FILTER, .max = 64},
    {"project_id", ATTR_TEXT, ATTR_RW | ATTR_NULLABLE, .max = 64},
    {"type", ATTR_TEXT, ATTR_RW | ATTR_FILTER | ATTR_REQUIRED, .min = 1, .max = 255},
    {"blob", ATTR_TEXT, ATTR_RW | ATTR_REQUIRED | ATTR_BLANK, .max = 262144, .select = STORED_BLOB},
    {0},
};
static const struct resource credential = {
    .singular = "credential",
    .plural = "credentials",
    .path = "/v3/credentials",
    .table = "credential",
    .not_found_format = "Could not find credential: %s.",
    .style = RESOURCE_LINKS | RESOURCE_HEX_ID | RESOURCE_COMPARISONS | RESOURCE_KEEP_UNKNOWN,
    .visible = "r.user_id = $2",
    .policy_list = "identity:list_credentials",
    .policy_get = "identity:get_credential",
    .policy_create = "identity:create_credential",
    .policy_update = "identity:update_credential",
    .policy_delete = "identity:delete_credential",
    .default_sort = "id",
    .attributes = attributes,
    .before_create = before_create,
    .before_update = before_update,
};

// ---- replies

static enum rc
open_item(const struct request *request, json_t *item, struct err *err)
{
    const char *stored = json_string_value(json_object_get(item, "blob"));
    if (!stored) { // not asked for
        return RC_OK;
    }
    const char *point = stored[0] == 's' ? strchr(stored, '.') : NULL;
    g_autofree char *id = point ? g_strndup(stored + 1, (gsize)(point - stored - 1)) : NULL;
    char *blob = NULL;
    enum rc rc = secret_read(identity_of(request)->secrets, "credential", id,
                             point ? point + 1 : NULL, stored + 1, &blob, err);
    if (rc == RC_OK) {
        json_object_set_new(item, "blob", json_string(blob));
    }
    secret_text_free(blob);
    return rc;
}

// The engine's reply, with the blobs opened.
static enum rc
opened(const struct request *request, enum rc rc, struct reply *reply, struct err *err)
{
    if (rc || !reply->text) {
        return rc;
    }
    json_t *root = json_loads(reply->text, 0, NULL);
    json_t *one = json_object_get(root, "credential"), *all = json_object_get(root, "credentials");
    rc = one ? open_item(request, one, err) : RC_OK;
    for (size_t i = 0; rc == RC_OK && i < json_array_size(all); i++) {
        rc = open_item(request, json_array_get(all, i), err);
    }
    g_clear_pointer(&reply->text, g_free);
    reply->text_size = 0;
    reply->json = root;
    return rc;
}

static enum rc
list(struct request *request, struct reply *reply, struct err *err)
{
    return opened(request, resource_list(request, reply, err), reply, err);
}

static enum rc
create(struct request *request, struct reply *reply, struct err *err)
{
    return opened(request, resource_create(request, reply, err), reply, err);
}

static enum rc
show(struct request *request, struct reply *reply, struct err *err)
{
    return opened(request, resource_show(request, reply, err), reply, err);
}

static enum rc
update(struct request *request, struct reply *reply, struct err *err)
{
    return opened(request, identity_update(request, reply, err), reply, err);
}

#define PATH "/v3/credentials"
#define ROUTE(method_, path_, handle_, status_, summary_)                                     \
    {                                                                                         \
        .method = method_, .path = path_, .handle = handle_, .status = status_,               \
        .data = &credential, .describe = resource_describe, .summary = summary_ " credential" \
    }
const struct route credential_routes[] = {
    ROUTE("GET", PATH, list, 200, "list"),
    ROUTE("POST", PATH, create, 201, "create"),
    ROUTE("GET", PATH "/{id}", show, 200, "show"),
    ROUTE("PATCH", PATH "/{id}", update, 200, "update"),
    ROUTE("DELETE", PATH "/{id}", identity_delete, 204, "delete"),
    {0},
};
