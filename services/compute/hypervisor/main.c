// SPDX-License-Identifier: Apache-2.0
// haneul-hypervisor: the agent of one hypervisor host. Two more modes are programs that it starts
// itself.
#include <string.h>

#include "common/base/util.h"
#include "services/compute/hypervisor/agent_main.h"
#include "services/compute/hypervisor/kvm_probe.h"
#include "services/compute/hypervisor/metadata_server.h"

static const struct {
    const char *option;
    int (*run)(int argc, char **argv);
} MODES[] = {
    {"--metadata-proxy", metadata_proxy_main},
    {"--kvm-probe", kvm_probe_main},
};

static const struct service_def SERVICE = {
    .name = "hypervisor",
    .parts = SERVICE_BUS,
    .settings = AGENT_SETTINGS,
    .version_service = "",
    .start = agent_start,
    .stop = agent_stop,
};

int
main(int argc, char **argv)
{
    for (size_t i = 0; argc > 1 && i < N_ELEMENTS(MODES); i++) {
        if (strcmp(argv[1], MODES[i].option) == 0) {
            return MODES[i].run(argc, argv);
        }
    }
    return service_main(&SERVICE, argc, argv);
}
