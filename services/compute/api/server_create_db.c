// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "common/db/idempotency.h"
#include "services/compute/api/server_create.h"
#include "services/compute/core/server_db.h"

enum rc
server_lookup_db(struct db *db, const struct server_body *body, const struct auth_context *auth,
                 struct server_lookup *ret_lookup, struct err *err)
{
    g_autoptr(db_result) row = NULL;
    enum rc rc = db_run_one(
        db,
        "SELECT f.vcpus, f.ram_mib, f.disk_gib, k.type AS key_type, k.public_key,"
        " $4::text IS NULL OR k.name IS NOT NULL AS key_ok,"
        " $5::text IS NULL OR EXISTS (SELECT FROM compute_host h WHERE h.zone = $5) AS zone_ok,"
        " $6::uuid IS NULL OR EXISTS (SELECT FROM server_group g WHERE g.id = $6 AND g.project_id "
        "= $2) AS group_ok"
        " FROM flavor f LEFT JOIN keypair k ON k.user_id = $3 AND k.name = $4"
        " WHERE f.id = $1 AND (f.is_public OR $7::boolean OR EXISTS (SELECT FROM flavor_access a"
        " WHERE a.flavor_id = f.id AND a.project_id = $2))",
        DB_ARGS(db_s(body->flavor_id), db_s(auth->project_id), db_s(auth->user_id),
                db_s(body->key_name), db_s(body->zone), db_s(body->group_id), db_b(auth->is_admin)),
        &row, err);
    if (rc == RC_NOT_FOUND) {
        return fault(err, RC_INVALID, "Flavor %.200s could not be found.", body->flavor_id);
    }
    if (rc != RC_OK) {
        return rc;
    }
    *ret_lookup = (struct server_lookup){
        .key_ok = db_bool(row, 0, "key_ok"),
        .zone_ok = db_bool(row, 0, "zone_ok"),
        .group_ok = db_bool(row, 0, "group_ok"),
        .vcpus = db_int(row, 0, "vcpus"),
        .ram_mib = db_int(row, 0, "ram_mib"),
        .disk_gib = db_int(row, 0, "disk_gib"),
        .key_type = g_strdup(db_text(row, 0, "key_type")),
        .key_data = g_strdup(db_text(row, 0, "public_key")),
    };
    return RC_OK;
}

void
server_lookup_done(struct server_lookup *lookup)
{
    g_clear_pointer(&lookup->key_type, g_free);
    g_clear_pointer(&lookup->key_data, g_free);
}

static enum rc
check_quota(struct db *db, const struct server_new *new, struct err *err)
{
    int64_t n = (int64_t) new->n;
    struct quota_request requests[] = {
        {&compute_quotas[QUOTA_INSTANCES], n},
        {&compute_quotas[QUOTA_CORES], n * new->lookup->vcpus},
        {&compute_quotas[QUOTA_RAM], n * new->lookup->ram_mib},
        {&compute_quotas[QUOTA_METADATA_ITEMS],
         (int64_t)json_object_size(json_object_get(new->common, "metadata"))},
    };
    return quota_check(db, new->auth->project_id, requests, G_N_ELEMENTS(requests), err);
}

static enum rc
check_group(struct db *db, const struct server_new *new, struct err *err)
{
    int64_t limit = 0;
    g_autoptr(db_result) members = NULL;
    if (!new->group_id) {
        return RC_OK;
    }
    enum rc rc = quota_limit(db, &compute_quotas[QUOTA_SERVER_GROUP_MEMBERS], new->auth->project_id,
                             &limit, err);
    if (rc == RC_OK) {
        rc = db_run(db,
                    "SELECT count(*) AS n FROM server WHERE group_id = $1 AND deleted_at IS NULL",
                    DB_ARGS(db_s(new->group_id)), &members, err);
    }
    if (rc == RC_OK && limit >= 0 && db_int(members, 0, "n") + (int64_t) new->n > limit) {
        rc = fault(err, RC_QUOTA, "Quota exceeded, too many servers in group");
    }
    return rc;
}

