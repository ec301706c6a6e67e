// SPDX-License-Identifier: Apache-2.0
// Two sums at once are what each is alone, however the bytes are cut and whoever takes which part.
#include "common/base/digest_kernel.h"
#include "common/base/digest_pair.h"
#include <check.h>
#include <glib.h>
#include <stdlib.h>
#include <string.h>

#define N_BYTES 20000

// Row by row: a hash, and the kernel that has to agree with OpenSSL; NULL: none.
static const struct {
    const char *hash, *kernel;
} cases[] = {
    {"sha512", "avx512"}, {"sha384", "avx512"}, {"sha512", "avx2"}, {"sha384", "avx2"},
    {"sha256", "sha-ni"}, {"sha512", NULL},     {"sha256", NULL},
};

// NULL when this processor has not what the kernel needs.
static struct digest_pair *
new_pair(int row)
{
    const struct digest_algo *algo = digest_algo_find(cases[row].hash);
    const struct digest_kernel *kernel = digest_kernels;
    if (!cases[row].kernel) {
        return digest_pair_new_with(algo, NULL);
    }
    while (kernel->name && strcmp(kernel->name, cases[row].kernel)) {
        kernel++;
    }
    return kernel->name && kernel->runs_here() ? digest_pair_new_with(algo, kernel) : NULL;
}

START_TEST(the_best_is_taken)
{
    bool any = false;
    for (size_t row = 0; row < G_N_ELEMENTS(cases); row++) {
        struct digest_pair *pair = new_pair((int)row);
        any |= pair && cases[row].kernel;
        digest_pair_free(pair);
    }
    for (const struct digest_kernel *kernel = digest_kernels; kernel->name; kernel++) {
        size_t row = 0;
        while (row < G_N_ELEMENTS(cases) && g_strcmp0(cases[row].kernel, kernel->name)) {
            row++;
        }
        ck_assert_uint_lt(row, G_N_ELEMENTS(cases)); // each has its row above
    }
    ck_assert(any == (digest_pair_gains(digest_algo_find("sha512")) ||
                      digest_pair_gains(digest_algo_find("sha256"))));
}
END_TEST

static uint8_t *
noise(size_t size)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(7);
    uint8_t *bytes = g_malloc(size);
    for (size_t i = 0; i < size; i++) {
        bytes[i] = (uint8_t)g_rand_int(rand);
    }
    return bytes;
}

// A row's pair beside OpenSSL.
struct sums {
    struct digest_pair *pair;
    EVP_MD_CTX *md5, *hash;
};

// False when this processor has not what the kernel needs.
static bool
begin(int row, struct sums *ret_sums)
{
    ret_sums->pair = new_pair(row);
    if (!ret_sums->pair) {
        return false;
    }
    ret_sums->md5 = digest_new(EVP_md5());
    ret_sums->hash = digest_new(digest_algo_find(cases[row].hash)->evp());
    return true;
}

static void
add_expected(struct sums *sums, const uint8_t *bytes, size_t size)
{
    EVP_DigestUpdate(sums->md5, bytes, size);
    EVP_DigestUpdate(sums->hash, bytes, size);
}

static void
end(struct sums *sums, int row)
{
    char wanted[2 * EVP_MAX_MD_SIZE + 1], ours[DIGEST_HEX_MAX + 1], ours_md5[33];
    digest_pair_to_hex(sums->pair, ours_md5, ours);
    digest_to_hex(sums->md5, wanted);
    ck_assert_str_eq(ours_md5, wanted);
    digest_to_hex(sums->hash, wanted);
    ck_assert_str_eq(ours, wanted);
    ck_assert_uint_eq(strlen(ours), digest_algo_find(cases[row].hash)->n_hex);
    EVP_MD_CTX_free(sums->md5);
    EVP_MD_CTX_free(sums->hash);
    digest_pair_free(sums->pair);
}

START_TEST(every_length)
{
    g_autofree uint8_t *bytes = noise(N_BYTES);
    struct sums sums;
    for (size_t size = 0; size < 2500 && begin(_i, &sums); size++) {
        digest_pair_both(sums.pair, bytes, size);
        add_expected(&sums, bytes, size);
        end(&sums, _i);
    }
}
END_TEST

// Cuts anywhere; each piece both at once, or one sum after the other.
START_TEST(every_cut)
{
    g_autofree uint8_t *bytes = noise(N_BYTES);
    g_autoptr(GRand) rand = g_rand_new_with_seed(8);
    struct sums sums;
    for (int round = 0; round < 400 && begin(_i, &sums); round++) {
        for (size_t from = 0, n; from < N_BYTES; from += n) {
            n = (size_t)g_rand_int_range(rand, 1, 6000);
            n = MIN(round % 2 ? n : n / 128 * 128 + 128, N_BYTES - from);
            if (g_rand_boolean(rand)) {
                digest_pair_both(sums.pair, bytes + from, n);
            } else {
                digest_pair_hash(sums.pair, bytes + from, n);
                digest_pair_md5(sums.pair, bytes + from, n);
            }
        }
        add_expected(&sums, bytes, N_BYTES);
        end(&sums, _i);
    }
}
END_TEST

// More than 2^32 bits: the counters have halves.
START_TEST(long_input)
{
    const size_t size = 8 << 20;
    g_autofree uint8_t *bytes = noise(size);
    struct sums sums;
    if (begin(_i, &sums)) {
        for (size_t done = 0; done < (size_t)520 << 20; done += size) {
            digest_pair_both(sums.pair, bytes, size);
            add_expected(&sums, bytes, size);
        }
        end(&sums, _i);
    }
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("digest_pair");
    TCase *sums = tcase_create("sums");
    tcase_set_timeout(sums, 300); // instrumented, beside others
    tcase_add_test(sums, the_best_is_taken);
    tcase_add_loop_test(sums, every_length, 0, G_N_ELEMENTS(cases));
    tcase_add_loop_test(sums, every_cut, 0, G_N_ELEMENTS(cases));
    tcase_add_loop_test(sums, long_input, 0, 1);
    tcase_add_loop_test(sums, long_input, 4, 5);
    suite_add_tcase(suite, sums);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
