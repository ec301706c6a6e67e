// SPDX-License-Identifier: Apache-2.0
// What the handlers of Nova's API share: the program's context, paging, and replies assembled by
// PostgreSQL.
#pragma once
#include "common/client/client.h"
#include "common/db/quota.h"
#include "common/http/http.h"
#include "services/compute/core/cache.h"

#define VERSION_MIN 1
#define VERSION_MAX 90
#define MAX_LIMIT 1000 // items of one page of any list

struct bus;
struct compute { // the program's context; constant after start
    struct client *client;
    struct bus *bus;
    struct cache *cache; // what other services said, for a second
    char *identity_url, *network_url, *image_url;
    int build_deadline_s;
    char *default_zone;
};

// Route tables, one per noun.
extern const struct route version_routes[], flavor_routes[], flavor_extra_routes[],
    keypair_routes[], server_routes[], server_item_routes[], instance_action_routes[],
    host_routes[], quota_routes[], group_routes[], interface_routes[], aggregate_routes[],
    tenant_usage_routes[], usage_audit_routes[], layer_routes[];
extern const struct quota_resource compute_quotas[];
enum { // positions in compute_quotas
    QUOTA_INSTANCES,
    QUOTA_CORES,
    QUOTA_RAM,
    QUOTA_METADATA_ITEMS,
    QUOTA_KEY_PAIRS,
    QUOTA_SERVER_GROUPS,
    QUOTA_SERVER_GROUP_MEMBERS,
    QUOTA_FIRST_KEPT, // from here on kept and shown only
};

void nova_error_body(const struct request *request, const struct err *err, struct reply *reply);
void nova_on_reply(struct request *request, struct reply *reply);

struct page {
    int64_t limit;      // always set; at most MAX_LIMIT
    bool is_limited;    // the client gave a limit
    const char *marker; // NULL: from the start
};
// Reads limit and marker. RC_INVALID names the parameter.
enum rc page_from_request(struct request *request, struct page *ret_page, struct err *err) CHECKED;
// rows: one row with columns items (JSON text of the array), n, last. Answers {"NAME": items,
// "NAME_links": next}.
void page_reply(struct request *request, struct reply *reply, const char *name,
                const struct page *page, const db_result *rows);
// The same with column first (JSON text of an object) instead of the array.
void page_reply_first(struct request *request, struct reply *reply, const char *name,
                      const struct page *page, const db_result *rows);
// The only row's column `item` (JSON text) in an envelope; NULL: bare.
void item_reply(struct reply *reply, const char *envelope, const db_result *rows);
bool request_is_admin(const struct request *request);
// "5" in ?name=5; absent: ret_value untouched. RC_INVALID names it.
enum rc query_int(struct request *request, const char *name, int64_t min, int64_t max,
                  int64_t *ret_value, struct err *err) CHECKED;
// Only from `version` on (2.VERSION): RC_NOT_FOUND before, as Nova hides what is newer.
enum rc refuse_unknown_keys(json_t *object, const char *const *allowed, struct err *err) CHECKED;
