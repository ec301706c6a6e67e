// SPDX-License-Identifier: Apache-2.0
// What other services have of a project or user, and how it is taken away: a table, and one engine
// that lists, acts on each item and looks again. Only items that name the project as their owner
// are acted on. Everything may be done twice.
#include "common/base/util.h"
#include "services/identity/account/close.h"

#include <string.h>

#define PAGE 200
#define ACTS_MAX 200 // per pass: then others have their turn

struct api {
    const char *type; // in the catalog
    const char *version;
};
static const struct api compute = {"compute", "compute 2.64"}, network = {"network", NULL},
                        image = {"image", NULL};

// {target} is the project's or user's id, other names in braces are the item's attributes.
struct removal {
    const struct api *api;
    bool is_users;        // target is the user; only when an account is closed
    const char *lists[2]; // none: one call takes all away
    const char *items;    // name of the list in the reply
    const char *inner;    // each item is {inner: {…}}; NULL: the item itself
    const char *owner; // attribute that must be the target; NULL: the list has it in its URL alone
    const char *key;   // attribute by which pages go on; NULL: id. "": the list has no pages
    bool (*counts)(json_t *item); // false: not meant; NULL: all are
    bool (*waits)(json_t *item);  // true: is going already; NULL: none is
    const char *method, *path, *body, *content_type;
};

static const char *
text_of(json_t *item, const char *name)
{
    const char *text = json_string_value(json_object_get(item, name));
    return text ? text : "";
}

static bool
is_being_deleted(json_t *server)
{
    return !strcmp(text_of(server, "OS-EXT-STS:task_state"), "deleting");
}

static bool
has_gateway_or_routes(json_t *router)
{
    return json_array_size(json_object_get(router, "routes")) ||
           json_object_size(json_object_get(router, "external_gateway_info"));
}

// The network service's own go with what they serve.
static bool
is_tenants_port(json_t *port)
{
    return !g_str_has_prefix(text_of(port, "device_owner"), "network:");
}

#define NETWORK(name_, path_)                                                           \
    {                                                                                   \
        .api = &network, .items = name_, .owner = "project_id",                         \
        .lists = {"/v2.0/" path_ "?project_id={target}&limit=200"}, .method = "DELETE", \
        .path = "/v2.0/" path_ "/{id}"                                                  \
    }
