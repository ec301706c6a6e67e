// SPDX-License-Identifier: Apache-2.0
// /v2.0/{resources}/{id}/tags: the standard-attr-tag extension.
#pragma once
#include "common/http/http.h"

extern const struct route tag_routes[];
