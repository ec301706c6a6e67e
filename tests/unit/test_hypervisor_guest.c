// SPDX-License-Identifier: Apache-2.0
// Orders decoded and refused, the XML and the metadata made of them, the desired state on disk, the
// console's tail.
#include <check.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/util.h"
#include "services/compute/hypervisor/console.h"
#include "services/compute/hypervisor/converge.h"
#include "services/compute/hypervisor/desired.h"
#include "services/compute/hypervisor/files.h"
#include "services/compute/hypervisor/guest.h"
#include "services/compute/hypervisor/metadata_doc.h"

#define SERVER "bbbbbbbb-0000-4000-8000-000000000001"
#define ORDER                                                                                      \
    "{\"server_id\":\"" SERVER "\",\"generation\":3,\"state\":\"running\",\"reboot_count\":0,"     \
    "\"reboot_hard\":false,\"flavor\":{\"vcpus\":2,\"ram_mib\":256,\"disk_gib\":1},"               \
    "\"image\":{\"id\":\"cccccccc-0000-4000-8000-000000000001\",\"url\":\"http://i/1?ticket=t\","  \
    "\"size\":5,\"os_hash_algo\":\"sha512\",\"os_hash_value\":\"%0128d\",\"disk_format\":\"vhd\"}" \
    ","                                                                                            \
    "\"ports\":[{\"id\":\"12345678-9abc-4000-8000-000000000001\",\"mac\":\"fa:16:3e:00:00:01\","   \
    "\"network_id\":\"dddddddd-0000-4000-8000-000000000001\",\"mtu\":1442,\"fixed_ips\":"          \
    "[{\"ip\":\"10.0.0.5\",\"subnet_id\":null,\"prefix\":24,\"gateway\":\"10.0.0.1\"}]}],"         \
    "\"metadata\":{\"uuid\":\"" SERVER "\",\"name\":\"<a>&'\\\"b\",\"hostname\":\"vm\","           \
    "\"project_id\":\"p\",\"availability_zone\":\"nova\",\"launch_index\":0,\"keys\":"             \
    "[{\"name\":\"mine\",\"type\":\"ssh\",\"data\":\"ssh-ed25519 AAAA\"}],\"meta\":{\"a\":\"1\"}," \
    "\"user_data\":\"IyEvYmluL3No\",\"admin_pass\":null},\"config_drive\":true}"

static json_t *
order_json(void)
{
    g_autofree char *text = g_strdup_printf(ORDER, 0);
    json_t *json = json_loads(text, 0, NULL);
    ck_assert_ptr_nonnull(json);
    return json;
}

static struct order *
order_make(void)
{
    json_auto_t *json = order_json();
    struct order *order = NULL;
    struct err err = {0};
    ck_assert_msg(order_from_json(json, &order, &err) == RC_OK, "%s", err.message);
    return order;
}

// ---- orders

// clang-format off
static const struct {
    const char *path, *value; // "a.b": JSON that replaces it; NULL removes it
    const char *named;        // in the error
} BAD[] = {
    {"server_id", "\"../../etc/passwd\"", "server_id"},
    {"server_id", "\"BBBBBBBB-0000-4000-8000-000000000001\"", "server_id"},
    {"server_id", NULL, "server_id"},
    {"generation", "-1", "generation"},
    {"generation", "\"x\"", "generation"},
    {"state", "\"dreaming\"", "state"},
    {"flavor", NULL, "flavor"},
    {"flavor.vcpus", "0", "vcpus"},
    {"flavor.ram_mib", "1e9", "ram_mib"},
    {"image", "null", "image"},
    {"image.url", "\"file:///etc/shadow\"", "url"},
    {"image.os_hash_value", "\"abc\"", "os_hash_value"},
    {"image.os_hash_value", NULL, "os_hash_value"},
    {"image.os_hash_algo", "\"md5\"", "os_hash_algo"},
    {"image.os_hash_algo", "\"sha256\"", "os_hash_value"},
    {"image.size", "0", "size"},
    {"image.disk_format", "\"iso\"", "disk_format"},
    {"image.id", "\"../x\"", "id"},
    {"metadata", NULL, "metadata"},
    {"ports.0.mac", "\"fa:16:3e:00:00:0'\"", "mac"},
    {"ports.0.id", "\"tap\"", "id"},
    {"ports.0.fixed_ips.0.ip", "\"10.0.0.256\"", "ip"},
    {"ports.0.fixed_ips.0.prefix", "33", "ip"},
    {"ports.0.fixed_ips.0.gateway", "\"-i any\"", "ip"},
    {"ports.0.metadata_ip", "\"x\"", "metadata_ip"},
    {"ports.0.metadata_port_id", "\"a,b=c\"", "metadata_port_id"},
    {"ports", "{}", "ports"},
};
// clang-format on

