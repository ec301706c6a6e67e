// SPDX-License-Identifier: Apache-2.0
// What is staged.
#include "services/image/data/upload_db.h"

void
staged_clear(struct staged *staged)
{
    g_free(staged->file);
    g_free(staged->digest);
    g_free(staged->md5);
    g_free(staged->format);
    g_free(staged->archive);
    g_free(staged->inside);
}

enum rc
import_db_staged(struct db *db, const char *image_id, struct staged *staged, struct err *err)
{
    g_autoptr(db_result) result = NULL;
    enum rc rc = db_run_one(db,
                            "SELECT staged_file, staged, staged_checksum, staged_format, "
                            "staged_archive, staged_inside, "
                            "staged_size, COALESCE(staged_virtual_size, -1) AS staged_virtual_size "
                            "FROM image WHERE id = $1::uuid",
                            DB_ARGS(db_s(image_id)), &result, err);
    if (rc == RC_OK) {
        *staged = (struct staged){
            .file = g_strdup(db_text(result, 0, "staged_file")),
            .digest = g_strdup(db_text(result, 0, "staged")),
            .md5 = g_strdup(db_text(result, 0, "staged_checksum")),
            .format = g_strdup(db_text(result, 0, "staged_format")),
            .archive = g_strdup(db_text(result, 0, "staged_archive")),
            .inside = g_strdup(db_text(result, 0, "staged_inside")),
            .size = db_int(result, 0, "staged_size"),
            .virtual_size = db_int(result, 0, "staged_virtual_size"),
        };
    }
    return rc;
}
