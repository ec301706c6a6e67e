// SPDX-License-Identifier: Apache-2.0
// Asking for a closing, and reading how far it is. The answer to the request is the only place,
// beside the mail, that has the token with which the owner reads on when the account is gone.
#include "services/identity/account/close.h"
#include "common/base/util.h"
#include "services/identity/account/accounts.h"
#include "services/identity/account/audit.h"
#include "services/identity/account/close_api.h"
#include "services/identity/token/auth.h"

#include <string.h>

struct confirmation {
    const char *password, *reason;
};
static const struct field confirmation_fields[] = {
    FIELD(struct confirmation, password, "password", FIELD_TEXT, FIELD_REQUIRED | FIELD_SECRET, 1,
          4096),
};
static const struct body_spec confirmation_body = {.fields = confirmation_fields,
                                                   .n_fields = N_ELEMENTS(confirmation_fields),
                                                   .struct_size = sizeof(struct confirmation)};
static const struct field reason_fields[] = {
    FIELD(struct confirmation, reason, "reason", FIELD_TEXT, FIELD_NULLABLE, 0, 255),
};
static const struct body_spec reason_body = {.fields = reason_fields,
                                             .n_fields = N_ELEMENTS(reason_fields),
                                             .struct_size = sizeof(struct confirmation)};

static const struct conf *
conf_of(const struct request *request)
{
    return service_conf(identity_of(request)->service);
}

struct asking {
    const struct conf *conf;
    const char *user_id, *project_id; // project_id NULL: the whole account
    const char *actor_id, *request_id, *reason, *id, *token;
    bool by_admin;
};

// ---- whether it may be

static enum rc
check_account(const struct asking *asking, const db_result *row, struct err *err)
{
    const char *state = db_text(row, 0, "state");
    if (db_bool(row, 0, "has_closing")) {
        return fault(err, RC_CONFLICT, "this account, or a project of it, is being closed already");
    }
    if (!strcmp(state, "closed")) {
        return fault(err, RC_CONFLICT, "this account is closed");
    }
    return asking->by_admin || strcmp(state, "blocked")
               ? RC_OK
               : fault(err, RC_FORBIDDEN, "this account is %s", state);
}

static enum rc
check_projects(const struct asking *asking, const db_result *rows, struct err *err)
{
    int n = db_n_rows(rows);
    if (asking->project_id && !n) {
        return fault(err, RC_NOT_FOUND, "Could not find project: %.64s.", asking->project_id);
    }
    if (asking->project_id && db_int(rows, 0, "n_all") < 2) {
        return fault(err, RC_CONFLICT,
                     "this is the account's only project: close the account instead");
    }
    for (int i = 0; i < n; i++) {
        if (db_bool(rows, i, "has_children")) {
            return fault(err, RC_CONFLICT, "project %s has projects below it",
                         db_text(rows, i, "id"));
        }
    }
    return RC_OK;
}

// ---- accepting

static json_t *
step_names(void)
{
    json_t *names = json_array();
    for (const struct close_step *step = close_steps; step->name; step++) {
        json_array_append_new(names, json_string(step->name));
    }
    return names;
}

static enum rc
write_mail(struct db *db, const struct asking *asking, const db_result *account, struct err *err)
{
    const struct closing closing = {.is_account = !asking->project_id,
                                    .locale = db_text(account, 0, "locale")};
    g_autofree char *link =
        g_strconcat(conf_text(asking->conf, "closing", "url"), asking->token, NULL);
    struct close_text text = close_text_of(CLOSE_MAIL_ACCEPTED, &closing, link, NULL);
    enum rc rc =
        accounts_db_add_mail(db, db_text(account, 0, "email"), text.subject, text.body, true, err);
    g_free(text.body);
    return rc;
}

static enum rc
write_audit(struct db *db, const struct asking *asking, json_t *projects, struct err *err)
{
    json_auto_t *detail =
        json_pack("{s:s, s:O, s:b, s:s*}", "closing", asking->id, "projects", projects, "by_admin",
                  asking->by_admin, "reason", asking->reason);
    const struct audit_entry entry = {.user_id = asking->user_id,
                                      .project_id = asking->project_id,
                                      .actor_id = asking->actor_id,
                                      .action =
                                          asking->project_id ? "project.close" : "account.close",
                                      .detail = detail};
    return audit_write(db, &entry, err);
}