// clang-format off
static const struct removal removals[] = {
    [CLOSE_SERVERS] = {.api = &compute, .items = "servers", .owner = "tenant_id", .waits = is_being_deleted,
     .lists = {"/servers/detail?all_tenants=1&project_id={target}&limit=200"}, .method = "DELETE", .path = "/servers/{id}"},
    [CLOSE_SERVER_GROUPS] = {.api = &compute, .items = "server_groups", .owner = "project_id", .key = "",
     .lists = {"/os-server-groups?all_projects=1&project_id={target}&limit=200"}, .method = "DELETE", .path = "/os-server-groups/{id}"},
    [CLOSE_KEY_PAIRS] = {.api = &compute, .is_users = true, .items = "keypairs", .inner = "keypair", .key = "name",
     .lists = {"/os-keypairs?user_id={target}&limit=200"}, .method = "DELETE", .path = "/os-keypairs/{name}?user_id={target}"},
    [CLOSE_FLAVOR_ACCESS] = {.api = &compute, .method = "DELETE", .path = "/internal/flavor-access/{target}"},
    [CLOSE_FLOATING_IPS] = NETWORK("floatingips", "floatingips"),
    [CLOSE_ROUTER_GATEWAYS] = {.api = &network, .items = "routers", .owner = "project_id", .counts = has_gateway_or_routes,
     .lists = {"/v2.0/routers?project_id={target}&limit=200"}, .method = "PUT", .path = "/v2.0/routers/{id}",
     .body = "{\"router\": {\"routes\": [], \"external_gateway_info\": null}}"},
    [CLOSE_ROUTER_INTERFACES] = {.api = &network, .items = "ports", .owner = "project_id",
     .lists = {"/v2.0/ports?project_id={target}&device_owner=network:router_interface&limit=200"}, .method = "PUT",
     .path = "/v2.0/routers/{device_id}/remove_router_interface", .body = "{\"port_id\": {id}}"},
    [CLOSE_ROUTERS] = NETWORK("routers", "routers"),
    [CLOSE_PORTS] = {.api = &network, .items = "ports", .owner = "project_id", .counts = is_tenants_port,
     .lists = {"/v2.0/ports?project_id={target}&limit=200"}, .method = "DELETE", .path = "/v2.0/ports/{id}"},
    [CLOSE_SUBNETS] = NETWORK("subnets", "subnets"),
    [CLOSE_RBAC_POLICIES] = NETWORK("rbac_policies", "rbac-policies"),
    [CLOSE_NETWORKS] = NETWORK("networks", "networks"),
    [CLOSE_SUBNET_POOLS] = NETWORK("subnetpools", "subnetpools"),
    [CLOSE_ADDRESS_SCOPES] = NETWORK("address_scopes", "address-scopes"),
    [CLOSE_SECURITY_GROUPS] = NETWORK("security_groups", "security-groups"),
    [CLOSE_MEMBERSHIPS] = {.api = &image, .method = "DELETE", .path = "/internal/v1/memberships/{target}"},
    [CLOSE_PROTECTIONS] = {.api = &image, .items = "images", .owner = "owner", .method = "PATCH", .path = "/v2/images/{id}",
     .lists = {"/v2/images?owner={target}&visibility=all&protected=true&limit=200",
               "/v2/images?owner={target}&visibility=all&protected=true&os_hidden=true&limit=200"},
     .body = "[{\"op\": \"replace\", \"path\": \"/protected\", \"value\": false}]",
     .content_type = "application/openstack-images-v2.1-json-patch"},
    [CLOSE_IMAGES] = {.api = &image, .items = "images", .owner = "owner", .method = "DELETE", .path = "/v2/images/{id}",
     .lists = {"/v2/images?owner={target}&visibility=all&limit=200", "/v2/images?owner={target}&visibility=all&os_hidden=true&limit=200"}},
};
// clang-format on

struct walk {
    struct close_job *job;
    const struct removal *removal;
    const char *base, *target;
    struct close_pass *pass;
};

static enum rc
call_service(const struct walk *walk, struct call *call, json_t **ret_json, struct err *err)
{
    enum rc rc = close_hold(walk->job, err);
    call->api_version = walk->removal->api->version;
    return rc ? rc : client_call(walk->job->client, call, ret_json, err);
}

static bool
is_lost(enum rc rc, const struct err *err)
{
    return rc == RC_CONFLICT && !strcmp(err->type, CLOSE_LOST);
}

// One item. Only a lost lease ends the walk: what one item refuses, another may allow.
static enum rc
act(const struct walk *walk, json_t *item, struct err *err)
{
    const struct removal *removal = walk->removal;
    struct close_pass *pass = walk->pass;
    g_autofree char *path = close_fill(removal->path, item, walk->target, false),
                    *url = g_strconcat(walk->base, path, NULL),
                    *text =
                        removal->body ? close_fill(removal->body, item, walk->target, true) : NULL;
    json_auto_t *body = text ? json_loads(text, 0, NULL) : NULL;
    struct call call = {
        .method = removal->method, .url = url, .body = body, .content_type = removal->content_type};
    struct err why = {0};
    enum rc rc = call_service(walk, &call, NULL, &why);
    if (is_lost(rc, &why)) {
        return fault_typed(err, rc, CLOSE_LOST, "%s", why.message);
    }
    if (rc == RC_NOT_FOUND || rc == RC_GONE) { // by somebody else: the next list lacks it
        return RC_OK;
    }
    if (rc) {
        close_problem(pass, removal->api->type, &why);
        return RC_OK;
    }
    const char *key = removal->key && *removal->key ? removal->key : "id";
    pass->n_removed++;
    json_array_append(pass->removed, json_object_get(item, key));
    return RC_OK;
}

