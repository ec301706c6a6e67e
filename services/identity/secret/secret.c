// SPDX-License-Identifier: Apache-2.0
#include "services/identity/secret/secret.h"
#include "common/base/util.h"
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <string.h>

#define NONCE_SIZE 12
#define TAG_SIZE 16

struct secret_ring {
    pthread_rwlock_t lock; // guards all below
    struct secret_key keys[SECRET_KEYS_MAX];
    size_t n_keys;
    size_t primary; // index; meaningless while n_keys is 0
};

void
secret_key_name(struct secret_key *key)
{
    static const char label[] = "haneul secret key\n";
    unsigned char named[sizeof label - 1 + SECRET_KEY_SIZE];
    memcpy(named, label, sizeof label - 1);
    memcpy(named + sizeof label - 1, key->bytes, SECRET_KEY_SIZE);
    g_autofree char *digest = sha256_hex(named, sizeof named);
    OPENSSL_cleanse(named, sizeof named);
    g_strlcpy(key->id, digest, sizeof key->id);
}

struct secret_ring *
secret_ring_new(void)
{
    struct secret_ring *ring = g_new0(struct secret_ring, 1);
    pthread_rwlock_init(&ring->lock, NULL);
    return ring;
}

void
secret_ring_free(struct secret_ring *ring)
{
    if (!ring) {
        return;
    }
    pthread_rwlock_destroy(&ring->lock);
    OPENSSL_cleanse(ring->keys, sizeof ring->keys);
    g_free(ring);
}

enum rc
secret_ring_set(struct secret_ring *ring, const struct secret_key *keys, size_t n_keys,
                struct err *err)
{
    size_t primary = 0;
    for (size_t i = 1; i < n_keys; i++) {
        primary = keys[i].number > keys[primary].number ? i : primary;
    }
    if (n_keys == 0 || n_keys > SECRET_KEYS_MAX || keys[primary].number == 0) {
        return fault(err, RC_INVALID,
                     "there must be 1 to %d keys beside the staged one, and there are %zu",
                     SECRET_KEYS_MAX, n_keys);
    }
    pthread_rwlock_wrlock(&ring->lock);
    OPENSSL_cleanse(ring->keys, sizeof ring->keys);
    memcpy(ring->keys, keys, n_keys * sizeof *keys);
    ring->n_keys = n_keys;
    ring->primary = primary;
    pthread_rwlock_unlock(&ring->lock);
    return RC_OK;
}

// A copy, to be wiped. id NULL: the primary.
static bool
copy_key(struct secret_ring *ring, const char *id, struct secret_key *ret_key)
{
    bool found = false;
    pthread_rwlock_rdlock(&ring->lock);
    for (size_t i = 0; i < ring->n_keys && !found; i++) {
        found = id ? !strncmp(ring->keys[i].id, id, SECRET_ID_SIZE - 1) : i == ring->primary;
        if (found) {
            *ret_key = ring->keys[i];
        }
    }
    pthread_rwlock_unlock(&ring->lock);
    return found;
}

bool
secret_ring_has(struct secret_ring *ring, const char *id)
{
    struct secret_key key;
    bool found = copy_key(ring, id, &key);
    OPENSSL_cleanse(&key, sizeof key);
    return found;
}

void
secret_ring_primary(struct secret_ring *ring, char ret_id[SECRET_ID_SIZE])
{
    struct secret_key key = {0};
    g_assert(copy_key(ring, NULL, &key));
    memcpy(ret_id, key.id, SECRET_ID_SIZE);
    OPENSSL_cleanse(&key, sizeof key);
}

// ---- sealing

struct box {
    unsigned char *data; // nonce, text, tag
    size_t size;
    const char *table, *row_id;
};

// Associated data, then the text from `in` to `out` (which may be the same).
static bool
run_cipher(EVP_CIPHER_CTX *ctx, const struct box *box, const unsigned char *in, unsigned char *out,
           int len)
{
    int n = 0;
    const unsigned char *table = (const unsigned char *)box->table,
                        *id = (const unsigned char *)box->row_id;
    return EVP_CipherUpdate(ctx, NULL, &n, table, (int)strlen(box->table) + 1) == 1 &&
           EVP_CipherUpdate(ctx, NULL, &n, id, (int)strlen(box->row_id)) == 1 &&
           (len == 0 || EVP_CipherUpdate(ctx, out, &n, in, len) == 1);
}

