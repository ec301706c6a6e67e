// SPDX-License-Identifier: Apache-2.0
#include "services/compute/hypervisor/guest.h"

#include <glib.h>
#include <string.h>

#include "common/base/util.h"

#define NAME_PREFIX "instance-"
#define TCG_CACHE_MIB 64 // QEMU's default makes every small guest cost 180 MB more

struct guest_paths
guest_paths_new(const char *state_dir, const char *server_id)
{
    struct guest_paths paths = {.dir = g_build_filename(state_dir, "instances", server_id, NULL)};
    paths.disk = g_build_filename(paths.dir, "disk", NULL);
    paths.config_drive = g_build_filename(paths.dir, "config.iso", NULL);
    paths.console = g_build_filename(paths.dir, "console.log", NULL);
    return paths;
}

void
guest_paths_done(struct guest_paths *paths)
{
    g_free(paths->dir);
    g_free(paths->disk);
    g_free(paths->config_drive);
    g_free(paths->console);
}

void
guest_name(const char *server_id, char ret_name[GUEST_NAME_SIZE])
{
    g_snprintf(ret_name, GUEST_NAME_SIZE, NAME_PREFIX "%s", server_id);
}

const char *
guest_name_to_id(const char *name)
{
    if (!g_str_has_prefix(name, NAME_PREFIX)) {
        return NULL;
    }
    const char *id = name + strlen(NAME_PREFIX);
    return order_id_is_safe(id) ? id : NULL;
}

void
guest_tap(const char *port_id, char ret_tap[GUEST_TAP_SIZE])
{
    g_snprintf(ret_tap, GUEST_TAP_SIZE, "tap%.11s", port_id);
}

// Appends with every argument escaped for XML.
static void __attribute__((format(printf, 2, 3))) add(GString *xml, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *text = g_markup_vprintf_escaped(format, args);
    va_end(args);
    g_string_append(xml, text);
}

static void
add_head(GString *xml, const struct order *order, const struct guest_host *host)
{
    char name[GUEST_NAME_SIZE];
    guest_name(order->server_id, name);
    add(xml, "<domain type='%s'>\n<name>%s</name>\n<uuid>%s</uuid>\n", host->domain_type, name,
        order->server_id);
    const char *title = json_string_value(json_object_get(order->metadata, "name"));
    if (title && text_is_clean(title, 255)) {
        add(xml, "<title>%s</title>\n", title);
    }
    add(xml,
        "<memory unit='MiB'>%" G_GINT64_FORMAT
        "</memory>\n<vcpu placement='static'>%" G_GINT64_FORMAT "</vcpu>\n",
        order->flavor.ram_mib, order->flavor.vcpus);
    add(xml,
        "<sysinfo type='smbios'><system><entry name='manufacturer'>OpenStack Foundation</entry>"
        "<entry name='product'>OpenStack Nova</entry><entry name='serial'>%s</entry>"
        "<entry name='uuid'>%s</entry></system></sysinfo>\n",
        order->server_id, order->server_id);
    add(xml,
        "<os><type arch='%s' machine='%s'>hvm</type><boot dev='hd'/><smbios "
        "mode='sysinfo'/></os>\n",
        host->arch, host->machine);
}

static void
add_cpu(GString *xml, const struct guest_host *host)
{
    bool tcg = strcmp(host->domain_type, "qemu") == 0;
    g_string_append(xml, "<features><acpi/><apic/>");
    if (tcg) {
        add(xml, "<tcg><tb-cache unit='MiB'>%d</tb-cache></tcg>", TCG_CACHE_MIB);
    }
    g_string_append(xml, "</features>\n");
    if (*host->cpu_model) {
        add(xml,
            "<cpu mode='custom' match='exact' check='none'><model "
            "fallback='forbid'>%s</model></cpu>\n",
            host->cpu_model);
    } else {
        g_string_append(xml, "<cpu mode='host-model' check='partial'/>\n");
    }
    g_string_append(xml, "<clock offset='utc'/>\n<on_poweroff>destroy</on_poweroff>"
                         "<on_reboot>restart</on_reboot><on_crash>destroy</on_crash>\n");
}

static void
add_disks(GString *xml, const struct order *order, const struct guest_paths *paths,
          const struct guest_host *host)
{
    add(xml,
        "<disk type='file' device='disk'><driver name='qemu' type='qcow2' cache='%s' "
        "discard='unmap'/><source file='%s'/><target dev='vda' bus='virtio'/></disk>\n",
        host->disk_cache, paths->disk);
    if (order->config_drive) {
        add(xml,
            "<disk type='file' device='cdrom'><driver name='qemu' type='raw'/><source file='%s'/>"
            "<target dev='hda' bus='ide'/><readonly/></disk>\n",
            paths->config_drive);
    }
}

static void
add_port(GString *xml, const struct order_port *port, const struct guest_host *host)
{
    char tap[GUEST_TAP_SIZE];
    guest_tap(port->id, tap);
    add(xml,
        "<interface type='bridge'><mac address='%s'/><source bridge='%s'/>"
        "<virtualport type='openvswitch'><parameters interfaceid='%s'/></virtualport>"
        "<target dev='%s'/><model type='virtio'/>",
        port->mac, host->bridge, port->id, tap);
    if (!host->checksum_offload) {
        // A user-space datapath reads raw frames: a checksum left to hardware is never filled in.
        g_string_append(xml, "<driver name='qemu'><host csum='off' gso='off' tso4='off' tso6='off' "
                             "ecn='off' ufo='off' mrg_rxbuf='off'/><guest csum='off' tso4='off' "
                             "tso6='off' ecn='off' ufo='off'/></driver>");
    }
    if (port->mtu > 0) {
        add(xml, "<mtu size='%" G_GINT64_FORMAT "'/>", port->mtu);
    }
    g_string_append(xml, "</interface>\n");
}

static void
add_console(GString *xml, const struct guest_paths *paths)
{
    add(xml,
        "<serial type='file'><source path='%s'/><target port='0'/></serial>\n"
        "<serial type='pty'><target port='1'/></serial>\n",
        paths->console);
    g_string_append(
        xml,
        "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>\n"
        "<graphics type='vnc' port='-1' autoport='yes' listen='127.0.0.1'/>\n"
        "<video><model type='cirrus'/></video>\n"
        "<memballoon model='virtio'><stats period='10'/></memballoon>\n"
        "<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>\n");
}

char *
guest_xml(const struct order *order, const struct guest_paths *paths, const struct guest_host *host)
{
    GString *xml = g_string_sized_new(4096);
    add_head(xml, order, host);
    add_cpu(xml, host);
    g_string_append(xml, "<devices>\n");
    add_disks(xml, order, paths, host);
    for (size_t i = 0; *host->bridge && i < order->n_ports; i++) {
        add_port(xml, &order->ports[i], host);
    }
    add_console(xml, paths);
    g_string_append(xml, "</devices>\n</domain>\n");
    return g_string_free(xml, FALSE);
}