static enum rc
visit(const struct walk *walk, json_t *item, struct err *err)
{
    const struct removal *removal = walk->removal;
    bool is_owned = !removal->owner || !strcmp(text_of(item, removal->owner), walk->target);
    if (!is_owned || (removal->counts && !removal->counts(item))) {
        return RC_OK;
    }
    walk->pass->n_left++;
    bool is_busy =
        walk->pass->n_removed >= ACTS_MAX || service_is_stopping(walk->job->identity->service);
    return is_busy || (removal->waits && removal->waits(item)) ? RC_OK : act(walk, item, err);
}

// One page; ret_marker: where the next begins, the caller frees; NULL: this was the last.
static enum rc
walk_page(const struct walk *walk, const char *list, char **marker, struct err *err)
{
    const struct removal *removal = walk->removal;
    g_autofree char *path = close_fill(list, NULL, walk->target, false),
                    *after = g_steal_pointer(marker);
    g_autofree char *url = g_strconcat(walk->base, path, after ? "&marker=" : "", after, NULL);
    json_auto_t *reply = NULL;
    struct call call = {.method = "GET", .url = url};
    enum rc rc = call_service(walk, &call, &reply, err);
    json_t *items = json_object_get(reply, removal->items);
    if (rc == RC_OK && !json_is_array(items)) {
        rc = fault(err, RC_BAD_GATEWAY, "%s has no list '%s'", url, removal->items);
    }
    size_t n = json_array_size(items);
    json_t *item = NULL;
    for (size_t i = 0; rc == RC_OK && i < n; i++) {
        item = json_array_get(items, i);
        item = removal->inner ? json_object_get(item, removal->inner) : item;
        rc = visit(walk, item, err);
    }
    const char *key = removal->key ? removal->key : "id";
    if (rc == RC_OK && n >= PAGE && *key) {
        *marker = g_uri_escape_string(text_of(item, key), NULL, FALSE);
    }
    return rc;
}

// What other projects let this one use: one call, that says how many.
static enum rc
sweep(const struct walk *walk, struct err *err)
{
    g_autofree char *path = close_fill(walk->removal->path, NULL, walk->target, false),
                    *url = g_strconcat(walk->base, path, NULL);
    json_auto_t *reply = NULL;
    struct call call = {.method = walk->removal->method, .url = url};
    enum rc rc = call_service(walk, &call, &reply, err);
    walk->pass->n_removed += json_integer_value(json_object_get(reply, "removed"));
    return rc;
}

static enum rc
walk_lists(const struct walk *walk, struct err *err)
{
    enum rc rc = RC_OK;
    for (size_t i = 0; rc == RC_OK && i < N_ELEMENTS(walk->removal->lists); i++) {
        g_autofree char *marker = NULL;
        bool is_more = walk->removal->lists[i] != NULL;
        while (rc == RC_OK && is_more) {
            rc = walk_page(walk, walk->removal->lists[i], &marker, err);
            // What was acted on may be gone, and with it the place where the next page begins.
            is_more = marker && !walk->pass->n_removed;
        }
    }
    return rc;
}

static enum rc
walk_target(struct walk *walk, struct err *err)
{
    g_autoptr(db_result) endpoints = NULL;
    enum rc rc =
        close_db_endpoints(walk->job->db, walk->removal->api->type, walk->target, &endpoints, err);
    for (int i = 0; rc == RC_OK && i < db_n_rows(endpoints); i++) {
        walk->base = db_text(endpoints, i, "url");
        rc = walk->removal->lists[0] ? walk_lists(walk, err) : sweep(walk, err);
    }
    return rc;
}

enum rc
close_remove(struct close_job *job, int which, struct close_pass *pass, struct err *err)
{
    const struct removal *removal = &removals[which];
    struct walk walk = {.job = job, .removal = removal, .pass = pass};
    if (removal->is_users) {
        walk.target = job->closing.user_id;
        return job->closing.is_account ? walk_target(&walk, err) : RC_OK;
    }
    enum rc rc = RC_OK;
    for (size_t i = 0; rc == RC_OK && i < json_array_size(job->closing.projects); i++) {
        walk.target = text_of(json_array_get(job->closing.projects, i), "id");
        rc = walk_target(&walk, err);
    }
    if (rc && !is_lost(rc, err)) {
        close_problem(pass, removal->api->type, err);
    }
    return rc;
}
