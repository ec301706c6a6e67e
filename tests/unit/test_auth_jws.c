// SPDX-License-Identifier: Apache-2.0
// Tokens as identity signs them and as attackers would.
#include "common/auth/feed.h"
#include "common/auth/jws.h"
#include "common/auth/key_ring.h"
#include "common/base/util.h"
#include <check.h>
#include <stdlib.h>
#include <string.h>

static const char *const role_names[] = {"member", "reader", NULL};
static const char *const role_ids[] = {"r1", "r2", NULL};

static struct auth_context
sample(void)
{
    return (struct auth_context){.user_id = "u1",
                                 .user_name = "하늘",
                                 .user_domain_id = "default",
                                 .user_domain_name = "Default",
                                 .project_id = "p1",
                                 .project_name = "one",
                                 .project_domain_id = "d2",
                                 .project_domain_name = "Two",
                                 .roles = role_names,
                                 .role_ids = role_ids,
                                 .audit_id = "a1",
                                 .methods = "password,token",
                                 .issued_at_us = now_us(),
                                 .expires_at_us = now_us() + 60000000};
}

static struct key_ring *
signing_ring(void)
{
    struct key_ring *ring = key_ring_new();
    g_autofree char *private = NULL, *public = NULL;
    key_pair_generate(&private, &public);
    ck_assert_int_eq(key_ring_add(ring, "k1", private, true, NULL), RC_OK);
    return ring;
}

static char *
sign(struct key_ring *ring, const struct auth_context *context)
{
    g_autofree char *claims = claims_text(context);
    char *token = NULL;
    ck_assert_int_eq(jws_sign(ring, claims, &token, NULL), RC_OK);
    return token;
}

START_TEST(a_signed_token_verifies_to_the_same_context)
{
    struct key_ring *ring = signing_ring();
    struct authenticator *auth = authenticator_new_local(ring);
    struct auth_context in = sample(), *out = NULL;
    g_autofree char *token = sign(ring, &in);
    ck_assert_int_eq(authenticator_verify(auth, token, &out, NULL), RC_OK);
    ck_assert_str_eq(out->user_name, "하늘");
    ck_assert_str_eq(out->project_domain_id, "d2");
    ck_assert_str_eq(out->methods, "password,token");
    ck_assert_str_eq(out->domain_id, "");
    ck_assert_str_eq(out->role_ids[1], "r2");
    ck_assert_ptr_null(out->roles[2]);
    ck_assert_int_eq(out->issued_at_us, in.issued_at_us);
    ck_assert(!out->is_admin && !out->is_system && auth_has_role(out, "Member"));
    auth_context_unref(out);
    authenticator_free(auth);
    key_ring_free(ring);
}
END_TEST

START_TEST(a_trust_travels_with_its_token)
{
    struct key_ring *ring = signing_ring();
    struct authenticator *auth = authenticator_new_local(ring);
    struct auth_context in = sample(), *out = NULL, *plain_out = NULL;
    g_autofree char *plain = sign(ring, &in);
    in.trust_id = "t1";
    in.trustor_id = "u1";
    in.trustee_id = "u2";
    in.is_impersonating = true;
    g_autofree char *token = sign(ring, &in);
    ck_assert_int_eq(authenticator_verify(auth, token, &out, NULL), RC_OK);
    ck_assert_str_eq(out->trust_id, "t1");
    ck_assert_str_eq(out->trustor_id, "u1");
    ck_assert_str_eq(out->trustee_id, "u2");
    ck_assert(out->is_impersonating);
    ck_assert_int_eq(authenticator_verify(auth, plain, &plain_out, NULL), RC_OK);
    ck_assert_str_eq(plain_out->trust_id, "");
    ck_assert(!plain_out->is_impersonating);
    auth_context_unref(plain_out);
    auth_context_unref(out);
    authenticator_free(auth);
    key_ring_free(ring);
}
END_TEST

static char *
part(const char *json)
{
    return base64url_encode(json, strlen(json));
}

static enum rc
verify(struct key_ring *ring, const char *token)
{
    json_t *claims = NULL;
    enum rc rc = jws_verify(ring, token, &claims, NULL);
    json_decref(claims);
    return rc;
}

