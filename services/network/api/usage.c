// SPDX-License-Identifier: Apache-2.0
#include "services/network/api/usage.h"

#include "common/base/util.h"
#include "common/db/usage_feed.h"

enum rc
usage_page(struct request *request, struct reply *reply, struct err *err)
{
    const char *after_text = request_query(request, "after"),
               *limit_text = request_query(request, "limit");
    int64_t after = 0, limit = 1000;
    if ((after_text && !parse_int64(after_text, 0, INT64_MAX, &after)) ||
        (limit_text && !parse_int64(limit_text, 1, 10000, &limit))) {
        return fault(err, RC_INVALID,
                     "Invalid input for after or limit. Reason: it is not a number in range.");
    }
    struct db *db;
    enum rc rc = request_db(request, &db, err);
    return rc == RC_OK ? usage_feed_page(db, after, limit, &reply->text, err) : rc;
}
