"""Bybit: the V5 interface, made for unified trading accounts. Spot, linear and inverse contracts.

Documents: https://bybit-exchange.github.io/docs/v5/intro, read 2026-11.
One signed call tells everything of a product by time, no symbol is asked for; one private socket tells all products.
"""

from functools import partial

from shared.exchanges.bybit.account import CLASSIC, UTA1, UTA2, balances, check_key
from shared.exchanges.bybit.history import HISTORY, PRODUCTS
from shared.exchanges.bybit.hosts import REGIONS
from shared.exchanges.bybit.rest import CLOCK, ENDPOINTS, POOLS, ccxt_config, error_of, pool_use, read_clock
from shared.exchanges.bybit.rows import read_rest, read_stream
from shared.exchanges.bybit.stream import STREAM
from shared.exchanges.bybit.tickers import STREAMS
from shared.exchanges.kit.contract import CredentialField, Exchange
from shared.exchanges.kit.credentials import repair
from shared.exchanges.kit.wire import decode_json

_FIELDS = (
    CredentialField(name="api_key", label="API key", is_secret=False),
    CredentialField(name="secret", label="API secret, or the RSA private key in PEM form"),
)

EXCHANGE = Exchange(
    id="bybit",
    title="Bybit",
    docs_url="https://bybit-exchange.github.io/docs/v5/intro",
    credential_fields=_FIELDS,
    repair=partial(repair, _FIELDS),
    products=PRODUCTS,
    regions=REGIONS,
    modes=("", CLASSIC, UTA1, UTA2),
    not_in_history=(
        "Trades older than two years.",
        "Options.",
        "Conversions, one-click buys and P2P deals.",
        "Trades of copy-trading and bot accounts.",
    ),
    ccxt_id="bybit",
    ccxt_config=ccxt_config,
    endpoints=ENDPOINTS,
    pools=POOLS,
    pool_use=pool_use,
    error_of=error_of,
    clock=CLOCK,
    read_clock=read_clock,
    check_key=check_key,
    balances=balances,
    history=HISTORY,
    streams=(STREAM,),
    ticker_streams=STREAMS,
    decode=decode_json,
    read_stream=read_stream,
    read_rest=read_rest,
)
