// SPDX-License-Identifier: Apache-2.0
#include "services/identity/federation/sign_in_db.h"

enum rc
sign_in_db_load(struct db *db, const struct login *login, int64_t default_ttl, db_result **ret_row,
                struct err *err)
{
    return db_run_one(
        db,
        "SELECT p.enabled, d.enabled AS domain_enabled, p.domain_id, p.remote_ids, "
        "coalesce(p.authorization_ttl, $3::bigint) AS ttl, f.remote_id_attribute, "
        "m.rules, m.schema_version FROM federation_protocol f JOIN "
        "identity_provider p ON p.id = f.provider_id JOIN tenancy d ON d.id = "
        "p.domain_id JOIN federation_mapping m ON m.id = f.mapping_id WHERE "
        "f.provider_id = $1 AND f.id = $2",
        DB_ARGS(db_s(login->provider_id), db_s(login->protocol_id), db_i(default_ttl)), ret_row,
        err);
}

static enum rc
find_groups(struct db *db, const struct shadow *shadow, json_t **ret_ids, struct err *err)
{
    g_autoptr(db_result) row = NULL;
    g_autofree char *named = json_dumps(shadow->groups, JSON_COMPACT);
    enum rc rc = db_run_one(db,
                            "SELECT to_json(ids) AS ids, n_missing FROM "
                            "federated_groups($1::jsonb)",
                            DB_ARGS(db_s(named)), &row, err);
    if (rc) {
        return rc;
    }
    json_auto_t *ids = db_json(row, 0, "ids");
    if (db_int(row, 0, "n_missing")) {
        return fault(err, RC_UNAUTHORIZED, "the mapping names a group by an id that is none");
    }
    if (json_array_size(ids) > SHADOW_GROUPS_MAX) {
        return fault(err, RC_UNAUTHORIZED, "the mapping gives more than %d groups",
                     SHADOW_GROUPS_MAX);
    }
    *ret_ids = json_incref(ids);
    return RC_OK;
}

static enum rc
make_user(struct db *db, const struct shadow *shadow, char **ret_id, struct err *err)
{
    enum rc rc = db_run_text(
        db,
        "SELECT federated_user_here($1, $2, $3, $4, d.id, $7, $8) AS id FROM tenancy d "
        "WHERE d.is_domain AND d.id = coalesce($5, domain_named($6))",
        DB_ARGS(db_s(shadow->provider_id), db_s(shadow->protocol_id), db_s(shadow->unique_id),
                db_s(shadow->derived_id), db_s(shadow->domain_id), db_s(shadow->domain_name),
                db_s(shadow->name), db_s(shadow->email)),
        ret_id, err);
    return rc == RC_NOT_FOUND
               ? fault(err, RC_UNAUTHORIZED, "the mapping names a domain that is not there")
               : rc;
}

static enum rc
join_groups(struct db *db, const struct shadow *shadow, const char *user_id, const char *ids,
            struct err *err)
{
    enum rc rc = db_run(
        db,
        "INSERT INTO federated_membership AS m (user_id, group_id, tokens_until, member_until) "
        "SELECT $1, g, now() + $3::bigint * interval '1 second', CASE WHEN $4::bigint > 0 THEN "
        "now() + $4::bigint * interval '1 minute' END FROM jsonb_array_elements_text($2::jsonb) g "
        "ON CONFLICT (user_id, group_id) DO UPDATE SET tokens_until = greatest(m.tokens_until, "
        "EXCLUDED.tokens_until), member_until = coalesce(EXCLUDED.member_until, m.member_until)",
        DB_ARGS(db_s(user_id), db_s(ids), db_i(shadow->token_s), db_i(shadow->ttl_min)), NULL, err);
    return rc || !shadow->ttl_min
               ? rc
               : db_run(db,
                        "INSERT INTO group_member (group_id, user_id, provider_id) SELECT g, $1, "
                        "$3 FROM jsonb_array_elements_text($2::jsonb) g ON CONFLICT DO NOTHING",
                        DB_ARGS(db_s(user_id), db_s(ids), db_s(shadow->provider_id)), NULL, err);
}

