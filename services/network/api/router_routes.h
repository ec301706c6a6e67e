// SPDX-License-Identifier: Apache-2.0
// PUT /v2.0/routers/{id}/add_extraroutes and remove_extraroutes: routes one by one, without reading
// the others first.
#pragma once
#include "common/http/http.h"

enum rc router_routes_add(struct request *request, struct reply *reply, struct err *err);
enum rc router_routes_remove(struct request *request, struct reply *reply, struct err *err);
