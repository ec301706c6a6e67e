// SPDX-License-Identifier: Apache-2.0
// Formats recognised from the stream, whole and byte by byte, benign and hostile.
#include <check.h>
#include <endian.h>
#include <glib.h>
#include <string.h>

#include "services/image/format/format.h"

#define FILE_SIZE (512 * 1024)

static uint8_t file[FILE_SIZE];

static void
put(size_t offset, uint64_t value, int size, bool big)
{
    uint64_t ordered = big ? htobe64(value << (64 - 8 * size)) : htole64(value);
    memcpy(file + offset, &ordered, (size_t)size);
}
static void
be(size_t offset, uint64_t value, int size)
{
    put(offset, value, size, true);
}
static void
le(size_t offset, uint64_t value, int size)
{
    put(offset, value, size, false);
}

static void
make_qcow2(void)
{
    memset(file, 0, sizeof file);
    memcpy(file, "QFI\xfb", 4);
    be(4, 3, 4);        // version
    be(20, 16, 4);      // cluster bits
    be(24, 5 << 20, 8); // size
    be(36, 1, 4);       // L1 entries
    be(40, 3 << 16, 8); // L1 table
    be(48, 1 << 16, 8); // refcount table
    be(56, 1, 4);       // … in clusters
    be(96, 4, 4);       // refcount order
    be(100, 112, 4);    // header length
}

static void
make_vmdk(const char *descriptor)
{
    memset(file, 0, sizeof file);
    memcpy(file, "KDMV", 4);
    le(4, 1, 4);
    le(12, 2048, 8); // sectors
    le(20, 128, 8);  // grain
    le(28, 1, 8);    // descriptor at
    le(36, 20, 8);   // … sectors
    le(44, 512, 4);
    le(56, 64, 8);
    memcpy(file + 512, descriptor, strlen(descriptor));
}
#define DESCRIPTOR                                                  \
    "# Disk DescriptorFile\nversion=1\nCID=1\nparentCID=ffffffff\n" \
    "createType=\"monolithicSparse\"\nRW 2048 SPARSE \"a.vmdk\"\n"

static void
make_vdi(void)
{
    memset(file, 0, sizeof file);
    le(64, 0xbeda107f, 4);
    le(68, 0x00010001, 4);
    le(76, 1, 4);
    le(340, 512, 4);
    le(344, 1024, 4);
    le(368, 4 << 20, 8);
    le(376, 1 << 20, 4);
    le(384, 4, 4);
}

static void
make_vhd(size_t at, uint32_t type)
{
    memset(file, 0, sizeof file);
    memcpy(file + at, "conectix", 8);
    be(at + 16, 512, 8);
    be(at + 48, 256 * 1024, 8);
    be(at + 60, type, 4);
    uint32_t sum = 0;
    for (int i = 0; i < 512; i++) {
        sum += file[at + (size_t)i];
    }
    be(at + 64, ~sum, 4);
    memcpy(file + 512, "cxsparse", type == 3 ? 8 : 0);
    be(512 + 16, 1536, 8);
    be(512 + 28, 4, 4);
    be(512 + 32, 2 << 20, 4);
}

static void
make_iso(void)
{
    memset(file, 0, sizeof file);
    memcpy(file + 32769, "CD001", 5);
}

static struct format_verdict
scan(size_t size, size_t chunk)
{
    struct format_scan *state = format_scan_new();
    for (size_t at = 0; at < size; at += chunk) {
        format_scan_feed(state, file + at, MIN(chunk, size - at));
    }
    struct format_verdict verdict;
    format_scan_verdict(state, &verdict);
    format_scan_free(state);
    return verdict;
}

static void
expect(enum disk_format format, int64_t virtual_size, const char *reason)
{
    static const size_t chunks[] = {FILE_SIZE, 1, 511, 4096, 65537};
    for (size_t i = 0; i < G_N_ELEMENTS(chunks); i++) {
        struct format_verdict verdict = scan(FILE_SIZE, chunks[i]);
        ck_assert_int_eq(verdict.format, format);
        ck_assert_int_eq(verdict.refused, reason != NULL);
        if (reason) {
            ck_assert_msg(strstr(verdict.reason, reason) != NULL, "%s", verdict.reason);
        } else {
            ck_assert_int_eq(verdict.virtual_size, virtual_size);
        }
    }
}

