#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The figures of this tree: statements, messages and CPU per operation, printed by the test that also bounds them.
set -eu
exec /usr/bin/python3 -B -m pytest -p no:cacheprovider -q -s tests/service/test_cost.py
