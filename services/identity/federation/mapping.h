// SPDX-License-Identifier: Apache-2.0
// Mappings: rules that turn what an identity provider says of somebody into a user, groups and
// projects here. Pure. (Identity API reference, OS-FEDERATION; Keystone's mapping combinations.)
#pragma once
#include "common/base/err.h"
#include <glib.h>
#include <jansson.h>
#include <stdbool.h>

// What PCRE2 may try for one value before it gives up, and values that are tried for one sign-in.
#define MAPPING_REGEX_STEPS 10000
#define MAPPING_MATCHES_MAX 4096

// RC_INVALID names what of the rules is wrong by its path ("rules[0].remote[1].type"), expressions
// that do not compile included. names_domains: schema version 2.0, projects may have a domain.
enum rc mapping_check(json_t *rules, bool names_domains, struct err *err) CHECKED;

// rules: checked. assertion: {"name": ["value", …]}. ret_mapped, new reference:
// {"user": {"id", "name", "email", "domain": {"id", "name"}, "type": "ephemeral" or "local"}, all
// but type only where given; "groups": [{"id"} or {"name", "domain"}]; "projects": [{"name",
// "roles": [name…], "domain"?}]}.
// RC_UNAUTHORIZED: no rule is for this assertion, or what comes out cannot be used (err says why:
// for the log). An expression that cannot be decided within its bounds refuses the whole assertion.
enum rc mapping_apply(json_t *rules, bool names_domains, json_t *assertion, json_t **ret_mapped,
                      struct err *err) CHECKED;

// An expression of a rule, bounded; NULL and error when it is none.
GRegex *mapping_regex_new(const char *pattern, GError **error);