START_TEST(bytes_without_a_header_are_raw)
{
    memset(file, 7, sizeof file);
    expect(FORMAT_RAW, FILE_SIZE, NULL);
    struct format_verdict verdict = scan(0, 1);
    ck_assert(verdict.format == FORMAT_RAW && verdict.virtual_size == 0 && !verdict.refused);
}
END_TEST

START_TEST(benign_images_give_their_virtual_size)
{
    make_qcow2();
    expect(FORMAT_QCOW2, 5 << 20, NULL);
    make_vmdk(DESCRIPTOR);
    expect(FORMAT_VMDK, 1 << 20, NULL);
    make_vhd(0, 3);
    expect(FORMAT_VHD, 256 * 1024, NULL);
    make_vhd(FILE_SIZE - 512, 2);
    expect(FORMAT_VHD, 256 * 1024, NULL);
    make_iso();
    expect(FORMAT_ISO, FILE_SIZE, NULL);
    make_vdi();
    expect(FORMAT_VDI, 4 << 20, NULL);
}
END_TEST

// One field of a benign qcow2 image, changed.
static const struct {
    size_t offset;
    uint64_t value;
    int size;
    const char *reason;
} qcow2_cases[] = {
    {4, 1, 4, "version"},
    {4, 4, 4, "version"},
    {8, 200, 8, "backing file"},
    {16, 5, 4, "backing file"},
    {20, 8, 4, "cluster size"},
    {20, 22, 4, "cluster size"},
    {20, UINT32_MAX, 4, "cluster size"},
    {24, UINT64_MAX, 8, "absurd"},
    {24, (uint64_t)1 << 40, 8, "too small"},
    {32, 1, 4, "encrypted"},
    {32, 2, 4, "encrypted"},
    {36, UINT32_MAX, 4, "absurd"},
    {36, 0, 4, "too small"},
    {40, 0, 8, "over the header"},
    {48, 0, 8, "over the header"},
    {40, 12345, 8, "outside"},
    {40, (uint64_t)1 << 62, 8, "outside"},
    {40, FILE_SIZE, 8, "outside"},
    {48, UINT64_MAX << 16, 8, "outside"},
    {56, 0, 4, "absurd"},
    {56, UINT32_MAX, 4, "absurd"},
    {60, UINT32_MAX, 4, "snapshots"},
    {72, 2, 8, "corrupt"},
    {72, 4, 8, "data file"},
    {72, 32, 8, "unknown incompatible"},
    {72, (uint64_t)1 << 63, 8, "unknown incompatible"},
    {96, 7, 4, "refcount"},
    {100, 72, 4, "header length"},
    {100, UINT32_MAX, 4, "header length"},
    {112, 0x44415441, 4, "data file"},
    {112, 0x0537be77, 4, "encrypted"},
};

START_TEST(a_dangerous_qcow2_field_is_refused)
{
    make_qcow2();
    be(qcow2_cases[_i].offset, qcow2_cases[_i].value, qcow2_cases[_i].size);
    expect(FORMAT_QCOW2, 0, qcow2_cases[_i].reason);
}
END_TEST

START_TEST(extensions_cannot_hide_behind_a_long_one)
{
    make_qcow2();
    be(112, 0x6803f857, 4);
    be(116, UINT32_MAX, 4);
    expect(FORMAT_QCOW2, 0, "past");
    make_qcow2();
    be(112, 0x6803f857, 4); // feature names, then the data file's name
    be(116, 48, 4);
    be(168, 0x44415441, 4);
    expect(FORMAT_QCOW2, 0, "data file");
}
END_TEST

static const struct {
    const char *descriptor, *reason;
} vmdk_cases[] = {
    {"createType=\"monolithicSparse\"\n", "0 extents"},
    {"RW 1 SPARSE \"a\"\n", "0 createTypes"},
    {"createType=\"streamOptimized\"\ncreateType=\"monolithicSparse\"\nRW 1 SPARSE \"a\"\n",
     "2 createTypes"},
    {"createType=\"twoGbMaxExtentSparse\"\nRW 1 SPARSE \"a\"\n", "createType"},
    {"createType=\"monolithicSparse\"\nRW 1 VMFS \"a\"\n", "not sparse"},
    {"createType=\"monolithicFlat\"\nRW 1 FLAT \"a\" 0\n", "createType"},
    {"createType=\"vmfs\"\n", "createType"},
    {"createType=\"monolithicSparse\"\nRW 1 SPARSE \"a\"\nRW 1 SPARSE \"b\"\n", "2 extents"},
    {"createType=\"monolithicSparse\"\nRW 1 SPARSE \"/etc/passwd\"\n", "path"},
    {"createType=\"monolithicSparse\"\nRW\t1 SPARSE \"../x\"\n", "path"},
    {"createType=\"monolithicSparse\"\nRW 1 FLAT \"a\" 0\n", "not sparse"},
    {"createType=\"monolithicSparse\"\nrw  1 SPARSE \"/x\"\n", "not sparse"},
    {"parentCID=12345678\nRW 1 SPARSE \"a\"\n", "parent"},
    {"parentFileNameHint=\"base.vmdk\"\nRW 1 SPARSE \"a\"\n", "parent"},
};

