// SPDX-License-Identifier: Apache-2.0
// Opening /dev/kvm, its version and even KVM_CREATE_VM prove nothing where virtualisation is nested
// or emulated: long mode is what guests live in, so a loop in long mode is what is timed.
#include "services/compute/hypervisor/kvm_probe.h"

#include <fcntl.h>
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <linux/kvm.h>

#define MEMORY_SIZE 0x200000
#define MAX_LOOP_US \
    200000 // a million turns take 0.3 ms on hardware, over a second when instructions are emulated

struct machine {
    int kvm, vm, vcpu;
    uint8_t *memory;
    struct kvm_run *run;
};

// mov rax,cr3; mov cr3,rax; mov ecx,EFER; rdmsr; mov eax,1; cpuid; a loop of 2^20 turns; out
// 0x3f8,'K'; hlt
static const uint8_t CODE[] = {
    0x0f, 0x20, 0xd8, 0x0f, 0x22, 0xd8, 0xb9, 0x80, 0x00, 0x00, 0xc0, 0x0f, 0x32,
    0xb8, 0x01, 0x00, 0x00, 0x00, 0x0f, 0xa2, 0xb9, 0x00, 0x00, 0x10, 0x00, 0xff,
    0xc9, 0x75, 0xfc, 0x66, 0xba, 0xf8, 0x03, 0xb0, 0x4b, 0xee, 0xf4,
};

// Identity-mapped first 2 MiB at 0x2000, code at 0x1000.
static bool
memory_make(struct machine *machine)
{
    machine->memory =
        mmap(NULL, MEMORY_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (machine->memory == MAP_FAILED) {
        return false;
    }
    uint64_t *level4 = (uint64_t *)(machine->memory + 0x2000);
    uint64_t *level3 = (uint64_t *)(machine->memory + 0x3000);
    uint64_t *level2 = (uint64_t *)(machine->memory + 0x4000);
    level4[0] = 0x3003;
    level3[0] = 0x4003;
    level2[0] = 0x83;
    memcpy(machine->memory + 0x1000, CODE, sizeof CODE);
    struct kvm_userspace_memory_region region = {0, 0, 0, MEMORY_SIZE, (uintptr_t)machine->memory};
    return ioctl(machine->vm, KVM_SET_USER_MEMORY_REGION, &region) == 0;
}

static bool
registers_set(const struct machine *machine)
{
    struct kvm_sregs sregs;
    if (ioctl(machine->vcpu, KVM_GET_SREGS, &sregs)) {
        return false;
    }
    sregs.cr3 = 0x2000;
    sregs.cr4 = 0x20;
    sregs.cr0 = 0x80050033;
    sregs.efer = 0x500;
    sregs.cs = (struct kvm_segment){
        .limit = 0xffffffff, .selector = 8, .present = 1, .type = 11, .s = 1, .l = 1, .g = 1};
    struct kvm_segment data = sregs.cs;
    data.type = 3;
    data.selector = 16;
    data.l = 0;
    data.db = 1;
    sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = data;
    struct kvm_regs regs = {.rip = 0x1000, .rflags = 2, .rsp = 0x8000};
    return ioctl(machine->vcpu, KVM_SET_SREGS, &sregs) == 0 &&
           ioctl(machine->vcpu, KVM_SET_REGS, &regs) == 0;
}

static bool
vcpu_make(struct machine *machine)
{
    machine->vcpu = ioctl(machine->vm, KVM_CREATE_VCPU, 0);
    int size = ioctl(machine->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
    if (machine->vcpu < 0 || size <= 0) {
        return false;
    }
    struct {
        struct kvm_cpuid2 head;
        struct kvm_cpuid_entry2 entries[200];
    } *cpuid = g_malloc0(sizeof *cpuid);
    cpuid->head.nent = 200;
    bool ok = ioctl(machine->kvm, KVM_GET_SUPPORTED_CPUID, cpuid) == 0 &&
              ioctl(machine->vcpu, KVM_SET_CPUID2, cpuid) == 0;
    g_free(cpuid);
    machine->run = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, machine->vcpu, 0);
    return ok && machine->run != MAP_FAILED && registers_set(machine);
}

int
kvm_probe_main(int argc, char **argv)
{
    struct machine machine = {.kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC)};
    if (machine.kvm < 0) {
        return 1;
    }
    machine.vm = ioctl(machine.kvm, KVM_CREATE_VM, 0);
    if (machine.vm < 0 || ioctl(machine.vm, KVM_SET_TSS_ADDR, 0xfffbd000UL) ||
        ioctl(machine.vm, KVM_CREATE_IRQCHIP, 0) || !memory_make(&machine) ||
        !vcpu_make(&machine)) {
        return 2;
    }
    alarm(2);
    int64_t start_us = g_get_monotonic_time();
    bool ran = ioctl(machine.vcpu, KVM_RUN, 0) == 0;
    int64_t took_us = g_get_monotonic_time() - start_us;
    return ran && machine.run->exit_reason == KVM_EXIT_IO && took_us < MAX_LOOP_US ? 0 : 2;
}
#else
int
kvm_probe_main(int argc, char **argv)
{
    int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    return fd < 0 ? 1 : 0;
}
#endif
