"""USDⓈ-M futures over REST (/fapi), and the little of COIN-M (/dapi) that a client asks for."""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from simulator.binance.asking import USUAL_PAGE, combination, market_of, page_size, whole, window
from simulator.binance.errors import Broken
from simulator.binance.keys import check_key
from simulator.binance.listings import futures_entry
from simulator.binance.rows import eight, futures_order, futures_trade, ticker_row
from simulator.binance.spot import find_order
from simulator.dialect import DAY_MS, Call, Route
from simulator.truth import INVERSE, LINEAR, ZERO, Account, Fill, Position, plain

HOSTS = ("fapi.binance.com", "testnet.binancefuture.com", "demo-fapi.binance.com")
COIN_HOSTS = ("dapi.binance.com", "testnet.binancefuture.com", "demo-dapi.binance.com")
RETENTION_MS = 90 * DAY_MS
LISTEN_KEY_MS = 3_600_000


def routes() -> Iterator[Route]:
    """All of them, with their weights."""
    for host in HOSTS:
        yield from _fapi(host)
    for host in COIN_HOSTS:
        yield from _dapi(host)


def _fapi(host: str) -> Iterator[Route]:
    def public(path: str, handler: Callable[[Call], Any], weight: float = 1) -> Route:
        return Route(method="GET", host=host, path=f"/fapi/{path}", handler=handler, weight=weight, pool="fapi")

    def private(path: str, handler: Callable[[Call], Any], weight: float, **details: Any) -> Route:
        return Route(
            method="GET", host=host, path=f"/fapi/{path}", handler=handler, signed=True, weight=weight, pool="fapi",
            details={"futures": True, **details},
        )  # fmt: skip

    yield public("v1/ping", lambda _call: {})
    yield public("v1/time", lambda call: {"serverTime": call.exchange.now_ms()})
    yield public("v1/exchangeInfo", lambda call: exchange_info(call, LINEAR))
    yield public("v1/ticker/24hr", ticker_24h)
    yield public("v1/ticker/price", ticker_price)
    yield public("v2/ticker/price", ticker_price)
    yield private("v1/userTrades", user_trades, 5)
    yield private("v1/income", income, 30)
    yield private("v1/allOrders", all_orders, 5)
    yield private("v1/openOrders", open_orders, 40, weigh=lambda call: 1 if "symbol" in call.params else 40)
    yield private("v1/order", lambda call: futures_order(find_order(call, market_of(call, LINEAR))), 1)
    for version in ("v2", "v3"):
        yield private(f"{version}/account", account, 5)
        yield private(f"{version}/balance", balance, 5)
        yield private(f"{version}/positionRisk", position_risk, 5)
    yield private("v1/accountConfig", account_config, 5)
    yield private("v1/symbolConfig", symbol_config, 5)
    yield private("v1/leverageBracket", leverage_brackets, 1)
    yield private("v1/multiAssetsMargin", lambda _call: {"multiAssetsMargin": False}, 30)
    yield private("v1/positionSide/dual", lambda _call: {"dualSidePosition": False}, 30)
    for method in ("POST", "PUT", "DELETE"):
        yield Route(method=method, host=host, path="/fapi/v1/listenKey", handler=listen_key, weight=1, pool="fapi")


def _dapi(host: str) -> Iterator[Route]:
    def coin(path: str, handler: Callable[[Call], Any], weight: float = 1, *, signed: bool = False) -> Route:
        return Route(
            method="GET", host=host, path=f"/dapi/v1/{path}", handler=handler, signed=signed, weight=weight,
            pool="fapi", details={"futures": True},
        )  # fmt: skip

    yield coin("ping", lambda _call: {})
    yield coin("time", lambda call: {"serverTime": call.exchange.now_ms()})
    yield coin("exchangeInfo", lambda call: exchange_info(call, INVERSE))
    yield coin("userTrades", lambda _call: [], 20, signed=True)
    yield coin("income", lambda _call: [], 20, signed=True)
    yield coin("account", lambda _call: {"assets": [], "positions": [], "canTrade": True}, 5, signed=True)
    yield coin("leverageBracket", lambda _call: [], signed=True)


