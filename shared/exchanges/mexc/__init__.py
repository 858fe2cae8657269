"""MEXC. Docs: https://www.mexc.com/api-docs, read 2026-11.

Two systems under one name: spot (/api/v3, a protobuf socket) and contracts (/api/v1, a JSON socket), each with its own
signature, envelope and ids. No sandbox exists.

Oddities: spot serves a month of fills, symbol by symbol, 100 at most and without a cursor. Its history tells whole
seconds, its socket milliseconds. Sides of contracts are four numbers. A revoked or expired key leaves sockets open and
silent.
"""

from functools import partial

from shared.domain.trades import Product
from shared.exchanges.kit.contract import CredentialField, Exchange
from shared.exchanges.kit.credentials import repair
from shared.exchanges.mexc.account import balances, check_key
from shared.exchanges.mexc.futures_stream import FUTURES_STREAM
from shared.exchanges.mexc.history import HISTORY
from shared.exchanges.mexc.movements import movements
from shared.exchanges.mexc.prices import TICKER_STREAMS
from shared.exchanges.mexc.push import decode
from shared.exchanges.mexc.rest import CLOCK, ENDPOINTS, POOLS, ccxt_config, pool_use, read_clock
from shared.exchanges.mexc.rows import read_rest, read_stream
from shared.exchanges.mexc.spot_stream import SPOT_STREAM
from shared.exchanges.mexc.trouble import error_of

_FIELDS = (
    CredentialField(name="api_key", label="API key (access key)", is_secret=False),
    CredentialField(name="secret", label="API secret"),
)

EXCHANGE = Exchange(
    id="mexc",
    title="MEXC",
    docs_url="https://www.mexc.com/api-docs",
    credential_fields=_FIELDS,
    repair=partial(repair, _FIELDS),
    products=(Product.SPOT, Product.LINEAR, Product.INVERSE),
    not_in_history=(
        "Spot fills older than 30 days.",
        "Futures fills older than 90 days.",
        "Spot fills of a market that was delisted before it was asked for.",
        "Isolated margin, conversions, copy trading, and sub-accounts.",
    ),
    ccxt_id="mexc",
    ccxt_config=ccxt_config,
    endpoints=ENDPOINTS,
    pools=POOLS,
    pool_use=pool_use,
    error_of=error_of,
    clock=CLOCK,
    read_clock=read_clock,
    check_key=check_key,
    balances=balances,
    spot_wallets=lambda _: frozenset({"spot"}),
    movements=movements,
    history=HISTORY,
    streams=(SPOT_STREAM, FUTURES_STREAM),
    ticker_streams=TICKER_STREAMS,
    decode=decode,
    read_stream=read_stream,
    read_rest=read_rest,
)
