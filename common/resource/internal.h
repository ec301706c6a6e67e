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
enum rc resource_not_found(const struct resource *resource, const char *id, struct err *err);

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
