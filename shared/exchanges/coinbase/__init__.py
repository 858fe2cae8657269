"""Coinbase: Advanced Trade, spot, with keys of the Coinbase Developer Platform.

Documents: https://docs.cdp.coinbase.com/coinbase-app/advanced-trade-apis, read 2026-11.
One signed call tells all fills of a portfolio by time; the private socket tells orders only, and each that filled is
a reason to make that call. Coinbase Pro became this; its keys are dead.
"""

from shared.domain.trades import Product
from shared.exchanges.coinbase.account import balances, check_key
from shared.exchanges.coinbase.history import HISTORY
from shared.exchanges.coinbase.keys import FIELDS, repair
from shared.exchanges.coinbase.movements import movements
from shared.exchanges.coinbase.rest import CLOCK, ENDPOINTS, POOLS, ccxt_config, error_of, pool_use, read_clock
from shared.exchanges.coinbase.rows import read_rest
from shared.exchanges.coinbase.stream import STREAM, read_stream
from shared.exchanges.coinbase.tickers import STREAM as TICKERS
from shared.exchanges.kit.contract import Exchange
from shared.exchanges.kit.wire import decode_json

EXCHANGE = Exchange(
    id="coinbase",
    title="Coinbase",
    aliases=("coinbasepro",),
    docs_url="https://docs.cdp.coinbase.com/coinbase-app/advanced-trade-apis",
    credential_fields=FIELDS,
    repair=repair,
    products=(Product.SPOT,),
    not_in_history=(
        "Trades of other portfolios: a key sees one.",
        "US futures and international perpetuals.",
        "Simple buys and sells, conversions and transfers.",
    ),
    ccxt_id="coinbase",
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
