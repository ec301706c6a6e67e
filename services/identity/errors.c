// SPDX-License-Identifier: Apache-2.0
// Errors as Keystone words them: {"error": {"code", "message", "title"}}.
#include "common/base/util.h"
#include "services/identity/token/scope_cache.h"
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

// Making tokens changes nothing that tokens are made of.
void
identity_on_handled(struct request *request)
{
    static const struct {
        const char *method, *path;
    } idle[] = {{"GET", "/"},
                {"HEAD", "/"},
                {"POST", "/v3/auth/"},
                {"POST", "/v3/ec2tokens"},
                {"POST", "/v3/s3tokens"}};
    const char *method = request_method(request), *path = request_url(request);
    for (size_t i = 0; i < N_ELEMENTS(idle); i++) {
        if (!strcmp(method, idle[i].method) && g_str_has_prefix(path, idle[i].path)) {
            return;
        }
    }
    struct err err = {0};
    if (feed_catch_up(identity_of(request), &err)) {
        scope_cache_changed(identity_of(request)->scopes, NULL);
    }
}
