// SPDX-License-Identifier: Apache-2.0
#include "services/image/store/recipe_db.h"

#include <string.h>

char *
recipe_to_json(const GArray *recipe)
{
    if (!recipe) {
        return NULL;
    }
    json_auto_t *list = json_array();
    for (guint i = 0; i < recipe->len; i++) {
        const struct recipe_piece *piece = &g_array_index(recipe, struct recipe_piece, i);
        json_array_append_new(
            list, json_pack("{s:i, s:s, s:I, s:I, s:I}", "position", (int)i, "part", piece->part,
                            "first", (json_int_t)piece->first, "size", (json_int_t)piece->size,
                            "part_size", (json_int_t)piece->part_size));
    }
    return json_dumps(list, JSON_COMPACT);
}

enum rc
recipe_db_load(struct db *db, const char *digest, GArray **ret_recipe, struct err *err)
{
    g_autoptr(db_result) result = NULL;
    enum rc rc = db_run(db,
                        "SELECT p.part, p.first, p.size, b.size AS part_size FROM blob_part p JOIN "
                        "blob b ON b.digest = p.part WHERE p.digest = $1 ORDER BY p.position",
                        DB_ARGS(db_s(digest)), &result, err);
    if (rc != RC_OK) {
        return rc;
    }
    int n = db_n_rows(result);
    *ret_recipe = n ? g_array_new(FALSE, TRUE, sizeof(struct recipe_piece)) : NULL;
    for (int i = 0; i < n; i++) {
        struct recipe_piece piece = {.first = db_int(result, i, "first"),
                                     .size = db_int(result, i, "size"),
                                     .part_size = db_int(result, i, "part_size")};
        g_strlcpy(piece.part, db_text(result, i, "part"), sizeof piece.part);
        g_array_append_val(*ret_recipe, piece);
    }
    return RC_OK;
}

enum rc
blob_db_lock(struct db *db, const char *digest, struct err *err)
{
    return db_run(db, "SELECT FROM blob WHERE digest = $1 FOR UPDATE", DB_ARGS(db_s(digest)), NULL,
                  err);
}
