// SPDX-License-Identifier: Apache-2.0
// One's own account: profile and trail.
#include "common/base/util.h"
#include "services/identity/account/audit.h"
#include "services/identity/account/profile_db.h"
#include "services/identity/account/project.h"
#include <string.h>

static enum rc
show_account(struct request *request, struct reply *reply, struct err *err)
{
    struct db *db = NULL;
    enum rc rc = account_self(request, "identity:use_accounts", &db, err);
    rc = rc ? rc : profile_db_show(db, request_auth(request)->user_id, &reply->text, err);
    return rc == RC_NOT_FOUND ? fault(err, rc, "this user has no account") : rc;
}

struct profile_body {
    const char *name, *locale, *terms_version, *default_project_id;
};
static const struct field profile_fields[] = {
    FIELD(struct profile_body, name, "name", FIELD_TEXT, 0, 0, ACCOUNT_NAME_MAX),
    FIELD(struct profile_body, terms_version, "terms_version", FIELD_TEXT, 0, 1, 64),
    FIELD(struct profile_body, default_project_id, "default_project_id", FIELD_TEXT, 0, 1, 64),
    {.name = "locale",
     .type = FIELD_TEXT,
     .offset = offsetof(struct profile_body, locale),
     .min = 2,
     .max = 16,
     .values = account_locales},
};
static const struct body_spec profile_body = {.fields = profile_fields,
                                              .n_fields = N_ELEMENTS(profile_fields),
                                              .struct_size = sizeof(struct profile_body)};

static enum rc
change_tx(struct db *db, void *argument, struct err *err)
{
    const struct profile_row *row = argument;
    json_auto_t *detail = json_pack("{s:s*, s:s*, s:s*, s:s*}", "name", row->name, "locale",
                                    row->locale, "terms_version", row->terms_version,
                                    "default_project_id", row->default_project_id);
    const struct audit_entry entry = {.user_id = row->user_id,
                                      .actor_id = row->user_id,
                                      .action = "account.change",
                                      .detail = detail};
    enum rc rc = profile_db_change(db, row, err);
    return rc ? rc : audit_write(db, &entry, err);
}

static enum rc
change_account(struct request *request, struct reply *reply, struct err *err)
{
    const struct profile_body *body = request_body(request);
    struct db *db = NULL;
    g_autofree char *name = NULL;
    enum rc rc = account_self(request, "identity:use_accounts", &db, err);
    rc = rc ? rc : account_name("name", body->name, ACCOUNT_NAME_MAX, &name, err);
    rc = rc || !body->terms_version
             ? rc
             : account_check_terms(account_conf(request), body->terms_version, err);
    struct profile_row row = {.user_id = request_auth(request)->user_id,
                              .name = name,
                              .locale = body->locale,
                              .terms_version = body->terms_version,
                              .default_project_id = body->default_project_id};
    rc = rc ? rc : db_tx(db, change_tx, &row, err);
    return rc ? rc : profile_db_show(db, row.user_id, &reply->text, err);
}

static enum rc
trail(struct request *request, struct trail_query *query, struct db *db, struct reply *reply,
      struct err *err)
{
    const char *marker = request_query(request, "marker");
    query->before = INT64_MAX;
    if (marker && !parse_int64(marker, 1, INT64_MAX, &query->before)) {
        return fault(err, RC_INVALID, "invalid input for field 'marker': it is not a row's id");
    }
    query->project_id = request_query(request, "project_id");
    enum rc rc = page_limit(request, &query->limit, err);
    return rc ? rc : profile_db_trail(db, query, &reply->text, err);
}

static enum rc
list_own_trail(struct request *request, struct reply *reply, struct err *err)
{
    struct trail_query query = {.owner_id = request_auth(request)->user_id};
    struct db *db = NULL;
    enum rc rc = account_self(request, "identity:use_accounts", &db, err);
    return rc ? rc : trail(request, &query, db, reply, err);
}

static enum rc
list_trail(struct request *request, struct reply *reply, struct err *err)
{
    struct trail_query query = {.user_id = request_query(request, "user_id"),
                                .action = request_query(request, "action")};
    struct db *db = NULL;
    enum rc rc = request_db(request, &db, err);
    return rc ? rc : trail(request, &query, db, reply, err);
}

static const char *const own_query[] = {"limit", "marker", "project_id", NULL};
static const char *const all_query[] = {"limit", "marker", "user_id", "action", "project_id", NULL};
const struct route profile_routes[] = {
    {.method = "GET",
     .path = "/accounts/v1/account",
     .handle = show_account,
     .status = 200,
     .summary = "one's own account"},
    {.method = "PATCH",
     .path = "/accounts/v1/account",
     .handle = change_account,
     .body = &profile_body,
     .status = 200,
     .summary = "change one's name, locale, default project, or accept new terms"},
    {.method = "GET",
     .path = "/accounts/v1/audit",
     .handle = list_own_trail,
     .query = own_query,
     .status = 200,
     .summary = "what happened to one's account and the projects one opened"},
    {.method = "GET",
     .path = "/accounts/v1/admin/audit",
     .handle = list_trail,
     .policy = "identity:list_audit",
     .query = all_query,
     .status = 200,
     .summary = "what happened to accounts"},
    {0},
};