// A time in seconds that has no microseconds is none; found by the fuzzer.
START_TEST(a_time_past_all_times_is_none)
{
    static const struct {
        int64_t iat, exp;
        bool is_taken;
    } cases[] = {
        {1, 2, true},
        {1, INT64_MAX / 1000000, true},
        {1, INT64_MAX / 1000000 + 1, false},
        {INT64_MAX / 1000000 + 1, 2, false},
        {17000000000000, 4000000000, false},
        {1, INT64_MAX, false},
        {1, INT64_MIN, false},
        {INT64_MIN, 2, false},
        {1, 0, false},
        {-1, 2, false},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        json_auto_t *claims = json_pack("{s:s, s:s, s:I, s:I}", "sub", "u1", "aud_id", "a1", "iat",
                                        (json_int_t)cases[i].iat, "exp", (json_int_t)cases[i].exp);
        struct auth_context *context = NULL;
        enum rc rc = context_from_claims(claims, &context, NULL);
        ck_assert_msg(rc == (cases[i].is_taken ? RC_OK : RC_UNAUTHORIZED), "case %zu: %d", i, rc);
        if (context) {
            ck_assert_int_eq(context->expires_at_us, cases[i].exp * 1000000);
        }
        auth_context_unref(context);
    }
}
END_TEST

START_TEST(another_header_is_refused)
{
    static const char *const headers[] = {"{\"alg\":\"none\",\"kid\":\"k1\"}",
                                          "{\"alg\":\"HS256\",\"kid\":\"k1\"}",
                                          "{\"alg\":\"ES384\",\"kid\":\"k1\"}",
                                          "{\"alg\":\"ES256\"}",
                                          "{\"alg\":\"ES256\",\"kid\":\"k2\"}",
                                          "{\"alg\":\"ES256\",\"kid\":7}",
                                          "{\"alg\":\"ES256\",\"kid\":\"k1\",\"crit\":[\"exp\"]}",
                                          "{\"alg\":\"ES256\",\"kid\":\"k1\",\"kid\":\"k1\"}",
                                          "[]",
                                          "",
                                          "{"};
    struct key_ring *ring = signing_ring();
    struct auth_context context = sample();
    g_autofree char *token = sign(ring, &context);
    for (size_t i = 0; i < N_ELEMENTS(headers); i++) {
        g_autofree char *header = part(headers[i]);
        g_autofree char *forged = g_strconcat(header, strchr(token, '.'), NULL);
        ck_assert_int_eq(verify(ring, forged), RC_UNAUTHORIZED);
    }
    key_ring_free(ring);
}
END_TEST

START_TEST(a_malformed_token_is_refused)
{
    static const char *const tokens[] = {"",
                                         ".",
                                         "..",
                                         "...",
                                         "a.b.c",
                                         "a.b",
                                         "e30.e30.",
                                         "\xff\xfe.x.y",
                                         "gAAAAABfernet-looking-token",
                                         ".e30.AAAA"};
    struct key_ring *ring = signing_ring();
    for (size_t i = 0; i < N_ELEMENTS(tokens); i++) {
        ck_assert_int_eq(verify(ring, tokens[i]), RC_UNAUTHORIZED);
    }
    g_autofree char *huge = g_strnfill(100000, 'A');
    ck_assert_int_eq(verify(ring, huge), RC_UNAUTHORIZED);
    key_ring_free(ring);
}
END_TEST

START_TEST(any_changed_character_is_refused)
{
    struct key_ring *ring = signing_ring();
    struct auth_context context = sample();
    g_autofree char *token = sign(ring, &context);
    for (size_t i = 0, len = strlen(token); i < len; i++) {
        char kept = token[i];
        token[i] = kept == 'A' ? 'B' : 'A';
        ck_assert_msg(verify(ring, token) == RC_UNAUTHORIZED, "character %zu of %zu: %c", i,
                      strlen(token), kept);
        token[i] = kept;
    }
    ck_assert_int_eq(verify(ring, token), RC_OK);
    g_autofree char *padded = g_strconcat(token, "=", NULL);
    ck_assert_int_eq(verify(ring, padded), RC_UNAUTHORIZED);
    key_ring_free(ring);
}
END_TEST

