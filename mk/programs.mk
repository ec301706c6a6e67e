# SPDX-License-Identifier: Apache-2.0
# One static library per folder (all but main.c), one program per main.c.
# A program's migrations, services/X/schema/*.sql and the common ones, are linked into it.
COMMON_SRC := $(wildcard common/*/*.c)
COMMON_LIB := $(O)/libcommon.a

PROGRAMS := identity image network billing compute scheduler hypervisor
# The folders below a service are its rooms.
rooms = $(patsubst %/,%,$(wildcard $(1)/*/))
DIRS_identity := services/identity $(call rooms,services/identity)
DIRS_image := services/image $(call rooms,services/image)
DIRS_network := services/network/api services/network/ovn
DIRS_billing := services/billing
DIRS_compute := services/compute/api services/compute/proxy services/compute/core
DIRS_scheduler := services/compute/scheduler services/compute/core
DIRS_hypervisor := services/compute/hypervisor
SCHEMA_identity := services/identity/schema
SCHEMA_image := services/image/schema
SCHEMA_network := services/network/schema
SCHEMA_billing := services/billing/schema
SCHEMA_compute := services/compute/schema
LIBS_hypervisor := $(VIRT_LIBS)

objs = $(patsubst %.c,$(O)/%.o,$(1))
program_src = $(foreach d,$(DIRS_$(1)),$(filter-out %/main.c,$(wildcard $(d)/*.c)))
# GLib's locks as ThreadSanitizer can see them.
TSAN_OBJ := $(if $(filter tsan,$(BUILD)),$(O)/tests/lib/tsan_glib.o)
# A program exists as soon as its main.c does.
READY := $(foreach p,$(PROGRAMS),$(if $(wildcard $(firstword $(DIRS_$(p)))/main.c),$(p)))
PROGRAM_BINS := $(foreach p,$(READY),$(O)/bin/haneul-$(p))

$(COMMON_LIB): $(call objs,$(COMMON_SRC))
	@rm -f $@; ar rcs $@ $^

define program_rules
.PHONY: $(1)
$(1): $(O)/bin/haneul-$(1)
$(O)/lib$(1).a: $(call objs,$(call program_src,$(1)))
	@rm -f $$@; ar rcs $$@ $$^
$(O)/bin/haneul-$(1): $(O)/$(firstword $(DIRS_$(1)))/main.o $(O)/lib$(1).a $(O)/migrations_$(1).o $(TSAN_OBJ) $(COMMON_LIB)
	@mkdir -p $$(@D)
	@echo "  LD $$@"
	@$(CC) $(LDFLAGS_ALL) -o $$@ $$^ $(LIBS_$(1)) $(LIBS_ALL)
$(O)/migrations_$(1).c: $(if $(SCHEMA_$(1)),$(wildcard $(SCHEMA_$(1))/*.sql common/db/schema/*.sql)) mk/embed-migrations.sh mk/programs.mk
	@sh mk/embed-migrations.sh $(if $(SCHEMA_$(1)),common/db/schema $(SCHEMA_$(1))) > $$@
$(O)/migrations_$(1).o: $(O)/migrations_$(1).c $(FLAGS_STAMP)
	@$(CC) $(CFLAGS_ALL) -c $$< -o $$@
endef
$(foreach p,$(PROGRAMS),$(eval $(call program_rules,$(p))))

ALL_SRC := $(COMMON_SRC) $(foreach p,$(READY),$(call program_src,$(p)) $(firstword $(DIRS_$(p)))/main.c)
DEPS := $(patsubst %.c,$(O)/%.d,$(sort $(ALL_SRC)))

PREFIX ?= /usr
install: all ## install programs, migrations, documentation and systemd units under DESTDIR
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)/etc/haneul $(DESTDIR)$(PREFIX)/lib/systemd/system
	install -m 755 $(PROGRAM_BINS) $(DESTDIR)$(PREFIX)/bin
	install -m 644 $(wildcard deploy/systemd/*.service) $(DESTDIR)$(PREFIX)/lib/systemd/system
	install -m 640 $(wildcard deploy/etc/*.conf) $(DESTDIR)/etc/haneul
.PHONY: install

# Programs for service tests: one made of common/ alone, one that drives the northbound mapping.
TEST_PROGRAMS := $(O)/bin/haneul-test-things $(O)/bin/haneul-test-ovn
$(O)/bin/haneul-test-ovn: $(O)/libnetwork.a
$(O)/bin/haneul-test-%: $(O)/tests/lib/%.o $(TSAN_OBJ) $(COMMON_LIB)
	@mkdir -p $(@D)
	@$(CC) $(LDFLAGS_ALL) -o $@ -Wl,--start-group $(filter %.o %.a,$^) -Wl,--end-group $(CHECK_LIBS) $(LIBS_ALL)
DEPS += $(O)/tests/lib/things.d $(O)/tests/lib/ovn.d
