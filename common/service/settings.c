// SPDX-License-Identifier: Apache-2.0
#include "common/service/internal.h"

const struct setting frame_settings[] = {
    // clang-format off
    {"service",  "listen",          SETTING_TEXT,   "127.0.0.1", 0, 0, "",   "address that the HTTP server listens on"},
    {"service",  "port",            SETTING_INT,    "0",  0, 65535, "",      "TCP port; 0: the program's standard port"},
    {"service",  "threads",         SETTING_INT,    "0",  0, 256,   "",      "HTTP threads; 0: one per core"},
    {"service",  "workers",         SETTING_INT,    "8",  1, 256,   "",      "threads for slow requests (hashing, calls to other services)"},
    {"service",  "max_queue",       SETTING_INT,    "64", 1, 100000, "",     "slow requests that may wait; further ones are answered 503"},
    {"service",  "max_body",        SETTING_INT,    "1048576", 1024, 1073741824, "bytes", "largest buffered request body"},
    {"service",  "idle_timeout",    SETTING_INT,    "60", 1, 3600,  "s",     "idle connections are closed after this"},
    {"service",  "max_connections", SETTING_INT,    "4096", 16, 1000000, "", "open connections"},
    {"service",  "list_limit",      SETTING_INT,    "0", 0, 10000,  "",      "items of a list of identity or network when the request sets no limit; 0: all, at most 10,000"},
    {"service",  "trust_proxy",     SETTING_BOOL,   "false", 0, 0,  "",      "believe X-Forwarded-Proto, X-Forwarded-Host and X-Forwarded-For"},
    {"service",  "log_level",       SETTING_TEXT,   "info", 0, 0,   "",      "debug, info, warn or error"},
    {"service",  "log_json",        SETTING_BOOL,   "false", 0, 0,  "",      "one JSON object a line"},
    {"database", "dsn",             SETTING_SECRET, "", 0, 0,       "",      "libpq connection string"},
    {"bus",      "host",            SETTING_TEXT,   "127.0.0.1", 0, 0, "",   "RabbitMQ's address"},
    {"bus",      "port",            SETTING_INT,    "5672", 1, 65535, "",    "RabbitMQ's port"},
    {"bus",      "vhost",           SETTING_TEXT,   "/", 0, 0,      "",      "RabbitMQ's virtual host"},
    {"bus",      "user",            SETTING_TEXT,   "guest", 0, 0,  "",      "this program's broker user"},
    {"bus",      "password",        SETTING_SECRET, "guest", 0, 0,  "",      "its password"},
    {"identity", "url",             SETTING_TEXT,   "http://127.0.0.1:5000", 0, 0, "", "identity service, without /v3"},
    {"identity", "user",            SETTING_TEXT,   "", 0, 0,       "",      "service account (domain Default, project service)"},
    {"identity", "password",        SETTING_SECRET, "", 0, 0,       "",      "its password"},
    {"policy",   "file",            SETTING_TEXT,   "", 0, 0,       "",      "operator's policy overrides; empty: none"},
    {0},
    // clang-format on
};