static void
json_replace(json_t *json, const char *path, const char *value)
{
    g_auto(GStrv) names = g_strsplit(path, ".", 0);
    size_t n = g_strv_length(names);
    for (size_t i = 0; i + 1 < n; i++) {
        json = json_is_array(json) ? json_array_get(json, (size_t)atoi(names[i]))
                                   : json_object_get(json, names[i]);
    }
    if (value) {
        json_object_set_new(json, names[n - 1], json_loads(value, JSON_DECODE_ANY, NULL));
    } else {
        json_object_del(json, names[n - 1]);
    }
}

START_TEST(a_bad_order_is_refused_by_field)
{
    json_auto_t *json = order_json();
    json_replace(json, BAD[_i].path, BAD[_i].value);
    struct order *order = NULL;
    struct err err = {0};
    ck_assert_msg(order_from_json(json, &order, &err) == RC_INVALID, "%s", BAD[_i].path);
    ck_assert_msg(strstr(err.message, BAD[_i].named) != NULL, "%s: %s", BAD[_i].path, err.message);
    ck_assert_ptr_null(order);
}
END_TEST

START_TEST(an_absent_order_needs_little)
{
    json_auto_t *json =
        json_pack("{s:s, s:i, s:s}", "server_id", SERVER, "generation", 4, "state", "absent");
    auto_order *order = NULL;
    struct err err = {0};
    ck_assert_int_eq(order_from_json(json, &order, &err), RC_OK);
    ck_assert_int_eq(order->want, WANT_ABSENT);
    ck_assert_int_eq(order->n_ports, 0);
}
END_TEST

// ---- XML

static const struct guest_host TCG = {"qemu", "x86_64", "pc", "qemu64", "none", "br-int", false};
static const struct guest_host KVM = {"kvm", "x86_64", "pc", "", "writeback", "br-int", true};

START_TEST(the_xml_escapes_what_people_named)
{
    auto_order *order = order_make();
    auto_guest_paths paths = guest_paths_new("/var/lib/a&b'", SERVER);
    g_autofree char *xml = guest_xml(order, &paths, &TCG);
    ck_assert_ptr_nonnull(strstr(xml, "<title>&lt;a&gt;&amp;&apos;&quot;b</title>"));
    ck_assert_ptr_nonnull(strstr(xml, "/var/lib/a&amp;b&apos;/instances/" SERVER "/disk"));
    ck_assert_ptr_nonnull(strstr(xml, "<tb-cache unit='MiB'>64</tb-cache>"));
    ck_assert_ptr_nonnull(strstr(xml, "<host csum='off'"));
    ck_assert_ptr_nonnull(strstr(xml, "interfaceid='12345678-9abc-4000-8000-000000000001'"));
    ck_assert_ptr_nonnull(strstr(xml, "<target dev='tap12345678-9a'/>"));
    ck_assert_ptr_nonnull(strstr(xml, "<mtu size='1442'/>"));
    ck_assert_ptr_nonnull(strstr(xml, "config.iso"));
}
END_TEST

START_TEST(a_name_that_xml_cannot_hold_is_left_out)
{
    json_auto_t *json = order_json();
    json_object_set_new(json_object_get(json, "metadata"), "name", json_string("a\x01z"));
    auto_order *order = NULL;
    struct err err = {0};
    ck_assert_int_eq(order_from_json(json, &order, &err), RC_OK);
    auto_guest_paths paths = guest_paths_new("/s", SERVER);
    g_autofree char *xml = guest_xml(order, &paths, &TCG);
    ck_assert_ptr_null(strstr(xml, "<title>"));
}
END_TEST

