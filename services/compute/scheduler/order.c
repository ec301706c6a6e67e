// SPDX-License-Identifier: Apache-2.0
// The order: everything an agent needs to make one server what it should be, and nothing else.
#include <string.h>

#include "services/compute/scheduler/work_db.h"

static const char *const ticket_fields[] = {"id",           "url",           "size",
                                            "os_hash_algo", "os_hash_value", "disk_format"};

// A URL and what it leads to. When the image is gone, what it was remains known: hosts boot from
// their own copy.
static enum rc
image_part(struct scheduler *scheduler, const struct job *job, json_t **ret_image, struct err *err)
{
    json_auto_t *body = json_pack("{s:s}", "project_id", job_text(job, "project_id")),
                *ticket = NULL;
    const char *image_id = job_text(job, "image_id");
    g_autofree char *url =
        g_strdup_printf("%s/internal/v1/images/%s/ticket", scheduler->image_url, image_id);
    struct call call = {.method = "POST", .url = url, .body = body, .timeout_ms = 5000};
    json_t *known = json_object_get(json_object_get(job->server, "image"), "ticket");
    enum rc rc = client_call(scheduler->client, &call, &ticket, err);
    if ((rc == RC_NOT_FOUND || rc == RC_FORBIDDEN || rc == RC_CONFLICT || rc == RC_GONE) && known) {
        *ret_image = json_incref(known);
        return RC_OK;
    }
    if (rc == RC_NOT_FOUND || rc == RC_FORBIDDEN || rc == RC_GONE) {
        return fault(err, RC_NOT_FOUND, "Image %s could not be found.", image_id);
    }
    if (rc != RC_OK) {
        return rc;
    }
    json_t *image = json_object();
    for (size_t i = 0; i < G_N_ELEMENTS(ticket_fields); i++) {
        json_object_set(image, ticket_fields[i], json_object_get(ticket, ticket_fields[i]));
    }
    const char *path = json_string_value(json_object_get(image, "url"));
    if (path && path[0] == '/') {
        g_autofree char *absolute = g_strconcat(scheduler->image_url, path, NULL);
        json_object_set_new(image, "url", json_string(absolute));
    }
    *ret_image = image;
    return RC_OK;
}

static json_t *
ports_part(const struct job *job)
{
    json_t *ports = json_array(), *row;
    size_t i;
    json_array_foreach(job->ports, i, row)
    {
        json_t *port = json_object();
        json_object_set(port, "id", json_object_get(row, "port_id"));
        json_object_set(port, "mac", json_object_get(row, "mac"));
        json_object_set(port, "network_id", json_object_get(row, "network_id"));
        json_object_set(port, "fixed_ips", json_object_get(row, "fixed_ips"));
        json_t *mtu = json_object_get(row, "mtu");
        json_object_set_new(port, "mtu", json_integer(json_integer_value(mtu)));
        json_object_set(port, "metadata_port_id", json_object_get(row, "metadata_port_id"));
        json_object_set(port, "metadata_ip", json_object_get(row, "metadata_ip"));
        json_array_append_new(ports, port);
    }
    return ports;
}

static json_t *
keys_part(const struct job *job)
{
    json_t *keys = json_array();
    if (job_text(job, "key_data")) {
        json_array_append_new(
            keys, json_pack("{s:s,s:s,s:s}", "name", job_text(job, "key_name"), "type",
                            job_text(job, "key_type") ? job_text(job, "key_type") : "ssh", "data",
                            job_text(job, "key_data")));
    }
    return keys;
}

static json_t *
metadata_part(const struct job *job)
{
    const char *zone = json_string_value(json_object_get(job->host, "zone"));
    return json_pack("{s:s,s:s,s:s,s:s,s:s,s:I,s:o,s:O,s:s?,s:n}", "uuid", job->id, "name",
                     job_text(job, "name"), "hostname", job_text(job, "hostname"), "project_id",
                     job_text(job, "project_id"), "availability_zone", zone ? zone : "nova",
                     "launch_index", (json_int_t)job_int(job, "launch_index"), "keys",
                     keys_part(job), "meta", json_object_get(job->server, "metadata"), "user_data",
                     job_text(job, "user_data"), "admin_pass");
}

enum rc
order_make(struct scheduler *scheduler, const struct job *job, json_t **ret_order, struct err *err)
{
    json_t *image = NULL;
    const char *desired = job_text(job, "desired");
    if (strcmp(desired, "absent") == 0) {
        *ret_order = order_absent(job->id, job->generation);
        return RC_OK;
    }
    enum rc rc = image_part(scheduler, job, &image, err);
    if (rc != RC_OK) {
        return rc;
    }
    *ret_order = json_pack(
        "{s:s,s:I,s:s,s:I,s:b,s:{s:I,s:I,s:I},s:o,s:o,s:o,s:b}", "server_id", job->id, "generation",
        (json_int_t)job->generation, "state", desired, "reboot_count",
        (json_int_t)job_int(job, "reboot_count"), "reboot_hard", job_flag(job, "reboot_hard"),
        "flavor", "vcpus", (json_int_t)job_int(job, "vcpus"), "ram_mib",
        (json_int_t)job_int(job, "ram_mib"), "disk_gib", (json_int_t)job_int(job, "disk_gib"),
        "image", image, "ports", ports_part(job), "metadata", metadata_part(job), "config_drive",
        job_flag(job, "config_drive"));
    return RC_OK;
}

json_t *
order_absent(const char *server_id, int64_t generation)
{
    return json_pack("{s:s,s:I,s:s}", "server_id", server_id, "generation", (json_int_t)generation,
                     "state", "absent");
}