START_TEST(a_vmdk_that_names_other_files_is_refused)
{
    make_vmdk(vmdk_cases[_i].descriptor);
    expect(FORMAT_VMDK, 0, vmdk_cases[_i].reason);
}
END_TEST

START_TEST(a_vmdk_header_must_speak_for_itself)
{
    make_vmdk(DESCRIPTOR);
    le(12, 0, 8);
    expect(FORMAT_VMDK, 0, "capacity");
    make_vmdk(DESCRIPTOR);
    le(12, (uint64_t)1 << 41, 8);
    le(20, 8, 8);
    le(44, 1, 4);
    expect(FORMAT_VMDK, 0, "absurd");
    make_vmdk(DESCRIPTOR);
    le(56, FILE_SIZE, 8);
    expect(FORMAT_VMDK, 0, "outside");
    make_vmdk(DESCRIPTOR);
    le(44, 0, 4);
    expect(FORMAT_VMDK, 0, "absurd");
    make_vmdk(DESCRIPTOR);
    le(28, 1 << 30, 8);
    expect(FORMAT_VMDK, 0, "descriptor");
    make_vmdk(DESCRIPTOR);
    le(56, UINT64_MAX, 8); // the footer is missing
    expect(FORMAT_VMDK, 0, "footer");
    memset(file, 0, sizeof file);
    memcpy(file, DESCRIPTOR, strlen(DESCRIPTOR));
    expect(FORMAT_VMDK, 0, "other files");
    memcpy(file, "COWD", 4);
    expect(FORMAT_VMDK, 0, "other files");
}
END_TEST

START_TEST(children_of_other_disks_are_refused)
{
    make_vdi();
    le(76, 4, 4);
    expect(FORMAT_VDI, 0, "parent");
    make_vdi();
    le(424, 1, 4);
    expect(FORMAT_VDI, 0, "parent");
    make_vdi();
    le(384, UINT32_MAX, 4);
    expect(FORMAT_VDI, 0, "outside");
    make_vhd(0, 4);
    expect(FORMAT_VHD, 0, "disk type");
    make_vhd(0, 3);
    be(512 + 40, 1, 4);
    expect(FORMAT_VHD, 0, "parent");
    make_vhd(0, 3);
    be(70, 1, 1);
    expect(FORMAT_VHD, 0, "broken");
    memset(file, 0, sizeof file);
    memcpy(file, "vhdxfile", 8);
    expect(FORMAT_VHDX, 0, "no valid header");
}
END_TEST

static const struct {
    const char *magic;
    size_t size;
} others[] = {{"LUKS\xba\xbe", 6}, {"QED", 4}, {"WithoutFreeSpace", 16}, {"OOOM\0\0\0\2", 8}};

START_TEST(formats_off_the_list_are_refused)
{
    memset(file, 0, sizeof file);
    memcpy(file, others[_i].magic, others[_i].size);
    expect(FORMAT_OTHER, 0, "not accepted");
}
END_TEST

START_TEST(a_cut_off_header_is_refused)
{
    make_qcow2();
    ck_assert(scan(40, 7).refused);
    make_vdi();
    ck_assert(scan(100, 7).refused);
    make_vmdk(DESCRIPTOR);
    ck_assert(scan(600, 7).refused);
    make_vhd(0, 3);
    ck_assert(scan(100, 7).refused);
}
END_TEST

