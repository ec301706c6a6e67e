// SPDX-License-Identifier: Apache-2.0
// Changes that requests make to servers: metadata, tags, names, locks, and what an action asks the
// scheduler for.
#pragma once
#include "services/compute/api/server_db.h"

struct auth_context;
enum rc server_db_metadata(struct db *db, const char *id, db_result **ret_rows,
                           struct err *err) CHECKED;
// Within the project's metadata_items quota. Column item is the metadata afterwards.
enum rc server_db_set_metadata(struct db *db, const struct server_brief *server,
                               const char *metadata_json, bool replaces, db_result **ret_rows,
                               struct err *err) CHECKED;
enum rc server_db_unset_metadata(struct db *db, const char *id, const char *key,
                                 struct err *err) CHECKED;
enum rc server_db_tags(struct db *db, const char *id, db_result **ret_rows,
                       struct err *err) CHECKED;
enum rc server_db_set_tags(struct db *db, const char *id, const char *tags_json,
                           struct err *err) CHECKED;
enum rc server_db_find_tag(struct db *db, const char *id, const char *tag, struct err *err) CHECKED;
enum rc server_db_add_tag(struct db *db, const char *id, const char *tag, int max_tags,
                          bool *ret_is_new, struct err *err) CHECKED;
enum rc server_db_remove_tag(struct db *db, const char *id, const char *tag,
                             struct err *err) CHECKED;

struct server_rename { // NULL: unchanged; "" clears where that is allowed
    const char *name, *access_ipv4, *access_ipv6, *disk_config, *description, *hostname;
    bool sets_description;
};
struct server_rebuild { // NULL: unchanged
    const char *image_id, *image_json, *name, *metadata_json, *description, *disk_config;
    const char *access_ipv4, *access_ipv6, *hostname;
    const char *key_name, *user_data;
    const char *user_id; // whose key
    bool sets_key, sets_user_data, sets_description;
    int64_t min_ram_mib, min_disk_gib; // what the image needs
};
// For server_actor.also; argument: struct server_rebuild. RC_INVALID: the image does not fit, no
// such key.
enum rc server_db_rebuild(struct db *db, const struct server_brief *server, void *argument,
                          struct err *err) CHECKED;
enum rc server_db_rename(struct db *db, const char *id, const struct server_rename *change,
                         struct err *err) CHECKED;
enum rc server_db_lock(struct db *db, const char *id, bool locked, const char *reason,
                       struct err *err) CHECKED;

struct server_step { // what an action starts
    enum life_event event;
    const char *action, *action_event;
    const char *
        refusal; // "stop", for Nova's wording: "Cannot 'stop' instance … while it is in vm_state …"
    const char *desired; // NULL: unchanged
    bool counts_reboot, is_hard;
    bool is_local; // nothing for the scheduler to do
    int due_s, deadline_s;
};
// Locks the row, asks the life-cycle table, writes state, action and message in one transaction.
// RC_CONFLICT: not allowed now.
struct server_actor {                   // who asks, for which server
    const char *server_id, *project_id; // project NULL: any
    const struct auth_context *auth;
    const char *request_id;
    // What else the transaction writes; may be NULL.
    enum rc (*also)(struct db *db, const struct server_brief *server, void *argument,
                    struct err *err);
    void *argument;
};
enum rc server_db_step(struct db *db, const struct server_actor *actor,
                       const struct server_step *step, struct err *err) CHECKED;
