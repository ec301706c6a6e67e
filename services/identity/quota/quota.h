// SPDX-License-Identifier: Apache-2.0
// Limits of every service, in one place: registered limits (the defaults), limits of projects and
// domains, the model that binds them, and what tenants ask for. The database publishes what follows
// for each project as limit events of the feed (schema/0026_unified_limit.sql).
#pragma once
#include "services/identity/identity.h"

// What a new cloud registers. `alias`: the service's own API's name, accepted for the same limit.
struct quota_name {
    const char *service, *name, *alias;
    int64_t default_limit;
    const char *description;
};
extern const struct quota_name quota_names[]; // ended by service NULL
// The registered name of an alias; any other name as it is.
const char *quota_name_of(const char *service, const char *name);

// The model and the region from the settings take effect, and what is missing is registered. A
// model that the projects' depth breaks is refused.
enum rc quota_start(struct identity *identity, struct err *err) CHECKED;

// Sets limits of projects: [{"project_id", "service", "resource", "value"}], names as registered,
// value null: the default; project_id "": the registered default itself. Must run inside db_tx.
// ret_events: the events by which services learn it, [{"project_id", "resource", "value", "n"}].
// RC_INVALID, RC_NOT_FOUND name what is wrong; RC_FORBIDDEN: the model does not allow it.
enum rc quota_set_limits(struct db *db, json_t *limits, json_t **ret_events,
                         struct err *err) CHECKED;
// The same for a new project from "compute:cores=4,network:floatingip=2" (setting
// accounts.sandbox_limits); what no service registered is passed over. db NULL: only checks the
// text.
enum rc quota_set_text(struct db *db, const char *project_id, const char *text,
                       struct err *err) CHECKED;
