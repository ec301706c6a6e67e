// SPDX-License-Identifier: Apache-2.0
// Rows of policy_association. Texts are JSON; the callers free them.
#pragma once
#include "services/identity/identity.h"

// Exactly one of endpoint_id and service_id is set; region_id only with service_id.
struct policy_association {
    const char *policy_id, *endpoint_id, *service_id, *region_id;
};
// RC_NOT_FOUND names the part that does not exist.
enum rc endpoint_policy_db_check_parts(struct db *db, const struct policy_association *association,
                                       struct err *err) CHECKED;
// Replaces the policy that held there before.
enum rc endpoint_policy_db_set(struct db *db, const struct policy_association *association,
                               struct err *err) CHECKED;
enum rc endpoint_policy_db_has(struct db *db, const struct policy_association *association,
                               struct err *err) CHECKED; // RC_NOT_FOUND
enum rc endpoint_policy_db_drop(struct db *db, const struct policy_association *association,
                                struct err *err) CHECKED; // RC_NOT_FOUND
// Endpoints that associations of the policy name, by themselves, their service or their region.
enum rc endpoint_policy_db_endpoints(struct db *db, const char *policy_id, const char *base_url,
                                     char **ret_text, struct err *err) CHECKED;
// The endpoint's own policy, else its service's in its region or the nearest one above, else its
// service's. RC_NOT_FOUND.
enum rc endpoint_policy_db_of(struct db *db, const char *endpoint_id, const char *base_url,
                              char **ret_text, struct err *err) CHECKED;