START_TEST(with_kvm_the_guest_sees_the_hosts_processor)
{
    auto_order *order = order_make();
    auto_guest_paths paths = guest_paths_new("/s", SERVER);
    g_autofree char *xml = guest_xml(order, &paths, &KVM);
    ck_assert_ptr_nonnull(strstr(xml, "<domain type='kvm'>"));
    ck_assert_ptr_nonnull(strstr(xml, "mode='host-model'"));
    ck_assert_ptr_null(strstr(xml, "tb-cache"));
    ck_assert_ptr_null(strstr(xml, "csum='off'"));
}
END_TEST

START_TEST(only_our_names_are_ours)
{
    ck_assert_str_eq(guest_name_to_id("instance-" SERVER), SERVER);
    ck_assert_ptr_null(guest_name_to_id("instance-00000001"));
    ck_assert_ptr_null(guest_name_to_id(SERVER));
    ck_assert_str_eq(order_qemu_format("vhd"), "vpc");
    ck_assert_ptr_null(order_qemu_format("iso"));
}
END_TEST

// ---- metadata

// clang-format off
static const struct {
    const char *path, *text; // NULL: there is none
} DOCS[] = {
    {"/latest/meta-data/instance-id", "i-bbbbbbbb"},
    {"/2009-04-04/meta-data/instance-id", "i-bbbbbbbb"},
    {"//latest//meta-data/instance-id/", "i-bbbbbbbb"},
    {"/latest/meta-data/hostname", "vm"},
    {"/latest/meta-data/local-hostname", "vm"},
    {"/latest/meta-data/local-ipv4", "10.0.0.5"},
    {"/latest/meta-data/public-keys/", "0=mine"},
    {"/latest/meta-data/public-keys/0/", "openssh-key"},
    {"/latest/meta-data/public-keys/0/openssh-key", "ssh-ed25519 AAAA"},
    {"/latest/meta-data/public-keys/1/openssh-key", NULL},
    {"/latest/meta-data/placement/", "availability-zone"},
    {"/latest/meta-data/placement/availability-zone", "nova"},
    {"/latest/meta-data/nothing", NULL},
    {"/latest/user-data", "#!/bin/sh"},
    {"/latest", "meta-data/\nuser-data"},
    {"/openstack/latest/user_data", "#!/bin/sh"},
    {"/openstack/latest/vendor_data.json", "{}"},
    {"/openstack/latest/", "meta_data.json\nuser_data\nvendor_data.json\nnetwork_data.json\nvendor_data2.json"},
    {"/openstack/2012-08-10/", "meta_data.json\nuser_data"},
    {"/openstack/2012-08-10/network_data.json", NULL},
    {"/openstack/1999-01-01/meta_data.json", NULL},
    {"/openstack/latest/meta_data.json/x", NULL},
    {"/../etc/passwd", NULL},
    {"/elsewhere", NULL},
};
// clang-format on

START_TEST(a_path_has_its_document)
{
    auto_order *order = order_make();
    const char *type = NULL;
    g_autoptr(GBytes) doc = metadata_doc_find(order, DOCS[_i].path, &type);
    if (!DOCS[_i].text) {
        ck_assert_msg(doc == NULL, "%s", DOCS[_i].path);
        return;
    }
    ck_assert_msg(doc != NULL, "%s", DOCS[_i].path);
    g_autofree char *text = g_strndup(g_bytes_get_data(doc, NULL), g_bytes_get_size(doc));
    ck_assert_msg(strcmp(text, DOCS[_i].text) == 0, "%s: %s", DOCS[_i].path, text);
    ck_assert_ptr_nonnull(type);
}
END_TEST

static json_t *
doc_json(const struct order *order, const char *path)
{
    const char *type = NULL;
    g_autoptr(GBytes) doc = metadata_doc_find(order, path, &type);
    ck_assert_ptr_nonnull(doc);
    gsize size;
    const char *data = g_bytes_get_data(doc, &size);
    return json_loadb(data, size, 0, NULL);
}

