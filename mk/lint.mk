# SPDX-License-Identifier: Apache-2.0
LINT_SRC := $(shell git ls-files "common/*.[ch]" "services/*.[ch]" "tests/*.[ch]")
.PHONY: lint format
lint: docs-check ## layout, static analysis, and the rules of the house
	@clang-format --dry-run -Werror $(LINT_SRC)
	@cppcheck -q --std=c11 --enable=warning,portability --inline-suppr --suppress=memleak --suppress=nullPointerRedundantCheck \
	    --suppress=unknownMacro --suppress=syntaxError --error-exitcode=1 -I. $(filter %.c,$(LINT_SRC))
	@sh mk/house-rules.sh
format: ## lay out every source file
	clang-format -i $(LINT_SRC)
