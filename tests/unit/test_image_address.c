// SPDX-License-Identifier: Apache-2.0
// Where a tenant's URL may lead, and how many downloads a project may have.
#include <arpa/inet.h>
#include <check.h>
#include <glib.h>
#include <netinet/in.h>

#include "services/image/data/address.h"

static bool
is_public(const char *text)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1) {
        return address_is_public((const struct sockaddr *)&v4);
    }
    ck_assert_int_eq(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
    return address_is_public((const struct sockaddr *)&v6);
}

START_TEST(addresses_of_the_internet_are_public)
{
    static const char *const texts[] = {
        "1.1.1.1",         "9.255.255.255",   "11.0.0.0",
        "100.63.255.255",  "100.128.0.0",     "126.255.255.255",
        "128.0.0.0",       "169.253.255.255", "172.15.255.255",
        "172.32.0.0",      "192.167.255.255", "198.17.255.255",
        "223.255.255.255", "2606:4700::1111", "2001:4860:4860::8888",
        "2001:200::1",     "2400:cb00::1"};
    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
        ck_assert_msg(is_public(texts[i]), "%s", texts[i]);
    }
}
END_TEST

START_TEST(addresses_of_ours_and_what_wraps_them_are_not)
{
    static const char *const texts[] = {
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "100.64.0.1",
        "127.0.0.1",
        "127.255.255.254",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.8",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:8.8.8.8",
        "64:ff9b::127.0.0.1",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:0:7f00:1::",
        "2001:10::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "fc00::1",
        "fd00::1",
        "fe80::1",
        "fec0::1",
        "ff02::1",
    };
    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
        ck_assert_msg(!is_public(texts[i]), "%s", texts[i]);
    }
    const struct sockaddr other = {.sa_family = AF_UNIX};
    ck_assert(!address_is_public(&other));
}
END_TEST

static bool
networks_have_text(const char *networks, const char *text)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1) {
        return networks_have(networks, (const struct sockaddr *)&v4);
    }
    ck_assert_int_eq(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
    return networks_have(networks, (const struct sockaddr *)&v6);
}

START_TEST(an_operators_networks_have_their_addresses_and_no_others)
{
    static const char networks[] = "9.8.7.0/25, 2606:4700::/33,1.2.3.4 ,";
    static const char *const in[] = {"9.8.7.0", "9.8.7.127", "1.2.3.4", "2606:4700:7fff::1",
                                     "::ffff:9.8.7.1"};
    static const char *const out[] = {"9.8.7.128", "9.8.6.255", "1.2.3.5", "2606:4700:8000::1",
                                      "::9.8.7.1"};
    static const char *const wrong[] = {"9.8.7.0/33", "9.8.7", "example.org", "::/129",
                                        "1.2.3.4/",   "/8",    "1.2.3.4/8/8"};
    struct err err;
    ck_assert_int_eq(networks_check("s", networks, &err), RC_OK);
    ck_assert_int_eq(networks_check("s", "", &err), RC_OK);
    for (size_t i = 0; i < G_N_ELEMENTS(in); i++) {
        ck_assert_msg(networks_have_text(networks, in[i]), "%s", in[i]);
        ck_assert_msg(networks_have_text("::/0", in[i]), "%s", in[i]);
        ck_assert_msg(!networks_have_text("", in[i]), "%s", in[i]);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(out); i++) {
        ck_assert_msg(!networks_have_text(networks, out[i]), "%s", out[i]);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
        ck_assert_msg(networks_check("s", wrong[i], &err) == RC_INVALID, "%s", wrong[i]);
    }
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("image addresses");
    TCase *all = tcase_create("addresses");
    tcase_add_test(all, addresses_of_the_internet_are_public);
    tcase_add_test(all, addresses_of_ours_and_what_wraps_them_are_not);
    tcase_add_test(all, an_operators_networks_have_their_addresses_and_no_others);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed != 0;
}
