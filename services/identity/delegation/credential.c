// SPDX-License-Identifier: Apache-2.0
// Credentials of users (EC2 keys, certificates): each sees its own.
#include "common/base/util.h"
#include "services/identity/identity_resource.h"
#include <string.h>

// A column as it will be: written now, else as it was.
static const char *
text_of(const struct resource_op *op, const char *column)
{
    json_t *value = json_object_get(op->values, column);
    return json_string_value(value ? value : json_object_get(op->old, column));
}

// The blob is {"access", "secret"}; the row is found by the digest of the access key.
static enum rc
check_ec2(struct resource_op *op, struct err *err)
{
    const char *type = text_of(op, "type"), *blob_text = text_of(op, "blob");
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
    g_autofree char *digest = sha256_hex(access, strlen(access));
    json_object_set_new(op->values, "digest", json_string(digest));
    return RC_OK;
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
    return check_ec2(op, err);
}

static const struct attribute attributes[] = {
    {"user_id", ATTR_TEXT, ATTR_CREATE | ATTR_FILTER, .max = 64},
    {"project_id", ATTR_TEXT, ATTR_RW | ATTR_NULLABLE, .max = 64},
    {"type", ATTR_TEXT, ATTR_RW | ATTR_FILTER | ATTR_REQUIRED, .min = 1, .max = 255},
    {"blob", ATTR_TEXT, ATTR_RW | ATTR_REQUIRED | ATTR_BLANK, .max = 262144},
    {0},
};
static const struct resource credential = {
    .singular = "credential",
    .plural = "credentials",
    .path = "/v3/credentials",
    .table = "credential",
    .not_found_format = "Could not find credential: %s.",
    .style = RESOURCE_LINKS | RESOURCE_HEX_ID,
    .visible = "r.user_id = $2",
    .policy_list = "identity:list_credentials",
    .policy_get = "identity:get_credential",
    .policy_create = "identity:create_credential",
    .policy_update = "identity:update_credential",
    .policy_delete = "identity:delete_credential",
    .default_sort = "id",
    .attributes = attributes,
    .before_create = before_create,
    .before_update = check_ec2,
};

const struct route credential_routes[] = {IDENTITY_ROUTES(credential, "/v3/credentials", 0), {0}};
