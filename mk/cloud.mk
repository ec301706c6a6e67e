# SPDX-License-Identifier: Apache-2.0
# The one-machine cloud. PORT_OFFSET moves every public port; VAR is where everything private lives; PROFILE picks its settings.
PORT_OFFSET ?= 0
VAR ?= $(CURDIR)/var
PROFILE ?= default
JOBS ?= $(shell nproc)
CLOUD := HANEUL_BIN=$(abspath $(O))/bin /usr/bin/python3 -B deploy/cloud --var $(VAR) --port-offset $(PORT_OFFSET) --profile $(PROFILE)
.PHONY: deps demo up down status bench
deps: ## install the Debian packages that are missing
	@sh deploy/packages.sh
demo: deps ## from nothing to a person's own server and its cost
	@$(MAKE) --no-print-directory -j$(JOBS) all
	@$(CLOUD) demo
up: deps ## start the cloud and leave it running (openrc files in var/)
	@$(MAKE) --no-print-directory -j$(JOBS) all
	@$(CLOUD) up
down: ## stop exactly what was started
	@$(CLOUD) down
status: ## what runs, where it listens, where it logs
	@$(CLOUD) status
bench: all ## figures of this cloud (tests/bench)
	@HANEUL_BIN=$(abspath $(O))/bin sh tests/bench/run.sh
