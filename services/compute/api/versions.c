// SPDX-License-Identifier: Apache-2.0
// Version discovery, extensions, and how Nova words errors.
#include "services/compute/api/api.h"

#include <string.h>

#include "common/base/util.h"

// clang-format off
static const struct { enum rc rc; const char *name; } error_names[] = {
    {RC_INVALID, "badRequest"},
    {RC_UNAUTHORIZED, "unauthorized"},
    {RC_FORBIDDEN, "forbidden"},
    {RC_QUOTA, "forbidden"},
    {RC_NOT_FOUND, "itemNotFound"},
    {RC_METHOD, "badMethod"},
    {RC_NOT_ACCEPTABLE, "computeFault"},
    {RC_CONFLICT, "conflictingRequest"},
    {RC_GONE, "itemNotFound"},
    {RC_TOO_LARGE, "overLimit"},
    {RC_MEDIA_TYPE, "badMediaType"},
    {RC_TOO_MANY, "overLimit"},
    {RC_NOT_IMPLEMENTED, "notImplemented"},
    {RC_UNAVAILABLE, "serviceUnavailable"},
};
// clang-format on

void
nova_error_body(const struct request *request, const struct err *err, struct reply *reply)
{
    const char *name = "computeFault";
    for (size_t i = 0; i < N_ELEMENTS(error_names); i++) {
        if (error_names[i].rc == err->rc) {
            name = error_names[i].name;
        }
    }
    int status = rc_http_status(err->rc);
    const char *message = err->message;
    if (err->rc == RC_INTERNAL) { // the log has the details
        message =
            "Unexpected API Error. Please report it with the request id in the reply's headers.";
    }
    reply->status = status;
    reply->json = json_pack("{s:{s:i,s:s}}", name, "code", status, "message", message);
    if (!reply->json) {
        reply->json =
            json_pack("{s:{s:i,s:s}}", name, "code", status, "message", "invalid request");
    }
    if (err->rc == RC_UNAUTHORIZED) {
        json_decref(reply->json);
        reply->json =
            json_pack("{s:{s:i,s:s,s:s}}", "error", "code", status, "title", "Unauthorized",
                      "message", "The request you have made requires authentication.");
    }
}

// Nova's older names of the microversion and request id headers, still read by some clients.
void
nova_on_reply(struct request *request, struct reply *reply)
{
    reply_header_format(reply, "X-OpenStack-Nova-API-Version", "2.%u", request_version(request));
    reply_header(reply, "X-Compute-Request-Id", request_id(request));
    reply_header(reply, "Vary", "X-OpenStack-Nova-API-Version");
}

static json_t *
version_document(const struct request *request, bool with_media_types)
{
    g_autofree char *self = g_strdup_printf("%s/v2.1/", request_base_url(request));
    g_autofree char *newest = g_strdup_printf("2.%d", VERSION_MAX);
    json_t *document = json_pack("{s:s,s:s,s:s,s:s,s:s,s:[{s:s,s:s}]}", "id", "v2.1", "status",
                                 "CURRENT", "version", newest, "min_version", "2.1", "updated",
                                 "2013-07-23T11:33:21Z", "links", "rel", "self", "href", self);
    if (with_media_types) {
        json_object_set_new(document, "media-types",
                            json_pack("[{s:s,s:s}]", "base", "application/json", "type",
                                      "application/vnd.openstack.compute+json;version=2.1"));
        json_array_append_new(json_object_get(document, "links"),
                              json_pack("{s:s,s:s,s:s}", "rel", "describedby", "type", "text/html",
                                        "href", "http://docs.openstack.org/"));
    }
    return document;
}

static enum rc
list_versions(struct request *request, struct reply *reply, struct err *err)
{
    reply->json = json_pack("{s:[o]}", "versions", version_document(request, false));
    return RC_OK;
}

static enum rc
show_version(struct request *request, struct reply *reply, struct err *err)
{
    reply->json = json_pack("{s:o}", "version", version_document(request, true));
    return RC_OK;
}

