"""Kraken: the spot exchange, its margin trades among them.

Documents: https://docs.kraken.com/api/, read 2026-11. One signed call tells all trades by time, no pair is asked for;
one private socket tells them as they happen. The calls of a key carry a nonce that must rise: they are made one at a
time over all processes, with milliseconds for the nonce, as a key is used to that ccxt has signed with.
Kraken Futures has keys, hosts and a history of its own, and is an exchange of its own here.
"""

from functools import partial

from shared.domain.trades import Product
from shared.exchanges.kit.contract import CredentialField, Exchange
from shared.exchanges.kit.credentials import repair
from shared.exchanges.kit.wire import decode_json
from shared.exchanges.kraken.account import WALLET, balances, check_key
from shared.exchanges.kraken.history import HISTORY
from shared.exchanges.kraken.movements import movements
from shared.exchanges.kraken.rest import CLOCK, ENDPOINTS, POOLS, ccxt_config, pool_use, read_clock
from shared.exchanges.kraken.rows import read_rest, read_stream
from shared.exchanges.kraken.stream import STREAM
from shared.exchanges.kraken.tickers import STREAM as TICKERS
from shared.exchanges.kraken.trouble import error_of

_FIELDS = (
    CredentialField(name="api_key", label="API key", is_secret=False),
    CredentialField(name="secret", label="Private key (base64)"),
)

EXCHANGE = Exchange(
    id="kraken",
    title="Kraken",
    docs_url="https://docs.kraken.com/api/docs/guides/spot-rest-intro",
    credential_fields=_FIELDS,
    repair=partial(repair, _FIELDS),
    products=(Product.SPOT,),
    not_in_history=(
        "Instant buys, conversions and dust sweeps: the exchange tells them in its ledgers only.",
        "Fees that were paid in another coin than the quote coin: the exchange tells them in its ledgers only.",
        "Trades from before the query start date of the key, where its owner has set one.",
    ),
    ccxt_id="kraken",
    ccxt_config=ccxt_config,
    endpoints=ENDPOINTS,
    pools=POOLS,
    pool_use=pool_use,
    error_of=error_of,
    clock=CLOCK,
    read_clock=read_clock,
    serialise_calls=True,
    check_key=check_key,
    balances=balances,
    spot_wallets=lambda _: frozenset({WALLET}),
    movements=movements,
    history=HISTORY,
    streams=(STREAM,),
    ticker_streams=(TICKERS,),
    decode=decode_json,
    read_stream=read_stream,
    read_rest=read_rest,
)
