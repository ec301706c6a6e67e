// SPDX-License-Identifier: Apache-2.0
// Secrets as they are stored: AES-256-GCM by OpenSSL. A sealed text is the key's id (16 hexadecimal
// digits), a point, and base64url of nonce, ciphertext and tag. Table and row id are associated
// data: a sealed text copied to another row does not open. Thread-safe.
#pragma once
#include "common/base/err.h"
#include <stddef.h>
#include <stdint.h>

#define SECRET_KEY_SIZE 32
#define SECRET_ID_SIZE 17 // with the terminator
#define SECRET_KEYS_MAX 64

struct secret_key {
    int64_t number; // the file's name. 0: staged, opens only; the highest: primary, seals
    unsigned char bytes[SECRET_KEY_SIZE];
    char id[SECRET_ID_SIZE]; // of the bytes
};
// Computes key->id from key->bytes.
void secret_key_name(struct secret_key *key);

struct secret_ring;
struct secret_ring *secret_ring_new(void);
void secret_ring_free(struct secret_ring *ring); // wipes the keys; NULL is fine
// Replaces all keys. RC_INVALID: no key but perhaps a staged one, or too many.
enum rc secret_ring_set(struct secret_ring *ring, const struct secret_key *keys, size_t n_keys,
                        struct err *err) CHECKED;
bool secret_ring_has(struct secret_ring *ring, const char *id);
void secret_ring_primary(struct secret_ring *ring, char ret_id[SECRET_ID_SIZE]);

// The caller frees.
enum rc secret_seal(struct secret_ring *ring, const char *table, const char *row_id,
                    const char *text, char **ret_sealed, struct err *err) CHECKED;
// RC_INTERNAL: its key is not there, or the text was changed or belongs to another row.
enum rc secret_unseal(struct secret_ring *ring, const char *table, const char *row_id,
                      const char *sealed, char **ret_text, struct err *err) CHECKED;
// The same for a row that may not be sealed yet: sealed NULL gives a copy of plain.
enum rc secret_read(struct secret_ring *ring, const char *table, const char *row_id,
                    const char *sealed, const char *plain, char **ret_text,
                    struct err *err) CHECKED;
// Wipes and frees.
void secret_text_free(char *text);