static enum rc
make_projects(struct db *db, const struct shadow *shadow, const char *user_id, struct err *err)
{
    g_autoptr(db_result) row = NULL;
    g_autofree char *given = json_dumps(shadow->projects, JSON_COMPACT);
    enum rc rc = db_run_one(db, "SELECT federated_projects($1, $2, $3::jsonb) AS missing",
                            DB_ARGS(db_s(user_id), db_s(shadow->home_id), db_s(given)), &row, err);
    return rc == RC_OK && db_text(row, 0, "missing")
               ? fault(err, RC_UNAUTHORIZED, "the mapping names a role that is not there")
               : rc;
}

enum rc
sign_in_db_shadow(struct db *db, const struct shadow *shadow, char **ret_user_id,
                  json_t **ret_group_ids, struct err *err)
{
    json_auto_t *ids = NULL;
    g_autofree char *user_id = NULL, *text = NULL;
    enum rc rc = find_groups(db, shadow, &ids, err);
    rc = rc ? rc : make_user(db, shadow, &user_id, err);
    text = json_dumps(ids, JSON_COMPACT);
    if (rc == RC_OK && json_array_size(ids)) {
        rc = join_groups(db, shadow, user_id, text, err);
    }
    if (rc == RC_OK && json_array_size(shadow->projects)) {
        rc = make_projects(db, shadow, user_id, err);
    }
    if (rc == RC_OK) {
        *ret_user_id = g_steal_pointer(&user_id);
        *ret_group_ids = json_incref(ids);
    }
    return rc;
}

enum rc
sign_in_db_set_user(struct db *db, const struct known_by *known, json_t **ret_wrong,
                    struct err *err)
{
    g_autofree char *text = json_dumps(known->federated, JSON_COMPACT);
    return db_run_json(db, "SELECT federated_user_set($1, $2::jsonb, $3::bool) AS wrong",
                       DB_ARGS(db_s(known->user_id), db_s(text), db_b(known->anywhere)), ret_wrong,
                       err);
}

enum rc
sign_in_db_expire(struct db *db, int64_t max, struct err *err)
{
    enum rc rc = db_run(
        db,
        "WITH over AS (SELECT user_id, group_id FROM federated_membership WHERE member_until <= "
        "now() ORDER BY member_until LIMIT $1::bigint FOR UPDATE SKIP LOCKED), gone AS (DELETE "
        "FROM group_member m USING over o WHERE m.user_id = o.user_id AND m.group_id = o.group_id "
        "AND m.provider_id IS NOT NULL) UPDATE federated_membership f SET member_until = NULL FROM "
        "over o WHERE f.user_id = o.user_id AND f.group_id = o.group_id",
        DB_ARGS(db_i(max)), NULL, err);
    return rc ? rc
              : db_run(db,
                       "DELETE FROM federated_membership WHERE (user_id, group_id) IN (SELECT "
                       "user_id, group_id FROM federated_membership WHERE tokens_until <= now() "
                       "AND member_until IS NULL LIMIT $1::bigint)",
                       DB_ARGS(db_i(max)), NULL, err);
}

enum rc
sign_in_db_provider(struct db *db, const char *protocol_id, json_t *assertion,
                    const char *attribute, char **ret_provider_id, struct err *err)
{
    g_autofree char *text = json_dumps(assertion, JSON_COMPACT);
    return db_run_text(
        db,
        "SELECT f.provider_id FROM federation_protocol f JOIN identity_provider_remote r ON "
        "r.provider_id = f.provider_id WHERE f.id = $1 AND r.remote_id = $2::jsonb -> "
        "coalesce(nullif(f.remote_id_attribute, ''), $3) ->> 0 ORDER BY f.provider_id LIMIT 1",
        DB_ARGS(db_s(protocol_id), db_s(text), db_s(attribute)), ret_provider_id, err);
}

// ---- roles by the groups of a token: $1 the user, $2 the groups

#define GROUPS "($2::text[] || ARRAY(SELECT m.group_id FROM group_member m WHERE m.user_id = $1))"
#define ROLES(held)                                                                                \
    "(SELECT coalesce(json_agg(json_build_array(r.id, r.name) ORDER BY r.name), '[]') FROM role r" \
    " WHERE r.domain_id IS NULL AND r.id = ANY (ARRAY(SELECT c.role_id FROM role_closure c"        \
    " WHERE c.prior_role_id = ANY (ARRAY(SELECT a.role_id FROM assignment a WHERE a.user_id = $1"  \
    " AND " held ") || ARRAY(SELECT a.role_id FROM assignment a WHERE a.group_id = ANY "           \
    "(" GROUPS ") AND " held "))))) AS roles"
