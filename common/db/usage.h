// SPDX-License-Identifier: Apache-2.0
// Usage intervals, written in the owning resource's transaction: half-open [from, to) in µs UTC,
// one open interval per (resource, meter), overlap impossible by an exclusion constraint. Every
// opening and closing is a fact; the outbox relay gives facts a dense sequence per service when it
// publishes them (routing key "usage.<service>"), billing ingests each once.
#pragma once
#include "common/db/db.h"

struct usage {
    const char *project_id;
    const char *resource_type; // "server", "floatingip", "router", "image"
    const char *resource_id;
    const char *resource_name; // may change; for the statement only
    const char *meter;         // "server.vcpu", "server.ram_mib", "server.disk_gib", "floatingip",
                               // "router", "image.bytes"
    int64_t quantity;          // in the meter's unit, per second of the interval
};
// Opens the interval at the transaction's now, closing an open one of the same (resource, meter) at
// the same instant. The same quantity again changes nothing. Several meters of one resource go in
// one statement.
enum rc usage_open(struct db *db, const struct usage *usages, size_t n_usages,
                   struct err *err) CHECKED;
// Closes every open interval of the resource at the transaction's now. None open is not an error.
enum rc usage_close(struct db *db, const char *resource_id, struct err *err) CHECKED;
