"""Kraken Futures: perpetuals and dated contracts, linear (PF) and inverse (PI, FI), with keys of their own.

Documents: https://docs.kraken.com/api/docs/guides/futures-rest, read 2026-11. One signed call tells every execution by
time; one socket tells fills. Its calls need no nonce.
"""

from functools import partial

from shared.domain.trades import Product
from shared.exchanges.kit.contract import CredentialField, Exchange
from shared.exchanges.kit.credentials import repair
from shared.exchanges.kit.wire import decode_json
from shared.exchanges.krakenfutures.account import balances, check_key
from shared.exchanges.krakenfutures.history import HISTORY
from shared.exchanges.krakenfutures.rest import ENDPOINTS, MARKETS, POOLS, REGIONS, ccxt_config, pool_use, read_clock
from shared.exchanges.krakenfutures.rows import read_rest, read_stream
from shared.exchanges.krakenfutures.stream import STREAM
from shared.exchanges.krakenfutures.tickers import STREAM as TICKERS
from shared.exchanges.krakenfutures.trouble import error_of

_FIELDS = (
    CredentialField(name="api_key", label="Futures API key", is_secret=False),
    CredentialField(name="secret", label="Futures private key (base64)"),
)

EXCHANGE = Exchange(
    id="krakenfutures",
    title="Kraken Futures",
    docs_url="https://docs.kraken.com/api/docs/guides/futures-rest",
    credential_fields=_FIELDS,
    repair=partial(repair, _FIELDS),
    products=(Product.LINEAR, Product.INVERSE),
    regions=REGIONS,
    not_in_history=("Settlements of dated contracts: the exchange tells them in its account log only.",),
    ccxt_id="krakenfutures",
    ccxt_config=ccxt_config,
    endpoints=ENDPOINTS,
    pools=POOLS,
    pool_use=pool_use,
    error_of=error_of,
    clock=MARKETS,
    read_clock=read_clock,
    check_key=check_key,
    balances=balances,
    history=HISTORY,
    streams=(STREAM,),
    ticker_streams=(TICKERS,),
    decode=decode_json,
    read_stream=read_stream,
    read_rest=read_rest,
)
