// SPDX-License-Identifier: Apache-2.0
// GET /v3/OS-REVOKE/events: the revocations of the feed as Keystone shows them, and the addresses
// of older kinds of tokens, which are gone.
#include "common/base/util.h"
#include "services/identity/token/auth.h"
#include "services/identity/token/feed_db.h"

static enum rc
list_events(struct request *request, struct reply *reply, struct err *err)
{
    const char *since = request_query(request, "since");
    int64_t since_us = 0;
    struct db *db = NULL;
    g_autofree char *items = NULL;
    if (since && !iso8601_parse(since, &since_us)) {
        return fault(err, RC_INVALID,
                     "invalid input for query parameter 'since': it is not a time (ISO 8601)");
    }
    enum rc rc = request_db(request, &db, err);
    rc = rc ? rc : feed_db_revoke_events(db, since_us, &items, err);
    if (rc == RC_OK) {
        reply->text = auth_wrap(request, "events", items);
    }
    return rc;
}

static enum rc
gone(struct request *request, struct reply *reply, struct err *err)
{
    return fault(err, RC_GONE,
                 "This API is no longer available: tokens are signed by keys at "
                 "/v3/auth/jwks.");
}

const struct route revoke_routes[] = {
    {.method = "GET",
     .path = "/v3/OS-REVOKE/events",
     .handle = list_events,
     .policy = "identity:list_revoke_events",
     .status = 200,
     .summary = "list what ended tokens"},
    {.method = "GET",
     .path = "/v3/auth/tokens/OS-PKI/revoked",
     .handle = gone,
     .policy = "identity:revocation_list",
     .status = 200,
     .summary = "gone"},
    {.method = "GET",
     .path = "/v3/OS-SIMPLE-CERT/ca",
     .handle = gone,
     .flags = ROUTE_PUBLIC,
     .status = 200,
     .summary = "gone"},
    {.method = "GET",
     .path = "/v3/OS-SIMPLE-CERT/certificates",
     .handle = gone,
     .flags = ROUTE_PUBLIC,
     .status = 200,
     .summary = "gone"},
    {0},
};