// One statement for any number of servers: rows, ports, actions and their first events.
static const char insert_sql[] =
    "WITH c AS (SELECT * FROM jsonb_to_record($1::jsonb) AS c(project_id text, user_id text, "
    "request_id text,"
    " description text, flavor_id text, image_id uuid, image jsonb, key_name text, key_type text, "
    "key_data text,"
    " user_data text, config_drive boolean, disk_config text, metadata jsonb, tags jsonb, "
    "security_groups jsonb,"
    " access_ipv4 inet, access_ipv6 inet, reservation_id text, group_id uuid, zone text, "
    "forced_host text,"
    " same_host jsonb, different_host jsonb, deadline_s integer)),"
    " n AS (SELECT * FROM jsonb_to_recordset($2::jsonb) AS n(id uuid, name text, hostname text, "
    "launch_index integer,"
    " ports jsonb) LIMIT $3::bigint),"
    " s AS (INSERT INTO server (id, project_id, user_id, request_id, name, hostname, description, "
    "flavor_id, flavor_name,"
    " vcpus, ram_mib, disk_gib, ephemeral_gib, swap_mib, extra_specs, image_id, image, key_name, "
    "key_type, key_data,"
    " user_data, config_drive, disk_config, metadata, tags, security_groups, access_ipv4, "
    "access_ipv6, reservation_id,"
    " launch_index, group_id, zone, forced_host, same_host, different_host, vm_state, task_state, "
    "deadline, due_at)"
    " SELECT n.id, c.project_id, c.user_id, c.request_id, n.name, n.hostname, c.description, f.id, "
    "f.name, f.vcpus,"
    " f.ram_mib, f.disk_gib, f.ephemeral_gib, f.swap_mib, f.extra_specs, c.image_id, c.image, "
    "c.key_name, c.key_type,"
    " c.key_data, c.user_data, c.config_drive, c.disk_config, c.metadata,"
    " ARRAY(SELECT jsonb_array_elements_text(c.tags)), c.security_groups, c.access_ipv4, "
    "c.access_ipv6,"
    " c.reservation_id, n.launch_index, c.group_id, c.zone, c.forced_host,"
    " ARRAY(SELECT jsonb_array_elements_text(c.same_host)::uuid),"
    " ARRAY(SELECT jsonb_array_elements_text(c.different_host)::uuid), $4, $5,"
    " now() + c.deadline_s * interval '1 second', now() + interval '5 seconds'"
    " FROM n, c, flavor f WHERE f.id = c.flavor_id RETURNING id),"
    " p AS (INSERT INTO server_port (server_id, position, port_id, is_ours, network_id, "
    "network_name, asked_ip, tag)"
    " SELECT s.id, p.position, p.port_id, p.is_ours, p.network_id, p.network_name, p.asked_ip, "
    "p.tag"
    " FROM s JOIN n USING (id), jsonb_to_recordset(n.ports) AS p(position integer, port_id uuid, "
    "is_ours boolean,"
    " network_id uuid, network_name text, asked_ip inet, tag text)),"
    " a AS (INSERT INTO instance_action (server_id, action, request_id, user_id, project_id)"
    " SELECT s.id, 'create', c.request_id, c.user_id, c.project_id FROM s, c RETURNING id),"
    " e AS (INSERT INTO instance_action_event (action_id, event)"
    " SELECT id, 'compute__do_build_and_run_instance' FROM a)"
    " SELECT count(*) AS n FROM s";

static enum rc
insert_servers(struct db *db, const struct server_new *new, struct err *err)
{
    g_autoptr(db_result) result = NULL;
    char *common = json_dumps(new->common, JSON_COMPACT),
         *servers = json_dumps(new->servers, JSON_COMPACT);
    enum rc rc = db_run(db, insert_sql,
                        DB_ARGS(db_s(common), db_s(servers), db_i((int64_t) new->n),
                                db_s(life_vm_state(LIFE_SCHEDULING)),
                                db_s(life_task_state(LIFE_SCHEDULING))),
                        &result, err);
    free(common);
    free(servers);
    if (rc == RC_CONFLICT && err && strcmp(err->type, "server_port_port_id_key") == 0) {
        return fault(err, RC_CONFLICT, "A port given in networks is still in use.");
    }
    if (rc == RC_OK && db_int(result, 0, "n") != (int64_t) new->n) {
        return fault(err, RC_INVALID,
                     "Flavor could not be found."); // deleted since it was looked up
    }
    return rc;
}

static enum rc
create_in_tx(struct db *db, void *argument, struct err *err)
{
    struct server_new *new = argument;
    g_clear_pointer(&new->existing, g_free);
    const char *first = json_string_value(json_object_get(json_array_get(new->servers, 0), "id"));
    enum rc rc = idempotency_claim(db, new->auth->project_id, new->idempotency_key,
                                   new->request_hash, first, &new->existing, err);
    if (rc != RC_OK || new->existing) {
        return rc;
    }
    if ((rc = check_quota(db, new, err)) != RC_OK || (rc = check_group(db, new, err)) != RC_OK ||
        (rc = insert_servers(db, new, err)) != RC_OK) {
        return rc;
    }
    for (size_t i = 0; rc == RC_OK && i < new->n; i++) {
        rc = server_db_announce(
            db, json_string_value(json_object_get(json_array_get(new->servers, i), "id")), err);
    }
    return rc;
}

enum rc
server_create_db(struct db *db, struct server_new *new, struct err *err)
{
    return db_tx(db, create_in_tx, new, err);
}

enum rc
server_created_db(struct db *db, const char *id, db_result **ret_rows, struct err *err)
{
    return db_run_one(db,
                      "SELECT reservation_id, disk_config, (SELECT "
                      "coalesce(json_agg(json_build_object('name', g->>'name')),"
                      " '[]') FROM jsonb_array_elements(security_groups) g)::text AS item FROM "
                      "server WHERE id = $1",
                      DB_ARGS(db_s(id)), ret_rows, err);
}
