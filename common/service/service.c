// SPDX-License-Identifier: Apache-2.0
// main() of every program: options, settings, parts up in order, wait for a signal, parts down in
// reverse.
#include "common/service/internal.h"

#include "common/http/usage_routes.h"
#include "common/log/log.h"

#include <curl/curl.h>
#include <openssl/crypto.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { MAX_TABLES = 64, MAX_COMMANDS = 16 };

struct options {
    char *config;
    gboolean check, version, migrate, openapi, settings, life_cycles;
    gboolean commands[MAX_COMMANDS]; // in the order of the service's table
};

// The process' one service: set before any thread starts, never changed.
static struct service *the_service;

struct service *
service_of(const struct request *request)
{
    return the_service;
}

const struct conf *
service_conf(const struct service *service)
{
    return service->conf;
}

struct db_pool *
service_db(const struct service *service)
{
    return service->db;
}

struct bus *
service_bus(const struct service *service)
{
    return service->bus;
}

struct authenticator *
service_auth(const struct service *service)
{
    return service->auth;
}

struct policy *
service_policy(const struct service *service)
{
    return service->policy;
}

void *
service_context(const struct service *service)
{
    return service->context;
}

bool
service_is_stopping(const struct service *service)
{
    struct service *mutable = (struct service *)service;
    g_mutex_lock(&mutable->mutex);
    bool stopping = mutable->stopping;
    g_mutex_unlock(&mutable->mutex);
    return stopping;
}

bool
service_wait_stop(struct service *service, int timeout_ms)
{
    gint64 deadline = g_get_monotonic_time() + timeout_ms * G_TIME_SPAN_MILLISECOND;
    g_mutex_lock(&service->mutex);
    while (!service->stopping && g_cond_wait_until(&service->stopped, &service->mutex, deadline)) {
    }
    bool stopping = service->stopping;
    g_mutex_unlock(&service->mutex);
    return stopping;
}

struct every {
    struct service *service;
    int interval_ms;
    void (*fn)(void *context);
    void *context;
};

static gpointer
run_every(gpointer data)
{
    g_autofree struct every *every = data;
    do {
        every->fn(every->context);
    } while (!service_wait_stop(every->service, every->interval_ms));
    return NULL;
}

void
service_every(struct service *service, const char *name, int interval_ms, void (*fn)(void *context),
              void *context)
{
    struct every *every = g_new(struct every, 1);
    *every = (struct every){service, interval_ms, fn, context};
    g_ptr_array_add(service->threads, g_thread_new(name, run_every, every));
}

static void
add_commands(GOptionContext *parser, const struct service_command *commands,
             struct options *options)
{
    GOptionEntry entries[MAX_COMMANDS + 1] = {{0}};
    for (int i = 0; commands && commands[i].name; i++) {
        g_assert(i < MAX_COMMANDS);
        entries[i] = (GOptionEntry){.long_name = commands[i].name,
                                    .arg = G_OPTION_ARG_NONE,
                                    .arg_data = &options->commands[i],
                                    .description = commands[i].help};
    }
    g_option_context_add_main_entries(parser, entries, NULL);
}

static bool
parse_options(const struct service_def *def, int argc, char **argv, struct options *options)
{
    const GOptionEntry entries[] = {
        {"config", 'c', 0, G_OPTION_ARG_FILENAME, &options->config, "settings file", "FILE"},
        {"check-config", 0, 0, G_OPTION_ARG_NONE, &options->check,
         "read the settings, say what is wrong, exit", NULL},
        {"version", 0, 0, G_OPTION_ARG_NONE, &options->version, "print the version", NULL},
        {"migrate", 0, 0, G_OPTION_ARG_NONE, &options->migrate,
         "apply the database migrations, exit", NULL},
        {"openapi", 0, 0, G_OPTION_ARG_NONE, &options->openapi, "print the OpenAPI document", NULL},
        {"settings", 0, 0, G_OPTION_ARG_NONE, &options->settings, "print a table of all settings",
         NULL},
        {"life-cycles", 0, 0, G_OPTION_ARG_NONE, &options->life_cycles,
         "print the life cycles as Graphviz graphs", NULL},
        {NULL},
    };
    g_autoptr(GOptionContext) parser = g_option_context_new(NULL);
    g_option_context_add_main_entries(parser, entries, NULL);
    add_commands(parser, def->commands, options);
    g_autoptr(GError) error = NULL;
    if (!g_option_context_parse(parser, &argc, &argv, &error) || argc > 1) {
        fprintf(stderr, "%s\n", error ? error->message : "unexpected argument");
        return false;
    }
    return true;
}

static void
raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static void
make_bus(struct service *service)
{
    const struct conf *conf = service->conf;
    const struct bus_config config = {
        .host = conf_text(conf, "bus", "host"),
        .port = (int)conf_int(conf, "bus", "port"),
        .vhost = conf_text(conf, "bus", "vhost"),
        .user = conf_text(conf, "bus", "user"),
        .password = conf_text(conf, "bus", "password"),
    };
    service->bus = bus_new(&config);
}

