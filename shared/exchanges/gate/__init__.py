"""Gate: spot, and perpetuals that settle in USDT, of classic and unified accounts.

Documents: https://www.gate.com/docs/developers/apiv4, read 2026-11.
One signed call tells everything of a product by time, no market is asked for; spot and perpetuals have a socket each.
Oddity: history knows a spot fill by the end of its order, so the fills of open orders are asked for by themselves.
"""

from functools import partial

from shared.exchanges.gate.account import CLASSIC, UNIFIED, balances, check_key
from shared.exchanges.gate.history import HISTORY, PRODUCTS
from shared.exchanges.gate.hosts import REGIONS
from shared.exchanges.gate.movements import movements
from shared.exchanges.gate.prices import TICKER_STREAMS
from shared.exchanges.gate.rest import CLOCK, ENDPOINTS, POOLS, ccxt_config, error_of, pool_use, read_clock
from shared.exchanges.gate.rows import read_rest, read_stream
from shared.exchanges.gate.sockets import STREAMS
from shared.exchanges.kit.contract import CredentialField, Exchange
from shared.exchanges.kit.credentials import repair
from shared.exchanges.kit.wire import decode_json

_FIELDS = (
    CredentialField(name="api_key", label="API key", is_secret=False),
    CredentialField(name="secret", label="API secret"),
)

EXCHANGE = Exchange(
    id="gate",
    title="Gate",
    aliases=("gateio",),
    docs_url="https://www.gate.com/docs/developers/apiv4",
    credential_fields=_FIELDS,
    repair=partial(repair, _FIELDS),
    products=PRODUCTS,
    regions=REGIONS,
    modes=("", CLASSIC, *UNIFIED),
    not_in_history=(
        "Spot fills older than what the exchange still keeps; it does not say how long that is.",
        "Contracts that settle in BTC, delivery futures and options.",
        "Conversions, earn and loan products, trading bots, copy trading, and sub-accounts.",
        "Fills of legacy cross-margin accounts that the exchange lists only when asked for them by name.",
    ),
    ccxt_id="gate",
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
    decode=decode_json,
    read_stream=read_stream,
    read_rest=read_rest,
)
