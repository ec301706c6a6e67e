// SPDX-License-Identifier: Apache-2.0
#include "services/compute/proxy/proxy.h"

#include <string.h>

static enum rc
ask(struct request *request, const char *base, const struct proxy_call *proxy, json_t **ret_json,
    struct err *err)
{
    struct compute *compute = request_context(request);
    g_autofree char *url = g_strconcat(base, proxy->path, NULL);
    const struct call call = {
        .method = proxy->method,
        .url = url,
        .body = proxy->body,
        .content_type = proxy->content_type,
        .token = request_header(request, "X-Auth-Token"),
        .request_id = request_id(request),
    };
    return client_call(compute->client, &call, ret_json, err);
}

enum rc
proxy_network(struct request *request, const struct proxy_call *call, json_t **ret_json,
              struct err *err)
{
    struct compute *compute = request_context(request);
    return ask(request, compute->network_url, call, ret_json, err);
}

enum rc
proxy_image(struct request *request, const struct proxy_call *call, json_t **ret_json,
            struct err *err)
{
    struct compute *compute = request_context(request);
    return ask(request, compute->image_url, call, ret_json, err);
}

enum rc
proxy_network_get(struct request *request, const char *path, json_t **ret_json, struct err *err)
{
    return proxy_network(request, &(struct proxy_call){.method = "GET", .path = path}, ret_json,
                         err);
}

const char *
proxy_text(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text ? text : "";
}

json_t *
proxy_or_null(json_t *object, const char *name)
{
    json_t *value = json_object_get(object, name);
    return value ? json_incref(value) : json_null();
}

json_t *
proxy_find(json_t *list, const char *id)
{
    json_t *item;
    size_t i;
    json_array_foreach(list, i, item)
    {
        if (!strcmp(proxy_text(item, "id"), id)) {
            return item;
        }
    }
    return NULL;
}
