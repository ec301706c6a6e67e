// SPDX-License-Identifier: Apache-2.0
// Closing an account or one of its projects: a row that a background thread works off, step by step
// (README, "Closing").
#pragma once
#include "common/client/client.h"
#include "services/identity/account/close_db.h"

// One closing whose lease this thread has.
struct close_job {
    struct identity *identity;
    struct client *client;
    struct db *db;
    struct closing closing;
    int64_t held_ms;     // monotonic: when the lease was renewed last
    int64_t left_before; // in the pass before this one over the same step
};
// What one pass over a step found and did.
struct close_pass {
    int64_t n_removed, n_left;
    json_t *removed;   // array of ids, for the trail
    char problem[256]; // what the owner may know of what went wrong last; "": nothing
    bool is_again;     // the whole round again
    bool is_finished;  // the closing is done: nothing is left to be stored
};
struct close_step {
    const char *name;
    // RC_OK: see the pass. Others: nothing is known about what is left; tried again later.
    // RC_CONFLICT with type CLOSE_LOST: the lease is another's now.
    enum rc (*run)(struct close_job *job, int which, struct close_pass *pass, struct err *err);
    int which;
};
#define CLOSE_LOST "LeaseLost"
// In the order in which things can go; ended by a row without a name.
extern const struct close_step close_steps[];

// Renews the lease when a third of it is over.
enum rc close_hold(struct close_job *job, struct err *err) CHECKED;
// What other services have, by rows of a table (close_remote.c).
enum close_removal {
    CLOSE_SERVERS,
    CLOSE_SERVER_GROUPS,
    CLOSE_KEY_PAIRS,
    CLOSE_FLAVOR_ACCESS,
    CLOSE_FLOATING_IPS,
    CLOSE_ROUTER_GATEWAYS,
    CLOSE_ROUTER_INTERFACES,
    CLOSE_ROUTERS,
    CLOSE_PORTS,
    CLOSE_SUBNETS,
    CLOSE_RBAC_POLICIES,
    CLOSE_NETWORKS,
    CLOSE_SUBNET_POOLS,
    CLOSE_ADDRESS_SCOPES,
    CLOSE_SECURITY_GROUPS,
    CLOSE_MEMBERSHIPS,
    CLOSE_PROTECTIONS,
    CLOSE_IMAGES,
};
enum rc close_remove(struct close_job *job, int removal, struct close_pass *pass,
                     struct err *err) CHECKED;
// The final statement of every project, kept as soon as billing says that nothing can change it.
enum rc close_statement(struct close_job *job, int unused, struct close_pass *pass,
                        struct err *err) CHECKED;

// close_text.c: pure. link: what the owner reads with; statements: array of billing's statements.
enum close_mail { CLOSE_MAIL_ACCEPTED, CLOSE_MAIL_DONE };
struct close_text {
    const char *subject; // constant, UTF-8
    char *body;          // the caller frees
};
struct close_text close_text_of(enum close_mail kind, const struct closing *closing,
                                const char *link, json_t *statements);
// {target} and the item's attributes in braces, escaped for a URL, or as JSON texts with their
// quotes. The caller frees.
char *close_fill(const char *template, json_t *item, const char *target, bool is_json);
// Words what went wrong for the owner: what the service answered, never how it is reached.
void close_problem(struct close_pass *pass, const char *service, const struct err *why);
