// SPDX-License-Identifier: Apache-2.0
// What strangers' texts become before accounts store or count them, and what mails say.
#include "common/base/util.h"
#include "services/identity/account/admit.h"
#include "services/identity/account/mail.h"
#include <check.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *text, *want; // want NULL: refused
} names[] = {
    {"Person", "Person"},
    {"  Pe Ω ", "Pe Ω"},
    {"e\xcc\x81", "\xc3\xa9"},                                // combining accent
    {"\xe1\x84\x92\xe1\x85\xa1\xe1\x86\xab", "\xed\x95\x9c"}, // Hangul jamo
    {"", ""},
    {"a\nb", NULL},
    {"a\x7f", NULL},
    {"a\xc2\x85"
     "b",
     NULL}, // next line
    {"a\xe2\x80\xa8"
     "b",
     NULL}, // line separator
    {"a\xe2\x80\xae"
     "b",
     NULL}, // right-to-left override
    {"a\xe2\x81\xa6"
     "b",
     NULL},                              // isolate
    {"\xe3\x80\x80 Han\xc2\xa0", "Han"}, // blanks of other scripts
    {"\xe2\x80\x8d\xe3\x80\x80", ""},    // a joiner and a blank
    {"\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x92\xbb",
     "\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x92\xbb"}, // joined emoji
    {"ad\xe2\x80\x8b"
     "min",
     NULL}, // zero width space
    {"ad\xc2\xad"
     "min",
     NULL}, // soft hyphen
    {"\xef\xbb\xbf"
     "a",
     NULL},                      // byte order mark
    {"a\xf3\xa0\x81\x81", NULL}, // tag
    {"a\xef\xbf\xbf", NULL},     // no character
    {"\xff", NULL},
    {"a\xfc", NULL},     // of a letter that would go on beyond the end
    {"123456789", NULL}, // too long
};

START_TEST(names_are_normalised_or_refused)
{
    g_autofree char *got = NULL;
    struct err err = {0};
    enum rc rc = account_name("name", names[_i].text, 8, &got, &err);
    if (names[_i].want) {
        ck_assert_int_eq(rc, RC_OK);
        ck_assert_str_eq(got, names[_i].want);
    } else {
        ck_assert_int_eq(rc, RC_INVALID);
        ck_assert_ptr_nonnull(strstr(err.message, "'name'"));
    }
}
END_TEST

static const struct {
    const char *address, *want;
} networks[] = {
    {"192.0.2.77", "network 192.0.2"},
    {"192.0.2.1", "network 192.0.2"},
    {"::ffff:192.0.2.9", "network 192.0.2"},
    {"2001:db8::1", "network 2001:0db8:0000:00"},
    {"2001:db8:0:ff::1", "network 2001:0db8:0000:00"},
    {"2001:db8:0:100::1", "network 2001:0db8:0000:01"},
    {"", "network unknown"},
};

START_TEST(addresses_count_as_their_network)
{
    g_autofree char *got = account_network(networks[_i].address);
    ck_assert_str_eq(got, networks[_i].want);
}
END_TEST

START_TEST(every_mail_is_whole_in_every_language)
{
    static const char *const locales[] = {"en", "ko", "xx"};
    struct mail_text english = mail_text_of(_i, "en", "LINK", "OTHER");
    for (size_t i = 0; i < N_ELEMENTS(locales); i++) {
        struct mail_text text = mail_text_of(_i, locales[i], "LINK", "OTHER");
        ck_assert(g_utf8_validate(text.body, -1, NULL) && g_utf8_validate(text.subject, -1, NULL));
        ck_assert(text.subject[0] && !strpbrk(text.subject, "\r\n"));
        ck_assert(!strstr(text.body, "%s") && !strstr(text.body, "%a"));
        ck_assert_int_eq(!strstr(text.body, "LINK"), !strstr(english.body, "LINK"));
        ck_assert_int_eq(!strstr(text.body, "OTHER"), !strstr(english.body, "OTHER"));
        g_free(text.body);
    }
    g_free(english.body);
}
END_TEST

START_TEST(an_address_cannot_pull_the_link_into_its_place)
{
    struct mail_text text = mail_text_of(MAIL_EMAIL_CHANGED, "en", "LINK", "a%s%a@b.c");
    ck_assert_ptr_nonnull(strstr(text.body, "a%s%a@b.c"));
    ck_assert_ptr_null(strstr(text.body, "LINK"));
    g_free(text.body);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("identity account text");
    TCase *tests = tcase_create("text");
    tcase_add_loop_test(tests, names_are_normalised_or_refused, 0, N_ELEMENTS(names));
    tcase_add_loop_test(tests, addresses_count_as_their_network, 0, N_ELEMENTS(networks));
    tcase_add_loop_test(tests, every_mail_is_whole_in_every_language, 0, N_MAIL);
    tcase_add_test(tests, an_address_cannot_pull_the_link_into_its_place);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
