// SPDX-License-Identifier: Apache-2.0
// The signing keys: made at the first start, replaced when old or on demand. A new key is published
// before it signs, an old one is kept until the last token that it signed has expired.
#include "common/auth/key_ring.h"
#include "common/auth/revocation.h"
#include "common/base/util.h"
#include "common/log/log.h"
#include "services/identity/secret/key_directory.h"
#include "services/identity/token/keys_db.h"
#include <stdio.h>
#include <string.h>

#define SECOND_US INT64_C(1000000)

struct renewal {
    struct secret_ring *secrets;
    int64_t life_us, notice_us;
    bool is_demanded;
    bool
        replaces_all; // the new key signs at once, and nothing that another signed is good any more
    char kid[HEX_ID_SIZE]; // of the new key
};

static enum rc
add_new(struct db *db, struct renewal *renewal, int64_t signs_from_us, struct err *err)
{
    char *private_pem = NULL;
    g_autofree char *public_pem = NULL, *sealed = NULL;
    hex_id_new(renewal->kid);
    renewal->kid[16] = 0;
    key_pair_generate(&private_pem, &public_pem);
    enum rc rc =
        secret_seal(renewal->secrets, "signing_key", renewal->kid, private_pem, &sealed, err);
    secret_text_free(private_pem);
    return rc ? rc : keys_db_add(db, renewal->kid, sealed, public_pem, signs_from_us, err);
}

// Under the keys' lock: one process renews, the others find it done.
static enum rc
renew_tx(struct db *db, void *argument, struct err *err)
{
    struct renewal *renewal = argument;
    int64_t newest_us = 0, now = now_us();
    enum rc rc = keys_db_lock(db, &newest_us, err);
    if (rc == RC_OK && renewal->replaces_all) {
        rc = keys_db_remove_all(db, err);
        return rc ? rc : add_new(db, renewal, now, err);
    }
    if (rc == RC_OK && renewal->is_demanded && newest_us > now) {
        return fault(err, RC_CONFLICT, "a new key is published already and will sign in %d s",
                     (int)((newest_us - now) / SECOND_US) + 1);
    }
    bool is_old = renewal->life_us && newest_us < now - renewal->life_us;
    if (rc == RC_OK && (!newest_us || is_old || renewal->is_demanded)) {
        rc = add_new(db, renewal, newest_us ? now + renewal->notice_us : now, err);
    }
    return rc ? rc : keys_db_prune(db, now - (TOKEN_LIFE_MAX_S + 3600) * SECOND_US, err);
}

enum rc
keys_renew(struct identity *identity, struct err *err)
{
    struct renewal renewal = {identity->secrets, identity->key_life_us, identity->key_notice_us,
                              .is_demanded = false};
    struct db *db = NULL;
    enum rc rc = db_get(identity->db, &db, err);
    return rc ? rc : db_tx(db, renew_tx, &renewal, err);
}

static enum rc
renew_by_command(struct service *service, struct renewal *renewal, struct err *err)
{
    struct db *db = NULL;
    renewal->secrets = secret_ring_new();
    enum rc rc = key_directory_read(conf_text(service_conf(service), "secret", "key_directory"),
                                    renewal->secrets, err);
    rc = rc ? rc : db_get(service_db(service), &db, err);
    rc = rc ? rc : db_tx(db, renew_tx, renewal, err);
    secret_ring_free(renewal->secrets);
    return rc;
}

enum rc
command_rotate_signing_key(struct service *service, struct err *err)
{
    struct renewal renewal = {.notice_us = conf_int(service_conf(service), "token", "key_notice") *
                                           SECOND_US,
                              .is_demanded = true};
    enum rc rc = renew_by_command(service, &renewal, err);
    if (rc == RC_OK) {
        printf("key %s signs in %d s\n", renewal.kid, (int)(renewal.notice_us / SECOND_US));
    }
    return rc;
}

enum rc
command_replace_signing_keys(struct service *service, struct err *err)
{
    struct renewal renewal = {.replaces_all = true};
    enum rc rc = renew_by_command(service, &renewal, err);
    if (rc == RC_OK) {
        printf("key %s signs alone: everybody has to log in again\n", renewal.kid);
    }
    return rc;
}

// ---- what this process signs and verifies with

static char *
state_of(const db_result *rows)
{
    GString *state = g_string_new(NULL);
    int64_t now = now_us();
    for (int i = 0; i < db_n_rows(rows); i++) {
        g_string_append_printf(state, "%s%c", db_text(rows, i, "kid"),
                               db_int(rows, i, "signs_from_us") <= now ? '+' : '-');
    }
    return g_string_free(state, FALSE);
}

// One that does not open still verifies what it signed.
static enum rc
add_key(const struct identity *identity, const db_result *rows, int i, struct err *err)
{
    const char *kid = db_text(rows, i, "kid");
    char *pem = NULL;
    enum rc rc = secret_read(identity->secrets, "signing_key", kid, db_text(rows, i, "sealed"),
                             db_text(rows, i, "private_pem"), &pem, err);
    if (rc) {
        log_error("a signing key cannot be opened", kv("kid", kid), kv("reason", err->message));
        return key_ring_add(identity->keys, kid, db_text(rows, i, "public_pem"), false, err);
    }
    rc = key_ring_add(identity->keys, kid, pem, db_int(rows, i, "signs_from_us") <= now_us(), err);
    secret_text_free(pem);
    return rc;
}

static enum rc
fill_ring(const struct identity *identity, const db_result *rows, struct err *err)
{
    g_autoptr(GHashTable) kids = g_hash_table_new(g_str_hash, g_str_equal);
    for (int i = 0; i < db_n_rows(rows); i++) { // oldest first: the last one that may sign, signs
        enum rc rc = add_key(identity, rows, i, err);
        if (rc) {
            return rc;
        }
        g_hash_table_add(kids, (void *)db_text(rows, i, "kid"));
    }
    key_ring_retain(identity->keys, kids);
    return RC_OK;
}

enum rc
keys_follow(struct identity *identity, struct err *err)
{
    struct db *db = NULL;
    g_autoptr(db_result) rows = NULL;
    enum rc rc = db_get(identity->db, &db, err);
    rc = rc ? rc : keys_db_list(db, &rows, err);
    if (rc) {
        return rc;
    }
    char *state = state_of(rows);
    if (g_strcmp0(state, identity->keys_state)) {
        rc = fill_ring(identity, rows, err);
    }
    if (rc == RC_OK) {
        g_free(identity->keys_state);
        identity->keys_state = g_steal_pointer(&state);
    }
    g_free(state);
    return rc;
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
