-- Everything that is true. Postgres 15 and newer, no extensions.

CREATE TABLE users (
    id              uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    email           text NOT NULL,
    password_hash   text NOT NULL,                       -- argon2id
    role            text NOT NULL DEFAULT 'user' CHECK (role IN ('user', 'operator')),
    key_salt        bytea NOT NULL,                      -- this user's own salt for the credential key
    is_active       boolean NOT NULL DEFAULT true,
    created_at      timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX users_email ON users (lower(email));

-- Both browser sessions and API tokens: only the hash of what was handed out is kept.
CREATE TABLE api_tokens (
    id              uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id         uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    token_hash      bytea NOT NULL UNIQUE,               -- sha256
    kind            text NOT NULL CHECK (kind IN ('session', 'token')),
    label           text NOT NULL DEFAULT '',
    created_at      timestamptz NOT NULL DEFAULT now(),
    last_used_at    timestamptz,
    expires_at      timestamptz
);
CREATE INDEX api_tokens_user ON api_tokens (user_id);

CREATE TABLE user_exchange_connections (
    id                    uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id               uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    exchange_name         text NOT NULL,
    connection_type       text NOT NULL DEFAULT 'api_key',
    label                 text NOT NULL DEFAULT '',
    credentials_encrypted bytea NOT NULL,
    key_version           text NOT NULL,                 -- which CREDENTIALS_KEY sealed it
    key_fingerprint       bytea NOT NULL,                -- keyed hash of the API key: one key, one connection of a user
    is_active             boolean NOT NULL DEFAULT true,
    sync_status           text NOT NULL DEFAULT 'new'
        CHECK (sync_status IN ('new', 'backfilling', 'live', 'degraded', 'suspended', 'parked', 'closed')),
    error_code            text,
    error_message         text,
    last_sync_at          timestamptz,
    products              text[] NOT NULL,
    region                text NOT NULL DEFAULT 'global',
    account_uid           text,
    account_mode          text NOT NULL DEFAULT '',
    account_details       jsonb NOT NULL DEFAULT '{}',
    key_permissions       jsonb NOT NULL DEFAULT '{}',   -- the key report, as asked last
    key_expires_at        timestamptz,
    trade_allowed         boolean NOT NULL DEFAULT false,-- the operator's flag: a key that can trade is taken
    egress_proxy          text,
    stream_state          text NOT NULL DEFAULT 'off'
        CHECK (stream_state IN ('off', 'connecting', 'live', 'lost', 'refused')),
    stream_changed_at     timestamptz,
    failures              integer NOT NULL DEFAULT 0,    -- in a row, for the back-off of its jobs
    created_at            timestamptz NOT NULL DEFAULT now(),
    removed_at            timestamptz
);
CREATE INDEX connections_user ON user_exchange_connections (user_id) WHERE removed_at IS NULL;
CREATE UNIQUE INDEX connections_key ON user_exchange_connections (user_id, exchange_name, key_fingerprint)
    WHERE removed_at IS NULL;
CREATE UNIQUE INDEX connections_account ON user_exchange_connections (user_id, exchange_name, account_uid)
    WHERE removed_at IS NULL AND account_uid IS NOT NULL;

-- When each duty of a connection is due next; null: not now (nothing to do, or the connection rests).
-- Narrow and apart from the connections, because it is written every few seconds.
CREATE TABLE duties (
    connection_id   uuid NOT NULL REFERENCES user_exchange_connections ON DELETE CASCADE,
    duty            text NOT NULL
        CHECK (duty IN ('catch_up', 'backfill', 'balances', 'recheck', 'discovery', 'sweep', 'key_check')),
    due_at          timestamptz,
    PRIMARY KEY (connection_id, duty)
);
CREATE INDEX duties_due ON duties (due_at) WHERE due_at IS NOT NULL;

-- What is queued or running: the job's own record. One open job per connection and request.
CREATE TABLE jobs (
    id              uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    request         text NOT NULL,                       -- sync_history, sync_balances, check_key, …
    connection_id   uuid REFERENCES user_exchange_connections ON DELETE CASCADE,
    arguments       jsonb NOT NULL DEFAULT '{}',
    lane            text NOT NULL DEFAULT 'backfill',
    state           text NOT NULL DEFAULT 'queued'
        CHECK (state IN ('queued', 'running', 'done', 'failed', 'parked')),
    again           jsonb NOT NULL DEFAULT '[]',         -- arguments asked for while it was open: run afterwards
    queued_at       timestamptz NOT NULL DEFAULT now(),
    sent_at         timestamptz NOT NULL DEFAULT now(),  -- when its message was handed to the queue last
    started_at      timestamptz,
    finished_at     timestamptz,
    attempts        integer NOT NULL DEFAULT 0,          -- how often a worker began it
    holder          text,
    fence           bigint NOT NULL DEFAULT 0,           -- rises with every take-over; checked by every write
    leased_until    timestamptz,
    error_code      text,
    error_message   text
);
CREATE UNIQUE INDEX jobs_open ON jobs (connection_id, request) WHERE state IN ('queued', 'running');
CREATE INDEX jobs_state ON jobs (state, queued_at);

CREATE TABLE trade_sync_sessions (
    id              uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    connection_id   uuid NOT NULL REFERENCES user_exchange_connections ON DELETE CASCADE,
    sync_type       text NOT NULL CHECK (sync_type IN ('historical', 'catch_up', 'realtime', 'balance', 'manual', 'recheck')),
    status          text NOT NULL DEFAULT 'running' CHECK (status IN ('running', 'completed', 'failed', 'abandoned')),
    started_at      timestamptz NOT NULL DEFAULT now(),
    completed_at    timestamptz,
    sync_duration   interval,
    day             date,                                -- balance runs share one row per connection and day
    window_since    timestamptz,
    window_until    timestamptz,
    runs            integer NOT NULL DEFAULT 1,
    pages           integer NOT NULL DEFAULT 0,
    request_weight  double precision NOT NULL DEFAULT 0,
    trades_synced   integer NOT NULL DEFAULT 0,          -- new rows
    trades_updated  integer NOT NULL DEFAULT 0,          -- rows that REST confirmed or completed
    proven_ms       bigint NOT NULL DEFAULT 0,           -- how much history it proved: the speed of a backfill
    error_code      text,
    error_message   text,
    holder          text,
    leased_until    timestamptz,
    heartbeat_at    timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX sessions_connection ON trade_sync_sessions (connection_id, started_at DESC);
CREATE INDEX sessions_running ON trade_sync_sessions (leased_until) WHERE status = 'running';
CREATE UNIQUE INDEX sessions_balance_day ON trade_sync_sessions (connection_id, day) WHERE sync_type = 'balance';

CREATE TABLE trades (
    id                 bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    connection_id      uuid NOT NULL REFERENCES user_exchange_connections ON DELETE CASCADE,
    user_id            uuid NOT NULL,
    platform           text NOT NULL,                    -- the exchange's id
    symbol             text NOT NULL,
    market_id          text NOT NULL,
    product            text NOT NULL,
    exchange_trade_id  text NOT NULL,
    identity           text NOT NULL,
    order_id           text,
    client_order_id    text,
    side               text NOT NULL CHECK (side IN ('buy', 'sell')),
    taker_or_maker     text CHECK (taker_or_maker IN ('taker', 'maker')),
    price              numeric NOT NULL CHECK (price > '-Infinity' AND price < 'Infinity'),
    amount             numeric NOT NULL CHECK (amount > '-Infinity' AND amount < 'Infinity'),
    contracts          numeric,
    cost               numeric NOT NULL CHECK (cost > '-Infinity' AND cost < 'Infinity'),
    fee                numeric,
    fee_currency       text,
    fees               jsonb NOT NULL DEFAULT '[]',
    kind               text NOT NULL,
    exchange_timestamp timestamptz NOT NULL,
    sync_timestamp     timestamptz NOT NULL DEFAULT clock_timestamp(),
    provisional        boolean NOT NULL DEFAULT false,
    confirmed_at       timestamptz,
    source             text NOT NULL CHECK (source IN ('stream', 'rest')),
    raw                json
);
CREATE UNIQUE INDEX trades_identity ON trades (connection_id, identity);
CREATE INDEX trades_user_time ON trades (user_id, exchange_timestamp DESC, id DESC);
CREATE INDEX trades_unconfirmed ON trades (connection_id, exchange_timestamp) WHERE confirmed_at IS NULL;

-- One row per feed of a connection: what is proven, and where reading goes on.
CREATE TABLE sync_coverage (
    connection_id   uuid NOT NULL REFERENCES user_exchange_connections ON DELETE CASCADE,
    feed            text NOT NULL,                       -- spot:BTCUSDT, linear, option::BTC
    product         text NOT NULL,
    market_id       text NOT NULL DEFAULT '',
    covered         tstzmultirange NOT NULL DEFAULT '{}',
    saturated       tstzmultirange NOT NULL DEFAULT '{}',-- full pages at the smallest window: holes, reported
    wanted_since    timestamptz,                         -- the reach when the feed was first read; null: not read yet
    reach           timestamptz,                         -- how far back it could be read, last time asked
    cursor          jsonb,                               -- the unfinished slice: {since, until, cursor}
    memory          jsonb NOT NULL DEFAULT '{}',         -- what the exchange module remembers of it
    is_sweep        boolean NOT NULL DEFAULT false,      -- probably never traded: read last, rarely, cheaply
    is_closed       boolean NOT NULL DEFAULT false,      -- the exchange does not serve it any more
    closed_reason   text,
    due_at          timestamptz NOT NULL DEFAULT now(),
    recheck         tstzmultirange NOT NULL DEFAULT '{}',-- covered history that is to be read again
    found_at        timestamptz NOT NULL DEFAULT now(),
    proven_at       timestamptz,                         -- when coverage last moved
    PRIMARY KEY (connection_id, feed)
);
CREATE INDEX coverage_due ON sync_coverage (connection_id, due_at) WHERE NOT is_closed;

CREATE TABLE balances (
    connection_id   uuid NOT NULL REFERENCES user_exchange_connections ON DELETE CASCADE,
    account_type    text NOT NULL,
    asset           text NOT NULL,
    free            numeric,
    used            numeric,
    total           numeric NOT NULL,
    changed_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (connection_id, account_type, asset)
);

CREATE TABLE balance_changes (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    connection_id   uuid NOT NULL REFERENCES user_exchange_connections ON DELETE CASCADE,
    account_type    text NOT NULL,
    asset           text NOT NULL,
    free            numeric,
    used            numeric,
    total           numeric NOT NULL,
    before_total    numeric,
    seen_at         timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX balance_changes_connection ON balance_changes (connection_id, seen_at DESC);

CREATE TABLE tickers (
    exchange        text NOT NULL,
    symbol          text NOT NULL,
    last            numeric,
    bid             numeric,
    ask             numeric,
    exchange_timestamp timestamptz,
    received_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (exchange, symbol)
);

CREATE TABLE quarantine (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    connection_id   uuid REFERENCES user_exchange_connections ON DELETE CASCADE,
    exchange        text,
    source          text NOT NULL,                       -- stream, rest, queue
    reason          text NOT NULL,
    identity        text,                                -- of the trade that was contradicted
    raw             json NOT NULL,
    fingerprint     bytea NOT NULL,                      -- sha256: the same thing is kept once
    seen            integer NOT NULL DEFAULT 1,
    first_seen_at   timestamptz NOT NULL DEFAULT now(),
    last_seen_at    timestamptz NOT NULL DEFAULT now(),
    resolved_at     timestamptz,
    UNIQUE NULLS NOT DISTINCT (connection_id, fingerprint)
);

CREATE TABLE instruments (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    exchange        text NOT NULL,
    market_id       text NOT NULL,
    product         text NOT NULL,
    symbol          text NOT NULL,
    type            text NOT NULL,
    base            text NOT NULL,
    quote           text NOT NULL,
    settle          text,
    contract_size   numeric,
    linear          boolean,
    inverse         boolean,
    valid_from      timestamptz NOT NULL DEFAULT now(),
    last_seen_at    timestamptz NOT NULL DEFAULT now(),
    UNIQUE NULLS NOT DISTINCT (exchange, market_id, product, symbol, settle, contract_size)
);

-- Who streams which connection. Exactly one owner per stream; the fence rises with each new owner.
CREATE TABLE stream_leases (
    connection_id   uuid NOT NULL REFERENCES user_exchange_connections ON DELETE CASCADE,
    holder          uuid,                                -- a streamer process
    fence           bigint NOT NULL DEFAULT 0,
    leased_until    timestamptz NOT NULL DEFAULT '-infinity',
    PRIMARY KEY (connection_id)
);
CREATE INDEX stream_leases_free ON stream_leases (leased_until);

-- Every living process: its proof of life, its figures.
CREATE TABLE processes (
    id              uuid PRIMARY KEY,
    kind            text NOT NULL,                       -- web, worker, scheduler, streamer
    host            text NOT NULL,
    pid             integer NOT NULL,
    version         text NOT NULL,
    started_at      timestamptz NOT NULL DEFAULT now(),
    seen_at         timestamptz NOT NULL DEFAULT now(),
    figures         jsonb NOT NULL DEFAULT '{}'
);

-- What operators should know and metrics are made of: gaps opened and closed, streams lost, bans, duties run.
CREATE TABLE events (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at              timestamptz NOT NULL DEFAULT now(),
    connection_id   uuid REFERENCES user_exchange_connections ON DELETE CASCADE,
    name            text NOT NULL,
    fields          jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX events_at ON events (at);
CREATE INDEX events_connection ON events (connection_id, at DESC);

-- Pauses that an exchange asked for; they outlive a restart of Redis.
CREATE TABLE bans (
    exchange        text NOT NULL,
    scope           text NOT NULL,                       -- address:<egress> or account:<connection>
    until           timestamptz NOT NULL,
    reason          text NOT NULL,
    PRIMARY KEY (exchange, scope)
);

CREATE TABLE audit_log (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at              timestamptz NOT NULL DEFAULT now(),
    actor           text NOT NULL,
    action          text NOT NULL,
    user_id         uuid,
    connection_id   uuid,
    details         jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX audit_log_at ON audit_log (at);
