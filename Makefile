# SPDX-License-Identifier: Apache-2.0
# The only entry point. `make help` lists the targets; mk/ holds the rules.
BUILD ?= debug
O ?= build/$(BUILD)

all:

include mk/toolchain.mk
include mk/programs.mk
include mk/tests.mk
include mk/docs.mk
include mk/fuzz.mk
include mk/lint.mk
include mk/bench.mk
include mk/cloud.mk

-include $(DEPS)
.PHONY: all help clean
all: $(PROGRAM_BINS)

help:
	@grep -hE '^[a-z-]+:.*##' Makefile mk/*.mk | sed 's/:.*##/\t/' | sort

clean: ## remove every build tree
	rm -rf build
