// SPDX-License-Identifier: Apache-2.0
#include "services/identity/secret/reseal.h"
#include "common/log/log.h"
#include "services/identity/secret/key_directory.h"
#include "services/identity/secret/reseal_db.h"
#include <stdio.h>
#include <string.h>

static const char *
directory_of(const struct service *service)
{
    return conf_text(service_conf(service), "secret", "key_directory");
}

enum rc
reseal_check(struct identity *identity, struct err *err)
{
    const char *directory = directory_of(identity->service);
    struct db *db = NULL;
    g_autoptr(db_result) rows = NULL;
    enum rc rc = key_directory_read(directory, identity->secrets, err);
    rc = rc ? rc : db_get(identity->db, &db, err);
    rc = rc ? rc : reseal_db_keys(db, &rows, err);
    for (int i = 0; rc == RC_OK && i < db_n_rows(rows); i++) {
        if (!secret_ring_has(identity->secrets, db_text(rows, i, "id"))) {
            rc = fault(err, RC_INVALID,
                       "%d stored secrets are sealed by key %s, which is not in [secret] "
                       "key_directory '%s': put its file back, or copy the directory from another "
                       "host",
                       (int)db_int(rows, i, "n"), db_text(rows, i, "id"), directory);
        }
    }
    return rc;
}

// ---- one batch

struct batch {
    struct secret_ring *ring;
    const struct sealed_table *table;
    char key_id[SECRET_ID_SIZE];
    char *after, *next; // id of the last row of the batch before, and of this one
    int n, n_bad;       // rows of this batch; of them, not opened
};

// A row that does not open stays as it is: whoever asks for it gets an error, and all others go on.
static enum rc
seal_row(struct batch *batch, const db_result *rows, int i, json_t *sealed_rows, struct err *err)
{
    const char *table = batch->table->name, *id = db_text(rows, i, "id");
    char *text = NULL;
    g_autofree char *sealed = NULL;
    enum rc rc = secret_read(batch->ring, table, id, db_text(rows, i, "sealed"),
                             db_text(rows, i, "plain"), &text, err);
    if (rc) {
        static struct log_limit limit;
        if (log_limit_allows(&limit, 1)) {
            log_error("a stored secret cannot be sealed again", kv("reason", err->message));
        }
        batch->n_bad++;
        return RC_OK;
    }
    rc = secret_seal(batch->ring, table, id, text, &sealed, err);
    secret_text_free(text);
    if (rc == RC_OK) {
        json_array_append_new(sealed_rows, json_pack("{s:s, s:s}", "id", id, "sealed", sealed));
    }
    return rc;
}

static enum rc
batch_tx(struct db *db, void *argument, struct err *err)
{
    struct batch *batch = argument;
    g_autoptr(db_result) rows = NULL;
    json_auto_t *sealed_rows = json_array();
    batch->n_bad = 0;
    enum rc rc = reseal_db_take(db, batch->table, batch->key_id, batch->after, &rows, err);
    for (int i = 0; rc == RC_OK && i < db_n_rows(rows); i++) {
        rc = seal_row(batch, rows, i, sealed_rows, err);
    }
    batch->n = rc == RC_OK ? db_n_rows(rows) : 0;
    if (batch->n > batch->n_bad) {
        rc = reseal_db_store(db, batch->table, sealed_rows, err);
    }
    if (batch->n) {
        g_free(batch->next);
        batch->next = g_strdup(db_text(rows, batch->n - 1, "id"));
    }
    return rc;
}

enum rc
reseal_all(struct identity *identity, struct err *err)
{
    struct db *db = NULL;
    enum rc rc = db_get(identity->db, &db, err);
    int n = 0;
    for (const struct sealed_table *table = sealed_tables; rc == RC_OK && table->name; table++) {
        struct batch batch = {.ring = identity->secrets, .table = table, .after = g_strdup("")};
        do {
            secret_ring_primary(identity->secrets, batch.key_id);
            rc = db_tx(db, batch_tx, &batch, err);
            n += rc == RC_OK ? batch.n - batch.n_bad : 0;
            g_free(batch.after);
            batch.after = g_steal_pointer(&batch.next);
        } while (rc == RC_OK && batch.n && !service_is_stopping(identity->service));
        g_free(batch.after);
    }
    if (n) {
        log_info("sealed stored secrets with the primary key", kv_int("rows", n));
    }
    return rc;
}

enum rc
reseal_refresh(struct identity *identity, struct err *err)
{
    enum rc rc = key_directory_read(directory_of(identity->service), identity->secrets, err);
    return rc ? rc : reseal_all(identity, err);
}

// ---- commands

enum rc
command_make_secret_keys(struct service *service, struct err *err)
{
    struct db *db = NULL;
    g_autoptr(db_result) rows = NULL;
    enum rc rc = db_get(service_db(service), &db, err);
    rc = rc ? rc : reseal_db_keys(db, &rows, err);
    if (rc == RC_OK && db_n_rows(rows)) {
        rc = fault(err, RC_CONFLICT,
                   "this cloud has keys already (one is %s): copy the directory from where they "
                   "are",
                   db_text(rows, 0, "id"));
    }
    return rc ? rc : key_directory_make(directory_of(service), err);
}

enum rc
command_rotate_secret_keys(struct service *service, struct err *err)
{
    enum rc rc = key_directory_rotate(directory_of(service), err);
    return rc ? rc : key_directory_print(directory_of(service), err);
}

enum rc
command_show_secret_keys(struct service *service, struct err *err)
{
    struct db *db = NULL;
    g_autoptr(db_result) rows = NULL;
    enum rc rc = key_directory_print(directory_of(service), err);
    rc = rc ? rc : db_get(service_db(service), &db, err);
    rc = rc ? rc : reseal_db_keys(db, &rows, err);
    for (int i = 0; rc == RC_OK && i < db_n_rows(rows); i++) {
        printf("%s\t%d rows\n", db_text(rows, i, "id"), (int)db_int(rows, i, "n"));
    }
    return rc;
}