static enum rc
accept_projects(struct db *db, const struct asking *asking, const db_result *rows, struct err *err)
{
    g_autofree char *hash = sha256_hex(asking->token, strlen(asking->token));
    json_auto_t *projects = json_array(), *steps = step_names();
    for (int i = 0; i < db_n_rows(rows); i++) {
        json_array_append_new(projects, json_pack("{s:s, s:s}", "id", db_text(rows, i, "id"),
                                                  "name", db_text(rows, i, "name")));
    }
    const struct closing_new closing = {
        .id = asking->id,
        .kind = asking->project_id ? "project" : "account",
        .user_id = asking->user_id,
        .actor_id = asking->actor_id,
        .request_id = asking->request_id,
        .token_hash = hash,
        .steps = steps,
        .deadline_s = conf_int(asking->conf, "closing", "deadline"),
    };
    enum rc rc = close_db_add(db, &closing, projects, err);
    rc = rc ? rc : close_db_shut(db, asking->user_id, !asking->project_id, projects, err);
    return rc ? rc : write_audit(db, asking, projects, err);
}

static enum rc
accept_tx(struct db *db, void *argument, struct err *err)
{
    const struct asking *asking = argument;
    g_autoptr(db_result) account = NULL, projects = NULL;
    enum rc rc = close_db_account(db, asking->user_id, &account, err);
    if (rc) {
        return rc == RC_NOT_FOUND ? fault(err, rc, "there is no such account") : rc;
    }
    rc = check_account(asking, account, err);
    rc = rc ? rc : close_db_projects(db, asking->user_id, asking->project_id, &projects, err);
    rc = rc ? rc : check_projects(asking, projects, err);
    rc = rc ? rc : accept_projects(db, asking, projects, err);
    return rc ? rc : write_mail(db, asking, account, err);
}

static enum rc
reply_closing(struct request *request, const struct asking *asking, struct reply *reply,
              struct err *err)
{
    g_autofree char *text = NULL;
    struct db *db = NULL;
    enum rc rc = request_db(request, &db, err);
    rc = rc ? rc : close_db_show(db, asking->id, NULL, NULL, 0, &text, err);
    if (rc) {
        return rc;
    }
    reply->json = json_loads(text, 0, NULL);
    if (!asking->by_admin) {
        json_object_set_new(json_object_get(reply->json, "closing"), "token",
                            json_string(asking->token));
    }
    reply_header_format(reply, "Location", "%s/accounts/v1/closings/%s", request_base_url(request),
                        asking->id);
    return RC_OK;
}

static enum rc
accept(struct request *request, struct asking *asking, struct reply *reply, struct err *err)
{
    struct identity *identity = identity_of(request);
    char id[HEX_ID_SIZE];
    hex_id_new(id);
    g_autofree char *secret = random_token(32), *token = g_strconcat(id, ".", secret, NULL);
    asking->conf = conf_of(request);
    asking->actor_id = request_auth(request)->user_id;
    asking->request_id = request_id(request);
    asking->id = id;
    asking->token = token;
    struct db *db = NULL;
    if (!identity->client) {
        return fault(err, RC_UNAVAILABLE, "this cloud does not close accounts by itself now");
    }
    enum rc rc = request_db(request, &db, err);
    rc = rc ? rc : db_tx(db, accept_tx, asking, err);
    rc = rc ? rc : feed_catch_up(identity, err);
    return rc ? rc : reply_closing(request, asking, reply, err);
}

// ---- the owner asks

static enum rc
confirm(struct request *request, struct err *err)
{
    const struct confirmation *body = request_body(request);
    const struct login login = {.has_password = true,
                                .user = {.id = request_auth(request)->user_id},
                                .password = body->password};
    struct db *db = NULL;
    g_autoptr(db_result) row = NULL;
    enum rc rc = account_self(request, "identity:use_accounts", &db, err);
    rc = rc ? rc : auth_check_password(identity_of(request), db, &login, &row, err);
    return rc == RC_UNAUTHORIZED ? fault(err, RC_FORBIDDEN, "the password is not right") : rc;
}

static enum rc
close_own(struct request *request, struct reply *reply, struct err *err)
{
    struct asking asking = {.user_id = request_auth(request)->user_id};
    enum rc rc = confirm(request, err);
    return rc ? rc : accept(request, &asking, reply, err);
}

static enum rc
close_project(struct request *request, struct reply *reply, struct err *err)
{
    struct asking asking = {.user_id = request_auth(request)->user_id,
                            .project_id = request_param(request, "project_id")};
    enum rc rc = confirm(request, err);
    return rc ? rc : accept(request, &asking, reply, err);
}

