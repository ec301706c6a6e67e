// SPDX-License-Identifier: Apache-2.0
#include "services/identity/tenancy/grant_db.h"

static enum rc
no_grant(enum rc rc, const struct grant *grant, struct err *err)
{
    return rc == RC_NOT_FOUND
               ? fault(err, rc,
                       "Could not find role assignment with role: %.64s, user or group: %.64s, "
                       "project, domain, or system: %.64s.",
                       grant->role_id, grant->user_id ? grant->user_id : grant->group_id,
                       grant->target_id ? grant->target_id : "all")
               : rc;
}

// As the unique index has it.
#define SAME                                                                           \
    " coalesce(user_id, '') = coalesce($1::text, '') AND coalesce(group_id, '') = "    \
    "coalesce($2::text, '') AND coalesce(target_id, '') = coalesce($3::text, '') AND " \
    "inherited = $4::bool"
#define SAME_ARGS(grant) \
    db_s(grant->user_id), db_s(grant->group_id), db_s(grant->target_id), db_b(grant->inherited)

enum rc
grant_db_check_role(struct db *db, const struct grant *grant, struct err *err)
{
    g_autoptr(db_result) row = NULL;
    enum rc rc = db_run_one(
        db,
        "SELECT r.domain_id IS NOT NULL AND (SELECT coalesce(t.domain_id, r.domain_id) FROM "
        "tenancy t "
        "WHERE t.id = $2) IS DISTINCT FROM r.domain_id AS is_elsewhere FROM role r WHERE r.id = $1",
        DB_ARGS(db_s(grant->role_id), db_s(grant->target_id)), &row, err);
    if (rc || !db_bool(row, 0, "is_elsewhere")) {
        return rc;
    }
    return grant->target_id ? fault(err, RC_FORBIDDEN,
                                    "Role %.64s is a domain-specific role. It cannot be granted on "
                                    "%.64s, which is not in its domain.",
                                    grant->role_id, grant->target_id)
                            : fault(err, RC_INVALID,
                                    "Role %.64s is a domain-specific role. Unable to use a "
                                    "domain-specific role in a system assignment.",
                                    grant->role_id);
}

enum rc
grant_db_add(struct db *db, const struct grant *grant, struct err *err)
{
    enum rc rc = db_run(db,
                        "INSERT INTO assignment (user_id, group_id, target_id, inherited, role_id) "
                        "VALUES ($1, $2, $3, $4::bool, $5) ON CONFLICT DO NOTHING",
                        DB_ARGS(SAME_ARGS(grant), db_s(grant->role_id)), NULL, err);
    return rc == RC_INVALID // a part of it was deleted since it was looked at
               ? fault(err, RC_NOT_FOUND, "Could not find what the role assignment is about.")
               : rc;
}

enum rc
grant_db_remove(struct db *db, const struct grant *grant, struct err *err)
{
    g_autoptr(db_result) rows = NULL;
    enum rc rc = db_run(db, "DELETE FROM assignment WHERE" SAME " AND role_id = $5",
                        DB_ARGS(SAME_ARGS(grant), db_s(grant->role_id)), &rows, err);
    return no_grant(rc ? rc : db_n_affected(rows) ? RC_OK : RC_NOT_FOUND, grant, err);
}

enum rc
grant_db_check(struct db *db, const struct grant *grant, struct err *err)
{
    enum rc rc = db_run_one(db, "SELECT 1 AS one FROM assignment WHERE" SAME " AND role_id = $5",
                            DB_ARGS(SAME_ARGS(grant), db_s(grant->role_id)), NULL, err);
    return no_grant(rc, grant, err);
}

enum rc
grant_db_list(struct db *db, const struct grant *grant, const char *base_url, char **ret_text,
              struct err *err)
{
    return db_run_text(db,
                       "SELECT coalesce(json_agg(r.extra || jsonb_build_object('id', r.id, 'name', "
                       "r.name, 'domain_id', r.domain_id,"
                       " 'description', r.description, 'options', r.options, 'links', "
                       "json_build_object('self', $5 || '/v3/roles/' || r.id))"
                       " ORDER BY r.name, r.id), '[]')::text AS value FROM role r WHERE r.id IN "
                       "(SELECT role_id FROM assignment WHERE" SAME ")",
                       DB_ARGS(SAME_ARGS(grant), db_s(base_url)), ret_text, err);
}

