// SPDX-License-Identifier: Apache-2.0
#include "services/compute/api/server_change_db.h"

#include "services/compute/api/api.h"
#include "services/compute/core/server_db.h"

enum rc
server_db_metadata(struct db *db, const char *id, db_result **ret_rows, struct err *err)
{
    return db_run_one(db, "SELECT metadata::text AS item FROM server WHERE id = $1",
                      DB_ARGS(db_s(id)), ret_rows, err);
}

struct metadata_change {
    const struct server_brief *server;
    const char *json;
    bool replaces;
    db_result *rows;
};

static enum rc
set_metadata_in_tx(struct db *db, void *argument, struct err *err)
{
    struct metadata_change *change = argument;
    int64_t limit = 0;
    g_clear_pointer(&change->rows, db_result_free);
    enum rc rc = quota_limit(db, &compute_quotas[QUOTA_METADATA_ITEMS], change->server->project_id,
                             &limit, err);
    if (rc == RC_OK) {
        rc = db_run_one(
            db,
            "UPDATE server SET metadata = CASE WHEN $3::boolean THEN $2::jsonb ELSE metadata || "
            "$2::jsonb END,"
            " updated_at = now() WHERE id = $1 AND deleted_at IS NULL RETURNING metadata::text AS "
            "item,"
            " (SELECT count(*) FROM jsonb_object_keys(metadata)) AS n",
            DB_ARGS(db_s(change->server->id), db_s(change->json), db_b(change->replaces)),
            &change->rows, err);
    }
    if (rc == RC_OK && limit >= 0 && db_int(change->rows, 0, "n") > limit) {
        rc =
            fault(err, RC_QUOTA, "Maximum number of metadata items exceeds %lld", (long long)limit);
    }
    return rc;
}

enum rc
server_db_set_metadata(struct db *db, const struct server_brief *server, const char *metadata_json,
                       bool replaces, db_result **ret_rows, struct err *err)
{
    struct metadata_change change = {server, metadata_json, replaces, NULL};
    enum rc rc = db_tx(db, set_metadata_in_tx, &change, err);
    if (rc == RC_OK) {
        *ret_rows = change.rows;
    } else {
        db_result_free(change.rows);
    }
    return rc;
}

enum rc
server_db_unset_metadata(struct db *db, const char *id, const char *key, struct err *err)
{
    bool is_changed = false;
    enum rc rc = db_run_any(db,
                            "UPDATE server SET metadata = metadata - $2, updated_at = now()"
                            " WHERE id = $1 AND deleted_at IS NULL AND metadata ? $2",
                            DB_ARGS(db_s(id), db_s(key)), &is_changed, err);
    return rc == RC_OK && !is_changed ? fault(err, RC_NOT_FOUND, "Metadata item was not found")
                                      : rc;
}

enum rc
server_db_tags(struct db *db, const char *id, db_result **ret_rows, struct err *err)
{
    return db_run_one(db, "SELECT to_json(tags)::text AS item FROM server WHERE id = $1",
                      DB_ARGS(db_s(id)), ret_rows, err);
}

enum rc
server_db_set_tags(struct db *db, const char *id, const char *tags_json, struct err *err)
{
    return db_run(db,
                  "UPDATE server SET updated_at = now(), tags ="
                  " ARRAY(SELECT DISTINCT t FROM jsonb_array_elements_text($2::jsonb) t ORDER BY t)"
                  " WHERE id = $1 AND deleted_at IS NULL",
                  DB_ARGS(db_s(id), db_s(tags_json)), NULL, err);
}

static enum rc
no_tag(const char *id, const char *tag, struct err *err)
{
    return fault(err, RC_NOT_FOUND, "Server %s has no tag '%.100s'", id, tag);
}

enum rc
server_db_find_tag(struct db *db, const char *id, const char *tag, struct err *err)
{
    enum rc rc = db_run_one(db, "SELECT id FROM server WHERE id = $1 AND $2 = ANY (tags)",
                            DB_ARGS(db_s(id), db_s(tag)), NULL, err);
    return rc == RC_NOT_FOUND ? no_tag(id, tag, err) : rc;
}

enum rc
server_db_add_tag(struct db *db, const char *id, const char *tag, int max_tags, bool *ret_is_new,
                  struct err *err)
{
    bool is_changed = false;
    enum rc rc = db_run_any(
        db,
        "UPDATE server SET tags = array_append(tags, $2), updated_at = now() WHERE id = $1"
        " AND deleted_at IS NULL AND $2 <> ALL (tags) AND cardinality(tags) < $3::int",
        DB_ARGS(db_s(id), db_s(tag), db_i(max_tags)), &is_changed, err);
    if (rc == RC_OK && !is_changed) { // it was there, or there is no room
        rc = server_db_find_tag(db, id, tag, err);
        rc = rc == RC_NOT_FOUND
                 ? fault(err, RC_INVALID, "The number of tags exceeded the per-server limit %d",
                         max_tags)
                 : rc;
    }
    *ret_is_new = is_changed;
    return rc;
}

