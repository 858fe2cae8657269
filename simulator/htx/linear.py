"""Contracts in USDT over REST: the V5 interface, and the old one for accounts that have not moved to it."""

from typing import Any

from simulator.dialect import DAY_MS, Call, Refusal
from simulator.htx import contract_rows
from simulator.htx.errors import NOT_UNIFIED, NOT_UNIFIED_TEXT, contract_refused, legacy_good, v5_good
from simulator.htx.history import BadWindow, Window, limit_of, page_of, window_of
from simulator.htx.listings import contract_type, number
from simulator.truth import LINEAR, ZERO, Fill, plain

KEPT_MS = 3 * DAY_MS
"""How far back executions are really shown."""
ASKED_MS = 90 * DAY_MS
"""How far back one may ask: between the two, answers are empty without a word."""
USUAL_PAGE, LARGEST_PAGE = 10, 100
LEGACY_PAGE = 50


def time(call: Call) -> Any:
    """GET /api/v1/timestamp."""
    return {"status": "ok", "ts": call.now_ms}


def is_legacy(call: Call) -> bool:
    """Whether the account still is on the old interface (`details.legacy`)."""
    return bool(call.account.details.get("legacy"))


def _on_v5(call: Call) -> None:
    if is_legacy(call):
        raise Refusal(contract_refused(call, NOT_UNIFIED, NOT_UNIFIED_TEXT))


def _on_legacy(call: Call) -> None:
    if not is_legacy(call):
        raise Refusal(contract_refused(call, NOT_UNIFIED, "The account has been upgraded, please use V5"))


def _bad(call: Call, message: str) -> Refusal:
    return Refusal(contract_refused(call, 1030, message))


def _code(call: Call, name: str = "contract_code") -> str:
    """The contract asked for, empty for all; raises 1013 for one that does not exist."""
    code = call.params.get(name, "").upper()
    if code and (LINEAR, code) not in call.exchange.markets:
        raise Refusal(contract_refused(call, 1013, "This contract symbol doesnt exist."))
    return code


def _window(call: Call) -> Window:
    try:
        return window_of(call, "start_time", "end_time", ASKED_MS)
    except BadWindow as bad:
        raise _bad(call, f"Input error: the query {bad.which} is invalid.") from None


def _page(call: Call, code: str, window: Window) -> list[Fill]:
    return page_of(
        call,
        LINEAR,
        code,
        window,
        limit_of(call, "limit", USUAL_PAGE, LARGEST_PAGE),
        call.params.get("from", ""),
        call.params.get("direct", "next"),
        contract_refused(call, 1030, "Input error: from is invalid."),
    )


def details(call: Call) -> Any:
    """GET /v5/trade/order/details: executions of three days.

    A contract or an order must be named, unless the account has `details.contract_optional`.
    """
    _on_v5(call)
    code, order_id = _code(call), call.params.get("order_id", "")
    if not code and not order_id and not call.account.details.get("contract_optional"):
        raise Refusal(contract_refused(call, 1066, "The symbol field cannot be empty. Please re-enter."))
    window = _window(call)
    kept = Window(max(window.since_ms, call.now_ms - KEPT_MS), window.until_ms)
    if order_id:
        order = call.account.orders.get(order_id)
        if order is None:
            return v5_good([], call.now_ms)
        code, kept = order.market.id, Window(max(kept.since_ms, order.created_ms), min(kept.until_ms, order.updated_ms))
    fills = _page(call, code, kept)
    return v5_good([contract_rows.execution(one) for one in fills if order_id in {"", one.order.id}], call.now_ms)


def bills(call: Call) -> Any:
    """GET /v5/account/bills: the fee of each execution, of all contracts where none is named."""
    _on_v5(call)
    wanted = {word for word in call.params.get("type", "").split(",") if word}
    told = [contract_rows.bill(fill) for fill in _page(call, _code(call), _window(call))]
    return v5_good([row for row in told if not wanted or row["type"] in wanted], call.now_ms)