// $1 effective, $2 names, $3 user, $4 group, $5 role, $6 project, $7 domain, $8 system, $9
// inherited, $10 base URL, $11 subtree, $12 the domain whose assignments alone are shown.
// Gives types to parameters that are not used otherwise; folds to true.
#define NO_FILTER                                                                                \
    "($1::bool IS NULL OR $3::text IS NULL OR $4::text IS NULL OR $5::text IS NULL OR $8::bool " \
    "IS NULL OR $9::bool IS NULL OR $11::bool IS NULL OR $12::text IS NULL OR true)"
// The list of the chosen ones; role, target, group, user: how each is shown; joins: what that
// takes. An inherited one was assigned on the target's domain or on a project above. Keystone's
// link to the prior role has the two in this order.
#define SHOWN(role, target, group, user, joins)                                                  \
    ") SELECT coalesce(json_agg(jsonb_build_object('role', " role                                \
    ", 'scope', CASE WHEN a.target_id IS NULL THEN jsonb_build_object('system', "                \
    "jsonb_build_object('all', true)) ELSE jsonb_build_object(CASE WHEN t.is_domain THEN "       \
    "'domain' ELSE 'project' END, " target " ) END || CASE WHEN a.inherited THEN "               \
    "jsonb_build_object('OS-INHERIT:inherited_to', 'projects') ELSE '{}' END,"                   \
    "'links', jsonb_build_object('assignment', $10::text || CASE WHEN a.inherited THEN "         \
    "'/v3/OS-INHERIT' ELSE '/v3' END || CASE WHEN a.target_id IS NULL THEN '/system' WHEN "      \
    "t.is_domain OR a.place_id = t.domain_id THEN '/domains/' || a.place_id ELSE '/projects/' "  \
    "|| a.place_id END || coalesce('/groups/' || coalesce(a.via_id, a.group_id), '/users/' || "  \
    "a.user_id) || '/roles/' || coalesce(a.prior_id, a.role_id) || CASE WHEN a.inherited THEN "  \
    "'/inherited_to_projects' ELSE '' END) || CASE WHEN a.via_id IS NULL THEN '{}' ELSE "        \
    "jsonb_build_object('membership', $10::text || '/v3/groups/' || a.via_id || '/users/' || "   \
    "a.user_id) END || CASE WHEN a.prior_id IS NULL THEN '{}' ELSE "                             \
    "jsonb_build_object('prior_role', $10::text || '/v3/prior_role/' || a.role_id || "           \
    "'/implies/' || a.prior_id) END) || CASE WHEN a.user_id IS NULL THEN "                       \
    "jsonb_build_object('group', " group ") ELSE jsonb_build_object('user', " user               \
    ") END ORDER BY a.user_id, a.group_id, a.target_id, a.role_id, a.inherited, a.via_id, "      \
    "a.place_id, a.prior_id), '[]')::text AS value FROM chosen a LEFT JOIN tenancy t ON t.id = " \
    "a.target_id" joins                                                                          \
    " WHERE ($2::bool IS NULL OR $6::text IS NULL OR NOT t.is_domain) AND ($7::text IS NULL OR " \
    "t.is_domain)"
#define NAMED(thing, domain)                                \
    "jsonb_build_object('id', " thing ".id, 'name', " thing \
    ".name, 'domain', jsonb_build_object('id', " domain ".id, 'name', " domain ".name))"
