// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "services/identity/identity.h"

enum rc catalog_db_make_region(struct db *db, const char *id, struct err *err) CHECKED;
