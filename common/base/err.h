// SPDX-License-Identifier: Apache-2.0
// The closed set of outcomes and the error that travels with them. Everything that can fail returns
// `enum rc` and fills `struct err`; the HTTP layer turns it into the service's documented error
// body.
#pragma once
#include <stdbool.h>

enum rc {
    RC_OK = 0,
    // Outcomes: the caller decides.
    RC_INVALID,        // 400
    RC_UNAUTHORIZED,   // 401
    RC_FORBIDDEN,      // 403
    RC_QUOTA,          // 403 (413 or 409 where the API documents that)
    RC_NOT_FOUND,      // 404
    RC_METHOD,         // 405
    RC_NOT_ACCEPTABLE, // 406
    RC_CONFLICT,       // 409
    RC_GONE,           // 410
    RC_PRECONDITION,   // 412
    RC_TOO_LARGE,      // 413
    RC_MEDIA_TYPE,     // 415
    RC_RANGE,          // 416
    RC_UNPROCESSABLE,  // 422
    RC_TOO_MANY,       // 429
    // Failures: they travel up untouched.
    RC_INTERNAL,        // 500
    RC_NOT_IMPLEMENTED, // 501
    RC_BAD_GATEWAY,     // 502
    RC_UNAVAILABLE,     // 503, retryable
    RC_DEADLINE,        // 504, retryable
    N_RC,
};

struct err {
    enum rc rc;
    char type[64];     // the API's name of the error where it has one ("NetworkInUse"), else ""
    char message[512]; // what was attempted, on what, and why not
    unsigned retry_after_s; // 0: none
};

#define CHECKED __attribute__((warn_unused_result))

// Fills *err (may be NULL) and returns rc, so that `return fault(err, RC_CONFLICT, "…")` reads as
// one thing.
enum rc fault(struct err *err, enum rc rc, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
// The same with the API's error type name.
enum rc fault_typed(struct err *err, enum rc rc, const char *type, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
// Names the outcome whose failure nobody can act on (gcc ignores a (void) cast for CHECKED).
static inline void
rc_ignore(enum rc rc)
{
    (void)rc;
}

int rc_http_status(enum rc rc);
const char *rc_name(enum rc rc);  // "conflict"
bool rc_is_retryable(enum rc rc); // a later try may succeed
