// SPDX-License-Identifier: Apache-2.0
// Stores of an image service in a folder of a test.
#pragma once
#include "common/conf/conf.h"
#include "services/image/store/store.h"

#include <check.h>

// enabled: as the setting stores.enabled. The caller's, to be freed with stores_free.
static struct stores *
stores_in(const char *directory, const char *enabled)
{
    const struct setting settings[] = {
        {"store", "path", SETTING_TEXT, directory, 0, 0, "", ""},
        {"stores", "enabled", SETTING_TEXT, enabled, 0, 0, "", ""},
        {"stores", "default", SETTING_TEXT, "", 0, 0, "", ""},
        {"store:*", "description", SETTING_TEXT, "", 0, 0, "", ""},
        {"store:*", "path", SETTING_TEXT, "", 0, 0, "", ""},
        {0},
    };
    const struct setting *const tables[] = {settings, NULL};
    struct conf *conf;
    struct stores *stores;
    struct err err;
    ck_assert_int_eq(conf_load(tables, NULL, &conf, &err), RC_OK);
    ck_assert_int_eq(stores_new(conf, &stores, &err), RC_OK);
    conf_free(conf);
    return stores;
}
