// SPDX-License-Identifier: Apache-2.0
// What administrators do with accounts: list, look, approve, reject, block, unblock, and say by
// e-mail domain who may open one.
#include "common/base/util.h"
#include "services/identity/account/admin_db.h"
#include "services/identity/account/audit.h"
#include "services/identity/account/project.h"
#include "services/identity/account/rule_db.h"
#include <string.h>

// ---- looking

static const char *const states[] = {"waiting", "active", "blocked", "closing", "closed", NULL};

static enum rc
check_time(const struct request *request, const char *name, const char **ret_text, struct err *err)
{
    const char *text = request_query(request, name);
    int64_t ignored_us = 0;
    if (text && !iso8601_parse(text, &ignored_us)) {
        return fault(err, RC_INVALID, "invalid input for field '%s': it is not an ISO 8601 time",
                     name);
    }
    *ret_text = text;
    return RC_OK;
}

static enum rc
list_accounts(struct request *request, struct reply *reply, struct err *err)
{
    struct account_query query = {.state = request_query(request, "state"),
                                  .marker = request_query(request, "marker")};
    const char *email = request_query(request, "email");
    g_autofree char *lower = email ? g_ascii_strdown(email, -1) : NULL;
    query.email = lower;
    struct db *db = NULL;
    if (query.state && !g_strv_contains(states, query.state)) {
        return fault(err, RC_INVALID, "invalid input for field 'state': '%.20s' is no state",
                     query.state);
    }
    if (lower && (!g_str_is_ascii(lower) || strlen(lower) > 254)) {
        return fault(err, RC_INVALID, "invalid input for field 'email': it begins no address");
    }
    enum rc rc = page_limit(request, &query.limit, err);
    rc = rc ? rc : check_time(request, "created_after", &query.created_after, err);
    rc = rc ? rc : check_time(request, "created_before", &query.created_before, err);
    rc = rc ? rc : request_db(request, &db, err);
    return rc ? rc : admin_db_list(db, &query, &reply->text, err);
}

static enum rc
show_account(struct request *request, struct reply *reply, struct err *err)
{
    const char *id = request_param(request, "user_id");
    struct db *db = NULL;
    enum rc rc = request_db(request, &db, err);
    rc = rc ? rc : admin_db_show(db, id, &reply->text, err);
    return rc == RC_NOT_FOUND ? fault(err, rc, "Could not find account: %.64s.", id) : rc;
}

// ---- deciding

struct decision {
    const char *from, *to; // states; from as an array of the database
    const char *action;    // in the trail
    enum mail_kind mail;
    bool enables, deletes;
};
static const struct decision approve = {"{waiting}",   "active", "account.approve",
                                        MAIL_APPROVED, true,     false},
                             reject = {"{waiting}",   "closed", "account.reject",
                                       MAIL_REJECTED, false,    true},
                             block = {"{waiting,active}", "blocked", "account.block",
                                      MAIL_BLOCKED,       false,     false},
                             unblock = {"{blocked}",    "active", "account.unblock",
                                        MAIL_UNBLOCKED, true,     false};

struct decision_body {
    const char *reason;
};
static const struct field decision_fields[] = {
    FIELD(struct decision_body, reason, "reason", FIELD_TEXT, FIELD_NULLABLE, 0, 255,
          .help = "kept in the trail, which the account's owner can read")};
static const struct body_spec decision_body = {.fields = decision_fields,
                                               .n_fields = N_ELEMENTS(decision_fields),
                                               .struct_size = sizeof(struct decision_body)};
struct deciding {
    const struct decision *decision;
    const char *user_id, *actor_id, *reason;
};

static enum rc
move(struct db *db, const struct deciding *deciding, db_result **ret_account, struct err *err)
{
    const struct decision *decision = deciding->decision;
    g_autoptr(db_result) row = NULL;
    enum rc rc =
        admin_db_move(db, deciding->user_id, decision->from, decision->to, ret_account, err);
    if (rc != RC_NOT_FOUND) {
        return rc;
    }
    rc = admin_db_state(db, deciding->user_id, &row, err);
    if (rc) {
        return rc == RC_NOT_FOUND
                   ? fault(err, rc, "Could not find account: %.64s.", deciding->user_id)
                   : rc;
    }
    return fault(err, RC_CONFLICT, "account %.64s is %s", deciding->user_id,
                 db_text(row, 0, "state"));
}

static enum rc
end_access(struct db *db, const struct deciding *deciding, struct err *err)
{
    const char *id = deciding->user_id;
    enum rc rc = feed_revoke(db, &(struct revocation){.user_id = id}, err);
    rc = rc ? rc : proof_end(db, PROOF_PASSWORD, NULL, id, NULL, err);
    rc = rc ? rc : proof_end(db, PROOF_EMAIL, NULL, id, NULL, err);
    return rc || !deciding->decision->deletes ? rc : admin_db_delete_user(db, id, err);
}

static enum rc
decide_tx(struct db *db, void *argument, struct err *err)
{
    const struct deciding *deciding = argument;
    const struct decision *decision = deciding->decision;
    g_autoptr(db_result) account = NULL;
    enum rc rc = move(db, deciding, &account, err);
    rc = rc ? rc : admin_db_enable(db, deciding->user_id, decision->enables, err);
    rc = rc || decision->enables ? rc : end_access(db, deciding, err);
    if (rc) {
        return rc;
    }
    json_auto_t *detail = json_pack("{s:s*}", "reason", deciding->reason);
    const struct audit_entry entry = {.user_id = deciding->user_id,
                                      .actor_id = deciding->actor_id,
                                      .action = decision->action,
                                      .detail = detail};
    const struct mail mail = {.kind = decision->mail,
                              .recipient = db_text(account, 0, "email"),
                              .locale = db_text(account, 0, "locale"),
                              .is_due = true};
    rc = mail_add(db, &mail, err);
    return rc ? rc : audit_write(db, &entry, err);
}

