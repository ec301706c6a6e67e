// SPDX-License-Identifier: Apache-2.0
#include "services/image/catalog/layer_db.h"

#include "common/base/util.h"

char *
layers_to_json(const struct archive_verdict *archive)
{
    const GArray *layers = archive->layers;
    bool is_plain = archive->compression == COMPRESSION_NONE;
    json_auto_t *list = json_array();
    for (guint i = 0; layers && i < layers->len; i++) {
        const struct archive_layer *layer = &g_array_index(layers, struct archive_layer, i);
        json_array_append_new(
            list, json_pack("{s:i, s:s, s:s, s:s, s:I, s:I, s:o}", "position", (int)i, "digest",
                            layer->digest, "diff_id", layer->diff_id, "compression",
                            compression_name(layer->compression), "size", (json_int_t)layer->size,
                            "unpacked_size", (json_int_t)layer->unpacked_size, "archive_offset",
                            is_plain ? json_integer((json_int_t)layer->offset) : json_null()));
    }
    return json_dumps(list, JSON_COMPACT);
}

enum rc
layer_db_replace(struct db *db, const char *image_id, const char *layers, struct err *err)
{
    enum rc rc = db_run(db, "DELETE FROM image_layer WHERE image_id = $1::uuid",
                        DB_ARGS(db_s(image_id)), NULL, err);
    if (rc != RC_OK || !strcmp(layers, "[]")) {
        return rc;
    }
    return db_run(db,
                  "INSERT INTO image_layer (image_id, position, digest, diff_id, compression, "
                  "size, unpacked_size, archive_offset) SELECT $1::uuid, position, digest, "
                  "diff_id, compression, size, unpacked_size, archive_offset FROM "
                  "jsonb_to_recordset($2::jsonb) AS l (position int, digest text, diff_id text, "
                  "compression text, size bigint, unpacked_size bigint, archive_offset bigint)",
                  DB_ARGS(db_s(image_id), db_s(layers)), NULL, err);
}

enum rc
layer_db_extents(struct db *db, const char *image_id, GArray **ret_layers, struct err *err)
{
    g_autoptr(db_result) result = NULL;
    enum rc rc = db_run(db,
                        "SELECT archive_offset, size FROM image_layer WHERE image_id = $1::uuid "
                        "AND archive_offset IS NOT NULL ORDER BY position",
                        DB_ARGS(db_s(image_id)), &result, err);
    if (rc == RC_OK) {
        *ret_layers = g_array_new(FALSE, TRUE, sizeof(struct archive_layer));
        for (int i = 0; i < db_n_rows(result); i++) {
            const struct archive_layer layer = {.offset =
                                                    (uint64_t)db_int(result, i, "archive_offset"),
                                                .size = (uint64_t)db_int(result, i, "size")};
            g_array_append_val(*ret_layers, layer);
        }
    }
    return rc;
}

enum rc
layer_db_list(struct db *db, const char *image_id, char **ret_json, struct err *err)
{
    return db_run_text(
        db,
        "SELECT COALESCE(jsonb_agg(jsonb_build_object('position', position, 'digest', 'sha256:' "
        "|| digest, 'diff_id', 'sha256:' || diff_id, 'compression', compression, 'size', size, "
        "'unpacked_size', unpacked_size) ORDER BY position), '[]')::text AS items "
        "FROM image_layer WHERE image_id = $1::uuid",
        DB_ARGS(db_s(image_id)), ret_json, err);
}