// ---- the administrator asks

static enum rc
close_by_admin(struct request *request, struct reply *reply, struct err *err)
{
    const struct confirmation *body = request_body(request);
    struct asking asking = {
        .user_id = request_param(request, "user_id"), .reason = body->reason, .by_admin = true};
    return accept(request, &asking, reply, err);
}

// ---- reading

#define TOKEN_HEADER "X-Closing-Token"

static enum rc
count_miss(struct request *request, struct db *db, struct err *err)
{
    const struct conf *conf = conf_of(request);
    g_autofree char *network = account_network(request_client_address(request)),
                    *bucket = g_strconcat("closing ", network, NULL);
    enum rc rc = accounts_db_count(db, bucket, conf_int(conf, "accounts", "rate_network"),
                                   conf_int(conf, "accounts", "rate_window"), err);
    return rc ? rc : fault(err, RC_NOT_FOUND, "there is no such closing");
}

// With the token of the closing, as the account's user, or as an administrator; everybody else
// learns nothing.
static enum rc
show(struct request *request, struct reply *reply, struct err *err)
{
    const struct auth_context *auth = request_auth(request);
    const char *token = request_header(request, TOKEN_HEADER), *id = request_param(request, "id");
    g_autofree char *hash = token ? sha256_hex(token, strlen(token)) : NULL;
    bool is_admin = auth && request_is_allowed(request, "identity:get_closing", NULL);
    struct db *db = NULL;
    if (!token && !auth) {
        return fault(err, RC_UNAUTHORIZED, "a token is needed: %s or X-Auth-Token", TOKEN_HEADER);
    }
    enum rc rc = request_db(request, &db, err);
    rc = rc ? rc
            : close_db_show(db, id, hash, hash || is_admin ? NULL : auth->user_id,
                            conf_int(conf_of(request), "closing", "token_life"), &reply->text, err);
    return rc == RC_NOT_FOUND && hash ? count_miss(request, db, err) : rc;
}

static enum rc
list(struct request *request, struct reply *reply, struct err *err)
{
    static const char *const states[] = {"running", "done", NULL};
    bool is_admin = request_is_allowed(request, "identity:list_closings", NULL);
    const char *limit = request_query(request, "limit");
    struct closing_page page = {.user_id = is_admin ? request_query(request, "user_id")
                                                    : request_auth(request)->user_id,
                                .state = request_query(request, "state"),
                                .marker = request_query(request, "marker"),
                                .limit = 100};
    struct db *db = NULL;
    if (limit && !parse_int64(limit, 1, 1000, &page.limit)) {
        return fault(err, RC_INVALID, "query parameter 'limit' must be a number from 1 to 1000");
    }
    if (page.state && !g_strv_contains(states, page.state)) {
        return fault(err, RC_INVALID, "query parameter 'state' must be running or done");
    }
    enum rc rc = request_db(request, &db, err);
    return rc ? rc : close_db_list(db, &page, &reply->text, err);
}

static const char *const list_query[] = {"state", "user_id", "limit", "marker", NULL};
const struct route close_routes[] = {
    {.method = "POST",
     .path = "/accounts/v1/closings",
     .handle = close_own,
     .body = &confirmation_body,
     .flags = ROUTE_SLOW,
     .status = 202,
     .summary = "close one's own account"},
    {.method = "DELETE",
     .path = "/accounts/v1/projects/{project_id}",
     .handle = close_project,
     .body = &confirmation_body,
     .flags = ROUTE_SLOW,
     .status = 202,
     .summary = "close one project of one's account"},
    {.method = "POST",
     .path = "/accounts/v1/admin/accounts/{user_id}/closing",
     .handle = close_by_admin,
     .policy = "identity:close_account",
     .body = &reason_body,
     .flags = ROUTE_OPTIONAL_BODY,
     .status = 202,
     .summary = "close an account as its administrator"},
    {.method = "GET",
     .path = "/accounts/v1/closings",
     .handle = list,
     .status = 200,
     .query = list_query,
     .summary = "closings: one's own, an administrator's all"},
    {.method = "GET",
     .path = "/accounts/v1/closings/{id}",
     .handle = show,
     .flags = ROUTE_PUBLIC,
     .status = 200,
     .summary = "how far a closing is, its trail, and the final statement"},
    {0},
};
