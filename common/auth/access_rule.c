// SPDX-License-Identifier: Apache-2.0
// The pattern is walked as a set of positions (a non-deterministic automaton): time is at most
// pattern × path, whatever is asked for.
#include "common/auth/access_rule.h"
#include <stdint.h>
#include <string.h>

#define PATTERN_MAX 256

enum kind { LITERAL, SEGMENT, ANY };
struct step {
    enum kind kind;
    char literal;
};
struct pattern {
    struct step steps[PATTERN_MAX];
    size_t n_steps;
};

static bool
parse(const char *text, struct pattern *pattern)
{
    pattern->n_steps = 0;
    while (*text) {
        if (pattern->n_steps == PATTERN_MAX) {
            return false;
        }
        struct step *step = &pattern->steps[pattern->n_steps++];
        const char *close = *text == '{' ? strchr(text, '}') : NULL;
        if (close) {
            step->kind = SEGMENT;
            text = close + 1;
        } else if (text[0] == '*' && text[1] == '*') {
            step->kind = ANY;
            text += 2;
        } else {
            *step = (struct step){*text == '*' ? SEGMENT : LITERAL, *text};
            text++;
        }
    }
    return true;
}

// Positions: before step i, or (odd) inside a SEGMENT that has its first character. ANY may also be
// passed over.
struct positions {
    bool at[PATTERN_MAX + 1], inside[PATTERN_MAX];
};

static void
pass_over(const struct pattern *pattern, struct positions *set)
{
    for (size_t i = 0; i < pattern->n_steps; i++) {
        if (set->inside[i] || (set->at[i] && pattern->steps[i].kind == ANY)) {
            set->at[i + 1] = true;
        }
    }
}

// Takes one character: false when no position is left.
static bool
take(const struct pattern *pattern, const struct positions *from, char c, struct positions *to)
{
    bool any = false;
    memset(to, 0, sizeof *to);
    for (size_t i = 0; i < pattern->n_steps; i++) {
        const struct step *step = &pattern->steps[i];
        if (step->kind == LITERAL && from->at[i] && step->literal == c) {
            to->at[i + 1] = any = true;
        } else if (step->kind == SEGMENT && (from->at[i] || from->inside[i]) && c != '/') {
            to->inside[i] = any = true;
        } else if (step->kind == ANY && from->at[i]) {
            to->at[i] = any = true;
        }
    }
    pass_over(pattern, to);
    return any;
}

bool
access_rule_path_matches(const char *text, const char *path)
{
    struct pattern pattern;
    if (!parse(text, &pattern) || strnlen(path, ACCESS_RULE_PATH_MAX + 1) > ACCESS_RULE_PATH_MAX) {
        return false;
    }
    struct positions sets[2] = {0};
    unsigned now = 0;
    sets[0].at[0] = true;
    pass_over(&pattern, &sets[0]);
    for (; *path; path++, now ^= 1) {
        if (!take(&pattern, &sets[now], *path, &sets[now ^ 1])) {
            return false;
        }
    }
    return sets[now].at[pattern.n_steps];
}

bool
access_rules_allow(const struct access_rule *rules, size_t n_rules, const char *const *types,
                   const char *method, const char *path)
{
    for (size_t i = 0; i < n_rules; i++) {
        if (strcmp(rules[i].method, method)) {
            continue;
        }
        for (const char *const *type = types; type && *type; type++) {
            if (!strcmp(rules[i].service, *type) && access_rule_path_matches(rules[i].path, path)) {
                return true;
            }
        }
    }
    return false;
}
