// SPDX-License-Identifier: Apache-2.0
// Handlers and helpers of the servers resource that live in several files.
#pragma once
#include "services/compute/api/api.h"
#include "services/compute/api/server_db.h"

enum rc server_create(struct request *request, struct reply *reply, struct err *err);
enum rc server_update(struct request *request, struct reply *reply, struct err *err);
enum rc server_delete(struct request *request, struct reply *reply, struct err *err);
// Action "rebuild".
enum rc server_rebuild(struct request *request, struct reply *reply, json_t *argument,
                       struct err *err);
enum rc server_action(struct request *request, struct reply *reply, struct err *err);

// {"server": …} at the request's microversion.
enum rc server_reply(struct request *request, struct reply *reply, const char *id,
                     enum server_view view, struct err *err) CHECKED;
// The path's {server_id} as the requester may see it; RC_NOT_FOUND else.
enum rc server_find(struct request *request, struct db **ret_db, struct server_brief *ret_server,
                    struct err *err) CHECKED;