static enum rc
make_auth(struct service *service, struct err *err)
{
    if (service->def->make_auth) {
        service->auth = service->def->make_auth(service, err);
        return service->auth ? RC_OK : err->rc;
    }
    const struct auth_config config = {.identity_url = conf_text(service->conf, "identity", "url")};
    service->auth = authenticator_new(&config, service->db, service->bus);
    return RC_OK;
}

static const struct policy_rule no_rules[] = {{0}};

static enum rc
start_parts(struct service *service, struct err *err)
{
    const struct service_def *def = service->def;
    const char *schema = def->schema ? def->schema : def->name;
    if (def->parts & SERVICE_DB) {
        service->db = db_pool_new(conf_text(service->conf, "database", "dsn"), schema);
    }
    if (def->parts & SERVICE_BUS) {
        make_bus(service);
    }
    const char *overrides = conf_text(service->conf, "policy", "file");
    enum rc rc = policy_new(def->policies ? def->policies : no_rules, *overrides ? overrides : NULL,
                            &service->policy, err);
    if (rc == RC_OK && ((def->parts & SERVICE_AUTH) || def->make_auth)) {
        rc = make_auth(service, err);
    }
    if (rc == RC_OK && def->start) {
        rc = def->start(service, &service->context, err);
    }
    if (rc == RC_OK && (def->parts & SERVICE_OUTBOX)) {
        service->relay = outbox_relay_start(service->db, service->bus, def->name);
    }
    return rc;
}

// The service's tables and the frame's own, NULL-terminated.
static void
collect_tables(const struct service_def *def, const struct route *ret_tables[MAX_TABLES])
{
    int n = 0;
    const struct route *const *routes = def->parts & SERVICE_HTTP ? def->routes : NULL;
    ret_tables[n++] = health_routes;
    if (routes && (def->parts & SERVICE_OUTBOX)) {
        ret_tables[n++] = usage_routes;
    }
    for (; routes && *routes; routes++) {
        g_assert(n < MAX_TABLES - 1);
        ret_tables[n++] = *routes;
    }
    ret_tables[n] = NULL;
}

static enum rc
start_http(struct service *service, struct err *err)
{
    const struct service_def *def = service->def;
    const struct conf *conf = service->conf;
    int port = (int)conf_int(conf, "service", "port");
    port = port ? port : def->default_port;
    if (!port) {
        return RC_OK;
    }
    static const struct route *tables[MAX_TABLES]; // outlives the server
    collect_tables(def, tables);
    const struct http_config config = {
        .listen = conf_text(conf, "service", "listen"),
        .port = port,
        .n_threads = def->parts & SERVICE_HTTP ? (int)conf_int(conf, "service", "threads") : 1,
        .n_workers = (int)conf_int(conf, "service", "workers"),
        .max_queue = (int)conf_int(conf, "service", "max_queue"),
        .max_body = (size_t)conf_int(conf, "service", "max_body"),
        .idle_timeout_s = (int)conf_int(conf, "service", "idle_timeout"),
        .max_connections = (int)conf_int(conf, "service", "max_connections"),
        .list_limit = (int)conf_int(conf, "service", "list_limit"),
        .trust_proxy = conf_bool(conf, "service", "trust_proxy"),
        .identity_url = conf_text(conf, "identity", "url"),
        .routes = tables,
        .drop_json_suffix = def->drop_json_suffix,
        .error_body = def->error_body ? def->error_body : health_error_body,
        .version_service = def->version_service,
        .version_min = def->version_min,
        .version_max = def->version_max,
        .service_types = def->service_types,
        .admit = def->admit,
        .auth = service->auth,
        .policy = service->policy,
        .db = service->db,
        .context = service->context,
        .on_reply = def->on_reply,
        .on_handled = def->on_handled,
    };
    return http_server_start(&config, &service->http, err);
}

static void
stop_all(struct service *service)
{
    http_server_stop(service->http);
    g_mutex_lock(&service->mutex);
    service->stopping = true;
    g_cond_broadcast(&service->stopped);
    g_mutex_unlock(&service->mutex);
    for (unsigned i = 0; i < service->threads->len; i++) {
        g_thread_join(service->threads->pdata[i]);
    }
    bus_stop(service->bus);                       // handlers use what stop() takes down
    if (service->def->stop && service->context) { // what could not start has nothing to stop
        service->def->stop(service, service->context);
    }
    if (service->relay) {
        outbox_relay_stop(service->relay);
    }
    if (service->auth) {
        authenticator_free(service->auth);
    }
    bus_free(service->bus);
    policy_free(service->policy);
    db_pool_free(service->db);
}

// The log level is taken at once; everything else at the next start, and the log says so.
static void
reload(const struct service *service)
{
    const struct setting *tables[] = {frame_settings, service->def->settings, NULL};
    struct conf *conf = NULL;
    struct err err = {0};
    enum log_level level = LOG_INFO;
    if (conf_load(tables, service->config_path, &conf, &err) != RC_OK) {
        log_error("the settings are wrong and were not reloaded", kv("reason", err.message));
        return;
    }
    if (log_level_parse(conf_text(conf, "service", "log_level"), &level)) {
        log_level_set(level);
    }
    conf_free(conf);
    log_info("reloaded the log level; other settings take effect at the next start");
}

