// SPDX-License-Identifier: Apache-2.0
// Which versions there are: GET / and GET /v3.
#include "services/identity/home.h"

static json_t *
version_json(const struct request *request)
{
    g_autofree char *href = g_strconcat(request_base_url(request), "/v3/", NULL);
    return json_pack("{s:s, s:s, s:s, s:[{s:s, s:s}], s:[{s:s, s:s}]}", "id", "v3.14", "status",
                     "stable", "updated", "2020-04-07T00:00:00Z", "links", "rel", "self", "href",
                     href, "media-types", "base", "application/json", "type",
                     "application/vnd.openstack.identity-v3+json");
}

static enum rc
reply_home(const struct request *request, struct reply *reply)
{
    reply->json = home_document(request);
    reply->status = 200;
    reply->content_type = "application/json-home";
    return RC_OK;
}

static enum rc
list_versions(struct request *request, struct reply *reply, struct err *err)
{
    if (home_is_wanted(request)) {
        return reply_home(request, reply);
    }
    reply->json = json_pack("{s:{s:[o]}}", "versions", "values", version_json(request));
    reply_header_format(reply, "Location", "%s/v3/", request_base_url(request));
    return RC_OK;
}

static enum rc
show_version(struct request *request, struct reply *reply, struct err *err)
{
    if (home_is_wanted(request)) {
        return reply_home(request, reply);
    }
    reply->json = json_pack("{s:o}", "version", version_json(request));
    return RC_OK;
}

const struct route discovery_routes[] = {
    {.method = "GET",
     .path = "/",
     .handle = list_versions,
     .flags = ROUTE_PUBLIC,
     .status = 300,
     .summary = "list versions"},
    {.method = "GET",
     .path = "/v3",
     .handle = show_version,
     .flags = ROUTE_PUBLIC,
     .status = 200,
     .summary = "show version 3"},
    {0},
};
