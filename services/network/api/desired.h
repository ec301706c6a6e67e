// SPDX-License-Identifier: Apache-2.0
// What OVN shall have, read from the tables: one object after a change, or all of them for a
// reconciliation.
#pragma once
#include "common/db/db.h"
#include "services/network/ovn/ovn.h"

// Makes OVN have the object as it is now, or have it no more. ret_revision: what OVN then has;
// ret_exists: in our tables.
enum rc desired_apply(struct db *db, struct ovn *ovn, enum nb_kind kind, const char *id,
                      bool *ret_exists, int64_t *ret_revision, struct err *err) CHECKED;
// Every object; the caller's transaction sees one snapshot.
enum rc desired_each(struct db *db, struct ovn_desired *desired, struct err *err) CHECKED;
