# SPDX-License-Identifier: Apache-2.0
# Figures. CPU times want BUILD=release; times an idle machine.
BENCH := HANEUL_BIN=$(abspath $(O))/bin /usr/bin/python3 -B
.PHONY: bench-identity bench-hammer bench-verify bench-scale bench-image
bench-identity: all ## requests per CPU second of identity's hot requests
	@$(BENCH) tests/bench/identity.py
bench-hammer: all $(O)/bench/latency ## validating a token beside 32 clients that log in
	@HANEUL_BENCH_LATENCY=$(abspath $(O))/bench/latency $(BENCH) tests/bench/hammer.py
bench-verify: $(O)/bench/verify ## tokens that one core verifies inside a service
	@$(O)/bench/verify
bench-scale: all ## pages, rows and plans of lists at 10^4 and 10^5 rows
	@HANEUL_SCALE=5 $(BENCH) -m pytest -p no:cacheprovider -q -s tests/service/test_identity_scale.py tests/service/test_image_scale.py
bench-image: all ## upload and download of 1 GiB beside dd, md5, sha512 and nginx
	@$(BENCH) tests/bench/image.py
$(O)/bench/%: $(O)/tests/bench/%.o $(COMMON_LIB)
	@mkdir -p $(@D)
	@$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS_ALL)
DEPS += $(O)/tests/bench/verify.d $(O)/tests/bench/latency.d
