// SPDX-License-Identifier: Apache-2.0
// EC2 credentials: rows of credential with type ec2, under the user's path. They are found by the
// digest of the access key.
#include "common/base/util.h"
#include "services/identity/delegation/credential_db.h"
#include "services/identity/token/auth.h"
#include <string.h>

struct ec2 {
    const char *tenant_id;
};
static const struct field ec2_fields[] = {
    FIELD(struct ec2, tenant_id, "tenant_id", FIELD_TEXT, FIELD_REQUIRED, 1, 64)};
static const struct body_spec ec2_body = {
    .fields = ec2_fields, .n_fields = N_ELEMENTS(ec2_fields), .struct_size = sizeof(struct ec2)};

static enum rc
allow(const struct request *request, struct err *err)
{
    json_auto_t *target =
        json_pack("{s:{s:{s:s}}}", "target", "credential", "user_id", request_param(request, "id"));
    return request_allow(request, "identity:ec2_credentials", target, err);
}

static enum rc
create(struct request *request, struct reply *reply, struct err *err)
{
    const struct ec2 *body = request_body(request);
    const char *user_id = request_param(request, "id");
    char access[HEX_ID_SIZE], secret[HEX_ID_SIZE];
    hex_id_new(access);
    hex_id_new(secret);
    g_autofree char *id = sha256_hex(access, strlen(access));
    struct db *db = NULL;
    enum rc rc = request_auth(request)->trust_id[0]
                     ? fault(err, RC_FORBIDDEN, "a token of a trust cannot make credentials")
                     : allow(request, err);
    rc = rc ? rc : request_db(request, &db, err);
    rc = rc ? rc : credential_db_may_enter(db, user_id, body->tenant_id, err);
    const struct ec2_row row = {id, user_id, body->tenant_id, access, secret};
    rc = rc ? rc : credential_db_add_ec2(db, &row, err);
    rc = rc ? rc
            : credential_db_find_ec2(db, user_id, access, request_base_url(request), &reply->text,
                                     err);
    return rc;
}

static enum rc
list(struct request *request, struct reply *reply, struct err *err)
{
    struct db *db = NULL;
    g_autofree char *items = NULL;
    enum rc rc = allow(request, err);
    rc = rc ? rc : request_db(request, &db, err);
    rc = rc ? rc
            : credential_db_list_ec2(db, request_param(request, "id"), request_base_url(request),
                                     &items, err);
    if (rc == RC_OK) {
        reply->text = auth_wrap(request, "credentials", items);
    }
    return rc;
}

static enum rc
show(struct request *request, struct reply *reply, struct err *err)
{
    struct db *db = NULL;
    enum rc rc = allow(request, err);
    rc = rc ? rc : request_db(request, &db, err);
    return rc ? rc
              : credential_db_find_ec2(db, request_param(request, "id"),
                                       request_param(request, "access"), request_base_url(request),
                                       &reply->text, err);
}

static enum rc
drop(struct request *request, struct reply *reply, struct err *err)
{
    struct db *db = NULL;
    enum rc rc = allow(request, err);
    rc = rc ? rc : request_db(request, &db, err);
    return rc ? rc
              : credential_db_drop_ec2(db, request_param(request, "id"),
                                       request_param(request, "access"), err);
}

#define EC2 "/v3/users/{id}/credentials/OS-EC2"
const struct route ec2_routes[] = {
    {.method = "POST",
     .path = EC2,
     .handle = create,
     .body = &ec2_body,
     .status = 201,
     .summary = "create an EC2 credential"},
    {.method = "GET",
     .path = EC2,
     .handle = list,
     .status = 200,
     .summary = "list EC2 credentials"},
    {.method = "GET",
     .path = EC2 "/{access}",
     .handle = show,
     .status = 200,
     .summary = "show an EC2 credential"},
    {.method = "DELETE",
     .path = EC2 "/{access}",
     .handle = drop,
     .status = 204,
     .summary = "delete an EC2 credential"},
    {0},
};
