// SPDX-License-Identifier: Apache-2.0
// How a server looks in JSON: a table of attributes with the microversions and kinds of reply they
// belong to, from which the SQL that assembles the text is made.
#pragma once
#include <glib.h>
#include <stdbool.h>

enum server_view {
    VIEW_BRIEF = 1,    // GET /servers
    VIEW_DETAIL = 2,   // GET /servers/detail
    VIEW_SHOW = 4,     // GET /servers/{id}
    VIEW_UPDATE = 8,   // PUT /servers/{id}
    VIEW_REBUILD = 16, // the reply to the action
};
// Appends an SQL expression over alias s (server) that gives the item's JSON text. $1 is the base
// URL.
void server_view_append(GString *sql, enum server_view view, unsigned version, bool is_admin);
// The SQL expression of the API's status ("ACTIVE") over alias s, from the life-cycle table.
const char *server_view_status(void);
// The SQL expression of {"network": [{"version", "addr"}…]} over alias s.
extern const char server_view_addresses[];
