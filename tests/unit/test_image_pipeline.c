// SPDX-License-Identifier: Apache-2.0
// The upload pipeline over real files, the store, and the life cycle.
#include <check.h>
#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/util.h"
#include "services/image/catalog/image_fsm.h"
#include "services/image/data/buffers.h"
#include "services/image/data/pipeline.h"
#include "tests/unit/image_stores.h"

static char *
temporary_directory(void)
{
    g_autoptr(GError) error = NULL;
    char *path = g_dir_make_tmp("haneul-image-XXXXXX", &error);
    ck_assert_msg(path != NULL, "%s", error ? error->message : "");
    return path;
}

struct receiver {
    GMutex mutex;
    GCond woken;
    bool may_come;
};

static void
wake(void *context)
{
    struct receiver *receiver = context;
    g_mutex_lock(&receiver->mutex);
    receiver->may_come = true;
    g_cond_signal(&receiver->woken);
    g_mutex_unlock(&receiver->mutex);
}

// Sends everything as the HTTP server would: waits to be woken when nothing was taken.
static enum rc
send_all(struct pipeline *pipeline, struct receiver *receiver, const uint8_t *data, size_t size,
         size_t piece, struct err *err)
{
    for (size_t at = 0; at < size;) {
        size_t taken = 0;
        enum rc rc = pipeline_put(pipeline, data + at, MIN(piece, size - at), &taken, err);
        if (rc != RC_OK) {
            return rc;
        }
        at += taken;
        g_mutex_lock(&receiver->mutex);
        while (taken == 0 && !receiver->may_come) {
            g_cond_wait(&receiver->woken, &receiver->mutex);
        }
        receiver->may_come = false;
        g_mutex_unlock(&receiver->mutex);
    }
    return RC_OK;
}

static const size_t pieces[] = {1 << 24, 32768, 1001};
static const char *const hashes[] = {"sha512", "sha256", "sha512"};

START_TEST(what_comes_out_is_what_went_in)
{
    g_autofree char *directory = temporary_directory();
    g_autofree char *path = g_build_filename(directory, "file", NULL);
    int fd = open(path, O_RDWR | O_CREAT, 0600);
    size_t size = 9 * 1000 * 1000 + 17;
    g_autofree uint8_t *data = g_malloc(size);
    for (size_t i = 0; i < size; i++) {
        data[i] = (uint8_t)(i * 2654435761u >> 13);
    }
    struct receiver receiver = {0};
    int way = _i % (int)G_N_ELEMENTS(pieces);
    bool is_split = _i != way;
    struct pipelines *all = pipelines_new(is_split ? 8 << 20 : 0, 1 + way, is_split);
    const struct digest_algo *hash = digest_algo_find(hashes[way]);
    struct pipeline_config config = {all, hash, fd, INT64_MAX, wake, &receiver};
    struct pipeline *pipeline = pipeline_new(&config);
    struct pipeline_result result;
    struct err err;
    ck_assert_int_eq(send_all(pipeline, &receiver, data, size, pieces[way], &err), RC_OK);
    ck_assert_int_eq(pipeline_finish(pipeline, &result, &err), RC_OK);
    pipeline_free(pipeline);
    g_autofree char *md5 = g_compute_checksum_for_data(G_CHECKSUM_MD5, data, size);
    pipelines_free(all);
    g_autofree char *value = g_compute_checksum_for_data(
        hash->n_hex == 64 ? G_CHECKSUM_SHA256 : G_CHECKSUM_SHA512, data, size);
    ck_assert_str_eq(result.md5, md5);
    ck_assert_str_eq(result.hash, value);
    ck_assert_int_eq(result.size, (int64_t)size);
    ck_assert_int_eq(result.verdict.virtual_size, (int64_t)size);
    g_autofree char *stored = NULL;
    gsize stored_size;
    ck_assert(g_file_get_contents(path, &stored, &stored_size, NULL));
    ck_assert(stored_size == size && !memcmp(stored, data, size));
    close(fd);
    g_unlink(path);
    g_rmdir(directory);
}
END_TEST

