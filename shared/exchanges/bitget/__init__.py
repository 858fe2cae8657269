"""Bitget. Docs: https://www.bitget.com/docs, read 2026-11.

Two worlds live under one name: classic accounts (v2) and unified ones (v3), each with its own paths, sockets and
words for the same fills. `check_key` finds out which it is; everything else goes by `Account.mode`. An account may
move from one to the other at any time; its trades keep their ids.
"""

from functools import partial

from shared.exchanges.bitget.account import balances, check_key
from shared.exchanges.bitget.history import HISTORY, PRODUCTS
from shared.exchanges.bitget.movements import movements
from shared.exchanges.bitget.rest import (
    CLASSIC,
    CLOCK,
    ENDPOINTS,
    POOLS,
    REGIONS,
    UNIFIED,
    ccxt_config,
    pool_use,
    read_clock,
)
from shared.exchanges.bitget.rows import read_rest, read_stream
from shared.exchanges.bitget.streams import STREAMS, decode
from shared.exchanges.bitget.tickers import STREAMS as TICKER_STREAMS
from shared.exchanges.bitget.trouble import error_of
from shared.exchanges.kit.contract import CredentialField, Exchange
from shared.exchanges.kit.credentials import repair

_FIELDS = (
    CredentialField(name="api_key", label="API key", is_secret=False),
    CredentialField(name="secret", label="API secret"),
    CredentialField(name="passphrase", label="API passphrase, as set when the key was made"),
)

EXCHANGE = Exchange(
    id="bitget",
    title="Bitget",
    docs_url="https://www.bitget.com/docs",
    credential_fields=_FIELDS,
    repair=partial(repair, _FIELDS),
    products=PRODUCTS,
    regions=REGIONS,
    modes=("", CLASSIC, UNIFIED),
    not_in_history=(
        "Fills older than 90 days: they can only be exported on the website.",
        "Margin fills of classic accounts; those of unified accounts are read.",
        "Conversions and peer-to-peer deals, fills of trading bots, and of sub-accounts.",
    ),
    ccxt_id="bitget",
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
    history=HISTORY,
    streams=STREAMS,
    ticker_streams=TICKER_STREAMS,
    decode=decode,
    read_stream=read_stream,
    read_rest=read_rest,
)
