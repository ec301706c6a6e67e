// SPDX-License-Identifier: Apache-2.0
// Actions that pass a security group on to every port of a server, by the network API.
#pragma once
#include "common/http/http.h"

enum rc act_add_security_group(struct request *request, struct reply *reply, json_t *argument,
                               struct err *err);
enum rc act_remove_security_group(struct request *request, struct reply *reply, json_t *argument,
                                  struct err *err);
