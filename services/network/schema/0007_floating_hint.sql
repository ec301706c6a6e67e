-- SPDX-License-Identifier: Apache-2.0
-- Whoever shows a guest's floating addresses (compute) is told that they changed, whatever changed them. The message carries no
-- addresses: asking gives the newest, however late or often it arrives.
CREATE FUNCTION floating_hint() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO outbox (routing_key, type, body)
        SELECT 'network.port', 'port.floating', jsonb_build_object('port_id', p.id, 'device_id', p.device_id)
        FROM port p WHERE p.id IN (OLD.port_id, NEW.port_id) AND p.device_owner LIKE 'compute:%';
    RETURN NULL;
END $$;
CREATE TRIGGER floating_hint_insert AFTER INSERT ON floatingip FOR EACH ROW WHEN (NEW.port_id IS NOT NULL)
    EXECUTE FUNCTION floating_hint();
CREATE TRIGGER floating_hint_delete AFTER DELETE ON floatingip FOR EACH ROW WHEN (OLD.port_id IS NOT NULL)
    EXECUTE FUNCTION floating_hint();
CREATE TRIGGER floating_hint_update AFTER UPDATE ON floatingip FOR EACH ROW WHEN (OLD.port_id IS DISTINCT FROM NEW.port_id)
    EXECUTE FUNCTION floating_hint();
