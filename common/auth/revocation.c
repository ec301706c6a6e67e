// SPDX-License-Identifier: Apache-2.0
// Every revocation is one entry, keyed by which fields it sets and their values. A token is looked
// up once for each combination of fields in use. A domain means the scope's; without a role also
// the user's and the project's.
#include "common/auth/revocation.h"
#include "common/base/util.h"
#include "common/service/metrics.h"
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
#define PRUNE_BATCH 1024
#define KEY_SIZE 512        // all that identity makes fits
#define FEDERATION_SIZE 192 // two ids of at most 64 characters

// Of one user's single tokens.
struct owner {
    char *user_id;
    GQueue entries; // of struct entry, by their link
};
struct entry {
    int64_t before_us, ends_us;
    GSequenceIter *at;   // in by_end
    struct owner *owner; // NULL: no revocation of a user's tokens stands for it
    GList link;
    char key[];
};
struct revocation_set {
    pthread_rwlock_t lock; // guards all but epoch
    GHashTable *entries;   // key → struct entry, whose it is
    GSequence *by_end;
    GHashTable *owners; // user_id → struct owner
    unsigned n_by_mask[N_MASKS];
    _Atomic uint64_t epoch;
};

static _Atomic int64_t n_entries;
static const struct metric metrics[] = {
    {"haneul_auth_revocations", "gauge", "revocations that this process knows", NULL, &n_entries},
};

__attribute__((constructor)) static void
register_metrics(void)
{
    metrics_register(metrics, N_ELEMENTS(metrics));
}

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
        .issued_before_us = json_integer_value(json_object_get(object, "issued_before_us")),
        .ends_us = json_integer_value(json_object_get(object, "ends_us"))};
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
    if (revocation->ends_us) {
        json_object_set_new(object, "ends_us", json_integer(revocation->ends_us));
    }
    return object;
}

static void
owner_free(void *owner)
{
    g_free(((struct owner *)owner)->user_id);
    g_free(owner);
}

struct revocation_set *
revocation_set_new(void)
{
    struct revocation_set *set = g_new0(struct revocation_set, 1);
    pthread_rwlock_init(&set->lock, NULL);
    set->entries = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, g_free);
    set->by_end = g_sequence_new(NULL);
    set->owners = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, owner_free);
    set->epoch = 1;
    return set;
}

