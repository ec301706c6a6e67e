// SPDX-License-Identifier: Apache-2.0
// The difference between plans and the replica as one OVSDB transaction. Pure: reads the replica,
// sends nothing. Every transaction starts with `wait` operations that hold it to what was read;
// when another writer was faster it fails as a whole and is computed anew.
#pragma once
#include "services/network/ovn/nb_plan.h"

struct nb_diff;
struct nb_diff *nb_diff_new(const struct replica *replica);
void nb_diff_free(struct nb_diff *diff);

// Adds what makes the object's rows as planned, and removes its other rows. *ret_changed: something
// was to be done. When the replica already has a newer revision, nothing is, unless `force`.
// RC_UNAVAILABLE: a row that the plan refers to is neither there nor in this transaction; the diff
// is then spoilt and must be thrown away. The plan must outlive the diff.
enum rc nb_diff_put(struct nb_diff *diff, const struct nb_object *object, bool force,
                    bool *ret_changed, struct err *err) CHECKED;
// False when there was nothing to remove.
bool nb_diff_remove(struct nb_diff *diff, const char *owner);
// Whether all rows that the plan refers to are in the replica or in this transaction.
bool nb_diff_has_dependencies(const struct nb_diff *diff, const struct nb_object *object);

const struct replica *nb_diff_replica(const struct nb_diff *diff);
bool nb_diff_is_empty(const struct nb_diff *diff);
json_t *nb_diff_operations(const struct nb_diff *diff); // the parameters of `transact`
// Looks through the results of those operations. RC_CONFLICT: another writer was faster.
// RC_INTERNAL: refused.
enum rc nb_diff_check(const json_t *operations, const json_t *results, struct err *err) CHECKED;
typedef struct nb_diff nb_diff;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(nb_diff, nb_diff_free)
