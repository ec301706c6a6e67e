// SPDX-License-Identifier: Apache-2.0
// What the files of haneul-billing share: the program's context, its routes and its policies.
#pragma once
#include "common/client/client.h"
#include "common/service/service.h"

// Times that usage, prices and statements may have: 1970 to 2199.
#define TIME_MAX_US INT64_C(7258118400000000)

enum { N_SOURCES = 3 };
struct billing {
    struct service *service;
    struct db_pool *db;
    struct client *client; // NULL when there is no service account: gaps cannot be asked for
    struct source {        // the services that write usage
        const char *name, *url;
    } sources[N_SOURCES];
};

extern const struct route billing_account_routes[], price_routes[], rating_routes[];
