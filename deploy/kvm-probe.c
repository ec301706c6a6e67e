// SPDX-License-Identifier: Apache-2.0
// Says whether /dev/kvm runs an ordinary 64-bit guest at a useful speed: exit 0 yes, 1 no. Opening the device or making a
// virtual machine proves nothing where long mode is emulated, so this runs a long-mode loop and looks at the clock.
// Source: Linux Documentation/virt/kvm/api.rst; Intel SDM volume 3, IA-32e mode paging.
#include <fcntl.h>
#include <linux/kvm.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { MEMORY = 0x200000, CODE = 0x1000, PML4 = 0x2000, PDPT = 0x3000, PD = 0x4000, STACK = 0x8000 };
enum { LIMIT_MS = 200, ALARM_S = 2 };

// xor %eax,%eax; mov $1<<20,%ecx; 1: dec %ecx; jnz 1b; mov $0x3f8,%dx; out %al,(%dx); hlt
static const uint8_t code[] = {0x31, 0xc0, 0xb9, 0x00, 0x00, 0x10, 0x00, 0xff, 0xc9,
                               0x75, 0xfc, 0x66, 0xba, 0xf8, 0x03, 0xee, 0xf4};

static int
no(const char *why)
{
    printf("no: %s\n", why);
    return 1;
}

static void
on_alarm(int signal_number)
{
    (void)signal_number;
}

static uint8_t *
guest_memory(int vm)
{
    uint8_t *memory =
        mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        return NULL;
    }
    const uint64_t present_writable = 3, large_page = 0x80;
    const uint64_t tables[][2] = {{PML4, PDPT | present_writable},
                                  {PDPT, PD | present_writable},
                                  {PD, large_page | present_writable}};
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        memcpy(memory + tables[i][0], &tables[i][1], sizeof(uint64_t));
    }
    memcpy(memory + CODE, code, sizeof(code));
    struct kvm_userspace_memory_region region = {.memory_size = MEMORY,
                                                 .userspace_addr = (uintptr_t)memory};
    return ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region) ? NULL : memory;
}

static int
enter_long_mode(int vcpu)
{
    struct kvm_sregs sregs;
    if (ioctl(vcpu, KVM_GET_SREGS, &sregs)) {
        return -1;
    }
    struct kvm_segment text = {
        .limit = 0xffffffff, .selector = 8, .present = 1, .type = 11, .s = 1, .l = 1, .g = 1};
    struct kvm_segment data = {
        .limit = 0xffffffff, .selector = 16, .present = 1, .type = 3, .s = 1, .db = 1, .g = 1};
    sregs.cs = text;
    sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = data;
    sregs.cr3 = PML4;
    sregs.cr4 = 0x20;        // PAE
    sregs.cr0 = 0x80050033;  // PG WP NE ET MP PE AM
    sregs.efer = 0x500;      // LMA LME
    struct kvm_regs regs = {.rip = CODE, .rflags = 2, .rsp = STACK};
    return ioctl(vcpu, KVM_SET_SREGS, &sregs) || ioctl(vcpu, KVM_SET_REGS, &regs) ? -1 : 0;
}

static double
elapsed_ms(const struct timespec *from)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (now.tv_sec - from->tv_sec) * 1e3 + (now.tv_nsec - from->tv_nsec) / 1e6;
}

int
main(void)
{
    int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    int vm = kvm < 0 ? -1 : ioctl(kvm, KVM_CREATE_VM, 0);
    if (vm < 0) {
        return no("no usable /dev/kvm");
    }
    if (ioctl(vm, KVM_SET_TSS_ADDR, 0xfffbd000) || !guest_memory(vm)) {
        return no("cannot give a guest memory");
    }
    int vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
    int size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
    struct kvm_run *run =
        vcpu < 0 || size < 0 ? MAP_FAILED : mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
    if (run == MAP_FAILED || enter_long_mode(vcpu)) {
        return no("cannot make a virtual CPU");
    }
    struct sigaction action = {.sa_handler = on_alarm};
    sigaction(SIGALRM, &action, NULL);
    alarm(ALARM_S);
    struct timespec from;
    clock_gettime(CLOCK_MONOTONIC, &from);
    int failed = ioctl(vcpu, KVM_RUN, 0);
    double ms = elapsed_ms(&from);
    if (failed || run->exit_reason != KVM_EXIT_IO) {
        return no("a 64-bit guest does not run");
    }
    if (ms > LIMIT_MS) {
        return no("a 64-bit guest runs, but is emulated instruction by instruction");
    }
    printf("yes: a million loops in %.1f ms\n", ms);
    return 0;
}