def orders(call: Call) -> Any:
    """GET /v5/trade/order/history: a contract and a margin mode must be named."""
    _on_v5(call)
    code = _code(call)
    if not code or not call.params.get("margin_mode"):
        raise Refusal(contract_refused(call, 1066, "The symbol field cannot be empty. Please re-enter."))
    found = {fill.order.id: fill.order for fill in _page(call, code, _window(call))}
    return v5_good([contract_rows.contract_order(order) for order in found.values()], call.now_ms)


def positions(call: Call) -> Any:
    """GET /v5/trade/position/opens: all open positions, or one contract's."""
    _on_v5(call)
    code, markets = _code(call), call.exchange.markets
    data = [
        {
            "contract_code": market_id,
            "contract_type": contract_type(markets[product, market_id]),
            "margin_mode": "cross",
            "position_side": "both",
            "direction": "buy" if position.size > 0 else "sell",
            "volume": plain(abs(position.size)),
            "available": plain(abs(position.size)),
            "open_avg_price": plain(position.entry),
            "margin_currency": "USDT",
        }
        for (product, market_id), position in call.account.positions.items()
        if product == LINEAR and position.size and code in {"", market_id}
    ]
    return v5_good(data, call.now_ms)


def balance(call: Call) -> Any:
    """GET /v5/account/balance."""
    _on_v5(call)
    account = call.account
    held = account.wallets.get(LINEAR, {})
    equity = plain(sum((one.total for one in held.values()), ZERO))
    data = {
        "state": "normal",
        "equity": equity,
        "available_margin": equity,
        "profit_unreal": "0",
        "details": [
            {
                "currency": coin,
                "equity": plain(one.total),
                "available": plain(one.free),
                "profit_unreal": "0",
                "initial_margin": "0",
                "maintenance_margin": "0",
                "available_margin": plain(one.free),
                "voucher": "0",
                "withdraw_available": plain(one.free),
                "created_time": account.created_ms,
                "updated_time": call.now_ms,
                "isolated_equity": "0",
                "isolated_profit_unreal": "0",
            }
            for coin, one in held.items()
        ],
        "created_time": account.created_ms,
        "updated_time": call.now_ms,
    }
    return v5_good(data, call.now_ms)


# The old interface.


def legacy_matches(call: Call) -> Any:
    """POST /linear-swap-api/v3/swap_cross_matchresults: pages of 50 of one contract, towards the past from `from_id`.

    That is `direct` prev, the usual one; the other is refused here.
    """
    _on_legacy(call)
    code = _code(call, "contract")
    if not code or "trade_type" not in call.params:
        raise Refusal(contract_refused(call, 1066, "The contract field cannot be empty. Please re-enter."))
    if call.params.get("direct", "prev") != "prev":
        raise _bad(call, "Input error: direct is invalid.")
    fills = page_of(
        call,
        LINEAR,
        code,
        _window(call),
        LEGACY_PAGE,
        call.params.get("from_id", ""),
        "next",
        contract_refused(call, 1030, "Input error: from_id is invalid."),
    )
    return _legacy_v3(call, [contract_rows.legacy_match(fill) for fill in fills])


def legacy_isolated_matches(call: Call) -> Any:
    """POST /linear-swap-api/v3/swap_matchresults: nobody here trades with isolated margin."""
    _on_legacy(call)
    return _legacy_v3(call, [])


def _legacy_v3(call: Call, data: list[Any]) -> dict[str, Any]:
    return {"code": 200, "msg": "ok", "data": data, "ts": call.now_ms}


def legacy_balance(call: Call) -> Any:
    """POST /linear-swap-api/v1/swap_cross_account_info."""
    _on_legacy(call)
    data = [
        {
            "margin_mode": "cross",
            "margin_account": coin,
            "margin_asset": coin,
            "margin_balance": number(one.total),
            "margin_static": number(one.total),
            "margin_frozen": number(one.locked),
            "withdraw_available": number(one.free),
            "profit_unreal": 0,
        }
        for coin, one in call.account.wallets.get(LINEAR, {}).items()
    ]
    return legacy_good(data, call.now_ms)


def no_balances(call: Call) -> Any:
    """The balances of coin-margined contracts: nobody here has any."""
    return legacy_good([], call.now_ms)
