"""The statements that store trades, apart from the code because they are long."""

_COLUMNS = (
    ("connection_id", "uuid"),
    ("identity", "text"),
    ("symbol", "text"),
    ("market_id", "text"),
    ("product", "text"),
    ("exchange_trade_id", "text"),
    ("order_id", "text"),
    ("client_order_id", "text"),
    ("side", "text"),
    ("taker_or_maker", "text"),
    ("price", "numeric"),
    ("amount", "numeric"),
    ("contracts", "numeric"),
    ("cost", "numeric"),
    ("fee", "numeric"),
    ("fee_currency", "text"),
    ("fees", "jsonb"),
    ("kind", "text"),
    ("exchange_timestamp", "timestamptz"),
    ("provisional", "boolean"),
    ("raw", "json"),
    ("reader", "smallint"),
    ("feed", "text"),
)
_NAMES = ", ".join(name for name, _ in _COLUMNS)
_STORED = ", ".join(name for name, _ in _COLUMNS if name != "feed")

# The batch as a table, each row with its place among those of the same identity: a complete row comes before a
# provisional one. Owner and exchange come from the connection, whatever the message says.
_INCOMING = f"""
incoming AS MATERIALIZED (
    SELECT told.*, c.id IS NOT NULL AS is_known, c.user_id, c.exchange_name AS platform,
           row_number() OVER (
               PARTITION BY told.connection_id, told.identity ORDER BY coalesce(provisional, false), place_in_batch
           ) AS place
    FROM ROWS FROM (json_to_recordset(%(rows)s::json) AS ({", ".join(f"{name} {kind}" for name, kind in _COLUMNS)}))
         WITH ORDINALITY AS told ({_NAMES}, place_in_batch)
    LEFT JOIN user_exchange_connections c ON c.id = told.connection_id
)"""  # noqa: S608 — made of this file's own words

# `TradeLine`, as JSON. Decimals are texts so that no reader makes floats of them.
LINE = """json_build_object(
    'id', id, 'connection_id', connection_id, 'user_id', user_id, 'platform', platform, 'symbol', symbol,
    'market_id', market_id, 'product', product, 'exchange_trade_id', exchange_trade_id, 'identity', identity,
    'order_id', order_id, 'client_order_id', client_order_id, 'side', side, 'taker_or_maker', taker_or_maker,
    'price', price::text, 'amount', amount::text, 'contracts', contracts::text, 'cost', cost::text,
    'fee', fee::text, 'fee_currency', fee_currency, 'fees', fees, 'kind', kind,
    'exchange_timestamp', exchange_timestamp, 'sync_timestamp', sync_timestamp,
    'provisional', provisional, 'is_confirmed', confirmed_at IS NOT NULL, 'source', source
)"""


def _lines_by_user(table: str) -> str:
    return f"""(SELECT array_agg(ARRAY[user_id::text, lines]) FROM (
        SELECT user_id, json_agg({LINE} ORDER BY id)::text AS lines FROM {table} GROUP BY user_id
    ) AS by_user)"""  # noqa: S608 — made of this file's own words


# Sorted, so that two batches that share identities wait for each other in one order and never in a ring.
INSERT_NEW = f"""
WITH {_INCOMING},
fresh AS (
    INSERT INTO trades (user_id, platform, source, confirmed_at, {_STORED})
    SELECT user_id, platform, %(source)s::text, CASE WHEN %(source)s::text = 'rest' THEN clock_timestamp() END,
           {_STORED.replace("fees,", "coalesce(fees, '[]'),").replace("provisional", "coalesce(provisional, false)")}
    FROM incoming WHERE is_known
    ORDER BY connection_id, identity, place
    ON CONFLICT (connection_id, identity) DO NOTHING
    RETURNING *
)
SELECT (SELECT count(*) FROM incoming),
       (SELECT count(*) FROM incoming WHERE NOT is_known),
       (SELECT coalesce(array_agg(id ORDER BY id), '{{}}') FROM fresh),
       {_lines_by_user("fresh WHERE %(with_lines)s::boolean")},
       (SELECT array_agg(DISTINCT ARRAY[connection_id::text, feed]) FROM incoming
        WHERE is_known AND feed IS NOT NULL AND NOT EXISTS (
            SELECT FROM sync_coverage known
            WHERE known.connection_id = incoming.connection_id AND known.feed = incoming.feed AND NOT known.is_sweep))
"""  # noqa: S608 — made of this file's own words

# A market that a stream mentions first, or that was only swept until now, is read from its beginning.
FIND_FEEDS = """
WITH found AS (
    INSERT INTO sync_coverage (connection_id, feed, product, market_id)
    SELECT connection_id, feed, split_part(feed, ':', 1), split_part(feed, ':', 2)
    FROM unnest(%(connection_ids)s::uuid[], %(feeds)s::text[]) AS told (connection_id, feed)
    ORDER BY connection_id, feed
    ON CONFLICT (connection_id, feed) DO UPDATE SET is_sweep = false, due_at = now()
    RETURNING connection_id
)
UPDATE duties SET due_at = least(due_at, now())
FROM user_exchange_connections c
WHERE duty = 'backfill' AND duties.connection_id IN (SELECT connection_id FROM found)
  AND c.id = duties.connection_id AND c.is_active AND c.sync_status NOT IN ('suspended', 'parked', 'closed')
"""

