-- The first schema of execution records: a table per message of records.proto, how far each session is, views for reading.
-- Applied once, as a whole, and noted in livestack.schema_versions; what was applied anywhere is never edited again.
--
-- (session, seq, ordinal) is a record's key in every table. "time" is ts as PostgreSQL knows time, to the microsecond.

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = 'livestack') THEN
        CREATE SCHEMA livestack;
    END IF;
END
$$;

CREATE TABLE livestack.schema_versions (
    version integer PRIMARY KEY,
    name text NOT NULL,
    applied timestamptz NOT NULL DEFAULT now()
);

-- Every record of the session up to here is in, of all tables.
CREATE TABLE livestack.cursors (
    session text COLLATE "C" PRIMARY KEY,
    through bigint NOT NULL,
    updated timestamptz NOT NULL DEFAULT now()
);

-- What single tables have beyond that.
CREATE TABLE livestack.table_cursors (
    session text COLLATE "C" NOT NULL,
    table_name text NOT NULL,
    upto bigint NOT NULL,
    PRIMARY KEY (session, table_name)
);

CREATE TABLE livestack.orders (
    node text NOT NULL,
    session text COLLATE "C" NOT NULL,
    seq bigint NOT NULL,
    ordinal integer NOT NULL,
    ts bigint NOT NULL,
    event_ns bigint,
    strategy text NOT NULL,
    strategy_digest text NOT NULL,
    configuration_version bigint NOT NULL,
    configuration_digest text NOT NULL,
    venue text,
    account text,
    instrument text,
    order_id bigint,
    request_id text,
    event text NOT NULL,
    status text NOT NULL,
    source text NOT NULL,
    side text NOT NULL,
    type text NOT NULL,
    tif text NOT NULL,
    qty numeric,
    quote_qty numeric,
    price numeric,
    stop_price numeric,
    filled_qty numeric NOT NULL,
    filled_notional numeric NOT NULL,
    post_only boolean NOT NULL,
    reduce_only boolean NOT NULL,
    revision integer NOT NULL,
    venue_order_id text,
    reason text,
    anomalous boolean NOT NULL,
    adopted boolean NOT NULL,
    "time" timestamptz GENERATED ALWAYS AS
        ((timestamp 'epoch' + (ts / 1000) * interval '1 microsecond') AT TIME ZONE 'UTC') STORED,
    PRIMARY KEY (session, seq, ordinal)
);
CREATE INDEX orders_time ON livestack.orders ("time");
CREATE INDEX orders_order ON livestack.orders (order_id, session);

CREATE TABLE livestack.fills (
    node text NOT NULL,
    session text COLLATE "C" NOT NULL,
    seq bigint NOT NULL,
    ordinal integer NOT NULL,
    ts bigint NOT NULL,
    event_ns bigint,
    strategy text NOT NULL,
    strategy_digest text NOT NULL,
    configuration_version bigint NOT NULL,
    configuration_digest text NOT NULL,
    venue text,
    account text,
    instrument text,
    order_id bigint,
    request_id text,
    fill_id bigint NOT NULL,
    venue_order_id text,
    side text NOT NULL,
    price numeric NOT NULL,
    qty numeric NOT NULL,
    notional numeric NOT NULL,
    fee numeric NOT NULL,
    fee_asset text NOT NULL,
    liquidity text NOT NULL,
    recv_ns bigint NOT NULL,
    "time" timestamptz GENERATED ALWAYS AS
        ((timestamp 'epoch' + (ts / 1000) * interval '1 microsecond') AT TIME ZONE 'UTC') STORED,
    PRIMARY KEY (session, seq, ordinal)
);
CREATE INDEX fills_time ON livestack.fills ("time");
CREATE INDEX fills_order ON livestack.fills (order_id, session);

