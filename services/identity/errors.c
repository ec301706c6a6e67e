// SPDX-License-Identifier: Apache-2.0
// Errors as Keystone words them: {"error": {"code", "message", "title"}}.
#include "services/identity/identity.h"
#include <string.h>

void
identity_error_body(const struct request *request, const struct err *err, struct reply *reply)
{
    const char *message = err->message;
    if (err->rc == RC_UNAUTHORIZED && !g_str_has_prefix(request_url(request), "/accounts/") &&
        !err->type[0]) {
        message = "The request you have made requires authentication.";
    }
    const char *title = http_status_title(reply->status);
    reply->json = json_pack("{s:{s:i, s:s%, s:s}}", "error", "code", reply->status, "message",
                            message, strlen(message), "title", title);
    if (!reply->json) { // the message was cut inside a character
        reply->json = json_pack("{s:{s:i, s:s, s:s}}", "error", "code", reply->status, "message",
                                "invalid input", "title", title);
    }
}

void
identity_on_reply(struct request *request, struct reply *reply)
{
    reply_header(reply, "Vary", "X-Auth-Token");
}
