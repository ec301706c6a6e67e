// SPDX-License-Identifier: Apache-2.0
// Proofs that need no database: one-time passcodes, multi-factor rules, EC2 and OAuth signatures.
#include "common/base/util.h"
#include "services/identity/delegation/ec2_sign.h"
#include "services/identity/delegation/oauth1_sign.h"
#include "services/identity/token/mfa.h"
#include "services/identity/token/totp.h"
#include <check.h>
#include <stdlib.h>

#define RFC_SECRET "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ" // "12345678901234567890"

// RFC 6238, appendix B, SHA-1, the last six digits.
START_TEST(passcodes_are_those_of_the_rfc)
{
    static const struct {
        int64_t time_s;
        const char *code;
    } cases[] = {{59, "287082"},         {1111111109, "081804"}, {1111111111, "050471"},
                 {1234567890, "005924"}, {2000000000, "279037"}, {20000000000, "353130"}};
    for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
        int64_t step = 0;
        ck_assert(totp_matches(RFC_SECRET, cases[i].code, cases[i].time_s, 0, &step));
        ck_assert_int_eq(step, cases[i].time_s / 30);
        ck_assert(!totp_matches(RFC_SECRET, cases[i].code, cases[i].time_s + 30, 0, &step));
        ck_assert(totp_matches(RFC_SECRET, cases[i].code, cases[i].time_s + 30, 1, &step));
        ck_assert_int_eq(step, cases[i].time_s / 30);
        ck_assert(!totp_matches(RFC_SECRET, cases[i].code, cases[i].time_s - 30, 1, &step));
    }
}
END_TEST

START_TEST(secrets_may_be_padded_or_small_and_bad_ones_match_nothing)
{
    int64_t step = 0;
    ck_assert(totp_matches("gezdgnbvgy3tqojqgezdgnbvgy3tqojq", "287082", 59, 0, &step));
    ck_assert(totp_matches(RFC_SECRET "======", "287082", 59, 0, &step));
    static const char *const bad[] = {"", "=", "1", RFC_SECRET "=A", "hush hush"};
    for (size_t i = 0; i < N_ELEMENTS(bad); i++) {
        ck_assert(!totp_matches(bad[i], "287082", 59, 10, &step));
    }
    static const char *const codes[] = {"", "28708", "2870821", "-87082", "287082 "};
    for (size_t i = 0; i < N_ELEMENTS(codes); i++) {
        ck_assert(!totp_matches(RFC_SECRET, codes[i], 59, 10, &step));
    }
}
END_TEST

START_TEST(any_one_rule_is_enough)
{
    static const struct {
        const char *options, *methods;
        bool enough;
    } cases[] = {
        {"{}", "password", true},
        {"{\"multi_factor_auth_rules\": []}", "password", true},
        {"{\"multi_factor_auth_rules\": [[\"password\", \"totp\"]]}", "password", false},
        {"{\"multi_factor_auth_rules\": [[\"password\", \"totp\"]]}", "totp,password,token", true},
        {"{\"multi_factor_auth_rules\": [[\"password\", \"totp\"], [\"oauth1\"]]}", "oauth1", true},
        {"{\"multi_factor_auth_rules\": [[\"password\", \"no-such\"]]}", "password", true},
        {"{\"multi_factor_auth_rules\": [[\"totp\"]], \"multi_factor_auth_enabled\": false}",
         "password", true},
        {"{\"multi_factor_auth_rules\": [[\"totp\"]], \"multi_factor_auth_enabled\": true}",
         "password", false},
    };
    for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
        json_auto_t *options = json_loads(cases[i].options, 0, NULL);
        ck_assert_msg(mfa_is_enough(options, cases[i].methods) == cases[i].enough, "%zu", i);
    }
}
END_TEST

// The example of Amazon's documentation (IAM, ListUsers).
START_TEST(version_4_is_amazons)
{
    json_auto_t *claim = json_pack(
        "{s:s, s:s, s:s, s:{s:s, s:s}, s:{s:s, s:s, s:s, s:s}, s:s, s:s}", "verb", "GET", "host",
        "iam.amazonaws.com", "path", "/", "params", "Action", "ListUsers", "Version", "2010-05-08",
        "headers", "Content-type", "application/x-www-form-urlencoded; charset=utf-8", "Host",
        "iam.amazonaws.com", "X-Amz-Date", "20150830T123600Z", "Authorization",
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, "
        "SignedHeaders=content-type;host;x-amz-date, Signature=x",
        "body_hash", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "signature", "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7");
    static const char secret[] = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
    int64_t signed_us = 0;
    ck_assert(ec2_signature_is_good(claim, secret));
    ck_assert(!ec2_signature_is_good(claim, "another"));
    ck_assert(ec2_signed_at(claim, &signed_us));
    ck_assert_int_eq(signed_us, INT64_C(1440938160000000));
}
END_TEST

