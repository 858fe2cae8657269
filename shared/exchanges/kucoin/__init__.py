"""KuCoin. Docs: https://www.kucoin.com/docs-new, read 2026-11.

Two kinds of accounts live under one name. Classic ones have a spot and a futures half, each with its own host,
socket and history, and sockets that tell no fees. Unified ones have one history by trade type and one socket that
tells all. `check_key` finds out which it is; everything else goes by `Account.mode`.

Oddities: spot history serves seven days only, symbol by symbol; whoever asks for more is answered with less, without
a word. Futures history answers a question with one end only for 24 hours. Its rows' `createdAt` is when the order
was made. Times are in milliseconds here and nanoseconds there. One code, 400100, is every wrong parameter.
"""

from shared.domain.trades import Product
from shared.exchanges.kit.contract import Exchange, History
from shared.exchanges.kit.credentials import repair
from shared.exchanges.kit.paging import DAY_MS
from shared.exchanges.kit.wire import decode_json
from shared.exchanges.kucoin.discovery import discover
from shared.exchanges.kucoin.history import ask, feed_of, feeds, reach, read, slice_of
from shared.exchanges.kucoin.keys import CREDENTIAL_FIELDS, balances, check_key
from shared.exchanges.kucoin.messages import read_rest, read_stream
from shared.exchanges.kucoin.movements import movements
from shared.exchanges.kucoin.prices import TICKER_STREAMS
from shared.exchanges.kucoin.rest import (
    CLASSIC,
    CLOCK,
    ENDPOINTS,
    POOLS,
    UNIFIED,
    ccxt_config,
    error_of,
    pool_use,
    read_clock,
)
from shared.exchanges.kucoin.streams import STREAMS

EXCHANGE = Exchange(
    id="kucoin",
    title="KuCoin",
    docs_url="https://www.kucoin.com/docs-new",
    credential_fields=CREDENTIAL_FIELDS,
    repair=lambda pasted: repair(CREDENTIAL_FIELDS, pasted),
    products=(Product.SPOT, Product.LINEAR, Product.INVERSE),
    modes=("", CLASSIC, UNIFIED),
    not_in_history=(
        "Spot fills older than 7 days (accounts from before the high-frequency migration may have older ones).",
        "Futures fills older than 3 months.",
        "Margin fills of classic accounts, conversions, trading bots, lead and copy trading, and sub-accounts.",
    ),
    ccxt_id="kucoin",
    ccxt_config=ccxt_config,
    endpoints=ENDPOINTS,
    pools=POOLS,
    pool_use=pool_use,
    error_of=error_of,
    clock=CLOCK,
    read_clock=read_clock,
    check_key=check_key,
    balances=balances,
    spot_wallets=lambda account: frozenset({"spot"}) if account.mode == CLASSIC else frozenset(),
    movements=movements,
    history=History(
        feeds=feeds,
        feed_of=feed_of,
        reach=reach,
        slice=slice_of,
        ask=ask,
        read=read,
        discover=discover,
        sweep_ms=3 * DAY_MS,  # classic spot serves a week, and what the sweep first finds must still be read
    ),
    streams=STREAMS,
    ticker_streams=TICKER_STREAMS,
    decode=decode_json,
    read_stream=read_stream,
    read_rest=read_rest,
)