# ── Public ────────────────────────────────────────────────────────────────────────────────────────────


def exchange_info(call: Call, product: str) -> Any:
    return {
        "timezone": "UTC",
        "serverTime": call.exchange.now_ms(),
        "futuresType": "U_MARGINED",
        "rateLimits": [{"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 2400}],
        "exchangeFilters": [],
        "assets": [{"asset": "USDT", "marginAvailable": True, "autoAssetExchange": "-10000"}],
        "symbols": [
            futures_entry(market)
            for market in call.exchange.markets.values()
            if market.product == product and market.status != "delisted"
        ],
    }


def ticker_24h(call: Call) -> Any:
    now = call.exchange.now_ms()
    if "symbol" in call.params:
        return ticker_row(market_of(call, LINEAR), now)
    return [ticker_row(market, now) for market in call.exchange.open_markets(LINEAR)]


def ticker_price(call: Call) -> Any:
    now = call.exchange.now_ms()
    if "symbol" in call.params:
        market = market_of(call, LINEAR)
        return {"symbol": market.id, "price": plain(market.shown), "time": now}
    return [{"symbol": one.id, "price": plain(one.shown), "time": now} for one in call.exchange.open_markets(LINEAR)]


# ── Trades, income and orders ─────────────────────────────────────────────────────────────────────────


def _week(call: Call) -> tuple[int, int, bool]:
    """The stretch that is read (never beyond the retention), and whether its newest rows come first."""
    since, until = window(call, 7)
    now = call.now_ms
    if since is None and until is None:
        start, end = now - 7 * DAY_MS, now
    elif since is None:
        assert until is not None
        start, end = until - 7 * DAY_MS, until
    else:
        start, end = since, until if until is not None else since + 7 * DAY_MS
    return max(start, now - RETENTION_MS), end, since is None


def user_trades(call: Call) -> Any:
    """Fills of one symbol: from an id on ascending, or of a stretch of at most seven days."""
    market = market_of(call, LINEAR)
    combination(
        call,
        ("startTime", "endTime", "fromId"),
        ((), ("startTime",), ("endTime",), ("startTime", "endTime"), ("fromId",)),
    )
    limit = page_size(call)
    from_id = whole(call, "fromId")
    rows: Iterator[Fill]
    if from_id is not None:
        oldest = call.now_ms - RETENTION_MS
        found = call.account.read_fills_from(call.now_ms, LINEAR, market.id, from_id)
        rows = (fill for fill in found if fill.timestamp_ms >= oldest)
    else:
        start, end, newest_first = _week(call)
        rows = call.account.read_fills(
            call.now_ms, product=LINEAR, market_id=market.id, since_ms=start, until_ms=end, newest_first=newest_first
        )
    if "orderId" in call.params:
        order_id = call.params["orderId"]
        rows = (fill for fill in rows if fill.order.id == order_id)
    page = [futures_trade(fill) for fill in islice(rows, limit)]
    page.sort(key=lambda row: row["id"])
    return page


def income(call: Call) -> Any:
    """What moved the wallet: commissions and realised profits, oldest first, of all symbols or one."""
    wanted = call.params.get("incomeType")
    market = market_of(call, LINEAR) if "symbol" in call.params else None
    since, until = whole(call, "startTime"), whole(call, "endTime")
    now = call.now_ms
    start = now - 7 * DAY_MS if since is None and until is None else since
    limit = 100 if "limit" not in call.params else page_size(call)
    page = max(1, whole(call, "page") or 1)
    rows = (
        row
        for fill in call.account.read_fills(
            now,
            product=LINEAR,
            market_id="" if market is None else market.id,
            since_ms=max(start or 0, now - RETENTION_MS),
            until_ms=until,
        )
        for row in _income_of(fill)
        if wanted in {None, row["incomeType"]}
    )
    return list(islice(rows, (page - 1) * limit, page * limit))


def _income_of(fill: Fill) -> Iterator[dict[str, Any]]:
    shared = {
        "symbol": fill.market.id,
        "time": fill.timestamp_ms,
        "info": fill.trade_id,
        "tradeId": fill.trade_id,
    }
    for fee in fill.fees:
        if fee.amount:
            yield {
                **shared,
                "incomeType": "COMMISSION",
                "income": eight(-fee.amount),
                "asset": fee.currency,
                "tranId": 9_000_000_000 + 2 * fill.sequence,
            }
    if fill.realized:
        yield {
            **shared,
            "incomeType": "REALIZED_PNL",
            "income": eight(fill.realized),
            "asset": fill.market.settle,
            "tranId": 9_000_000_001 + 2 * fill.sequence,
        }


def all_orders(call: Call) -> Any:
    """Orders of one symbol or of all, at most seven days, oldest first."""
    market = market_of(call, LINEAR) if "symbol" in call.params else None
    limit = USUAL_PAGE if "limit" not in call.params else page_size(call)
    from_id = whole(call, "orderId")
    start, end, _newest = _week(call)
    three_days_ago = call.now_ms - 3 * DAY_MS
    rows = [
        order
        for order in call.account.orders.values()
        if order.market.product == LINEAR
        and (market is None or order.market is market)
        and (
            (from_id is not None and int(order.id) >= from_id) or (from_id is None and start <= order.created_ms <= end)
        )
        and (order.filled or order.status == "open" or order.updated_ms >= three_days_ago)
    ]
    return [futures_order(order) for order in rows[:limit]]


def open_orders(call: Call) -> Any:
    market = market_of(call, LINEAR) if "symbol" in call.params else None
    return [
        futures_order(order)
        for order in call.account.open_orders.values()
        if order.market.product == LINEAR and (market is None or order.market is market)
    ]


# ── Balances ──────────────────────────────────────────────────────────────────────────────────────────


def _positions(account: Account) -> list[tuple[str, Position]]:
    return [
        (market_id, position)
        for (product, market_id), position in account.positions.items()
        if product == LINEAR and position.size
    ]


def account(call: Call) -> Any:
    assets = []
    total = ZERO
    for asset, held in call.account.wallets.get("futures", {}).items():
        total += held.total if asset == "USDT" else ZERO
        amount = eight(held.total)
        assets.append(
            {
                "asset": asset,
                "walletBalance": amount,
                "unrealizedProfit": "0.00000000",
                "marginBalance": amount,
                "maintMargin": "0.00000000",
                "initialMargin": "0.00000000",
                "positionInitialMargin": "0.00000000",
                "openOrderInitialMargin": "0.00000000",
                "crossWalletBalance": amount,
                "crossUnPnl": "0.00000000",
                "availableBalance": amount,
                "maxWithdrawAmount": amount,
                "marginAvailable": True,
                "updateTime": call.now_ms,
            }
        )
    return {
        "feeTier": 0,
        "canTrade": True,
        "canDeposit": True,
        "canWithdraw": True,
        "updateTime": 0,
        "multiAssetsMargin": False,
        "tradeGroupId": -1,
        "totalInitialMargin": "0.00000000",
        "totalMaintMargin": "0.00000000",
        "totalWalletBalance": eight(total),
        "totalUnrealizedProfit": "0.00000000",
        "totalMarginBalance": eight(total),
        "totalPositionInitialMargin": "0.00000000",
        "totalOpenOrderInitialMargin": "0.00000000",
        "totalCrossWalletBalance": eight(total),
        "totalCrossUnPnl": "0.00000000",
        "availableBalance": eight(total),
        "maxWithdrawAmount": eight(total),
        "assets": assets,
        "positions": [_position_entry(call, name, position) for name, position in _positions(call.account)],
    }


def _position_entry(call: Call, name: str, position: Position) -> dict[str, Any]:
    market = call.exchange.markets[LINEAR, name]
    return {
        "symbol": name,
        "positionSide": "BOTH",
        "positionAmt": plain(position.size),
        "entryPrice": eight(position.entry),
        "breakEvenPrice": eight(position.entry),
        "markPrice": eight(market.shown),
        "unRealizedProfit": "0.00000000",
        "unrealizedProfit": "0.00000000",
        "liquidationPrice": "0",
        "isolatedMargin": "0",
        "notional": eight(position.size * market.shown),
        "isolatedWallet": "0",
        "initialMargin": "0",
        "maintMargin": "0",
        "leverage": "20",
        "isolated": False,
        "marginAsset": market.settle,
        "adl": 0,
        "updateTime": call.now_ms,
    }


def balance(call: Call) -> Any:
    return [
        {
            "accountAlias": "SgsR",
            "asset": asset,
            "balance": eight(held.total),
            "crossWalletBalance": eight(held.total),
            "crossUnPnl": "0.00000000",
            "availableBalance": eight(held.total),
            "maxWithdrawAmount": eight(held.total),
            "marginAvailable": True,
            "updateTime": call.now_ms,
        }
        for asset, held in call.account.wallets.get("futures", {}).items()
    ]


def position_risk(call: Call) -> Any:
    return [_position_entry(call, name, position) for name, position in _positions(call.account)]


def account_config(call: Call) -> Any:
    return {
        "feeTier": 0,
        "canTrade": True,
        "canDeposit": True,
        "canWithdraw": True,
        "dualSidePosition": False,
        "updateTime": call.now_ms,
        "multiAssetsMargin": False,
        "tradeGroupId": -1,
    }


def symbol_config(call: Call) -> Any:
    markets = [market_of(call, LINEAR)] if "symbol" in call.params else call.exchange.open_markets(LINEAR)
    return [
        {
            "symbol": market.id,
            "marginType": "CROSSED",
            "isAutoAddMargin": "false",
            "leverage": 20,
            "maxNotionalValue": "1000000",
        }
        for market in markets
    ]


def leverage_brackets(call: Call) -> Any:
    return [
        {
            "symbol": market.id,
            "brackets": [
                {
                    "bracket": 1,
                    "initialLeverage": 20,
                    "notionalCap": 1_000_000,
                    "notionalFloor": 0,
                    "maintMarginRatio": 0.01,
                    "cum": 0,
                }
            ],
        }
        for market in call.exchange.open_markets(LINEAR)
    ]


# ── The listen key ────────────────────────────────────────────────────────────────────────────────────


def living_key(account: Account, now_ms: int) -> str | None:
    """The account's listen key, None when it has none that lives."""
    key, expires = account.details.get("listen_key", (None, 0))
    return key if key is not None and now_ms < expires else None


def listen_key(call: Call) -> Any:
    """Made (or lengthened) by POST, lengthened by PUT, ended by DELETE; asks for the key's header only."""
    request = call.request
    owner = check_key(call.exchange, request.headers.get("x-mbx-apikey"), request.address, futures=True)
    now = call.now_ms
    key = living_key(owner, now)
    if request.method == "POST":
        if key is None:
            letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
            key = "".join(call.exchange.dice.choices(letters, k=64))
        owner.details["listen_key"] = (key, now + LISTEN_KEY_MS)
        return {"listenKey": key}
    if key is None:
        raise Broken(-1125)
    if request.method == "PUT":
        owner.details["listen_key"] = (key, now + LISTEN_KEY_MS)
        return {"listenKey": key}
    owner.details["listen_key"] = (None, 0)
    return {}


def owner_of(call: Call, key: str) -> Account | None:
    """Whose living listen key this is."""
    for account in call.exchange.accounts.values():
        if living_key(account, call.now_ms) == key:
            return account
    return None