START_TEST(too_many_bytes_refused_content_and_a_full_disk_stop_it)
{
    g_autofree uint8_t *data = g_malloc0(8 << 20);
    struct receiver receiver = {0};
    struct err err;
    struct pipeline_config config = {.all = pipelines_new(1 << 22, 4, true),
                                     .hash = digest_algo_find("sha512"),
                                     .fd = open("/dev/null", O_WRONLY),
                                     .max_size = 1000,
                                     .wake = wake,
                                     .context = &receiver};
    struct pipeline *pipeline = pipeline_new(&config);
    ck_assert_int_eq(send_all(pipeline, &receiver, data, 1001, 1001, &err), RC_TOO_LARGE);
    pipeline_free(pipeline);
    config.max_size = INT64_MAX;
    memcpy(data, "LUKS\xba\xbe", 6);
    pipeline = pipeline_new(&config);
    ck_assert_int_eq(send_all(pipeline, &receiver, data, 8 << 20, 32768, &err), RC_INVALID);
    ck_assert(strstr(err.message, "LUKS") != NULL);
    pipeline_free(pipeline);
    close(config.fd);
    memset(data, 0, 6);
    config.fd = open("/dev/full", O_WRONLY);
    pipeline = pipeline_new(&config);
    struct pipeline_result result;
    enum rc rc = send_all(pipeline, &receiver, data, 8 << 20, 32768, &err);
    if (rc == RC_OK) {
        rc = pipeline_finish(pipeline, &result, &err);
    }
    ck_assert_int_eq(rc, RC_TOO_LARGE);
    pipeline_free(pipeline);
    pipelines_free(config.all);
    close(config.fd);
}
END_TEST

// As the receiver does it: straight into the buffers, as much as has come.
static enum rc
fill_all(struct pipeline *pipeline, struct receiver *receiver, const uint8_t *data, size_t size,
         size_t piece, struct err *err)
{
    for (size_t at = 0; at < size;) {
        struct iovec parts[PIPELINE_PARTS];
        size_t n_came = MIN(piece, size - at), filled = 0;
        int n = 0;
        enum rc rc = pipeline_room(pipeline, n_came, parts, &n, err);
        for (int i = 0; i < n; i++) {
            ck_assert_uint_lt(filled, n_came); // none without need
            size_t part = MIN(parts[i].iov_len, n_came - filled);
            memcpy(parts[i].iov_base, data + at + filled, part);
            filled += part;
        }
        at += filled;
        rc = rc ? rc : pipeline_filled(pipeline, filled, err);
        if (rc != RC_OK) {
            return rc;
        }
        g_mutex_lock(&receiver->mutex);
        while (n == 0 && !receiver->may_come) {
            g_cond_wait(&receiver->woken, &receiver->mutex);
        }
        receiver->may_come = false;
        g_mutex_unlock(&receiver->mutex);
    }
    pipeline_pause(pipeline);
    return RC_OK;
}

START_TEST(what_is_put_straight_into_the_buffers_comes_out)
{
    static const size_t came[] = {1 << 20, 300001, 4096, 3 << 20};
    size_t size = 20 * 1000 * 1000 + 17;
    g_autofree uint8_t *data = g_malloc(size);
    for (size_t i = 0; i < size; i++) {
        data[i] = (uint8_t)(i * 2654435761u >> 13);
    }
    g_autofree char *md5 = g_compute_checksum_for_data(G_CHECKSUM_MD5, data, size);
    struct pipelines *all = pipelines_new((int64_t)(_i + 1) << 20, 1, _i % 2 == 1);
    struct receiver receiver = {0};
    struct err err;
    struct pipeline_result result;
    struct pipeline_config config = {
        all,      digest_algo_find("sha256"), memfd_create("upload", MFD_CLOEXEC), INT64_MAX, wake,
        &receiver};
    struct pipeline *pipeline = pipeline_new(&config);
    ck_assert_int_eq(fill_all(pipeline, &receiver, data, size, came[_i], &err), RC_OK);
    ck_assert_int_eq(pipeline_finish(pipeline, &result, &err), RC_OK);
    pipeline_free(pipeline);
    ck_assert_str_eq(result.md5, md5);
    ck_assert_int_eq(result.size, (int64_t)size);
    g_autofree uint8_t *stored = g_malloc(size);
    ck_assert_int_eq(pread(config.fd, stored, size, 0), (ssize_t)size);
    ck_assert_mem_eq(stored, data, size);
    close(config.fd);
    pipelines_free(all);
}
END_TEST

