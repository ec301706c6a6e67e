// SPDX-License-Identifier: Apache-2.0
// Brings stored secrets under the primary key: rows from before they were sealed, and rows of older
// keys after a rotation. In batches, each one transaction: it may be interrupted and goes on where
// it was, by any process.
#pragma once
#include "services/identity/identity.h"
#include "services/identity/secret/secret.h"

// Reads the key directory. RC_INVALID: it is wrong, or stored secrets need keys that it lacks.
enum rc reseal_check(struct identity *identity, struct err *err) CHECKED;
// All that is left. Stops between batches when the service does.
enum rc reseal_all(struct identity *identity, struct err *err) CHECKED;
// Reads the key directory again and seals what a new primary key has not reached yet.
enum rc reseal_refresh(struct identity *identity, struct err *err) CHECKED;

// Commands of the program (haneul-identity --help).
enum rc command_make_secret_keys(struct service *service, struct err *err) CHECKED;
enum rc command_rotate_secret_keys(struct service *service, struct err *err) CHECKED;
enum rc command_show_secret_keys(struct service *service, struct err *err) CHECKED;
