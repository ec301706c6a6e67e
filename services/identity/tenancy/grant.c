// SPDX-License-Identifier: Apache-2.0
// Grants: PUT, GET, HEAD and DELETE of a role for a user or group on a project, domain or the
// system, inherited or not; and the list of all assignments. A revoked grant ends the tokens that
// show it.
#include "services/identity/tenancy/grant_db.h"
#include "services/identity/tenancy/member_db.h"
#include "services/identity/tenancy/target.h"
#include "services/identity/token/auth.h"
#include <string.h>

struct grant_kind {
    const char *target; // "project", "domain"; NULL: the system
    const char *actor;  // "user", "group"
    bool inherited;
};

static struct grant
grant_of(const struct request *request, const char *role_id)
{
    const struct grant_kind *kind = request_route(request)->data;
    const char *actor_id = request_param(request, "actor_id");
    bool is_user = !strcmp(kind->actor, "user");
    return (struct grant){.user_id = is_user ? actor_id : NULL,
                          .group_id = is_user ? NULL : actor_id,
                          .target_id = kind->target ? request_param(request, "target_id") : NULL,
                          .role_id = role_id,
                          .inherited = kind->inherited};
}

// verb: list, check, create, revoke.
static enum rc
allow(const struct request *request, const char *verb, const struct grant *grant, struct err *err)
{
    const struct grant_kind *kind = request_route(request)->data;
    const char *many = strcmp(verb, "list") ? "" : "s";
    g_autofree char *rule = kind->target ? g_strdup_printf("identity:%s_grant%s", verb, many)
                                         : g_strdup_printf("identity:%s_system_grant%s_for_%s",
                                                           verb, many, kind->actor);
    bool in_domain = kind->target && !strcmp(kind->target, "domain");
    const struct target target = {.user_id = grant->user_id,
                                  .group_id = grant->group_id,
                                  .project_id = in_domain ? NULL : grant->target_id,
                                  .domain_id = in_domain ? grant->target_id : NULL,
                                  .role_id = grant->role_id};
    return target_allow(request, rule, &target, err);
}

static enum rc
check_parts(const struct request *request, struct db *db, const struct grant *grant,
            struct err *err)
{
    const struct grant_kind *kind = request_route(request)->data;
    enum rc rc =
        member_db_exists(db, kind->actor, grant->user_id ? grant->user_id : grant->group_id, err);
    rc = rc || !kind->target ? rc : member_db_exists(db, kind->target, grant->target_id, err);
    return rc || !grant->role_id ? rc : member_db_exists(db, "role", grant->role_id, err);
}

static enum rc
list_grants(struct request *request, struct reply *reply, struct err *err)
{
    struct db *db = NULL;
    g_autofree char *items = NULL;
    const struct grant grant = grant_of(request, NULL);
    enum rc rc = allow(request, "list", &grant, err);
    rc = rc ? rc : request_db(request, &db, err);
    rc = rc ? rc : check_parts(request, db, &grant, err);
    rc = rc ? rc : grant_db_list(db, &grant, request_base_url(request), &items, err);
    if (rc == RC_OK) {
        reply->text = auth_wrap(request, "roles", items);
    }
    return rc;
}

static enum rc
check_grant(struct request *request, struct reply *reply, struct err *err)
{
    struct db *db = NULL;
    const struct grant grant = grant_of(request, request_param(request, "role_id"));
    enum rc rc = allow(request, "check", &grant, err);
    rc = rc ? rc : request_db(request, &db, err);
    rc = rc ? rc : check_parts(request, db, &grant, err);
    return rc ? rc : grant_db_check(db, &grant, err);
}

static enum rc
create_grant(struct request *request, struct reply *reply, struct err *err)
{
    struct db *db = NULL;
    const struct grant grant = grant_of(request, request_param(request, "role_id"));
    enum rc rc = allow(request, "create", &grant, err);
    rc = rc ? rc : request_db(request, &db, err);
    rc = rc ? rc : check_parts(request, db, &grant, err);
    rc = rc ? rc : grant_db_check_role(db, &grant, err);
    return rc ? rc : grant_db_add(db, &grant, err);
}

