// SPDX-License-Identifier: Apache-2.0
#include "services/identity/federation/assertion.h"
#include <glib.h>
#include <string.h>

#define CLAIMS_MAX 256

static char
folded(char c)
{
    return g_ascii_isalnum(c) ? g_ascii_toupper(c) : '_';
}

// HTTP_ and the name as CGI has it; the caller frees.
static char *
cgi_name(const char *name)
{
    char *text = g_strconcat("HTTP_", name, NULL);
    for (char *at = text; *at; at++) {
        *at = folded(*at);
    }
    return text;
}

// Takes values. Two names that fold to one may be two people's words: neither is believed.
static enum rc
add(json_t *assertion, const char *name, json_t *values, struct err *err)
{
    g_autofree char *cgi = cgi_name(name);
    json_auto_t *owned = values;
    if (json_object_get(assertion, cgi) || json_object_size(assertion) >= 2 * CLAIMS_MAX) {
        return fault(err, RC_UNAUTHORIZED,
                     "the assertion has an attribute twice, or too many of them");
    }
    json_object_set(assertion, name, owned);
    json_object_set(assertion, cgi, owned);
    return RC_OK;
}

// New reference; NULL: null.
static json_t *
text_of(json_t *value)
{
    if (json_is_string(value)) {
        return json_incref(value);
    }
    if (json_is_boolean(value)) {
        return json_string(json_is_true(value) ? "1" : "0");
    }
    g_autofree char *text =
        json_is_null(value) ? NULL : json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    return text ? json_string(text) : NULL;
}

static json_t *
values_of(json_t *claim)
{
    json_t *values = json_array(), *text = NULL;
    for (size_t i = 0; json_is_array(claim) && i < json_array_size(claim); i++) {
        text = text_of(json_array_get(claim, i));
        if (text) {
            json_array_append_new(values, text);
        }
    }
    text = json_is_array(claim) ? NULL : text_of(claim);
    if (text) {
        json_array_append_new(values, text);
    } else if (!json_array_size(values) && json_is_array(claim)) {
        json_array_append_new(values, json_string("")); // it is there, and empty
    }
    return values;
}

static bool
has_nul(json_t *values)
{
    for (size_t i = 0; i < json_array_size(values); i++) {
        json_t *value = json_array_get(values, i);
        if (strlen(json_string_value(value)) != json_string_length(value)) {
            return true;
        }
    }
    return false;
}

enum rc
assertion_from_claims(json_t *claims, json_t **ret_assertion, struct err *err)
{
    json_auto_t *assertion = json_object();
    const char *name;
    json_t *claim;
    json_object_foreach(claims, name, claim)
    {
        g_autofree char *full = g_strconcat("OIDC-", name, NULL);
        json_t *values = values_of(claim);
        bool is_bad = has_nul(values);
        enum rc rc = add(assertion, full, values, err);
        if (rc || is_bad) {
            return rc ? rc : fault(err, RC_UNAUTHORIZED, "an attribute has a NUL character");
        }
    }
    *ret_assertion = json_incref(assertion);
    return RC_OK;
}

bool
assertion_has_prefix(const char *header, const char *prefix)
{
    while (*prefix && *header && folded(*header) == folded(*prefix)) {
        header++;
        prefix++;
    }
    return !*prefix;
}

enum rc
assertion_add_header(json_t *assertion, const struct assertion_header *header, struct err *err)
{
    const char *value = header->value, *rest = header->name + strlen(header->prefix);
    if (!g_utf8_validate(header->name, -1, NULL) || !g_utf8_validate(value, -1, NULL)) {
        return fault(err, RC_UNAUTHORIZED, "an attribute is not UTF-8");
    }
    g_autofree char *lower = g_ascii_strdown(rest, -1),
                    *name = g_strconcat(header->prefix, lower, NULL);
    json_t *values = json_array();
    g_auto(GStrv) parts = g_strsplit(value, ";", CLAIMS_MAX * 4);
    for (char **part = parts; *part; part++) {
        json_array_append_new(values, json_string(*part));
    }
    if (!json_array_size(values)) {
        json_array_append_new(values, json_string(""));
    }
    return add(assertion, name, values, err);
}