START_TEST(meta_data_has_what_cloud_init_reads)
{
    auto_order *order = order_make();
    json_auto_t *doc = doc_json(order, "/openstack/2018-08-27/meta_data.json");
    ck_assert_str_eq(json_string_value(json_object_get(doc, "uuid")), SERVER);
    ck_assert_str_eq(json_string_value(json_object_get(doc, "hostname")), "vm");
    json_t *keys = json_object_get(doc, "public_keys");
    ck_assert_str_eq(json_string_value(json_object_get(keys, "mine")), "ssh-ed25519 AAAA");
    ck_assert_str_eq(json_string_value(json_object_get(json_object_get(doc, "meta"), "a")), "1");
    ck_assert_ptr_null(json_object_get(doc, "user_data"));
    ck_assert_ptr_null(json_object_get(doc, "admin_pass"));
    json_auto_t *network = doc_json(order, "/openstack/latest/network_data.json");
    json_t *link = json_array_get(json_object_get(network, "links"), 0);
    ck_assert_str_eq(json_string_value(json_object_get(link, "ethernet_mac_address")),
                     "fa:16:3e:00:00:01");
    ck_assert_int_eq(json_integer_value(json_object_get(link, "mtu")), 1442);
}
END_TEST

// ---- the desired state on disk

static char *dir;

static void
dir_make(void)
{
    dir = g_dir_make_tmp("haneul-hypervisor-XXXXXX", NULL);
}

static void
dir_remove(void)
{
    rc_ignore(file_tree_remove(dir, NULL));
    g_free(dir);
}

static bool
put(struct desired *desired, int64_t generation)
{
    json_auto_t *json = order_json();
    json_object_set_new(json, "generation", json_integer(generation));
    auto_order *order = NULL;
    struct err err = {0};
    bool is_newer = false;
    ck_assert_int_eq(order_from_json(json, &order, &err), RC_OK);
    ck_assert_int_eq(desired_put(desired, order, &is_newer, &err), RC_OK);
    return is_newer;
}

static struct desired *
reopen(struct desired *desired, size_t *ret_n_broken)
{
    struct err err = {0};
    desired_free(desired);
    ck_assert_int_eq(desired_open(dir, &desired, ret_n_broken, &err), RC_OK);
    return desired;
}

START_TEST(the_newest_order_survives)
{
    size_t n_broken;
    struct desired *desired = reopen(NULL, &n_broken);
    ck_assert(put(desired, 5));
    ck_assert(!put(desired, 5));
    ck_assert(!put(desired, 4));
    ck_assert(put(desired, 6));
    desired = reopen(desired, &n_broken);
    ck_assert_uint_eq(n_broken, 0);
    struct server_record record;
    ck_assert(desired_find(desired, SERVER, &record));
    ck_assert_int_eq(record.order->generation, 6);
    ck_assert_int_eq(record.progress.reboot_done, -1);
    server_record_done(&record);
    desired_free(desired);
}
END_TEST

START_TEST(progress_survives_and_belongs_to_its_order)
{
    size_t n_broken;
    struct err err = {0};
    struct desired *desired = reopen(NULL, &n_broken);
    ck_assert(put(desired, 5));
    struct server_record record;
    ck_assert(desired_find(desired, SERVER, &record));
    record.progress.started_generation = 5;
    record.progress.reboot_done = 2;
    ck_assert_int_eq(desired_set_progress(desired, &record, &err), RC_OK);
    ck_assert(put(desired, 6));
    record.progress.failed_generation = 5; // made with the older order
    ck_assert_int_eq(desired_set_progress(desired, &record, &err), RC_OK);
    server_record_done(&record);
    desired = reopen(desired, &n_broken);
    ck_assert(desired_find(desired, SERVER, &record));
    ck_assert_int_eq(record.progress.started_generation, 5);
    ck_assert_int_eq(record.progress.reboot_done, 2);
    ck_assert_int_eq(record.progress.failed_generation, 0);
    server_record_done(&record);
    desired_free(desired);
}
END_TEST

START_TEST(a_tombstone_holds_until_it_is_old)
{
    size_t n_broken;
    struct err err = {0};
    struct desired *desired = reopen(NULL, &n_broken);
    ck_assert(put(desired, 5));
    struct server_record record;
    ck_assert(desired_find(desired, SERVER, &record));
    record.progress.absent_done = true;
    ck_assert_int_eq(desired_set_progress(desired, &record, &err), RC_OK);
    server_record_done(&record);
    ck_assert(!put(desired, 4));
    g_autoptr(GPtrArray) listed = desired_list(desired);
    ck_assert_uint_eq(listed->len, 0);
    desired_prune(desired, now_us() - 10 * G_USEC_PER_SEC);
    ck_assert(!put(desired, 4));
    desired_prune(desired, now_us() + 10 * G_USEC_PER_SEC);
    ck_assert(put(desired, 4));
    desired_free(desired);
}
END_TEST

