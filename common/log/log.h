// SPDX-License-Identifier: Apache-2.0
// One line per event: time level program request-id sentence key=value…  A constant sentence first,
// then pairs. Values are quoted where they need it. The request id is the thread's current one
// (log_request_id_set).
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

struct log_pair {
    const char *key;
    const char *text; // NULL: the number is shown
    int64_t number;
};
static inline struct log_pair
kv(const char *key, const char *text)
{
    return (struct log_pair){key, text ? text : "-", 0};
}
static inline struct log_pair
kv_int(const char *key, int64_t number)
{
    return (struct log_pair){key, 0, number};
}

// Called once at start. json: one JSON object a line instead of key=value.
void log_init(const char *program, enum log_level lowest, bool json);
void log_level_set(enum log_level lowest); // from any thread (SIGHUP)
bool log_level_parse(const char *text, enum log_level *ret_level);
void log_request_id_set(const char *request_id); // NULL clears; copied
const char *log_request_id(void);                // "-" when none

void log_write(enum log_level level, const char *sentence, const struct log_pair *pairs,
               unsigned n_pairs);
#define LOG_AT(level, sentence, ...)                                              \
    log_write(level, sentence, (const struct log_pair[]){{0}, ##__VA_ARGS__} + 1, \
              sizeof((const struct log_pair[]){{0}, ##__VA_ARGS__}) / sizeof(struct log_pair) - 1)
#define log_debug(...) LOG_AT(LOG_DEBUG, __VA_ARGS__)
#define log_info(...) LOG_AT(LOG_INFO, __VA_ARGS__)
#define log_warn(...) LOG_AT(LOG_WARN, __VA_ARGS__)
#define log_error(...) LOG_AT(LOG_ERROR, __VA_ARGS__)

// For what a peer can trigger: true at most `burst` times per 10 s for this call site.
struct log_limit {
    int64_t window_start_ms;
    unsigned n;
};
bool log_limit_allows(struct log_limit *limit, unsigned burst);