// The tokens of one user that may show the grant.
static enum rc
revoke_user(struct request *request, struct db *db, const struct grant *grant, const char *user_id,
            struct err *err)
{
    const struct grant_kind *kind = request_route(request)->data;
    struct revocation revocation = {.user_id = user_id, .role_id = grant->role_id};
    if (kind->target && !grant->inherited) { // an inherited grant shows in projects below
        revocation.project_id = !strcmp(kind->target, "project") ? grant->target_id : NULL;
        revocation.domain_id = !strcmp(kind->target, "domain") ? grant->target_id : NULL;
    }
    return feed_revoke(db, &revocation, err);
}

static enum rc
revoke_tx(struct db *db, void *argument, struct err *err)
{
    struct request *request = argument;
    const struct grant grant = grant_of(request, request_param(request, "role_id"));
    g_autoptr(db_result) rows = NULL;
    enum rc rc = grant_db_remove(db, &grant, err);
    if (rc || grant.user_id) {
        return rc ? rc : revoke_user(request, db, &grant, grant.user_id, err);
    }
    rc = member_db_members(db, grant.group_id, &rows, err);
    for (int i = 0; rc == RC_OK && i < db_n_rows(rows); i++) {
        rc = revoke_user(request, db, &grant, db_text(rows, i, "user_id"), err);
    }
    return rc;
}

static enum rc
revoke_grant(struct request *request, struct reply *reply, struct err *err)
{
    struct db *db = NULL;
    const struct grant grant = grant_of(request, request_param(request, "role_id"));
    enum rc rc = allow(request, "revoke", &grant, err);
    rc = rc ? rc : request_db(request, &db, err);
    rc = rc ? rc : db_tx(db, revoke_tx, request, err);
    return rc ? rc : feed_catch_up(identity_of(request), err);
}

// ---- all assignments

static bool
flag_of(const struct request *request, const char *name)
{
    const char *text = request_query(request, name);
    return text && strcmp(text, "0") && g_ascii_strcasecmp(text, "false");
}

// A domain's token sees the assignments in its domain; a tree is its project's domain's.
static enum rc
allow_assignments(const struct request *request, const struct assignment_query *query,
                  struct err *err)
{
    if (query->subtree) {
        return query->project_id && *query->project_id
                   ? target_allow(request, "identity:list_role_assignments_for_tree",
                                  &(struct target){.project_id = query->project_id}, err)
                   : fault(err, RC_INVALID,
                           "scope.project.id must be specified if include_subtree is also "
                           "specified");
    }
    json_auto_t *target = json_pack("{s:{s:s*}}", "target", "domain_id", query->own_domain_id);
    return request_allow(request, "identity:list_role_assignments", target, err);
}

// What would always be empty, or means nothing, is refused as Keystone refuses it.
static enum rc
check_assignments(const struct request *request, const struct assignment_query *query,
                  struct err *err)
{
    bool system = request_query(request, "scope.system"),
         inherited = request_query(request, "scope.OS-INHERIT:inherited_to");
    const struct {
        bool is_wrong;
        const char *why;
    } rules[] = {
        {query->project_id && query->domain_id, "Specify a domain or project, not both"},
        {system && query->domain_id, "Specify system or domain, not both"},
        {system && query->project_id, "Specify system or project, not both"},
        {query->user_id && query->group_id, "Specify a user or group, not both"},
        {query->effective && query->group_id,
         "Combining effective and group filter will always result in an empty list."},
        {query->effective && inherited && query->domain_id,
         "Combining effective, domain and inherited filters will always result in an empty list."},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rules); i++) {
        if (rules[i].is_wrong) {
            return fault(err, RC_INVALID, "%s", rules[i].why);
        }
    }
    return RC_OK;
}