START_TEST(another_rings_key_is_refused)
{
    struct key_ring *ours = signing_ring(), *theirs = signing_ring();
    struct auth_context context = sample();
    g_autofree char *token = sign(theirs, &context);
    ck_assert_int_eq(verify(ours, token), RC_UNAUTHORIZED);
    key_ring_free(ours);
    key_ring_free(theirs);
}
END_TEST

START_TEST(an_expired_token_is_refused_even_when_cached)
{
    struct key_ring *ring = signing_ring();
    struct authenticator *auth = authenticator_new_local(ring);
    struct auth_context context = sample(), *out = NULL;
    context.expires_at_us = now_us() + 500000; // a slow machine verifies it in time, too
    g_autofree char *token = sign(ring, &context);
    ck_assert_int_eq(authenticator_verify(auth, token, &out, NULL), RC_OK);
    auth_context_unref(out);
    while (now_us() <= context.expires_at_us) {
        g_usleep(1000);
    }
    ck_assert_int_eq(authenticator_verify(auth, token, &out, NULL), RC_UNAUTHORIZED);
    authenticator_free(auth);
    key_ring_free(ring);
}
END_TEST

START_TEST(without_keys_nothing_can_be_said)
{
    struct key_ring *empty = key_ring_new();
    struct authenticator *auth = authenticator_new_local(empty);
    struct auth_context *out = NULL;
    ck_assert_int_eq(authenticator_verify(auth, "a.b.c", &out, NULL), RC_UNAVAILABLE);
    authenticator_free(auth);
    key_ring_free(empty);
}
END_TEST

START_TEST(only_p256_keys_enter_the_ring)
{
    struct key_ring *ring = key_ring_new();
    g_autofree char *private = NULL, *public = NULL;
    key_pair_generate(&private, &public);
    ck_assert_int_eq(key_ring_add(ring, "x", "nonsense", false, NULL), RC_INVALID);
    ck_assert_int_eq(key_ring_add(ring, "x", public, true, NULL), RC_INVALID);
    ck_assert_int_eq(key_ring_add(ring, "", public, false, NULL), RC_INVALID);
    ck_assert_int_eq(key_ring_add(ring, "x", public, false, NULL), RC_OK);
    ck_assert_uint_eq(key_ring_size(ring), 1);
    json_auto_t *jwk = jwk_from_pem("x", public);
    ck_assert_uint_eq(json_string_length(json_object_get(jwk, "x")), 43);
    ck_assert_uint_eq(json_string_length(json_object_get(jwk, "y")), 43);
    key_ring_free(ring);
}
END_TEST

START_TEST(the_feed_brings_and_takes_keys_and_revokes)
{
    struct key_ring *ring = key_ring_new();
    struct revocation_set *set = revocation_set_new();
    struct feed_sinks sinks = {.keys = ring, .revocations = set};
    g_autofree char *p1 = NULL, *q1 = NULL, *p2 = NULL, *q2 = NULL;
    key_pair_generate(&p1, &q1);
    key_pair_generate(&p2, &q2);
    int64_t cursor = 0;
    json_auto_t *first =
        json_pack("{s:i, s:[{s:s,s:s}], s:[{s:i,s:s,s:s,s:I}]}", "cursor", 5, "keys", "kid", "k1",
                  "pem", q1, "events", "n", 5, "kind", "revocation", "user_id", "u1",
                  "issued_before_us", (json_int_t)now_us() + 1000000);
    ck_assert_int_eq(feed_apply(&sinks, first, &cursor, NULL), RC_OK);
    ck_assert_int_eq(cursor, 5);
    struct auth_context context = sample();
    ck_assert(revocation_set_matches(set, &context));
    json_auto_t *second = json_pack("{s:i, s:[{s:s,s:s}], s:[]}", "cursor", 5, "keys", "kid", "k2",
                                    "pem", q2, "events");
    ck_assert_int_eq(feed_apply(&sinks, second, &cursor, NULL), RC_OK);
    EVP_PKEY *gone = key_ring_find(ring, "k1");
    ck_assert_ptr_null(gone);
    json_auto_t *none = json_pack("{s:i, s:[], s:[]}", "cursor", 5, "keys", "events");
    ck_assert_int_eq(feed_apply(&sinks, none, &cursor, NULL), RC_OK);
    ck_assert_uint_eq(key_ring_size(ring), 0);
    json_auto_t *bad = json_pack("{s:s}", "events", "x");
    ck_assert_int_eq(feed_apply(&sinks, bad, &cursor, NULL), RC_BAD_GATEWAY);
    revocation_set_free(set);
    key_ring_free(ring);
}
END_TEST

