// SPDX-License-Identifier: Apache-2.0
// gzip and zstd, pushed and bounded.
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "services/image/format/archive_parts.h"

#define OUTPUT_SIZE (64 * 1024)
#define FREE_UNPACKED ((uint64_t)256 << 20) // that much is never a bomb
#define MAX_RATIO 200
#define MAX_WINDOW_LOG 23 // 8 MiB: zstd -19
#define GZIP_WINDOW (16 + MAX_WBITS)

struct unpack {
    enum compression compression;
    struct budget *budget;
    unpack_fn sink;
    void *context;
    z_stream gzip;
    ZSTD_DStream *zstd;
    bool is_whole; // at the end of a member or frame
    uint8_t output[OUTPUT_SIZE];
};

static const struct {
    const char *name;
    uint8_t magic[4];
    size_t size;
} kinds[] = {
    [COMPRESSION_NONE] = {"none", {0}, 0},
    [COMPRESSION_GZIP] = {"gzip", {0x1f, 0x8b, 8}, 3},
    [COMPRESSION_ZSTD] = {"zstd", {0x28, 0xb5, 0x2f, 0xfd}, 4},
};

bool
archive_refuse(struct refusal *refusal, const char *format, ...)
{
    if (!refusal->refused) {
        va_list args;
        va_start(args, format);
        vsnprintf(refusal->reason, sizeof refusal->reason, format, args);
        va_end(args);
        refusal->refused = true;
    }
    return false;
}

const char *
compression_name(enum compression compression)
{
    return kinds[compression].name;
}

enum compression
compression_of(const uint8_t *head, size_t size)
{
    for (size_t i = COMPRESSION_GZIP; i < G_N_ELEMENTS(kinds); i++) {
        if (size >= kinds[i].size && !memcmp(head, kinds[i].magic, kinds[i].size)) {
            return (enum compression)i;
        }
    }
    return COMPRESSION_NONE;
}

struct unpack *
unpack_new(enum compression compression, struct budget *budget, unpack_fn sink, void *context)
{
    struct unpack *unpack = g_malloc(sizeof *unpack);
    memset(unpack, 0, offsetof(struct unpack, output));
    unpack->compression = compression;
    unpack->budget = budget;
    unpack->sink = sink;
    unpack->context = context;
    if (compression == COMPRESSION_GZIP) {
        int done = inflateInit2(&unpack->gzip, GZIP_WINDOW);
        g_assert(done == Z_OK);
    } else {
        unpack->zstd = ZSTD_createDStream();
        g_assert(unpack->zstd);
        ZSTD_DCtx_setParameter(unpack->zstd, ZSTD_d_windowLogMax, MAX_WINDOW_LOG);
    }
    return unpack;
}

void
unpack_free(struct unpack *unpack)
{
    if (unpack) {
        if (unpack->compression == COMPRESSION_GZIP) {
            inflateEnd(&unpack->gzip);
        }
        ZSTD_freeDStream(unpack->zstd);
        g_free(unpack);
    }
}

static bool
give(struct unpack *unpack, size_t size, struct refusal *refusal)
{
    struct budget *budget = unpack->budget;
    budget->n_unpacked += size;
    if (budget->n_unpacked > budget->max_unpacked) {
        return archive_refuse(refusal, "the archive unpacks to more than %llu bytes",
                              (unsigned long long)budget->max_unpacked);
    }
    if (budget->n_unpacked > FREE_UNPACKED && budget->n_unpacked / MAX_RATIO > budget->n_fed) {
        return archive_refuse(refusal, "the archive unpacks to more than %d times its size",
                              MAX_RATIO);
    }
    return size == 0 || unpack->sink(unpack->context, unpack->output, size, refusal);
}

static bool
feed_gzip(struct unpack *unpack, const uint8_t *data, size_t size, struct refusal *refusal)
{
    z_stream *z = &unpack->gzip;
    z->next_in = (Bytef *)data;
    z->avail_in = (uInt)size;
    do {
        if (unpack->is_whole && z->avail_in > 0) {
            inflateReset(z);
            unpack->is_whole = false;
        }
        z->next_out = unpack->output;
        z->avail_out = OUTPUT_SIZE;
        int status = inflate(z, Z_NO_FLUSH);
        if (status != Z_OK && status != Z_STREAM_END && status != Z_BUF_ERROR) {
            return archive_refuse(refusal, "the gzip data is broken");
        }
        unpack->is_whole = status == Z_STREAM_END;
        if (!give(unpack, OUTPUT_SIZE - z->avail_out, refusal)) {
            return false;
        }
    } while (z->avail_in > 0 || z->avail_out == 0);
    return true;
}

static bool
feed_zstd(struct unpack *unpack, const uint8_t *data, size_t size, struct refusal *refusal)
{
    ZSTD_inBuffer in = {data, size, 0};
    ZSTD_outBuffer out;
    do {
        out = (ZSTD_outBuffer){unpack->output, OUTPUT_SIZE, 0};
        size_t status = ZSTD_decompressStream(unpack->zstd, &out, &in);
        if (ZSTD_isError(status)) {
            return archive_refuse(refusal, "the zstd data is broken or needs too much memory: %s",
                                  ZSTD_getErrorName(status));
        }
        unpack->is_whole = status == 0;
        if (!give(unpack, out.pos, refusal)) {
            return false;
        }
    } while (in.pos < in.size || (out.pos == OUTPUT_SIZE && !unpack->is_whole));
    return true;
}

bool
unpack_feed(struct unpack *unpack, const uint8_t *data, size_t size, struct refusal *refusal)
{
    if (size == 0) {
        return true;
    }
    return unpack->compression == COMPRESSION_GZIP ? feed_gzip(unpack, data, size, refusal)
                                                   : feed_zstd(unpack, data, size, refusal);
}

bool
unpack_end(struct unpack *unpack, struct refusal *refusal)
{
    return unpack->is_whole ||
           archive_refuse(refusal, "the %s data is cut off", compression_name(unpack->compression));
}
