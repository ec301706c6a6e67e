# SPDX-License-Identifier: Apache-2.0
"""The one-machine cloud: every piece of it as start, readiness and stop."""
