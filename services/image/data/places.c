// SPDX-License-Identifier: Apache-2.0
#include "services/image/data/places.h"

#include <glib.h>

#define RETRY_AFTER_S 5

struct places {
    const char *what;
    int n_max, n_project;
    GMutex mutex; // guards what follows
    int n_taken;
    GHashTable *projects; // name → how many it has
};

struct places *
places_new(const char *what, int n_max, int n_project)
{
    struct places *places = g_atomic_rc_box_new0(struct places);
    places->what = what;
    places->n_max = n_max;
    places->n_project = n_project;
    g_mutex_init(&places->mutex);
    places->projects = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    return places;
}

static void
places_done(gpointer data)
{
    struct places *places = data;
    g_hash_table_unref(places->projects);
    g_mutex_clear(&places->mutex);
}

struct places *
places_ref(struct places *places)
{
    return g_atomic_rc_box_acquire(places);
}

void
places_unref(struct places *places)
{
    if (places) {
        g_atomic_rc_box_release_full(places, places_done);
    }
}

static int
count_of(const struct places *places, const char *project)
{
    return GPOINTER_TO_INT(g_hash_table_lookup(places->projects, project));
}

enum refusal { NOT_REFUSED, ALL_TAKEN, SHARE_TAKEN };

static enum refusal
take(struct places *places, const char *project)
{
    g_mutex_lock(&places->mutex);
    int n = count_of(places, project);
    enum refusal refusal = places->n_taken >= places->n_max             ? ALL_TAKEN
                           : *project != '\0' && n >= places->n_project ? SHARE_TAKEN
                                                                        : NOT_REFUSED;
    if (refusal == NOT_REFUSED) {
        places->n_taken++;
        g_hash_table_insert(places->projects, g_strdup(project), GINT_TO_POINTER(n + 1));
    }
    g_mutex_unlock(&places->mutex);
    return refusal;
}

bool
places_try(struct places *places, const char *project)
{
    return take(places, project) == NOT_REFUSED;
}

enum rc
places_take(struct places *places, const char *project, struct err *err)
{
    enum refusal refusal = take(places, project);
    if (refusal == NOT_REFUSED) {
        return RC_OK;
    }
    rc_ignore(fault(err, RC_UNAVAILABLE, "too many %s%s at once, try again", places->what,
                    refusal == SHARE_TAKEN ? " of this project" : ""));
    err->retry_after_s = RETRY_AFTER_S;
    return RC_UNAVAILABLE;
}

void
places_give(struct places *places, const char *project)
{
    g_mutex_lock(&places->mutex);
    int n = count_of(places, project);
    places->n_taken--;
    if (n > 1) {
        g_hash_table_insert(places->projects, g_strdup(project), GINT_TO_POINTER(n - 1));
    } else {
        g_hash_table_remove(places->projects, project);
    }
    g_mutex_unlock(&places->mutex);
}
