"""Which symbols were traded: classic spot and unified accounts are read symbol by symbol, and nobody lists them.

The ledger tells it for three days, open orders and held coins hint at it, and all other markets are swept.
"""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from shared.domain.connections import Account
from shared.domain.errors import ContractBroken, MarketGone, PermissionMissing
from shared.domain.markets import Markets
from shared.domain.trades import Product
from shared.exchanges.kit.contract import Feed, Found, Request, Steps
from shared.exchanges.kucoin.history import OLD
from shared.exchanges.kucoin.keys import held_coins
from shared.exchanges.kucoin.rest import ACTIVE_SYMBOLS, EXECUTIONS, LEDGER, UNIFIED

_DAY_MS = 86_400_000
_LEDGER_DAYS = 3
_LEDGER_PAGE = 200
# Ledgers only hint at symbols: an account so busy that these do not hold its three days has its others swept.
_MOST_PAGES = 50


def discover(account: Account, markets: Markets) -> Steps[Found]:
    """The spot markets worth reading, and all others as a sweep."""
    if Product.SPOT not in account.products:
        return Found()
    held = yield from held_coins(account)
    if account.mode == UNIFIED:
        traded = yield from _traded_unified()
    else:
        traded = yield from _traded_classic()
    every = tuple(market.id for market in markets.of(Product.SPOT))
    likely = {market.id for market in markets.of(Product.SPOT) if market.base in held}
    feeds = tuple(Feed(Product.SPOT, market_id) for market_id in every if market_id in likely or market_id in traded)
    sweep = tuple(Feed(Product.SPOT, market_id) for market_id in every if market_id not in likely | traded)
    # Traded, but delisted since: the list no longer holds it, and its fills are still served.
    gone = tuple(Feed(Product.SPOT, market_id) for market_id in sorted(traded - set(every)))
    is_old_unknown = account.mode != UNIFIED and not account.details.get("has_old_fills")
    return Found(feeds=feeds + gone, sweep=(*sweep, OLD) if is_old_unknown else sweep)


def _traded_classic() -> Steps[set[str]]:
    answer = yield Request(ACTIVE_SYMBOLS)
    data = answer.data.get("data")
    named = data.get("symbols") if isinstance(data, Mapping) else data
    traded = {str(symbol) for symbol in named or ()}
    now_ms = answer.received_ms
    for days in range(_LEDGER_DAYS):
        traded |= yield from _traded_in_ledger(now_ms - (days + 1) * _DAY_MS, now_ms - days * _DAY_MS)
    return traded


def _traded_in_ledger(since_ms: int, until_ms: int) -> Steps[set[str]]:
    """The symbols of one day of the ledger: older questions than a day are not answered everywhere."""
    traded: set[str] = set()
    params: dict[str, Any] = {
        "bizType": "TRADE_EXCHANGE",
        "startAt": since_ms,
        "endAt": until_ms,
        "limit": _LEDGER_PAGE,
    }
    for _ in range(_MOST_PAGES):
        answer = yield Request(LEDGER, dict(params))
        data = answer.data.get("data")
        rows = data.get("items") if isinstance(data, Mapping) else data
        if not rows:
            break
        traded |= {symbol for row in rows if (symbol := _symbol_in(row))}
        last_id = (data.get("lastId") if isinstance(data, Mapping) else None) or rows[-1].get("id")
        if not last_id or str(last_id) == params.get("lastId"):
            break
        params["lastId"] = str(last_id)
    return traded


def _symbol_in(row: Any) -> str | None:
    """The symbol in a ledger row's context: JSON in a text, with single quotes in older rows."""
    written = row.get("context") if isinstance(row, Mapping) else None
    if not isinstance(written, str):
        return None
    for candidate in (written, written.replace("'", '"')):
        try:
            context = json.loads(candidate, parse_float=Decimal)
        except ValueError:
            continue
        symbol = context.get("symbol") if isinstance(context, Mapping) else None
        return symbol if isinstance(symbol, str) and symbol else None
    return None


def _traded_unified() -> Steps[set[str]]:
    """What the last seven days tell without a symbol, where the exchange answers that (docs disagree)."""
    traded: set[str] = set()
    params: dict[str, Any] = {"accountMode": UNIFIED, "tradeType": "SPOT", "pageSize": 200}
    try:
        for _ in range(_MOST_PAGES):
            answer = yield Request(EXECUTIONS, dict(params))
            data = answer.data.get("data")
            items = data.get("items") if isinstance(data, Mapping) else None
            if not isinstance(data, Mapping) or not items:
                break
            traded |= {str(row["symbol"]) for row in items if isinstance(row, Mapping) and row.get("symbol")}
            last_id = data.get("lastId")
            if not last_id or str(last_id) == params.get("lastId"):
                break
            params["lastId"] = str(last_id)
    except (ContractBroken, MarketGone, PermissionMissing):
        return traded
    return traded