START_TEST(a_cached_token_goes_with_its_key)
{
    struct key_ring *ring = signing_ring();
    struct authenticator *auth = authenticator_new_local(ring);
    struct auth_context context = sample(), *out = NULL;
    g_autofree char *old = sign(ring, &context), *p2 = NULL, *q2 = NULL, *p3 = NULL, *q3 = NULL;
    key_pair_generate(&p2, &q2);
    key_pair_generate(&p3, &q3);
    ck_assert_int_eq(key_ring_add(ring, "k2", p2, true, NULL), RC_OK);
    g_autofree char *new = sign(ring, &context);
    const char *const tokens[] = {old, new};
    for (int i = 0; i < 4; i++) { // the second time from the cache
        ck_assert_int_eq(authenticator_verify(auth, tokens[i % 2], &out, NULL), RC_OK);
        auth_context_unref(out);
    }
    g_autoptr(GHashTable) kids = g_hash_table_new(g_str_hash, g_str_equal);
    g_hash_table_add(kids, (void *)"k2");
    key_ring_retain(ring, kids);
    ck_assert_int_eq(authenticator_verify(auth, old, &out, NULL), RC_UNAUTHORIZED);
    ck_assert_int_eq(authenticator_verify(auth, new, &out, NULL), RC_OK);
    auth_context_unref(out);
    uint64_t epoch = key_ring_epoch(ring);
    ck_assert_int_eq(key_ring_add(ring, "k2", q2, false, NULL), RC_OK);
    ck_assert_uint_eq(key_ring_epoch(ring), epoch); // its public half is the same key
    ck_assert_int_eq(key_ring_add(ring, "k2", q3, false, NULL), RC_OK);
    ck_assert_int_eq(authenticator_verify(auth, new, &out, NULL), RC_UNAUTHORIZED);
    authenticator_free(auth);
    key_ring_free(ring);
}
END_TEST

START_TEST(a_cached_token_costs_less_than_a_microsecond)
{
    struct key_ring *ring = signing_ring();
    struct authenticator *auth = authenticator_new_local(ring);
    struct auth_context context = sample(), *out = NULL;
    g_autofree char *token = sign(ring, &context);
    enum { N = 200000 };
    int64_t best_us = INT64_MAX;
    for (int round = 0; round < 5; round++) {
        int64_t start_us = now_us();
        for (int i = 0; i < N; i++) {
            ck_assert_int_eq(authenticator_verify(auth, token, &out, NULL), RC_OK);
            auth_context_unref(out);
        }
        best_us = MIN(best_us, now_us() - start_us);
    }
    printf("cached verify: %.0f ns\n", (double)best_us * 1000 / N);
    // Sanitizers and a busy machine make it slower; this only catches a cache that does not work.
    ck_assert_int_lt(best_us / N, 10);
    authenticator_free(auth);
    key_ring_free(ring);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("auth_jws");
    TCase *tcase = tcase_create("all");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, a_signed_token_verifies_to_the_same_context);
    tcase_add_test(tcase, a_trust_travels_with_its_token);
    tcase_add_test(tcase, a_time_past_all_times_is_none);
    tcase_add_test(tcase, another_header_is_refused);
    tcase_add_test(tcase, a_malformed_token_is_refused);
    tcase_add_test(tcase, any_changed_character_is_refused);
    tcase_add_test(tcase, another_rings_key_is_refused);
    tcase_add_test(tcase, an_expired_token_is_refused_even_when_cached);
    tcase_add_test(tcase, without_keys_nothing_can_be_said);
    tcase_add_test(tcase, only_p256_keys_enter_the_ring);
    tcase_add_test(tcase, the_feed_brings_and_takes_keys_and_revokes);
    tcase_add_test(tcase, a_cached_token_goes_with_its_key);
    tcase_add_test(tcase, a_cached_token_costs_less_than_a_microsecond);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
