// SPDX-License-Identifier: Apache-2.0
// Verifies a token once, then answers from the cache until it expires, a revocation matches, or a
// key went.
#include "common/auth/context_cache.h"
#include "common/auth/feed.h"
#include "common/auth/jws.h"
#include "common/auth/key_ring.h"
#include "common/auth/revocation.h"
#include "common/base/util.h"
#include <string.h>

#define CACHE_ENTRIES 16384

struct authenticator {
    struct key_ring *keys;
    bool owns_keys;
    struct revocation_set *revocations;
    struct context_cache *cache; // verified tokens by their whole text
    uint64_t seed[2];
    struct feed *feed; // NULL: fed by identity itself
};

static struct authenticator *
authenticator_with(struct key_ring *keys, size_t cache_entries)
{
    struct authenticator *auth = g_new0(struct authenticator, 1);
    auth->keys = keys;
    auth->revocations = revocation_set_new();
    auth->cache = context_cache_new(cache_entries ? cache_entries : CACHE_ENTRIES);
    random_bytes(auth->seed, sizeof auth->seed);
    return auth;
}

struct authenticator *
authenticator_new(const struct auth_config *config, struct db_pool *db, struct bus *bus)
{
    struct authenticator *auth = authenticator_with(key_ring_new(), config->cache_entries);
    auth->owns_keys = true;
    struct feed_sinks sinks = {.keys = auth->keys, .revocations = auth->revocations, .db = db};
    auth->feed = feed_start(config, &sinks, bus);
    return auth;
}

struct authenticator *
authenticator_new_local(struct key_ring *ring)
{
    return authenticator_with(ring, 0);
}

void
authenticator_free(struct authenticator *auth)
{
    if (!auth) {
        return;
    }
    feed_stop(auth->feed);
    context_cache_free(auth->cache);
    revocation_set_free(auth->revocations);
    if (auth->owns_keys) {
        key_ring_free(auth->keys);
    }
    g_free(auth);
}

bool
authenticator_is_ready(struct authenticator *auth)
{
    return key_ring_size(auth->keys) > 0 && (!auth->feed || feed_has_read(auth->feed));
}

void
authenticator_add_revocation(struct authenticator *auth, const struct revocation *revocation)
{
    revocation_set_add(auth->revocations, revocation);
}

void
authenticator_prune(struct authenticator *auth)
{
    revocation_set_prune(auth->revocations, now_us());
}

bool
authenticator_is_revoked(struct authenticator *auth, const struct auth_context *context)
{
    return revocation_set_matches(auth->revocations, context);
}

static enum rc
verify_signature(struct authenticator *auth, const char *token, struct auth_context **ret_context,
                 struct err *err)
{
    if (!authenticator_is_ready(auth)) {
        return fault(err, RC_UNAVAILABLE, "cannot verify token: identity's keys are not known yet");
    }
    json_auto_t *claims = NULL;
    enum rc rc = jws_verify(auth->keys, token, &claims, err);
    return rc ? rc : context_from_claims(claims, ret_context, err);
}

static enum rc
check_time(const struct auth_context *context, struct err *err)
{
    return now_us() < context->expires_at_us ? RC_OK
                                             : fault(err, RC_UNAUTHORIZED, "token has expired");
}

// What a verified token depends on beside the time: the keys above, the revocations below. Taken
// before the look-up, so that it is never newer than what was looked at.
#define REVOCATION_BITS 40
static uint64_t
epoch_of(const struct authenticator *auth)
{
    return key_ring_epoch(auth->keys) << REVOCATION_BITS |
           (revocation_set_epoch(auth->revocations) & ((UINT64_C(1) << REVOCATION_BITS) - 1));
}

// Only the signature's end is mixed: nobody but identity can choose it, and what is stored was
// verified before.
static struct context_key
key_of(const struct authenticator *auth, const char *token)
{
    size_t len = strlen(token);
    uint64_t words[4] = {0};
    size_t n = MIN(len, sizeof words);
    memcpy(words, token + len - n, n);
    uint64_t hash = auth->seed[0];
    for (size_t i = 0; i < N_ELEMENTS(words); i++) {
        hash = (hash ^ words[i]) * UINT64_C(0x9e3779b97f4a7c15);
        hash ^= hash >> 29;
    }
    hash = (hash ^ auth->seed[1]) * UINT64_C(0xbf58476d1ce4e5b9);
    return (struct context_key){token, len, hash >> 32};
}

// A token new to us, or one that a revocation since its last check may concern.
static enum rc
verify_slowly(struct authenticator *auth, const struct context_key *key,
              struct auth_context **inout_context, struct err *err)
{
    uint64_t epoch = epoch_of(auth);
    if (!*inout_context) {
        enum rc rc = verify_signature(auth, key->bytes, inout_context, err);
        if (rc) {
            return rc;
        }
    }
    enum rc rc = check_time(*inout_context, err);
    if (rc == RC_OK && revocation_set_matches(auth->revocations, *inout_context)) {
        rc = fault(err, RC_UNAUTHORIZED, "token has been revoked");
    }
    if (rc == RC_OK) {
        context_cache_put(auth->cache, key, &(struct context_entry){*inout_context, epoch, 0});
    }
    return rc;
}

static bool
is_too_late(const struct auth_context *context, int64_t window_us)
{
    int64_t now = now_us();
    return now >= context->expires_at_us + window_us ||
           now >= context->issued_at_us + TOKEN_LIFE_MAX_S * INT64_C(1000000);
}

enum rc
authenticator_verify_late(struct authenticator *auth, const char *token, int64_t window_us,
                          struct auth_context **ret_context, struct err *err)
{
    struct auth_context *context = NULL;
    enum rc rc = verify_signature(auth, token, &context, err);
    if (rc) {
        return rc;
    }
    if (is_too_late(context, window_us) || revocation_set_matches(auth->revocations, context)) {
        auth_context_unref(context);
        return fault(err, RC_UNAUTHORIZED, "token has expired long ago, or was revoked");
    }
    *ret_context = context;
    return RC_OK;
}

enum rc
authenticator_verify(struct authenticator *auth, const char *token,
                     struct auth_context **ret_context, struct err *err)
{
    const struct context_key key = key_of(auth, token);
    struct context_entry known = {0};
    bool was_known = context_cache_find(auth->cache, &key, &known);
    struct auth_context *context = known.context;
    uint64_t now = epoch_of(auth);
    if (context && known.stamp >> REVOCATION_BITS != now >> REVOCATION_BITS) {
        g_clear_pointer(&context, auth_context_unref); // perhaps by a key that went
    }
    enum rc rc = context && known.stamp == now ? check_time(context, err)
                                               : verify_slowly(auth, &key, &context, err);
    if (rc) {
        if (was_known) {
            context_cache_drop(auth->cache, &key);
        }
        auth_context_unref(context);
        return rc;
    }
    *ret_context = context;
    return RC_OK;
}