START_TEST(content_of_two_formats_is_refused)
{
    make_qcow2();
    memcpy(file + 32769, "CD001", 5);
    expect(FORMAT_QCOW2, 0, "both 'qcow2' and 'iso'");
    make_iso();
    memcpy(file + FILE_SIZE - 512, "koly", 4);
    expect(FORMAT_ISO, 0, "both 'iso' and 'DMG'");
    make_vdi();
    memcpy(file + FILE_SIZE - 512, "conectix", 8);
    expect(FORMAT_VDI, 0, "both 'vdi' and 'vhd'");
}
END_TEST

START_TEST(a_disk_with_partitions_is_raw)
{
    memset(file, 0, sizeof file);
    file[510] = 0x55, file[511] = 0xaa;
    memcpy(file + 512, "EFI PART", 8);
    expect(FORMAT_RAW, FILE_SIZE, NULL);
    memcpy(file + 32769, "CD001", 5); // hybrid images boot from both
    expect(FORMAT_ISO, FILE_SIZE, NULL);
}
END_TEST

START_TEST(a_tar_is_known_by_its_checksum_and_is_nothing_else_besides)
{
    unsigned sum = 0;
    memset(file, 0, FILE_SIZE);
    memcpy(file, "manifest.json", 13);
    memcpy(file + 257,
           "ustar\0"
           "00",
           8);
    expect(FORMAT_RAW, FILE_SIZE, NULL);
    memset(file + 148, ' ', 8);
    for (size_t i = 0; i < 512; i++) {
        sum += file[i];
    }
    g_snprintf((char *)file + 148, 8, "%06o", sum);
    expect(FORMAT_TAR, FILE_SIZE, NULL);
    memcpy(file + 32769, "CD001", 5);
    expect(FORMAT_ISO, 0, "both 'iso' and 'tar'");
}
END_TEST

START_TEST(claims_are_held_against_the_content)
{
    static const struct {
        enum disk_format found;
        const char *disk, *container;
        bool strict, holds;
    } cases[] = {
        {FORMAT_RAW, "raw", "bare", true, true},    {FORMAT_RAW, "aki", "aki", true, true},
        {FORMAT_RAW, "qcow2", "bare", true, false}, {FORMAT_RAW, "qcow2", "bare", false, true},
        {FORMAT_QCOW2, "raw", "bare", true, false}, {FORMAT_QCOW2, "qcow2", "bare", true, true},
        {FORMAT_ISO, "raw", "bare", true, false},   {FORMAT_RAW, "vmdk", "ova", true, true},
        {FORMAT_QCOW2, "vmdk", "ova", true, false}, {FORMAT_QCOW2, "aki", "aki", true, false},
        {FORMAT_TAR, "raw", "bare", true, false},   {FORMAT_TAR, "raw", "bare", false, true},
        {FORMAT_TAR, "raw", "docker", true, true},  {FORMAT_TAR, "ami", "ami", true, false},
    };
    char reason[256];
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        struct format_verdict verdict = {.format = cases[i].found};
        ck_assert_int_eq(format_claim_holds(&verdict, cases[i].disk, cases[i].container,
                                            cases[i].strict, reason),
                         cases[i].holds);
        verdict.refused = true;
        ck_assert(!format_claim_holds(&verdict, cases[i].disk, cases[i].container, false, reason));
    }
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("image_format");
    TCase *cases = tcase_create("all");
    tcase_set_timeout(cases, 60);
    tcase_add_test(cases, bytes_without_a_header_are_raw);
    tcase_add_test(cases, benign_images_give_their_virtual_size);
    tcase_add_loop_test(cases, a_dangerous_qcow2_field_is_refused, 0, G_N_ELEMENTS(qcow2_cases));
    tcase_add_test(cases, extensions_cannot_hide_behind_a_long_one);
    tcase_add_loop_test(cases, a_vmdk_that_names_other_files_is_refused, 0,
                        G_N_ELEMENTS(vmdk_cases));
    tcase_add_test(cases, a_vmdk_header_must_speak_for_itself);
    tcase_add_test(cases, children_of_other_disks_are_refused);
    tcase_add_loop_test(cases, formats_off_the_list_are_refused, 0, G_N_ELEMENTS(others));
    tcase_add_test(cases, a_cut_off_header_is_refused);
    tcase_add_test(cases, content_of_two_formats_is_refused);
    tcase_add_test(cases, a_disk_with_partitions_is_raw);
    tcase_add_test(cases, a_tar_is_known_by_its_checksum_and_is_nothing_else_besides);
    tcase_add_test(cases, claims_are_held_against_the_content);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
