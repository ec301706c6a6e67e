// SPDX-License-Identifier: Apache-2.0
// What the agents API shows: hosts, and what OVN's DHCP and routing serve.
#pragma once
#include "common/db/db.h"
#include <jansson.h>

// Hosts whose ovn-controller has been given ports: rows {host, alive (it has brought one up),
// first_at, last_at}.
enum rc agent_db_hosts(struct db *db, db_result **ret_rows, struct err *err) CHECKED;
// Networks whose DHCP is answered, and routers; at most 10,000. ret_list: new reference.
enum rc agent_db_networks(struct db *db, json_t **ret_list, struct err *err) CHECKED;
enum rc agent_db_routers(struct db *db, json_t **ret_list, struct err *err) CHECKED;
// RC_NOT_FOUND NetworkNotFound, RouterNotFound.
enum rc agent_db_is_served(struct db *db, const char *network_id, bool *ret_served,
                           struct err *err) CHECKED;
enum rc agent_db_find_router(struct db *db, const char *router_id, struct err *err) CHECKED;
// With the work for the network's subnets and ports. ret_changed false: it was so already.
enum rc agent_db_serve(struct db *db, const char *network_id, bool serve, bool *ret_changed,
                       struct err *err) CHECKED;
