// SPDX-License-Identifier: Apache-2.0
// Tenants ask for more, admins decide: /accounts/v1/limit-requests. A decision, the limit that it
// sets, its audit row and the mail to who asked are one transaction.
#include "services/identity/quota/limit_request.h"

#include "common/base/util.h"
#include "services/identity/account/accounts_db.h"
#include "services/identity/account/audit.h"
#include "services/identity/quota/limit_db.h"
#include "services/identity/quota/limit_request_db.h"
#include "services/identity/quota/quota.h"

#include <string.h>

#define TEXT_MAX 2000
#define PER_DAY 50 // requests of one project: they are kept
#define DAY_S 86400

// ---- list and show

static const char *const statuses[] = {"pending", "approved", "refused", "withdrawn", NULL};
static const struct attribute attributes[] = {
    {"project_id", ATTR_TEXT, ATTR_FILTER},
    {"user_id", ATTR_TEXT, ATTR_FILTER},
    {"service", ATTR_TEXT, ATTR_FS},
    {"resource", ATTR_TEXT, ATTR_FS},
    {"value", ATTR_INT, 0},
    {"reason", ATTR_TEXT, 0},
    {"status", ATTR_TEXT, ATTR_FS, .values = statuses},
    {"created_at", ATTR_TIME, ATTR_SORT},
    {"granted", ATTR_INT, ATTR_NULLABLE},
    {"note", ATTR_TEXT, ATTR_NULLABLE},
    {"decided_at", ATTR_TIME, ATTR_NULLABLE},
    {"decided_by", ATTR_TEXT, ATTR_NULLABLE | ATTR_ADMIN_SEE},
    {0},
};
static const struct resource limit_request = {
    .singular = "limit_request",
    .plural = "limit_requests",
    .path = "/accounts/v1/limit-requests",
    .table = "limit_request",
    .not_found_format = "Could not find limit request: %s.",
    .style = RESOURCE_LINKS | RESOURCE_HEX_ID,
    .visible = "r.project_id = $1",
    .default_sort = "created_at",
    .attributes = attributes,
};

static enum rc
reply_request(struct request *request, struct db *db, const char *id, struct reply *reply,
              struct err *err)
{
    g_autofree char *item = NULL;
    enum rc rc = resource_item(request, db, &limit_request, id, &item, err);
    if (rc == RC_OK) {
        reply->text = g_strdup_printf("{\"limit_request\":%s}", item);
    }
    return rc;
}

static enum rc
record(struct db *db, const char *action, const struct limit_request_row *row, const char *actor_id,
       json_t *more, struct err *err)
{
    json_auto_t *detail =
        json_pack("{s:s, s:s, s:s, s:I}", "limit_request", row->id, "service", row->service,
                  "resource", row->resource, "value", (json_int_t)row->value);
    json_object_update(detail, more);
    const struct audit_entry entry = {.user_id = row->user_id,
                                      .project_id = row->project_id,
                                      .actor_id = actor_id,
                                      .action = action,
                                      .detail = detail};
    return audit_write(db, &entry, err);
}

// Words for people: lines are welcome, other control characters are not.
static enum rc
check_words(const char *field, const char *text, struct err *err)
{
    g_autofree char *flat = g_strdelimit(g_strdup(text ? text : ""), "\r\n\t", ' ');
    return text_is_clean(flat, TEXT_MAX)
               ? RC_OK
               : fault(err, RC_INVALID, "invalid input for field '%s': it has control characters",
                       field);
}

// ---- asking

struct asking {
    const char *project_id, *service, *resource, *reason;
    int64_t value;
};
static const struct field asking_fields[] = {
    FIELD(struct asking, project_id, "project_id", FIELD_TEXT, FIELD_REQUIRED, 1, 64),
    FIELD(struct asking, service, "service", FIELD_TEXT, FIELD_REQUIRED, 1, 64),
    FIELD(struct asking, resource, "resource", FIELD_TEXT, FIELD_REQUIRED, 1, 64),
    FIELD(struct asking, value, "value", FIELD_INT, FIELD_REQUIRED, 0, INT32_MAX),
    FIELD(struct asking, reason, "reason", FIELD_TEXT, FIELD_REQUIRED, 1, TEXT_MAX),
};
static const struct body_spec asking_body = {.fields = asking_fields,
                                             .n_fields = N_ELEMENTS(asking_fields),
                                             .struct_size = sizeof(struct asking)};

