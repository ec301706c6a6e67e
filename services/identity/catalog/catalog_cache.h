// SPDX-License-Identifier: Apache-2.0
// The catalog's text as tokens show it, kept in the process. A change made here is seen at once,
// one made by another process within the feed's interval.
#pragma once
#include "services/identity/identity.h"

struct catalog_cache;
struct catalog_cache *catalog_cache_new(void);
// Of both texts the caller releases what it gets, and the database is asked only for what is not
// kept. JSON array; project_id "" : endpoints that name the project are left out.
enum rc catalog_cache_text(const struct request *request, const char *project_id,
                           GRefString **ret_text, struct err *err) CHECKED;
// JSON array of the enabled service providers as tokens show them; NULL: there are none.
enum rc catalog_cache_providers(const struct request *request, GRefString **ret_text,
                                struct err *err) CHECKED;
void catalog_cache_forget(struct catalog_cache *cache);
// Hands on rc, the outcome of a write; after RC_OK this process shows the catalog as it is now.
enum rc catalog_cache_forget_after(enum rc rc, const struct request *request) CHECKED;
// Forgets when the database's version is another.
enum rc catalog_cache_check(struct catalog_cache *cache, struct db *db, struct err *err) CHECKED;
