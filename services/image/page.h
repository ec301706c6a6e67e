// SPDX-License-Identifier: Apache-2.0
// The links of a page of a list: the request's query again.
#pragma once
#include "common/http/http.h"

// "path?query" without the marker, or with this one (not escaped). The caller frees.
char *page_link(const struct request *request, const char *path, const char *marker);
// "first": "…" and, unless marker is NULL, "next": "…", as members of a JSON object. The caller
// frees.
char *page_links(const struct request *request, const char *path, const char *marker);
