# SPDX-License-Identifier: Apache-2.0
# Every layer runs alone: make test-unit, test-service, test-system, test-fault. `make test` is all of them.
UNIT_SRC := $(wildcard tests/unit/test_*.c)
UNIT_BINS := $(patsubst tests/unit/%.c,$(O)/unit/%,$(UNIT_SRC))
CHECK_LIBS := $(shell pkg-config --libs check 2>/dev/null)
# Unit tests link every service's library; unused members are left out by the linker.
UNIT_LIBS := $(foreach p,$(READY),$(O)/lib$(p).a)

$(O)/unit/%: $(O)/tests/unit/%.o $(UNIT_LIBS) $(COMMON_LIB) $(TSAN_OBJ)
	@mkdir -p $(@D)
	@$(CC) $(LDFLAGS_ALL) -o $@ $< $(TSAN_OBJ) -Wl,--start-group $(UNIT_LIBS) $(COMMON_LIB) -Wl,--end-group $(CHECK_LIBS) $(VIRT_LIBS) $(LIBS_ALL)
DEPS += $(patsubst %.c,$(O)/%.d,$(UNIT_SRC))
# Fuzz targets on what is committed for them.
REPLAY_SRC := $(wildcard tests/fuzz/fuzz_*.c)
REPLAY_NAMES := $(patsubst tests/fuzz/fuzz_%.c,%,$(REPLAY_SRC))
REPLAY_BINS := $(addprefix $(O)/replay/,$(REPLAY_NAMES))
$(O)/replay/%: $(O)/tests/fuzz/fuzz_%.o $(O)/tests/fuzz/replay.o $(UNIT_LIBS) $(COMMON_LIB) $(TSAN_OBJ)
	@mkdir -p $(@D)
	@$(CC) $(LDFLAGS_ALL) -o $@ $(filter %.o,$^) -Wl,--start-group $(UNIT_LIBS) $(COMMON_LIB) -Wl,--end-group $(VIRT_LIBS) $(LIBS_ALL)
DEPS += $(patsubst %.c,$(O)/%.d,$(REPLAY_SRC))

# A sanitizer's report of any process fails the layer, whatever the tests say. GLib's slices hand memory from thread to
# thread behind ThreadSanitizer's back.
REPORTS := $(abspath $(O))/report
SANITIZER_asan := ASAN_OPTIONS=detect_leaks=1:log_path=$(REPORTS) UBSAN_OPTIONS=print_stacktrace=1:log_path=$(REPORTS)
SANITIZER_tsan := G_SLICE=always-malloc TSAN_OPTIONS=suppressions=$(CURDIR)/tests/lib/tsan.supp:history_size=4:log_path=$(REPORTS)
no_reports = @for r in $(REPORTS).*; do [ ! -e $$r ] || { cat $$r; exit 1; }; done
define run_layer
	@rm -f $(REPORTS).*
	$(SANITIZER_$(BUILD)) HANEUL_BIN=$(abspath $(O))/bin $(PYTEST) $(1)
	$(no_reports)
endef
PYTEST := /usr/bin/python3 -B -m pytest -p no:cacheprovider -q
# Files that run side by side: they wait more than they compute.
SERVICE_TEST_JOBS ?= 3
.PHONY: test test-unit test-service test-system test-fault
test-unit: $(UNIT_BINS) $(REPLAY_BINS) ## pure code: tables of cases, and the fuzz targets on their corpora
	@rm -f $(REPORTS).*
	@for t in $(UNIT_BINS); do $(SANITIZER_$(BUILD)) $$t || exit 1; done
	@for n in $(REPLAY_NAMES); do echo "corpus $$n"; $(SANITIZER_$(BUILD)) $(O)/replay/$$n tests/fuzz/corpus/$$n/* || exit 1; done
	$(no_reports)
test-service: all $(TEST_PROGRAMS) ## each service alone, against real PostgreSQL and RabbitMQ
	$(call run_layer,-n $(SERVICE_TEST_JOBS) --dist loadfile tests/service)
test-system: all ## the whole cloud with real guests and unmodified clients
	$(call run_layer,tests/system)
test-fault: all ## processes killed between any two steps
	$(call run_layer,tests/fault)
test: deps ## everything that must hold
	$(MAKE) all test-unit test-service test-system test-fault
