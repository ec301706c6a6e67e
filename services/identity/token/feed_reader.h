// SPDX-License-Identifier: Apache-2.0
// Which processes follow the feed here, and how far each has come. Who changes what services must
// enforce waits for them a moment, so that what was answered is enforced. Any thread may call.
#pragma once
#include <stdbool.h>
#include <stdint.h>

// Who did not ask for so long is away, and nobody waits for it.
#define FEED_READER_AWAY_MS 1000
#define FEED_READERS_MAX 256
// So many may wait at a time; what others change is known an interval of the feed later.
#define FEED_WAITERS_MAX 8
// While, and some time after, somebody waits, readers are told to ask again after this.
#define FEED_HURRY_INTERVAL_MS 40

struct feed_readers;
struct feed_readers *feed_readers_new(void);
void feed_readers_free(struct feed_readers *readers); // NULL is fine

// A reader has applied everything up to event `after` and asks for more. id: its own, any text.
// Returns after how many ms it should ask again; 0: when it likes.
int feed_readers_saw(struct feed_readers *readers, const char *id, int64_t after);
// Returns when every reader that is not away has applied event n; false: somebody had not, and the
// wait was not begun or ended without it.
bool feed_readers_await(struct feed_readers *readers, int64_t n);