START_TEST(buffers_come_and_go_in_blocks)
{
    enum { N = 20 };
    struct buffers *buffers = buffers_new(256 << 10);
    void *taken[N];
    for (int i = 0; i < N; i++) {
        taken[i] = buffers_take(buffers);
        ck_assert_uint_eq((uintptr_t)taken[i] % 4096, 0);
        memset(taken[i], i, 256 << 10);
    }
    ck_assert_int_eq(buffers_memory(buffers), 6 << 20);
    for (int i = 0; i < N; i++) {
        ck_assert_int_eq(((uint8_t *)taken[i])[i], i);
    }
    for (int i = 3; i < N; i++) {
        buffers_give(buffers, taken[i]);
    }
    buffers_trim(buffers, 100);
    ck_assert_int_eq(buffers_memory(buffers), 6 << 20);
    buffers_trim(buffers, 0);
    ck_assert_int_eq(buffers_memory(buffers), 2 << 20); // where three are still taken
    ck_assert_ptr_eq(buffers_take(buffers), taken[3]);
    for (int i = 0; i < 4; i++) {
        buffers_give(buffers, taken[i]);
    }
    buffers_free(buffers);
}
END_TEST

START_TEST(a_cancelled_pipeline_ends_wherever_it_is)
{
    g_autofree uint8_t *data = g_malloc0(8 << 20);
    struct pipelines *all = pipelines_new(1 << 20, 1, false);
    for (size_t size = 0; size <= 8 << 20; size += 1 << 20) {
        struct receiver receiver = {0};
        struct err err;
        struct pipeline_config config = {
            all,      digest_algo_find("sha256"), open("/dev/null", O_WRONLY), INT64_MAX, wake,
            &receiver};
        struct pipeline *pipeline = pipeline_new(&config);
        ck_assert_int_eq(send_all(pipeline, &receiver, data, size, 65536, &err), RC_OK);
        pipeline_cancel(pipeline);
        pipeline_free(pipeline);
        close(config.fd);
    }
    pipelines_free(all);
}
END_TEST

#define N_AT_ONCE 16
struct one_of_many {
    int fd;
    struct pipeline *pipeline;
    struct receiver receiver;
    size_t piece;
    bool stalls;
    struct pipeline_result result;
};

static gpointer
send_one(gpointer data)
{
    static uint8_t bytes[4 << 20];
    struct one_of_many *one = data;
    struct err err;
    size_t size = one->stalls ? 700 * 1000 : sizeof bytes;
    ck_assert_int_eq(send_all(one->pipeline, &one->receiver, bytes, size, one->piece, &err), RC_OK);
    if (!one->stalls) {
        ck_assert_int_eq(pipeline_finish(one->pipeline, &one->result, &err), RC_OK);
    }
    return NULL;
}

START_TEST(all_together_take_one_sum_and_who_stalls_holds_up_nobody)
{
    struct pipelines *all = pipelines_new(0, N_AT_ONCE, true);
    struct one_of_many many[N_AT_ONCE] = {0};
    GThread *threads[N_AT_ONCE];
    for (int i = 0; i < N_AT_ONCE; i++) {
        many[i].stalls = i % 2;
        many[i].fd = memfd_create("upload", MFD_CLOEXEC);
        many[i].piece = 1000 + (size_t)i * 30000;
        const struct pipeline_config config = {
            all, digest_algo_find("sha256"), many[i].fd, INT64_MAX, wake, &many[i].receiver};
        many[i].pipeline = pipeline_new(&config);
    }
    for (int i = 0; i < N_AT_ONCE; i++) {
        threads[i] = g_thread_new("sender", send_one, &many[i]);
    }
    for (int i = 0; i < N_AT_ONCE; i++) {
        g_thread_join(threads[i]);
        ck_assert_int_le(pipelines_memory(all), (int64_t)N_AT_ONCE * 256 * 1024);
    }
    for (int i = 0; i < N_AT_ONCE; i++) {
        ck_assert_str_eq(many[i].result.md5,
                         many[i].stalls ? "" : "b5cfa9d6c8febd618f91ac2843d50a1c");
        pipeline_free(many[i].pipeline);
        close(many[i].fd);
    }
    pipelines_free(all);
}
END_TEST

static void
count_blob(void *context, const char *digest, int64_t size)
{
    ++*(int *)context;
}

