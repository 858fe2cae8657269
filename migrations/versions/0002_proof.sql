-- What stands behind the proof: which request proved which window, which readers read a row, and whether every
-- change of a balance is explained.

-- One line a proven slice; the edge, proven anew every minute, is one line a day that grows.
CREATE TABLE evidence (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    connection_id   uuid NOT NULL REFERENCES user_exchange_connections ON DELETE CASCADE,
    feed            text NOT NULL,
    proven          tstzrange NOT NULL,
    request         text NOT NULL,                       -- the last one that proved it: path and parameters
    requests        integer NOT NULL,
    rows            integer NOT NULL,
    sync_type       text NOT NULL,
    first_at        timestamptz NOT NULL DEFAULT now(),
    last_at         timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX evidence_feed ON evidence (connection_id, feed, last_at DESC);

-- Raw rows are kept for good: beside their trade while it is young, then many of a connection together, compressed.
CREATE TABLE raw_archive (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    connection_id   uuid NOT NULL REFERENCES user_exchange_connections ON DELETE CASCADE,
    packed_at       timestamptz NOT NULL DEFAULT now(),
    rows            integer NOT NULL,
    body            bytea NOT NULL                       -- zlib of a JSON list; a trade's `archive_place` is its place in it
);
ALTER TABLE raw_archive ALTER COLUMN body SET STORAGE EXTERNAL;  -- compressed already
CREATE INDEX raw_archive_connection ON raw_archive (connection_id);
ALTER TABLE trades ADD COLUMN reader smallint;           -- version of the exchange's readers that read the row
ALTER TABLE trades ADD COLUMN archive_id bigint;
ALTER TABLE trades ADD COLUMN archive_place integer;
CREATE INDEX trades_unpacked ON trades (connection_id, id) WHERE raw IS NOT NULL AND confirmed_at IS NOT NULL;

-- Whole readings of the wallets that only trades and transfers move; gone as soon as they are judged.
CREATE TABLE balance_readings (
    connection_id   uuid NOT NULL REFERENCES user_exchange_connections ON DELETE CASCADE,
    read_at         timestamptz NOT NULL,                -- in the exchange's time
    wallets         jsonb NOT NULL,                      -- {account type: {asset: total}}
    PRIMARY KEY (connection_id, read_at)
);

-- The last reading that was judged.
CREATE TABLE balance_judged (
    connection_id   uuid PRIMARY KEY REFERENCES user_exchange_connections ON DELETE CASCADE,
    read_at         timestamptz NOT NULL
);

-- A balance at a moment, and the last trade or transfer that it holds: what lies between two points of one asset
-- must be explained.
CREATE TABLE balance_points (
    connection_id   uuid NOT NULL REFERENCES user_exchange_connections ON DELETE CASCADE,
    account_type    text NOT NULL,
    asset           text NOT NULL,
    read_at         timestamptz NOT NULL,
    total           numeric NOT NULL,
    cut_at          timestamptz NOT NULL,
    cut_id          text NOT NULL,
    PRIMARY KEY (connection_id, account_type, asset, read_at)
);

-- What is not explained: between two points.
CREATE TABLE balance_gaps (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    connection_id   uuid NOT NULL REFERENCES user_exchange_connections ON DELETE CASCADE,
    account_type    text NOT NULL,
    asset           text NOT NULL,
    since           timestamptz NOT NULL,
    until           timestamptz NOT NULL,
    amount          numeric NOT NULL,                    -- how much more came (negative: went) than is explained
    opened_at       timestamptz NOT NULL DEFAULT now(),
    rereads         integer NOT NULL DEFAULT 0,
    reread_at       timestamptz,
    closed_at       timestamptz,
    explanation     text,
    UNIQUE (connection_id, account_type, asset, until)
);
CREATE INDEX balance_gaps_open ON balance_gaps (connection_id) WHERE closed_at IS NULL;

-- Deposits, withdrawals, conversions and the like, where the exchange tells of them; asked for only to close a gap.
CREATE TABLE balance_movements (
    connection_id   uuid NOT NULL REFERENCES user_exchange_connections ON DELETE CASCADE,
    account_type    text NOT NULL,
    asset           text NOT NULL,
    movement_id     text NOT NULL,
    amount          numeric NOT NULL,                    -- positive: it came in
    moved_at        timestamptz NOT NULL,
    kind            text NOT NULL,
    PRIMARY KEY (connection_id, account_type, asset, movement_id)
);
