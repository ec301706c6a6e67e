// SPDX-License-Identifier: Apache-2.0
// How many downloads from stores that are not here go on at once, each a thread and its buffer: a
// project whose clients read a byte a second has its share, not all. Locked inside.
#pragma once
#include <stdbool.h>

struct places;
struct places *places_new(int n_max, int n_project);
struct places *places_ref(struct places *places); // downloads may outlast the service's context
void places_unref(struct places *places);         // NULL is fine
// project: "" is no project and may take all. False: none is free for it.
bool places_take(struct places *places, const char *project);
void places_give(struct places *places, const char *project);
