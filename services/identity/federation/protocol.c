// SPDX-License-Identifier: Apache-2.0
// The protocols of an identity provider: which mapping is for what comes by each.
#include "services/identity/federation/federation.h"
#include "services/identity/federation/provider_db.h"
#include "services/identity/token/auth.h"

struct given {
    const char *mapping_id, *remote_id_attribute;
};
#define GIVEN_FIELDS(flags_)                                                            \
    {                                                                                   \
        FIELD(struct given, mapping_id, "mapping_id", FIELD_TEXT, flags_, 1, 64),       \
            FIELD(struct given, remote_id_attribute, "remote_id_attribute", FIELD_TEXT, \
                  FIELD_NULLABLE, 0, 64),                                               \
    }
#define GIVEN_SPEC(fields_)                                       \
    {                                                             \
        .envelope = "protocol", .fields = fields_, .n_fields = 2, \
        .struct_size = sizeof(struct given)                       \
    }
static const struct field create_fields[] = GIVEN_FIELDS(FIELD_REQUIRED),
                          update_fields[] = GIVEN_FIELDS(0);
static const struct body_spec create_body = GIVEN_SPEC(create_fields),
                              update_body = GIVEN_SPEC(update_fields);

static struct protocol_row
row_of(const struct request *request)
{
    const struct given *given = request_body(request);
    return (struct protocol_row){.provider_id = request_param(request, "idp_id"),
                                 .id = request_param(request, "protocol_id"),
                                 .mapping_id = given->mapping_id,
                                 .remote_id_attribute = given->remote_id_attribute,
                                 .has_attribute = request_body_present(request) & 2};
}

static enum rc
show_row(struct request *request, struct db *db, struct reply *reply, struct err *err)
{
    g_autofree char *item = NULL;
    enum rc rc = protocol_db_show(db, request_param(request, "idp_id"),
                                  request_param(request, "protocol_id"), request_base_url(request),
                                  &item, err);
    if (rc == RC_OK) {
        reply->text = g_strdup_printf("{\"protocol\":%s}", item);
    }
    return rc;
}

static enum rc
list(struct request *request, struct reply *reply, struct err *err)
{
    struct db *db = NULL;
    g_autofree char *items = NULL;
    enum rc rc = request_db(request, &db, err);
    rc = rc ? rc
            : protocol_db_list(db, request_param(request, "idp_id"), request_base_url(request),
                               &items, err);
    if (rc == RC_OK) {
        reply->text = auth_wrap(request, "protocols", items);
    }
    return rc;
}

static enum rc
show(struct request *request, struct reply *reply, struct err *err)
{
    struct db *db = NULL;
    enum rc rc = request_db(request, &db, err);
    return rc ? rc : show_row(request, db, reply, err);
}

static enum rc
create_tx(struct db *db, void *row, struct err *err)
{
    return protocol_db_create(db, row, err);
}

static enum rc
update_tx(struct db *db, void *row, struct err *err)
{
    return protocol_db_update(db, row, err);
}

static enum rc
write_row(struct request *request, db_tx_fn tx, struct reply *reply, struct err *err)
{
    struct protocol_row row = row_of(request);
    struct db *db = NULL;
    if (!federation_id_is_valid(row.id)) {
        return fault(err, RC_INVALID,
                     "invalid input for field 'id': it is not 1 to 64 letters, digits and "
                     "-._~@:+");
    }
    enum rc rc = request_db(request, &db, err);
    rc = rc ? rc : db_tx(db, tx, &row, err);
    rc = rc ? rc : feed_catch_up(identity_of(request), err);
    return rc ? rc : show_row(request, db, reply, err);
}

static enum rc
create(struct request *request, struct reply *reply, struct err *err)
{
    return write_row(request, create_tx, reply, err);
}

static enum rc
update(struct request *request, struct reply *reply, struct err *err)
{
    return request_body_present(request)
               ? write_row(request, update_tx, reply, err)
               : fault(err, RC_INVALID, "invalid input for field 'protocol': it is empty");
}

static enum rc
drop(struct request *request, struct reply *reply, struct err *err)
{
    struct db *db = NULL;
    enum rc rc = request_db(request, &db, err);
    rc = rc ? rc
            : protocol_db_delete(db, request_param(request, "idp_id"),
                                 request_param(request, "protocol_id"), err);
    return rc ? rc : feed_catch_up(identity_of(request), err);
}

#define PROTOCOLS FEDERATION_PATH "/identity_providers/{idp_id}/protocols"
const struct route federation_protocol_routes[] = {
    {.method = "GET",
     .path = PROTOCOLS,
     .handle = list,
     .policy = "identity:list_protocols",
     .status = 200,
     .summary = "list an identity provider's protocols"},
    {.method = "GET",
     .path = PROTOCOLS "/{protocol_id}",
     .handle = show,
     .policy = "identity:get_protocol",
     .status = 200,
     .summary = "show a protocol"},
    {.method = "PUT",
     .path = PROTOCOLS "/{protocol_id}",
     .handle = create,
     .policy = "identity:create_protocol",
     .body = &create_body,
     .status = 201,
     .summary = "create a protocol"},
    {.method = "PATCH",
     .path = PROTOCOLS "/{protocol_id}",
     .handle = update,
     .policy = "identity:update_protocol",
     .body = &update_body,
     .status = 200,
     .summary = "update a protocol"},
    {.method = "DELETE",
     .path = PROTOCOLS "/{protocol_id}",
     .handle = drop,
     .policy = "identity:delete_protocol",
     .status = 204,
     .summary = "delete a protocol"},
    {0},
};