static enum rc
ask_tx(struct db *db, void *argument, struct err *err)
{
    const struct limit_request_row *row = argument;
    json_auto_t *named =
        json_pack("[{s:s, s:s, s:s, s:I}]", "project_id", row->project_id, "service", row->service,
                  "resource", row->resource, "value", (json_int_t)row->value);
    g_autofree char *text = json_dumps(named, JSON_COMPACT);
    g_autofree char *bucket = g_strconcat("limit-request ", row->project_id, NULL);
    enum rc rc = limit_db_check_names(db, text, err);
    rc = rc ? rc : accounts_db_count(db, bucket, PER_DAY, DAY_S, err);
    rc = rc ? rc : limit_request_db_add(db, row, err);
    return rc ? rc : record(db, "limit.request", row, row->user_id, NULL, err);
}

static enum rc
ask(struct request *request, struct reply *reply, struct err *err)
{
    const struct asking *body = request_body(request);
    char id[HEX_ID_SIZE];
    hex_id_new(id);
    struct limit_request_row row = {
        .id = id,
        .project_id = body->project_id,
        .user_id = request_auth(request)->user_id,
        .service = body->service,
        .resource = quota_name_of(body->service, body->resource),
        .reason = body->reason,
        .value = body->value,
    };
    json_auto_t *target = json_pack("{s:s}", "project_id", body->project_id);
    struct db *db = NULL;
    enum rc rc = request_allow(request, "identity:create_limit_request", target, err);
    rc = rc ? rc : check_words("reason", body->reason, err);
    rc = rc ? rc : request_db(request, &db, err);
    rc = rc ? rc : db_tx(db, ask_tx, &row, err);
    return rc ? rc : reply_request(request, db, id, reply, err);
}

// ---- deciding

struct deciding {
    int64_t value;
    const char *note;
};
static const struct field approval_fields[] = {
    FIELD(struct deciding, value, "value", FIELD_INT, 0, 0, INT32_MAX),
    FIELD(struct deciding, note, "note", FIELD_TEXT, FIELD_NULLABLE, 0, TEXT_MAX),
};
static const struct body_spec approval_body = {.fields = approval_fields,
                                               .n_fields = N_ELEMENTS(approval_fields),
                                               .struct_size = sizeof(struct deciding)};
static const struct field refusal_fields[] = {
    FIELD(struct deciding, note, "note", FIELD_TEXT, FIELD_REQUIRED, 1, TEXT_MAX),
};
static const struct body_spec refusal_body = {.fields = refusal_fields,
                                              .n_fields = N_ELEMENTS(refusal_fields),
                                              .struct_size = sizeof(struct deciding)};

// One row per verb: the route's data.
struct verdict {
    const char *status, *action;
    bool by_tenant;
};
static const struct verdict approve = {"approved", "limit.approve", false},
                            refuse = {"refused", "limit.refuse", false},
                            withdraw = {"withdrawn", "limit.withdraw", true};

struct decision {
    const struct verdict *verdict;
    const char *id, *project_id, *actor_id; // project_id NULL: of any project
    const struct deciding *body;            // NULL: withdraw
    bool has_value, has_mail;
};

static enum rc
set_limit(struct db *db, const struct limit_request_row *row, int64_t value, struct err *err)
{
    json_auto_t *limits =
        json_pack("[{s:s, s:s, s:s, s:I}]", "project_id", row->project_id, "service", row->service,
                  "resource", row->resource, "value", (json_int_t)value);
    return quota_set_limits(db, limits, NULL, err);
}

static enum rc
tell(struct db *db, const struct decision *decision, const db_result *found,
     const struct limit_decision *made, struct err *err)
{
    if (decision->verdict->by_tenant || !decision->has_mail || !db_text(found, 0, "email")) {
        return RC_OK;
    }
    const struct limit_mail mail = {
        .is_approved = decision->verdict == &approve,
        .service = db_text(found, 0, "service"),
        .resource = db_text(found, 0, "resource"),
        .asked = db_int(found, 0, "value"),
        .granted = made->granted,
        .note = made->note,
    };
    const char *subject = NULL;
    g_autofree char *body = limit_mail_text(&mail, db_text(found, 0, "locale"), &subject);
    return accounts_db_add_mail(db, db_text(found, 0, "email"), subject, body, true, err);
}

