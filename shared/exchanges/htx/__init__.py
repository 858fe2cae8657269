"""HTX, formerly Huobi: spot, and contracts margined in USDT. Two systems behind one key.

Documents: https://huobiapi.github.io/docs/spot/v1/en/ and /docs/usdt_swap/v1/en/, read 2026-11. Spot is read without a
symbol; contracts contract by contract, on the V5 interface or, for accounts that have not moved, on the one before.
"""

from functools import partial

from shared.exchanges.htx.account import balances, check_key
from shared.exchanges.htx.discovery import discover
from shared.exchanges.htx.history import PRODUCTS, ask, feed_of, feeds, reach, read, slice_of
from shared.exchanges.htx.messages import decode, read_rest, read_stream
from shared.exchanges.htx.movements import movements
from shared.exchanges.htx.prices import TICKER_STREAMS
from shared.exchanges.htx.rest import (
    CLOCK,
    ENDPOINTS,
    LEGACY,
    POOLS,
    REGIONS,
    V5,
    ccxt_config,
    pool_use,
    read_clock,
)
from shared.exchanges.htx.streams import STREAMS
from shared.exchanges.htx.trouble import error_of
from shared.exchanges.kit.contract import CredentialField, Exchange, History
from shared.exchanges.kit.credentials import repair
from shared.exchanges.kit.paging import DAY_MS

_FIELDS = (
    CredentialField(name="api_key", label="Access key", is_secret=False),
    CredentialField(name="secret", label="Secret key"),
)

EXCHANGE = Exchange(
    id="htx",
    title="HTX",
    aliases=("huobi",),
    docs_url="https://www.htx.com/en-us/opend/newApiPages/",
    credential_fields=_FIELDS,
    repair=partial(repair, _FIELDS),
    products=PRODUCTS,
    regions=REGIONS,
    modes=("", V5, LEGACY),
    not_in_history=(
        "Spot trades older than 120 days.",
        "Contract trades older than three days (90 days where the account is still on the old contract interface).",
        "Coin-margined contracts and options.",
        "Conversions and P2P deals.",
    ),
    ccxt_id="htx",
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
    history=History(
        feeds=feeds,
        feed_of=feed_of,
        reach=reach,
        slice=slice_of,
        ask=ask,
        read=read,
        discover=discover,
        sweep_ms=DAY_MS,  # contracts are readable for three days only
    ),
    streams=STREAMS,
    ticker_streams=TICKER_STREAMS,
    decode=decode,
    read_stream=read_stream,
    read_rest=read_rest,
)
