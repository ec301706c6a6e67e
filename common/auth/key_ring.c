// SPDX-License-Identifier: Apache-2.0
// P-256 keys by kid, parsed once. Readers share a lock; keys are reference-counted by OpenSSL.
#include "common/auth/key_ring.h"
#include "common/base/util.h"
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

struct key_ring {
    pthread_rwlock_t lock; // guards all below
    GHashTable *keys;      // kid → EVP_PKEY
    char *signing_kid;     // NULL: verifies only
    _Atomic uint64_t epoch;
};

static void
pkey_unref(void *pkey)
{
    EVP_PKEY_free(pkey);
}

struct key_ring *
key_ring_new(void)
{
    struct key_ring *ring = g_new0(struct key_ring, 1);
    pthread_rwlock_init(&ring->lock, NULL);
    ring->keys = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, pkey_unref);
    return ring;
}

void
key_ring_free(struct key_ring *ring)
{
    if (!ring) {
        return;
    }
    g_hash_table_unref(ring->keys);
    g_free(ring->signing_kid);
    pthread_rwlock_destroy(&ring->lock);
    g_free(ring);
}

static bool
is_p256(EVP_PKEY *pkey)
{
    char group[32] = "";
    return EVP_PKEY_is_a(pkey, "EC") &&
           EVP_PKEY_get_utf8_string_param(pkey, OSSL_PKEY_PARAM_GROUP_NAME, group, sizeof group,
                                          NULL) == 1 &&
           !strcmp(group, "prime256v1");
}

static EVP_PKEY *
pkey_from_pem(const char *pem, bool private)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    EVP_PKEY *pkey = private ? PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL)
                             : PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL);
    BIO_free(bio);
    if (pkey && !is_p256(pkey)) {
        EVP_PKEY_free(pkey);
        return NULL;
    }
    return pkey;
}

enum rc
key_ring_add(struct key_ring *ring, const char *kid, const char *pem, bool sign, struct err *err)
{
    bool private = strstr(pem, "PRIVATE KEY-----") != NULL;
    if (!kid[0] || strlen(kid) > 64) {
        return fault(err, RC_INVALID, "cannot add key: its kid must have 1 to 64 characters");
    }
    if (sign && !private) {
        return fault(err, RC_INVALID, "cannot sign with key '%s': it is a public key", kid);
    }
    EVP_PKEY *pkey = pkey_from_pem(pem, private);
    if (!pkey) {
        return fault(err, RC_INVALID, "cannot add key '%s': it is not a P-256 key in PEM", kid);
    }
    pthread_rwlock_wrlock(&ring->lock);
    EVP_PKEY *known = g_hash_table_lookup(ring->keys, kid);
    if (known && EVP_PKEY_eq(known, pkey) != 1) {
        atomic_fetch_add(&ring->epoch, 1);
    }
    g_hash_table_replace(ring->keys, g_strdup(kid), pkey);
    if (sign) {
        g_free(ring->signing_kid);
        ring->signing_kid = g_strdup(kid);
    }
    pthread_rwlock_unlock(&ring->lock);
    return RC_OK;
}

static void *
locked_find(const struct key_ring *ring, const char *kid)
{
    EVP_PKEY *pkey = kid ? g_hash_table_lookup(ring->keys, kid) : NULL;
    if (pkey) {
        EVP_PKEY_up_ref(pkey);
    }
    return pkey;
}

EVP_PKEY *
key_ring_find(const struct key_ring *ring, const char *kid)
{
    pthread_rwlock_t *lock = (pthread_rwlock_t *)&ring->lock;
    pthread_rwlock_rdlock(lock);
    EVP_PKEY *pkey = locked_find(ring, kid);
    pthread_rwlock_unlock(lock);
    return pkey;
}

EVP_PKEY *
key_ring_signer(const struct key_ring *ring, char **ret_kid)
{
    pthread_rwlock_t *lock = (pthread_rwlock_t *)&ring->lock;
    pthread_rwlock_rdlock(lock);
    EVP_PKEY *pkey = locked_find(ring, ring->signing_kid);
    if (pkey) {
        *ret_kid = g_strdup(ring->signing_kid);
    }
    pthread_rwlock_unlock(lock);
    return pkey;
}

size_t
key_ring_size(const struct key_ring *ring)
{
    pthread_rwlock_t *lock = (pthread_rwlock_t *)&ring->lock;
    pthread_rwlock_rdlock(lock);
    size_t n = g_hash_table_size(ring->keys);
    pthread_rwlock_unlock(lock);
    return n;
}

static gboolean
is_absent(void *kid, void *pkey, void *kids)
{
    return !g_hash_table_contains(kids, kid);
}

void
key_ring_retain(struct key_ring *ring, GHashTable *kids)
{
    pthread_rwlock_wrlock(&ring->lock);
    if (g_hash_table_foreach_remove(ring->keys, is_absent, kids)) {
        atomic_fetch_add(&ring->epoch, 1);
    }
    pthread_rwlock_unlock(&ring->lock);
}

uint64_t
key_ring_epoch(const struct key_ring *ring)
{
    return atomic_load_explicit(&ring->epoch, memory_order_acquire);
}

static char *
bio_text(BIO *bio)
{
    char *data = NULL;
    long size = BIO_get_mem_data(bio, &data);
    char *text = g_strndup(data, (gsize)size);
    BIO_free(bio);
    return text;
}

void
key_pair_generate(char **ret_private_pem, char **ret_public_pem)
{
    EVP_PKEY *pkey = EVP_EC_gen("P-256");
    if (!pkey) {
        g_error("OpenSSL cannot generate a P-256 key");
    }
    BIO *private = BIO_new(BIO_s_mem()), *public = BIO_new(BIO_s_mem());
    PEM_write_bio_PrivateKey(private, pkey, NULL, NULL, 0, NULL, NULL);
    PEM_write_bio_PUBKEY(public, pkey);
    *ret_private_pem = bio_text(private);
    *ret_public_pem = bio_text(public);
    EVP_PKEY_free(pkey);
}

json_t *
jwk_from_pem(const char *kid, const char *public_pem)
{
    EVP_PKEY *pkey = pkey_from_pem(public_pem, false);
    unsigned char point[65];
    size_t size = 0;
    bool ok = pkey && EVP_PKEY_get_octet_string_param(pkey, OSSL_PKEY_PARAM_PUB_KEY, point,
                                                      sizeof point, &size) == 1;
    EVP_PKEY_free(pkey);
    if (!ok || size != sizeof point || point[0] != POINT_CONVERSION_UNCOMPRESSED) {
        return NULL;
    }
    g_autofree char *x = base64url_encode(point + 1, 32), *y = base64url_encode(point + 33, 32);
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "kty", "EC", "crv", "P-256", "alg",
                     "ES256", "use", "sig", "kid", kid, "x", x, "y", y);
}
