"""Coinbase Exchange: the institutional side, spot, with keys that have a passphrase and see one profile.

Documents: https://docs.cdp.coinbase.com/exchange, read 2026-11.
Fills are asked for market by market; the private socket tells matches with their fee's rate, and REST completes them.
"""

from functools import partial

from shared.domain.trades import Product
from shared.exchanges.coinbaseexchange.account import FIELDS, balances, check_key
from shared.exchanges.coinbaseexchange.history import HISTORY
from shared.exchanges.coinbaseexchange.movements import movements
from shared.exchanges.coinbaseexchange.rest import (
    CLOCK,
    ENDPOINTS,
    POOLS,
    REGIONS,
    ccxt_config,
    error_of,
    pool_use,
    read_clock,
)
from shared.exchanges.coinbaseexchange.rows import read_rest, read_stream
from shared.exchanges.coinbaseexchange.stream import STREAM
from shared.exchanges.coinbaseexchange.tickers import STREAM as TICKERS
from shared.exchanges.kit.contract import Exchange
from shared.exchanges.kit.credentials import repair
from shared.exchanges.kit.wire import decode_json

EXCHANGE = Exchange(
    id="coinbaseexchange",
    title="Coinbase Exchange",
    docs_url="https://docs.cdp.coinbase.com/exchange",
    credential_fields=FIELDS,
    repair=partial(repair, FIELDS),
    products=(Product.SPOT,),
    regions=REGIONS,
    not_in_history=(
        "Trades of other profiles: a key sees one.",
        "Conversions between stablecoins and dollars, and transfers.",
    ),
    ccxt_id="coinbaseexchange",
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
    streams=(STREAM,),
    ticker_streams=(TICKERS,),
    decode=decode_json,
    read_stream=read_stream,
    read_rest=read_rest,
)
