// SPDX-License-Identifier: Apache-2.0
// A blob of a remote store on its way to a client: a thread of its own brings it into a ring, the
// HTTP thread takes it from there and never waits.
#include "services/image/data/stream.h"

#include "common/log/log.h"
#include "services/image/data/places.h"
#include "services/image/image.h"

#include <string.h>

#define RING_SIZE ((size_t)1 << 20)

struct stream {
    _Atomic int n_refs;   // the reply's and the thread's
    struct places *taken; // this is one of them
    char *project;        // who reads
    struct blob_places places;
    char *digest;
    int64_t first, last;
    GMutex mutex; // guards what follows
    GCond room;
    struct request *request; // NULL: closed, nobody reads any more
    size_t head, fill;       // of the ring
    bool is_broken, is_starved;
    uint8_t ring[RING_SIZE];
};

static void
stream_unref(struct stream *stream)
{
    if (--stream->n_refs == 0) {
        places_give(stream->taken, stream->project);
        places_unref(stream->taken);
        g_free(stream->project);
        g_mutex_clear(&stream->mutex);
        g_cond_clear(&stream->room);
        blob_places_clear(&stream->places);
        g_free(stream->digest);
        g_free(stream);
    }
}

// With the mutex held: the reader may come again.
static void
wake_reader(struct stream *stream)
{
    if (stream->is_starved && stream->request) {
        stream->is_starved = false;
        http_stream_resume(stream->request);
    }
}

static enum rc
put_bytes(void *context, const void *data, size_t size, struct err *err)
{
    struct stream *stream = context;
    const uint8_t *next = data;
    g_mutex_lock(&stream->mutex);
    while (size > 0 && stream->request) {
        if (stream->fill == RING_SIZE) {
            g_cond_wait(&stream->room, &stream->mutex);
            continue;
        }
        size_t tail = (stream->head + stream->fill) % RING_SIZE;
        size_t n = MIN(size, MIN(RING_SIZE - stream->fill, RING_SIZE - tail));
        memcpy(stream->ring + tail, next, n);
        stream->fill += n;
        stream->first += (int64_t)n; // another store goes on from here
        next += n;
        size -= n;
        wake_reader(stream);
    }
    bool is_closed = !stream->request;
    g_mutex_unlock(&stream->mutex);
    return is_closed ? fault(err, RC_GONE, "the client went away") : RC_OK;
}

static gpointer
run(gpointer data)
{
    struct stream *stream = data;
    enum rc rc = RC_UNAVAILABLE;
    for (unsigned i = 0; i < stream->places.n && rc != RC_OK && rc != RC_GONE; i++) {
        struct err err = {0};
        struct store *store = stream->places.stores[i];
        rc = recipe_get(store, stream->places.recipe, stream->digest, stream->first, stream->last,
                        put_bytes, stream, &err);
        if (rc != RC_OK && rc != RC_GONE) {
            log_warn("cannot read a blob", kv("store", store_name(store)),
                     kv("message", err.message));
        }
    }
    g_mutex_lock(&stream->mutex);
    stream->is_broken = rc != RC_OK;
    wake_reader(stream);
    g_mutex_unlock(&stream->mutex);
    stream_unref(stream);
    return NULL;
}

static ssize_t
read_bytes(void *state, char *buffer, size_t size)
{
    struct stream *stream = state;
    g_mutex_lock(&stream->mutex);
    size_t n = MIN(size, MIN(stream->fill, RING_SIZE - stream->head));
    ssize_t result = n == 0 && stream->is_broken ? -1 : (ssize_t)n;
    memcpy(buffer, stream->ring + stream->head, n);
    stream->head = (stream->head + n) % RING_SIZE;
    stream->fill -= n;
    stream->is_starved = result == 0;
    g_cond_signal(&stream->room);
    g_mutex_unlock(&stream->mutex);
    return result;
}

static void
close_stream(void *state)
{
    struct stream *stream = state;
    g_mutex_lock(&stream->mutex);
    stream->request = NULL;
    g_cond_signal(&stream->room);
    g_mutex_unlock(&stream->mutex);
    stream_unref(stream);
}

static const struct reply_source source = {read_bytes, close_stream};

enum rc
stream_take_place(const struct request *request, struct err *err)
{
    return places_take(image_service_of(request)->downloads, request_project(request), err);
}

void
stream_begin(struct request *request, struct blob_places *places, const char *digest, int64_t first,
             int64_t last, struct reply *reply)
{
    struct stream *stream = g_malloc(sizeof *stream);
    memset(stream, 0, offsetof(struct stream, ring));
    stream->n_refs = 2;
    stream->taken = places_ref(image_service_of(request)->downloads);
    stream->project = g_strdup(request_project(request));
    stream->places = *places;
    places->recipe = NULL;
    stream->digest = g_strdup(digest);
    stream->first = first;
    stream->last = last;
    stream->request = request;
    g_mutex_init(&stream->mutex);
    g_cond_init(&stream->room);
    reply->source = &source;
    reply->source_state = stream;
    reply->source_size = last - first + 1;
    g_thread_unref(g_thread_new("image-stream", run, stream));
}