// Nova's frozen list of what the API has had since 2.1, as far as it is here.
static const char *const extensions[][2] = {
    {"os-availability-zone", "AvailabilityZone"},
    {"os-config-drive", "ConfigDrive"},
    {"os-console-output", "ConsoleOutput"},
    {"OS-DCF", "DiskConfig"},
    {"OS-EXT-AZ", "ExtendedAvailabilityZone"},
    {"OS-EXT-IPS", "ExtendedIps"},
    {"OS-EXT-IPS-MAC", "ExtendedIpsMac"},
    {"OS-EXT-SRV-ATTR", "ExtendedServerAttributes"},
    {"OS-EXT-STS", "ExtendedStatus"},
    {"os-flavor-access", "FlavorAccess"},
    {"OS-FLV-EXT-DATA", "FlavorExtraData"},
    {"os-flavor-extra-specs", "FlavorExtraSpecs"},
    {"os-flavor-manage", "FlavorManage"},
    {"os-hypervisors", "Hypervisors"},
    {"os-instance-actions", "InstanceActions"},
    {"os-keypairs", "Keypairs"},
    {"os-attach-interfaces", "AttachInterfaces"},
    {"os-quota-sets", "Quotas"},
    {"OS-SCH-HNT", "SchedulerHints"},
    {"os-security-groups", "SecurityGroups"},
    {"os-server-groups", "ServerGroups"},
    {"OS-SRV-USG", "ServerUsage"},
    {"os-server-start-stop", "ServerStartStop"},
    {"os-services", "Services"},
    {"os-simple-tenant-usage", "SimpleTenantUsage"},
    {"os-instance-usage-audit-log", "OSInstanceUsageAuditLog"},
    {"os-quota-class-sets", "QuotaClasses"},
    {"os-user-data", "UserData"},
    {"os-hosts", "Hosts"},
    {"os-consoles", "Consoles"},
    {"os-floating-ips", "FloatingIps"},
    {"os-floating-ip-pools", "FloatingIpPools"},
    {"os-tenant-networks", "OSTenantNetworks"},
    {"os-networks", "Networks"},
    {"image-size", "ImageSize"},
};

static json_t *
extension_document(const char *const *extension)
{
    return json_pack("{s:s,s:s,s:s,s:s,s:s,s:[]}", "alias", extension[0], "name", extension[1],
                     "description", extension[1], "namespace",
                     "http://docs.openstack.org/compute/ext/fake_xml", "updated",
                     "2014-12-03T00:00:00Z", "links");
}

static enum rc
list_extensions(struct request *request, struct reply *reply, struct err *err)
{
    json_t *list = json_array();
    for (size_t i = 0; i < N_ELEMENTS(extensions); i++) {
        json_array_append_new(list, extension_document(extensions[i]));
    }
    reply->json = json_pack("{s:o}", "extensions", list);
    return RC_OK;
}

static enum rc
show_extension(struct request *request, struct reply *reply, struct err *err)
{
    const char *alias = request_param(request, "alias");
    for (size_t i = 0; i < N_ELEMENTS(extensions); i++) {
        if (strcmp(extensions[i][0], alias) == 0) {
            reply->json = json_pack("{s:o}", "extension", extension_document(extensions[i]));
            return RC_OK;
        }
    }
    return fault(err, RC_NOT_FOUND, "There is no extension named %.100s.", alias);
}

// clang-format off
const struct route version_routes[] = {
    {.method = "GET", .path = "/", .handle = list_versions, .flags = ROUTE_PUBLIC, .status = 200, .summary = "versions of the API"},
    {.method = "GET", .path = "/v2.1", .handle = show_version, .flags = ROUTE_PUBLIC, .status = 200, .summary = "version 2.1"},
    {.method = "GET", .path = "/v2.1/", .handle = show_version, .flags = ROUTE_PUBLIC, .status = 200, .summary = "version 2.1"},
    {.method = "GET", .path = "/v2.1/extensions", .handle = list_extensions, .status = 200, .summary = "extensions"},
    {.method = "GET", .path = "/v2.1/extensions/{alias}", .handle = show_extension, .status = 200, .summary = "one extension"},
    {0},
};
// clang-format on