static bool
encrypt(const struct secret_key *key, const struct box *box, const char *text)
{
    int len = (int)(box->size - NONCE_SIZE - TAG_SIZE), n = 0;
    unsigned char *out = box->data + NONCE_SIZE;
    random_bytes(box->data, NONCE_SIZE);
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    bool ok = EVP_CipherInit_ex(ctx, EVP_aes_256_gcm(), NULL, key->bytes, box->data, 1) == 1 &&
              run_cipher(ctx, box, (const unsigned char *)text, out, len) &&
              EVP_CipherFinal_ex(ctx, out + len, &n) == 1 &&
              EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, TAG_SIZE, out + len) == 1;
    EVP_CIPHER_CTX_free(ctx);
    return ok;
}

static bool
decrypt(const struct secret_key *key, const struct box *box, char *ret_text)
{
    int len = (int)(box->size - NONCE_SIZE - TAG_SIZE), n = 0;
    unsigned char *in = box->data + NONCE_SIZE, *out = (unsigned char *)ret_text;
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    bool ok = EVP_CipherInit_ex(ctx, EVP_aes_256_gcm(), NULL, key->bytes, box->data, 0) == 1 &&
              run_cipher(ctx, box, in, out, len) &&
              EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, TAG_SIZE, in + len) == 1 &&
              EVP_CipherFinal_ex(ctx, out + len, &n) == 1;
    EVP_CIPHER_CTX_free(ctx);
    return ok;
}

enum rc
secret_seal(struct secret_ring *ring, const char *table, const char *row_id, const char *text,
            char **ret_sealed, struct err *err)
{
    struct secret_key key;
    if (!copy_key(ring, NULL, &key)) {
        return fault(err, RC_INTERNAL, "cannot seal a secret of %s '%.64s': there is no key", table,
                     row_id);
    }
    size_t size = NONCE_SIZE + strlen(text) + TAG_SIZE;
    g_autofree unsigned char *data = g_malloc(size);
    struct box box = {data, size, table, row_id};
    bool ok = encrypt(&key, &box, text);
    OPENSSL_cleanse(key.bytes, sizeof key.bytes);
    if (!ok) {
        return fault(err, RC_INTERNAL, "cannot seal a secret of %s '%.64s'", table, row_id);
    }
    g_autofree char *encoded = base64url_encode(data, size);
    *ret_sealed = g_strdup_printf("%s.%s", key.id, encoded);
    return RC_OK;
}

enum rc
secret_unseal(struct secret_ring *ring, const char *table, const char *row_id, const char *sealed,
              char **ret_text, struct err *err)
{
    struct secret_key key;
    const size_t id_len = SECRET_ID_SIZE - 1;
    size_t size = 0;
    g_autofree unsigned char *data = strlen(sealed) > id_len && sealed[id_len] == '.'
                                         ? base64url_decode(sealed + id_len + 1, &size)
                                         : NULL;
    if (!data || size < NONCE_SIZE + TAG_SIZE) {
        return fault(err, RC_INTERNAL, "the secret of %s '%.64s' is malformed", table, row_id);
    }
    if (!copy_key(ring, sealed, &key)) {
        return fault(err, RC_INTERNAL, "the key %.16s of %s '%.64s' is not in the key directory",
                     sealed, table, row_id);
    }
    struct box box = {data, size, table, row_id};
    char *text = g_malloc0(size - NONCE_SIZE - TAG_SIZE + 1);
    bool ok = decrypt(&key, &box, text);
    OPENSSL_cleanse(&key, sizeof key);
    if (!ok) {
        secret_text_free(text);
        return fault(err, RC_INTERNAL, "the secret of %s '%.64s' does not open: it was changed",
                     table, row_id);
    }
    *ret_text = text;
    return RC_OK;
}

enum rc
secret_read(struct secret_ring *ring, const char *table, const char *row_id, const char *sealed,
            const char *plain, char **ret_text, struct err *err)
{
    if (sealed) {
        return secret_unseal(ring, table, row_id, sealed, ret_text, err);
    }
    *ret_text = g_strdup(plain ? plain : "");
    return RC_OK;
}

void
secret_text_free(char *text)
{
    if (text) {
        OPENSSL_cleanse(text, strlen(text));
        g_free(text);
    }
}
