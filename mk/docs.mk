# SPDX-License-Identifier: Apache-2.0
# What is generated from the tables is committed, and lint fails when it is not what the tables say.
.PHONY: docs docs-check
docs: all ## OpenAPI, life-cycle graphs and the settings table, from the programs' own tables
	@sh mk/docs.sh $(O)/bin docs
docs-check: all
	@sh mk/docs.sh $(O)/bin $(O)/docs
	@for d in api fsm; do diff -r docs/$$d $(O)/docs/$$d || { echo "docs/$$d is not what the tables say: run make docs"; exit 1; }; done
	@diff docs/settings.md $(O)/docs/settings.md