static enum rc
apply(struct db *db, const struct decision *decision, const struct limit_request_row *row,
      const struct limit_decision *made, struct err *err)
{
    enum rc rc = decision->verdict == &approve ? set_limit(db, row, made->granted, err) : RC_OK;
    json_auto_t *more = json_pack("{s:s*}", "note", made->note);
    if (decision->verdict == &approve) {
        json_object_set_new(more, "granted", json_integer(made->granted));
    }
    rc = rc ? rc : limit_request_db_decide(db, row->id, made, err);
    return rc ? rc : record(db, decision->verdict->action, row, decision->actor_id, more, err);
}

static enum rc
decide_tx(struct db *db, void *argument, struct err *err)
{
    const struct decision *decision = argument;
    g_autoptr(db_result) found = NULL;
    enum rc rc = limit_request_db_find(db, decision->id, decision->project_id, &found, err);
    if (rc) {
        return rc;
    }
    const char *status = db_text(found, 0, "status");
    struct limit_request_row row = {
        .id = decision->id,
        .project_id = db_text(found, 0, "project_id"),
        .user_id = db_text(found, 0, "user_id"),
        .service = db_text(found, 0, "service"),
        .resource = db_text(found, 0, "resource"),
        .value = db_int(found, 0, "value"),
    };
    const struct limit_decision made = {
        .status = decision->verdict->status,
        .granted = decision->has_value ? decision->body->value : row.value,
        .note = decision->body ? decision->body->note : NULL,
        .actor_id = decision->actor_id,
    };
    if (strcmp(status, "pending")) {
        return fault(err, RC_CONFLICT, "this request is %s already", status);
    }
    if (made.granted > row.value) {
        return fault(err, RC_INVALID,
                     "invalid input for field 'value': it is more than was asked for (%lld)",
                     (long long)row.value);
    }
    rc = apply(db, decision, &row, &made, err);
    return rc ? rc : tell(db, decision, found, &made, err);
}

static enum rc
decide(struct request *request, struct reply *reply, struct err *err)
{
    const struct verdict *verdict = request_route(request)->data;
    const struct auth_context *auth = request_auth(request);
    const struct conf *conf = service_conf(identity_of(request)->service);
    struct decision decision = {
        .verdict = verdict,
        .id = request_param(request, "id"),
        .project_id = verdict->by_tenant && !auth->is_admin ? request_project(request) : NULL,
        .actor_id = auth->user_id,
        .body = verdict->by_tenant ? NULL : request_body(request),
        .has_value = verdict == &approve && (request_body_present(request) & 1),
        .has_mail = conf_text(conf, "smtp", "url")[0] != 0,
    };
    struct db *db = NULL;
    json_auto_t *target = json_pack("{s:s}", "project_id", request_project(request));
    enum rc rc = request_allow(request,
                               verdict->by_tenant ? "identity:create_limit_request"
                                                  : "identity:decide_limit_request",
                               target, err);
    rc = rc || !decision.body ? rc : check_words("note", decision.body->note, err);
    rc = rc ? rc : request_db(request, &db, err);
    rc = rc ? rc : db_tx(db, decide_tx, &decision, err);
    return rc ? rc : reply_request(request, db, decision.id, reply, err);
}

#define PATH "/accounts/v1/limit-requests"
// clang-format off
const struct route limit_request_routes[] = {
    {.method = "GET", .path = PATH, .handle = resource_list, .status = 200, .data = &limit_request, .describe = resource_describe, .summary = "list requests for other limits"},
    {.method = "POST", .path = PATH, .handle = ask, .status = 201, .body = &asking_body, .summary = "ask for another limit"},
    {.method = "GET", .path = PATH "/{id}", .handle = resource_show, .status = 200, .data = &limit_request, .describe = resource_describe, .summary = "show a request for another limit"},
    {.method = "POST", .path = PATH "/{id}/withdraw", .handle = decide, .flags = ROUTE_OPTIONAL_BODY, .status = 200, .data = &withdraw, .summary = "withdraw a request for another limit"},
    {.method = "POST", .path = PATH "/{id}/approve", .handle = decide, .flags = ROUTE_OPTIONAL_BODY, .status = 200, .body = &approval_body, .data = &approve, .summary = "set the limit that was asked for, or a lower one"},
    {.method = "POST", .path = PATH "/{id}/refuse", .handle = decide, .status = 200, .body = &refusal_body, .data = &refuse, .summary = "refuse a request for another limit"},
    {0},
};
// clang-format on