_REPLACED = ", ".join(
    f"{name} = news.{name}"
    for name, _ in _COLUMNS
    if name
    not in {
        *("connection_id", "identity", "feed", "raw", "fees", "provisional"),
        *("order_id", "client_order_id", "taker_or_maker", "contracts", "kind", "exchange_timestamp"),
    }
)
_BLANKS = ("order_id", "client_order_id", "taker_or_maker", "contracts")
# "trade" is the kind of a row that tells nothing special: an exchange may say only on its stream, or only over
# REST, that a fill was a liquidation.
_PLAIN = "kind = CASE WHEN {0}.kind = 'trade' THEN {1}.kind ELSE {0}.kind END"
# Of one trade some exchanges tell milliseconds here and whole seconds there: the finer moment stays.
_IS_CUT = "{0}.exchange_timestamp = date_trunc('second', {1}.exchange_timestamp)"
_FINER = f"exchange_timestamp = CASE WHEN {_IS_CUT} THEN {{1}}.exchange_timestamp ELSE {{0}}.exchange_timestamp END"


def _filled(kept: str, other: str) -> str:
    blanks = [f"{name} = coalesce({kept}.{name}, {other}.{name})" for name in _BLANKS]
    return ", ".join([*blanks, _PLAIN.format(kept, other), _FINER.format(kept, other)])


_FILLS = " OR ".join(
    [
        *(f"(s.{name} IS NULL AND i.{name} IS NOT NULL)" for name in _BLANKS),
        "(s.kind = 'trade' AND i.kind <> 'trade')",
        f"(s.exchange_timestamp <> i.exchange_timestamp AND {_IS_CUT.format('s', 'i')})",
    ]
)
_FACTS = """'side', {0}.side, 'price', {0}.price::text, 'amount', {0}.amount::text, 'kind', {0}.kind,
                'fee', {0}.fee::text, 'fee_currency', {0}.fee_currency"""

# wins:   REST over what REST has not shown yet; the complete over the provisional.
# fills:  a field that the stored row leaves blank, or a finer moment. Filling is not overwriting; without it the
#         order of arrival would show in the table.
# differs: one identity, two stories. Kept in quarantine whoever wins.
MERGE_KNOWN = f"""
WITH {_INCOMING},
stored AS MATERIALIZED (
    SELECT t.* FROM trades t
    WHERE (t.connection_id, t.identity) IN (SELECT connection_id, identity FROM incoming)
    ORDER BY t.connection_id, t.identity
    FOR UPDATE
),
compared AS MATERIALIZED (
    SELECT i.*, s.id, s.raw AS stored_raw,
           concat_ws(', ',
               CASE WHEN s.side <> i.side THEN 'side' END,
               CASE WHEN s.price <> i.price THEN 'price' END,
               CASE WHEN s.amount <> i.amount THEN 'amount' END,
               CASE WHEN s.kind <> i.kind AND 'trade' NOT IN (s.kind, i.kind) THEN 'kind' END,
               CASE WHEN NOT s.provisional AND NOT coalesce(i.provisional, false)
                     AND (coalesce(s.fee, 0) <> coalesce(i.fee, 0)
                          OR (coalesce(i.fee, 0) <> 0 AND s.fee_currency IS DISTINCT FROM i.fee_currency))
                    THEN 'fee' END
           ) AS differs,
           CASE WHEN %(source)s::text = 'rest'
                THEN s.confirmed_at IS NULL OR (s.provisional AND NOT coalesce(i.provisional, false))
                ELSE s.confirmed_at IS NULL AND s.provisional AND NOT coalesce(i.provisional, false)
           END AND i.place = 1 AS wins,
           ({_FILLS}) AS fills,
           s.provisional AS was_provisional,
           json_build_object({_FACTS.format("s")}, 'source', s.source,
                'is_confirmed', s.confirmed_at IS NOT NULL) AS had,
           json_build_object({_FACTS.format("i")}, 'source', %(source)s::text) AS has
    FROM incoming i JOIN stored s USING (connection_id, identity)
    WHERE NOT (i.place = 1 AND s.id = ANY (%(new_ids)s::bigint[]))
),
merged AS (
    UPDATE trades t SET
        {_REPLACED},
        {_filled("news", "t")},
        raw = coalesce(news.raw, t.raw),
        fees = coalesce(news.fees, '[]'),
        provisional = coalesce(news.provisional, false),
        confirmed_at = CASE WHEN %(source)s::text = 'rest' THEN clock_timestamp() END
    FROM compared news
    WHERE t.id = news.id AND news.wins
    RETURNING t.*, news.was_provisional
),
filled AS (
    UPDATE trades t SET {_filled("t", "news")}
    FROM compared news
    WHERE t.id = news.id AND news.fills AND news.differs = '' AND news.place = 1 AND NOT news.wins
),
doubts AS (
    SELECT DISTINCT ON (connection_id, print) *
    FROM (
        SELECT compared.*, sha256(convert_to(identity || has::text || (had ->> 'is_confirmed'), 'UTF8')) AS print
        FROM compared WHERE differs <> ''
    ) AS each
),
kept AS (
    INSERT INTO quarantine (connection_id, exchange, source, reason, identity, raw, fingerprint)
    SELECT connection_id, platform, %(source)s::text, 'contradicted: ' || differs, identity,
           json_build_object('stored', had, 'told', has, 'stored_raw', stored_raw, 'told_raw', raw), print
    FROM doubts ORDER BY connection_id, print
    ON CONFLICT (connection_id, fingerprint) DO UPDATE SET seen = quarantine.seen + 1, last_seen_at = now()
)
SELECT (SELECT count(*) FROM merged),
       (SELECT count(*) FROM compared WHERE NOT wins AND differs = ''),
       (SELECT count(*) FROM compared WHERE differs <> ''),
       {_lines_by_user("merged WHERE was_provisional AND NOT provisional AND %(with_lines)s::boolean")}
"""  # noqa: S608 — made of this file's own words
