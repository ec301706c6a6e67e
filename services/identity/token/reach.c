// SPDX-License-Identifier: Apache-2.0
// What one's own token may reach: catalog, projects, domains, the system; and the keys of all
// tokens.
#include "services/identity/catalog/catalog_cache.h"
#include "services/identity/federation/sign_in_db.h"
#include "services/identity/token/auth.h"
#include <string.h>

char *
auth_wrap(const struct request *request, const char *name, const char *items)
{
    g_autofree char *query = request_page_query(request, NULL);
    json_auto_t *self =
        json_sprintf("%s%s%s", request_base_url(request), request_url(request), query);
    g_autofree char *text = self ? json_dumps(self, JSON_ENCODE_ANY) : NULL;
    return g_strdup_printf("{\"%s\":%s,\"links\":{\"self\":%s,\"previous\":null,\"next\":null}}",
                           name, items, text ? text : "null");
}

static enum rc
show_catalog(struct request *request, struct reply *reply, struct err *err)
{
    g_autoptr(GRefString) items = NULL;
    enum rc rc = catalog_cache_text(request, request_project(request), &items, err);
    if (rc == RC_OK) {
        reply->text = auth_wrap(request, "catalog", items);
    }
    return rc;
}

static enum rc
find_reach(const struct request *request, struct db *db, bool is_domain, char **ret_items,
           struct err *err)
{
    const struct auth_context *auth = request_auth(request);
    const char *base_url = request_base_url(request);
    return auth->group_ids ? sign_in_db_reach(db, auth, is_domain, base_url, ret_items, err)
           : is_domain     ? auth_db_domains(db, auth->user_id, base_url, ret_items, err)
                           : auth_db_projects(db, auth->user_id, base_url, ret_items, err);
}

static enum rc
list_reach(struct request *request, bool is_domain, struct reply *reply, struct err *err)
{
    struct db *db = NULL;
    g_autofree char *items = NULL;
    enum rc rc = request_db(request, &db, err);
    rc = rc ? rc : find_reach(request, db, is_domain, &items, err);
    if (rc == RC_OK) {
        reply->text = auth_wrap(request, is_domain ? "domains" : "projects", items);
    }
    return rc;
}

static enum rc
list_projects(struct request *request, struct reply *reply, struct err *err)
{
    return list_reach(request, false, reply, err);
}

static enum rc
list_domains(struct request *request, struct reply *reply, struct err *err)
{
    return list_reach(request, true, reply, err);
}

static enum rc
list_systems(struct request *request, struct reply *reply, struct err *err)
{
    struct db *db = NULL;
    g_autoptr(db_result) row = NULL;
    enum rc rc = request_db(request, &db, err);
    const struct auth_context *auth = request_auth(request);
    rc = rc                ? rc
         : auth->group_ids ? sign_in_db_scope(db, auth->user_id, auth->group_ids, SCOPE_SYSTEM,
                                              &(struct named){0}, &row, err)
                           : auth_db_system_scope(db, auth->user_id, &row, err);
    if (rc == RC_OK) {
        reply->text = auth_wrap(request, "system",
                                strcmp(db_text(row, 0, "roles"), "[]") ? "[{\"all\":true}]" : "[]");
    }
    return rc;
}

static enum rc
list_keys(struct request *request, struct reply *reply, struct err *err)
{
    struct db *db = NULL;
    enum rc rc = request_db(request, &db, err);
    rc = rc ? rc : keys_to_jwks(db, &reply->json, err);
    if (rc == RC_OK) { // a key that signs was seen by whoever asks this often
        reply_header_format(reply, "Cache-Control", "public, max-age=%d",
                            (int)MIN(identity_of(request)->key_notice_us / 2000000, 3600));
    }
    return rc;
}

// What one may enter.
#define REACH "{tenancy,assignment,group_member}"
const struct route reach_routes[] = {
    {.method = "GET",
     .path = "/v3/auth/catalog",
     .handle = show_catalog,
     .status = 200,
     .summary = "the token's catalog"},
    {.method = "GET",
     .path = "/v3/auth/projects",
     .handle = list_projects,
     .reads = REACH,
     .status = 200,
     .summary = "projects that the user may enter"},
    {.method = "GET",
     .path = "/v3/auth/domains",
     .handle = list_domains,
     .reads = REACH,
     .status = 200,
     .summary = "domains that the user may enter"},
    {.method = "GET",
     .path = "/v3/OS-FEDERATION/projects",
     .handle = list_projects,
     .reads = REACH,
     .status = 200,
     .summary = "projects that the user may enter (old address)"},
    {.method = "GET",
     .path = "/v3/OS-FEDERATION/domains",
     .handle = list_domains,
     .reads = REACH,
     .status = 200,
     .summary = "domains that the user may enter (old address)"},
    {.method = "GET",
     .path = "/v3/auth/system",
     .handle = list_systems,
     .status = 200,
     .summary = "systems that the user may enter"},
    {.method = "GET",
     .path = "/v3/auth/jwks",
     .handle = list_keys,
     .flags = ROUTE_PUBLIC,
     .status = 200,
     .summary = "public keys of tokens"},
    {0},
};
