// SPDX-License-Identifier: Apache-2.0
// Limits are identity's: it keeps them, and its feed brings them to every service. What it answers
// to a change is the events that the feed will bring.
#include "common/client/client.h"
#include "common/db/quota.h"

#include <string.h>

static const struct quota_resource *
find(const struct quota_resource *resources, const char *name)
{
    while (resources->name && strcmp(resources->name, name) != 0) {
        resources++;
    }
    return resources->name ? resources : NULL;
}

static json_t *
limits_of(const struct quota_change *change)
{
    json_t *limits = json_array(), *value;
    const char *name;
    json_object_foreach(change->values, name, value)
    {
        const struct quota_resource *resource = find(change->resources, name);
        g_assert(resource);
        json_array_append_new(limits,
                              json_pack("{s:s, s:s, s:s, s:O}", "project_id", change->project_id,
                                        "service", change->service, "resource",
                                        quota_limit_name(resource), "value", value));
    }
    return limits;
}

enum rc
quota_set(struct db *db, struct client *client, const char *identity_url,
          const struct quota_change *change, struct err *err)
{
    json_auto_t *body = json_pack("{s:o}", "limits", limits_of(change)), *reply = NULL;
    g_autofree char *url = g_strconcat(identity_url, "/internal/v1/limits", NULL);
    const struct call call = {.method = "POST", .url = url, .body = body};
    if (!json_object_size(change->values)) {
        return RC_OK;
    }
    enum rc rc = client_call(client, &call, &reply, err);
    json_t *events = json_object_get(reply, "limits");
    if (rc == RC_OK && !json_is_array(events)) {
        return fault(err, RC_BAD_GATEWAY, "identity's reply to %s has no limits", url);
    }
    return rc ? rc : quota_store_told(db, events, err);
}
