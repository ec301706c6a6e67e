// SPDX-License-Identifier: Apache-2.0
#include "services/image/data/buffers.h"

#include <assert.h>
#include <glib.h>
#include <string.h>
#include <sys/mman.h>

#define BLOCK_SIZE ((size_t)2 << 20)

struct block {
    uint8_t *bytes;
    uint64_t spare; // bit i: nobody has buffer i
};

struct buffers {
    size_t size;
    int n_per_block;
    uint64_t all_spare;
    int n_spare;
    GArray *blocks; // of struct block; the first that has something gives it
};

struct buffers *
buffers_new(size_t size)
{
    struct buffers *buffers = g_new0(struct buffers, 1);
    buffers->size = size;
    buffers->n_per_block = (int)(BLOCK_SIZE / size);
    assert(buffers->n_per_block >= 1 && buffers->n_per_block <= 64);
    buffers->all_spare = UINT64_MAX >> (64 - buffers->n_per_block);
    buffers->blocks = g_array_new(FALSE, FALSE, sizeof(struct block));
    return buffers;
}

static struct block *
block_at(const struct buffers *buffers, guint i)
{
    return &g_array_index(buffers->blocks, struct block, i);
}

static uint8_t *
map(size_t size)
{
    void *bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (bytes == MAP_FAILED) {
        g_error("out of memory for an upload's buffer"); // as GLib does
    }
    return bytes;
}

// A huge page begins at a multiple of its size: what lies before and after goes back.
static void
add_block(struct buffers *buffers)
{
    uint8_t *bytes = map(2 * BLOCK_SIZE);
    size_t before = -(uintptr_t)bytes % BLOCK_SIZE;
    if (before > 0) {
        munmap(bytes, before);
    }
    munmap(bytes + before + BLOCK_SIZE, BLOCK_SIZE - before);
    madvise(bytes + before, BLOCK_SIZE, MADV_HUGEPAGE);
    const struct block block = {bytes + before, buffers->all_spare};
    g_array_append_val(buffers->blocks, block);
    buffers->n_spare += buffers->n_per_block;
}

void *
buffers_take(struct buffers *buffers)
{
    guint i = 0;
    while (i < buffers->blocks->len && !block_at(buffers, i)->spare) {
        i++;
    }
    if (i == buffers->blocks->len) {
        add_block(buffers);
    }
    struct block *block = block_at(buffers, i);
    int n = __builtin_ctzll(block->spare);
    block->spare &= block->spare - 1;
    buffers->n_spare--;
    return block->bytes + (size_t)n * buffers->size;
}

void
buffers_give(struct buffers *buffers, void *buffer)
{
    for (guint i = 0; i < buffers->blocks->len; i++) {
        struct block *block = block_at(buffers, i);
        uintptr_t offset = (uintptr_t)buffer - (uintptr_t)block->bytes;
        if (offset < BLOCK_SIZE) {
            block->spare |= (uint64_t)1 << (offset / buffers->size);
            buffers->n_spare++;
            return;
        }
    }
    assert(!"a buffer of ours");
}

void
buffers_trim(struct buffers *buffers, int n_keep)
{
    for (guint i = buffers->blocks->len; i-- > 0 && buffers->n_spare > n_keep;) {
        struct block *block = block_at(buffers, i);
        if (block->spare == buffers->all_spare) {
            munmap(block->bytes, BLOCK_SIZE);
            g_array_remove_index(buffers->blocks, i);
            buffers->n_spare -= buffers->n_per_block;
        }
    }
}

int64_t
buffers_memory(const struct buffers *buffers)
{
    return (int64_t)buffers->blocks->len * (int64_t)BLOCK_SIZE;
}

void
buffers_free(struct buffers *buffers)
{
    buffers_trim(buffers, 0);
    g_array_unref(buffers->blocks);
    g_free(buffers);
}
