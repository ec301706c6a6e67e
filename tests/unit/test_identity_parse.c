// SPDX-License-Identifier: Apache-2.0
// What the identity service reads from strangers: logins and e-mail addresses; and what it writes
// into mails.
#include "common/base/util.h"
#include "services/identity/account/mail.h"
#include "services/identity/token/auth.h"
#include <check.h>
#include <stdlib.h>
#include <string.h>

#define PASSWORD \
    "\"methods\":[\"password\"],\"password\":{\"user\":{\"id\":\"u\",\"password\":\"p\"}}"
#define AUTH(identity, more) "{\"auth\":{\"identity\":{" identity "}" more "}}"
#define USER(user) AUTH("\"methods\":[\"password\"],\"password\":{\"user\":" user "}", "")
#define SCOPE(scope) AUTH(PASSWORD, ",\"scope\":" scope)

// clang-format off
static const struct {
    const char *body;
    enum rc rc;
    enum scope_kind scope;
    const char *named; // in the message, when refused
} logins[] = {
    {AUTH(PASSWORD, ""), RC_OK, SCOPE_DEFAULT, NULL},
    {SCOPE("null"), RC_OK, SCOPE_DEFAULT, NULL},
    {SCOPE("\"unscoped\""), RC_OK, SCOPE_UNSCOPED, NULL},
    {SCOPE("{\"unscoped\":{}}"), RC_OK, SCOPE_UNSCOPED, NULL},
    {SCOPE("{\"project\":{\"id\":\"x\"}}"), RC_OK, SCOPE_PROJECT, NULL},
    {SCOPE("{\"project\":{\"name\":\"x\",\"domain\":{\"name\":\"d\"}}}"), RC_OK, SCOPE_PROJECT, NULL},
    {SCOPE("{\"domain\":{\"name\":\"x\"}}"), RC_OK, SCOPE_DOMAIN, NULL},
    {SCOPE("{\"system\":{\"all\":true}}"), RC_OK, SCOPE_SYSTEM, NULL},
    {SCOPE("{\"OS-TRUST:trust\":{\"id\":\"x\"}}"), RC_OK, SCOPE_TRUST, NULL},
    {SCOPE("{\"OS-TRUST:trust\":{}}"), RC_INVALID, 0, "'OS-TRUST:trust.id'"},
    {SCOPE("{\"OS-TRUST:trust\":{\"id\":\"x\"},\"project\":{\"id\":\"y\"}}"), RC_INVALID, 0, "'scope'"},
    {AUTH("\"methods\":[\"token\"],\"token\":{\"id\":\"t\"}", ""), RC_OK, SCOPE_DEFAULT, NULL},
    {USER("{\"name\":\"n\",\"domain\":{\"id\":\"d\"},\"password\":\"\"}"), RC_OK, SCOPE_DEFAULT, NULL},
    {"{}", RC_INVALID, 0, "'auth'"}, {"[]", RC_INVALID, 0, "'auth'"}, {"{\"auth\":[]}", RC_INVALID, 0, "'auth'"},
    {"{\"auth\":{}}", RC_INVALID, 0, "'identity'"},
    {AUTH("\"methods\":\"password\"", ""), RC_INVALID, 0, "'methods'"},
    {AUTH("\"methods\":[1]", ""), RC_INVALID, 0, "'methods'"},
    {AUTH("\"methods\":[\"telepathy\"]", ""), RC_UNAUTHORIZED, 0, "telepathy"},
    {AUTH("\"methods\":[\"token\"],\"token\":{\"id\":7}", ""), RC_INVALID, 0, "'id'"},
    {AUTH("\"methods\":[\"token\"],\"token\":{}", ""), RC_INVALID, 0, "'token.id'"},
    {USER("{\"id\":\"u\"}"), RC_INVALID, 0, "'password'"},
    {USER("{\"password\":\"p\"}"), RC_INVALID, 0, "'user'"},
    {USER("{\"name\":\"n\",\"password\":\"p\"}"), RC_INVALID, 0, "'user'"},
    {USER("{\"name\":{},\"password\":\"p\"}"), RC_INVALID, 0, "'name'"},
    {SCOPE("[]"), RC_INVALID, 0, "'scope'"}, {SCOPE("{}"), RC_INVALID, 0, "'scope'"},
    {SCOPE("{\"project\":{\"id\":\"x\"},\"domain\":{\"id\":\"y\"}}"), RC_INVALID, 0, "'scope'"},
    {SCOPE("{\"project\":{\"name\":\"x\"}}"), RC_INVALID, 0, "'project'"},
    {SCOPE("{\"system\":{\"all\":false}}"), RC_INVALID, 0, "'system'"},
};
static const struct {
    const char *text, *want; // want NULL: refused
} addresses[] = {
    {"A.B+c@Example.ORG", "a.b+c@example.org"}, {"x@sub.example-1.org", "x@sub.example-1.org"},
    {"", NULL}, {"@", NULL}, {"a@", NULL}, {"@b.c", NULL}, {"a@b", NULL}, {"a@b.", NULL}, {"a@.b.c", NULL}, {"a@b..c", NULL},
    {"a b@c.d", NULL}, {"a@b.c\r\nTo: x@y.z", NULL}, {"a\n@b.c", NULL}, {"\"a\"@b.c", NULL}, {"<a@b.c>", NULL}, {"a@b.c,d@e.f", NULL},
    {"a@@b.c", NULL}, {"a@b@c.d", NULL}, {".a@b.c", NULL}, {"a.@b.c", NULL}, {"a..b@c.d", NULL}, {"a@-b.c", NULL}, {"a@b-.c", NULL},
    {"\xc3\xa4@b.c", NULL}, {"a@b.c ", NULL}, {"a@b_c.d", NULL}, {"a@[127.0.0.1]", NULL},
};
// clang-format on

