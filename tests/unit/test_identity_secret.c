// SPDX-License-Identifier: Apache-2.0
#include "common/base/util.h"
#include "services/identity/secret/key_directory.h"
#include <check.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct secret_ring *
ring_of(int first, size_t n)
{
    struct secret_key keys[4] = {{0}};
    for (size_t i = 0; i < n; i++) {
        keys[i].number = first + (int)i;
        memset(keys[i].bytes, first + (int)i, sizeof keys[i].bytes);
        secret_key_name(&keys[i]);
    }
    struct secret_ring *ring = secret_ring_new();
    ck_assert_int_eq(secret_ring_set(ring, keys, n, NULL), RC_OK);
    return ring;
}

START_TEST(what_is_sealed_opens_again)
{
    static const char *const texts[] = {"", "x", "한글 secret",
                                        "a long text that fills more than one block"};
    struct secret_ring *ring = ring_of(0, 3);
    char primary[SECRET_ID_SIZE];
    secret_ring_primary(ring, primary);
    for (size_t i = 0; i < N_ELEMENTS(texts); i++) {
        char *sealed = NULL, *again = NULL, *text = NULL;
        ck_assert_int_eq(secret_seal(ring, "t", "1", texts[i], &sealed, NULL), RC_OK);
        ck_assert_int_eq(secret_seal(ring, "t", "1", texts[i], &again, NULL), RC_OK);
        ck_assert_str_ne(sealed, again);
        ck_assert(!strncmp(sealed, primary, 16) && sealed[16] == '.');
        ck_assert_int_eq(secret_unseal(ring, "t", "1", sealed, &text, NULL), RC_OK);
        ck_assert_str_eq(text, texts[i]);
        g_free(sealed);
        g_free(again);
        secret_text_free(text);
    }
    secret_ring_free(ring);
}
END_TEST

START_TEST(what_was_changed_or_moved_does_not_open)
{
    struct secret_ring *ring = ring_of(1, 2), *other = ring_of(7, 1);
    char *sealed = NULL, *text = NULL;
    struct err err = {0};
    ck_assert_int_eq(secret_seal(ring, "credential", "ab", "hush", &sealed, NULL), RC_OK);
    ck_assert_int_eq(secret_unseal(ring, "credential", "ac", sealed, &text, &err), RC_INTERNAL);
    ck_assert_int_eq(secret_unseal(ring, "credentia", "lab", sealed, &text, &err), RC_INTERNAL);
    ck_assert_int_eq(secret_unseal(other, "credential", "ab", sealed, &text, &err), RC_INTERNAL);
    ck_assert(strstr(err.message, "not in the key directory") != NULL);
    for (size_t i = 0; sealed[i]; i++) {
        char was = sealed[i];
        sealed[i] = was == 'a' ? 'b' : 'a';
        text = NULL;
        // The last character may have spare bits.
        if (sealed[i + 1] || secret_unseal(ring, "credential", "ab", sealed, &text, NULL)) {
            ck_assert_int_eq(secret_unseal(ring, "credential", "ab", sealed, &text, NULL),
                             RC_INTERNAL);
        }
        secret_text_free(text);
        sealed[i] = was;
    }
    static const char *const malformed[] = {"",
                                            ".",
                                            "0123456789abcdef",
                                            "0123456789abcdef.",
                                            "0123456789abcdef.AAAA",
                                            "0123456789abcdef.%%%%"};
    for (size_t i = 0; i < N_ELEMENTS(malformed); i++) {
        ck_assert_int_eq(secret_unseal(ring, "t", "1", malformed[i], &text, NULL), RC_INTERNAL);
    }
    g_free(sealed);
    secret_ring_free(ring);
    secret_ring_free(other);
}
END_TEST

START_TEST(a_ring_needs_a_key_beside_the_staged_one)
{
    struct secret_key staged = {.number = 0};
    struct secret_ring *ring = secret_ring_new();
    ck_assert_int_eq(secret_ring_set(ring, &staged, 1, NULL), RC_INVALID);
    ck_assert_int_eq(secret_ring_set(ring, &staged, 0, NULL), RC_INVALID);
    char *sealed = NULL;
    ck_assert_int_eq(secret_seal(ring, "t", "1", "x", &sealed, NULL), RC_INTERNAL);
    secret_ring_free(ring);
}
END_TEST