enum rc
server_db_remove_tag(struct db *db, const char *id, const char *tag, struct err *err)
{
    bool is_changed = false;
    enum rc rc = db_run_any(db,
                            "UPDATE server SET tags = array_remove(tags, $2), updated_at = now()"
                            " WHERE id = $1 AND deleted_at IS NULL AND $2 = ANY (tags)",
                            DB_ARGS(db_s(id), db_s(tag)), &is_changed, err);
    return rc == RC_OK && !is_changed ? no_tag(id, tag, err) : rc;
}

enum rc
server_db_rename(struct db *db, const char *id, const struct server_rename *change, struct err *err)
{
    return db_run(
        db,
        "UPDATE server SET name = coalesce($2, name), disk_config = coalesce($3, disk_config),"
        " access_ipv4 = CASE WHEN $4::text IS NULL THEN access_ipv4 ELSE nullif($4, '')::inet END,"
        " access_ipv6 = CASE WHEN $5::text IS NULL THEN access_ipv6 ELSE nullif($5, '')::inet END,"
        " description = CASE WHEN $6::boolean THEN $7 ELSE description END,"
        " hostname = coalesce($8, hostname), updated_at = now() WHERE id = $1 AND deleted_at IS "
        "NULL",
        DB_ARGS(db_s(id), db_s(change->name), db_s(change->disk_config), db_s(change->access_ipv4),
                db_s(change->access_ipv6), db_b(change->sets_description),
                db_s(change->description), db_s(change->hostname)),
        NULL, err);
}

static enum rc
check_rebuild(struct db *db, const struct server_brief *server,
              const struct server_rebuild *rebuild, struct err *err)
{
    g_autoptr(db_result) row = NULL;
    enum rc rc = db_run_one(
        db,
        "SELECT ram_mib, disk_gib, $2::text IS NULL OR EXISTS (SELECT FROM keypair k WHERE"
        " k.user_id = $3 AND k.name = $2) AS key_ok FROM server WHERE id = $1",
        DB_ARGS(db_s(server->id), db_s(rebuild->key_name), db_s(rebuild->user_id)), &row, err);
    if (rc != RC_OK) {
        return rc;
    }
    if (!db_bool(row, 0, "key_ok")) {
        return fault(err, RC_INVALID, "Invalid key_name provided.");
    }
    if (rebuild->min_ram_mib > db_int(row, 0, "ram_mib")) {
        return fault(err, RC_INVALID, "Flavor's memory is too small for requested image.");
    }
    int64_t disk = db_int(row, 0, "disk_gib");
    return disk && rebuild->min_disk_gib > disk
               ? fault(err, RC_INVALID, "Flavor's disk is too small for requested image.")
               : RC_OK;
}

enum rc
server_db_rebuild(struct db *db, const struct server_brief *server, void *argument, struct err *err)
{
    const struct server_rebuild *rebuild = argument;
    struct server_rename rename = {
        .name = rebuild->name,
        .disk_config = rebuild->disk_config,
        .access_ipv4 = rebuild->access_ipv4,
        .access_ipv6 = rebuild->access_ipv6,
        .description = rebuild->description,
        .sets_description = rebuild->sets_description,
        .hostname = rebuild->hostname,
    };
    enum rc rc = check_rebuild(db, server, rebuild, err);
    if (rc != RC_OK || (rc = server_db_rename(db, server->id, &rename, err)) != RC_OK) {
        return rc;
    }
    return db_run(db,
                  "UPDATE server SET image_id = $2, image = $3::jsonb, metadata = "
                  "coalesce($4::jsonb, metadata),"
                  " user_data = CASE WHEN $5::boolean THEN $6 ELSE user_data END,"
                  " key_name = CASE WHEN $7::boolean THEN $8 ELSE key_name END,"
                  " key_type = CASE WHEN $7::boolean THEN (SELECT type FROM keypair k WHERE "
                  "k.user_id = $9 AND k.name = $8)"
                  " ELSE key_type END, key_data = CASE WHEN $7::boolean THEN (SELECT public_key "
                  "FROM keypair k WHERE"
                  " k.user_id = $9 AND k.name = $8) ELSE key_data END WHERE id = $1",
                  DB_ARGS(db_s(server->id), db_s(rebuild->image_id), db_s(rebuild->image_json),
                          db_s(rebuild->metadata_json), db_b(rebuild->sets_user_data),
                          db_s(rebuild->user_data), db_b(rebuild->sets_key),
                          db_s(rebuild->key_name), db_s(rebuild->user_id)),
                  NULL, err);
}

