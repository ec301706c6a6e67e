// SPDX-License-Identifier: Apache-2.0
#include "services/image/data/job.h"

#include "common/log/log.h"
#include "services/image/catalog/layer_db.h"
#include "services/image/store/blob.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

struct job_end {
    GMutex mutex; // guards the rest
    GCond ended;
    bool is_over;
    struct err outcome;
};

struct job_end *
job_end_new(void)
{
    struct job_end *end = g_atomic_rc_box_new0(struct job_end);
    g_mutex_init(&end->mutex);
    g_cond_init(&end->ended);
    return end;
}

static void
job_end_clear(gpointer data)
{
    struct job_end *end = data;
    g_mutex_clear(&end->mutex);
    g_cond_clear(&end->ended);
}

void
job_end_unref(struct job_end *end)
{
    if (end) {
        g_atomic_rc_box_release_full(end, job_end_clear);
    }
}

bool
job_end_wait(struct job_end *end, int64_t timeout_ms, struct err *ret_outcome)
{
    gint64 deadline = g_get_monotonic_time() + timeout_ms * 1000;
    g_mutex_lock(&end->mutex);
    while (!end->is_over && g_cond_wait_until(&end->ended, &end->mutex, deadline)) {
    }
    bool is_over = end->is_over;
    if (is_over) {
        *ret_outcome = end->outcome;
    }
    g_mutex_unlock(&end->mutex);
    return is_over;
}

static void
tell(struct job_end *end, const struct err *outcome)
{
    if (end) {
        g_mutex_lock(&end->mutex);
        end->is_over = true;
        end->outcome = *outcome;
        g_cond_signal(&end->ended);
        g_mutex_unlock(&end->mutex);
    }
}

struct job *
job_new(void)
{
    return g_new0(struct job, 1);
}

void
job_free(struct job *job)
{
    if (job) {
        upload_free(job->upload);
        fetch_free(job->fetch);
        location_free(job->location);
        job_end_unref(job->end);
        staged_clear(&job->staged);
        g_free(job);
    }
}

static enum rc
run_fetch(struct job *job, struct db *db, struct err *err)
{
    enum rc rc = fetch_run(job->fetch, err);
    return rc == RC_OK ? upload_finish(job->upload, err) : rc;
}

static enum rc
run_direct(struct job *job, struct db *db, struct err *err)
{
    struct upload *upload = job->upload;
    const struct staged *staged = &job->staged;
    int fd = -1;
    enum rc rc = stores_temp_open(upload->service->stores, staged->file, &fd, err);
    if (rc != RC_OK) {
        return rc;
    }
    struct upload_facts facts = {
        .upload = &upload->row,
        .owner = upload->image->owner,
        .name = upload->image->name,
        .md5 = staged->md5,
        .digest = staged->digest,
        .size = staged->size,
        .virtual_size = staged->virtual_size,
        .format = staged->format,
    };
    const struct blob_source source = {
        .fd = fd, .digest = staged->digest, .size = staged->size, .is_temp = true};
    g_autoptr(GArray) layers = NULL;
    g_autoptr(GArray) recipe = NULL;
    rc = layer_db_extents(db, upload->image->id, &layers, err);
    if (rc == RC_OK) {
        rc = recipe_make(&source, layers, &recipe, err);
    }
    if (rc == RC_OK) {
        facts.recipe = recipe;
        rc = upload_publish(upload, &facts, &source, err);
    }
    close(fd);
    if (rc == RC_OK) {
        stores_temp_remove(upload->service->stores, staged->file);
    }
    return rc;
}

// A descriptor of the image's bytes, from a local store or by a temporary file.
static enum rc
bring_here(struct upload *upload, struct db *db, int *ret_fd, struct err *err)
{
    const image_row *image = upload->image;
    struct stores *stores = upload->service->stores;
    struct blob_places places = {.n = 0};
    enum rc rc = blob_places_find(stores, db, image, &places, err);
    if (rc == RC_OK) {
        rc = places.recipe ? RC_NOT_IMPLEMENTED : blob_open(&places, image->digest, ret_fd, err);
    }
    if (rc == RC_NOT_IMPLEMENTED) { // no file here is the whole
        rc = stores_temp_create(stores, upload->row.upload_id, &upload->fd, err);
        if (rc == RC_OK) {
            rc = blob_fetch(&places, image->digest, image->size, upload->fd, err);
        }
        int fd = rc == RC_OK ? dup(upload->fd) : -1;
        if (rc == RC_OK && fd < 0) {
            rc = fault(err, RC_UNAVAILABLE, "cannot copy the image: %s", g_strerror(errno));
        }
        *ret_fd = fd;
    }
    blob_places_clear(&places);
    return rc;
}

static enum rc
run_copy(struct job *job, struct db *db, struct err *err)
{
    struct upload *upload = job->upload;
    const image_row *image = upload->image;
    int fd = -1;
    const struct upload_facts facts = {
        .upload = &upload->row,
        .owner = image->owner,
        .name = image->name,
        .md5 = image->checksum,
        .digest = image->digest,
        .size = image->size,
        .virtual_size = -1,
    };
    enum rc rc = bring_here(upload, db, &fd, err);
    if (rc == RC_OK) {
        const struct blob_source source = {.fd = fd, .digest = image->digest, .size = image->size};
        rc = upload_publish(upload, &facts, &source, err);
        close(fd);
    }
    return rc;
}

static enum rc (*const runs[])(struct job *job, struct db *db, struct err *err) = {
    [UPLOAD_FETCH] = run_fetch,
    [UPLOAD_DIRECT] = run_direct,
    [UPLOAD_COPY] = run_copy,
    [UPLOAD_LOCATION] = run_fetch,
};

void
job_run(void *data, void *context)
{
    struct job *job = data;
    struct upload *upload = job->upload;
    struct err err = {0};
    struct db *db = NULL;
    enum rc rc = db_get(service_db(upload->service->service), &db, &err);
    if (rc == RC_OK) {
        rc = runs[upload->row.kind](job, db, &err);
    }
    err.rc = rc;
    if (rc != RC_OK) {
        log_info("an import failed", kv("image", upload->row.image_id), kv("message", err.message));
    }
    upload_settle_failed(upload, err.message);
    tell(job->end, &err);
    job_free(job);
}
