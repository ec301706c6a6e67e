// SPDX-License-Identifier: Apache-2.0
// Deletion of ports whose ids other services give. What a service deletes stays deleted: a POST of
// the same id that the DELETE has overtaken is answered 409 PortDeleted. Tenants give no ids and
// leave no tombstones.
#pragma once
#include "common/http/http.h"

struct service;

// DELETE /v2.0/ports/{id}. By role service the tombstone and the deletion are one transaction; a
// port that is not there is 404 and leaves its tombstone as well.
enum rc port_delete(struct request *request, struct reply *reply, struct err *err);
// Keeps the table small, from a thread of its own.
void port_tombstone_start(struct service *service);