void
revocation_set_free(struct revocation_set *set)
{
    if (!set) {
        return;
    }
    n_entries -= g_hash_table_size(set->entries);
    g_sequence_free(set->by_end);
    g_hash_table_unref(set->owners);
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
// In `room` where they fit; else the caller frees (key_done).
static char *
entry_key(unsigned mask, const struct revocation *fields, char room[KEY_SIZE])
{
    const char *const values[] = {fields->audit_id,  fields->user_id, fields->project_id,
                                  fields->domain_id, fields->role_id, fields->federation};
    size_t lengths[N_ELEMENTS(values)] = {0}, size = 2;
    for (unsigned i = 0; i < N_ELEMENTS(values); i++) {
        lengths[i] = mask & (1u << i) && values[i] ? strlen(values[i]) : 0;
        size += 1 + lengths[i];
    }
    char *key = size <= KEY_SIZE ? room : g_malloc(size), *end = key;
    *end++ = (char)('0' + mask);
    for (unsigned i = 0; i < N_ELEMENTS(values); i++) {
        *end++ = '\n';
        if (lengths[i]) {
            memcpy(end, values[i], lengths[i]);
            end += lengths[i];
        }
    }
    *end = '\0';
    return key;
}

static void
key_done(char *key, const char *room)
{
    if (key != room) {
        g_free(key);
    }
}

static struct entry *
locked_find(const struct revocation_set *set, unsigned mask, const struct revocation *fields)
{
    char room[KEY_SIZE], *key = entry_key(mask, fields, room);
    struct entry *entry = g_hash_table_lookup(set->entries, key);
    key_done(key, room);
    return entry;
}

// ---- what is kept

static int
compare_ends(const void *one, const void *other, void *unused)
{
    const struct entry *a = one, *b = other;
    return a->ends_us < b->ends_us ? -1 : a->ends_us > b->ends_us;
}

static void
locked_drop(struct revocation_set *set, struct entry *entry)
{
    struct owner *owner = entry->owner;
    if (owner) {
        g_queue_unlink(&owner->entries, &entry->link);
        if (!owner->entries.length) {
            g_hash_table_remove(set->owners, owner->user_id);
        }
    }
    set->n_by_mask[entry->key[0] - '0']--;
    g_sequence_remove(entry->at);
    g_hash_table_remove(set->entries, entry->key);
    n_entries--;
}

static void
locked_own(struct revocation_set *set, struct entry *entry, const char *user_id)
{
    struct owner *owner = g_hash_table_lookup(set->owners, user_id);
    if (!owner) {
        owner = g_new0(struct owner, 1);
        owner->user_id = g_strdup(user_id);
        g_hash_table_insert(set->owners, owner->user_id, owner);
    }
    entry->owner = owner;
    entry->link.data = entry;
    g_queue_push_tail_link(&owner->entries, &entry->link);
}

static void
locked_insert(struct revocation_set *set, unsigned mask, const struct revocation *revocation)
{
    char room[KEY_SIZE], *key = entry_key(mask, revocation, room);
    size_t size = strlen(key) + 1;
    struct entry *entry = g_malloc0(sizeof *entry + size);
    memcpy(entry->key, key, size);
    key_done(key, room);
    entry->before_us = revocation->issued_before_us;
    entry->ends_us = revocation->ends_us;
    entry->at = g_sequence_insert_sorted(set->by_end, entry, compare_ends, NULL);
    if (mask & BY_AUDIT && mask & BY_USER) {
        locked_own(set, entry, revocation->user_id);
    }
    g_hash_table_insert(set->entries, entry->key, entry);
    set->n_by_mask[mask]++;
    n_entries++;
}

// A revocation of all the user's tokens was added: what it stands for may go.
static void
locked_fold(struct revocation_set *set, const struct revocation *all)
{
    struct owner *owner = g_hash_table_lookup(set->owners, all->user_id);
    GList *next = NULL;
    for (GList *link = owner ? owner->entries.head : NULL; link; link = next) {
        struct entry *entry = link->data;
        next = link->next;
        if (entry->before_us <= all->issued_before_us && entry->ends_us <= all->ends_us) {
            locked_drop(set, entry);
        }
    }
}

static bool
locked_is_covered(const struct revocation_set *set, unsigned mask,
                  const struct revocation *revocation)
{
    if (!(mask & BY_AUDIT) || !(mask & BY_USER)) {
        return false;
    }
    const struct entry *all = locked_find(set, BY_USER, revocation);
    return all && revocation->issued_before_us <= all->before_us &&
           revocation->ends_us <= all->ends_us;
}

// False: nothing is revoked by it that was not before.
static bool
locked_add(struct revocation_set *set, const struct revocation *revocation)
{
    unsigned mask = mask_of(revocation);
    if (locked_is_covered(set, mask, revocation)) {
        return false;
    }
    struct entry *known = locked_find(set, mask, revocation);
    if (!known) {
        locked_insert(set, mask, revocation);
        return true;
    }
    bool is_news = revocation->issued_before_us > known->before_us;
    known->before_us = MAX(known->before_us, revocation->issued_before_us);
    if (revocation->ends_us > known->ends_us) {
        known->ends_us = revocation->ends_us;
        g_sequence_sort_changed(known->at, compare_ends, NULL);
    }
    return is_news;
}

void
revocation_set_add(struct revocation_set *set, const struct revocation *revocation)
{
    struct revocation whole = *revocation;
    if (!whole.ends_us) {
        whole.ends_us = whole.issued_before_us + TOKEN_LIFE_MAX_S * INT64_C(1000000);
    }
    pthread_rwlock_wrlock(&set->lock);
    bool is_news = locked_add(set, &whole);
    if (mask_of(&whole) == BY_USER) {
        locked_fold(set, &whole);
    }
    pthread_rwlock_unlock(&set->lock);
    if (is_news) {
        atomic_fetch_add(&set->epoch, 1);
    }
}

// True: there may be more.
static bool
prune_some(struct revocation_set *set, int64_t now_us)
{
    bool is_over = false;
    pthread_rwlock_wrlock(&set->lock);
    for (int i = 0; i < PRUNE_BATCH && !is_over; i++) {
        GSequenceIter *first = g_sequence_get_begin_iter(set->by_end);
        struct entry *entry = g_sequence_iter_is_end(first) ? NULL : g_sequence_get(first);
        is_over = !entry || entry->ends_us + REVOCATION_SPARE_US >= now_us;
        if (!is_over) {
            locked_drop(set, entry);
        }
    }
    pthread_rwlock_unlock(&set->lock);
    return !is_over;
}

void
revocation_set_prune(struct revocation_set *set, int64_t now_us)
{
    while (prune_some(set, now_us)) {
    }
}

size_t
revocation_set_size(const struct revocation_set *set)
{
    pthread_rwlock_t *lock = (pthread_rwlock_t *)&set->lock;
    pthread_rwlock_rdlock(lock);
    size_t size = g_hash_table_size(set->entries);
    pthread_rwlock_unlock(lock);
    return size;
}

// ---- asking

static bool
locked_has(const struct revocation_set *set, unsigned mask, const struct revocation *fields)
{
    const struct entry *entry = locked_find(set, mask, fields);
    return entry && fields->issued_before_us <= entry->before_us;
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
