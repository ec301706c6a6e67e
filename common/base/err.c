// SPDX-License-Identifier: Apache-2.0
#include "common/base/err.h"

#include <glib.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    int status;
    const char *name;
    bool retryable;
} table[N_RC] = {
    // clang-format off
    [RC_OK]              = {200, "ok",                     false},
    [RC_INVALID]         = {400, "invalid",                false},
    [RC_UNAUTHORIZED]    = {401, "unauthorized",           false},
    [RC_FORBIDDEN]       = {403, "forbidden",              false},
    [RC_QUOTA]           = {403, "quota",                  false},
    [RC_NOT_FOUND]       = {404, "not_found",              false},
    [RC_METHOD]          = {405, "method_not_allowed",     false},
    [RC_NOT_ACCEPTABLE]  = {406, "not_acceptable",         false},
    [RC_CONFLICT]        = {409, "conflict",               false},
    [RC_GONE]            = {410, "gone",                   false},
    [RC_PRECONDITION]    = {412, "precondition_failed",    false},
    [RC_TOO_LARGE]       = {413, "too_large",              false},
    [RC_MEDIA_TYPE]      = {415, "unsupported_media_type", false},
    [RC_RANGE]           = {416, "range_not_satisfiable",  false},
    [RC_UNPROCESSABLE]   = {422, "unprocessable",          false},
    [RC_TOO_MANY]        = {429, "too_many_requests",      true},
    [RC_INTERNAL]        = {500, "internal",               false},
    [RC_NOT_IMPLEMENTED] = {501, "not_implemented",        false},
    [RC_BAD_GATEWAY]     = {502, "bad_gateway",            true},
    [RC_UNAVAILABLE]     = {503, "unavailable",            true},
    [RC_DEADLINE]        = {504, "deadline",               true},
    // clang-format on
};

static void
fill(struct err *err, enum rc rc, const char *type, const char *format, va_list arguments)
{
    err->rc = rc;
    err->retry_after_s = 0;
    g_strlcpy(err->type, type, sizeof(err->type));
    // The arguments may point into *err itself (wrapping a failure), so the text is made elsewhere
    // first.
    char message[sizeof(err->message)];
    vsnprintf(message, sizeof(message), format, arguments);
    memcpy(err->message, message, sizeof(message));
}

enum rc
fault(struct err *err, enum rc rc, const char *format, ...)
{
    if (err) {
        va_list arguments;
        va_start(arguments, format);
        fill(err, rc, "", format, arguments);
        va_end(arguments);
    }
    return rc;
}

enum rc
fault_typed(struct err *err, enum rc rc, const char *type, const char *format, ...)
{
    if (err) {
        va_list arguments;
        va_start(arguments, format);
        fill(err, rc, type, format, arguments);
        va_end(arguments);
    }
    return rc;
}

int
rc_http_status(enum rc rc)
{
    return table[rc].status;
}

const char *
rc_name(enum rc rc)
{
    return table[rc].name;
}

bool
rc_is_retryable(enum rc rc)
{
    return table[rc].retryable;
}
