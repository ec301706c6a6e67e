// SPDX-License-Identifier: Apache-2.0
// The rated lines of one or all projects in a window, added up by type and project: what
// CloudKitty's reports show.
#pragma once
#include "common/http/http.h"
#include "services/billing/bill.h"

enum summary_by { BY_TYPE = 1, BY_PROJECT = 2 };
struct summary {
    struct db *db;
    int64_t from_us, to_us;
    unsigned by;       // enum summary_by
    const char *type;  // filter; NULL: all
    GPtrArray *groups; // struct group, owned
};
struct group {
    char *type, *project_id;
    int64_t nano;
    __int128 volume; // quantity × µs
};
void group_free(gpointer group);
// ?begin and ?end; the current month when they are not given. The future costs nothing yet.
enum rc summary_window(struct request *request, struct summary *summary, struct err *err) CHECKED;
// project_id NULL: all projects.
enum rc summary_add_all(struct summary *summary, const char *project_id, struct err *err) CHECKED;
