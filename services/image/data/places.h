// SPDX-License-Identifier: Apache-2.0
// A limited number of places of which one project has only its share: for uploads and imports
// (whose clients send a byte a minute), for downloads from stores that are not here (each a thread
// and its buffer), for the fetchers' threads (turns.h). Locked inside.
#pragma once
#include "common/base/err.h"

struct places;
// what: names them in the refusal, "uploads"; not copied.
struct places *places_new(const char *what, int n_max, int n_project);
struct places *places_ref(struct places *places); // who has one may outlast the service's context
void places_unref(struct places *places);         // NULL is fine
// project: "" is no project and may take all. RC_UNAVAILABLE, with when to try again: none is free
// for it.
enum rc places_take(struct places *places, const char *project, struct err *err) CHECKED;
bool places_try(struct places *places, const char *project); // the same for who can wait
void places_give(struct places *places, const char *project);
