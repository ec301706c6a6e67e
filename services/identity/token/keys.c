// SPDX-License-Identifier: Apache-2.0
// The signing keys: made at the first start, renewed when old. A new key is published before it
// signs, an old one is kept until the last token that it signed has expired.
#include "common/auth/key_ring.h"
#include "common/auth/revocation.h"
#include "common/base/util.h"
#include "services/identity/token/keys_db.h"

#define KEY_LIFE_US (30 * INT64_C(86400) * 1000000)
#define PUBLISH_US (60 * INT64_C(1000000))

static enum rc
add_new(struct db *db, int64_t signs_from_us, struct err *err)
{
    g_autofree char *private_pem = NULL, *public_pem = NULL;
    char kid[HEX_ID_SIZE];
    hex_id_new(kid);
    kid[16] = 0;
    key_pair_generate(&private_pem, &public_pem);
    return keys_db_add(db, kid, private_pem, public_pem, signs_from_us, err);
}

// Under the keys' lock: one process renews, the others find it done.
static enum rc
renew_tx(struct db *db, void *argument, struct err *err)
{
    int64_t newest_us = 0, now = now_us();
    enum rc rc = keys_db_lock(db, &newest_us, err);
    if (rc == RC_OK && newest_us < now - KEY_LIFE_US) {
        rc = add_new(db, newest_us ? now + PUBLISH_US : now, err);
    }
    return rc ? rc
              : keys_db_prune(db, now - KEY_LIFE_US - (TOKEN_LIFE_MAX_S + 3600) * INT64_C(1000000),
                              err);
}

static enum rc
fill_ring(struct key_ring *ring, const db_result *rows, struct err *err)
{
    int64_t now = now_us();
    g_autoptr(GHashTable) kids = g_hash_table_new(g_str_hash, g_str_equal);
    for (int i = 0; i < db_n_rows(rows); i++) { // oldest first: the last one that may sign, signs
        const char *kid = db_text(rows, i, "kid");
        enum rc rc = key_ring_add(ring, kid, db_text(rows, i, "private_pem"),
                                  db_int(rows, i, "signs_from_us") <= now, err);
        if (rc) {
            return rc;
        }
        g_hash_table_add(kids, (void *)kid);
    }
    key_ring_retain(ring, kids);
    return RC_OK;
}

enum rc
keys_load(struct identity *identity, struct err *err)
{
    struct db *db = NULL;
    g_autoptr(db_result) rows = NULL;
    enum rc rc = db_get(identity->db, &db, err);
    rc = rc ? rc : db_tx(db, renew_tx, NULL, err);
    rc = rc ? rc : keys_db_list(db, &rows, err);
    return rc ? rc : fill_ring(identity->keys, rows, err);
}

enum rc
keys_to_jwks(struct db *db, json_t **ret_jwks, struct err *err)
{
    g_autoptr(db_result) rows = NULL;
    enum rc rc = keys_db_list(db, &rows, err);
    if (rc) {
        return rc;
    }
    json_t *keys = json_array();
    for (int i = 0; i < db_n_rows(rows); i++) {
        json_array_append_new(
            keys, jwk_from_pem(db_text(rows, i, "kid"), db_text(rows, i, "public_pem")));
    }
    *ret_jwks = json_pack("{s:o}", "keys", keys);
    return RC_OK;
}
