// SPDX-License-Identifier: Apache-2.0
// Does KVM run an ordinary 64-bit guest here, and at a guest's speed? Runs one of twelve
// instructions. A program mode of its own, because a half-working KVM may hang: whoever asks kills
// it after a time.
#pragma once
// Exit status: 0 usable, 1 no KVM, 2 it is there but does not do.
int kvm_probe_main(int argc, char **argv);
