-- SPDX-License-Identifier: Apache-2.0
CREATE INDEX audit_action ON audit (action, n);