#define NAMED(domain)                                                     \
    "($3::text IS NOT NULL AND t.id = $3 OR $3::text IS NULL AND t.name " \
    "= $4 AND " domain ")"

// {a,b} of ids, which have nothing to escape; the caller frees.
static char *
array_of(const char *const *ids)
{
    g_autofree char *joined = g_strjoinv(",", (char **)ids);
    return g_strdup_printf("{%s}", joined);
}

enum rc
sign_in_db_scope(struct db *db, const char *user_id, const char *const *group_ids,
                 enum scope_kind scope, const struct named *target, db_result **ret_row,
                 struct err *err)
{
    static const char project[] =
        "SELECT t.id, t.name, t.enabled, t.domain_id, d.name AS domain_name, d.enabled AS "
        "domain_enabled, " ROLES(
            "a.target_id = ANY (t.ancestors || t.id) AND a.inherited = (a.target_id <> "
            "t.id)") " FROM tenancy t JOIN tenancy d ON d.id = t.domain_id WHERE NOT t.is_domain "
                     "AND " NAMED("t.domain_id = coalesce($5, domain_named($6))");
    static const char domain[] = "SELECT t.id, t.name, t.enabled, " ROLES(
        "a.target_id = t.id AND NOT a.inherited") " FROM tenancy t WHERE t.is_domain AND "
                                                  "($3::text IS NOT NULL AND t.id = $3 OR "
                                                  "$3::text IS NULL AND t.id = "
                                                  "domain_named($4))";
    static const char whole[] = "SELECT " ROLES("a.target_id IS NULL");
    g_autofree char *groups = array_of(group_ids);
    const struct db_arg args[] = {db_s(user_id),           db_s(groups),
                                  db_s(target->id),        db_s(target->name),
                                  db_s(target->domain_id), db_s(target->domain_name)};
    return scope == SCOPE_PROJECT  ? db_run_one(db, project, args, 6, ret_row, err)
           : scope == SCOPE_DOMAIN ? db_run_one(db, domain, args, 4, ret_row, err)
                                   : db_run_one(db, whole, args, 2, ret_row, err);
}

enum rc
sign_in_db_reach(struct db *db, const struct auth_context *auth, bool is_domain,
                 const char *base_url, char **ret_text, struct err *err)
{
    static const char sql[] =
        "SELECT coalesce(json_agg(t.extra || CASE WHEN t.is_domain THEN '{}'::jsonb ELSE "
        "jsonb_build_object('domain_id', t.domain_id, 'parent_id', t.parent_id, 'is_domain', "
        "false) END || jsonb_build_object('id', t.id, 'name', t.name, 'description', "
        "t.description, 'enabled', t.enabled, 'tags', t.tags, 'options', t.options, 'links', "
        "json_build_object('self', $4 || CASE WHEN t.is_domain THEN '/v3/domains/' ELSE "
        "'/v3/projects/' END || t.id)) ORDER BY t.name, t.id), '[]')::text AS items FROM tenancy t "
        "LEFT JOIN tenancy d ON d.id = t.domain_id WHERE t.is_domain = $3::bool AND t.enabled AND "
        "coalesce(d.enabled, true) AND t.id IN (SELECT e.target_id FROM effective_assignment e "
        "WHERE e.user_id = $1 UNION SELECT a.target_id FROM assignment a WHERE a.group_id = ANY "
        "($2::text[]) AND NOT a.inherited UNION SELECT p.id FROM assignment a JOIN tenancy p ON "
        "p.ancestors @> ARRAY[a.target_id] AND NOT p.is_domain WHERE a.group_id = ANY "
        "($2::text[]) AND a.inherited)";
    g_autofree char *groups = array_of(auth->group_ids);
    return db_run_text(db, sql,
                       DB_ARGS(db_s(auth->user_id), db_s(groups), db_b(is_domain), db_s(base_url)),
                       ret_text, err);
}
