"""OKX: the V5 interface. Spot, margin, perpetuals and delivery futures of one account.

Documents: https://www.okx.com/docs-v5/en, read 2026-11.
History is asked by kind of instrument, no symbol; one private socket tells all orders, each with its latest fill.
"""

from functools import partial

from shared.exchanges.kit.contract import CredentialField, Exchange
from shared.exchanges.kit.credentials import repair
from shared.exchanges.okx.account import MODES, balances, check_key, spot_wallets
from shared.exchanges.okx.history import HISTORY, PRODUCTS
from shared.exchanges.okx.hosts import REGIONS
from shared.exchanges.okx.movements import movements
from shared.exchanges.okx.rest import CLOCK, ENDPOINTS, POOLS, ccxt_config, error_of, pool_use, read_clock
from shared.exchanges.okx.rows import read_rest, read_stream
from shared.exchanges.okx.stream import STREAM, decode
from shared.exchanges.okx.tickers import TICKERS

_FIELDS = (
    CredentialField(name="api_key", label="API key", is_secret=False),
    CredentialField(name="secret", label="Secret key"),
    CredentialField(name="passphrase", label="Passphrase, as set when the key was made"),
)

EXCHANGE = Exchange(
    id="okx",
    title="OKX",
    docs_url="https://www.okx.com/docs-v5/en",
    credential_fields=_FIELDS,
    repair=partial(repair, _FIELDS),
    products=PRODUCTS,
    regions=REGIONS,
    modes=("", *MODES.values()),
    not_in_history=(
        "Trades older than three months: the exchange keeps those in files of bills that its website exports.",
        "Options.",
        "Conversions, one-click repayments, simple and recurring buys.",
        "What trading bots and copy trading do outside the trading account, and sub-accounts.",
    ),
    ccxt_id="okx",
    ccxt_config=ccxt_config,
    endpoints=ENDPOINTS,
    pools=POOLS,
    pool_use=pool_use,
    error_of=error_of,
    clock=CLOCK,
    read_clock=read_clock,
    check_key=check_key,
    balances=balances,
    spot_wallets=spot_wallets,
    movements=movements,
    history=HISTORY,
    streams=(STREAM,),
    ticker_streams=(TICKERS,),
    decode=decode,
    read_stream=read_stream,
    read_rest=read_rest,
)
