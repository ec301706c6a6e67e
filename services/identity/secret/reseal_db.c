// SPDX-License-Identifier: Apache-2.0
#include "services/identity/secret/reseal_db.h"

// The condition can use the index on the key's id.
#define TABLE(table_, id_, plain_)                                                                 \
    {                                                                                              \
        .name = #table_,                                                                           \
        .take = "SELECT " #id_ " AS id, " #plain_ " AS plain, sealed FROM " #table_                \
                " WHERE (left(sealed, 16) < $1 OR left(sealed, 16) > $1 OR left(sealed, 16) IS "   \
                "NULL) AND " #id_ " > $2 ORDER BY " #id_ " LIMIT 200 FOR UPDATE SKIP LOCKED",      \
        .store = "UPDATE " #table_ " r SET sealed = n.sealed, " #plain_                            \
                 " = NULL FROM json_to_recordset($1::json) n (id text, sealed text) WHERE r." #id_ \
                 " = n.id",                                                                        \
    }
#define SEALED_ONLY(table_)                                                                      \
    {                                                                                            \
        .name = #table_,                                                                         \
        .take = "SELECT id, NULL::text AS plain, sealed FROM " #table_                           \
                " WHERE left(sealed, 16) <> $1 AND id > $2 ORDER BY id LIMIT 200 FOR UPDATE "    \
                "SKIP LOCKED",                                                                   \
        .store = "UPDATE " #table_ " r SET sealed = n.sealed FROM json_to_recordset($1::json) n" \
                 " (id text, sealed text) WHERE r.id = n.id",                                    \
    }
const struct sealed_table sealed_tables[] = {
    TABLE(signing_key, kid, private_pem), TABLE(credential, id, blob),
    TABLE(consumer, id, secret),          SEALED_ONLY(oauth1_request_token),
    SEALED_ONLY(oauth1_access_token),     {0},
};

enum rc
reseal_db_keys(struct db *db, db_result **ret_rows, struct err *err)
{
    return db_run(
        db,
        "SELECT left(sealed, 16) AS id, count(*) AS n FROM (SELECT sealed FROM "
        "credential UNION ALL SELECT sealed FROM consumer UNION ALL SELECT sealed FROM "
        "signing_key UNION ALL SELECT sealed FROM oauth1_request_token UNION ALL SELECT sealed "
        "FROM oauth1_access_token) s WHERE sealed IS NOT NULL GROUP BY 1 ORDER BY 1",
        DB_NONE, ret_rows, err);
}

enum rc
reseal_db_take(struct db *db, const struct sealed_table *table, const char *key_id,
               const char *after, db_result **ret_rows, struct err *err)
{
    return db_run(db, table->take, DB_ARGS(db_s(key_id), db_s(after)), ret_rows, err);
}

enum rc
reseal_db_store(struct db *db, const struct sealed_table *table, json_t *rows, struct err *err)
{
    char *text = json_dumps(rows, JSON_COMPACT);
    enum rc rc = db_run(db, table->store, DB_ARGS(db_s(text)), NULL, err);
    free(text);
    return rc;
}
