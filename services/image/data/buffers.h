// SPDX-License-Identifier: Apache-2.0
// The memory of uploads' buffers, straight from the kernel and back to it as the load comes and
// goes: blocks of one huge page where there are such, since a disk that reads a buffer by itself
// needs each of its pages named. Not locked: pipelines.c does.
#pragma once
#include <stddef.h>
#include <stdint.h>

struct buffers;
struct buffers *buffers_new(size_t size); // of each; divides 2 MiB by at most 64
void buffers_free(struct buffers *buffers);
void *buffers_take(struct buffers *buffers); // page-aligned; never NULL
void buffers_give(struct buffers *buffers, void *buffer);
void buffers_trim(struct buffers *buffers, int n_keep); // so many that nobody has may stay
int64_t buffers_memory(const struct buffers *buffers);  // bytes that exist, taken or not
