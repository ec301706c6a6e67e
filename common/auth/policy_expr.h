// SPDX-License-Identifier: Apache-2.0
// The oslo.policy language compiled to a tree. Pure.
#pragma once
#include "common/auth/auth.h"

enum expr_kind {
    EXPR_TRUE,
    EXPR_FALSE,
    EXPR_AND,
    EXPR_OR,
    EXPR_NOT,
    EXPR_ROLE,
    EXPR_RULE,
    EXPR_MATCH
};
struct expr {
    enum expr_kind kind;
    struct expr *left, *right; // AND, OR; NOT: left
    char *name;                // ROLE, RULE: what follows the colon; MATCH: what stands before it
    bool is_literal; // MATCH: name is a quoted text or a constant, not an attribute of the token
    char *value;     // MATCH: text, or the target's attribute of %(…)s
    bool is_target;
    const struct expr *rule; // RULE: resolved; NULL: no such rule, never allowed
};
// RC_INVALID says what is wrong and where. The caller frees.
enum rc expr_parse(const char *text, struct expr **ret_expr, struct err *err) CHECKED;
void expr_free(struct expr *expr);
bool expr_is_met(const struct expr *expr, const struct auth_context *auth, json_t *target);
