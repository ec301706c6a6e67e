// SPDX-License-Identifier: Apache-2.0
#include "services/image/data/reply_parts.h"

#include "common/log/log.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

struct parts {
    struct blob_places places; // owns the recipe
    int64_t next, last;        // of the whole
    int fd;                    // of the part that holds `next`; -1: not open
    int64_t offset, left;      // in that file: what comes next, and how much of it
};

static void
close_part(struct parts *parts)
{
    if (parts->fd >= 0) {
        close(parts->fd);
        parts->fd = -1;
    }
}

static enum rc
open_part(struct parts *parts, struct err *err)
{
    int64_t begin = 0;
    close_part(parts);
    const struct recipe_piece *piece = recipe_at(parts->places.recipe, parts->next, &begin);
    if (!piece) {
        return fault(err, RC_INTERNAL, "a blob is shorter than its row says");
    }
    enum rc rc = blob_open(&parts->places, piece->part, &parts->fd, err);
    if (rc == RC_OK) {
        int64_t end = MIN(parts->last + 1, begin + piece->size);
        parts->offset = piece->first + parts->next - begin;
        parts->left = end - parts->next;
        posix_fadvise(parts->fd, parts->offset, parts->left, POSIX_FADV_SEQUENTIAL);
    }
    return rc;
}

static ssize_t
read_parts(void *state, char *buffer, size_t size)
{
    struct parts *parts = state;
    struct err err = {0};
    if (parts->left == 0 && open_part(parts, &err) != RC_OK) {
        log_warn("cannot read a blob", kv("message", err.message));
        return -1;
    }
    ssize_t n;
    do {
        n = pread(parts->fd, buffer, (size_t)MIN((int64_t)size, parts->left), parts->offset);
    } while (n < 0 && errno == EINTR);
    if (n <= 0) { // an end here is a file that was cut off
        log_warn("cannot read a blob", kv("message", n < 0 ? g_strerror(errno) : "it is cut off"));
        return -1;
    }
    parts->offset += n;
    parts->left -= n;
    parts->next += n;
    return n;
}

static void
close_parts(void *state)
{
    struct parts *parts = state;
    close_part(parts);
    blob_places_clear(&parts->places);
    g_free(parts);
}

static const struct reply_source source = {read_parts, close_parts};

enum rc
reply_parts(struct blob_places *places, int64_t first, int64_t last, struct reply *reply,
            struct err *err)
{
    struct parts *parts = g_new0(struct parts, 1);
    parts->places = *places;
    parts->next = first;
    parts->last = last;
    parts->fd = -1;
    enum rc rc = open_part(parts, err);
    if (rc != RC_OK) {
        g_free(parts);
        return rc;
    }
    places->recipe = NULL;
    reply->source = &source;
    reply->source_state = parts;
    reply->source_size = last - first + 1;
    return RC_OK;
}
