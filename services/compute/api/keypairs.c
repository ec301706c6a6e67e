// SPDX-License-Identifier: Apache-2.0
// /os-keypairs: a user's SSH keys, imported or made here. A private key is given once and never
// stored.
#include <string.h>

#include "common/base/util.h"
#include "services/compute/api/api.h"
#include "services/compute/api/keygen.h"
#include "services/compute/api/keypair_db.h"

struct keypair_body {
    const char *name, *public_key, *type, *user_id;
};
enum { F_NAME, F_PUBLIC_KEY, F_TYPE, F_USER };
static const char *const key_types[] = {"ssh", "x509", NULL};

// clang-format off
static const struct field keypair_fields[] = {
    [F_NAME] = FIELD(struct keypair_body, name, "name", FIELD_TEXT, FIELD_REQUIRED, 1, 255),
    [F_PUBLIC_KEY] = FIELD(struct keypair_body, public_key, "public_key", FIELD_TEXT, 0, 0, 16384),
    [F_TYPE] = {.name = "type", .type = FIELD_TEXT, .offset = offsetof(struct keypair_body, type), .values = key_types},
    [F_USER] = FIELD(struct keypair_body, user_id, "user_id", FIELD_TEXT, 0, 1, 64),
};
static const struct body_spec keypair_body = {
    .envelope = "keypair", .fields = keypair_fields, .n_fields = N_ELEMENTS(keypair_fields), .struct_size = sizeof(struct keypair_body),
};
// clang-format on

// The requester, or from 2.10 the user an administrator names.
static enum rc
choose_user(struct request *request, const char *named, const char **ret_user, struct err *err)
{
    const char *own = request_auth(request)->user_id;
    if (!named || request_version(request) < 10 || strcmp(named, own) == 0) {
        *ret_user = own;
        return RC_OK;
    }
    if (!request_is_admin(request)) {
        return fault(err, RC_FORBIDDEN,
                     "Policy doesn't allow os_compute_api:os-keypairs to be performed.");
    }
    *ret_user = named;
    return RC_OK;
}

static bool
is_safe_name(const char *name)
{
    return strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_- ") ==
               strlen(name) &&
           name[0] != ' ' && name[strlen(name) - 1] != ' ';
}

static enum rc
check_body(struct request *request, const struct keypair_body *body, struct err *err)
{
    uint64_t present = request_body_present(request);
    unsigned version = request_version(request);
    if ((present >> F_TYPE & 1) && version < 2) {
        return fault(err, RC_INVALID,
                     "Additional properties are not allowed ('type' was unexpected)");
    }
    if ((present >> F_USER & 1) && version < 10) {
        return fault(err, RC_INVALID,
                     "Additional properties are not allowed ('user_id' was unexpected)");
    }
    if (!is_safe_name(body->name)) {
        return fault(err, RC_INVALID,
                     "Keypair data is invalid: Keypair name contains unsafe characters");
    }
    return RC_OK;
}

static json_t *
keypair_document(const struct keypair_new *keypair, const char *private_key, unsigned version)
{
    json_t *document =
        json_pack("{s:s,s:s,s:s,s:s}", "name", keypair->name, "public_key", keypair->public_key,
                  "fingerprint", keypair->fingerprint, "user_id", keypair->user_id);
    if (private_key) {
        json_object_set_new(document, "private_key", json_string(private_key));
    }
    if (version >= 2) {
        json_object_set_new(document, "type", json_string(keypair->type));
    }
    return document;
}

static enum rc
make_key(struct request *request, bool is_x509, char **ret_private, char **ret_public,
         struct err *err)
{
    return is_x509 ? keygen_x509(request_auth(request)->user_name, ret_private, ret_public, err)
                   : keygen_rsa(ret_private, ret_public, err);
}