START_TEST(a_login_is_read_or_refused_by_the_name_of_what_is_wrong)
{
    json_auto_t *root = json_loads(logins[_i].body, JSON_DECODE_ANY, NULL);
    ck_assert_msg(root != NULL, "%s", logins[_i].body);
    struct login login;
    struct err err = {0};
    ck_assert_msg(login_parse(root, &login, &err) == logins[_i].rc, "%s: %s", logins[_i].body,
                  err.message);
    if (logins[_i].rc == RC_OK) {
        ck_assert_int_eq(login.scope, logins[_i].scope);
    } else {
        ck_assert_msg(strstr(err.message, logins[_i].named) != NULL, "%s: %s", logins[_i].body,
                      err.message);
    }
}
END_TEST

START_TEST(an_address_is_taken_only_when_it_is_plain)
{
    g_autofree char *got = mail_address_check(addresses[_i].text);
    ck_assert_msg(!g_strcmp0(got, addresses[_i].want), "%s: %s", addresses[_i].text,
                  got ? got : "refused");
}
END_TEST

START_TEST(long_addresses_are_refused)
{
    g_autofree char *local = g_strnfill(65, 'a'), *domain = g_strnfill(64, 'b');
    g_autofree char *one = g_strconcat(local, "@b.c", NULL),
                    *two = g_strconcat("a@", domain, ".c", NULL);
    ck_assert_ptr_null(mail_address_check(one));
    ck_assert_ptr_null(mail_address_check(two));
}
END_TEST

START_TEST(a_mail_has_one_set_of_headers_and_short_ascii_lines)
{
    struct mail_text text = mail_text_of(MAIL_VERIFY, "ko", "TOKEN\r\nBcc: x@y.z", NULL);
    g_autofree char *mail =
        mail_encode("Haneul <a@b.c>", "d@e.f", text.subject, text.body, INT64_C(1795210908000000));
    ck_assert(g_str_is_ascii(mail));
    ck_assert_ptr_nonnull(strstr(mail, "Date: Fri, 20 Nov 2026 "));
    ck_assert_ptr_nonnull(strstr(mail, "\r\nTo: <d@e.f>\r\n"));
    ck_assert_ptr_null(strstr(mail, "Bcc"));
    g_auto(GStrv) lines = g_strsplit(mail, "\r\n", -1);
    for (char **line = lines; *line; line++) {
        ck_assert_uint_le(strlen(*line), 200);
        ck_assert_ptr_null(strchr(*line, '\n'));
    }
    g_free(text.body);
}
END_TEST

START_TEST(the_known_mail_has_no_link)
{
    struct mail_text text = mail_text_of(MAIL_KNOWN, "xx", "TOKEN", NULL);
    ck_assert_ptr_null(strstr(text.body, "TOKEN"));
    ck_assert_ptr_nonnull(strstr(text.subject, "already"));
    g_free(text.body);
}
END_TEST

START_TEST(the_sender_may_have_a_display_name)
{
    g_autofree char *named = mail_address_of("Haneul <No-Reply@b.c>"),
                    *plain = mail_address_of(" a@b.c "), *none = mail_address_of("Haneul");
    ck_assert_str_eq(named, "no-reply@b.c");
    ck_assert_str_eq(plain, "a@b.c");
    ck_assert_ptr_null(none);
}
END_TEST

START_TEST(a_password_matches_its_own_hash_only)
{
    g_autofree char *hash = NULL;
    ck_assert_int_eq(password_hash("secret", &hash, NULL), RC_OK);
    ck_assert(g_str_has_prefix(hash, "$2b$12$"));
    ck_assert(password_matches("secret", hash));
    ck_assert(!password_matches("Secret", hash));
    ck_assert(!password_matches("", hash));
    ck_assert(!password_matches("secret", NULL));
    ck_assert(!password_matches("x", NULL));
    ck_assert(!password_matches("secret", "not a hash"));
    g_autofree char *long_password = g_strnfill(73, 'a'), *none = NULL;
    ck_assert_int_eq(password_hash(long_password, &none, NULL), RC_INVALID);
    ck_assert_int_eq(password_hash("", &none, NULL), RC_INVALID);
}
END_TEST

START_TEST(an_unknown_user_costs_a_hash)
{
    int64_t start_us = now_us();
    ck_assert(!password_matches("secret", NULL));
    ck_assert_int_gt(now_us() - start_us, 20000);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("identity_parse");
    TCase *tcase = tcase_create("all");
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, a_login_is_read_or_refused_by_the_name_of_what_is_wrong, 0,
                        (int)N_ELEMENTS(logins));
    tcase_add_loop_test(tcase, an_address_is_taken_only_when_it_is_plain, 0,
                        (int)N_ELEMENTS(addresses));
    tcase_add_test(tcase, long_addresses_are_refused);
    tcase_add_test(tcase, a_mail_has_one_set_of_headers_and_short_ascii_lines);
    tcase_add_test(tcase, the_known_mail_has_no_link);
    tcase_add_test(tcase, the_sender_may_have_a_display_name);
    tcase_add_test(tcase, a_password_matches_its_own_hash_only);
    tcase_add_test(tcase, an_unknown_user_costs_a_hash);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