static enum rc
decide(struct request *request, struct reply *reply, struct err *err)
{
    const struct decision_body *body = request_body(request);
    struct db *db = NULL;
    g_autofree char *reason = NULL;
    enum rc rc = account_name("reason", body->reason, 255, &reason, err);
    struct deciding deciding = {.decision = request_route(request)->data,
                                .user_id = request_param(request, "user_id"),
                                .actor_id = request_auth(request)->user_id,
                                .reason = reason};
    rc = rc ? rc : request_db(request, &db, err);
    rc = rc ? rc : db_tx(db, decide_tx, &deciding, err);
    rc = rc ? rc : feed_catch_up(identity_of(request), err);
    return rc ? rc : show_account(request, reply, err);
}

// ---- rules by domain

struct rule_body {
    const char *mode;
};
static const char *const modes[] = {"automatic", "approve", "closed", NULL};
static const struct field rule_fields[] = {
    {.name = "mode",
     .type = FIELD_TEXT,
     .flags = FIELD_REQUIRED,
     .offset = offsetof(struct rule_body, mode),
     .min = 1,
     .max = 16,
     .values = modes},
};
static const struct body_spec rule_body = {.fields = rule_fields,
                                           .n_fields = N_ELEMENTS(rule_fields),
                                           .struct_size = sizeof(struct rule_body)};
struct ruling {
    const char *domain, *mode, *actor_id; // mode NULL: the rule goes
};

static enum rc
list_rules(struct request *request, struct reply *reply, struct err *err)
{
    struct db *db = NULL;
    enum rc rc = request_db(request, &db, err);
    return rc ? rc : rule_db_list(db, &reply->text, err);
}

static enum rc
rule_tx(struct db *db, void *argument, struct err *err)
{
    const struct ruling *ruling = argument;
    enum rc rc = ruling->mode ? rule_db_set(db, ruling->domain, ruling->mode, ruling->actor_id, err)
                              : rule_db_delete(db, ruling->domain, err);
    if (rc) {
        return rc == RC_NOT_FOUND
                   ? fault(err, rc, "Could not find domain rule: %.254s.", ruling->domain)
                   : rc;
    }
    json_auto_t *detail = json_pack("{s:s, s:s?}", "domain", ruling->domain, "mode", ruling->mode);
    const struct audit_entry entry = {
        .actor_id = ruling->actor_id, .action = "domain_rule.change", .detail = detail};
    return audit_write(db, &entry, err);
}

static enum rc
change_rule(struct request *request, const char *mode, struct err *err)
{
    g_autofree char *domain = g_ascii_strdown(request_param(request, "domain"), -1);
    if (strlen(domain) > 253 || !mail_domain_is_valid(domain)) {
        return fault(err, RC_INVALID, "invalid input for field 'domain': it is not a domain");
    }
    struct ruling ruling = {domain, mode, request_auth(request)->user_id};
    struct db *db = NULL;
    enum rc rc = request_db(request, &db, err);
    return rc ? rc : db_tx(db, rule_tx, &ruling, err);
}

static enum rc
put_rule(struct request *request, struct reply *reply, struct err *err)
{
    const struct rule_body *body = request_body(request);
    enum rc rc = change_rule(request, body->mode, err);
    return rc ? rc : list_rules(request, reply, err);
}

static enum rc
delete_rule(struct request *request, struct reply *reply, struct err *err)
{
    return change_rule(request, NULL, err);
}

#define ACCOUNTS "/accounts/v1/admin/accounts"
#define RULES "/accounts/v1/admin/domain-rules"
#define DECISION(name, summary_)                                                  \
    {                                                                             \
        .method = "POST", .path = ACCOUNTS "/{user_id}/" #name, .handle = decide, \
        .policy = "identity:" #name "_account", .flags = ROUTE_OPTIONAL_BODY,     \
        .body = &decision_body, .status = 200, .data = &name, .summary = summary_ \
    }
static const char *const list_query[] = {
    "state", "email", "created_after", "created_before", "limit", "marker", NULL};
const struct route account_admin_routes[] = {
    {.method = "GET",
     .path = ACCOUNTS,
     .handle = list_accounts,
     .policy = "identity:list_accounts",
     .query = list_query,
     .status = 200,
     .summary = "list accounts by age"},
    {.method = "GET",
     .path = ACCOUNTS "/{user_id}",
     .handle = show_account,
     .policy = "identity:get_account",
     .status = 200,
     .summary = "one account with its projects, limits and trail"},
    DECISION(approve, "let a waiting account in"),
    DECISION(reject, "delete a waiting account"),
    DECISION(block, "keep an account out and end its tokens"),
    DECISION(unblock, "let a blocked account in again"),
    {.method = "GET",
     .path = RULES,
     .handle = list_rules,
     .policy = "identity:list_domain_rules",
     .status = 200,
     .summary = "who may open an account, by e-mail domain"},
    {.method = "PUT",
     .path = RULES "/{domain}",
     .handle = put_rule,
     .policy = "identity:change_domain_rule",
     .body = &rule_body,
     .status = 200,
     .summary = "say it for a domain and those below it"},
    {.method = "DELETE",
     .path = RULES "/{domain}",
     .handle = delete_rule,
     .policy = "identity:change_domain_rule",
     .status = 204,
     .summary = "leave it to the shorter rule or the setting"},
    {0},
};
