// SPDX-License-Identifier: Apache-2.0
// Files that survive a kill at any moment: written beside, synced, renamed.
#pragma once
#include <stddef.h>
#include <sys/types.h>

#include "common/base/err.h"

// Makes the directory and its parents; fine when it exists.
enum rc file_dir_make(const char *path, mode_t mode, struct err *err) CHECKED;
// The file has either its old or its new content, and the new one on disk when this returns.
enum rc file_replace(const char *path, const void *data, size_t size, mode_t mode,
                     struct err *err) CHECKED;
// Renames and syncs the directory; fine when `from` is already there as `to`.
enum rc file_publish(const char *from, const char *to, struct err *err) CHECKED;
// Removes a directory with everything in it; missing is fine. Symbolic links are not followed.
enum rc file_tree_remove(const char *path, struct err *err) CHECKED;
bool file_exists(const char *path);
