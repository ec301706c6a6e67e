// SPDX-License-Identifier: Apache-2.0
// The links of a page of a list: the request's query again.
#pragma once
#include "common/http/http.h"

// "first": "…" and, unless marker is NULL, "next": "…", as members of a JSON object. The caller
// frees.
char *page_links(const struct request *request, const char *path, const char *marker);
