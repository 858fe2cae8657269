"""What happened to an account's orders, as the orders channel tells it: one row for each thing."""

from decimal import Decimal
from typing import Any

from msgspec import Struct

from simulator.dialect import Event, Noise, OrderEnded, OrderFilled, OrderOpened
from simulator.okx import pushes, rows
from simulator.truth import ZERO, Account, Market, Order

PAID = "fees_of_open_orders"


class News(Struct, frozen=True, gc=False):
    """What happened to one order, as a row of the orders channel."""

    market: Market
    kind: str
    row: dict[str, Any]
    is_fill: bool = False


def news_of(account: Account, events: list[Event], *, is_heard: bool) -> list[News]:
    """What there is to tell. The sums of an order's fees are kept whether somebody listens or not."""
    paid: dict[str, tuple[Decimal, Decimal]] = account.details.setdefault(PAID, {})
    news = []
    for event in events:
        told: tuple[Order, dict[str, Any]] | None = None
        if isinstance(event, OrderOpened):
            if is_heard:
                told = event.order, pushes.order_row(event.order, state="live", moment_ms=event.timestamp_ms)
        elif isinstance(event, OrderFilled):
            order, fees = event.fill.order, [fee.amount for fee in event.fill.fees]
            fee, rebate = paid.get(order.id, (ZERO, ZERO))
            fee, rebate = fee + sum(one for one in fees if one > 0), rebate - sum(one for one in fees if one < 0)
            paid[order.id] = fee, rebate
            if is_heard:
                told = order, _filled(event, fee, rebate)
        elif isinstance(event, OrderEnded):
            fee, rebate = paid.pop(event.order.id, (ZERO, ZERO))
            if is_heard and (event.order.status != "filled" or pushes.ends_quietly(event.order)):
                told = event.order, _ended(event, fee, rebate)
        elif isinstance(event, Noise) and is_heard:
            told = _amended(account, event)
        if told is not None:
            order, row = told
            news.append(News(order.market, rows.inst_type(order), row, isinstance(event, OrderFilled)))
    return news


def _filled(event: OrderFilled, fee: Decimal, rebate: Decimal) -> dict[str, Any]:
    fill = event.fill
    is_last = fill.filled == fill.order.size and not pushes.ends_quietly(fill.order)
    return pushes.order_row(
        fill.order,
        state="filled" if is_last else "partially_filled",
        moment_ms=fill.timestamp_ms + 1,
        filled=fill.filled,
        cost=fill.filled_cost,
        fee=fee,
        rebate=rebate,
    ) | pushes.fill_of_order(fill)


def _ended(event: OrderEnded, fee: Decimal, rebate: Decimal) -> dict[str, Any]:
    """The end of an order without a trade: cancelled, or a market order whose last fill was told already."""
    order = event.order
    return pushes.order_row(
        order,
        state="filled" if order.status == "filled" else "canceled",
        moment_ms=event.timestamp_ms + 2,
        filled=order.filled,
        cost=order.cost,
        fee=fee,
        rebate=rebate,
    ) | {"cancelSource": "" if order.status == "filled" else "1"}


def _amended(account: Account, event: Noise) -> tuple[Order, dict[str, Any]] | None:
    """An open order was changed by its owner; where none is open, there is nothing to tell."""
    order = next(iter(account.open_orders.values()), None)
    if order is None:
        return None
    fee, rebate = account.details[PAID].get(order.id, (ZERO, ZERO))
    row = pushes.order_row(
        order,
        state="partially_filled" if order.filled else "live",
        moment_ms=event.timestamp_ms,
        filled=order.filled,
        cost=order.cost,
        fee=fee,
        rebate=rebate,
    )
    return order, row | {"amendResult": "0", "amendSource": "1", "reqId": f"r{event.timestamp_ms}"}