CREATE TABLE livestack.positions (
    node text NOT NULL,
    session text COLLATE "C" NOT NULL,
    seq bigint NOT NULL,
    ordinal integer NOT NULL,
    ts bigint NOT NULL,
    event_ns bigint,
    strategy text NOT NULL,
    strategy_digest text NOT NULL,
    configuration_version bigint NOT NULL,
    configuration_digest text NOT NULL,
    venue text,
    account text,
    instrument text,
    order_id bigint,
    request_id text,
    event text NOT NULL,
    qty numeric NOT NULL,
    cost numeric NOT NULL,
    average_price numeric,
    realised numeric NOT NULL,
    bought_qty numeric NOT NULL,
    sold_qty numeric NOT NULL,
    fees text NOT NULL,
    quote_fees numeric NOT NULL,
    marked_fees numeric NOT NULL,
    bid numeric,
    ask numeric,
    unrealised numeric NOT NULL,
    quote_asset text NOT NULL,
    "time" timestamptz GENERATED ALWAYS AS
        ((timestamp 'epoch' + (ts / 1000) * interval '1 microsecond') AT TIME ZONE 'UTC') STORED,
    PRIMARY KEY (session, seq, ordinal)
);
CREATE INDEX positions_time ON livestack.positions ("time");

CREATE TABLE livestack.dispatches (
    node text NOT NULL,
    session text COLLATE "C" NOT NULL,
    seq bigint NOT NULL,
    ordinal integer NOT NULL,
    ts bigint NOT NULL,
    event_ns bigint,
    strategy text NOT NULL,
    strategy_digest text NOT NULL,
    configuration_version bigint NOT NULL,
    configuration_digest text NOT NULL,
    venue text,
    account text,
    instrument text,
    order_id bigint,
    request_id text,
    stage text NOT NULL,
    kind text NOT NULL,
    revision integer NOT NULL,
    source text NOT NULL,
    side text,
    type text,
    tif text,
    qty numeric,
    quote_qty numeric,
    price numeric,
    stop_price numeric,
    decision_bid numeric,
    decision_ask numeric,
    admitted_ns bigint NOT NULL,
    dispatched_ns bigint NOT NULL,
    gate_ns bigint,
    send_ns bigint,
    answered_ns bigint,
    outcome text,
    code text,
    reason text,
    "time" timestamptz GENERATED ALWAYS AS
        ((timestamp 'epoch' + (ts / 1000) * interval '1 microsecond') AT TIME ZONE 'UTC') STORED,
    PRIMARY KEY (session, seq, ordinal)
);
CREATE INDEX dispatches_time ON livestack.dispatches ("time");
CREATE INDEX dispatches_order ON livestack.dispatches (order_id, session);

CREATE TABLE livestack.denials (
    node text NOT NULL,
    session text COLLATE "C" NOT NULL,
    seq bigint NOT NULL,
    ordinal integer NOT NULL,
    ts bigint NOT NULL,
    event_ns bigint,
    strategy text NOT NULL,
    strategy_digest text NOT NULL,
    configuration_version bigint NOT NULL,
    configuration_digest text NOT NULL,
    venue text,
    account text,
    instrument text,
    order_id bigint,
    request_id text,
    kind text NOT NULL,
    outcome text NOT NULL,
    source text,
    rule text NOT NULL,
    inputs text,
    detail text,
    "time" timestamptz GENERATED ALWAYS AS
        ((timestamp 'epoch' + (ts / 1000) * interval '1 microsecond') AT TIME ZONE 'UTC') STORED,
    PRIMARY KEY (session, seq, ordinal)
);
CREATE INDEX denials_time ON livestack.denials ("time");
CREATE INDEX denials_order ON livestack.denials (order_id, session);

CREATE TABLE livestack.controls (
    node text NOT NULL,
    session text COLLATE "C" NOT NULL,
    seq bigint NOT NULL,
    ordinal integer NOT NULL,
    ts bigint NOT NULL,
    event_ns bigint,
    strategy text NOT NULL,
    strategy_digest text NOT NULL,
    configuration_version bigint NOT NULL,
    configuration_digest text NOT NULL,
    venue text,
    account text,
    instrument text,
    order_id bigint,
    request_id text,
    event text NOT NULL,
    actor text,
    reason text,
    state text,
    grade text,
    detail text NOT NULL,
    "time" timestamptz GENERATED ALWAYS AS
        ((timestamp 'epoch' + (ts / 1000) * interval '1 microsecond') AT TIME ZONE 'UTC') STORED,
    PRIMARY KEY (session, seq, ordinal)
);
CREATE INDEX controls_time ON livestack.controls ("time");

