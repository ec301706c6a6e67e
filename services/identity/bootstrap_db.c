// SPDX-License-Identifier: Apache-2.0
#include "services/identity/bootstrap_db.h"

static enum rc
find_id(struct db *db, const char *sql, const struct db_arg *args, size_t n_args,
        char ret_id[HEX_ID_SIZE], struct err *err)
{
    g_autoptr(db_result) rows = NULL;
    enum rc rc = db_run_one(db, sql, args, n_args, &rows, err);
    if (rc == RC_OK) {
        g_strlcpy(ret_id, db_text(rows, 0, "id"), HEX_ID_SIZE);
    }
    return rc;
}

enum rc
bootstrap_db_domain(struct db *db, const char *id, const char *name, struct err *err)
{
    return db_run(db,
                  "INSERT INTO tenancy (id, is_domain, name, description) VALUES ($1, true, $2, "
                  "'The default domain') ON CONFLICT DO NOTHING",
                  DB_ARGS(db_s(id), db_s(name)), NULL, err);
}

enum rc
bootstrap_db_project(struct db *db, const char *domain_id, const char *name,
                     const char *description, char ret_id[HEX_ID_SIZE], struct err *err)
{
    char id[HEX_ID_SIZE];
    hex_id_new(id);
    enum rc rc =
        db_run(db,
               "INSERT INTO tenancy (id, is_domain, domain_id, parent_id, name, description) "
               "VALUES ($1, false, $2, $2, $3, $4)"
               " ON CONFLICT DO NOTHING",
               DB_ARGS(db_s(id), db_s(domain_id), db_s(name), db_s(description)), NULL, err);
    return rc ? rc
              : find_id(db, "SELECT id FROM project WHERE domain_id = $1 AND name = $2",
                        DB_ARGS(db_s(domain_id), db_s(name)), ret_id, err);
}

enum rc
bootstrap_db_user(struct db *db, const char *domain_id, const char *name, const char *hash,
                  char ret_id[HEX_ID_SIZE], struct err *err)
{
    char id[HEX_ID_SIZE];
    hex_id_new(id);
    enum rc rc =
        !hash ? RC_OK
              : db_run(db,
                       "INSERT INTO user_account (id, domain_id, name, password_hash, "
                       "password_changed_at) VALUES ($1, $2, $3, $4, now())"
                       " ON CONFLICT DO NOTHING",
                       DB_ARGS(db_s(id), db_s(domain_id), db_s(name), db_s(hash)), NULL, err);
    return rc ? rc
              : find_id(db, "SELECT id FROM user_account WHERE domain_id = $1 AND name = $2",
                        DB_ARGS(db_s(domain_id), db_s(name)), ret_id, err);
}

enum rc
bootstrap_db_role(struct db *db, const char *name, char ret_id[HEX_ID_SIZE], struct err *err)
{
    char id[HEX_ID_SIZE];
    hex_id_new(id);
    enum rc rc = db_run(db,
                        "INSERT INTO role (id, name, options) VALUES ($1, $2, '{\"immutable\": "
                        "true}') ON CONFLICT DO NOTHING",
                        DB_ARGS(db_s(id), db_s(name)), NULL, err);
    return rc ? rc
              : find_id(db, "SELECT id FROM role WHERE domain_id IS NULL AND name = $1",
                        DB_ARGS(db_s(name)), ret_id, err);
}

enum rc
bootstrap_db_imply(struct db *db, const char *prior, const char *implied, struct err *err)
{
    return db_run(db,
                  "INSERT INTO implied_role (prior_role_id, implied_role_id) SELECT p.id, i.id "
                  "FROM role p, role i"
                  " WHERE p.domain_id IS NULL AND p.name = $1 AND i.domain_id IS NULL AND i.name = "
                  "$2 ON CONFLICT DO NOTHING",
                  DB_ARGS(db_s(prior), db_s(implied)), NULL, err);
}

enum rc
bootstrap_db_grant(struct db *db, const char *user_id, const char *project_id, const char *role,
                   struct err *err)
{
    return db_run(db,
                  "INSERT INTO assignment (user_id, target_id, role_id) SELECT $1, $2, id FROM "
                  "role WHERE domain_id IS NULL AND name = $3"
                  " ON CONFLICT DO NOTHING",
                  DB_ARGS(db_s(user_id), db_s(project_id), db_s(role)), NULL, err);
}

enum rc
bootstrap_db_service(struct db *db, const char *type, const char *name, char ret_id[HEX_ID_SIZE],
                     struct err *err)
{
    char id[HEX_ID_SIZE];
    hex_id_new(id);
    enum rc rc = db_run(db,
                        "INSERT INTO service (id, type, name, description) SELECT $1, $2, $3, ''"
                        " WHERE NOT EXISTS (SELECT 1 FROM service WHERE type = $2)",
                        DB_ARGS(db_s(id), db_s(type), db_s(name)), NULL, err);
    return rc ? rc
              : find_id(db, "SELECT id FROM service WHERE type = $1 ORDER BY id LIMIT 1",
                        DB_ARGS(db_s(type)), ret_id, err);
}

enum rc
bootstrap_db_endpoint(struct db *db, const char *service_id, const char *region,
                      const char *interface, const char *url, struct err *err)
{
    char id[HEX_ID_SIZE];
    hex_id_new(id);
    enum rc rc = db_run(db, "INSERT INTO region (id) VALUES ($1) ON CONFLICT DO NOTHING",
                        DB_ARGS(db_s(region)), NULL, err);
    rc =
        rc ? rc
           : db_run(db,
                    "UPDATE endpoint SET url = $4 WHERE service_id = $1 AND region_id = $2 AND "
                    "interface = $3 AND url <> $4",
                    DB_ARGS(db_s(service_id), db_s(region), db_s(interface), db_s(url)), NULL, err);
    return rc ? rc
              : db_run(
                    db,
                    "INSERT INTO endpoint (id, service_id, region_id, interface, url) SELECT $5, "
                    "$1, $2, $3, $4"
                    " WHERE NOT EXISTS (SELECT 1 FROM endpoint WHERE service_id = $1 AND region_id "
                    "= $2 AND interface = $3)",
                    DB_ARGS(db_s(service_id), db_s(region), db_s(interface), db_s(url), db_s(id)),
                    NULL, err);
}
