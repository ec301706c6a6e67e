// SPDX-License-Identifier: Apache-2.0
#include "services/image/store/recipe.h"

#include "services/image/format/archive_cut.h"
#include "services/image/store/driver.h"

#include <string.h>

// ---- cutting

struct cutting {
    const GArray *pieces; // of struct archive_piece
    GArray *recipe;       // as many
    guint at;
    uint64_t n_left;   // of the piece
    const EVP_MD *evp; // parts are known by what the whole is known by
    EVP_MD_CTX *layer, *rest;
    int64_t rest_size;
};

static void
digest_start(EVP_MD_CTX *digest, const EVP_MD *evp)
{
    int done = EVP_DigestInit_ex(digest, evp, NULL);
    g_assert(done == 1);
}

static void
begin_piece(struct cutting *cutting)
{
    if (cutting->at == cutting->pieces->len) {
        return;
    }
    const struct archive_piece *from =
        &g_array_index(cutting->pieces, struct archive_piece, cutting->at);
    struct recipe_piece piece = {.size = (int64_t)from->size, .part_size = (int64_t)from->size};
    if (from->is_layer) {
        digest_start(cutting->layer, cutting->evp);
    } else {
        piece.first = cutting->rest_size;
        cutting->rest_size += piece.size;
    }
    cutting->n_left = from->size;
    g_array_append_val(cutting->recipe, piece);
}

static bool
is_layer(const struct cutting *cutting, guint i)
{
    return g_array_index(cutting->pieces, struct archive_piece, i).is_layer;
}

static enum rc
take_bytes(void *context, const void *data, size_t size, struct err *err)
{
    struct cutting *cutting = context;
    const uint8_t *next = data;
    while (size > 0) {
        size_t n = (size_t)MIN(size, cutting->n_left);
        bool in_layer = is_layer(cutting, cutting->at);
        EVP_DigestUpdate(in_layer ? cutting->layer : cutting->rest, next, n);
        next += n;
        size -= n;
        cutting->n_left -= n;
        if (cutting->n_left > 0) {
            continue;
        }
        if (in_layer) {
            digest_to_hex(cutting->layer,
                          g_array_index(cutting->recipe, struct recipe_piece, cutting->at).part);
        }
        cutting->at++;
        begin_piece(cutting);
    }
    return RC_OK;
}

static void
name_rest(struct cutting *cutting)
{
    char name[2 * EVP_MAX_MD_SIZE + 1];
    digest_to_hex(cutting->rest, name);
    for (guint i = 0; i < cutting->recipe->len; i++) {
        struct recipe_piece *piece = &g_array_index(cutting->recipe, struct recipe_piece, i);
        if (!is_layer(cutting, i)) {
            memcpy(piece->part, name, sizeof name);
            piece->part_size = cutting->rest_size;
        }
    }
}

enum rc
recipe_make(const struct blob_source *whole, const GArray *layers, GArray **ret_recipe,
            struct err *err)
{
    g_autoptr(GArray) pieces = archive_cut(layers, (uint64_t)whole->size);
    *ret_recipe = NULL;
    if (!pieces) {
        return RC_OK;
    }
    struct cutting cutting = {
        .pieces = pieces,
        .recipe = g_array_new(FALSE, TRUE, sizeof(struct recipe_piece)),
        .evp = digest_algo_of(whole->digest)->evp(),
        .layer = EVP_MD_CTX_new(),
        .rest = EVP_MD_CTX_new(),
    };
    digest_start(cutting.rest, cutting.evp);
    begin_piece(&cutting);
    enum rc rc = blob_source_read(whole, take_bytes, &cutting, err);
    if (rc == RC_OK) {
        name_rest(&cutting);
        *ret_recipe = g_array_ref(cutting.recipe);
    }
    g_array_unref(cutting.recipe);
    EVP_MD_CTX_free(cutting.layer);
    EVP_MD_CTX_free(cutting.rest);
    return rc;
}

// ---- storing

// Has a piece before this one named the same part?
static bool
is_repeated(const GArray *recipe, guint i)
{
    const char *part = g_array_index(recipe, struct recipe_piece, i).part;
    for (guint j = 0; j < i; j++) {
        if (!strcmp(g_array_index(recipe, struct recipe_piece, j).part, part)) {
            return true;
        }
    }
    return false;
}

// Where the part's bytes lie in the whole, in the part's order, each once. The same layer may lie
// in the archive twice.
static GArray *
ranges_of(const GArray *recipe, const char *part, int64_t *ret_covered)
{
    GArray *ranges = g_array_new(FALSE, TRUE, sizeof(struct blob_range));
    int64_t offset = 0, covered = 0;
    for (guint i = 0; i < recipe->len; i++) {
        const struct recipe_piece *piece = &g_array_index(recipe, struct recipe_piece, i);
        if (piece->first == covered && !strcmp(piece->part, part)) {
            const struct blob_range range = {offset, piece->size};
            g_array_append_val(ranges, range);
            covered += piece->size;
        }
        offset += piece->size;
    }
    *ret_covered = covered;
    return ranges;
}

static enum rc
put_part(struct store *store, const GArray *recipe, const struct recipe_piece *piece, int fd,
         struct err *err)
{
    int64_t covered;
    g_autoptr(GArray) ranges = ranges_of(recipe, piece->part, &covered);
    if (covered != piece->part_size) {
        return fault(err, RC_INTERNAL, "blob '%.16s…' is not part of the whole", piece->part);
    }
    const struct blob_source source = {.fd = fd,
                                       .digest = piece->part,
                                       .size = piece->part_size,
                                       .ranges = (const struct blob_range *)(void *)ranges->data,
                                       .n_ranges = ranges->len};
    return store_put(store, &source, err);
}

enum rc
recipe_put(struct store *store, const GArray *recipe, const struct blob_source *whole,
           struct err *err)
{
    enum rc rc = recipe ? RC_OK : store_put(store, whole, err);
    for (guint i = 0; rc == RC_OK && recipe && i < recipe->len; i++) {
        if (!is_repeated(recipe, i)) {
            rc = put_part(store, recipe, &g_array_index(recipe, struct recipe_piece, i), whole->fd,
                          err);
        }
    }
    return rc;
}

// ---- reading

const struct recipe_piece *
recipe_at(const GArray *recipe, int64_t offset, int64_t *ret_begin)
{
    int64_t begin = 0;
    for (guint i = 0; i < recipe->len; i++) {
        const struct recipe_piece *piece = &g_array_index(recipe, struct recipe_piece, i);
        if (offset < begin + piece->size) {
            *ret_begin = begin;
            return piece;
        }
        begin += piece->size;
    }
    return NULL;
}

enum rc
recipe_get(struct store *store, const GArray *recipe, const char *digest, int64_t first,
           int64_t last, blob_sink sink, void *context, struct err *err)
{
    if (!recipe) {
        return store_get(store, digest, first, last, sink, context, err);
    }
    enum rc rc = RC_OK;
    while (rc == RC_OK && first <= last) {
        int64_t begin;
        const struct recipe_piece *piece = recipe_at(recipe, first, &begin);
        if (!piece) {
            return fault(err, RC_INTERNAL, "blob '%.16s…' is shorter than its row says", digest);
        }
        int64_t end = MIN(last, begin + piece->size - 1);
        rc = store_get(store, piece->part, piece->first + first - begin, piece->first + end - begin,
                       sink, context, err);
        first = end + 1;
    }
    return rc;
}
