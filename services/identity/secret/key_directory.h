// SPDX-License-Identifier: Apache-2.0
// The directory of secret keys, as Keystone's key_repository: a file for each key, named by its
// number, holding 64 hexadecimal digits, readable by its owner alone. 0 is the staged key: it opens
// already, and becomes the primary at the next rotation, so that a copy of the directory on another
// host knows every key before it is used.
#pragma once
#include "services/identity/secret/secret.h"

// RC_INVALID: says what is wrong with the directory or a file.
enum rc key_directory_read(const char *path, struct secret_ring *ring, struct err *err) CHECKED;
// Makes directory, first key and staged key. Interrupted anywhere it leaves what can be used or
// made again. RC_CONFLICT: there are keys already.
enum rc key_directory_make(const char *path, struct err *err) CHECKED;
// The staged key becomes the primary, and a new one is staged. No key is removed. Interrupted
// anywhere it leaves a valid directory. RC_NOT_FOUND: there is no staged key.
enum rc key_directory_rotate(const char *path, struct err *err) CHECKED;
// One line for each key on standard output: number, id, what it does.
enum rc key_directory_print(const char *path, struct err *err) CHECKED;
