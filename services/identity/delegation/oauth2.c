// SPDX-License-Identifier: Apache-2.0
// OAuth 2.0 client credentials (RFC 6749 §4.4): an application credential's id and secret for an
// access token, which is a Keystone token. Errors as RFC 6749 §5.2.
#include "common/base/util.h"
#include "services/identity/token/auth_place.h"
#include <stdlib.h>
#include <string.h>

#define HEADER_MAX 4096

struct client {
    char *id, *secret;
};

static enum rc
refuse(struct reply *reply, int status, const char *error, const char *description)
{
    reply->status = status;
    reply->json = json_pack("{s:s, s:s}", "error", error, "error_description", description);
    if (status == 401) {
        reply_header(reply, "WWW-Authenticate", "Basic realm=\"OS-OAUTH2\"");
    }
    return RC_OK;
}

// RFC 6749 §2.3.1: both are form-encoded before they are joined.
static char *
decode_part(const char *text, size_t len)
{
    g_autofree char *part = g_strndup(text, len);
    g_strdelimit(part, "+", ' ');
    return g_uri_unescape_string(part, NULL);
}

static bool
read_client(const struct request *request, struct client *ret_client)
{
    const char *header = request_header(request, "Authorization");
    if (!header || g_ascii_strncasecmp(header, "Basic ", 6) || strlen(header) > HEADER_MAX) {
        return false;
    }
    gsize size = 0;
    g_autofree guchar *data = g_base64_decode(header + 6, &size);
    g_autofree char *text = g_strndup((const char *)data, size);
    const char *colon = strchr(text, ':');
    if (!colon || colon == text || !colon[1] || strlen(text) != size) {
        return false;
    }
    ret_client->id = decode_part(text, (size_t)(colon - text));
    ret_client->secret = decode_part(colon + 1, strlen(colon + 1));
    return ret_client->id && ret_client->secret;
}

// The value of a member of a form; the caller frees. NULL: it is not there, or malformed.
static char *
form_value(const struct request *request, const char *name)
{
    size_t size = 0;
    const char *body = request_raw_body(request, &size);
    g_autofree char *text = g_strndup(body, MIN(size, HEADER_MAX));
    g_auto(GStrv) pairs = g_strsplit(text, "&", 32);
    for (char **pair = pairs; *pair; pair++) {
        char *equals = strchr(*pair, '=');
        if (equals && (size_t)(equals - *pair) == strlen(name) &&
            !strncmp(*pair, name, strlen(name))) {
            return decode_part(equals + 1, strlen(equals + 1));
        }
    }
    return NULL;
}

static enum rc
reply_access_token(const struct session *session, struct reply *reply)
{
    if (!session->text) { // the user's rules ask for more than this
        return refuse(reply, 401, "invalid_client", "The client's authorization is not enough.");
    }
    const struct auth_context *token = &session->token;
    reply->json = json_pack("{s:s, s:s, s:I}", "access_token", session->text, "token_type",
                            "Bearer", "expires_in",
                            (json_int_t)((token->expires_at_us - token->issued_at_us) / 1000000));
    reply_header(reply, "Cache-Control", "no-store");
    reply_header(reply, "Pragma", "no-cache");
    return RC_OK;
}

static enum rc
log_in(struct request *request, const struct client *client, struct reply *reply, struct err *err)
{
    const struct login login = {
        .has_appcred = true, .appcred_id = client->id, .appcred_secret = client->secret};
    struct session session = {0};
    enum rc rc = auth_log_in(request, &login, &session, err);
    if (rc == RC_OK) {
        rc = reply_access_token(&session, reply);
    } else if (rc == RC_UNAUTHORIZED || rc == RC_NOT_FOUND || rc == RC_FORBIDDEN) {
        rc = refuse(reply, 401, "invalid_client",
                    "The request you have made requires authentication.");
    }
    session_done(&session);
    return rc;
}

static enum rc
create_access_token(struct request *request, struct reply *reply, struct err *err)
{
    struct client client = {0};
    g_autofree char *grant = form_value(request, "grant_type");
    const char *header = request_header(request, "Authorization");
    enum rc rc = RC_OK;
    if (!header) {
        rc = refuse(reply, 401, "invalid_client", "OAuth2.0 client authorization is required.");
    } else if (!read_client(request, &client)) {
        rc = refuse(reply, 401, "invalid_client", "OAuth2.0 client authorization is invalid.");
    } else if (!grant) {
        rc = refuse(reply, 400, "invalid_request", "The parameter grant_type is required.");
    } else if (strcmp(grant, "client_credentials")) {
        rc = refuse(reply, 400, "unsupported_grant_type",
                    "Only the grant_type client_credentials is supported.");
    } else {
        rc = log_in(request, &client, reply, err);
    }
    g_free(client.id);
    g_free(client.secret);
    return rc;
}

const struct route oauth2_routes[] = {
    {.method = "POST",
     .path = "/v3/OS-OAUTH2/token",
     .handle = create_access_token,
     .flags = ROUTE_PUBLIC | ROUTE_SLOW | ROUTE_ANY_BODY,
     .status = 200,
     .summary = "an access token for an application credential"},
    {0},
};
