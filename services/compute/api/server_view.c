// SPDX-License-Identifier: Apache-2.0
#include "services/compute/api/server_view.h"

#include "common/base/util.h"
#include "services/compute/core/life.h"

#define ALL (VIEW_BRIEF | VIEW_DETAIL | VIEW_SHOW | VIEW_UPDATE | VIEW_REBUILD)
#define FULL (VIEW_DETAIL | VIEW_SHOW | VIEW_UPDATE | VIEW_REBUILD)
#define READ (VIEW_DETAIL | VIEW_SHOW)
#define NOT_REBUILT 64 // a rebuild's reply has it under another name
#define FULL_FROM 75   // from 2.75 on the reply of an update has everything

struct view_row {
    const char *name;
    const char *sql; // gives JSON text; NULL is shown as null
    unsigned views;
    unsigned min_version, max_version; // 0: any
    bool is_admin;
    const char *condition; // left out unless true; NULL: always there
};

#define TEXT(expression) "to_json(" expression ")::text"
#define TIME(column) \
    "'\"' || to_char(" column " AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') || '\"'"
#define TIME_US(column) \
    "'\"' || to_char(" column " AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US') || '\"'"
#define HOST_FIELD(field) "(SELECT " field " FROM compute_host h WHERE h.host = s.host)"

#define ADDRESSES(more)                                                                         \
    "coalesce((SELECT '{' || string_agg(to_json(n.name)::text || ':[' || n.list || ']', ',' "   \
    "ORDER BY n.first) || '}'"                                                                  \
    " FROM (SELECT p.network_name AS name, min(p.position) AS first, "                          \
    "string_agg(json_build_object("                                                             \
    "'version', family(a.ip::inet), 'addr', a.ip" more ")::text,"                               \
    " ',' ORDER BY p.position, a.kind, a.ip) AS list FROM server_port p, LATERAL ("             \
    "SELECT f->>'ip' AS ip, 'fixed' AS kind FROM jsonb_array_elements(p.fixed_ips) f UNION ALL" \
    " SELECT f #>> '{}', 'floating' FROM jsonb_array_elements(p.floating_ips) f) a"             \
    " WHERE p.server_id = s.id AND p.mac IS NOT NULL GROUP BY p.network_name) n), '{}')"

const char server_view_addresses[] = ADDRESSES("");

