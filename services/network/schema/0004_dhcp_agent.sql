-- SPDX-License-Identifier: Apache-2.0
-- OVN answers DHCP on every host: to the API it is one DHCP agent. A network that an administrator takes from it gets no answers.
ALTER TABLE network ADD COLUMN dhcp_served boolean NOT NULL DEFAULT true;
