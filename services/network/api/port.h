// SPDX-License-Identifier: Apache-2.0
// Port create answers with the existing port when a service asks for the same id and device again.
#pragma once
#include "common/http/http.h"

enum rc port_create(struct request *request, struct reply *reply, struct err *err);