START_TEST(a_blob_is_placed_once_and_may_be_placed_again)
{
    g_autofree char *directory = temporary_directory();
    g_autofree char *digest = g_compute_checksum_for_string(G_CHECKSUM_SHA512, "bytes", 5);
    struct stores *stores = stores_in(directory, "local:file, spare:file");
    struct err err;
    int fd, n = 0;
    ck_assert_int_eq(stores_temp_create(stores, "one", &fd, &err), RC_OK);
    ck_assert_int_eq(write(fd, "bytes", 5), 5);
    ck_assert_int_ne(stores_temp_create(stores, "one", &(int){0}, &err), RC_OK);
    const struct blob_source source = {fd, digest, 5, true};
    for (guint i = 0; i < 2 * stores_count(stores); i++) {
        ck_assert_int_eq(store_put(stores_at(stores, i / 2), &source, &err), RC_OK);
    }
    close(fd);
    g_autoptr(GPtrArray) names = stores_temp_list(stores);
    ck_assert_int_eq(names->len, 1);
    stores_temp_remove(stores, "one");
    for (guint i = 0; i < stores_count(stores); i++) {
        struct store *store = stores_at(stores, i);
        g_autoptr(GHashTable) parts = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        char bytes[8];
        ck_assert_int_eq(store_open(store, digest, &fd, &err), RC_OK);
        ck_assert_int_eq(read(fd, bytes, sizeof bytes), 5);
        close(fd);
        n = 0;
        ck_assert_int_eq(store_each(store, 0, count_blob, &n, &err), RC_OK);
        ck_assert_int_eq(n, 1);
        ck_assert_int_eq(store_each(store, 3600, count_blob, &n, &err), RC_OK);
        ck_assert_int_eq(n, 1);
        ck_assert_int_eq(store_partials(store, parts, &err), RC_OK);
        ck_assert_int_eq(g_hash_table_size(parts), 0);
        ck_assert_int_eq(store_remove(store, digest, &err), RC_OK);
        ck_assert_int_eq(store_remove(store, digest, &err), RC_OK);
        ck_assert_int_eq(store_open(store, digest, &fd, &err), RC_NOT_FOUND);
    }
    stores_free(stores);
    g_autofree char *command = g_strdup_printf("rm -r '%s'", directory);
    ck_assert(g_spawn_command_line_sync(command, NULL, NULL, NULL, NULL));
}
END_TEST

START_TEST(every_state_but_deleted_has_a_way_out)
{
    for (int state = 0; state < image_fsm.n_states; state++) {
        bool can_be_deleted = fsm_next(&image_fsm, state, IMAGE_DELETE) == IMAGE_DELETED;
        ck_assert_int_eq(can_be_deleted, state != IMAGE_DELETED);
    }
}
END_TEST

START_TEST(only_a_queued_image_takes_data)
{
    const char *next = NULL;
    struct err err;
    ck_assert_int_eq(image_fsm_step("queued", IMAGE_UPLOAD, &next, &err), RC_OK);
    ck_assert_str_eq(next, "saving");
    ck_assert_int_eq(image_fsm_step("active", IMAGE_UPLOAD, &next, &err), RC_CONFLICT);
    ck_assert_str_eq(err.message, "Image status transition from active to saving is not allowed");
    ck_assert_int_eq(image_fsm_step("no state", IMAGE_DELETE, &next, &err), RC_CONFLICT);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("image_pipeline");
    TCase *cases = tcase_create("all");
    tcase_set_timeout(cases, 60);
    tcase_add_loop_test(cases, what_comes_out_is_what_went_in, 0, 2 * G_N_ELEMENTS(pieces));
    tcase_add_test(cases, too_many_bytes_refused_content_and_a_full_disk_stop_it);
    tcase_add_loop_test(cases, what_is_put_straight_into_the_buffers_comes_out, 0, 4);
    tcase_add_test(cases, buffers_come_and_go_in_blocks);
    tcase_add_test(cases, a_cancelled_pipeline_ends_wherever_it_is);
    tcase_add_test(cases, all_together_take_one_sum_and_who_stalls_holds_up_nobody);
    tcase_add_test(cases, a_blob_is_placed_once_and_may_be_placed_again);
    tcase_add_test(cases, every_state_but_deleted_has_a_way_out);
    tcase_add_test(cases, only_a_queued_image_takes_data);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