static enum rc
list_assignments(struct request *request, struct reply *reply, struct err *err)
{
    const char *domain_id = request_auth(request)->domain_id;
    const char *inherited_to = request_query(request, "scope.OS-INHERIT:inherited_to");
    const struct assignment_query query = {
        .effective = flag_of(request, "effective"),
        .names = flag_of(request, "include_names"),
        .subtree = flag_of(request, "include_subtree"),
        .only_system = !g_strcmp0(request_query(request, "scope.system"), "all"),
        .only_inherited = !g_strcmp0(inherited_to, "projects"),
        .only_direct = inherited_to && strcmp(inherited_to, "projects"),
        .user_id = request_query(request, "user.id"),
        .group_id = request_query(request, "group.id"),
        .role_id = request_query(request, "role.id"),
        .project_id = request_query(request, "scope.project.id"),
        .domain_id = request_query(request, "scope.domain.id"),
        .own_domain_id = domain_id[0] ? domain_id : NULL,
        .base_url = request_base_url(request)};
    bool names_project = query.project_id && (query.effective || query.subtree);
    struct db *db = NULL;
    g_autofree char *items = NULL;
    enum rc rc = allow_assignments(request, &query, err);
    rc = rc ? rc : check_assignments(request, &query, err);
    rc = rc ? rc : request_db(request, &db, err);
    rc = rc || !names_project ? rc : member_db_exists(db, "project", query.project_id, err);
    rc = rc ? rc : grant_db_assignments(db, &query, &items, err);
    if (rc == RC_OK) {
        reply->text = auth_wrap(request, "role_assignments", items);
    }
    return rc;
}

static const struct grant_kind project_user = {"project", "user", false},
                               project_group = {"project", "group", false},
                               domain_user = {"domain", "user", false},
                               domain_group = {"domain", "group", false},
                               system_user = {NULL, "user", false},
                               system_group = {NULL, "group", false},
                               project_user_below = {"project", "user", true},
                               project_group_below = {"project", "group", true},
                               domain_user_below = {"domain", "user", true},
                               domain_group_below = {"domain", "group", true};

#define GRANT_ROUTES(kind, path_, end_)                                              \
    {.method = "GET",                                                                \
     .path = path_ end_,                                                             \
     .handle = list_grants,                                                          \
     .status = 200,                                                                  \
     .data = &kind,                                                                  \
     .summary = "list grants"},                                                      \
        {.method = "GET",                                                            \
         .path = path_ "/{role_id}" end_,                                            \
         .handle = check_grant,                                                      \
         .status = 204,                                                              \
         .data = &kind,                                                              \
         .summary = "check a grant"},                                                \
        {.method = "PUT",                                                            \
         .path = path_ "/{role_id}" end_,                                            \
         .handle = create_grant,                                                     \
         .flags = ROUTE_ANY_BODY,                                                    \
         .status = 204,                                                              \
         .data = &kind,                                                              \
         .summary = "grant a role"},                                                 \
    {                                                                                \
        .method = "DELETE", .path = path_ "/{role_id}" end_, .handle = revoke_grant, \
        .status = 204, .data = &kind, .summary = "revoke a grant"                    \
    }
#define BELOW "/inherited_to_projects"

const struct route grant_routes[] = {
    GRANT_ROUTES(project_user, "/v3/projects/{target_id}/users/{actor_id}/roles", ""),
    GRANT_ROUTES(project_group, "/v3/projects/{target_id}/groups/{actor_id}/roles", ""),
    GRANT_ROUTES(domain_user, "/v3/domains/{target_id}/users/{actor_id}/roles", ""),
    GRANT_ROUTES(domain_group, "/v3/domains/{target_id}/groups/{actor_id}/roles", ""),
    GRANT_ROUTES(system_user, "/v3/system/users/{actor_id}/roles", ""),
    GRANT_ROUTES(system_group, "/v3/system/groups/{actor_id}/roles", ""),
    GRANT_ROUTES(project_user_below, "/v3/OS-INHERIT/projects/{target_id}/users/{actor_id}/roles",
                 BELOW),
    GRANT_ROUTES(project_group_below, "/v3/OS-INHERIT/projects/{target_id}/groups/{actor_id}/roles",
                 BELOW),
    GRANT_ROUTES(domain_user_below, "/v3/OS-INHERIT/domains/{target_id}/users/{actor_id}/roles",
                 BELOW),
    GRANT_ROUTES(domain_group_below, "/v3/OS-INHERIT/domains/{target_id}/groups/{actor_id}/roles",
                 BELOW),
    {.method = "GET",
     .path = "/v3/role_assignments",
     .handle = list_assignments,
     .status = 200,
     .summary = "list role assignments"},
    {0},
};
