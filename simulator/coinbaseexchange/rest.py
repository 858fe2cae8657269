"""Fills by product, ledgers by coin, accounts of one profile; pages go by cursors that stand in headers.

From https://docs.cdp.coinbase.com/exchange/rest-api/pagination and the pages of the calls, read 2026-11. A page is the
newest rows between `before` and `after`: whoever asks for what is newer than `before` gets its newest end first.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from heapq import merge
from itertools import islice
from typing import Any

from simulator.coinbaseexchange import rows
from simulator.coinbaseexchange.errors import refusal
from simulator.dialect import DAY_MS, Call
from simulator.http import Response, answer
from simulator.truth import SPOT, Account, Fill, Holding, Order, plain

USUAL_PAGE, LARGEST_PAGE = 100, 1000
EVER = 2**62
WALLET = "spot"
MOMENT = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)?)?")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def clock(call: Call) -> Any:
    """GET /time."""
    return {"iso": rows.written(call.now_ms * rows.MICROS)[:23] + "Z", "epoch": call.now_ms / 1000}


def _whole(call: Call, name: str, usual: int) -> int:
    text = call.params.get(name, "")
    if not text:
        return usual
    if not text.isdecimal():
        raise refusal(400, f"invalid {name}")
    return int(text)


def _limit(call: Call) -> int:
    """More than the largest page is cut without a word."""
    return min(_whole(call, "limit", USUAL_PAGE) or USUAL_PAGE, LARGEST_PAGE)


def _moment(call: Call, name: str, usual: int) -> int:
    """A moment or a date, in microseconds; raises 400."""
    text = call.params.get(name, "")
    if not text:
        return usual
    if MOMENT.fullmatch(text) is None:
        raise refusal(400, f"invalid {name}")
    moment = datetime.fromisoformat(text)
    return ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - EPOCH) // timedelta(microseconds=1)


def _page(found: list[Any], first: Any, last: Any) -> Response:
    """A page; its cursors are there as long as there are rows, whether others follow or not."""
    return answer(found, headers={"CB-BEFORE": str(first), "CB-AFTER": str(last)} if found else {})


# Fills


def fills(call: Call) -> Any:
    """GET /fills, of one product or order, by falling trade id."""
    product, order_id = call.params.get("product_id", ""), call.params.get("order_id", "")
    if not product and not order_id:
        raise refusal(400, "query must contained either product_id or order_id")
    order = call.account.orders.get(order_id)
    if product and (SPOT, product) not in call.exchange.markets:
        raise refusal(404, "NotFound")
    if order_id and order is None:
        return _page([], 0, 0)
    found = list(islice(_fills(call, product, order), _limit(call)))
    written = [rows.fill_row(call.account, fill) for fill in found]
    return _page(written, found[0].trade_id if found else 0, found[-1].trade_id if found else 0)


def _fills(call: Call, product: str, order: Order | None) -> Iterator[Fill]:
    market_id = product if order is None else order.market.id
    if call.params.get("market_type", "spot") != "spot" or (product and product != market_id):
        return
    before, after = _whole(call, "before", -1), _whole(call, "after", EVER)
    since, until = _moment(call, "start_date", 0), _moment(call, "end_date", EVER)
    everything = call.account.fills.get((SPOT, market_id), [])
    if call.account.was_put_back:
        everything = [fill for fill in everything if since <= rows.moment(fill) < until]
        everything.sort(key=_trade_number)
    newest = bisect_left(everything, after, key=_trade_number)
    oldest = bisect_right(everything, before, key=_trade_number)
    if not call.account.was_put_back:
        newest = min(newest, bisect_left(everything, until, key=rows.moment))
        oldest = max(oldest, bisect_left(everything, since, key=rows.moment))
    for place in range(newest - 1, oldest - 1, -1):
        fill = everything[place]
        if fill.visible_ms <= call.now_ms and (order is None or fill.order is order):
            yield fill


def _trade_number(fill: Fill) -> int:
    return int(fill.trade_id)


# Accounts and their ledgers


def accounts(call: Call) -> Any:
    """GET /accounts: every coin there is, held or not."""
    return [_coin_account(call.account, coin) for coin in _coins(call)]


def account(call: Call) -> Any:
    """GET /accounts/{account}."""
    return _coin_account(call.account, _coin(call))


def _coins(call: Call) -> list[str]:
    return sorted({name for one in call.exchange.markets.values() for name in (one.base, one.quote)})


def _coin(call: Call) -> str:
    """Whose account the path names; raises 404."""
    for coin in _coins(call):
        if rows.coin_account_id(call.account, coin) == call.names["account"]:
            return coin
    raise refusal(404, "NotFound")


def _coin_account(owner: Account, coin: str) -> dict[str, Any]:
    held = owner.wallets.get(WALLET, {}).get(coin, Holding())
    return {
        "id": rows.coin_account_id(owner, coin),
        "currency": coin,
        "balance": plain(held.total),
        "hold": plain(held.locked),
        "available": plain(held.free),
        "profile_id": owner.uid,
        "trading_enabled": True,
        "pending_deposit": "0.0000000000000000",
        "display_name": coin,
    }


def ledger(call: Call) -> Any:
    """GET /accounts/{account}/ledger: the last day, unless dates are given."""
    found = list(islice(_ledger(call, _coin(call)), _limit(call)))
    return _page(found, found[0]["id"] if found else 0, found[-1]["id"] if found else 0)


def _ledger(call: Call, coin: str) -> Iterator[dict[str, Any]]:
    """By falling id, which rises with time."""
    before, after = _whole(call, "before", -1), _whole(call, "after", EVER)
    until = _moment(call, "end_date", EVER)
    is_dated = call.params.get("start_date") or call.params.get("end_date")
    since = _moment(call, "start_date", 0 if is_dated else (call.now_ms - DAY_MS) * rows.MICROS)
    found = merge(
        _of_fills(call, coin, since, until, after),
        _of_money(call.account, coin, since, until),
        key=lambda row: int(row["id"]),
        reverse=True,
    )
    return (row for row in found if before < int(row["id"]) < after)


def _of_fills(call: Call, coin: str, since: int, until: int, after: int) -> Iterator[dict[str, Any]]:
    everything = call.account.all_fills()
    if call.account.was_put_back:
        everything = [fill for fill in everything if since <= rows.moment(fill) < until]
        everything.sort(key=lambda fill: fill.sequence)
        since = 0
    # Rows' ids rise with the sequence of their fills.
    newest = bisect_right(
        everything, (after - rows.FIRST_LEDGER_ROW) // rows.ROWS_OF_A_FILL, key=lambda fill: fill.sequence
    )
    if not call.account.was_put_back:
        newest = min(newest, bisect_left(everything, until, key=rows.moment))
    for place in range(newest - 1, -1, -1):
        fill = everything[place]
        if rows.moment(fill) < since:
            return
        if coin in {fill.market.base, fill.market.quote} and fill.visible_ms <= call.now_ms:
            yield from rows.ledger_rows(fill, coin)


def _of_money(owner: Account, coin: str, since: int, until: int) -> list[dict[str, Any]]:
    """What was paid in or out: each after the last fill before it, and the first of all before any."""
    everything, found, last, after_it = owner.all_fills(), [], -1, 0
    for when, wallet, asset, amount in sorted(owner.deposits, key=lambda row: row[0]):
        place = bisect_left(everything, when, key=lambda fill: fill.timestamp_ms)
        sequence = everything[place - 1].sequence if place else 0
        last, after_it = sequence, after_it + 1 if sequence == last else 0
        number = rows.FIRST_LEDGER_ROW * bool(place) + sequence * rows.ROWS_OF_A_FILL + 2 + after_it
        if (wallet, asset) == (WALLET, coin) and since <= when * rows.MICROS < until:
            found.append(rows.money_row(number, when, amount))
    return found[::-1]
