// SPDX-License-Identifier: Apache-2.0
// The attributes of an image as one table: who may write them, what they look like, and the schema
// documents.
#pragma once
#include "common/base/err.h"
#include <jansson.h>

enum attribute_rule {
    RULE_WRITE,    // POST and PATCH
    RULE_CREATE,   // POST only; PATCH: 403
    RULE_READONLY, // 403 whenever given
};
struct image_attribute {
    const char *name;
    enum attribute_rule rule;
    const char *schema; // JSON Schema of the value, as published
    const char *description;
};
// NULL: not one of ours, then it is a custom property.
const struct image_attribute *image_attribute_find(const char *name);
// RC_FORBIDDEN: read-only or reserved; RC_INVALID: wrong value, naming the attribute. value NULL:
// removed.
enum rc image_attribute_check(const char *name, json_t *value, bool create,
                              struct err *err) CHECKED;
// Tags without doubles, bounded. RC_INVALID, RC_TOO_LARGE.
enum rc image_tags_check(json_t *tags, json_t **ret_tags, struct err *err) CHECKED;

// "image", "member", "task" or their plurals; NULL: unknown. New reference.
json_t *image_schema(const char *name);
