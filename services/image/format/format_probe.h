// SPDX-License-Identifier: Apache-2.0
// What format.c has kept of a stream, and the checks of each format over it.
#pragma once
#include "services/image/format/format.h"

#define HEAD_SIZE \
    (384 * 1024) // covers every header but VHDX's metadata: its region tables end at 320 KiB
#define LATE_SIZE (128 * 1024) // VHDX metadata table and items
#define TAIL_SIZE \
    1536 // VHD footer; stream-optimised VMDK footer, which starts 1,024 bytes before the end

struct format_view {
    const uint8_t *head;
    size_t head_size;
    const uint8_t *late; // captured at late_offset, late_size of them
    uint64_t late_offset;
    size_t late_size;
    const uint8_t *tail; // the last tail_size bytes of the stream
    size_t tail_size;
    uint64_t size; // bytes seen
    bool final;    // all bytes were seen: sizes and tail mean something
};

// Fills verdict->refused and reason; false so that checks read `return refuse(…)`.
bool format_refuse(struct format_verdict *verdict, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

// Each sets virtual_size, or refuses and returns false. With view->final false, only what the head
// shows is judged.
typedef bool (*format_check_fn)(const struct format_view *view, struct format_verdict *verdict);
bool qcow2_check(const struct format_view *view, struct format_verdict *verdict);
bool vmdk_check(const struct format_view *view, struct format_verdict *verdict);
bool vdi_check(const struct format_view *view, struct format_verdict *verdict);
bool vhd_check(const struct format_view *view, struct format_verdict *verdict);
bool vhdx_check(const struct format_view *view, struct format_verdict *verdict);
// Where the VHDX metadata region starts, by the region table in the head; 0 when there is none that
// can be used.
uint64_t vhdx_metadata_offset(const struct format_view *view);

#define GET_(name, type, convert)                      \
    static inline type name(const uint8_t *bytes)      \
    {                                                  \
        type value;                                    \
        __builtin_memcpy(&value, bytes, sizeof value); \
        return convert(value);                         \
    }
#include <endian.h>
GET_(get_be32, uint32_t, be32toh)
GET_(get_be64, uint64_t, be64toh)
GET_(get_le16, uint16_t, le16toh)
GET_(get_le32, uint32_t, le32toh)
GET_(get_le64, uint64_t, le64toh)
#undef GET_
