-- SPDX-License-Identifier: Apache-2.0
CREATE UNIQUE INDEX registered_limit_once ON registered_limit (service_id, coalesce(region_id, ''), resource_name);
CREATE UNIQUE INDEX project_limit_once ON project_limit
    (service_id, coalesce(region_id, ''), coalesce(project_id, ''), coalesce(domain_id, ''), resource_name);
-- Of an EC2 credential: the SHA-256 of its access key, by which it is found.
ALTER TABLE credential ADD COLUMN digest text UNIQUE;
ALTER TABLE credential ADD CHECK (type <> 'ec2' OR digest IS NOT NULL);
