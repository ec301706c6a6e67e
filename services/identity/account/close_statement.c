// SPDX-License-Identifier: Apache-2.0
// The final statement of each project: billing is asked for the same instant until it has every
// usage fact up to then and nothing runs any more; then the account is closed there, once. The
// instant is stored before it is used, so that a repetition finds the statement that was made.
#include "common/base/util.h"
#include "common/log/log.h"
#include "services/identity/account/close.h"

#include <string.h>

#define RUNS "UsageRuns" // the error's type when something was in use at the instant asked for
#define TIMEOUT_MS 30000 // billing itself waits for the services' facts

struct account {
    struct close_job *job;
    const char *project_id;
    char *url; // of the account at billing
};

static enum rc
call_billing(const struct account *account, const char *method, const char *path, const char *to,
             json_t **ret_json, struct err *err)
{
    g_autofree char *time = to ? g_uri_escape_string(to, NULL, FALSE) : NULL,
                    *url = g_strconcat(account->url, path, to ? "?to=" : "", time, NULL);
    struct call call = {.method = method, .url = url, .timeout_ms = TIMEOUT_MS};
    enum rc rc = close_hold(account->job, err);
    rc = rc ? rc : client_call(account->job->client, &call, ret_json, err);
    if (rc == RC_OK && !json_is_object(*ret_json)) {
        json_decref(*ret_json);
        *ret_json = NULL;
        rc = fault(err, RC_BAD_GATEWAY, "%s has no object", url);
    }
    return rc;
}

// A statement that ends at `to` or later, made by an earlier try. ret_made NULL: there is none.
static enum rc
find_made(const struct account *account, const char *to, json_t **ret_made, struct err *err)
{
    json_auto_t *reply = NULL;
    enum rc rc = call_billing(account, "GET", "/statements", NULL, &reply, err);
    json_t *all = json_object_get(reply, "statements"),
           *last = json_array_get(all, json_array_size(all) - 1);
    const char *end = json_string_value(json_object_get(last, "to")),
               *id = json_string_value(json_object_get(last, "id"));
    if (rc || !end || !id || strcmp(end, to) < 0) {
        return rc;
    }
    g_autofree char *path = g_strconcat("/statements/", id, NULL);
    rc = call_billing(account, "GET", path, NULL, ret_made, err);
    if (rc == RC_BAD_GATEWAY) { // its lines are more than one reply holds
        *ret_made = json_incref(last);
        rc = RC_OK;
    }
    return rc;
}

// RC_CONFLICT: not final yet.
static enum rc
make(const struct account *account, const char *to, json_t **ret_made, struct err *err)
{
    json_auto_t *now = NULL;
    enum rc rc = call_billing(account, "GET", "/statement", to, &now, err);
    if (rc) {
        return rc;
    }
    if (!json_is_true(json_object_get(now, "final"))) {
        return json_is_true(json_object_get(now, "complete"))
                   ? fault_typed(err, RC_CONFLICT, RUNS, "some usage has not ended")
                   : fault(err, RC_CONFLICT, "usage is not complete yet");
    }
    if (!json_array_size(json_object_get(now, "lines")) &&
        !g_strcmp0(json_string_value(json_object_get(now, "from")),
                   json_string_value(json_object_get(now, "to")))) {
        *ret_made = g_steal_pointer(&now); // there never was any usage: nothing to be booked
        return RC_OK;
    }
    return call_billing(account, "POST", "/statement", to, ret_made, err);
}

static enum rc
state_project(const struct account *account, const char *asked, struct err *err)
{
    g_autofree char *to = g_strdup(asked);
    json_auto_t *made = NULL;
    struct db *db = account->job->db;
    enum rc rc = to ? find_made(account, to, &made, err)
                    : close_db_set_statement_to(db, account->project_id, &to, err);
    rc = rc || made ? rc : make(account, to, &made, err);
    if (rc == RC_CONFLICT && !strcmp(err->type, RUNS)) { // the next try asks for a later instant
        struct err ignored;
        g_clear_pointer(&to, g_free);
        rc_ignore(close_db_set_statement_to(db, account->project_id, &to, &ignored));
    }
    return rc ? rc : close_db_set_statement(db, account->project_id, made, err);
}

enum rc
close_statement(struct close_job *job, int unused, struct close_pass *pass, struct err *err)
{
    g_autoptr(db_result) rows = NULL;
    enum rc rc = close_db_unstated(job->db, job->closing.id, &rows, err);
    for (int i = 0; rc == RC_OK && i < db_n_rows(rows); i++) {
        struct account account = {.job = job, .project_id = db_text(rows, i, "project_id")};
        g_autoptr(db_result) endpoints = NULL;
        rc = close_db_endpoints(job->db, "rating", account.project_id, &endpoints, err);
        if (rc || !db_n_rows(endpoints)) { // a cloud without billing
            continue;
        }
        account.url =
            g_strconcat(db_text(endpoints, 0, "url"), "/v1/accounts/", account.project_id, NULL);
        rc = state_project(&account, db_text(rows, i, "statement_to"), err);
        g_free(account.url);
    }
    if (rc && strcmp(err->type, CLOSE_LOST)) {
        close_problem(pass, "billing", err);
    }
    return rc;
}
