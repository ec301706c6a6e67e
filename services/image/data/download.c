// SPDX-License-Identifier: Apache-2.0
// GET file: the blob by sendfile, or streamed from a remote store, whole or a range (RFC 9110 §14),
// by token or by ticket; and the rows of both directions.
#include "services/image/access.h"
#include "services/image/api.h"
#include "services/image/cache/cache.h"
#include "services/image/data/reply_parts.h"
#include "services/image/data/stream.h"

#include <fcntl.h>
#include <string.h>

// A number that is too large for us lies behind every image's end.
static bool
parse_position(const char *text, int64_t *ret_position)
{
    if (!*text || text[strspn(text, "0123456789")]) {
        return false;
    }
    *ret_position = parse_int64(text, 0, INT64_MAX, ret_position) ? *ret_position : INT64_MAX;
    return true;
}

// Glance takes "Content-Range: bytes 0-9/*" for a Range, from clients that mistake the two.
static char *
asked_range(const struct request *request)
{
    const char *range = request_header(request, "Range");
    const char *content = range ? NULL : request_header(request, "Content-Range");
    if (content && g_str_has_prefix(content, "bytes ")) {
        return g_strdup_printf("bytes=%.*s", (int)MIN(strcspn(content + 6, "/"), 60), content + 6);
    }
    return g_strdup(range);
}

// True with the range when the header asks for one that we serve: a single one. RC_RANGE when it
// lies outside.
static enum rc
parse_range(const char *header, int64_t size, bool *ret_partial, int64_t *ret_first,
            int64_t *ret_last, struct err *err)
{
    *ret_partial = false;
    if (!header || !g_str_has_prefix(header, "bytes=") || strchr(header, ',')) {
        return RC_OK;
    }
    g_auto(GStrv) ends = g_strsplit(header + 6, "-", 2);
    if (g_strv_length(ends) != 2) {
        return fault(err, RC_RANGE, "Range '%.60s' is malformed", header);
    }
    int64_t first = 0, last = size - 1;
    if (!*ends[0]) {
        int64_t suffix;
        if (!parse_position(ends[1], &suffix) || suffix == 0) {
            return fault(err, RC_RANGE, "Range '%.60s' is malformed", header);
        }
        first = suffix >= size ? 0 : size - suffix;
    } else if (!parse_position(ends[0], &first) ||
               (*ends[1] && (!parse_position(ends[1], &last) || last < first))) {
        return fault(err, RC_RANGE, "Range '%.60s' is malformed", header);
    }
    if (first >= size) {
        return fault(err, RC_RANGE, "Range '%.60s' lies outside the image's %lld bytes", header,
                     (long long)size);
    }
    *ret_partial = true;
    *ret_first = first;
    *ret_last = MIN(last, size - 1);
    return RC_OK;
}

static enum rc
find_by_token(const struct request *request, struct db *db, image_row **ret_row, struct err *err)
{
    if (!request_auth(request)) {
        return fault(err, RC_UNAUTHORIZED, "The request you have made requires authentication.");
    }
    g_autoptr(image_row) row = NULL;
    enum rc rc = image_load(request, db, "download_image", &row, err);
    if (rc == RC_OK && !strcmp(row->status, "deactivated") && !viewer_of(request).is_admin) {
        return fault(err, RC_FORBIDDEN,
                     "The requested image has been deactivated. Image data download "
                     "is forbidden.");
    }
    if (rc == RC_OK) {
        *ret_row = g_steal_pointer(&row);
    }
    return rc;
}

static enum rc
find_by_ticket(const struct request *request, struct db *db, const char *ticket,
               image_row **ret_row, struct err *err)
{
    const char *id = request_param(request, "image_id");
    const struct viewer everybody = {.project_id = "", .is_admin = true};
    if (!ticket_is_valid(image_service_of(request), id, ticket)) {
        return fault(err, RC_UNAUTHORIZED, "The ticket is not valid or has expired");
    }
    return image_db_find(db, &everybody, id, false, ret_row, err);
}

static enum rc
send_blob(struct request *request, struct db *db, const image_row *row, struct reply *reply,
          struct err *err)
{
    const struct image_service *image = image_service_of(request);
    struct blob_places places = {.n = 0};
    bool partial;
    int64_t first = 0, last = row->size - 1;
    g_autofree char *range = asked_range(request);
    enum rc rc = parse_range(range, row->size, &partial, &first, &last, err);
    if (rc == RC_RANGE) {
        reply_header_format(reply, "Content-Range", "bytes */%lld", (long long)row->size);
    }
    if (rc == RC_OK) {
        rc = blob_places_find(image->stores, db, row, &places, err);
    }
    if (rc == RC_OK) {
        reply->fd = image->cache ? cache_open(image->cache, row->id, row->size) : -1;
    }
    if (rc == RC_OK && reply->fd < 0) {
        rc = places.recipe ? reply_parts(&places, first, last, reply, err)
                           : blob_open(&places, row->digest, &reply->fd, err);
    }
    if (rc == RC_NOT_IMPLEMENTED && image->cache) {
        rc_ignore(cache_queue(image->cache, row->id, err)); // the next one has it nearer
    }
    if (rc == RC_NOT_IMPLEMENTED && row->size > 0) {
        rc = stream_take_place(request, err);
        if (rc == RC_OK) {
            stream_begin(request, &places, row->digest, first, last, reply);
        }
    }
    blob_places_clear(&places);
    if (rc != RC_OK && rc != RC_NOT_IMPLEMENTED) {
        return rc;
    }
    posix_fadvise(reply->fd, first, last - first + 1, POSIX_FADV_SEQUENTIAL);
    reply->fd_offset = first;
    reply->fd_size = last - first + 1;
    reply->content_type = OPENSTACK_STREAM;
    reply_header(reply, "Accept-Ranges", "bytes");
    reply_header(reply, "Content-MD5", row->checksum);
    if (partial) {
        reply->status = 206;
        reply_header_format(reply, "Content-Range", "bytes %lld-%lld/%lld", (long long)first,
                            (long long)last, (long long)row->size);
    }
    return RC_OK;
}

static enum rc
file_get(struct request *request, struct reply *reply, struct err *err)
{
    const char *ticket = request_query(request, "ticket");
    struct db *db;
    g_autoptr(image_row) row = NULL;
    enum rc rc = request_db(request, &db, err);
    if (rc == RC_OK) {
        rc = ticket ? find_by_ticket(request, db, ticket, &row, err)
                    : find_by_token(request, db, &row, err);
    }
    if (rc == RC_OK && !row->has_data) {
        reply->status = 204;
        return RC_OK;
    }
    return rc == RC_OK ? send_blob(request, db, row, reply, err) : rc;
}

// clang-format off
const struct route file_routes[] = {
    {.method = "GET", .path = "/v2/images/{image_id}/file", .handle = file_get, .flags = ROUTE_PUBLIC, .status = 200,
     .summary = "download an image's data"},
    {.method = "PUT", .path = "/v2/images/{image_id}/stage", .stream = &stage_ops, .status = 204, .summary = "stage data for an import"},
    {.method = "PUT", .path = "/v2/images/{image_id}/file", .stream = &upload_ops, .status = 204, .summary = "upload an image's data"},
    {0},
};
// clang-format on
