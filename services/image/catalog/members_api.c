// SPDX-License-Identifier: Apache-2.0
// Sharing: the members of an image and what they think of it.
#include "services/image/access.h"
#include "services/image/api.h"

#include <string.h>

#define MAX_MEMBERS 128

struct member_body {
    const char *member;
    const char *status;
};
static const struct field create_fields[] = {
    FIELD(struct member_body, member, "member", FIELD_TEXT, FIELD_REQUIRED, 1, 255),
};
static const struct body_spec create_body = {NULL, create_fields, N_ELEMENTS(create_fields),
                                             sizeof(struct member_body), BODY_ALLOW_UNKNOWN};
static const char *const statuses[] = {"pending", "accepted", "rejected", NULL};
static const struct field update_fields[] = {
    {"status", FIELD_TEXT, FIELD_REQUIRED, offsetof(struct member_body, status), 1, 255, statuses,
     NULL},
};
static const struct body_spec update_body = {NULL, update_fields, N_ELEMENTS(update_fields),
                                             sizeof(struct member_body), BODY_ALLOW_UNKNOWN};

// The image, visible and shared, with the rule checked for the member that the request names.
static enum rc
load_shared(const struct request *request, const char *rule, const char *member_id,
            struct db **ret_db, image_row **ret_row, struct err *err)
{
    g_autoptr(image_row) row = NULL;
    enum rc rc = image_open(request, NULL, ret_db, &row, err);
    if (rc == RC_OK && strcmp(row->visibility, "shared")) {
        return fault(err, RC_FORBIDDEN, "Only shared images have members.");
    }
    if (rc == RC_OK) {
        rc = image_allow(request, rule, row, member_id, err);
    }
    if (rc == RC_OK) {
        *ret_row = g_steal_pointer(&row);
    }
    return rc;
}

static enum rc
members_create(struct request *request, struct reply *reply, struct err *err)
{
    const struct member_body *body = request_body(request);
    g_autoptr(image_row) row = NULL;
    struct db *db;
    enum rc rc = load_shared(request, "add_member", NULL, &db, &row, err);
    return rc == RC_OK ? member_db_add(db, row->id, body->member, MAX_MEMBERS, &reply->text, err)
                       : rc;
}

static enum rc
members_list(struct request *request, struct reply *reply, struct err *err)
{
    g_autoptr(image_row) row = NULL;
    g_autofree char *items = NULL;
    struct db *db;
    enum rc rc = load_shared(request, "get_members", NULL, &db, &row, err);
    if (rc == RC_OK) {
        // A member sees itself; who else an image is shared with is the owner's business.
        struct viewer viewer = viewer_of(request);
        bool all = viewer.is_admin || !strcmp(viewer.project_id, row->owner);
        rc = member_db_list(db, row->id, all ? NULL : viewer.project_id, &items, err);
    }
    if (rc == RC_OK) {
        reply->text =
            g_strdup_printf("{\"members\": %s, \"schema\": \"/v2/schemas/members\"}", items);
    }
    return rc;
}

static enum rc
members_show(struct request *request, struct reply *reply, struct err *err)
{
    const char *member_id = request_param(request, "member_id");
    g_autoptr(image_row) row = NULL;
    struct db *db;
    enum rc rc = load_shared(request, "get_member", member_id, &db, &row, err);
    if (rc == RC_FORBIDDEN) {
        return fault(err, RC_NOT_FOUND, "%.255s not found in the member list of the image %s.",
                     member_id, request_param(request, "image_id"));
    }
    return rc == RC_OK ? member_db_show(db, row->id, member_id, &reply->text, err) : rc;
}

static enum rc
members_update(struct request *request, struct reply *reply, struct err *err)
{
    const struct member_body *body = request_body(request);
    const char *member_id = request_param(request, "member_id");
    g_autoptr(image_row) row = NULL;
    struct db *db;
    enum rc rc = load_shared(request, "modify_member", member_id, &db, &row, err);
    return rc == RC_OK
               ? member_db_set_status(db, row->id, member_id, body->status, &reply->text, err)
               : rc;
}

static enum rc
members_delete(struct request *request, struct reply *reply, struct err *err)
{
    g_autoptr(image_row) row = NULL;
    struct db *db;
    enum rc rc = load_shared(request, "delete_member", NULL, &db, &row, err);
    return rc == RC_OK ? member_db_remove(db, row->id, request_param(request, "member_id"), err)
                       : rc;
}

// For identity, when a project is closed.
static enum rc
forget_project(struct request *request, struct reply *reply, struct err *err)
{
    struct db *db;
    int64_t n = 0;
    enum rc rc = request_db(request, &db, err);
    rc = rc ? rc : member_db_remove_all(db, request_param(request, "project_id"), &n, err);
    if (rc == RC_OK) {
        reply->json = json_pack("{s:I}", "removed", (json_int_t)n);
    }
    return rc;
}

#define MEMBERS "/v2/images/{image_id}/members"
// clang-format off
const struct route members_routes[] = {
    {.method = "GET", .path = MEMBERS, .handle = members_list, .status = 200, .summary = "list the projects an image is shared with"},
    {.method = "POST", .path = MEMBERS, .handle = members_create, .status = 200, .body = &create_body, .summary = "share an image with a project"},
    {.method = "GET", .path = MEMBERS "/{member_id}", .handle = members_show, .status = 200, .summary = "show a member"},
    {.method = "PUT", .path = MEMBERS "/{member_id}", .handle = members_update, .status = 200, .body = &update_body,
     .summary = "accept or reject a shared image"},
    {.method = "DELETE", .path = MEMBERS "/{member_id}", .handle = members_delete, .status = 204, .summary = "end the sharing"},
    {.method = "DELETE", .path = "/internal/v1/memberships/{project_id}", .handle = forget_project, .policy = "forget_project", .status = 200,
     .summary = "nothing is shared with a project that is closed"},
    {0},
};
// clang-format on
