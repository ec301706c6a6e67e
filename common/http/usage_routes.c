// SPDX-License-Identifier: Apache-2.0
#include "common/http/usage_routes.h"

#include "common/base/util.h"
#include "common/db/usage_feed.h"

enum { LIMIT_DEFAULT = 500, LIMIT_MAX = 1000 };

static enum rc
query_int(struct request *request, const char *name, int64_t max, int64_t *number, struct err *err)
{
    const char *text = request_query(request, name);
    if (text && !parse_int64(text, 0, max, number)) {
        return fault(err, RC_INVALID, "query parameter '%s' must be a number from 0 to %lld", name,
                     (long long)max);
    }
    return RC_OK;
}

static enum rc
get_usage(struct request *request, struct reply *reply, struct err *err)
{
    const struct auth_context *auth = request_auth(request);
    if (!auth->is_service && !auth->is_admin) {
        return fault(err, RC_FORBIDDEN, "usage facts are for services only");
    }
    int64_t after = 0, limit = LIMIT_DEFAULT;
    struct db *db;
    enum rc rc = query_int(request, "after", INT64_MAX, &after, err);
    rc = rc ? rc : query_int(request, "limit", LIMIT_MAX, &limit, err);
    rc = rc ? rc : request_db(request, &db, err);
    return rc ? rc : usage_feed_page(db, after, limit, &reply->text, err);
}

static const char *const usage_query[] = {"after", "limit", NULL};

const struct route usage_routes[] = {
    {.method = "GET",
     .path = "/internal/v1/usage",
     .handle = get_usage,
     .status = 200,
     .query = usage_query,
     .summary = "usage facts after a sequence number, and how far they are complete"},
    {0},
};
