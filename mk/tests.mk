# SPDX-License-Identifier: Apache-2.0
# Every layer runs alone: make test-unit, test-service, test-system, test-fault. `make test` is all of them.
UNIT_SRC := $(wildcard tests/unit/test_*.c)
UNIT_BINS := $(patsubst tests/unit/%.c,$(O)/unit/%,$(UNIT_SRC))
CHECK_LIBS := $(shell pkg-config --libs check 2>/dev/null)
# Unit tests link every service's library; unused members are left out by the linker.
UNIT_LIBS := $(foreach p,$(READY),$(O)/lib$(p).a)

$(O)/unit/%: $(O)/tests/unit/%.o $(UNIT_LIBS) $(COMMON_LIB)
	@mkdir -p $(@D)
	@$(CC) $(LDFLAGS_ALL) -o $@ $< -Wl,--start-group $(UNIT_LIBS) $(COMMON_LIB) -Wl,--end-group $(CHECK_LIBS) $(VIRT_LIBS) $(LIBS_ALL)
DEPS += $(patsubst %.c,$(O)/%.d,$(UNIT_SRC))

PYTEST := /usr/bin/python3 -B -m pytest -p no:cacheprovider -q
.PHONY: test test-unit test-service test-system test-fault
test-unit: $(UNIT_BINS) ## pure code: tables of cases
	@for t in $(UNIT_BINS); do $$t || exit 1; done
test-service: all $(TEST_PROGRAMS) ## each service alone, against real PostgreSQL and RabbitMQ
	HANEUL_BIN=$(abspath $(O))/bin $(PYTEST) tests/service
test-system: all ## the whole cloud with real guests and unmodified clients
	HANEUL_BIN=$(abspath $(O))/bin $(PYTEST) tests/system
test-fault: all ## processes killed between any two steps
	HANEUL_BIN=$(abspath $(O))/bin $(PYTEST) tests/fault
test: deps ## everything that must hold
	$(MAKE) all test-unit test-service test-system test-fault
