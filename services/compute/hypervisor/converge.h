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
// Finishes what runs, leaves what waits; what is woken later is not run.
void converge_stop(struct converge *converge);
void converge_free(struct converge *converge); // after converge_stop
void converge_wake(struct converge *converge, const char *key);
