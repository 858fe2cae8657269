"""Spot over REST: what the account holds, what it traded, and what the markets cost."""

from functools import cache
from typing import Any

from simulator.dialect import DAY_MS, Call, Refusal
from simulator.htx import spot_rows
from simulator.htx.errors import spot_good, spot_refused
from simulator.htx.history import BadWindow, Window, limit_of, page_of, window_of
from simulator.htx.listings import number
from simulator.truth import SPOT, Account, Holding, plain

REACH_MS = 120 * DAY_MS
USUAL_PAGE, LARGEST_PAGE = 100, 500
EMPTY_COINS = 300
"""So many coins are listed in a balance of which the account has nothing."""
POINTS = "HBPOINT"


def time(call: Call) -> Any:
    """GET /v1/common/timestamp."""
    return spot_good(call.now_ms)


def accounts(call: Call) -> Any:
    """GET /v1/account/accounts."""
    account = call.account
    return spot_good(
        [
            {"id": spot_rows.account_id(account, wallet), "type": wallet, "subtype": "", "state": "working"}
            for wallet in spot_rows.WALLETS
        ]
    )


def balance(call: Call) -> Any:
    """GET /v1/account/accounts/{id}/balance."""
    account = call.account
    ids = {str(spot_rows.account_id(account, wallet)): wallet for wallet in spot_rows.WALLETS}
    wallet = ids.get(call.names["id"])
    if wallet is None:
        raise Refusal(spot_refused("account-get-balance-account-inexistent-error", "account for id does not exist"))
    lines = [line for coin, held in held_in(account, wallet).items() for line in _lines(coin, held)]
    if wallet == "spot":
        lines += _empty_lines()
    return spot_good({"id": int(call.names["id"]), "type": wallet, "state": "working", "list": lines})


def held_in(account: Account, wallet: str) -> dict[str, Holding]:
    """What a wallet holds. Points have a wallet of their own."""
    held = account.wallets.get(SPOT, {})
    if wallet == "point":
        return {coin: one for coin, one in held.items() if coin == POINTS}
    return {coin: one for coin, one in held.items() if coin != POINTS} if wallet == "spot" else {}


def _lines(coin: str, held: Holding) -> list[dict[str, str]]:
    name = coin.lower()
    return [
        {"currency": name, "type": "trade", "balance": plain(held.free), "seq-num": "0"},
        {"currency": name, "type": "frozen", "balance": plain(held.locked), "seq-num": "0"},
        {"currency": name, "type": "lock", "balance": "0", "seq-num": "0"},
        {"currency": name, "type": "bank", "balance": "0", "seq-num": "0"},
    ]


@cache
def _empty_lines() -> list[dict[str, str]]:
    return [
        {"currency": f"coin{place}", "type": kind, "balance": "0", "seq-num": "0"}
        for place in range(EMPTY_COINS)
        for kind in ("trade", "frozen")
    ]


def margin_balances(call: Call) -> Any:
    """GET /v1/margin/accounts/balance: nobody here borrows."""
    return spot_good([])


def cross_margin_balance(call: Call) -> Any:
    """GET /v1/cross-margin/accounts/balance."""
    own = spot_rows.account_id(call.account, "super-margin")
    return spot_good({"id": own, "type": "super-margin", "state": "working", "list": []})


# History.


def _symbol(call: Call) -> str:
    """The market asked for, empty for all. Accounts with `details.symbol_required` must name one."""
    symbol = call.params.get("symbol", "")
    if not symbol and call.account.details.get("symbol_required"):
        raise Refusal(spot_refused("require-symbol", "Parameter `symbol` is required."))
    if symbol and (SPOT, symbol) not in call.exchange.markets:
        raise Refusal(spot_refused("invalid-parameter", "invalid symbol"))
    return symbol


def _window(call: Call, reach_ms: int) -> Window:
    try:
        return window_of(call, "start-time", "end-time", reach_ms)
    except BadWindow as bad:
        # Documents write these codes with underscores, and others have seen them with hyphens.
        code = f"invalid_{bad.which}" if call.now_ms % 2 else f"invalid-{bad.which.replace('_', '-')}"
        raise Refusal(spot_refused(code, f"the query {bad.which} is invalid")) from None


def match_results(call: Call) -> Any:
    """GET /v1/order/matchresults."""
    fills = page_of(
        call,
        SPOT,
        _symbol(call),
        _window(call, REACH_MS),
        limit_of(call, "size", USUAL_PAGE, LARGEST_PAGE),
        call.params.get("from", ""),
        call.params.get("direct", "next"),
        spot_refused("validation-format-error", "Format Error: from."),
    )
    return spot_good([_row(call, fill) for fill in fills])


def _row(call: Call, fill: Any) -> dict[str, Any]:
    """Fees in another coin come late for accounts with `details.slow_deduction`."""
    is_settled = not call.account.details.get("slow_deduction")
    return spot_rows.match_result(fill, call.now_ms, is_settled=is_settled)


def order_match_results(call: Call) -> Any:
    """GET /v1/order/orders/{id}/matchresults."""
    account = call.account
    order = account.orders.get(call.names["id"])
    if order is None or order.market.product != SPOT:
        raise Refusal(spot_refused("base-record-invalid", "record invalid"))
    fills = account.read_fills(
        call.now_ms,
        product=SPOT,
        market_id=order.market.id,
        since_ms=order.created_ms,
        until_ms=order.updated_ms,
    )
    return spot_good([_row(call, fill) for fill in fills if fill.order is order])


def order_history(call: Call) -> Any:
    """GET /v1/order/history: orders of two days that were executed; `from` is not read here."""
    window = _window(call, REACH_MS)
    fills = call.account.read_fills(
        call.now_ms,
        product=SPOT,
        market_id=_symbol(call),
        since_ms=window.since_ms,
        until_ms=window.until_ms,
        newest_first=True,
    )
    orders = {}
    limit = limit_of(call, "size", 100, 1000)
    for fill in fills:
        orders[fill.order.id] = fill.order
        if len(orders) == limit:
            break
    return spot_good([spot_rows.spot_order(call.account, order) for order in orders.values()])


def tickers(call: Call) -> Any:
    """GET /market/tickers."""
    data = [
        {
            "symbol": market.id,
            "open": number(market.open_24h),
            "high": number(max(market.high_24h, market.shown)),
            "low": number(min(market.low_24h, market.shown)),
            "close": number(market.shown),
            "amount": number(market.volume_24h),
            "vol": number(market.turnover_24h),
            "count": 1000,
            "bid": number(market.bid),
            "bidSize": number(market.step * 7),
            "ask": number(market.ask),
            "askSize": number(market.step * 9),
        }
        for market in call.exchange.open_markets(SPOT)
    ]
    return {"status": "ok", "ts": call.now_ms, "data": data}