static enum rc
keypair_create(struct request *request, struct reply *reply, struct err *err)
{
    const struct keypair_body *body = request_body(request);
    struct keypair_new keypair = {.project_id = request_project(request), .name = body->name};
    g_autofree char *generated = NULL, *fingerprint = NULL;
    char *private_key = NULL;
    struct db *db;
    enum rc rc = check_body(request, body, err);
    if (rc != RC_OK || (rc = choose_user(request, body->user_id, &keypair.user_id, err)) != RC_OK ||
        (rc = request_db(request, &db, err)) != RC_OK) {
        return rc;
    }
    keypair.type = body->type ? body->type : "ssh";
    keypair.public_key = body->public_key;
    bool is_x509 = strcmp(keypair.type, "x509") == 0;
    if (!body->public_key) {
        rc = make_key(request, is_x509, &private_key, &generated, err);
        keypair.public_key = generated;
    }
    if (rc == RC_OK) {
        rc = is_x509 ? keygen_x509_fingerprint(keypair.public_key, &fingerprint, err)
                     : keygen_fingerprint(keypair.public_key, &fingerprint, err);
    }
    if (rc == RC_OK) {
        keypair.fingerprint = fingerprint;
        rc = keypair_db_create(db, &keypair, err);
    }
    if (rc == RC_OK) {
        unsigned version = request_version(request);
        reply->status = version >= 2 ? 201 : 200;
        reply->json =
            json_pack("{s:o}", "keypair", keypair_document(&keypair, private_key, version));
    }
    keygen_wipe(private_key);
    return rc;
}

static enum rc
keypair_list(struct request *request, struct reply *reply, struct err *err)
{
    struct page page = {.limit = MAX_LIMIT};
    const char *user;
    struct db *db;
    g_autoptr(db_result) rows = NULL;
    enum rc rc = choose_user(request, request_query(request, "user_id"), &user, err);
    if (rc == RC_OK && request_version(request) >= 35) {
        rc = page_from_request(request, &page, err);
    }
    if (rc != RC_OK || (rc = request_db(request, &db, err)) != RC_OK ||
        (rc = keypair_db_list(db, user, request_version(request), page.limit, page.marker, &rows,
                              err)) != RC_OK) {
        return rc;
    }
    page_reply(request, reply, "keypairs", &page, rows);
    return RC_OK;
}

static enum rc
keypair_show(struct request *request, struct reply *reply, struct err *err)
{
    const char *user;
    struct db *db;
    g_autoptr(db_result) rows = NULL;
    enum rc rc = choose_user(request, request_query(request, "user_id"), &user, err);
    if (rc != RC_OK || (rc = request_db(request, &db, err)) != RC_OK ||
        (rc = keypair_db_show(db, user, request_version(request), request_param(request, "name"),
                              &rows, err)) != RC_OK) {
        return rc;
    }
    item_reply(reply, "keypair", rows);
    return RC_OK;
}

static enum rc
keypair_delete(struct request *request, struct reply *reply, struct err *err)
{
    const char *user;
    struct db *db;
    enum rc rc = choose_user(request, request_query(request, "user_id"), &user, err);
    if (rc != RC_OK || (rc = request_db(request, &db, err)) != RC_OK) {
        return rc;
    }
    reply->status = request_version(request) >= 2 ? 204 : 202;
    return keypair_db_delete(db, user, request_param(request, "name"), err);
}

// clang-format off
const struct route keypair_routes[] = {
    {.method = "GET", .path = "/v2.1/os-keypairs", .handle = keypair_list, .status = 200, .summary = "list key pairs"},
    {.method = "POST", .path = "/v2.1/os-keypairs", .handle = keypair_create, .flags = ROUTE_SLOW, .status = 200, .body = &keypair_body, .summary = "make or import a key pair"},
    {.method = "GET", .path = "/v2.1/os-keypairs/{name}", .handle = keypair_show, .status = 200, .summary = "show a key pair"},
    {.method = "DELETE", .path = "/v2.1/os-keypairs/{name}", .handle = keypair_delete, .status = 202, .summary = "delete a key pair"},
    {0},
};
// clang-format on
