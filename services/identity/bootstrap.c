// SPDX-License-Identifier: Apache-2.0
// The first rows of a cloud, from settings, in one transaction; at every further start it finds
// them.
#include "common/conf/conf.h"
#include "services/identity/bootstrap_db.h"

#define DOMAIN_ID "default"

static const char *const roles[] = {"admin", "manager", "member", "reader", "service"};
static const struct {
    const char *prior, *implied;
} implications[] = {{"admin", "manager"}, {"manager", "member"}, {"member", "reader"}};
static const char *const service_users[] = {"identity", "compute", "network", "image", "billing"};
static const struct {
    const char *type, *name, *setting;
} services[] = {
    {"identity", "keystone", "endpoint_identity"},
    {"account", "haneul-account", "endpoint_account"},
    {"image", "glance", "endpoint_image"},
    {"network", "neutron", "endpoint_network"},
    {"compute", "nova", "endpoint_compute"},
    {"rating", "cloudkitty", "endpoint_rating"},
};
static const char *const interfaces[] = {"public", "internal", "admin"};

struct first {
    const struct conf *conf;
    char *admin_hash, *service_hash; // NULL: the user is there already, or shall not be made
};

static enum rc
make_roles(struct db *db, struct err *err)
{
    enum rc rc = RC_OK;
    char id[HEX_ID_SIZE];
    for (size_t i = 0; rc == RC_OK && i < N_ELEMENTS(roles); i++) {
        rc = bootstrap_db_role(db, roles[i], id, err);
    }
    for (size_t i = 0; rc == RC_OK && i < N_ELEMENTS(implications); i++) {
        rc = bootstrap_db_imply(db, implications[i].prior, implications[i].implied, err);
    }
    return rc;
}

static enum rc
make_admin(struct db *db, const struct first *first, struct err *err)
{
    char project_id[HEX_ID_SIZE], user_id[HEX_ID_SIZE];
    enum rc rc = bootstrap_db_project(
        db, DOMAIN_ID, "admin", "Bootstrap project for initializing the cloud.", project_id, err);
    rc = rc ? rc : bootstrap_db_user(db, DOMAIN_ID, "admin", first->admin_hash, user_id, err);
    rc = rc ? rc : bootstrap_db_grant(db, user_id, project_id, "admin", err);
    return rc ? rc : bootstrap_db_grant(db, user_id, NULL, "admin", err); // the system
}

static enum rc
make_service_users(struct db *db, const struct first *first, struct err *err)
{
    char project_id[HEX_ID_SIZE], user_id[HEX_ID_SIZE];
    enum rc rc = bootstrap_db_project(db, DOMAIN_ID, "service", "The services' own project.",
                                      project_id, err);
    for (size_t i = 0; rc == RC_OK && first->service_hash && i < N_ELEMENTS(service_users); i++) {
        rc = bootstrap_db_user(db, DOMAIN_ID, service_users[i], first->service_hash, user_id, err);
        rc = rc ? rc : bootstrap_db_grant(db, user_id, project_id, "admin", err);
        rc = rc ? rc : bootstrap_db_grant(db, user_id, project_id, "service", err);
    }
    return rc;
}

static enum rc
make_catalog(struct db *db, const struct first *first, struct err *err)
{
    const char *region = conf_text(first->conf, "bootstrap", "region");
    enum rc rc = RC_OK;
    for (size_t i = 0; rc == RC_OK && i < N_ELEMENTS(services); i++) {
        const char *url = conf_text(first->conf, "bootstrap", services[i].setting);
        char id[HEX_ID_SIZE];
        rc = url[0] ? bootstrap_db_service(db, services[i].type, services[i].name, id, err) : RC_OK;
        for (size_t j = 0; rc == RC_OK && url[0] && j < N_ELEMENTS(interfaces); j++) {
            rc = bootstrap_db_endpoint(db, id, region, interfaces[j], url, err);
        }
    }
    return rc;
}

static enum rc
bootstrap_tx(struct db *db, void *argument, struct err *err)
{
    const struct first *first = argument;
    enum rc rc = db_lock_text(db, "bootstrap", "all", err);
    rc = rc ? rc : bootstrap_db_domain(db, DOMAIN_ID, "Default", err);
    rc = rc ? rc : make_roles(db, err);
    rc = rc ? rc : make_admin(db, first, err);
    rc = rc ? rc : make_service_users(db, first, err);
    return rc ? rc : make_catalog(db, first, err);
}

// Hashing is done before the transaction, and only for users that are missing.
static enum rc
hash_for(struct db *db, const char *user, const char *password, char **ret_hash, struct err *err)
{
    char id[HEX_ID_SIZE];
    enum rc rc = bootstrap_db_user(db, DOMAIN_ID, user, NULL, id, NULL);
    if (rc != RC_NOT_FOUND || !password[0]) {
        return rc == RC_NOT_FOUND ? RC_OK : rc;
    }
    return password_hash(password, ret_hash, err);
}

enum rc
bootstrap(struct identity *identity, struct err *err)
{
    const struct conf *conf = service_conf(identity->service);
    if (!conf_text(conf, "bootstrap", "admin_password")[0]) {
        return RC_OK;
    }
    g_autofree char *admin_hash = NULL, *service_hash = NULL;
    struct db *db = NULL;
    enum rc rc = db_get(identity->db, &db, err);
    rc = rc ? rc
            : hash_for(db, "admin", conf_text(conf, "bootstrap", "admin_password"), &admin_hash,
                       err);
    rc = rc ? rc
            : hash_for(db, service_users[N_ELEMENTS(service_users) - 1],
                       conf_text(conf, "bootstrap", "service_password"), &service_hash, err);
    struct first first = {conf, admin_hash, service_hash};
    return rc ? rc : db_tx(db, bootstrap_tx, &first, err);
}
