// SPDX-License-Identifier: Apache-2.0
// Long work of the CPU beside requests that somebody waits for: sums of images, hashes of
// passwords.
#pragma once

// Threads for it: one core is left to those that answer. At least one.
int background_threads(void);

// The calling thread gives way to the others, for good: a higher nice value, and turns so short
// that who wakes up gets the core soon (sched_setattr(2)). Best effort: an older kernel or a
// sandbox may refuse. Cheap when the thread has called it before.
void background_enter(void);
