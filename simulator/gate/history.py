"""Fills and orders over REST: windows of at most 30 days in whole seconds, pages by number or by offset."""

from itertools import islice
from typing import Any

from simulator.dialect import DAY_MS, Call
from simulator.gate import ended, rows
from simulator.gate.errors import refusal
from simulator.gate.keys import UNIFIED, has_opened, may_see
from simulator.gate.listings import product_of
from simulator.truth import SPOT, Market, Order

WEEK_S, MONTH_S = 7 * 86_400, 30 * 86_400
HALF_YEAR_MS = 183 * DAY_MS
USUAL_PAGE, LARGEST_PAGE = 100, 1000
FARTHEST = 100_000
"""How many rows a page may leave out before it."""
ACCOUNTS = ("spot", "margin", "cross_margin", "unified")


def whole(call: Call, name: str, usual: int, least: int = 0, most: int = 1 << 53) -> int:
    """A whole number among the parameters; raises for anything else or outside the bounds."""
    written = call.params.get(name, "")
    if not written:
        return usual
    if not written.isdecimal() or not least <= int(written) <= most:
        raise refusal("INVALID_PARAM_VALUE", f"invalid argument: {name}")
    return int(written)


def window(call: Call) -> tuple[int, int]:
    """Both ends in seconds. One end alone means seven days, none the last seven."""
    now = call.now_ms // 1000
    since, until = whole(call, "from", -1), whole(call, "to", -1)
    if since < 0:
        until = now if until < 0 else until
        since = until - WEEK_S
    elif until < 0:
        until = since + WEEK_S
    if until < since:
        raise refusal("INVALID_PARAM_VALUE", "invalid argument: from is later than to")
    if until - since > MONTH_S:
        raise refusal("INVALID_PARAM_VALUE", "invalid argument: time range exceeds 30 days")
    return since, until


def _market(call: Call, product: str, name: str) -> Market | None:
    """The market asked for: a delisted one still has its history."""
    asked = call.params.get(name)
    if not asked:
        return None
    market = call.exchange.markets.get((product, asked))
    if market is None:
        raise refusal("INVALID_CURRENCY_PAIR" if product == SPOT else "CONTRACT_NOT_FOUND", f"unknown: {asked}")
    return market


def _is_of_another(call: Call) -> bool:
    """Whether `account` asks for one that has nothing here: a unified account's fills are hidden from spot."""
    asked = call.params.get("account")
    if not asked:
        return False
    if asked not in ACCOUNTS:
        raise refusal("INVALID_PARAM_VALUE", "invalid argument: account")
    return asked != ("unified" if call.account.mode == UNIFIED else "spot")


def _order(call: Call, order_id: str) -> Order:
    market = _market(call, SPOT, "currency_pair")
    if market is None:
        raise refusal("MISSING_REQUIRED_PARAM", "Missing required parameter: currency_pair")
    order = call.account.orders.get(order_id)
    if order is None or order.market is not market:
        raise refusal("ORDER_NOT_FOUND")
    return order


# Spot.


def my_trades(call: Call) -> Any:
    """GET /spot/my_trades: by the time when the order ended; with `order_id` everything of that order."""
    account, params = call.account, call.params
    limit = whole(call, "limit", USUAL_PAGE, 1, LARGEST_PAGE)
    skipped = limit * (whole(call, "page", 1, 1) - 1)
    if skipped > FARTHEST:
        raise refusal("INVALID_PARAM_VALUE", "invalid argument: limit * (page - 1) exceeds 100000")
    is_hidden = _is_of_another(call)
    if params.get("order_id"):
        found = iter(ended.fills_of(account, _order(call, params["order_id"]), call.now_ms))
    else:
        market = _market(call, SPOT, "currency_pair")
        found = ended.read(account, call.now_ms, market.id if market else "", *window(call))
    if is_hidden:
        return []
    seen = (fill for fill in found if may_see(account, fill.market.id))
    return [rows.spot_row(fill) for fill in islice(seen, skipped, skipped + limit)]


def open_orders(call: Call) -> Any:
    """GET /spot/open_orders: all pairs, so many orders of each to a page."""
    account = call.account
    limit = whole(call, "limit", USUAL_PAGE, 1, USUAL_PAGE)
    skipped = limit * (whole(call, "page", 1, 1) - 1)
    if _is_of_another(call):
        return []
    by_pair: dict[str, list[Order]] = {}
    for order in account.open_orders.values():
        if order.market.product == SPOT and may_see(account, order.market.id):
            by_pair.setdefault(order.market.id, []).append(order)
    return [
        {
            "currency_pair": pair,
            "total": len(orders),
            "orders": [
                rows.spot_order(account, order, ended.fills_of(account, order))
                for order in orders[skipped : skipped + limit]
            ],
        }
        for pair, orders in by_pair.items()
        if len(orders) > skipped
    ]


def one_order(call: Call) -> Any:
    """GET /spot/orders/{order_id}."""
    order = _order(call, call.names["order_id"])
    return rows.spot_order(call.account, order, ended.fills_of(call.account, order))


# Perpetuals.


def _in_decimals(call: Call) -> bool:
    return call.request.headers.get("x-gate-size-decimal") == "1"


def _futures_page(call: Call, since_ms: int | None, until_ms: int | None) -> Any:
    """One page of fills by their own time, newest first. Raises USER_NOT_FOUND where there is no such account."""
    product = product_of(call)
    if not has_opened(call.account, product):
        raise refusal("USER_NOT_FOUND")
    limit = whole(call, "limit", USUAL_PAGE, 1, LARGEST_PAGE)
    skipped = whole(call, "offset", 0, 0, FARTHEST)
    market = _market(call, product, "contract")
    found = call.account.read_fills(
        call.now_ms,
        product=product,
        market_id=market.id if market else "",
        since_ms=since_ms,
        until_ms=until_ms,
        newest_first=True,
    )
    role, order = call.params.get("role"), call.params.get("order")
    if role:
        found = (fill for fill in found if fill.maker is (role == "maker"))
    if order:
        found = (fill for fill in found if fill.order.id == order)
    return islice(found, skipped, skipped + limit)


def futures_timerange(call: Call) -> Any:
    """GET /futures/{settle}/my_trades_timerange.

    Whether it has a longest window or a farthest offset is not documented: it has those of spot here.
    """
    since, until = window(call)
    page = _futures_page(call, since * 1000, until * 1000 + 999)
    return [rows.futures_row(fill, in_decimals=_in_decimals(call)) for fill in page]


def latest_futures(call: Call) -> Any:
    """GET /futures/{settle}/my_trades: half a year back, no windows."""
    page = _futures_page(call, call.now_ms - HALF_YEAR_MS, None)
    return [rows.latest_futures_row(fill, in_decimals=_in_decimals(call)) for fill in page]
