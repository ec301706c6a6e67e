// SPDX-License-Identifier: Apache-2.0
// The route tables of the image service, one per file.
#pragma once
#include "common/http/http.h"

extern const struct route discovery_routes[]; // versions, schemas, info
extern const struct route stores_routes[];
extern const struct route cache_routes[];
extern const struct route locations_routes[];
extern const struct route images_routes[]; // images, tags, actions
extern const struct route members_routes[];
extern const struct route file_routes[]; // upload and download
extern const struct route ticket_routes[];
extern const struct route layers_routes[]; // what an image archive is made of
extern const struct route import_routes[];
extern const struct route tasks_routes[];
extern const struct route metadef_routes[];       // namespaces, resource types, schemas
extern const struct route metadef_items_routes[]; // what is in a namespace

// GET /v2/images
enum rc images_list(struct request *request, struct reply *reply, struct err *err);
// "/v2/images/" is an image without an id, not the list: 404.
enum rc images_nameless(struct request *request, struct reply *reply, struct err *err);
// PATCH /v2/images/{image_id}
enum rc images_patch(struct request *request, struct reply *reply, struct err *err);
bool images_patch_is_quick(const struct request *request); // for its route

struct image_service;
// True when the ticket opens this image now.
bool ticket_is_valid(const struct image_service *image, const char *image_id, const char *ticket);
extern const struct stream_ops upload_ops, stage_ops; // PUT file, PUT stage
// Ends an upload whose client went away: for the cleaners' pool.
void upload_clean(void *upload, void *context);
