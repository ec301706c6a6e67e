// SPDX-License-Identifier: Apache-2.0
// SQL fragments that the *_db.c files of this folder share. Everywhere i is the image, $2 "viewer
// is admin", $3 the viewer's project.
#pragma once

#define MAX_TAGS 128
#define MAX_PROPERTIES 128

#define SQL_TIME(column) "to_char(" column " AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"

#define IS_MEMBER                                                                                  \
    "(i.visibility = 'shared' AND EXISTS (SELECT FROM image_member m WHERE m.image_id = i.id AND " \
    "m.member_id = $3))"
#define VISIBLE \
    "($2::boolean OR i.owner = $3 OR i.visibility IN ('public', 'community') OR " IS_MEMBER ")"

// The image as the API shows it, of type jsonb. Its own attributes win over custom properties of
// the same name.
#define IMAGE_VIEW                                                                                 \
    "(i.properties || jsonb_build_object("                                                         \
    "'id', i.id, 'name', i.name, 'status', i.status, 'visibility', i.visibility, 'owner', "        \
    "i.owner, "                                                                                    \
    "'protected', i.protected, 'os_hidden', i.os_hidden, 'container_format', i.container_format, " \
    "'disk_format', i.disk_format, 'min_disk', i.min_disk, 'min_ram', i.min_ram, 'size', i.size, " \
    "'virtual_size', i.virtual_size, 'checksum', i.checksum, 'os_hash_algo', i.os_hash_algo, "     \
    "'os_hash_value', i.os_hash_value, 'tags', i.tags, "                                           \
    "'created_at', " SQL_TIME("i.created_at") ", 'updated_at', " SQL_TIME(                         \
        "i.updated_at") ", "                                                                       \
                        "'self', '/v2/images/' || i.id, 'file', '/v2/images/' || i.id || "         \
                        "'/file', "                                                                \
                        "'schema', '/v2/schemas/image') || "                                       \
                        "COALESCE((SELECT jsonb_build_object('stores', string_agg(l.store, ',' "   \
                        "ORDER BY l.store)) FROM image_location l WHERE l.image_id = i.id AND "    \
                        "i.blob IS NOT NULL HAVING count(*) > 0), '{}'))"

#define MEMBER_VIEW                                                                       \
    "jsonb_build_object('member_id', member_id, 'image_id', image_id, 'status', status, " \
    "'created_at', " SQL_TIME("created_at") ", 'updated_at', " SQL_TIME(                  \
        "updated_at") ", "                                                                \
                      "'schema', '/v2/schemas/member')"

// The writable columns from x.v, in the order owner … properties.
#define FROM_VALUES                                                           \
    "v->>'owner', v->>'name', v->>'visibility', (v->>'protected')::boolean, " \
    "(v->>'os_hidden')::boolean, v->>'container_format', v->>'disk_format', " \
    "(v->>'min_disk')::bigint, (v->>'min_ram')::bigint, "                     \
    "ARRAY(SELECT jsonb_array_elements_text(v->'tags')), v->'properties'"

#define NO_UPLOAD                                                                      \
    "upload_id = NULL, upload_owner = NULL, upload_until = NULL, upload_size = NULL, " \
    "upload_blob = NULL"
#define NO_STAGED                                                                             \
    "staged = NULL, staged_size = NULL, staged_virtual_size = NULL, staged_checksum = NULL, " \
    "staged_format = NULL, staged_archive = NULL, staged_inside = NULL, staged_at = NULL, "   \
    "staged_file = NULL"

// Properties that tell of an import: comma-separated stores, and the task that holds the image.
#define FAILED_IMPORT "os_glance_failed_import"
#define IMPORTING_TO "os_glance_importing_to_stores"
#define IMPORT_TASK "os_glance_import_task"
#define IS_IMPORTING "COALESCE(properties->>'" IMPORTING_TO "', '') <> ''"
// What an upload that ended badly leaves behind; failed: SQL of the stores, NULL: all it was for.
#define AFTER_FAILURE(failed)                                                                    \
    "status = CASE WHEN status IN ('active', 'deactivated') THEN status WHEN staged IS NOT "     \
    "NULL THEN 'uploading' ELSE 'queued' END, updated_at = now(), properties = CASE WHEN "       \
    "properties ? '" IMPORT_TASK "' THEN properties - '" IMPORT_TASK "' || jsonb_build_object("  \
    "'" FAILED_IMPORT "', COALESCE(" failed ", properties->>'" IMPORTING_TO "'), '" IMPORTING_TO \
    "', '') ELSE properties END, " NO_UPLOAD
