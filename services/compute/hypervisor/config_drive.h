// SPDX-License-Identifier: Apache-2.0
// A guest's metadata as an ISO 9660 image labelled config-2, for guests that cannot or may not ask
// over the network.
#pragma once
#include "services/compute/hypervisor/order.h"

// Makes the image at `path` (beside, then renamed); its directory must exist.
enum rc config_drive_make(const struct order *order, const char *path, struct err *err) CHECKED;
