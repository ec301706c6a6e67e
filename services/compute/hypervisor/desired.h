// SPDX-License-Identifier: Apache-2.0
// What every server of this host should be, and how far we came: one JSON file per server, replaced
// atomically, so that an agent killed at any moment carries on. Thread-safe. An absent server's
// record stays as a tombstone for an hour, so that a late older order cannot bring it back.
#pragma once
#include "common/base/util.h"
#include "services/compute/hypervisor/order.h"

// How far this host came with a server. A plain value.
struct progress {
    int64_t started_generation; // the guest was started for this generation; 0: not yet
    int64_t reboot_done;        // the last reboot_count carried out; -1: never started here
    int64_t failed_generation;  // given up for this generation; 0: no
    bool absent_done;           // nothing of the server is left on this host
    char boot_id[UUID_SIZE];    // of the host when the guest was started
    char step[32];              // the step that failed, or ""
    char message[256];          // and why
};
struct server_record {
    struct order *order; // owned; server_record_done
    struct progress progress;
};
void server_record_done(struct server_record *record);

struct desired;
// Reads every record in `dir` (made if missing); broken files are moved aside as .broken and
// counted.
enum rc desired_open(const char *dir, struct desired **ret_desired, size_t *ret_n_broken,
                     struct err *err) CHECKED;
void desired_free(struct desired *desired);
// A newer generation replaces an older one; an equal or older one changes nothing (ret_is_newer
// false). Durable on return.
enum rc desired_put(struct desired *desired, struct order *order, bool *ret_is_newer,
                    struct err *err) CHECKED;
// ret_record: release with server_record_done. False: no such server.
bool desired_find(struct desired *desired, const char *server_id, struct server_record *ret_record);
// Stores the progress made with that order. When a newer order came meanwhile, only what holds for
// any generation is kept.
enum rc desired_set_progress(struct desired *desired, const struct server_record *changed,
                             struct err *err) CHECKED;
// All server ids but tombstones; text elements, freed with the array.
GPtrArray *desired_list(struct desired *desired);
// Forgets tombstones last written before that time.
void desired_prune(struct desired *desired, int64_t before_us);
