// SPDX-License-Identifier: Apache-2.0
// Access rules of application credentials: what a token may be used for, as services check it.
// Pure. (Identity API reference, access rules; the wildcards are those of Keystone's middleware.)
#pragma once
#include <stdbool.h>
#include <stddef.h>

// Bound of a credential's rules together, so that its tokens fit into a request's head.
#define ACCESS_RULES_MAX 64
#define ACCESS_RULES_MAX_BYTES 4096
// Requests with a longer path are covered by no rule.
#define ACCESS_RULE_PATH_MAX 2048

struct access_rule {
    const char *service; // type in the catalog
    const char *method;
    const char *path;
};
// "*" and "{name}" stand for one or more characters other than "/", "**" for any, everything else
// for itself.
bool access_rule_path_matches(const char *pattern, const char *path);
// types: the service's own, NULL-terminated.
bool access_rules_allow(const struct access_rule *rules, size_t n_rules, const char *const *types,
                        const char *method, const char *path);
