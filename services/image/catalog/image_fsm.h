// SPDX-License-Identifier: Apache-2.0
// The life of an image. Nothing else decides a status; the tables' statements compare-and-set what
// this says.
#pragma once
#include "common/base/err.h"
#include "common/fsm/fsm.h"

enum image_status {
    IMAGE_QUEUED,
    IMAGE_SAVING,
    IMAGE_UPLOADING, // data is being staged, or is
    IMAGE_IMPORTING, // data is being fetched
    IMAGE_ACTIVE,
    IMAGE_DEACTIVATED,
    IMAGE_KILLED,
    IMAGE_DELETED,
    N_IMAGE_STATUSES,
};
enum image_event {
    IMAGE_UPLOAD,     // PUT file begins
    IMAGE_STAGE,      // PUT stage begins
    IMAGE_FETCH,      // import from a URL begins
    IMAGE_IMPORT,     // import of staged data begins
    IMAGE_UNIMPORT,   // it failed: the data is still staged
    IMAGE_COPY,       // copying to more stores begins
    IMAGE_STORE,      // all bytes are safe
    IMAGE_FAIL,       // the upload broke off, was refused, or its process died
    IMAGE_DEACTIVATE, // actions/deactivate
    IMAGE_REACTIVATE, // actions/reactivate
    IMAGE_DELETE,
    N_IMAGE_EVENTS,
};
extern const struct fsm image_fsm;

// The status after the event. RC_CONFLICT in Glance's words when the event is not allowed.
enum rc image_fsm_step(const char *status, enum image_event event, const char **ret_status,
                       struct err *err) CHECKED;
