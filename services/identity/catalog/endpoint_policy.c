// SPDX-License-Identifier: Apache-2.0
// Which policy document holds for which endpoint: OS-ENDPOINT-POLICY.
#include "services/identity/catalog/endpoint_policy_db.h"
#include "services/identity/identity_resource.h"
#include "services/identity/token/auth.h"

enum part { BY_ENDPOINT, BY_SERVICE, BY_REGION };
static const enum part by_endpoint = BY_ENDPOINT, by_service = BY_SERVICE, by_region = BY_REGION;
typedef enum rc (*association_fn)(struct db *db, const struct policy_association *association,
                                  struct err *err);

static enum rc
run(struct request *request, association_fn fn, struct err *err)
{
    enum part part = *(const enum part *)request_route(request)->data;
    const char *id = request_param(request, "part_id");
    const struct policy_association association = {
        .policy_id = request_param(request, "id"),
        .endpoint_id = part == BY_ENDPOINT ? id : NULL,
        .service_id = part == BY_ENDPOINT ? NULL : id,
        .region_id = part == BY_REGION ? request_param(request, "region_id") : NULL};
    struct db *db = NULL;
    enum rc rc = request_db(request, &db, err);
    rc = rc ? rc : endpoint_policy_db_check_parts(db, &association, err);
    return rc ? rc : fn(db, &association, err);
}

static enum rc
set(struct request *request, struct reply *reply, struct err *err)
{
    return run(request, endpoint_policy_db_set, err);
}

static enum rc
check(struct request *request, struct reply *reply, struct err *err)
{
    return run(request, endpoint_policy_db_has, err);
}

static enum rc
drop(struct request *request, struct reply *reply, struct err *err)
{
    return run(request, endpoint_policy_db_drop, err);
}

static enum rc
list_endpoints(struct request *request, struct reply *reply, struct err *err)
{
    const struct policy_association parts = {.policy_id = request_param(request, "id")};
    struct db *db = NULL;
    g_autofree char *items = NULL;
    enum rc rc = request_db(request, &db, err);
    rc = rc ? rc : endpoint_policy_db_check_parts(db, &parts, err);
    rc = rc ? rc
            : endpoint_policy_db_endpoints(db, parts.policy_id, request_base_url(request), &items,
                                           err);
    if (rc == RC_OK) {
        reply->text = auth_wrap(request, "endpoints", items);
    }
    return rc;
}

static enum rc
show_policy(struct request *request, struct reply *reply, struct err *err)
{
    const struct policy_association parts = {.endpoint_id = request_param(request, "id")};
    struct db *db = NULL;
    g_autofree char *item = NULL;
    enum rc rc = request_db(request, &db, err);
    rc = rc ? rc : endpoint_policy_db_check_parts(db, &parts, err);
    rc = rc ? rc
            : endpoint_policy_db_of(db, parts.endpoint_id, request_base_url(request), &item, err);
    if (rc == RC_OK) {
        reply->text = g_strdup_printf("{\"policy\":%s}", item);
    }
    return rc;
}

// clang-format off
#define ROOT "/v3/policies/{id}/OS-ENDPOINT-POLICY"
#define ASSOCIATION_ROUTES(path_, what_, data_) \
    {.method = "PUT", .path = ROOT path_, .handle = set, .flags = ROUTE_ANY_BODY, .status = 204, .policy = "identity:create_policy_association_for_" what_, .data = &data_, .summary = "associate a policy"}, \
    {.method = "GET", .path = ROOT path_, .handle = check, .status = 204, .policy = "identity:check_policy_association_for_" what_, .data = &data_, .summary = "check a policy's association"}, \
    {.method = "DELETE", .path = ROOT path_, .handle = drop, .status = 204, .policy = "identity:delete_policy_association_for_" what_, .data = &data_, .summary = "end a policy's association"}
const struct route endpoint_policy_routes[] = {
    ASSOCIATION_ROUTES("/endpoints/{part_id}", "endpoint", by_endpoint),
    ASSOCIATION_ROUTES("/services/{part_id}", "service", by_service),
    ASSOCIATION_ROUTES("/services/{part_id}/regions/{region_id}", "region_and_service", by_region),
    {.method = "GET", .path = ROOT "/endpoints", .handle = list_endpoints, .status = 200, .policy = "identity:list_endpoints_for_policy", .summary = "list endpoints of a policy"},
    {.method = "GET", .path = "/v3/endpoints/{id}/OS-ENDPOINT-POLICY/policy", .handle = show_policy, .status = 200, .policy = "identity:get_policy_for_endpoint", .summary = "the policy of an endpoint"},
    {0},
};
// clang-format on
