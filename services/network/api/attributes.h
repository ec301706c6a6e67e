// SPDX-License-Identifier: Apache-2.0
// Attribute rows that several of Neutron's resources share.
#pragma once
#include "common/resource/resource.h"

#define NEUTRON_STYLE \
    (RESOURCE_PUT | RESOURCE_PAGE_LINKS | RESOURCE_BULK | RESOURCE_TENANT | RESOURCE_REVISION)

// clang-format off
#define ATTRIBUTE_ID {.name = "id", .type = ATTR_UUID, .flags = ATTR_FS}
#define ATTRIBUTE_NAME {.name = "name", .type = ATTR_TEXT, .flags = ATTR_RW | ATTR_FS | ATTR_BLANK, .max = 255, .default_json = "\"\""}
#define ATTRIBUTE_DESCRIPTION {.name = "description", .type = ATTR_TEXT, .flags = ATTR_RW | ATTR_FS | ATTR_BLANK, .max = 255, .default_json = "\"\""}
#define ATTRIBUTE_ADMIN_STATE {.name = "admin_state_up", .type = ATTR_BOOL, .flags = ATTR_RW | ATTR_FS, .default_json = "true"}
#define TAG_FILTER_(name_, condition_) {.name = name_, .type = ATTR_TEXT, .flags = ATTR_VIRTUAL | ATTR_HIDDEN | ATTR_FILTER, .filter = condition_}
#define ATTRIBUTES_TAGS                                                                                                    \
    {.name = "tags", .type = ATTR_ARRAY, .flags = ATTR_FILTER, .filter = "tags_match(r.tags, %s, true)"},                   \
    TAG_FILTER_("tags-any", "tags_match(r.tags, %s, false)"),                                                              \
    TAG_FILTER_("not-tags", "NOT tags_match(r.tags, %s, true)"),                                                           \
    TAG_FILTER_("not-tags-any", "NOT tags_match(r.tags, %s, false)")
// clang-format on
