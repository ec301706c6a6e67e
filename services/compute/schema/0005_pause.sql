-- SPDX-License-Identifier: Apache-2.0
-- Servers may be wanted paused (in memory) or suspended (memory on the host's disk).

ALTER TABLE server DROP CONSTRAINT server_desired_check;
ALTER TABLE server ADD CONSTRAINT server_desired_check CHECK (desired IN ('running', 'stopped', 'absent', 'paused', 'suspended'));
