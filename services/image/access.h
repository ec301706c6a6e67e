// SPDX-License-Identifier: Apache-2.0
// Who may do what to an image: policies with Glance's targets, Glance's default rules, Glance's
// error bodies.
#pragma once
#include "services/image/catalog/image_db.h"

extern const struct policy_rule image_policies[];
// member_id: NULL, or the member that the request is about.
enum rc image_allow(const struct request *request, const char *rule, const image_row *image,
                    const char *member_id, struct err *err) CHECKED;
// The same for an image that is yet to be.
enum rc image_allow_new(const struct request *request, const char *rule, const char *owner,
                        const char *visibility, struct err *err) CHECKED;
// Loads a visible image and checks the rule (NULL: none).
enum rc image_load(const struct request *request, struct db *db, const char *rule,
                   image_row **ret_row, struct err *err) CHECKED;
// The same with the request's connection, as most requests about an image begin.
enum rc image_open(const struct request *request, const char *rule, struct db **ret_db,
                   image_row **ret_row, struct err *err) CHECKED;
void image_error_body(const struct request *request, const struct err *err, struct reply *reply);
