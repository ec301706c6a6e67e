// SPDX-License-Identifier: Apache-2.0
// Every revocation is one entry, keyed by which fields it sets and their values. A token is looked
// up once for each combination of fields in use. A domain means the scope's; without a role also
// the user's and the project's.
#include "common/auth/revocation.h"
#include "common/base/util.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

enum {
    BY_AUDIT = 1,
    BY_USER = 2,
    BY_PROJECT = 4,
    BY_DOMAIN = 8,
    BY_ROLE = 16,
    BY_FEDERATION = 32,
    N_MASKS = 64
};
#define PRUNE_EVERY 1024
#define FEDERATION_SIZE 192 // two ids of at most 64 characters

struct revocation_set {
    pthread_rwlock_t lock; // guards entries and n_by_mask
    GHashTable *entries;   // key → int64_t* issued_before_us
    unsigned n_by_mask[N_MASKS];
    _Atomic uint64_t epoch;
};

static const struct {
    const char *name;
    size_t offset;
} ids[] = {{"audit_id", offsetof(struct revocation, audit_id)},
           {"user_id", offsetof(struct revocation, user_id)},
           {"project_id", offsetof(struct revocation, project_id)},
           {"domain_id", offsetof(struct revocation, domain_id)},
           {"role_id", offsetof(struct revocation, role_id)},
           {"federation", offsetof(struct revocation, federation)}};

struct revocation
revocation_from_json(json_t *object)
{
    struct revocation revocation = {
        .issued_before_us = json_integer_value(json_object_get(object, "issued_before_us"))};
    for (size_t i = 0; i < N_ELEMENTS(ids); i++) {
        *(const char **)((char *)&revocation + ids[i].offset) =
            json_string_value(json_object_get(object, ids[i].name));
    }
    return revocation;
}

json_t *
revocation_to_json(const struct revocation *revocation)
{
    json_t *object = json_object();
    for (size_t i = 0; i < N_ELEMENTS(ids); i++) {
        const char *value = *(const char *const *)((const char *)revocation + ids[i].offset);
        if (value) {
            json_object_set_new(object, ids[i].name, json_string(value));
        }
    }
    return object;
}

struct revocation_set *
revocation_set_new(void)
{
    struct revocation_set *set = g_new0(struct revocation_set, 1);
    pthread_rwlock_init(&set->lock, NULL);
    set->entries = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    set->epoch = 1;
    return set;
}

void
revocation_set_free(struct revocation_set *set)
{
    if (!set) {
        return;
    }
    g_hash_table_unref(set->entries);
    pthread_rwlock_destroy(&set->lock);
    g_free(set);
}

static unsigned
mask_of(const struct revocation *revocation)
{
    return (revocation->audit_id ? BY_AUDIT : 0u) | (revocation->user_id ? BY_USER : 0u) |
           (revocation->project_id ? BY_PROJECT : 0u) | (revocation->domain_id ? BY_DOMAIN : 0u) |
           (revocation->role_id ? BY_ROLE : 0u) | (revocation->federation ? BY_FEDERATION : 0u);
}

// The first character is the mask; the values follow, divided by a character that ids do not have.
static char *
entry_key(unsigned mask, const struct revocation *fields)
{
    GString *key = g_string_sized_new(160);
    g_string_append_c(key, (char)('0' + mask));
    const char *const values[] = {fields->audit_id,  fields->user_id, fields->project_id,
                                  fields->domain_id, fields->role_id, fields->federation};
    for (unsigned i = 0; i < N_ELEMENTS(values); i++) {
        g_string_append_c(key, '\n');
        g_string_append(key, mask & (1u << i) ? values[i] : "");
    }
    return g_string_free(key, FALSE);
}

static void
locked_prune(struct revocation_set *set)
{
    int64_t oldest_us = now_us() - (TOKEN_LIFE_MAX_S + 3600) * INT64_C(1000000);
    GHashTableIter at;
    void *key, *before_us;
    g_hash_table_iter_init(&at, set->entries);
    while (g_hash_table_iter_next(&at, &key, &before_us)) {
        if (*(int64_t *)before_us < oldest_us) {
            set->n_by_mask[((char *)key)[0] - '0']--;
            g_hash_table_iter_remove(&at);
        }
    }
}

void
revocation_set_add(struct revocation_set *set, const struct revocation *revocation)
{
    unsigned mask = mask_of(revocation);
    g_autofree char *key = entry_key(mask, revocation);
    pthread_rwlock_wrlock(&set->lock);
    int64_t *before_us = g_hash_table_lookup(set->entries, key);
    if (before_us) {
        *before_us = MAX(*before_us, revocation->issued_before_us);
    } else {
        before_us = g_new(int64_t, 1);
        *before_us = revocation->issued_before_us;
        g_hash_table_insert(set->entries, g_steal_pointer(&key), before_us);
        set->n_by_mask[mask]++;
        if (g_hash_table_size(set->entries) % PRUNE_EVERY == 0) {
            locked_prune(set);
        }
    }
    pthread_rwlock_unlock(&set->lock);
    atomic_fetch_add(&set->epoch, 1);
}

static bool
locked_has(const struct revocation_set *set, unsigned mask, const struct revocation *fields)
{
    g_autofree char *key = entry_key(mask, fields);
    const int64_t *before_us = g_hash_table_lookup(set->entries, key);
    return before_us && fields->issued_before_us <= *before_us;
}

static bool
locked_has_for_roles(const struct revocation_set *set, unsigned mask, struct revocation fields,
                     const struct auth_context *auth)
{
    if (!(mask & BY_ROLE)) {
        return locked_has(set, mask, &fields);
    }
    for (const char *const *role = auth->role_ids; role && *role; role++) {
        fields.role_id = *role;
        if (locked_has(set, mask, &fields)) {
            return true;
        }
    }
    return false;
}

static bool
locked_matches_mask(const struct revocation_set *set, unsigned mask,
                    const struct auth_context *auth)
{
    struct revocation fields = {.audit_id = auth->audit_id,
                                .user_id = auth->user_id,
                                .project_id = auth->project_id,
                                .domain_id = auth->domain_id,
                                .issued_before_us = auth->issued_at_us};
    char federation[FEDERATION_SIZE];
    if (mask & BY_FEDERATION) {
        if (!auth->provider_id || !auth->provider_id[0]) {
            return false;
        }
        snprintf(federation, sizeof federation, "%s/%s", auth->provider_id, auth->protocol_id);
        fields.federation = federation;
    }
    if (locked_has_for_roles(set, mask, fields, auth)) {
        return true;
    }
    if (!(mask & BY_DOMAIN) || mask & BY_ROLE) {
        return false;
    }
    fields.domain_id = auth->user_domain_id;
    if (locked_has(set, mask, &fields)) {
        return true;
    }
    fields.domain_id = auth->project_domain_id;
    return locked_has(set, mask, &fields);
}

bool
revocation_set_matches(const struct revocation_set *set, const struct auth_context *auth)
{
    bool found = false;
    pthread_rwlock_t *lock = (pthread_rwlock_t *)&set->lock;
    pthread_rwlock_rdlock(lock);
    for (unsigned mask = 0; mask < N_MASKS && !found; mask++) {
        found = set->n_by_mask[mask] && locked_matches_mask(set, mask, auth);
    }
    pthread_rwlock_unlock(lock);
    return found;
}

uint64_t
revocation_set_epoch(const struct revocation_set *set)
{
    return atomic_load_explicit(&set->epoch, memory_order_acquire);
}
