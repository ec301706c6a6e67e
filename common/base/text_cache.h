// SPDX-License-Identifier: Apache-2.0
// Texts by key, each with a label that says what it was made of. Bounded by bytes: what was used
// longest ago goes first. Thread-safe.
#pragma once
#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text_cache;
// max_bytes: keys, labels and texts together; a text above an eighth of it is not kept. life_ms:
// what was neither put nor renewed for that long is gone.
struct text_cache *text_cache_new(size_t max_bytes, int64_t life_ms);
void text_cache_free(struct text_cache *cache);

struct cached_text {
    GRefString *text;
    char *label;
    uint64_t serial; // which of the texts that this key had
};
// False: not there. True: ret_found is the caller's, text_cache_done.
bool text_cache_find(struct text_cache *cache, const char *key, struct cached_text *ret_found);
void text_cache_done(struct cached_text *found);
// Adds or replaces.
void text_cache_put(struct text_cache *cache, const char *key, const char *label, const char *text);
// The text found under this serial is as good as one with this label; nothing when the key has
// another by now.
void text_cache_renew(struct text_cache *cache, const char *key, uint64_t serial,
                      const char *label);
// Bytes and texts that are there.
void text_cache_size(struct text_cache *cache, size_t *ret_bytes, size_t *ret_texts);
