// SPDX-License-Identifier: Apache-2.0
// Browsers: a proxy has found out who it is, and the page that is answered takes the token to a
// dashboard that the operator trusts (Horizon's WebSSO). Only by a proxy: browsers bring no token.
#include "common/base/util.h"
#include "services/identity/federation/federation.h"
#include "services/identity/federation/sign_in.h"
#include "services/identity/federation/sign_in_db.h"
#include <string.h>

static const char page[] =
    "<!DOCTYPE html>\n<html>\n<head>\n<meta charset=\"utf-8\">\n<title>Signing "
    "in</title>\n</head>\n"
    "<body>\n<form id=\"sso\" name=\"sso\" action=\"%s\" method=\"post\">\n"
    "<input type=\"hidden\" name=\"token\" value=\"%s\">\n"
    "<noscript><input type=\"submit\" value=\"Continue\"></noscript>\n</form>\n"
    "<script nonce=\"%s\">document.getElementById(\"sso\").submit();</script>\n</body>\n</html>\n";

static enum rc
find_origin(const struct request *request, const char **ret_origin, struct err *err)
{
    const char *origin = request_query(request, "origin");
    const char *trusted =
        conf_text(service_conf(identity_of(request)->service), "federation", "trusted_dashboards");
    if (!origin || !origin[0]) {
        return fault(err, RC_INVALID,
                     "invalid input for query parameter 'origin': Request must have an origin "
                     "query parameter");
    }
    g_auto(GStrv) parts = g_strsplit(trusted, ",", -1);
    for (char **part = parts; *part; part++) {
        if (!strcmp(g_strstrip(*part), origin)) {
            *ret_origin = origin;
            return RC_OK;
        }
    }
    return auth_denied(err);
}

static void
reply_page(const struct session *session, const char *origin, struct reply *reply)
{
    g_autofree char *nonce = random_token(16), *action = g_markup_escape_text(origin, -1),
                    *token = g_markup_escape_text(session->text, -1);
    reply->text = g_strdup_printf(page, action, token, nonce);
    reply->content_type = "text/html; charset=utf-8";
    reply_header(reply, "Cache-Control", "no-store");
    reply_header(reply, "Referrer-Policy", "no-referrer");
    reply_header_format(reply, "Content-Security-Policy",
                        "default-src 'none'; script-src 'nonce-%s'; frame-ancestors 'none'; "
                        "base-uri 'none'",
                        nonce);
}

static enum rc
sign_in(struct request *request, const char *provider_id, struct reply *reply, struct err *err)
{
    const char *origin = NULL;
    const struct login login = {.has_mapped = true,
                                .provider_id = provider_id,
                                .protocol_id = request_param(request, "protocol_id"),
                                .scope = SCOPE_UNSCOPED};
    struct session session = {0};
    enum rc rc = find_origin(request, &origin, err);
    rc = rc ? rc : auth_log_in(request, &login, &session, err);
    if (rc == RC_OK && session.text) {
        reply_page(&session, origin, reply);
    } else if (rc == RC_OK) {
        rc = auth_reply_session(request, &session, reply, err);
    }
    session_done(&session);
    return rc;
}

static enum rc
by_provider(struct request *request, struct reply *reply, struct err *err)
{
    return sign_in(request, request_param(request, "idp_id"), reply, err);
}

// The provider is who the assertion says it is.
static enum rc
by_protocol(struct request *request, struct reply *reply, struct err *err)
{
    struct db *db = NULL;
    json_auto_t *assertion = NULL;
    g_autofree char *provider_id = NULL;
    enum rc rc = federation_assertion(request, &assertion, err);
    rc = rc ? rc : request_db(request, &db, err);
    if (rc == RC_OK && assertion) {
        rc = sign_in_db_provider(db, request_param(request, "protocol_id"), assertion,
                                 federation_remote_id_attribute(request), &provider_id, err);
        rc = rc == RC_NOT_FOUND ? RC_OK : rc;
    }
    // Without one it is refused, and counted, as any other.
    return rc ? rc : sign_in(request, provider_id ? provider_id : "", reply, err);
}

#define START "/v3/auth/OS-FEDERATION/"
#define SSO_ROUTE(method_, path_, handle_)                                  \
    {                                                                       \
        .method = method_, .path = path_, .handle = handle_,                \
        .flags = ROUTE_PUBLIC | ROUTE_SLOW | ROUTE_ANY_BODY, .status = 200, \
        .summary = "take a browser's token to a dashboard"                  \
    }
#define BY_PROVIDER START "identity_providers/{idp_id}/protocols/{protocol_id}/websso"
#define BY_PROTOCOL START "websso/{protocol_id}"
const struct route federation_websso_routes[] = {
    SSO_ROUTE("GET", BY_PROVIDER, by_provider),
    SSO_ROUTE("POST", BY_PROVIDER, by_provider),
    SSO_ROUTE("GET", BY_PROTOCOL, by_protocol),
    SSO_ROUTE("POST", BY_PROTOCOL, by_protocol),
    {0},
};
