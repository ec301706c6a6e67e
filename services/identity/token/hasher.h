// SPDX-License-Identifier: Apache-2.0
// The threads that hash passwords and secrets: fewer than cores and last in line for the CPU, so
// that a crowd that logs in does not slow down what can be answered at once. Who waits for a hash
// holds no lock, and is one of the bounded workers of slow requests.
#pragma once

// n_threads 0: one less than cores. Once per process, before the first hash.
void hasher_start(int n_threads);
// crypt(5) of password by setting (a hash or its prefix): the caller frees; NULL: it cannot be.
// Where nothing was started (a command, a test) it is computed by the caller's thread.
char *hasher_run(const char *password, const char *setting);
