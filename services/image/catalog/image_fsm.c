// SPDX-License-Identifier: Apache-2.0
#include "services/image/catalog/image_fsm.h"

#include "common/base/util.h"

// clang-format off
static const char *const statuses[] = {
    [IMAGE_QUEUED] = "queued", [IMAGE_SAVING] = "saving",
    [IMAGE_UPLOADING] = "uploading", [IMAGE_IMPORTING] = "importing", [IMAGE_ACTIVE] = "active",
    [IMAGE_DEACTIVATED] = "deactivated", [IMAGE_KILLED] = "killed", [IMAGE_DELETED] = "deleted",
};
static const char *const events[] = {
    [IMAGE_UPLOAD] = "upload", [IMAGE_STAGE] = "stage", [IMAGE_FETCH] = "fetch", [IMAGE_IMPORT] = "import",
    [IMAGE_UNIMPORT] = "unimport", [IMAGE_COPY] = "copy", [IMAGE_STORE] = "store", [IMAGE_FAIL] = "fail",
    [IMAGE_DEACTIVATE] = "deactivate", [IMAGE_REACTIVATE] = "reactivate", [IMAGE_DELETE] = "delete",
};
static const struct fsm_row rows[] = {
    {IMAGE_QUEUED,      IMAGE_UPLOAD,     IMAGE_SAVING,      "receive into a temporary file"},
    {IMAGE_QUEUED,      IMAGE_STAGE,      IMAGE_UPLOADING,   "receive into a temporary file, keep it"},
    {IMAGE_QUEUED,      IMAGE_FETCH,      IMAGE_IMPORTING,   "fetch into a temporary file"},
    {IMAGE_UPLOADING,   IMAGE_IMPORT,     IMAGE_IMPORTING,   "place the staged data in the stores"},
    {IMAGE_IMPORTING,   IMAGE_UNIMPORT,   IMAGE_UPLOADING,   "say so in the task"},
    {IMAGE_IMPORTING,   IMAGE_STORE,      IMAGE_ACTIVE,      "place the blob, open usage"},
    {IMAGE_ACTIVE,      IMAGE_COPY,       IMAGE_ACTIVE,      "place the blob in more stores"},
    {IMAGE_UPLOADING,   IMAGE_FAIL,       IMAGE_QUEUED,      "drop the temporary file"},
    {IMAGE_IMPORTING,   IMAGE_FAIL,       IMAGE_QUEUED,      "drop the temporary file, say so in the task"},
    {IMAGE_UPLOADING,   IMAGE_DELETE,     IMAGE_DELETED,     ""},
    {IMAGE_IMPORTING,   IMAGE_DELETE,     IMAGE_DELETED,     "the fetch notices at its end"},
    {IMAGE_SAVING,      IMAGE_STORE,      IMAGE_ACTIVE,      "place the blob, open usage"},
    {IMAGE_SAVING,      IMAGE_FAIL,       IMAGE_QUEUED,      "drop the temporary file"},
    {IMAGE_ACTIVE,      IMAGE_DEACTIVATE, IMAGE_DEACTIVATED, ""},
    {IMAGE_DEACTIVATED, IMAGE_DEACTIVATE, IMAGE_DEACTIVATED, ""},
    {IMAGE_DEACTIVATED, IMAGE_REACTIVATE, IMAGE_ACTIVE,      ""},
    {IMAGE_ACTIVE,      IMAGE_REACTIVATE, IMAGE_ACTIVE,      ""},
    {IMAGE_QUEUED,      IMAGE_DELETE,     IMAGE_DELETED,     ""},
    {IMAGE_SAVING,      IMAGE_DELETE,     IMAGE_DELETED,     "the upload notices at its end"},
    {IMAGE_ACTIVE,      IMAGE_DELETE,     IMAGE_DELETED,     "close usage; the blob is swept"},
    {IMAGE_DEACTIVATED, IMAGE_DELETE,     IMAGE_DELETED,     "close usage; the blob is swept"},
    {IMAGE_KILLED,      IMAGE_DELETE,     IMAGE_DELETED,     ""},
};
// clang-format on
const struct fsm image_fsm = {
    .name = "image",
    .states = statuses,
    .n_states = N_IMAGE_STATUSES,
    .events = events,
    .n_events = N_IMAGE_EVENTS,
    .rows = rows,
    .n_rows = N_ELEMENTS(rows),
};

// Where the event leads when it is allowed at all: for the words of the refusal.
static const char *
aim_of(enum image_event event)
{
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        if (rows[i].event == (int)event) {
            return statuses[rows[i].to];
        }
    }
    return "";
}

enum rc
image_fsm_step(const char *status, enum image_event event, const char **ret_status, struct err *err)
{
    int next = fsm_next(&image_fsm, fsm_state_from_text(&image_fsm, status), (int)event);
    if (next < 0) {
        return fault(err, RC_CONFLICT, "Image status transition from %s to %s is not allowed",
                     status, aim_of(event));
    }
    *ret_status = statuses[next];
    return RC_OK;
}