static void
wait_for_signal(const struct service *service, const sigset_t *signals)
{
    for (;;) {
        int signal_number = 0;
        sigwait(signals, &signal_number);
        if (signal_number != SIGHUP) {
            log_info("stopping", kv_int("signal", signal_number));
            return;
        }
        reload(service);
    }
}

static int
run(struct service *service)
{
    // Blocked before any thread exists, so that only sigwait below gets them.
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    raise_file_limit();
    struct err err = {0};
    enum rc rc = start_parts(service, &err);
    if (rc == RC_OK) {
        rc = start_http(service, &err);
    }
    if (rc == RC_OK) {
        log_info("started", kv("version", HANEUL_VERSION));
        wait_for_signal(service, &signals);
    } else {
        log_error("cannot start", kv("reason", err.message));
    }
    stop_all(service);
    log_info("stopped");
    return rc == RC_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int
migrate(struct service *service)
{
    const char *schema = service->def->schema ? service->def->schema : service->def->name;
    struct db_pool *pool = db_pool_new(conf_text(service->conf, "database", "dsn"), schema);
    struct err err = {0};
    enum rc rc = db_migrate(pool, schema, service->def->migrations, &err);
    if (rc != RC_OK) {
        log_error("the migration failed; nothing of it was applied", kv("reason", err.message));
    }
    db_pool_free(pool);
    return rc == RC_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int
run_command(struct service *service, const struct service_command *command)
{
    const struct service_def *def = service->def;
    const char *schema = def->schema ? def->schema : def->name;
    if (def->parts & SERVICE_DB) {
        service->db = db_pool_new(conf_text(service->conf, "database", "dsn"), schema);
    }
    struct err err = {0};
    enum rc rc = command->run(service, &err);
    if (rc != RC_OK) {
        fprintf(stderr, "haneul-%s: --%s: %s\n", def->name, command->name, err.message);
    }
    db_pool_free(service->db);
    return rc == RC_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int
print_openapi(const struct service_def *def)
{
    const struct route *tables[MAX_TABLES];
    collect_tables(def, tables);
    g_autofree char *title = g_strdup_printf("Haneul %s", def->name);
    json_t *document = http_openapi(title, HANEUL_VERSION, tables);
    json_dumpf(document, stdout, JSON_INDENT(1) | JSON_SORT_KEYS);
    putchar('\n');
    json_decref(document);
    return EXIT_SUCCESS;
}

static int
print_life_cycles(const struct service_def *def)
{
    for (const struct fsm *const *fsm = def->life_cycles; fsm && *fsm; fsm++) {
        fsm_print_dot(*fsm, stdout);
    }
    return EXIT_SUCCESS;
}

static int
with_settings(struct service *service, const struct options *options)
{
    const struct setting *tables[] = {frame_settings, service->def->settings, NULL};
    if (options->settings) {
        conf_print_reference(tables, stdout);
        return EXIT_SUCCESS;
    }
    service->config_path = options->config;
    struct err err = {0};
    if (conf_load(tables, options->config, &service->conf, &err) != RC_OK) {
        fprintf(stderr, "haneul-%s: %s\n", service->def->name, err.message);
        return EXIT_FAILURE;
    }
    enum log_level level = LOG_INFO;
    if (!log_level_parse(conf_text(service->conf, "service", "log_level"), &level)) {
        fprintf(stderr,
                "haneul-%s: setting [service] log_level must be debug, info, warn or error\n",
                service->def->name);
        return EXIT_FAILURE;
    }
    static char program[64];
    g_snprintf(program, sizeof(program), "haneul-%s", service->def->name);
    log_init(program, level, conf_bool(service->conf, "service", "log_json"));
    if (options->check) {
        return EXIT_SUCCESS;
    }
    const struct service_command *command = service->def->commands;
    for (int i = 0; command && command->name; i++, command++) {
        if (options->commands[i]) {
            return run_command(service, command);
        }
    }
    return options->migrate ? migrate(service) : run(service);
}

int
service_main(const struct service_def *def, int argc, char **argv)
{
    struct options options = {0};
    if (!parse_options(def, argc, argv, &options)) {
        return 2;
    }
    if (options.version) {
        printf("haneul-%s %s\n", def->name, HANEUL_VERSION);
        return EXIT_SUCCESS;
    }
    if (options.openapi) {
        return print_openapi(def);
    }
    if (options.life_cycles) {
        return print_life_cycles(def);
    }
    struct service service = {.def = def, .threads = g_ptr_array_new()};
    g_mutex_init(&service.mutex);
    g_cond_init(&service.stopped);
    the_service = &service;
    json_object_seed(0);
    // The last threads of pools may still be ending when we return (GLib does not join them), and
    // OpenSSL 3.0 frees at exit what their ends look at: the process died, once in some thousand.
    OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, NULL);
    int status = with_settings(&service, &options);
    g_ptr_array_unref(service.threads);
    conf_free(service.conf);
    g_free(options.config);
    return status;
}