// clang-format off
static const struct view_row view_rows[] = {
    {"id", TEXT("s.id"), ALL},
    {"name", TEXT("s.name"), ALL},
    {"links", "json_build_array(json_build_object('rel', 'self', 'href', $1 || '/v2.1/servers/' || s.id),"
              " json_build_object('rel', 'bookmark', 'href', $1 || '/servers/' || s.id))::text", ALL},
    {"status", NULL, FULL}, // server_view_status
    {"tenant_id", TEXT("s.project_id"), FULL},
    {"user_id", TEXT("s.user_id"), FULL},
    {"metadata", "s.metadata::text", FULL},
    {"hostId", "'\"' || CASE WHEN s.host IS NULL THEN '' ELSE encode(sha224(convert_to(s.project_id || s.host, 'UTF8')), 'hex') END || '\"'", FULL},
    {"image", "json_build_object('id', s.image_id, 'links', json_build_array(json_build_object('rel', 'bookmark', 'href', $1 || '/images/' || s.image_id)))::text", FULL},
    {"flavor", "json_build_object('id', s.flavor_id, 'links', json_build_array(json_build_object('rel', 'bookmark', 'href', $1 || '/flavors/' || s.flavor_id)))::text", FULL, 0, 46},
    {"flavor", "json_build_object('vcpus', s.vcpus, 'ram', s.ram_mib, 'disk', s.disk_gib, 'ephemeral', s.ephemeral_gib, 'swap', s.swap_mib,"
               " 'original_name', s.flavor_name, 'extra_specs', s.extra_specs)::text", FULL, 47, 0},
    {"created", TIME("s.created_at"), FULL},
    {"updated", TIME("s.updated_at"), FULL},
    {"addresses", ADDRESSES(", 'OS-EXT-IPS:type', a.kind, 'OS-EXT-IPS-MAC:mac_addr', p.mac"), READ},
    {"addresses", ADDRESSES(""), VIEW_UPDATE | VIEW_REBUILD, 0, FULL_FROM - 1},
    {"accessIPv4", "'\"' || coalesce(host(s.access_ipv4), '') || '\"'", FULL},
    {"accessIPv6", "'\"' || coalesce(host(s.access_ipv6), '') || '\"'", FULL},
    {"OS-DCF:diskConfig", TEXT("s.disk_config"), FULL},
    {"progress", "CASE WHEN s.vm_state = 'active' THEN '100' ELSE '0' END", FULL, 0, 0, false, "s.vm_state IN ('active', 'building')"},
    {"fault", "(jsonb_build_object('code', s.fault_code, 'created', to_char(s.fault_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), 'message', s.fault_message)"
              " || CASE WHEN s.fault_details IS NULL THEN '{}' ELSE jsonb_build_object('details', s.fault_details) END)::text",
              FULL, 0, 0, false, "s.fault_code IS NOT NULL AND s.vm_state IN ('error', 'deleted')"},
    {"security_groups", "coalesce((SELECT json_agg(json_build_object('name', g->>'name')) FROM jsonb_array_elements(s.security_groups) g), '[]')::text",
                        READ, 0, 0, false, "jsonb_array_length(s.security_groups) > 0"},
    {"key_name", TEXT("s.key_name"), READ},
    {"key_name", TEXT("s.key_name"), VIEW_REBUILD, 54, 74},
    {"user_data", TEXT("s.user_data"), VIEW_REBUILD, 57, 0},
    {"config_drive", "CASE WHEN s.config_drive THEN '\"True\"' ELSE '\"\"' END", READ},
    {"OS-EXT-AZ:availability_zone", "coalesce(to_json(coalesce(" HOST_FIELD("h.zone") ", s.zone))::text, '\"\"')", READ},
    {"OS-SRV-USG:launched_at", TIME_US("s.launched_at"), READ},
    {"OS-SRV-USG:terminated_at", TIME_US("s.terminated_at"), READ},
    {"os-extended-volumes:volumes_attached", "'[]'", READ},
    {"OS-EXT-STS:task_state", TEXT("s.task_state"), READ},
    {"OS-EXT-STS:vm_state", TEXT("s.vm_state"), READ},
    {"OS-EXT-STS:power_state", "s.power_state::text", READ},
    {"OS-EXT-SRV-ATTR:host", TEXT("s.host"), READ, 0, 0, true},
    {"OS-EXT-SRV-ATTR:hypervisor_hostname", TEXT("s.host"), READ, 0, 0, true},
    {"OS-EXT-SRV-ATTR:instance_name", "'\"instance-' || s.id || '\"'", READ, 0, 0, true},
    {"OS-EXT-SRV-ATTR:hostname", TEXT("s.hostname"), READ, 3, 89, true},
    {"OS-EXT-SRV-ATTR:hostname", TEXT("s.hostname"), READ, 90, 0},
    {"OS-EXT-SRV-ATTR:reservation_id", TEXT("s.reservation_id"), READ, 3, 0, true},
    {"OS-EXT-SRV-ATTR:launch_index", "s.launch_index::text", READ, 3, 0, true},
    {"OS-EXT-SRV-ATTR:kernel_id", "'\"\"'", READ, 3, 0, true},
    {"OS-EXT-SRV-ATTR:ramdisk_id", "'\"\"'", READ, 3, 0, true},
    {"OS-EXT-SRV-ATTR:root_device_name", "'\"/dev/vda\"'", READ, 3, 0, true},
    {"OS-EXT-SRV-ATTR:user_data", TEXT("s.user_data"), READ | NOT_REBUILT, 3, 0, true},
    {"locked", "s.locked::text", FULL, 9, 0},
    {"host_status", "'\"' || coalesce(" HOST_FIELD("CASE WHEN h.forced_down OR h.lease_until < now() THEN 'DOWN' WHEN h.disabled THEN 'MAINTENANCE' ELSE 'UP' END") ", '') || '\"'", READ, 16, 0, true},
    {"description", TEXT("s.description"), FULL, 19, 0},
    {"tags", "to_json(s.tags)::text", FULL, 26, 0},
    {"trusted_image_certificates", "'null'", FULL, 63, 0},
    {"server_groups", "CASE WHEN s.group_id IS NULL THEN '[]' ELSE '[\"' || s.group_id || '\"]' END", VIEW_SHOW | VIEW_UPDATE | VIEW_REBUILD, 71, 0},
    {"locked_reason", TEXT("s.locked_reason"), FULL, 73, 0},
};
// clang-format on

static bool
belongs(const struct view_row *row, enum server_view view, unsigned version, bool is_admin)
{
    unsigned views = view;
    if (view == VIEW_REBUILD && row->views & NOT_REBUILT) {
        return false;
    }
    if (version >= FULL_FROM && (view == VIEW_UPDATE || view == VIEW_REBUILD)) {
        views = (views & VIEW_REBUILD) | VIEW_SHOW;
    }
    return row->views & views && version >= row->min_version &&
           (!row->max_version || version <= row->max_version) && (is_admin || !row->is_admin);
}

const char *
server_view_status(void)
{
    static gsize once;
    if (g_once_init_enter(&once)) {
        GString *sql = g_string_new("CASE s.vm_state || coalesce('/' || s.task_state, '')");
        for (int state = 0; state < N_LIFE_STATES; state++) {
            g_string_append_printf(sql, " WHEN '%s' THEN '%s'", life_fsm.states[state],
                                   life_status(state));
        }
        g_string_append(sql, " ELSE 'UNKNOWN' END");
        g_once_init_leave(&once, (gsize)g_string_free(sql, FALSE));
    }
    return (const char *)once;
}

void
server_view_append(GString *sql, enum server_view view, unsigned version, bool is_admin)
{
    const char *separator = "'{";
    for (size_t i = 0; i < N_ELEMENTS(view_rows); i++) {
        const struct view_row *row = &view_rows[i];
        if (!belongs(row, view, version, is_admin)) {
            continue;
        }
        if (row->condition) { // never the first
            g_string_append_printf(sql, " || CASE WHEN %s THEN ',\"%s\":' || %s ELSE '' END",
                                   row->condition, row->name, row->sql);
            continue;
        }
        g_string_append_printf(sql, "%s\"%s\":' || ", separator, row->name);
        if (row->sql) {
            g_string_append_printf(sql, "coalesce(%s, 'null')", row->sql);
        } else {
            g_string_append_printf(sql, "'\"' || %s || '\"'", server_view_status());
        }
        separator = " || ',";
    }
    g_string_append(sql, " || '}'");
}
