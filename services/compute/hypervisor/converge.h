// SPDX-License-Identifier: Apache-2.0
// Threads that bring keyed things to where they should be: any number of keys at once, one thread
// at a time per key, again after a time, and again when woken while at it. Knows nothing of
// servers.
#pragma once
#include <stdint.h>

// Returns after how many ms the key wants to be looked at again; -1: when woken.
typedef int64_t (*converge_fn)(const char *key, void *context);
struct converge;
struct converge *converge_new(int n_threads, converge_fn run, void *context);
void converge_free(struct converge *converge); // finishes what runs, leaves what waits
void converge_wake(struct converge *converge, const char *key);