enum rc
server_db_lock(struct db *db, const char *id, bool locked, const char *reason, struct err *err)
{
    return db_run(db,
                  "UPDATE server SET locked = $2, locked_reason = CASE WHEN $2::boolean THEN $3 "
                  "END, updated_at = now()"
                  " WHERE id = $1 AND deleted_at IS NULL",
                  DB_ARGS(db_s(id), db_b(locked), db_s(reason)), NULL, err);
}

struct stepping {
    const struct server_actor *actor;
    const struct server_step *step;
};

static enum rc
not_allowed(const struct server_brief *server, const struct server_step *step, struct err *err)
{
    const char *task = life_task_state(server->state);
    return fault(err, RC_CONFLICT, "Cannot '%s' instance %s while it is in %s %s", step->refusal,
                 server->id, task ? "task_state" : "vm_state",
                 task ? task : life_vm_state(server->state));
}

static enum rc
check_step(const struct server_brief *server, const struct stepping *stepping, struct err *err)
{
    if (server->is_locked && !stepping->actor->auth->is_admin) {
        return fault(err, RC_CONFLICT, "Instance %s is locked", server->id);
    }
    if (server->state == N_LIFE_STATES ||
        !fsm_find(&life_fsm, server->state, stepping->step->event)) {
        return not_allowed(server, stepping->step, err);
    }
    if (!*server->host && !stepping->step->is_local && stepping->step->event != LIFE_EV_DELETE) {
        return fault(err, RC_CONFLICT, "Instance %s is not ready", server->id);
    }
    return RC_OK;
}

static enum rc
write_step(struct db *db, const struct server_brief *server, const struct stepping *stepping,
           struct err *err)
{
    const struct server_step *step = stepping->step;
    int next = fsm_next(&life_fsm, server->state, (int)step->event);
    enum rc rc = server_db_move(db, server->id, server->state, next, step->due_s, err);
    if (rc != RC_OK || step->is_local) {
        return rc;
    }
    return db_run(
        db,
        "UPDATE server SET desired = coalesce($2, desired), generation = generation + 1,"
        " reboot_count = reboot_count + $3::int, reboot_hard = $4, attempt = 0, ordered_at = NULL,"
        " lease_owner = NULL, lease_until = NULL,"
        " deadline = CASE WHEN $5::int = 0 THEN NULL ELSE now() + $5::int * interval '1 second' END"
        " WHERE id = $1",
        DB_ARGS(db_s(server->id), db_s(step->desired), db_i(step->counts_reboot),
                db_b(step->is_hard), db_i(step->deadline_s)),
        NULL, err);
}

static enum rc
step_in_tx(struct db *db, void *argument, struct err *err)
{
    const struct stepping *stepping = argument;
    struct server_brief server;
    enum rc rc = server_db_brief(db, stepping->actor->server_id, stepping->actor->project_id, true,
                                 &server, err);
    if (rc != RC_OK || (rc = check_step(&server, stepping, err)) != RC_OK) {
        return rc;
    }
    if (stepping->step->event == LIFE_EV_DELETE && life_is_deleting(server.state)) {
        return RC_OK; // on its way
    }
    struct action_start start = {
        .server_id = server.id,
        .action = stepping->step->action,
        .event = stepping->step->action_event,
        .request_id = stepping->actor->request_id,
        .user_id = stepping->actor->auth->user_id,
        .project_id = stepping->actor->auth->project_id,
    };
    rc = write_step(db, &server, stepping, err);
    if (rc == RC_OK && stepping->actor->also) {
        rc = stepping->actor->also(db, &server, stepping->actor->argument, err);
    }
    if (rc == RC_OK && start.action) {
        rc = action_db_start(db, &start, err);
    }
    if (rc == RC_OK && !stepping->step->is_local) {
        rc = server_db_announce(db, server.id, err);
    }
    return rc;
}

enum rc
server_db_step(struct db *db, const struct server_actor *actor, const struct server_step *step,
               struct err *err)
{
    struct stepping stepping = {actor, step};
    return db_tx(db, step_in_tx, &stepping, err);
}

enum rc
server_db_change_group(struct db *db, const char *id, json_t *group, bool adds, struct err *err)
{
    char *text = json_dumps(group, JSON_COMPACT);
    enum rc rc = db_run(
        db,
        "UPDATE server SET updated_at = now(), security_groups = (SELECT coalesce(jsonb_agg(g), "
        "'[]')"
        " FROM jsonb_array_elements(security_groups) g WHERE g->>'name' <> $2::jsonb->>'name')"
        " || CASE WHEN $3::boolean THEN jsonb_build_array($2::jsonb) ELSE '[]' END"
        " WHERE id = $1 AND deleted_at IS NULL",
        DB_ARGS(db_s(id), db_s(text), db_b(adds)), NULL, err);
    free(text);
    return rc;
}
