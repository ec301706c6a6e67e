// SPDX-License-Identifier: Apache-2.0
// What a guest may know about itself: OpenStack's and EC2's metadata from its order. Pure. The
// config drive and the metadata service show the same documents. Formats: Nova's user documentation
// "metadata", and the EC2 instance metadata listing.
#pragma once
#include <glib.h>

#include "services/compute/hypervisor/order.h"

// The document at an HTTP path ("/openstack/latest/meta_data.json",
// "/latest/meta-data/instance-id"), as bytes the caller frees with g_bytes_unref; NULL: there is
// none. ret_type: its content type, static.
GBytes *metadata_doc_find(const struct order *order, const char *path, const char **ret_type);

// The files of a config drive, by path below its root: "openstack/latest/meta_data.json";
// NULL-terminated.
extern const char *const CONFIG_DRIVE_FILES[];
