// SPDX-License-Identifier: Apache-2.0
// OAuth 1.0a consumers: /v3/OS-OAUTH1/consumers. The secret is shown once, when it is made.
#include "common/base/util.h"
#include "services/identity/identity_resource.h"
#include "services/identity/secret/secret.h"

static enum rc
seal_secret(struct resource_op *op, struct err *err)
{
    g_autofree char *sealed = NULL;
    enum rc rc =
        secret_seal(identity_of(op->request)->secrets, "consumer", op->id,
                    json_string_value(json_object_get(op->values, "secret")), &sealed, err);
    if (rc == RC_OK) {
        json_object_set_new(op->values, "secret", json_null());
        json_object_set_new(op->values, "sealed", json_string(sealed));
    }
    return rc;
}

static const struct attribute attributes[] = {
    {"description", ATTR_TEXT, ATTR_RW | ATTR_BLANK | ATTR_NULLABLE, .max = 65535},
    {"secret", ATTR_TEXT, ATTR_CREATE | ATTR_HIDDEN, .max = 255},
    {0},
};
static const struct resource consumer = {
    .singular = "consumer",
    .plural = "consumers",
    .path = "/v3/OS-OAUTH1/consumers",
    .table = "consumer",
    .not_found_format = "Could not find consumer: %s.",
    .style = KEYSTONE_STYLE,
    .policy_list = "identity:list_consumers",
    .policy_get = "identity:get_consumer",
    .policy_create = "identity:create_consumer",
    .policy_update = "identity:update_consumer",
    .policy_delete = "identity:delete_consumer",
    .default_sort = "id",
    .attributes = attributes,
    .before_create = seal_secret,
};

static enum rc
create(struct request *request, struct reply *reply, struct err *err)
{
    json_t *given = json_object_get(request_json(request), "consumer");
    if (!json_is_object(given)) {
        return fault(err, RC_INVALID, "invalid input for field 'consumer': it is not an object");
    }
    g_autofree char *secret = random_token(32);
    json_object_set_new(given, "secret", json_string(secret));
    enum rc rc = resource_create(request, reply, err);
    if (rc) {
        return rc;
    }
    json_t *shown = reply->json ? reply->json : json_loads(reply->text, 0, NULL);
    json_object_set_new(json_object_get(shown, "consumer"), "secret", json_string(secret));
    g_clear_pointer(&reply->text, g_free);
    reply->json = shown;
    return RC_OK;
}

const struct route consumer_routes[] = {
    HOOKED_ROUTES(consumer, "/v3/OS-OAUTH1/consumers", NULL, 0, create, identity_update,
                  identity_delete),
    {0},
};
