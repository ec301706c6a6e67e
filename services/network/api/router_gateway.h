// SPDX-License-Identifier: Apache-2.0
// The external gateway of a router: a port on the external network, kept as external_gateway_info
// says.
#pragma once
#include "common/base/err.h"
#include "services/network/api/router_db.h"
#include <jansson.h>

struct request;
// info: the attribute, null or {} to remove the gateway. In the router's transaction, whose row is
// written already.
enum rc router_gateway_apply(const struct request *request, struct db *db, const char *router_id,
                             json_t *info, struct err *err) CHECKED;
enum rc router_gateway_remove(struct db *db, const struct router_row *router,
                              struct err *err) CHECKED;
