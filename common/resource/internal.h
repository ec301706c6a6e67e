// SPDX-License-Identifier: Apache-2.0
// What the files of common/resource share. Nobody else includes this.
#pragma once
#include "common/resource/resource.h"

// Parameters 1 to 3 of every SELECT are the requester's project, user and domain.
enum { PARAM_PROJECT = 1, PARAM_USER, PARAM_DOMAIN, PARAM_FREE };

const struct resource *resource_of(const struct request *request);
// "uuid" or "text": the type of the id column.
const char *resource_id_type(const struct resource *resource);
bool resource_id_is_valid(const struct resource *resource, const char *id);
const struct attribute *resource_attribute(const struct resource *resource, const char *name);
const char *attribute_column(const struct attribute *attribute);
// A list's policy. With a domain's token the list is the domain's: target.domain_id.
enum rc resource_allow_list(const struct request *request, const char *policy,
                            struct err *err) CHECKED;
bool requester_sees_all(const struct request *request);
// Also, for Keystone's things, a reader of the system: it changes nothing.
bool requester_reads_all(const struct request *request, const struct resource *resource);

// sql.c: text made of the resource's constant fragments only; values are always parameters.
// LATERAL select list `expr AS "name", …` of what the requester may see; fields: names wanted
// (NULL: all). link_param > 0: the parameter number of the collection's URL, for links.self.
void sql_append_columns(GString *sql, const struct resource *resource, bool admin,
                        const GPtrArray *fields, int link_param);
// The item's JSON expression over lateral v (and r.extra).
const char *sql_item(const struct resource *resource);
// " WHERE <parameters typed> AND <visible>".
void sql_append_visible(GString *sql, const struct resource *resource, bool admin);
// {a,b} array literal of texts; the caller frees.
char *sql_text_array(const GPtrArray *values);
// A LIKE pattern of value as it is, between two of one's own ("%" or ""); the caller frees.
char *sql_like_pattern(const char *before, const char *value, const char *after);

// check.c
// input → op->values for POST (is_create) or PUT/PATCH: types, bounds, who may set; defaults for
// POST.
enum rc check_input(struct resource_op *op, bool is_create, struct err *err) CHECKED;

// list.c and filter.c: one list being asked for.
enum { MAX_LIST_ARGS = 48, MAX_SORT_KEYS = 8, N_RESOURCE_IMPLIED = 6 };
struct list_query {
    struct request *request;
    const struct resource *resource;
    const char *path; // of the list, for the pages' links
    bool admin;
    GPtrArray *fields;
    GString *where;
    struct db_arg args[MAX_LIST_ARGS];
    size_t n_args;
    GPtrArray *owned; // texts behind args
    const char *marker;
    int marker_param; // 0: no marker
    int64_t limit;    // 0: not given
    bool reverse;
    struct {
        char *expression;
        bool descending;
    } keys[MAX_SORT_KEYS + 1];
    int n_keys;
};
// Adds a parameter, which the query owns; returns its number.
int list_query_add(struct list_query *query, char *own);
// Adds the conditions that the request's query asks for to `where`.
enum rc list_query_filter(struct list_query *query, struct err *err) CHECKED;
// The i-th attribute that a style brings with it, below N_RESOURCE_IMPLIED; NULL: not with this
// one.
const struct attribute *resource_implied(const struct resource *resource, size_t i);