START_TEST(a_torn_file_is_set_aside)
{
    size_t n_broken;
    struct desired *desired = reopen(NULL, &n_broken);
    ck_assert(put(desired, 5));
    g_autofree char *path = g_build_filename(dir, SERVER ".json", NULL);
    ck_assert(g_file_set_contents(path, "{\"order\": {\"ser", -1, NULL));
    desired = reopen(desired, &n_broken);
    ck_assert_uint_eq(n_broken, 1);
    struct server_record record;
    ck_assert(!desired_find(desired, SERVER, &record));
    desired_free(desired);
}
END_TEST

// ---- the rest

START_TEST(the_console_ends_with_the_lines_asked_for)
{
    g_autofree char *path = g_build_filename(dir, "console.log", NULL);
    ck_assert(g_file_set_contents(path, "a\nb\nc\n", -1, NULL));
    g_autofree char *two = console_tail(path, 2);
    ck_assert_str_eq(two, "b\nc\n");
    g_autofree char *all = console_tail(path, -1);
    ck_assert_str_eq(all, "a\nb\nc\n");
    g_autofree char *more = console_tail(path, 9);
    ck_assert_str_eq(more, "a\nb\nc\n");
    g_autofree char *none = console_tail(path, 0);
    ck_assert_str_eq(none, "");
    g_autofree char *missing = console_tail("/nonexistent", 5);
    ck_assert_str_eq(missing, "");
}
END_TEST

struct tally {
    GMutex mutex;
    GCond changed;
    int running, most, runs;
};

static int64_t
count(const char *key, void *context)
{
    struct tally *tally = context;
    g_mutex_lock(&tally->mutex);
    tally->running++;
    tally->most = MAX(tally->most, tally->running);
    g_mutex_unlock(&tally->mutex);
    g_usleep(2000);
    g_mutex_lock(&tally->mutex);
    tally->running--;
    tally->runs++;
    int64_t again_ms = tally->runs < 20 ? 1 : -1;
    g_cond_signal(&tally->changed);
    g_mutex_unlock(&tally->mutex);
    return again_ms;
}

START_TEST(one_key_is_worked_on_by_one_thread_at_a_time)
{
    struct tally tally = {0};
    struct converge *converge = converge_new(4, count, &tally);
    for (int i = 0; i < 50; i++) {
        converge_wake(converge, "a");
    }
    int64_t end_us = g_get_monotonic_time() + 10 * G_USEC_PER_SEC;
    g_mutex_lock(&tally.mutex);
    while (tally.runs < 20 && g_cond_wait_until(&tally.changed, &tally.mutex, end_us)) {
    }
    g_mutex_unlock(&tally.mutex);
    converge_stop(converge);
    converge_free(converge);
    ck_assert_int_ge(tally.runs, 20);
    ck_assert_int_eq(tally.most, 1);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("hypervisor_guest");
    TCase *pure = tcase_create("pure");
    tcase_add_loop_test(pure, a_bad_order_is_refused_by_field, 0, (int)N_ELEMENTS(BAD));
    tcase_add_test(pure, an_absent_order_needs_little);
    tcase_add_test(pure, the_xml_escapes_what_people_named);
    tcase_add_test(pure, a_name_that_xml_cannot_hold_is_left_out);
    tcase_add_test(pure, with_kvm_the_guest_sees_the_hosts_processor);
    tcase_add_test(pure, only_our_names_are_ours);
    tcase_add_loop_test(pure, a_path_has_its_document, 0, (int)N_ELEMENTS(DOCS));
    tcase_add_test(pure, meta_data_has_what_cloud_init_reads);
    tcase_add_test(pure, one_key_is_worked_on_by_one_thread_at_a_time);
    suite_add_tcase(suite, pure);
    TCase *disk = tcase_create("disk");
    tcase_add_checked_fixture(disk, dir_make, dir_remove);
    tcase_add_test(disk, the_newest_order_survives);
    tcase_add_test(disk, progress_survives_and_belongs_to_its_order);
    tcase_add_test(disk, a_tombstone_holds_until_it_is_old);
    tcase_add_test(disk, a_torn_file_is_set_aside);
    tcase_add_test(disk, the_console_ends_with_the_lines_asked_for);
    suite_add_tcase(suite, disk);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
