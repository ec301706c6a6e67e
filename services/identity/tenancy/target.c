// SPDX-License-Identifier: Apache-2.0
#include "services/identity/tenancy/target.h"

enum rc
target_allow(const struct request *request, const char *rule, const struct target *target,
             struct err *err)
{
    json_auto_t *nothing = json_object(), *loaded = NULL;
    if (request_is_allowed(request, rule, nothing)) {
        return RC_OK;
    }
    struct db *db = NULL;
    enum rc rc = request_db(request, &db, err);
    rc = rc ? rc : target_db_load(db, target, &loaded, err);
    return rc ? rc : request_allow(request, rule, loaded, err);
}
