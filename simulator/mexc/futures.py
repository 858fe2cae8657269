"""The futures interface, `/api/v1`: fills of one contract by pages, ninety days back; orders and positions of all."""

from itertools import islice
from operator import attrgetter
from typing import Any

from simulator.dialect import DAY_MS, Call
from simulator.mexc import rows
from simulator.mexc.errors import futures_refusal, good
from simulator.mexc.listings import contract
from simulator.mexc.orders import orders_between
from simulator.truth import INVERSE, LINEAR, Fill, Holding, Market

WALLET = "futures"
REACH_MS = 90 * DAY_MS
USUAL_SPAN_MS = 7 * DAY_MS
USUAL_PAGE, LARGEST_PAGE, LARGEST_NEW_PAGE = 20, 100, 1000


def ping(call: Call) -> Any:
    return good(call.now_ms)


def deals(call: Call) -> Any:
    """GET …/order/list/order_deals: a bare list."""
    found, number, size = _deals(call, LARGEST_PAGE)
    return good([rows.deal(fill, "taker") for fill in islice(found, (number - 1) * size, number * size)])


def new_deals(call: Call) -> Any:
    """GET …/order/list/order_deals/v3: larger pages, with their number around the list."""
    found, number, size = _deals(call, LARGEST_NEW_PAGE)
    every = list(found)
    page = [rows.deal(fill, "isTaker") for fill in every[(number - 1) * size : number * size]]
    return good(
        {
            "pageSize": size,
            "totalCount": len(every),
            "totalPage": -(-len(every) // size),
            "currentPage": number,
            "resultList": page,
        }
    )


def _deals(call: Call, largest: int) -> tuple[Any, int, int]:
    """Fills of a window, newest first, with the page wanted."""
    market = _market(call)
    if market is None:
        raise futures_refusal(600)
    since, until = _window(call)
    number, size = _page(call, largest)
    found = call.account.read_fills(
        call.now_ms,
        product=market.product,
        market_id=market.id,
        since_ms=since,
        until_ms=until,
        newest_first=True,
    )
    return found, number, size


def deals_of_order(call: Call) -> Any:
    """GET …/order/deal_details/{order_id}: all fills of one order, whenever they were."""
    order = call.account.orders.get(call.names["order_id"])
    if order is None:
        return good([])
    found = call.account.read_fills(
        call.now_ms,
        product=order.market.product,
        market_id=order.market.id,
        since_ms=order.created_ms,
        until_ms=order.updated_ms,
    )
    return good([rows.deal(fill, "taker") for fill in found if fill.order is order])


def orders(call: Call) -> Any:
    """GET …/order/list/history_orders: of one contract or of all; `states` narrows it."""
    market, (since, until), (number, size) = _market(call), _window(call), _page(call, LARGEST_PAGE)
    states = set(filter(None, call.params.get("states", "").split(",")))
    found = [
        order
        for product in ((LINEAR, INVERSE) if market is None else (market.product,))
        for order in orders_between(call.account, product, market.id if market else "", since, until)
        if order.status != "open" and (not states or str(rows.order_state(order, order.filled)) in states)
    ]
    found.sort(key=attrgetter("created_ms"), reverse=True)
    page = found[(number - 1) * size : number * size]
    return good([rows.futures_order(order, order.filled, order.cost, rows.NO_FEE) for order in page])


def positions(call: Call) -> Any:
    """GET …/position/open_positions."""
    return good(_positions(call, is_open=True))


def old_positions(call: Call) -> Any:
    """GET …/position/list/history_positions: those that are closed."""
    number, size = _page(call, LARGEST_PAGE)
    return good(_positions(call, is_open=False)[(number - 1) * size : number * size])


def _positions(call: Call, *, is_open: bool) -> list[dict[str, Any]]:
    market = _market(call)
    found = []
    for key, held in call.account.positions.items():
        if bool(held.size) is is_open and (market is None or market.key == key):
            last: Fill = call.account.fills[key][-1]
            found.append(rows.position(call.exchange.markets[key], held, last.timestamp_ms))
    return found


def assets(call: Call) -> Any:
    """GET …/account/assets: every coin that ever was in the wallet."""
    account, markets = call.account, call.exchange.markets
    wallet = account.wallets.get(WALLET, {})
    return good([rows.futures_asset(account, markets, coin, held) for coin, held in wallet.items()])


def asset(call: Call) -> Any:
    """GET …/account/asset/{currency}."""
    coin = call.names["currency"]
    held = call.account.wallets.get(WALLET, {}).get(coin, Holding())
    return good(rows.futures_asset(call.account, call.exchange.markets, coin, held))


# Parameters.


def _market(call: Call) -> Market | None:
    """The contract that `symbol` names, None without one."""
    symbol = call.params.get("symbol", "")
    market = contract(call, symbol) if symbol else None
    if symbol and market is None:
        raise futures_refusal(1001)
    return market


def _window(call: Call) -> tuple[int, int]:
    """Both ends, themselves included: seven days where one is missing, ninety at most, and nothing older."""
    start, end = _whole(call, "start_time"), _whole(call, "end_time")
    if start is None:
        end = call.now_ms if end is None else end
        start = end - USUAL_SPAN_MS
    elif end is None:
        end = start + USUAL_SPAN_MS
    if not 0 <= end - start <= REACH_MS:
        raise futures_refusal(6003)
    return max(start, call.now_ms - REACH_MS), end


def _page(call: Call, largest: int) -> tuple[int, int]:
    """Which page, from 1, and how large; whoever wants larger ones gets the largest."""
    number, size = _whole(call, "page_num"), _whole(call, "page_size")
    return max(number or 1, 1), min(max(size or USUAL_PAGE, 1), largest)


def _whole(call: Call, name: str) -> int | None:
    written = call.params.get(name, "")
    if not written:
        return None
    if not written.isdecimal():
        raise futures_refusal(600)
    return int(written)