CREATE TABLE livestack.balances (
    node text NOT NULL,
    session text COLLATE "C" NOT NULL,
    seq bigint NOT NULL,
    ordinal integer NOT NULL,
    ts bigint NOT NULL,
    event_ns bigint,
    strategy text NOT NULL,
    strategy_digest text NOT NULL,
    configuration_version bigint NOT NULL,
    configuration_digest text NOT NULL,
    venue text,
    account text,
    instrument text,
    order_id bigint,
    request_id text,
    event text NOT NULL,
    asset text NOT NULL,
    free numeric NOT NULL,
    locked numeric NOT NULL,
    "time" timestamptz GENERATED ALWAYS AS
        ((timestamp 'epoch' + (ts / 1000) * interval '1 microsecond') AT TIME ZONE 'UTC') STORED,
    PRIMARY KEY (session, seq, ordinal)
);
CREATE INDEX balances_time ON livestack.balances ("time");

CREATE TABLE livestack.sessions (
    node text NOT NULL,
    session text COLLATE "C" NOT NULL,
    seq bigint NOT NULL,
    ordinal integer NOT NULL,
    ts bigint NOT NULL,
    event_ns bigint,
    strategy text NOT NULL,
    strategy_digest text NOT NULL,
    configuration_version bigint NOT NULL,
    configuration_digest text NOT NULL,
    venue text,
    account text,
    instrument text,
    order_id bigint,
    request_id text,
    event text NOT NULL,
    epoch text,
    wall_ns bigint,
    semantics_version integer,
    package_version text,
    digest text,
    actor text,
    reason text,
    configuration text,
    "time" timestamptz GENERATED ALWAYS AS
        ((timestamp 'epoch' + (ts / 1000) * interval '1 microsecond') AT TIME ZONE 'UTC') STORED,
    PRIMARY KEY (session, seq, ordinal)
);
CREATE INDEX sessions_time ON livestack.sessions ("time");

CREATE TABLE livestack.dead_letters (
    node text NOT NULL,
    session text COLLATE "C" NOT NULL,
    seq bigint NOT NULL,
    ordinal integer NOT NULL,
    ts bigint NOT NULL,
    event_ns bigint,
    strategy text NOT NULL,
    strategy_digest text NOT NULL,
    configuration_version bigint NOT NULL,
    configuration_digest text NOT NULL,
    venue text,
    account text,
    instrument text,
    order_id bigint,
    request_id text,
    "table" text NOT NULL,
    error text NOT NULL,
    record text NOT NULL,
    "time" timestamptz GENERATED ALWAYS AS
        ((timestamp 'epoch' + (ts / 1000) * interval '1 microsecond') AT TIME ZONE 'UTC') STORED,
    PRIMARY KEY (session, seq, ordinal)
);
CREATE INDEX dead_letters_time ON livestack.dead_letters ("time");

CREATE INDEX positions_instrument ON livestack.positions (session, instrument, seq);

-- Every Order as it is now.
CREATE VIEW livestack.latest_orders AS
SELECT DISTINCT ON (session, order_id) *
FROM livestack.orders
ORDER BY session, order_id, seq DESC, ordinal DESC;

-- Every position as it is now.
CREATE VIEW livestack.latest_positions AS
SELECT DISTINCT ON (session, venue, account, instrument) *
FROM livestack.positions
ORDER BY session, venue, account, instrument, seq DESC, ordinal DESC;

-- One row per request: its last stage, which tells it all, and how long each part of its way took.
CREATE VIEW livestack.requests AS
SELECT DISTINCT ON (session, order_id, revision, kind)
    *,
    dispatched_ns - admitted_ns AS queued_ns,
    send_ns - gate_ns AS sending_ns,
    answered_ns - send_ns AS answer_ns
FROM livestack.dispatches
ORDER BY session, order_id, revision, kind, seq DESC, ordinal DESC;

-- Every asset of every account as last reported.
CREATE VIEW livestack.latest_balances AS
SELECT DISTINCT ON (session, venue, account, asset) *
FROM livestack.balances
ORDER BY session, venue, account, asset, seq DESC, ordinal DESC;