START_TEST(the_staged_key_becomes_the_primary)
{
    g_autofree char *directory = g_dir_make_tmp("haneul-keys-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(directory, "k", NULL);
    struct err err = {0};
    ck_assert_int_eq(key_directory_make(path, &err), RC_OK);
    ck_assert_int_eq(key_directory_make(path, &err), RC_CONFLICT);
    struct secret_ring *ring = secret_ring_new();
    char first[SECRET_ID_SIZE], second[SECRET_ID_SIZE];
    ck_assert_int_eq(key_directory_read(path, ring, &err), RC_OK);
    secret_ring_primary(ring, first);
    char *sealed = NULL, *text = NULL;
    ck_assert_int_eq(secret_seal(ring, "t", "1", "x", &sealed, NULL), RC_OK);
    ck_assert_int_eq(key_directory_rotate(path, &err), RC_OK);
    struct secret_ring *rotated = secret_ring_new();
    ck_assert_int_eq(key_directory_read(path, rotated, &err), RC_OK);
    secret_ring_primary(rotated, second);
    ck_assert_str_ne(first, second);
    ck_assert(secret_ring_has(ring, second)); // it was staged: whoever read before opens it too
    ck_assert_int_eq(secret_unseal(rotated, "t", "1", sealed, &text, NULL), RC_OK);
    // Interrupted between its two steps a rotation is not repeated with the same key.
    g_autofree char *staged = g_build_filename(path, "0", NULL),
                    *primary = g_build_filename(path, "2", NULL);
    ck_assert(!g_unlink(staged) && !link(primary, staged));
    ck_assert_int_eq(key_directory_rotate(path, &err), RC_NOT_FOUND);
    ck_assert_int_eq(key_directory_rotate(path, &err), RC_OK);
    for (const char *const *name = (const char *const[]){"0", "1", "2", "3", NULL}; *name; name++) {
        g_autofree char *file = g_build_filename(path, *name, NULL);
        ck_assert_int_eq(g_unlink(file), 0);
    }
    ck_assert_int_eq(key_directory_read(path, rotated, &err), RC_INVALID);
    ck_assert(!g_rmdir(path) && !g_rmdir(directory));
    g_free(sealed);
    secret_text_free(text);
    secret_ring_free(ring);
    secret_ring_free(rotated);
}
END_TEST

START_TEST(making_keys_can_be_interrupted_anywhere)
{
    g_autofree char *directory = g_dir_make_tmp("haneul-keys-XXXXXX", NULL);
    g_autofree char *staged = g_build_filename(directory, "0", NULL),
                    *primary = g_build_filename(directory, "1", NULL);
    struct secret_ring *ring = secret_ring_new();
    ck_assert_int_eq(key_directory_make(directory, NULL), RC_OK);
    ck_assert_int_eq(g_unlink(staged), 0); // before its last step: it can be used, and completed
    ck_assert_int_eq(key_directory_read(directory, ring, NULL), RC_OK);
    char before[SECRET_ID_SIZE], after[SECRET_ID_SIZE];
    secret_ring_primary(ring, before);
    ck_assert_int_eq(key_directory_make(directory, NULL), RC_OK);
    ck_assert_int_eq(key_directory_read(directory, ring, NULL), RC_OK);
    secret_ring_primary(ring, after);
    ck_assert_str_eq(before, after);
    ck_assert_int_eq(g_unlink(primary), 0); // as an older version left it
    ck_assert_int_eq(key_directory_read(directory, ring, NULL), RC_INVALID);
    ck_assert_int_eq(key_directory_make(directory, NULL), RC_OK);
    ck_assert_int_eq(key_directory_read(directory, ring, NULL), RC_OK);
    ck_assert_int_eq(key_directory_make(directory, NULL), RC_CONFLICT);
    ck_assert(!g_unlink(staged) && !g_unlink(primary) && !g_rmdir(directory));
    secret_ring_free(ring);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("identity_secret");
    TCase *tcase = tcase_create("secret");
    tcase_add_test(tcase, what_is_sealed_opens_again);
    tcase_add_test(tcase, what_was_changed_or_moved_does_not_open);
    tcase_add_test(tcase, a_ring_needs_a_key_beside_the_staged_one);
    tcase_add_test(tcase, the_staged_key_becomes_the_primary);
    tcase_add_test(tcase, making_keys_can_be_interrupted_anywhere);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
