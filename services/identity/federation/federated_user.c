// SPDX-License-Identifier: Apache-2.0
#include "services/identity/federation/federated_user.h"
#include "services/identity/federation/sign_in_db.h"
#include <string.h>

static bool
is_text(json_t *object, const char *name, size_t max)
{
    json_t *text = json_object_get(object, name);
    return json_is_string(text) && json_string_length(text) && json_string_length(text) <= max &&
           strlen(json_string_value(text)) == json_string_length(text);
}

static bool
is_known_by(json_t *one)
{
    json_t *protocols = json_object_get(one, "protocols");
    bool fits = is_text(one, "idp_id", 64) && json_is_array(protocols) &&
                json_array_size(protocols) >= 1 && json_array_size(protocols) <= 64;
    for (size_t i = 0; fits && i < json_array_size(protocols); i++) {
        json_t *protocol = json_array_get(protocols, i);
        fits =
            is_text(protocol, "protocol_id", 64) && is_text(protocol, "unique_id", UNIQUE_ID_MAX);
    }
    return fits;
}

enum rc
federated_user_check(struct resource_op *op, struct err *err)
{
    json_t *given = json_object_get(op->input, "federated");
    for (size_t i = 0; i < json_array_size(given); i++) {
        if (!is_known_by(json_array_get(given, i))) {
            return fault(err, RC_INVALID,
                         "invalid input for field 'federated': each has an idp_id and protocols, "
                         "with protocol_id and unique_id");
        }
    }
    return RC_OK;
}

static enum rc
explain(json_t *wrong, struct err *err)
{
    const char *provider = json_string_value(json_object_get(wrong, "provider")),
               *protocol = json_string_value(json_object_get(wrong, "protocol"));
    if (!json_is_true(json_object_get(wrong, "has_provider"))) {
        return fault(err, RC_INVALID, "Could not find Identity Provider: %s", provider);
    }
    if (!json_is_true(json_object_get(wrong, "has_protocol"))) {
        return fault(err, RC_INVALID,
                     "Could not find federated protocol %s for Identity Provider: %s.", protocol,
                     provider);
    }
    return fault(err, RC_FORBIDDEN,
                 "You are not authorized to perform the requested action: the Identity Provider "
                 "is of another domain.");
}

// As in Keystone, an empty list says nothing.
enum rc
federated_user_store(struct resource_op *op, struct err *err)
{
    json_t *given = json_object_get(op->input, "federated");
    json_auto_t *wrong = NULL;
    if (!json_array_size(given)) {
        return RC_OK;
    }
    const struct known_by known = {op->id, given, request_auth(op->request)->is_admin};
    enum rc rc = sign_in_db_set_user(op->db, &known, &wrong, err);
    if (rc == RC_CONFLICT) {
        return fault(err, rc,
                     "Conflict occurred attempting to store federated_user - Duplicate entry "
                     "found.");
    }
    return rc || !wrong ? rc : explain(wrong, err);
}
