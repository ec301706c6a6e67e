// SPDX-License-Identifier: Apache-2.0
// What a new image is made of, for whoever makes one: POST /v2/images and tasks of type import.
#pragma once
#include "common/http/http.h"

// body: attributes and custom properties as POST takes them. ret_values: for image_db_create, new
// reference. RC_INVALID, RC_FORBIDDEN, RC_TOO_LARGE name the attribute.
enum rc image_values_from(const struct request *request, json_t *body, json_t **ret_values,
                          struct err *err) CHECKED;
// May the requester create what these values say?
enum rc image_allow_create(const struct request *request, json_t *values, struct err *err) CHECKED;
