// SPDX-License-Identifier: Apache-2.0
// Bytes that are looked at twice: are they compressed, and is what comes out a tar?
#include <string.h>

#include "common/base/digest.h"
#include "services/image/format/archive_parts.h"

#define BLOCK 512

struct window { // the first block, before it is known what it begins
    uint8_t bytes[BLOCK];
    size_t fill;
    bool is_judged;
};
struct content {
    const struct content_sink *sink;
    struct budget *budget;
    void *context;
    struct window outside, inside;
    struct content_facts facts;
    struct unpack *unpack;
    struct tar_scan *tar;
    EVP_MD_CTX *digest, *diff_id; // diff_id NULL: the same
};

static bool take_content(void *context, const uint8_t *data, size_t size, struct refusal *refusal);

struct content *
content_new(const struct content_sink *sink, struct budget *budget, void *context)
{
    struct content *content = g_new0(struct content, 1);
    content->sink = sink;
    content->budget = budget;
    content->context = context;
    content->digest = digest_new(EVP_sha256());
    return content;
}

void
content_free(struct content *content)
{
    if (content) {
        unpack_free(content->unpack);
        tar_scan_free(content->tar);
        EVP_MD_CTX_free(content->digest);
        EVP_MD_CTX_free(content->diff_id);
        g_free(content);
    }
}

// Fills the window; true when it is full and its bytes, no longer the caller's, wait to be judged.
static bool
window_fill(struct window *window, const uint8_t **data, size_t *size)
{
    size_t n = MIN(*size, BLOCK - window->fill);
    memcpy(window->bytes + window->fill, *data, n);
    window->fill += n;
    *data += n;
    *size -= n;
    return window->fill == BLOCK;
}

static bool
is_tar(const struct content *content)
{
    static const uint8_t zeros[BLOCK];
    const struct window *window = &content->inside;
    return window->fill == BLOCK &&
           (tar_is_header(window->bytes) ||
            (content->sink->takes_zeros && !memcmp(window->bytes, zeros, BLOCK)));
}

static bool
pass_content(struct content *content, const uint8_t *data, size_t size, struct refusal *refusal)
{
    if (content->tar) {
        return tar_scan_feed(content->tar, data, size, refusal);
    }
    return !content->sink->other || size == 0 ||
           content->sink->other(content->context, data, size, refusal);
}

static bool
judge_inside(struct content *content, struct refusal *refusal)
{
    content->inside.is_judged = true;
    content->facts.is_tar = is_tar(content);
    if (content->facts.is_tar) {
        content->tar = tar_scan_new(&content->sink->tar, content->context);
    }
    return pass_content(content, content->inside.bytes, content->inside.fill, refusal);
}

static bool
take_content(void *context, const uint8_t *data, size_t size, struct refusal *refusal)
{
    struct content *content = context;
    content->facts.unpacked_size += size;
    if (content->diff_id) {
        EVP_DigestUpdate(content->diff_id, data, size);
    }
    if (!content->inside.is_judged) {
        if (!window_fill(&content->inside, &data, &size)) {
            return true;
        }
        if (!judge_inside(content, refusal)) {
            return false;
        }
    }
    return pass_content(content, data, size, refusal);
}

static bool
pass_bytes(struct content *content, const uint8_t *data, size_t size, struct refusal *refusal)
{
    return content->unpack ? unpack_feed(content->unpack, data, size, refusal)
                           : take_content(content, data, size, refusal);
}

static bool
judge_outside(struct content *content, struct refusal *refusal)
{
    struct window *window = &content->outside;
    window->is_judged = true;
    content->facts.compression = compression_of(window->bytes, window->fill);
    if (content->facts.compression != COMPRESSION_NONE) {
        content->unpack =
            unpack_new(content->facts.compression, content->budget, take_content, content);
        content->diff_id = digest_new(EVP_sha256());
    }
    return pass_bytes(content, window->bytes, window->fill, refusal);
}

bool
content_feed(struct content *content, const uint8_t *data, size_t size, struct refusal *refusal)
{
    content->facts.size += size;
    EVP_DigestUpdate(content->digest, data, size);
    if (!content->outside.is_judged) {
        if (!window_fill(&content->outside, &data, &size)) {
            return true;
        }
        if (!judge_outside(content, refusal)) {
            return false;
        }
    }
    return pass_bytes(content, data, size, refusal);
}

bool
content_end(struct content *content, struct content_facts *ret_facts, struct refusal *refusal)
{
    if ((!content->outside.is_judged && !judge_outside(content, refusal)) ||
        (content->unpack && !unpack_end(content->unpack, refusal)) ||
        (!content->inside.is_judged && !judge_inside(content, refusal)) ||
        (content->tar && !tar_scan_end(content->tar, refusal))) {
        return false;
    }
    digest_to_hex(content->digest, content->facts.digest);
    if (content->diff_id) {
        digest_to_hex(content->diff_id, content->facts.diff_id);
    } else {
        g_strlcpy(content->facts.diff_id, content->facts.digest, 65);
    }
    *ret_facts = content->facts;
    return true;
}
