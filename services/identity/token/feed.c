// SPDX-License-Identifier: Apache-2.0
// What every service must learn from identity: keys, revocations, limits (ARCHITECTURE.md, Identity
// feed). A page is answered at once; readers ask again every few hundred milliseconds, so no thread
// waits here.
#include "common/auth/revocation.h"
#include "common/base/util.h"
#include "services/identity/token/feed_db.h"

#define PAGE 1000
#define LIMITS_MAX 256

enum rc
feed_revoke(struct db *db, const struct revocation *revocation, struct err *err)
{
    const struct {
        const char *name, *value;
    } fields[] = {{"audit_id", revocation->audit_id},
                  {"user_id", revocation->user_id},
                  {"project_id", revocation->project_id},
                  {"domain_id", revocation->domain_id},
                  {"role_id", revocation->role_id}};
    json_auto_t *body = json_object();
    for (size_t i = 0; i < N_ELEMENTS(fields); i++) {
        if (fields[i].value) {
            json_object_set_new(body, fields[i].name, json_string(fields[i].value));
        }
    }
    return feed_db_append(db, "revocation", body, err);
}

enum rc
feed_set_limit(struct db *db, const char *project_id, const char *service, const char *resource,
               const int64_t *value, struct err *err)
{
    json_auto_t *body =
        json_pack("{s:s, s:s, s:s, s:o}", "project_id", project_id, "service", service, "resource",
                  resource, "value", value ? json_integer(*value) : json_null());
    return feed_db_append(db, "limit", body, err);
}

static const char *
text_of(json_t *body, const char *name)
{
    return json_string_value(json_object_get(body, name));
}

static void
apply(struct identity *identity, json_t *body)
{
    struct revocation revocation = {
        .audit_id = text_of(body, "audit_id"),
        .user_id = text_of(body, "user_id"),
        .project_id = text_of(body, "project_id"),
        .domain_id = text_of(body, "domain_id"),
        .role_id = text_of(body, "role_id"),
        .issued_before_us = json_integer_value(json_object_get(body, "issued_before_us"))};
    authenticator_add_revocation(identity->auth, &revocation);
}

enum rc
feed_catch_up(struct identity *identity, struct err *err)
{
    struct db *db = NULL;
    g_autoptr(db_result) rows = NULL;
    enum rc rc = db_get(identity->db, &db, err);
    if (rc) {
        return rc;
    }
    g_mutex_lock(&identity->feed_lock);
    rc = feed_db_revocations(db, identity->feed_cursor, &rows, err);
    for (int i = 0; rc == RC_OK && i < db_n_rows(rows); i++) {
        json_auto_t *body = db_json(rows, i, "body");
        apply(identity, body);
        identity->feed_cursor = db_int(rows, i, "n");
    }
    g_mutex_unlock(&identity->feed_lock);
    return rc;
}

static enum rc
show_feed(struct request *request, struct reply *reply, struct err *err)
{
    const char *text = request_query(request, "after");
    int64_t after = 0;
    if (text && !parse_int64(text, 0, INT64_MAX, &after)) {
        return fault(err, RC_INVALID, "invalid input for field 'after': '%.40s' is not a number",
                     text);
    }
    struct db *db = NULL;
    enum rc rc = request_db(request, &db, err);
    return rc ? rc : feed_db_page(db, after, PAGE, &reply->text, err);
}

// ---- limits

struct limit {
    const char *project_id, *service, *resource;
    json_t *value;
};
static const struct field limit_fields[] = {
    FIELD(struct limit, project_id, "project_id", FIELD_TEXT, FIELD_REQUIRED, 1, 64),
    FIELD(struct limit, service, "service", FIELD_TEXT, FIELD_REQUIRED, 1, 64),
    FIELD(struct limit, resource, "resource", FIELD_TEXT, FIELD_REQUIRED, 1, 64),
    FIELD(struct limit, value, "value", FIELD_ANY, FIELD_NULLABLE),
};
static const struct body_spec limit_body = {.fields = limit_fields,
                                            .n_fields = N_ELEMENTS(limit_fields),
                                            .struct_size = sizeof(struct limit)};

struct limits {
    json_t *limits;
};
static const struct field limits_fields[] = {
    FIELD(struct limits, limits, "limits", FIELD_ARRAY, FIELD_REQUIRED, 1, LIMITS_MAX)};
static const struct body_spec limits_body = {.fields = limits_fields,
                                             .n_fields = N_ELEMENTS(limits_fields),
                                             .struct_size = sizeof(struct limits)};

static enum rc
store_limit(struct db *db, json_t *item, struct err *err)
{
    struct limit limit;
    enum rc rc = body_decode(&limit_body, item, &limit, NULL, err);
    if (rc) {
        return rc;
    }
    bool is_default = !limit.value || json_is_null(limit.value);
    int64_t value = json_integer_value(limit.value);
    if (!is_default && (!json_is_integer(limit.value) || value < -1)) {
        return fault(err, RC_INVALID,
                     "invalid input for field 'value': it must be null or an integer from -1");
    }
    rc = feed_db_project_exists(db, limit.project_id, err);
    return rc ? rc
              : feed_set_limit(db, limit.project_id, limit.service, limit.resource,
                               is_default ? NULL : &value, err);
}

static enum rc
store_limits_tx(struct db *db, void *limits, struct err *err)
{
    enum rc rc = RC_OK;
    for (size_t i = 0; rc == RC_OK && i < json_array_size(limits); i++) {
        rc = store_limit(db, json_array_get(limits, i), err);
    }
    return rc;
}

static enum rc
set_limits(struct request *request, struct reply *reply, struct err *err)
{
    const struct limits *body = request_body(request);
    struct db *db = NULL;
    enum rc rc = request_db(request, &db, err);
    rc = rc ? rc : db_tx(db, store_limits_tx, body->limits, err);
    if (rc == RC_OK) {
        reply->json = json_pack("{s:O}", "limits", body->limits);
    }
    return rc;
}

static const char *const feed_query[] = {"after", "wait_ms", NULL};
const struct route feed_routes[] = {
    {.method = "GET",
     .path = "/internal/v1/feed",
     .handle = show_feed,
     .flags = ROUTE_PUBLIC,
     .status = 200,
     .query = feed_query,
     .summary = "keys, revocations and limits after a cursor"},
    {.method = "POST",
     .path = "/internal/v1/limits",
     .handle = set_limits,
     .policy = "identity:set_limits",
     .status = 200,
     .body = &limits_body,
     .summary = "set limits of projects"},
    {0},
};
