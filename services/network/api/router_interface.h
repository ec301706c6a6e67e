// SPDX-License-Identifier: Apache-2.0
// PUT /v2.0/routers/{id}/add_router_interface and remove_router_interface; extra routes one by one.
#pragma once
#include "common/http/http.h"

enum rc router_interface_add(struct request *request, struct reply *reply, struct err *err);
enum rc router_interface_remove(struct request *request, struct reply *reply, struct err *err);
