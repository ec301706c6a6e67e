// SPDX-License-Identifier: Apache-2.0
// Archives cut at their layers, stored part by part, and read again.
#include <check.h>
#include <fcntl.h>
#include <glib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "services/image/format/archive_cut.h"
#include "services/image/store/recipe.h"
#include "tests/unit/image_stores.h"

#define SIZE 10000

struct extent {
    uint64_t offset, size;
};

static GArray *
layers_of(const struct extent *extents, size_t n)
{
    GArray *layers = g_array_new(FALSE, TRUE, sizeof(struct archive_layer));
    for (size_t i = 0; i < n; i++) {
        const struct archive_layer layer = {.offset = extents[i].offset, .size = extents[i].size};
        g_array_append_val(layers, layer);
    }
    return layers;
}

START_TEST(pieces_follow_each_other_from_end_to_end)
{
    static const struct extent extents[] = {
        {4096, 2000}, {512, 100}, {9000, 1000}, {512, 100}, {700, 0}};
    static const struct archive_piece expected[] = {{0, 512, false},     {512, 100, true},
                                                    {612, 3484, false},  {4096, 2000, true},
                                                    {6096, 2904, false}, {9000, 1000, true}};
    g_autoptr(GArray) layers = layers_of(extents, G_N_ELEMENTS(extents));
    g_autoptr(GArray) pieces = archive_cut(layers, SIZE);
    ck_assert(pieces && pieces->len == G_N_ELEMENTS(expected));
    for (guint i = 0; i < pieces->len; i++) {
        const struct archive_piece *piece = &g_array_index(pieces, struct archive_piece, i);
        ck_assert(piece->offset == expected[i].offset && piece->size == expected[i].size &&
                  piece->is_layer == expected[i].is_layer);
    }
}
END_TEST

START_TEST(what_cannot_be_cut_is_left_whole)
{
    static const struct {
        struct extent extents[2];
        size_t n;
    } cases[] = {
        {{{0}}, 0},                  // no layers
        {{{0, SIZE}}, 1},            // one layer is all
        {{{100, 50}, {149, 50}}, 2}, // overlapping
        {{{100, 50}, {100, 60}}, 2}, // two of them at one place
        {{{100, SIZE}}, 1},          // beyond the end
        {{{SIZE + 1, 1}}, 1},
        {{{5, UINT64_MAX}}, 1},
        {{{UINT64_MAX, 2}}, 1},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GArray) layers = layers_of(cases[i].extents, cases[i].n);
        ck_assert_ptr_null(archive_cut(layers, SIZE));
    }
    struct extent many[MAX_CUTS];
    for (size_t i = 0; i < MAX_CUTS; i++) {
        many[i] = (struct extent){2 * i + 1, 1};
    }
    g_autoptr(GArray) layers = layers_of(many, MAX_CUTS);
    ck_assert_ptr_null(archive_cut(layers, SIZE));
}
END_TEST

static enum rc
collect(void *context, const void *data, size_t size, struct err *err)
{
    g_byte_array_append(context, data, (guint)size);
    return RC_OK;
}

static void
count_bytes(void *context, const char *digest, int64_t size)
{
    *(int64_t *)context += size;
}

static void
expect_ranges(struct store *store, const GArray *recipe, const char *digest, const uint8_t *data)
{
    static const struct {
        int64_t first, last;
    } ranges[] = {{0, SIZE - 1}, {0, 0},       {511, 512},           {600, 4200},
                  {612, 612},    {9000, 9999}, {SIZE - 1, SIZE - 1}, {1, SIZE - 2}};
    struct err err;
    for (size_t i = 0; i < G_N_ELEMENTS(ranges); i++) {
        g_autoptr(GByteArray) bytes = g_byte_array_new();
        int64_t first = ranges[i].first, last = ranges[i].last;
        ck_assert_int_eq(recipe_get(store, recipe, digest, first, last, collect, bytes, &err),
                         RC_OK);
        ck_assert_int_eq(bytes->len, last - first + 1);
        ck_assert(!memcmp(bytes->data, data + first, bytes->len));
    }
}

START_TEST(what_is_stored_part_by_part_comes_back_as_it_was)
{
    // Bytes 2000 … 2999 are those of 1000 … 1999: the same layer twice is stored once.
    static const struct extent extents[] = {{1000, 1000}, {2000, 1000}, {4096, 3000}};
    g_autoptr(GError) error = NULL;
    g_autofree char *directory = g_dir_make_tmp("haneul-recipe-XXXXXX", &error);
    uint8_t data[SIZE];
    struct err err;
    int fd;
    for (size_t i = 0; i < SIZE; i++) {
        data[i] = (uint8_t)((i >= 2000 && i < 3000 ? i - 1000 : i) * 2654435761u >> 13);
    }
    g_autofree char *digest = g_compute_checksum_for_data(G_CHECKSUM_SHA512, data, SIZE);
    struct stores *stores = stores_in(directory, "local:file");
    struct store *store = stores_default(stores);
    ck_assert_int_eq(stores_temp_create(stores, "one", &fd, &err), RC_OK);
    ck_assert_int_eq(write(fd, data, SIZE), SIZE);
    const struct blob_source whole = {.fd = fd, .digest = digest, .size = SIZE, .is_temp = true};
    g_autoptr(GArray) layers = layers_of(extents, G_N_ELEMENTS(extents));
    g_autoptr(GArray) recipe = NULL;
    ck_assert_int_eq(recipe_make(&whole, layers, &recipe, &err), RC_OK);
    ck_assert(recipe && recipe->len == 6);
    ck_assert_int_eq(recipe_put(store, recipe, &whole, &err), RC_OK);
    ck_assert_int_eq(recipe_put(store, recipe, &whole, &err), RC_OK);
    int64_t n_bytes = 0;
    ck_assert_int_eq(store_each(store, 0, count_bytes, &n_bytes, &err), RC_OK);
    ck_assert_int_eq(n_bytes, SIZE - 1000);
    expect_ranges(store, recipe, digest, data);
    // A file that is not what it is said to be is not cut.
    ck_assert_int_eq(pwrite(fd, "?", 1, 5000), 1);
    g_autoptr(GArray) none = NULL;
    ck_assert_int_eq(recipe_make(&whole, layers, &none, &err), RC_INTERNAL);
    ck_assert_ptr_null(none);
    ck_assert_int_eq(recipe_put(store, recipe, &whole, &err), RC_INTERNAL);
    expect_ranges(store, recipe, digest, data);
    // A recipe whose pieces do not make up their part.
    g_array_index(recipe, struct recipe_piece, 0).first = 1;
    ck_assert_int_eq(recipe_put(store, recipe, &whole, &err), RC_INTERNAL);
    close(fd);
    stores_free(stores);
    g_autofree char *command = g_strdup_printf("rm -r '%s'", directory);
    ck_assert(g_spawn_command_line_sync(command, NULL, NULL, NULL, NULL));
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("image_recipe");
    TCase *cases = tcase_create("all");
    tcase_add_test(cases, pieces_follow_each_other_from_end_to_end);
    tcase_add_test(cases, what_cannot_be_cut_is_left_whole);
    tcase_add_test(cases, what_is_stored_part_by_part_comes_back_as_it_was);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
