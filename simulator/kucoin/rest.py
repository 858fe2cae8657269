"""REST: histories with their windows, pages and retentions, and wallets, of both account models."""

from bisect import bisect_right
from collections.abc import Iterator
from heapq import merge
from itertools import islice
from typing import TYPE_CHECKING, Any

from simulator.kucoin.errors import good, refusal
from simulator.kucoin.keys import UNIFIED
from simulator.kucoin.rows import (
    futures_fill,
    ledger_rows,
    number,
    old_fill,
    row_id,
    spot_fill,
    transfer_row,
    unified_fill,
)
from simulator.truth import INVERSE, LINEAR, SPOT, ZERO, Account, Fill, plain

if TYPE_CHECKING:
    from simulator.dialect import Call

DAY_MS = 86_400_000
WEEK_MS = 7 * DAY_MS
SPOT_KEPT_MS = WEEK_MS
FUTURES_KEPT_MS = 90 * DAY_MS
LEDGER_KEPT_MS = 3 * DAY_MS
TOO_LONG = "The duration between startAt and endAt must not exceed 7 days"


def number_of(call: "Call", name: str, default: int, least: int = 0, most: int = 2**63) -> int:
    """A whole number among the parameters; raises 400100 for anything else or outside the bounds."""
    text = call.params.get(name, "")
    if text == "":
        return default
    if not text.isdecimal() or not least <= int(text) <= most:
        raise refusal("400100", f"The parameter {name} is invalid")
    return int(text)


def _moment(call: "Call", name: str) -> int | None:
    return number_of(call, name, 0) if call.params.get(name) else None


def _symbol(call: "Call", product: str) -> str:
    """The symbol that must be told; one that was delisted still has its history."""
    symbol = call.params.get("symbol", "")
    if not symbol:
        raise refusal("400100", "symbol: The parameter symbol is required")
    _known(call, symbol, product)
    return symbol


def _known(call: "Call", symbol: str, *products: str) -> None:
    if not any((product, symbol) in call.exchange.markets for product in products):
        raise refusal("400100", f"symbol: {symbol} is not provided at present")


def _is_hf(account: Account) -> bool:
    return bool(account.details.get("hf", True))


# Classic spot


def hf_fills(call: "Call") -> Any:
    """GET /api/v1/hf/fills: the symbol is required; what is older than a week is silently not there."""
    symbol = _symbol(call, SPOT)
    limit = number_of(call, "limit", 20, 1, 100)
    last_id = number_of(call, "lastId", 0)
    start, end = _moment(call, "startAt"), _moment(call, "endAt")
    until = end if end is not None else (call.now_ms if start is None else start + WEEK_MS)
    since = max(start or 0, until - WEEK_MS, call.now_ms - SPOT_KEPT_MS)
    rows: Iterator[Fill] = iter(())
    if call.account.mode != UNIFIED and _is_hf(call.account):
        rows = call.account.read_fills(
            call.now_ms, product=SPOT, market_id=symbol, since_ms=since, until_ms=until, newest_first=True
        )
    found = _wanted(call, rows, last_id, limit)
    return good({"items": [spot_fill(fill) for fill in found], "lastId": row_id(found[-1]) if found else 0})


def _wanted(call: "Call", rows: Iterator[Fill], last_id: int, limit: int) -> list[Fill]:
    side, order = call.params.get("side", "").lower(), call.params.get("orderId")
    wanted = (
        fill
        for fill in rows
        if (not last_id or row_id(fill) < last_id)
        and (not side or fill.side == side)
        and (not order or fill.order.id == order)
    )
    return list(islice(wanted, limit))


def margin_fills(call: "Call") -> Any:
    """GET /api/v3/hf/margin/fills: nobody trades on margin here."""
    _symbol(call, SPOT)
    if call.params.get("tradeType") not in {"MARGIN_TRADE", "MARGIN_ISOLATED_TRADE"}:
        raise refusal("400100", "tradeType: The parameter tradeType is required")
    return good({"items": [], "lastId": 0})


def old_fills(call: "Call") -> Any:
    """GET /api/v1/fills on the spot host: the list of accounts from before the migration."""
    since, until = _week(call)
    rows = _old(call.account, call.now_ms, since, until)
    return good(_paged(call, [fill for fill in rows if _of_symbol(call, fill)], old_fill, 500))


def latest_old_fills(call: "Call") -> Any:
    """GET /api/v1/limit/fills: at most 1,000 rows of the last day."""
    rows = _old(call.account, call.now_ms, call.now_ms - DAY_MS, call.now_ms)
    return good([old_fill(fill) for fill in islice(rows, 1000)])


def _old(account: Account, now_ms: int, since: int, until: int) -> Iterator[Fill]:
    if account.mode == UNIFIED or _is_hf(account):
        return iter(())
    return account.read_fills(now_ms, product=SPOT, since_ms=since, until_ms=until, newest_first=True)


