// SPDX-License-Identifier: Apache-2.0
// Work for a few threads, of owners who may not have them all: somebody whose sources are slow
// keeps only himself waiting.
#pragma once
#include <glib.h>

struct turns;
// run: GFunc-like, called with the work and the context; at most n_threads at once, n_each of one
// owner.
struct turns *turns_new(void (*run)(void *work, void *context), void *context, unsigned n_threads,
                        unsigned n_each);
// Any thread. owner is copied.
void turns_push(struct turns *turns, const char *owner, void *work);
// Runs what still waits, then frees. NULL is fine.
void turns_free(struct turns *turns);
