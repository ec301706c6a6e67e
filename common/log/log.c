// SPDX-License-Identifier: Apache-2.0
#include "common/log/log.h"

#include "common/base/append.h"
#include "common/base/util.h"

#include <glib.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

static const char *const level_names[] = {"DEBUG", "INFO", "WARN", "ERROR"};

// Written once by log_init before any thread starts, but for the level.
static struct {
    const char *program;
    _Atomic enum log_level lowest;
    bool json;
} settings = {"haneul", LOG_INFO, false};

static _Thread_local char current_request[64];

void
log_init(const char *program, enum log_level lowest, bool json)
{
    settings.program = program;
    settings.lowest = lowest;
    settings.json = json;
}

void
log_level_set(enum log_level lowest)
{
    settings.lowest = lowest;
}

bool
log_level_parse(const char *text, enum log_level *ret_level)
{
    for (unsigned i = 0; i < N_ELEMENTS(level_names); i++) {
        if (g_ascii_strcasecmp(text, level_names[i]) == 0) {
            *ret_level = (enum log_level)i;
            return true;
        }
    }
    return false;
}

void
log_request_id_set(const char *request_id)
{
    g_strlcpy(current_request, request_id ? request_id : "", sizeof(current_request));
}

const char *
log_request_id(void)
{
    return current_request[0] ? current_request : "-";
}

// Everything that is not plain goes out escaped, so that no value can forge a line or a key.
static void
append_escaped(GString *line, const char *text)
{
    for (const unsigned char *at = (const unsigned char *)text; *at; at++) {
        if (*at == '"' || *at == '\\') {
            g_string_append_c(line, '\\');
            g_string_append_c(line, (char)*at);
        } else if (*at < 0x20 || *at == 0x7f) {
            g_string_append_printf(line, "\\u%04x", *at);
        } else {
            g_string_append_c(line, (char)*at);
        }
    }
}

static bool
is_plain(const char *text)
{
    for (const char *at = text; *at; at++) {
        if ((unsigned char)*at <= ' ' || *at == '"' || *at == '\\' || *at == '=' || *at == 0x7f) {
            return false;
        }
    }
    return *text != '\0';
}

static void
append_value(GString *line, const char *text, bool quote)
{
    if (!quote) {
        append_text(line, text);
        return;
    }
    g_string_append_c(line, '"');
    append_escaped(line, text);
    g_string_append_c(line, '"');
}

static void
append_each(GString *line, const char *const *texts)
{
    for (; *texts; texts++) {
        append_text(line, *texts);
    }
}
#define append_texts(line, ...) append_each(line, (const char *const[]){__VA_ARGS__, NULL})

static void
append_pair(GString *line, const struct log_pair *pair)
{
    append_texts(line, settings.json ? ",\"" : " ", pair->key, settings.json ? "\":" : "=");
    if (pair->text) {
        append_value(line, pair->text, settings.json || !is_plain(pair->text));
    } else {
        append_int64(line, pair->number);
    }
}

static void
append_head(GString *line, enum log_level level, const char *sentence)
{
    static const char *const aligned_names[] = {"DEBUG", "INFO ", "WARN ", "ERROR"};
    char time[32];
    iso8601_format(now_us(), true, time);
    if (settings.json) {
        append_texts(line, "{\"time\":\"", time, "\",\"level\":\"", level_names[level],
                     "\",\"program\":\"", settings.program, "\",\"request\":\"", log_request_id(),
                     "\",\"message\":\"");
        append_escaped(line, sentence);
        g_string_append_c(line, '"');
    } else {
        append_texts(line, time, " ", aligned_names[level], " ", settings.program, " [",
                     log_request_id(), "] ", sentence);
    }
}

void
log_write(enum log_level level, const char *sentence, const struct log_pair *pairs,
          unsigned n_pairs)
{
    if (level < settings.lowest) {
        return;
    }
    g_autoptr(GString) line = g_string_sized_new(512);
    append_head(line, level, sentence);
    for (unsigned i = 0; i < n_pairs; i++) {
        append_pair(line, &pairs[i]);
    }
    append_text(line, settings.json ? "}\n" : "\n");
    // One write per line keeps lines of several threads whole; a log that cannot be written is
    // nobody's to handle.
    ssize_t written = write(STDERR_FILENO, line->str, line->len);
    (void)written;
}

bool
log_limit_allows(struct log_limit *limit, unsigned burst)
{
    static GMutex mutex; // guards every limit: they are touched only on rare paths
    g_mutex_lock(&mutex);
    int64_t now = monotonic_ms();
    if (now - limit->window_start_ms > 10000) {
        limit->window_start_ms = now;
        limit->n = 0;
    }
    bool allowed = limit->n++ < burst;
    g_mutex_unlock(&mutex);
    return allowed;
}
