-- SPDX-License-Identifier: Apache-2.0
-- Usage facts as they came, the intervals they make, prices, closed statements and the ledger. Times are µs since the
-- epoch, UTC; money is in nano units of the currency.

-- How far each service's dense sequence was taken in: everything up to `contiguous` is here.
CREATE TABLE source (
    service    text PRIMARY KEY,
    contiguous bigint NOT NULL DEFAULT 0,
    settled_us bigint NOT NULL DEFAULT 0, -- every fact dated before this is here
    asked_at   timestamptz
);

CREATE TABLE fact (
    service     text NOT NULL REFERENCES source,
    sequence    bigint NOT NULL CHECK (sequence > 0),
    kind        text NOT NULL CHECK (kind IN ('open', 'close')),
    interval_id uuid NOT NULL,
    request_id  text,
    at_us       bigint NOT NULL,
    taken_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (service, sequence)
);
CREATE INDEX fact_interval ON fact (interval_id);

-- Half-open [from_us, to_us); to_us NULL while it is open.
CREATE TABLE interval (
    id            uuid PRIMARY KEY,
    service       text NOT NULL REFERENCES source,
    project_id    text NOT NULL,
    resource_type text NOT NULL,
    resource_id   text NOT NULL,
    resource_name text NOT NULL,
    meter         text NOT NULL,
    quantity      bigint NOT NULL CHECK (quantity >= 0),
    from_us       bigint NOT NULL CHECK (from_us > 0),
    to_us         bigint CHECK (to_us >= from_us)
);
CREATE INDEX interval_project ON interval (project_id, from_us, id);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'check_violation', CONSTRAINT = TG_TABLE_NAME || '_append_only';
END $$;

-- One unit is unit_quantity of the meter for unit_seconds. tiers: [{"up_to": units or null, "price_nano": n}, …].
CREATE TABLE price (
    id                uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    meter             text NOT NULL CHECK (meter <> ''),
    version           int NOT NULL CHECK (version > 0),
    currency          text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    kind              text NOT NULL CHECK (kind IN ('flat', 'graduated', 'volume', 'package')),
    unit_quantity     bigint NOT NULL CHECK (unit_quantity BETWEEN 1 AND 1000000000000000),
    unit_seconds      bigint NOT NULL CHECK (unit_seconds BETWEEN 1 AND 100000000),
    tiers             jsonb NOT NULL,
    package_units     bigint NOT NULL DEFAULT 1 CHECK (package_units > 0),
    minimum_nano      bigint NOT NULL DEFAULT 0 CHECK (minimum_nano >= 0),
    effective_from_us bigint NOT NULL CHECK (effective_from_us >= 0),
    created_at        timestamptz NOT NULL DEFAULT now(),
    created_by        text NOT NULL,
    UNIQUE (meter, version),
    UNIQUE (meter, effective_from_us)
);
CREATE TRIGGER price_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON price EXECUTE FUNCTION refuse_change();

-- Closed and never changed. Consecutive: from_us is the one before's to_us.
CREATE TABLE statement (
    id         uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    project_id text NOT NULL,
    number     int NOT NULL,
    from_us    bigint NOT NULL,
    to_us      bigint NOT NULL CHECK (to_us > from_us),
    currency   text NOT NULL,
    total_nano bigint NOT NULL, -- exactly the sum of the lines
    due_nano   bigint NOT NULL, -- the total in whole hundredths
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by text NOT NULL,
    UNIQUE (project_id, number),
    UNIQUE (project_id, from_us)
);
CREATE TABLE statement_line (
    statement_id  uuid NOT NULL REFERENCES statement,
    n             int NOT NULL,
    body          jsonb NOT NULL,
    price_id      uuid REFERENCES price,
    amount_nano   bigint NOT NULL,
    -- What the line's one rounding left out, exactly: the line is amount_nano + residue_numerator / residue_denominator.
    residue_numerator   numeric NOT NULL,
    residue_denominator numeric NOT NULL CHECK (residue_denominator > 0),
    PRIMARY KEY (statement_id, n)
);
CREATE TRIGGER statement_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON statement EXECUTE FUNCTION refuse_change();
CREATE TRIGGER statement_line_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON statement_line EXECUTE FUNCTION refuse_change();

-- Double entry: the entries of a transaction sum to zero when it commits.
CREATE TABLE ledger_transaction (
    id           uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    kind         text NOT NULL CHECK (kind IN ('statement')),
    statement_id uuid REFERENCES statement,
    currency     text NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE ledger_entry (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    transaction_id uuid NOT NULL REFERENCES ledger_transaction,
    account        text NOT NULL CHECK (account <> ''),
    amount_nano    bigint NOT NULL
);
CREATE INDEX ledger_entry_transaction ON ledger_entry (transaction_id);
CREATE INDEX ledger_entry_account ON ledger_entry (account, id);
CREATE TRIGGER ledger_transaction_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_transaction EXECUTE FUNCTION refuse_change();
CREATE TRIGGER ledger_entry_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_entry EXECUTE FUNCTION refuse_change();

CREATE FUNCTION ledger_check() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT sum(amount_nano) FROM ledger_entry WHERE transaction_id = NEW.transaction_id) <> 0 THEN
        RAISE EXCEPTION 'entries of ledger transaction % do not sum to zero', NEW.transaction_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_balance';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER ledger_balance AFTER INSERT ON ledger_entry DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION ledger_check();

-- The default price list: per hour; image storage per GiB and month of 30 days.
INSERT INTO price (meter, version, currency, kind, unit_quantity, unit_seconds, tiers, effective_from_us, created_by) VALUES
    ('server.vcpu',     1, 'USD', 'flat', 1,          3600,    '[{"up_to": null, "price_nano": 8000000}]',  0, 'default'),
    ('server.ram_mib',  1, 'USD', 'flat', 1024,       3600,    '[{"up_to": null, "price_nano": 4000000}]',  0, 'default'),
    ('server.disk_gib', 1, 'USD', 'flat', 1,          3600,    '[{"up_to": null, "price_nano": 140000}]',   0, 'default'),
    ('floatingip',      1, 'USD', 'flat', 1,          3600,    '[{"up_to": null, "price_nano": 5000000}]',  0, 'default'),
    ('router',          1, 'USD', 'flat', 1,          3600,    '[{"up_to": null, "price_nano": 10000000}]', 0, 'default'),
    ('image.bytes',     1, 'USD', 'flat', 1073741824, 2592000, '[{"up_to": null, "price_nano": 25000000}]', 0, 'default');
