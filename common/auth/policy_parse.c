// SPDX-License-Identifier: Apache-2.0
// expression := term { "or" term };  term := factor { "and" factor };  factor := "not" factor | "("
// expression ")" | check check := "@" | "!" | left ":" right. An empty text allows everybody, as in
// oslo.policy.
#include "common/auth/policy_expr.h"
#include <glib.h>
#include <string.h>

#define DEPTH_MAX 64

struct parser {
    const char *text, *at;
    int depth;
    struct err *err;
};

static enum rc parse_or(struct parser *parser, struct expr **ret_expr);

void
expr_free(struct expr *expr)
{
    if (!expr) {
        return;
    }
    expr_free(expr->left);
    expr_free(expr->right);
    g_free(expr->name);
    g_free(expr->value);
    g_free(expr);
}

static struct expr *
expr_new(enum expr_kind kind, struct expr *left, struct expr *right)
{
    struct expr *expr = g_new0(struct expr, 1);
    expr->kind = kind;
    expr->left = left;
    expr->right = right;
    return expr;
}

static enum rc
bad(const struct parser *parser, const char *what)
{
    return fault(parser->err, RC_INVALID, "%s at character %d of policy rule '%.200s'", what,
                 (int)(parser->at - parser->text) + 1, parser->text);
}

static void
skip_blanks(struct parser *parser)
{
    parser->at += strspn(parser->at, " \t\r\n");
}

// A whole word, in any case.
static bool
accept_word(struct parser *parser, const char *word)
{
    skip_blanks(parser);
    size_t len = strlen(word);
    if (g_ascii_strncasecmp(parser->at, word, len) || !strchr(" \t\r\n()", parser->at[len])) {
        return false;
    }
    parser->at += len;
    return true;
}

static bool
accept_char(struct parser *parser, char c)
{
    skip_blanks(parser);
    if (*parser->at != c) {
        return false;
    }
    parser->at++;
    return true;
}

// One check's text: up to a blank or a parenthesis that is not of "%(name)s"; quotes may hold
// blanks.
static size_t
check_len(const char *at)
{
    size_t len = 0;
    char quote = 0;
    bool in_target = false;
    for (; at[len]; len++) {
        if (quote) {
            quote = at[len] == quote ? 0 : quote;
        } else if (at[len] == '\'' || at[len] == '"') {
            quote = at[len];
        } else if (at[len] == '(' && len && at[len - 1] == '%') {
            in_target = true;
        } else if (at[len] == ')' && in_target) {
            in_target = false;
        } else if (strchr(" \t\r\n()", at[len])) {
            break;
        }
    }
    return quote || in_target ? 0 : len;
}

static bool
is_constant(const char *text)
{
    return !strcmp(text, "True") || !strcmp(text, "False") || !strcmp(text, "None") ||
           (text[0] && strspn(text, "0123456789") == strlen(text));
}

static char *
unquote(const char *text, bool *ret_is_quoted)
{
    size_t len = strlen(text);
    *ret_is_quoted = len >= 2 && (text[0] == '\'' || text[0] == '"') && text[len - 1] == text[0];
    return *ret_is_quoted ? g_strndup(text + 1, len - 2) : g_strdup(text);
}

static struct expr *
match_new(const char *left, const char *right)
{
    struct expr *expr = expr_new(EXPR_MATCH, NULL, NULL);
    bool is_quoted = false;
    expr->name = unquote(left, &is_quoted);
    expr->is_literal = is_quoted || is_constant(left);
    size_t len = strlen(right);
    expr->is_target = len > 4 && g_str_has_prefix(right, "%(") && g_str_has_suffix(right, ")s");
    expr->value = expr->is_target ? g_strndup(right + 2, len - 4) : unquote(right, &is_quoted);
    return expr;
}

static struct expr *
check_new(const char *left, const char *right)
{
    bool is_role = !strcmp(left, "role");
    if (!is_role && strcmp(left, "rule")) {
        return match_new(left, right);
    }
    struct expr *expr = expr_new(is_role ? EXPR_ROLE : EXPR_RULE, NULL, NULL);
    expr->name = g_strdup(right);
    return expr;
}

static const char *
colon_of(const char *text)
{
    char quote = 0;
    for (; *text; text++) {
        if (quote) {
            quote = *text == quote ? 0 : quote;
        } else if (*text == '\'' || *text == '"') {
            quote = *text;
        } else if (*text == ':') {
            return text;
        }
    }
    return NULL;
}

static enum rc
parse_check(struct parser *parser, struct expr **ret_expr)
{
    if (accept_char(parser, '@')) {
        *ret_expr = expr_new(EXPR_TRUE, NULL, NULL);
        return RC_OK;
    }
    if (accept_char(parser, '!')) {
        *ret_expr = expr_new(EXPR_FALSE, NULL, NULL);
        return RC_OK;
    }
    size_t len = check_len(parser->at);
    g_autofree char *text = g_strndup(parser->at, len);
    const char *colon = colon_of(text);
    if (!colon || colon == text || !colon[1]) {
        return bad(parser, "expected a check like role:member");
    }
    g_autofree char *left = g_strndup(text, (gsize)(colon - text));
    *ret_expr = check_new(left, colon + 1);
    parser->at += len;
    return RC_OK;
}

static enum rc
parse_factor(struct parser *parser, struct expr **ret_expr)
{
    if (parser->depth >= DEPTH_MAX) {
        return bad(parser, "nested too deeply");
    }
    parser->depth++;
    struct expr *inner = NULL;
    enum rc rc;
    if (accept_word(parser, "not")) {
        rc = parse_factor(parser, &inner);
        inner = rc ? NULL : expr_new(EXPR_NOT, inner, NULL);
    } else if (accept_char(parser, '(')) {
        rc = parse_or(parser, &inner);
        if (rc == RC_OK && !accept_char(parser, ')')) {
            expr_free(inner);
            rc = bad(parser, "expected ')'");
        }
    } else {
        rc = parse_check(parser, &inner);
    }
    parser->depth--;
    if (rc == RC_OK) {
        *ret_expr = inner;
    }
    return rc;
}

static enum rc
parse_chain(struct parser *parser, const char *word, enum expr_kind kind, struct expr **ret_expr)
{
    struct expr *all = NULL;
    do {
        struct expr *one = NULL;
        enum rc rc = kind == EXPR_OR ? parse_chain(parser, "and", EXPR_AND, &one)
                                     : parse_factor(parser, &one);
        if (rc) {
            expr_free(all);
            return rc;
        }
        all = all ? expr_new(kind, all, one) : one;
    } while (accept_word(parser, word));
    *ret_expr = all;
    return RC_OK;
}

static enum rc
parse_or(struct parser *parser, struct expr **ret_expr)
{
    return parse_chain(parser, "or", EXPR_OR, ret_expr);
}

enum rc
expr_parse(const char *text, struct expr **ret_expr, struct err *err)
{
    struct parser parser = {.text = text, .at = text, .err = err};
    skip_blanks(&parser);
    if (!*parser.at) {
        *ret_expr = expr_new(EXPR_TRUE, NULL, NULL);
        return RC_OK;
    }
    struct expr *expr = NULL;
    enum rc rc = parse_or(&parser, &expr);
    if (rc) {
        return rc;
    }
    skip_blanks(&parser);
    if (*parser.at) {
        expr_free(expr);
        return bad(&parser, "expected 'and', 'or' or the end");
    }
    *ret_expr = expr;
    return RC_OK;
}
