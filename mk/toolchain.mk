# SPDX-License-Identifier: Apache-2.0
# Compiler, flags by variant (BUILD=debug|release|asan|tsan|analyze), and the rule that a changed flag rebuilds all.
CC := gcc
PKGS := glib-2.0 jansson libmicrohttpd libpq libjwt librabbitmq libcurl libcrypto gmp zlib libzstd
PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
PKG_LIBS := $(shell pkg-config --libs $(PKGS) 2>/dev/null)
VIRT_LIBS := -lvirt

WARN := -Wall -Wextra $(if $(filter analyze,$(BUILD)),,-Werror) -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
        -Wwrite-strings -Wformat=2 -Wvla -Wundef -Wno-missing-field-initializers -Wno-unused-parameter
OPT_debug := -O1 -g3
OPT_release := -O2 -g -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fPIE
OPT_asan := -O1 -g3 -fsanitize=address,undefined -fno-omit-frame-pointer -fno-sanitize-recover=undefined
OPT_tsan := -O1 -g3 -fsanitize=thread
# The leak gate: gcc understands cleanup attributes. It does not know that RC_OK means a result, so NULL is not judged.
OPT_analyze := -O1 -g -fanalyzer -Wno-analyzer-null-dereference -Wno-analyzer-possible-null-dereference -Wno-analyzer-possible-null-argument -Wno-analyzer-null-argument
OPT := $(OPT_$(BUILD))
$(if $(OPT),,$(error BUILD must be one of debug release asan tsan analyze, not '$(BUILD)'))

VERSION := $(shell cat VERSION)
CFLAGS_ALL := -std=gnu17 $(OPT) $(WARN) -I. -DHANEUL_VERSION='"$(VERSION)"' -D_GNU_SOURCE $(PKG_CFLAGS) $(CFLAGS)
LDFLAGS_ALL := $(OPT) -pthread -Wl,--as-needed $(LDFLAGS)
LIBS_ALL := $(PKG_LIBS) -lcrypt -lpthread

# A changed flag changes the stamp, and every object depends on it.
FLAGS_STAMP := $(O)/flags
$(shell mkdir -p $(O); printf '%s\n' '$(subst ','"'"',$(CC) $(CFLAGS_ALL))' > $(FLAGS_STAMP).new; \
        cmp -s $(FLAGS_STAMP).new $(FLAGS_STAMP) || mv $(FLAGS_STAMP).new $(FLAGS_STAMP); rm -f $(FLAGS_STAMP).new)

$(O)/%.o: %.c $(FLAGS_STAMP)
	@mkdir -p $(@D)
	@echo "  CC $<"
	@$(CC) $(CFLAGS_ALL) -MMD -MP -c $< -o $@
