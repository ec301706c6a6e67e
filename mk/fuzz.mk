# SPDX-License-Identifier: Apache-2.0
# libFuzzer targets. `make fuzz FUZZ_SECONDS=600` explores each; `make test-fuzz` only runs the committed corpus and a short exploration.
FUZZ_SECONDS ?= 60
FUZZ_NAMES := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_O := build/fuzz
FUZZ_CFLAGS := -std=gnu17 -O1 -g -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined -I. -D_GNU_SOURCE \
    -DHANEUL_VERSION='"$(VERSION)"' $(PKG_CFLAGS)
FUZZ_SRC := $(COMMON_SRC) $(call program_src,image) $(call program_src,hypervisor) $(call program_src,network) $(call program_src,identity)

$(FUZZ_O)/%.o: %.c
	@mkdir -p $(@D)
	@clang $(FUZZ_CFLAGS) -w -MMD -MP -c $< -o $@
$(FUZZ_O)/libfuzzed.a: $(patsubst %.c,$(FUZZ_O)/%.o,$(FUZZ_SRC))
	@rm -f $@; ar rcs $@ $^
$(FUZZ_O)/fuzz_%: $(FUZZ_O)/tests/fuzz/fuzz_%.o $(FUZZ_O)/libfuzzed.a
	@clang -fsanitize=fuzzer,address,undefined -o $@ $< -Wl,--start-group $(FUZZ_O)/libfuzzed.a -Wl,--end-group $(VIRT_LIBS) $(LIBS_ALL)
.PRECIOUS: $(FUZZ_O)/%.o

.PHONY: fuzz test-fuzz
fuzz: $(addprefix $(FUZZ_O)/fuzz_,$(FUZZ_NAMES)) ## explore every parser of outside bytes for FUZZ_SECONDS each
	@for n in $(FUZZ_NAMES); do mkdir -p $(FUZZ_O)/found/$$n tests/fuzz/corpus/$$n; echo "fuzz $$n"; \
	    $(FUZZ_O)/fuzz_$$n -max_total_time=$(FUZZ_SECONDS) -timeout=10 -rss_limit_mb=2048 -print_final_stats=0 -verbosity=0 \
	    -artifact_prefix=$(FUZZ_O)/ $(FUZZ_O)/found/$$n tests/fuzz/corpus/$$n || exit 1; done
test-fuzz: ## the corpus of every fuzz target, and ten seconds of exploration
	@$(MAKE) --no-print-directory fuzz FUZZ_SECONDS=10
-include $(patsubst %.c,$(FUZZ_O)/%.d,$(FUZZ_SRC))
