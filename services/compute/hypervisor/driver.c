// SPDX-License-Identifier: Apache-2.0
#include "services/compute/hypervisor/driver.h"

#include <string.h>

#include "common/base/util.h"

static const struct driver *const DRIVERS[] = {&DRIVER_LIBVIRT, &DRIVER_SIMULATED};

const struct driver *
driver_find(const char *name)
{
    for (size_t i = 0; i < N_ELEMENTS(DRIVERS); i++) {
        if (strcmp(DRIVERS[i]->name, name) == 0) {
            return DRIVERS[i];
        }
    }
    return NULL;
}
