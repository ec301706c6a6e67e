// SPDX-License-Identifier: Apache-2.0
// An in-memory copy of the monitored part of one OVSDB database, kept by its `monitor_cond`
// messages (ovsdb-server(7) 4.1.12-14). Values are kept as text whatever their type, so that
// comparing with the desired state is comparing text. Not locked: whoever owns the connection
// guards it.
#pragma once
#include "common/base/err.h"
#include "common/base/util.h"
#include <glib.h>
#include <jansson.h>

enum ovsdb_type { OVSDB_STRING, OVSDB_INTEGER, OVSDB_BOOLEAN, OVSDB_UUID };
enum ovsdb_shape { OVSDB_ONE, OVSDB_OPTIONAL, OVSDB_SET, OVSDB_MAP };

struct ovsdb_column {
    const char *name;
    enum ovsdb_type type; // of a map: both keys and values are strings
    enum ovsdb_shape shape;
    const char *ref_table; // sets of UUIDs: the table of the rows they name
};

#define OVSDB_MAX_COLUMNS 12
struct ovsdb_table {
    const char *name;
    bool is_root;        // rows live without being referred to
    bool is_name_unique; // the database refuses a second row of the same name
    struct ovsdb_column columns[OVSDB_MAX_COLUMNS]; // ended by name NULL
};

struct ovsdb_schema {
    const char *database;
    const struct ovsdb_table *tables;
    size_t n_tables;
    const char *owner_key; // external_ids keys by which rows are found, NULL: none
    const char *key_key;
};

struct ovsdb_value {
    char *text;        // ONE, OPTIONAL; NULL: empty
    GHashTable *items; // SET: element → itself; MAP: key → value; NULL: empty
};
void ovsdb_value_done(struct ovsdb_value *value);
// A set gets the item, a map the item with its value; both copied.
void ovsdb_value_add(struct ovsdb_value *value, const char *item, const char *map_value);
bool ovsdb_value_is_equal(const struct ovsdb_value *a, const struct ovsdb_value *b);
const char *ovsdb_value_map_get(const struct ovsdb_value *value,
                                const char *key); // NULL: not there
json_t *ovsdb_value_to_json(const struct ovsdb_value *value, const struct ovsdb_column *column);
json_t *ovsdb_uuid_json(const char *uuid);
// Index of the column; it must exist.
unsigned ovsdb_column_index(const struct ovsdb_table *table, const char *name);
bool ovsdb_column_find(const struct ovsdb_table *table, const char *name, unsigned *ret_index);

struct replica_row {
    unsigned table; // index in the schema
    char uuid[UUID_SIZE];
    uint64_t serial;   // the replica's when the row last changed
    const char *owner; // borrowed from its external_ids; NULL: not one of ours
    const char *key;
    struct ovsdb_value values[OVSDB_MAX_COLUMNS];
};

enum replica_change { REPLICA_INSERTED, REPLICA_CHANGED, REPLICA_DELETED };
typedef void (*replica_fn)(void *context, const struct replica_row *row,
                           enum replica_change change);

struct replica;
struct replica *replica_new(const struct ovsdb_schema *schema, replica_fn on_change, void *context);
void replica_free(struct replica *replica);
void replica_clear(struct replica *replica); // without calling on_change
// The parameter of `monitor_cond` that asks for every table and column of the schema.
json_t *replica_monitor_requests(const struct ovsdb_schema *schema);
// Takes <table-updates2>. RC_BAD_GATEWAY when the peer talks nonsense; the replica must then be
// cleared and fetched again.
enum rc replica_update(struct replica *replica, const json_t *updates, struct err *err) CHECKED;

const struct ovsdb_schema *replica_schema(const struct replica *replica);
uint64_t replica_serial(const struct replica *replica);
const struct replica_row *replica_find(const struct replica *replica, const char *uuid);
const struct replica_row *replica_find_name(const struct replica *replica, unsigned table,
                                            const char *name);
const struct replica_row *replica_find_key(const struct replica *replica, const char *owner,
                                           const char *key);
// The rows of an owner as a set (row → row), NULL: none. Valid until the next update.
GHashTable *replica_owner_rows(const struct replica *replica, const char *owner);
// The rows whose set columns name this row, in the same form.
GHashTable *replica_referrers(const struct replica *replica, const char *uuid);
// All owners (text → set of rows).
GHashTable *replica_owners(const struct replica *replica);
GHashTable *replica_rows(const struct replica *replica); // uuid → row
const struct ovsdb_value *replica_value(const struct replica *replica,
                                        const struct replica_row *row, const char *column);
// While on, the serial of every owner's last change is kept: rows that came, went, or got other
// external_ids.
void replica_track_owners(struct replica *replica, bool on);
bool replica_owner_changed_since(const struct replica *replica, const char *owner, uint64_t serial);
