// SPDX-License-Identifier: Apache-2.0
// What the identity service sets up before it accepts requests, and what it does beside them.
#include "services/identity/start.h"
#include "common/auth/revocation.h"
#include "common/client/client.h"
#include "common/db/table_change.h"
#include "common/log/log.h"
#include "services/identity/account/close_api.h"
#include "services/identity/catalog/catalog_cache.h"
#include "services/identity/delegation/oauth1_db.h"
#include "services/identity/federation/sign_in.h"
#include "services/identity/quota/limit_db.h"
#include "services/identity/quota/quota.h"
#include "services/identity/secret/reseal.h"
#include "services/identity/token/feed_db.h"
#include "services/identity/token/feed_reader.h"
#include "services/identity/token/hasher.h"
#include "services/identity/token/scope_cache.h"

#define CATCH_UP_MS 400
#define HOUSEKEEPING_MS 30000
#define SCOPES_KEPT 8192

// Made before the frame asks for the authenticator, completed by identity_start. One service per
// process.
static struct identity *the_identity;

struct authenticator *
identity_make_auth(struct service *service, struct err *err)
{
    the_identity = g_new0(struct identity, 1);
    the_identity->service = service;
    the_identity->db = service_db(service);
    the_identity->keys = key_ring_new();
    the_identity->secrets = secret_ring_new();
    the_identity->auth = authenticator_new_local(the_identity->keys);
    the_identity->catalog = catalog_cache_new();
    the_identity->scopes = scope_cache_new(SCOPES_KEPT);
    the_identity->readers = feed_readers_new();
    g_mutex_init(&the_identity->feed_lock);
    return the_identity->auth;
}

static void
catch_up(void *identity)
{
    static struct log_limit limit;
    struct err err = {0};
    struct db *db = NULL;
    enum rc rc = feed_catch_up(identity, &err);
    rc = rc ? rc : keys_follow(identity, &err);
    rc = rc ? rc : db_get(((struct identity *)identity)->db, &db, &err);
    rc = rc ? rc : catalog_cache_check(((struct identity *)identity)->catalog, db, &err);
    if (rc && log_limit_allows(&limit, 1)) {
        log_warn("cannot read revocations and the catalog's version", kv("reason", err.message));
    }
}

// Longest-lived tokens and most revocations, before and while there are any.
static enum rc
tell_bounds(const struct identity *identity, struct err *err)
{
    struct db *db = NULL;
    enum rc rc = db_get(identity->db, &db, err);
    return rc ? rc : feed_db_set(db, identity->token_life_us, identity->n_revocations, err);
}

static void
keep_house(void *argument)
{
    struct identity *identity = argument;
    static struct log_limit limit;
    struct db *db = NULL;
    struct err err = {0};
    enum rc rc = reseal_refresh(identity, &err);
    rc = rc ? rc : keys_renew(identity, &err);
    rc = rc ? rc : db_get(identity->db, &db, &err);
    rc = rc ? rc : tell_bounds(identity, &err);
    rc = rc ? rc : feed_db_prune(db, identity->expired_window_us, &err);
    rc = rc ? rc : table_change_prune(db, &err);
    rc = rc ? rc : limit_db_collect(db, &err);
    rc = rc ? rc : accounts_prune(db, &err);
    rc = rc ? rc : user_disable_inactive(identity, db, &err);
    rc = rc ? rc : oauth1_db_prune(db, &err);
    if (rc && log_limit_allows(&limit, 1)) {
        log_warn("cannot keep keys and events tidy", kv("reason", err.message));
    }
}

static void
read_settings(struct identity *identity, const struct conf *conf)
{
    identity->token_life_us = conf_int(conf, "token", "life") * 1000000;
    identity->n_revocations = conf_int(conf, "token", "revocations_per_user");
    identity->expired_window_us = conf_int(conf, "token", "allow_expired_window") * 1000000;
    identity->receipt_life_us = conf_int(conf, "receipt", "life") * 1000000;
    identity->totp_windows = conf_int(conf, "totp", "previous_windows");
    identity->max_tree_depth = conf_int(conf, "resource", "max_project_tree_depth");
    identity->ec2_signature_s = conf_int(conf, "ec2", "signature_life");
    identity->key_life_us = conf_int(conf, "token", "key_life") * 1000000;
    identity->key_notice_us = conf_int(conf, "token", "key_notice") * 1000000;
}

static void
make_client(struct identity *identity, const struct conf *conf)
{
    if (conf_text(conf, "identity", "user")[0]) {
        identity->client = client_new(conf);
    } else {
        log_warn("setting identity.user is empty: accounts cannot be closed");
    }
}

enum rc
identity_start(struct service *service, void **ret_context, struct err *err)
{
    struct identity *identity = the_identity;
    read_settings(identity, service_conf(service));
    make_client(identity, service_conf(service));
    identity->federation = federation_new(service_conf(service));
    password_set_rounds((int)conf_int(service_conf(service), "password", "rounds"));
    hasher_start((int)conf_int(service_conf(service), "password", "hashers"));
    enum rc rc = compliance_init(&identity->compliance, service_conf(service), err);
    rc = rc ? rc : accounts_check_settings(service_conf(service), err);
    rc = rc ? rc : tell_bounds(identity, err);
    rc = rc ? rc : reseal_check(identity, err);
    rc = rc ? rc : reseal_all(identity, err);
    rc = rc ? rc : keys_renew(identity, err);
    rc = rc ? rc : keys_follow(identity, err);
    rc = rc ? rc : bootstrap(identity, err);
    rc = rc ? rc : quota_start(identity, err);
    rc = rc ? rc : feed_catch_up(identity, err);
    if (rc) {
        return rc;
    }
    service_every(service, "feed", CATCH_UP_MS, catch_up, identity);
    service_every(service, "housekeeping", HOUSEKEEPING_MS, keep_house, identity);
    service_every(service, "invitations", EXPIRE_INTERVAL_MS, accounts_expire, identity);
    service_every(service, "federation", FEDERATION_INTERVAL_MS, federation_expire, identity);
    service_every(service, "mail", MAIL_INTERVAL_MS, mail_send_due, identity);
    close_register_metrics();
    service_every(service, "closing", CLOSE_INTERVAL_MS, close_work, identity);
    service_every(service, "closing-watch", CLOSE_WATCH_INTERVAL_MS, close_watch, identity);
    *ret_context = identity;
    return RC_OK;
}
