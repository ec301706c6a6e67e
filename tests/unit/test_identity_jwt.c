// SPDX-License-Identifier: Apache-2.0
// JSON Web Tokens of others, by the examples of RFC 7515 (appendix A.2 and A.3).
#include "services/identity/federation/jwt.h"
#include <check.h>
#include <glib.h>
#include <string.h>

#define PAYLOAD                                                                               \
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp" \
    "0cnVlfQ"
#define RSA_SIGNATURE                                                                         \
    "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8" \
    "W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPv" \
    "kSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1ph" \
    "CnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"
#define EC_SIGNATURE \
    "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
#define RSA_KEY                                                                               \
    "{\"kty\":\"RSA\",\"n\":\"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfH" \
    "Qp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9" \
    "wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQ" \
    "Y4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAc" \
    "DTW9gb54h4FRWyuXpoQ\",\"e\":\"AQAB\"}"
#define EC_X "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"
#define EC_Y "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"
#define EC_KEY "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" EC_X "\",\"y\":\"" EC_Y "\"}"
#define RS256 "eyJhbGciOiJSUzI1NiJ9"
#define ES256 "eyJhbGciOiJFUzI1NiJ9"
#define HS256 "eyJhbGciOiJIUzI1NiJ9"
#define NONE "eyJhbGciOiJub25lIn0"

static struct jwk_set *
set_of(const char *keys)
{
    g_autofree char *text = g_strdup_printf("{\"keys\":[%s]}", keys);
    json_auto_t *document = json_loads(text, 0, NULL);
    return jwk_set_new(document);
}

// What the verifier says of a token; "" when all is well but the audience, which the examples lack.
static char *
verdict(const char *text, const char *keys, int64_t now_s)
{
    static const char *const audiences[] = {"us", NULL};
    const struct jwt_rules rules = {audiences, now_s, 10};
    struct jwt jwt = {0};
    struct err err = {0};
    struct jwk_set *set = set_of(keys);
    enum rc rc = jwt_read(text, &jwt, &err);
    rc = rc ? rc : jwt_verify(&jwt, set, &rules, &err);
    ck_assert_int_eq(rc, RC_UNAUTHORIZED);
    jwt_done(&jwt);
    jwk_set_unref(set);
    return g_strdup(strstr(err.message, "somebody else") ? "" : err.message);
}

START_TEST(the_examples_of_the_rfc_verify)
{
    static const struct {
        const char *token, *keys, *verdict;
        int64_t now_s;
    } cases[] = {
        {RS256 "." PAYLOAD "." RSA_SIGNATURE, RSA_KEY, "", 1300819380},
        {ES256 "." PAYLOAD "." EC_SIGNATURE, EC_KEY, "", 1300819389},
        {ES256 "." PAYLOAD "." EC_SIGNATURE, EC_KEY, "expired", 1300819390},
        {ES256 "." PAYLOAD "." EC_SIGNATURE, EC_KEY "," RSA_KEY, "known", 0},
        {ES256 "." PAYLOAD "." EC_SIGNATURE, RSA_KEY, "known", 0},
        {ES256 "." PAYLOAD "." RSA_SIGNATURE, EC_KEY, "bad signature", 0},
        {RS256 "." PAYLOAD "." EC_SIGNATURE, RSA_KEY, "bad signature", 0},
        {RS256 "." PAYLOAD ".", RSA_KEY, "bad signature", 0},
        {RS256 ".e30." RSA_SIGNATURE, RSA_KEY, "bad signature", 0},
        {HS256 "." PAYLOAD "." EC_SIGNATURE, RSA_KEY, "algorithm", 0},
        {NONE "." PAYLOAD ".", RSA_KEY, "algorithm", 0},
        {RS256 "." PAYLOAD, RSA_KEY, "three parts", 0},
        {RS256 "." PAYLOAD "." RSA_SIGNATURE ".x", RSA_KEY, "three parts", 0},
        {RS256 ".!." RSA_SIGNATURE, RSA_KEY, "malformed", 0},
        {"..", RSA_KEY, "malformed", 0},
        {"", RSA_KEY, "three parts", 0},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *got = verdict(cases[i].token, cases[i].keys, cases[i].now_s);
        ck_assert_msg(cases[i].verdict[0] ? strstr(got, cases[i].verdict) != NULL : !got[0],
                      "%zu: '%s'", i, got);
    }
}
END_TEST

START_TEST(keys_that_cannot_be_trusted_are_left_out)
{
    static const char *const bad[] = {
        "{\"kty\":\"oct\",\"k\":\"AAAA\"}",
        "{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"}",
        "{\"kty\":\"RSA\",\"e\":\"AQAB\"}",
        "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" EC_X "\",\"y\":\"" EC_X "\"}",
        "{\"kty\":\"EC\",\"crv\":\"P-384\",\"x\":\"" EC_X "\",\"y\":\"" EC_Y "\"}",
        "{\"kty\":\"EC\",\"crv\":\"secp256k1\",\"x\":\"" EC_X "\",\"y\":\"" EC_Y "\"}",
        "{\"kty\":\"EC\",\"use\":\"enc\",\"crv\":\"P-256\",\"x\":\"" EC_X "\",\"y\":\"" EC_Y "\"}",
        "{\"kty\":5}",
        "7",
    };
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        struct jwk_set *set = set_of(bad[i]);
        ck_assert_msg(jwk_set_size(set) == 0, "%s", bad[i]);
        jwk_set_unref(set);
    }
    json_auto_t *none = json_object();
    ck_assert_ptr_null(jwk_set_new(none));
}
END_TEST

START_TEST(a_token_without_kid_needs_a_set_of_one)
{
    struct jwk_set *one = set_of(EC_KEY), *two = set_of(EC_KEY "," RSA_KEY);
    ck_assert(jwk_set_has(one, NULL));
    ck_assert(!jwk_set_has(one, "x"));
    ck_assert(!jwk_set_has(two, NULL));
    jwk_set_unref(one);
    jwk_set_unref(two);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("identity jwt");
    TCase *tcase = tcase_create("all");
    tcase_add_test(tcase, the_examples_of_the_rfc_verify);
    tcase_add_test(tcase, keys_that_cannot_be_trusted_are_left_out);
    tcase_add_test(tcase, a_token_without_kid_needs_a_set_of_one);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed != 0;
}