START_TEST(malformed_claims_are_refused)
{
    static const char *const claims[] = {
        "{}",
        "{\"signature\": \"x\"}",
        "{\"signature\": \"x\", \"params\": 5, \"headers\": [], \"host\": 7}",
        "{\"signature\": \"x\", \"params\": {\"SignatureVersion\": \"3\"}}",
        "{\"signature\": \"x\", \"params\": {\"SignatureVersion\": \"2\", \"a\": {}}}",
        "{\"signature\": \"x\", \"headers\": {\"Authorization\": \"AWS4-HMAC-SHA256\"}}",
        "{\"signature\": \"x\", \"headers\": {\"Authorization\": \"AWS4-HMAC-SHA256 "
        "Credential=/\"}}",
        "{\"signature\": \"x\", \"token\": \"QVdTNA\"}",
        "{\"signature\": \"x\", \"token\": \"%\"}",
    };
    for (size_t i = 0; i < N_ELEMENTS(claims); i++) {
        json_auto_t *claim = json_loads(claims[i], 0, NULL);
        ck_assert_ptr_nonnull(claim);
        ck_assert(!ec2_signature_is_good(claim, "secret"));
        ck_assert(!s3_signature_is_good(claim, "secret"));
    }
    int64_t when = 0;
    json_auto_t *never = json_pack("{s:{s:s}}", "params", "Timestamp", "yesterday");
    ck_assert(!ec2_signed_at(never, &when));
}
END_TEST

// RFC 5849, §3.4.1.1; realm and signature are not signed.
START_TEST(the_base_string_is_that_of_the_rfc)
{
    static const char header[] =
        "OAuth realm=\"Example\", oauth_consumer_key=\"9djdj82h48djs9d2\", "
        "oauth_token=\"kkk9d7dh3k39sjv7\", oauth_signature_method=\"HMAC-SHA1\", "
        "oauth_timestamp=\"137131201\", oauth_nonce=\"7d8f3e4a\", oauth_signature=\"x%3D\"";
    static const char *const more[][2] = {{"b5", "=%3D"}, {"a3", "a"}, {"c@", ""},
                                          {"a2", "r b"},  {"c2", ""},  {"a3", "2 q"}};
    struct oauth1_request request = {0};
    ck_assert_int_eq(oauth1_parse(header, &request, NULL), RC_OK);
    for (size_t i = 0; i < N_ELEMENTS(more); i++) {
        oauth1_add(&request, more[i][0], more[i][1]);
    }
    g_autofree char *text = oauth1_base_string(&request, "POST", "HTTP://EXAMPLE.COM:80/request");
    ck_assert_str_eq(
        text, "POST&http%3A%2F%2Fexample.com%2Frequest&a2%3Dr%2520b%26a3%3D2%2520q%26a3%3Da%26b5%3D"
              "%253D%25253D%26c%2540%3D%26c2%3D%26oauth_consumer_key%3D9djdj82h48djs9d2%26"
              "oauth_nonce%3D7d8f3e4a%26oauth_signature_method%3DHMAC-SHA1%26oauth_timestamp%3D"
              "137131201%26oauth_token%3Dkkk9d7dh3k39sjv7");
    ck_assert_str_eq(request.signature, "x=");
    oauth1_request_done(&request);
}
END_TEST

// The request of RFC 5849, §1.2, signed by oauthlib.
START_TEST(the_signature_is_that_of_another_implementation)
{
    struct oauth1_request request = {0};
    ck_assert_int_eq(
        oauth1_parse("OAuth realm=\"Photos\", oauth_consumer_key=\"dpf43f3p2l4k3l03\", "
                     "oauth_signature_method=\"HMAC-SHA1\", oauth_timestamp=\"137131200\", "
                     "oauth_nonce=\"wIjqoxSySs\", "
                     "oauth_callback=\"http%3A%2F%2Fprinter.example.com%2Fready\", "
                     "oauth_signature=\"S3r%2Buo5vnZHLDGx4XJIgbXoNtiM%3D\"",
                     &request, NULL),
        RC_OK);
    g_autofree char *text =
        oauth1_base_string(&request, "POST", "https://photos.example.net/initiate");
    ck_assert(oauth1_is_good(&request, text, "kd94hf93k423kf44", ""));
    ck_assert(!oauth1_is_good(&request, text, "kd94hf93k423kf44", "x"));
    request.method[8] = '2';
    ck_assert(!oauth1_is_good(&request, text, "kd94hf93k423kf44", ""));
    oauth1_request_done(&request);
}
END_TEST

START_TEST(malformed_oauth_headers_are_refused)
{
    static const char *const headers[] = {
        NULL,
        "",
        "Basic x",
        "OAuth",
        "OAuth ",
        "OAuth a",
        "OAuth a=b",
        "OAuth a=\"",
        "OAuth =\"\"",
        "OAuth oauth_nonce=\"%\"",
        "OAuth oauth_consumer_key=\"a\", oauth_nonce=\"b\", oauth_signature_method=\"HMAC-SHA1\", "
        "oauth_signature=\"c\", oauth_timestamp=\"d\"",
        "OAuth oauth_consumer_key=\"a\", oauth_consumer_key=\"b\", oauth_nonce=\"b\", "
        "oauth_signature_method=\"HMAC-SHA1\", oauth_signature=\"c\", oauth_timestamp=\"1\""};
    for (size_t i = 0; i < N_ELEMENTS(headers); i++) {
        struct oauth1_request request = {0};
        ck_assert_msg(oauth1_parse(headers[i], &request, NULL) == RC_INVALID, "%zu", i);
    }
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("identity_methods");
    TCase *tcase = tcase_create("methods");
    tcase_add_test(tcase, passcodes_are_those_of_the_rfc);
    tcase_add_test(tcase, secrets_may_be_padded_or_small_and_bad_ones_match_nothing);
    tcase_add_test(tcase, any_one_rule_is_enough);
    tcase_add_test(tcase, version_4_is_amazons);
    tcase_add_test(tcase, malformed_claims_are_refused);
    tcase_add_test(tcase, the_base_string_is_that_of_the_rfc);
    tcase_add_test(tcase, the_signature_is_that_of_another_implementation);
    tcase_add_test(tcase, malformed_oauth_headers_are_refused);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