def _of_symbol(call: "Call", fill: Fill) -> bool:
    symbol = call.params.get("symbol")
    return not symbol or fill.market.id == symbol


def _week(call: "Call", alone_ms: int = WEEK_MS) -> tuple[int, int]:
    """Start and end of a window of at most a week; one end alone reaches `alone_ms` from there."""
    start, end = _moment(call, "startAt"), _moment(call, "endAt")
    if start is None and end is None:
        return call.now_ms - WEEK_MS, call.now_ms
    if start is None:
        assert end is not None
        return end - alone_ms, end
    if end is None:
        return start, start + alone_ms
    if end < start:
        raise refusal("400100", "endAt must be later than startAt")
    if end - start > WEEK_MS:
        raise refusal("400100", TOO_LONG)
    return start, end


def _paged(call: "Call", fills: list[Fill], write: Any, most: int) -> dict[str, Any]:
    size = number_of(call, "pageSize", 50, 1, most)
    page = number_of(call, "currentPage", 1, 1)
    return {
        "currentPage": page,
        "pageSize": size,
        "totalNum": len(fills),
        "totalPage": -(-len(fills) // size),
        "items": [write(fill) for fill in fills[(page - 1) * size : page * size]],
    }


def ledgers(call: "Call") -> Any:
    """GET /api/v1/hf/accounts/ledgers: three days, newest first, a row for each coin of each fill, one a transfer."""
    limit, last_id = number_of(call, "limit", 100, 1, 200), number_of(call, "lastId", 0)
    until = _moment(call, "endAt") or call.now_ms
    since = max(_moment(call, "startAt") or 0, call.now_ms - LEDGER_KEPT_MS)
    account, kind = call.account, call.params.get("bizType")
    if account.mode == UNIFIED or not _is_hf(account):
        return good([])
    currency, direction = call.params.get("currency"), call.params.get("direction")
    fills = account.read_fills(call.now_ms, product=SPOT, since_ms=since, until_ms=until, newest_first=True)
    trades = (row for fill in fills for row in reversed(ledger_rows(fill)))
    rows = (
        row
        for row in merge(trades, _transfers(account, since, until), key=lambda row: int(row["id"]), reverse=True)
        if (not kind or row["bizType"] == kind)
        and (not last_id or int(row["id"]) < last_id)
        and (not currency or row["currency"] in currency.split(","))
        and (not direction or row["direction"] == direction)
    )
    return good(list(islice(rows, limit)))


def _transfers(account: Account, since: int, until: int) -> list[dict[str, Any]]:
    fills = account.fills.get((SPOT, ""), [])
    rows = []
    for place, (moment, wallet, coin, amount) in enumerate(account.deposits):
        if wallet == "trade_hf" and since <= moment <= until:
            before = bisect_right(fills, moment, key=lambda fill: fill.timestamp_ms)
            rows.append(transfer_row(fills[before - 1] if before else None, place, moment, coin, amount))
    return sorted(rows, key=lambda row: int(row["id"]), reverse=True)


def active_symbols(call: "Call") -> Any:
    """GET /api/v1/hf/orders/active/symbols."""
    orders = call.account.open_orders.values()
    return good({"symbols": sorted({order.market.id for order in orders if order.market.product == SPOT})})


def hf_opened(call: "Call") -> Any:
    """GET /api/v1/hf/accounts/opened."""
    return good(_is_hf(call.account))


# Futures


def futures_fills(call: "Call") -> Any:
    """GET /api/v1/fills on the futures host: one end of the window alone means one day."""
    symbol = call.params.get("symbol", "")
    if symbol:
        _known(call, symbol, LINEAR, INVERSE)
    since, until = _week(call, DAY_MS)
    order = call.params.get("orderId")
    fills = list(_futures(call, since, until))
    wanted = [fill for fill in fills if _of_symbol(call, fill) and (not order or fill.order.id == order)]
    return good(_paged(call, wanted, futures_fill, 1000))


def latest_futures_fills(call: "Call") -> Any:
    """GET /api/v1/recentFills: at most 1,000 rows of the last day, as a plain list."""
    rows = (fill for fill in _futures(call, call.now_ms - DAY_MS, call.now_ms) if _of_symbol(call, fill))
    return good([futures_fill(fill) for fill in islice(rows, 1000)])


def _futures(call: "Call", since: int, until: int) -> Iterator[Fill]:
    if call.account.mode == UNIFIED:
        return iter(())
    return _contracts(call.account, call.now_ms, max(since, call.now_ms - FUTURES_KEPT_MS), until)


def _contracts(account: Account, now_ms: int, since: int, until: int) -> Iterator[Fill]:
    rows = account.read_fills(now_ms, since_ms=since, until_ms=until, newest_first=True)
    return (fill for fill in rows if fill.market.product != SPOT)


# The unified account


def executions(call: "Call") -> Any:
    """GET /api/ua/v1/{mode}/order/execution."""
    account, mode = call.account, call.names["mode"]
    if mode not in {"unified", "classic"}:
        raise refusal("404000")
    if mode == "unified" and account.mode != UNIFIED:
        raise refusal("112010")
    trade_type = call.params.get("tradeType", "")
    if trade_type not in {"SPOT", "FUTURES", "MARGIN", "ISOLATED", "CROSS"}:
        raise refusal("400100", "tradeType is invalid")
    symbol = call.params.get("symbol", "")
    if trade_type != "FUTURES":
        symbol = _symbol(call, SPOT)
    elif symbol:
        _known(call, symbol, LINEAR, INVERSE)
    size, last_id = number_of(call, "pageSize", 50, 1, 200), number_of(call, "lastId", 0)
    since, until = _week(call)
    rows: Iterator[Fill] = iter(())
    if (mode == "unified") == (account.mode == UNIFIED):
        rows = _executions(account, call.now_ms, trade_type, symbol, since, until)
    found = _wanted(call, rows, last_id, size)
    return good({"items": [unified_fill(fill) for fill in found], "lastId": row_id(found[-1]) if found else None})


def _executions(account: Account, now_ms: int, trade_type: str, symbol: str, since: int, until: int) -> Iterator[Fill]:
    if trade_type == "SPOT":
        return account.read_fills(
            now_ms, product=SPOT, market_id=symbol, since_ms=since, until_ms=until, newest_first=True
        )
    if trade_type != "FUTURES":
        return iter(())
    contracts = _contracts(account, now_ms, since, until)
    return (fill for fill in contracts if not symbol or fill.market.id == symbol)


# Wallets


def accounts(call: "Call") -> Any:
    """GET /api/v1/accounts: the funding wallet and the trading wallet, all coins that were ever there."""
    kind, currency = call.params.get("type"), call.params.get("currency")
    trading = "trade_hf" if _is_hf(call.account) else "trade"
    rows = [
        {
            "id": f"{place:024x}",
            "currency": coin,
            "type": shown,
            "balance": plain(held.total),
            "available": plain(held.free),
            "holds": plain(held.locked),
        }
        for wallet, shown in (("main", "main"), ("trade_hf", trading))
        for place, (coin, held) in enumerate(call.account.wallets.get(wallet, {}).items())
        if (not kind or shown == kind) and (not currency or coin == currency)
    ]
    return good(rows)


def overview(call: "Call") -> Any:
    """GET /api/v1/account-overview on the futures host: one coin a call, bitcoin (XBT) when none is told."""
    currency = call.params.get("currency") or "XBT"
    asset = "BTC" if currency == "XBT" else currency
    held = call.account.wallets.get("contract", {}).get(asset)
    total, free = (held.total, held.free) if held is not None else (ZERO, ZERO)
    return good(
        {
            "accountEquity": number(total),
            "unrealisedPNL": 0,
            "marginBalance": number(total),
            "positionMargin": 0,
            "orderMargin": 0,
            "frozenFunds": 0,
            "availableBalance": number(free),
            "currency": currency,
            "riskRatio": 0,
        }
    )


def margin_accounts(call: "Call") -> Any:
    """GET /api/v3/margin/accounts."""
    del call
    return good(
        {"totalAssetOfQuoteCurrency": "0", "totalLiabilityOfQuoteCurrency": "0", "debtRatio": "0", "accounts": []}
    )


def isolated_accounts(call: "Call") -> Any:
    """GET /api/v3/isolated/accounts."""
    del call
    return good({"totalAssetOfQuoteCurrency": "0", "totalLiabilityOfQuoteCurrency": "0", "assets": []})


def unified_balance(call: "Call") -> Any:
    """GET /api/ua/v1/{mode}/account/balance."""
    if call.names["mode"] != "unified":
        raise refusal("404000")
    if call.account.mode != UNIFIED:
        raise refusal("112010")
    return good(_wallet(call, "UNIFIED", "unified"))


def other_balance(call: "Call") -> Any:
    """GET /api/ua/v1/account/balance?accountType=…"""
    kind = call.params.get("accountType", "")
    wallets = {"FUNDING": "main", "SPOT": "trade_hf", "FUTURES": "contract", "CROSS": "", "ISOLATED": ""}
    if kind not in wallets:
        raise refusal("400100", "accountType is invalid")
    return good(_wallet(call, kind, wallets[kind]))


def _wallet(call: "Call", kind: str, wallet: str) -> dict[str, Any]:
    currencies = [
        {
            "currency": coin,
            "equity": plain(held.total),
            "balance": plain(held.total),
            "available": plain(held.free),
            "hold": plain(held.locked),
            "liability": "0",
        }
        for coin, held in call.account.wallets.get(wallet, {}).items()
    ]
    return {"accountType": kind, "ts": call.now_ms, "accounts": [{"currencies": currencies}]}