// chosen: whose (user_id, group_id), where (target_id), what (role_id); and where it comes from:
// via_id the group that the user is in, place_id what was assigned on, prior_id the role that
// implies it. What is not asked for is not in the statement, so that each kind of question keeps a
// plan of its own.
static const char
    assigned_sql[] = "WITH chosen AS (SELECT a.user_id, a.group_id, NULL::text AS via_id, "
                     "a.target_id, a.target_id AS place_id, a.role_id, NULL::text AS prior_id, "
                     "a.inherited FROM assignment a WHERE " NO_FILTER,
    effective_sql[] =
        "WITH chosen AS (SELECT DISTINCT a.user_id, NULL::text AS group_id, a.group_id AS via_id, "
        "a.target_id, a.source_id AS place_id, c.role_id, c.prior_id, a.inherited FROM "
        "effective_assignment a JOIN (SELECT id AS held_id, id AS role_id, NULL::text AS prior_id "
        "FROM role UNION ALL SELECT h.prior_role_id, i.implied_role_id, i.prior_role_id FROM "
        "role_closed h JOIN implied_role i ON i.prior_role_id = h.role_id) c ON c.held_id = "
        "a.role_id JOIN role r ON r.id = c.role_id AND r.domain_id IS NULL WHERE " NO_FILTER,
    brief_sql[] =
        SHOWN("jsonb_build_object('id', a.role_id)", "jsonb_build_object('id', a.target_id)",
              "jsonb_build_object('id', a.group_id)", "jsonb_build_object('id', a.user_id)", ""),
    named_sql[] = SHOWN(
        "jsonb_build_object('id', r.id, 'name', r.name) || CASE WHEN r.domain_id IS NULL THEN '{}' "
        "ELSE jsonb_build_object('domain', jsonb_build_object('id', rd.id, 'name', rd.name)) END",
        "jsonb_build_object('id', t.id, 'name', t.name) || CASE WHEN t.is_domain THEN '{}' ELSE "
        "jsonb_build_object('domain', jsonb_build_object('id', td.id, 'name', td.name)) END",
        NAMED("g", "gd"), NAMED("u", "ud"),
        " JOIN role r ON r.id = a.role_id LEFT JOIN tenancy rd ON rd.id = r.domain_id"
        " LEFT JOIN tenancy td ON td.id = t.domain_id"
        " LEFT JOIN user_account u ON u.id = a.user_id LEFT JOIN tenancy ud ON ud.id = u.domain_id"
        " LEFT JOIN user_group g ON g.id = a.group_id LEFT JOIN tenancy gd ON gd.id = g.domain_id");

static void
add_filters(GString *sql, const struct assignment_query *query)
{
    const struct {
        bool wanted;
        const char *condition;
    } filters[] = {
        {query->user_id, "a.user_id = $3"},
        {query->group_id, "a.group_id = $4"},
        {query->role_id && query->effective, "c.role_id = $5"},
        {query->role_id && !query->effective, "a.role_id = $5"},
        {query->project_id && !query->subtree, "a.target_id = $6"},
        {query->project_id && query->subtree,
         "a.target_id IN (SELECT $6::text UNION ALL SELECT id FROM tenancy WHERE ancestors @> "
         "ARRAY[$6::text])"},
        {query->domain_id, "a.target_id = $7"},
        {query->own_domain_id, "a.target_id IN (SELECT id FROM tenancy WHERE domain_id = $12 UNION "
                               "ALL SELECT $12)"},
        {query->only_system, "a.target_id IS NULL"},
        {query->effective && !query->only_system, "a.target_id IS NOT NULL"},
        {query->only_inherited, "a.inherited"},
        {query->only_direct, "NOT a.inherited"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(filters); i++) {
        if (filters[i].wanted) {
            g_string_append_printf(sql, " AND %s", filters[i].condition);
        }
    }
}

enum rc
grant_db_assignments(struct db *db, const struct assignment_query *query, char **ret_text,
                     struct err *err)
{
    g_autoptr(GString) sql = g_string_new(query->effective ? effective_sql : assigned_sql);
    add_filters(sql, query);
    g_string_append(sql, query->names ? named_sql : brief_sql);
    return db_run_text(db, sql->str,
                       DB_ARGS(db_b(query->effective), db_b(query->names), db_s(query->user_id),
                               db_s(query->group_id), db_s(query->role_id), db_s(query->project_id),
                               db_s(query->domain_id), db_b(query->only_system),
                               db_b(query->only_inherited), db_s(query->base_url),
                               db_b(query->subtree), db_s(query->own_domain_id)),
                       ret_text, err);
}
