"""Spot and wallet over REST: /api/v3 and /sapi."""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from simulator.binance import capital
from simulator.binance.asking import combination, market_of, page_size, whole, window
from simulator.binance.errors import Broken
from simulator.binance.listings import spot_entry
from simulator.binance.rows import eight, spot_order, spot_trade, ticker_row
from simulator.dialect import Call, Refusal, Route
from simulator.http import Response, answer
from simulator.truth import SPOT, ZERO, Fill, Market, Order, plain

HOSTS = (
    "api.binance.com", "api-gcp.binance.com", "api1.binance.com", "api2.binance.com", "api3.binance.com",
    "api4.binance.com", "testnet.binance.vision", "demo-api.binance.com",
)  # fmt: skip
WALLET_HOSTS = HOSTS[:6]
Weigher = Callable[[Call], float]


def routes() -> Iterator[Route]:
    """All of them, with their weights."""
    for host in HOSTS:
        yield from _api(host)
    for host in WALLET_HOSTS:
        yield from _sapi(host)


def _api(host: str) -> Iterator[Route]:
    def public(path: str, handler: Callable[[Call], Any], weight: float) -> Route:
        return Route(method="GET", host=host, path=f"/api/v3/{path}", handler=handler, weight=weight, pool="api")

    def private(path: str, handler: Callable[[Call], Any], weight: float, **details: Any) -> Route:
        return Route(
            method="GET", host=host, path=f"/api/v3/{path}", handler=handler, signed=True, weight=weight, pool="api",
            details=details,
        )  # fmt: skip

    yield public("ping", lambda _call: {}, 1)
    yield public("time", lambda call: {"serverTime": call.exchange.now_ms()}, 1)
    yield public("exchangeInfo", exchange_info, 20)
    yield public("ticker/24hr", ticker_24h, 2)
    yield public("ticker/price", ticker_price, 2)
    yield public("ticker/bookTicker", ticker_book, 2)
    yield private("account", account, 20)
    yield private("myTrades", my_trades, 20, weigh=lambda call: 5 if "orderId" in call.params else 20)
    yield private("myAllocations", lambda call: _checked(call, []), 20)
    yield private("openOrders", open_orders, 80, weigh=lambda call: 6 if "symbol" in call.params else 80)
    yield private("allOrders", all_orders, 20)
    yield private("allOrderList", lambda _call: [], 20)
    yield private("openOrderList", lambda _call: [], 6)
    yield private("order", one_order, 4)
    for method in ("POST", "PUT", "DELETE"):
        yield Route(method=method, host=host, path="/api/v3/userDataStream", handler=removed, weight=2, pool="api")


def _sapi(host: str) -> Iterator[Route]:
    def wallet(method: str, path: str, handler: Callable[[Call], Any], weight: float = 1, **details: Any) -> Route:
        return Route(
            method=method, host=host, path=f"/sapi/v1/{path}", handler=handler, signed=True, weight=weight,
            pool="sapi-uid" if details.get("uid") else "sapi-ip", details=details,
        )  # fmt: skip

    yield wallet("GET", "account/apiRestrictions", api_restrictions)
    yield wallet("POST", "asset/get-funding-asset", funding_assets)
    yield wallet("POST", "asset/getUserAsset", user_assets, 5)
    yield wallet("GET", "asset/wallet/balance", wallet_balance, 60)
    yield wallet("GET", "capital/config/getall", all_coins, 10)
    yield wallet("GET", "margin/allPairs", lambda _call: [])
    yield wallet("GET", "margin/isolated/allPairs", lambda _call: [], 10)
    yield wallet("GET", "margin/account", margin_account, 10)
    yield wallet("GET", "margin/isolated/account", lambda _call: {"assets": []}, 10)
    yield wallet("GET", "margin/myTrades", lambda call: _checked(call, []), 10)
    yield wallet("GET", "capital/deposit/hisrec", capital.deposits)
    yield wallet("GET", "capital/withdraw/history", capital.withdrawals, 18_000, uid=True)
    yield wallet("GET", "asset/transfer", capital.transfers)
    yield wallet("GET", "asset/assetDividend", lambda _call: {"rows": [], "total": 0}, 10)
    yield wallet("GET", "asset/dribblet", lambda _call: {"total": 0, "userAssetDribblets": []})
    yield wallet("GET", "convert/tradeFlow", convert_flow, 3000, uid=True)


# ── Public ────────────────────────────────────────────────────────────────────────────────────────────


def exchange_info(call: Call) -> Any:
    wanted = call.params.get("symbol")
    markets = [market for market in call.exchange.markets.values() if market.product == SPOT]
    if wanted is not None:
        markets = [market for market in markets if market.id == wanted and market.status != "delisted"]
        if not markets:
            raise Broken(-1121)
    return {
        "timezone": "UTC",
        "serverTime": call.exchange.now_ms(),
        "rateLimits": [
            {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000},
            {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 100},
            {"rateLimitType": "RAW_REQUESTS", "interval": "MINUTE", "intervalNum": 5, "limit": 300_000},
        ],
        "exchangeFilters": [],
        # A delisted symbol can still stand here (as BREAK) for a while; it is the trades that are gone.
        "symbols": [spot_entry(market) for market in markets],
    }


def _wanted(call: Call) -> list[Market]:
    if "symbol" in call.params:
        return [market_of(call, SPOT)]
    return call.exchange.open_markets(SPOT)


def _one_or_all(call: Call, rows: list[dict[str, Any]]) -> Any:
    return rows[0] if "symbol" in call.params else rows


def ticker_24h(call: Call) -> Any:
    now = call.exchange.now_ms()
    return _one_or_all(call, [ticker_row(market, now) for market in _wanted(call)])


def ticker_price(call: Call) -> Any:
    return _one_or_all(call, [{"symbol": market.id, "price": plain(market.shown)} for market in _wanted(call)])


def ticker_book(call: Call) -> Any:
    rows = [
        {
            "symbol": market.id,
            "bidPrice": plain(market.bid),
            "bidQty": plain(market.step * 100),
            "askPrice": plain(market.ask),
            "askQty": plain(market.step * 70),
        }
        for market in _wanted(call)
    ]
    return _one_or_all(call, rows)


# ── Trades and orders ─────────────────────────────────────────────────────────────────────────────────

MY_TRADES_OPTIONS = ("orderId", "startTime", "endTime", "fromId")
MY_TRADES_ALLOWED = (
    (), ("orderId",), ("startTime",), ("endTime",), ("startTime", "endTime"), ("fromId",), ("orderId", "fromId"),
)  # fmt: skip


def my_trades(call: Call) -> Any:
    """Fills of one symbol: from an id or a time on ascending, otherwise the newest page."""
    market = market_of(call, SPOT)
    sent = combination(call, MY_TRADES_OPTIONS, MY_TRADES_ALLOWED)
    limit = page_size(call)
    since, until = window(call, 1)
    from_id = whole(call, "fromId")
    rows: Iterator[Fill]
    if from_id is not None:
        rows = call.account.read_fills_from(call.now_ms, SPOT, market.id, from_id)
    else:
        rows = call.account.read_fills(
            call.now_ms,
            product=SPOT,
            market_id=market.id,
            since_ms=since,
            until_ms=until,
            newest_first="startTime" not in sent and "orderId" not in sent,
        )
    if "orderId" in sent:
        order_id = call.params["orderId"]
        rows = (fill for fill in rows if fill.order.id == order_id)
    page = [spot_trade(fill) for fill in islice(rows, limit)]
    page.sort(key=lambda row: row["id"])
    return page


def open_orders(call: Call) -> Any:
    market = market_of(call, SPOT) if "symbol" in call.params else None
    return [
        spot_order(order)
        for order in call.account.open_orders.values()
        if order.market.product == SPOT and (market is None or order.market is market)
    ]


def all_orders(call: Call) -> Any:
    market = market_of(call, SPOT)
    limit = page_size(call)
    since, until = window(call, 1)
    from_id = whole(call, "orderId")
    rows = [
        order
        for order in call.account.orders.values()
        if order.market is market
        and (from_id is None or int(order.id) >= from_id)
        and (since is None or order.created_ms >= since)
        and (until is None or order.created_ms <= until)
    ]
    page = rows[:limit] if from_id is not None or since is not None else rows[-limit:]
    return [spot_order(order) for order in page]


def one_order(call: Call) -> Any:
    market = market_of(call, SPOT)
    return spot_order(find_order(call, market))


def find_order(call: Call, market: Market) -> Order:
    """The order of `orderId` or `origClientOrderId`; raises `Broken` -1102 or -2013."""
    order_id, client_id = call.params.get("orderId"), call.params.get("origClientOrderId")
    if not order_id and not client_id:
        raise Broken(-1102, "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!")
    for order in call.account.orders.values():
        if order.market is market and (order.id == order_id or order.client_id == client_id):
            return order
    raise Broken(-2013)


def _checked(call: Call, data: Any) -> Any:
    market_of(call, SPOT)
    return data


def removed(_call: Call) -> Any:
    """The listen key of spot: gone since 20 February 2026."""
    raise Refusal(
        answer({"code": -1000, "msg": "This endpoint has been removed. Please use the WebSocket API."}, status=410)
    )


# ── Balances and the key ──────────────────────────────────────────────────────────────────────────────


def account(call: Call) -> Any:
    only_some = call.params.get("omitZeroBalances", "").lower() == "true"
    held = call.account.wallets.get("spot", {})
    assets = dict.fromkeys(held)
    if not only_some:
        for market in call.exchange.markets.values():
            assets |= dict.fromkeys((market.base, market.quote)) if market.product == SPOT else {}
    balances = []
    for asset in assets:
        free, locked = (held[asset].free, held[asset].locked) if asset in held else (ZERO, ZERO)
        if not only_some or free or locked:
            balances.append({"asset": asset, "free": eight(free), "locked": eight(locked)})
    return {
        "makerCommission": 10,
        "takerCommission": 10,
        "buyerCommission": 0,
        "sellerCommission": 0,
        "commissionRates": {
            "maker": "0.00100000",
            "taker": "0.00100000",
            "buyer": "0.00000000",
            "seller": "0.00000000",
        },
        "canTrade": True,
        "canWithdraw": True,
        "canDeposit": True,
        "brokered": False,
        "requireSelfTradePrevention": False,
        "preventSor": False,
        "updateTime": call.now_ms,
        "accountType": "SPOT",
        "balances": balances,
        "permissions": ["SPOT"],
        "uid": int(call.account.uid),
    }


def api_restrictions(call: Call) -> Any:
    may = call.account.permissions
    told = {
        "ipRestrict": bool(call.account.addresses),
        "createTime": call.account.created_ms,
        "enableReading": "read" in may,
        "enableWithdrawals": "withdraw" in may,
        "enableInternalTransfer": "transfer" in may,
        "permitsUniversalTransfer": "transfer" in may,
        "enableSpotAndMarginTrading": "trade" in may,
        "enableMargin": "margin" in may,
        "enableFutures": "futures" in may,
        "enableVanillaOptions": False,
        "enablePortfolioMarginTrading": False,
        "enableFixApiTrade": False,
        "enableFixReadOnly": False,
    }
    if "trade" in may and call.account.expires_ms is not None:
        told["tradingAuthorityExpirationTime"] = call.account.expires_ms
    return told


def funding_assets(call: Call) -> Any:
    wanted = call.params.get("asset")
    return [
        {
            "asset": asset,
            "free": eight(held.free),
            "locked": eight(held.locked),
            "freeze": "0",
            "withdrawing": "0",
            "btcValuation": "0",
        }
        for asset, held in call.account.wallets.get("funding", {}).items()
        if held.total and wanted in {None, asset}
    ]


def user_assets(call: Call) -> Any:
    return [
        {
            "asset": asset,
            "free": eight(held.free),
            "locked": eight(held.locked),
            "freeze": "0",
            "withdrawing": "0",
            "ipoable": "0",
            "btcValuation": "0",
        }
        for asset, held in call.account.wallets.get("spot", {}).items()
        if held.total
    ]


def wallet_balance(call: Call) -> Any:
    names = {"spot": "Spot", "funding": "Funding", "futures": "USDⓈ-M Futures"}
    rows = []
    for wallet, title in names.items():
        worth = ZERO
        for asset, held in call.account.wallets.get(wallet, {}).items():
            worth += held.total * call.exchange.price_of(asset, "BTC")
        rows.append({"activate": True, "balance": eight(worth), "walletName": title})
    return rows


def all_coins(call: Call) -> Any:
    coins: dict[str, None] = {}
    for market in call.exchange.markets.values():
        if market.product == SPOT:
            coins |= dict.fromkeys((market.base, market.quote))
    held = call.account.wallets.get("spot", {})
    return [
        {
            "coin": coin,
            "depositAllEnable": True,
            "withdrawAllEnable": True,
            "name": coin,
            "free": eight(held[coin].free) if coin in held else "0",
            "locked": eight(held[coin].locked) if coin in held else "0",
            "freeze": "0",
            "withdrawing": "0",
            "ipoing": "0",
            "ipoable": "0",
            "storage": "0",
            "isLegalMoney": coin == "EUR",
            "trading": True,
            "networkList": [],
        }
        for coin in coins
    ]


def margin_account(_call: Call) -> Any:
    return {
        "created": True,
        "borrowEnabled": False,
        "marginLevel": "999.00000000",
        "totalAssetOfBtc": "0.00000000",
        "totalLiabilityOfBtc": "0.00000000",
        "totalNetAssetOfBtc": "0.00000000",
        "tradeEnabled": False,
        "transferInEnabled": True,
        "transferOutEnabled": True,
        "accountType": "MARGIN_1",
        "userAssets": [],
    }


def convert_flow(call: Call) -> Any:
    if "startTime" not in call.params or "endTime" not in call.params:
        raise Broken(-1102)
    return {
        "list": [],
        "startTime": whole(call, "startTime"),
        "endTime": whole(call, "endTime"),
        "limit": 100,
        "moreData": False,
    }


def not_here(_call: Call) -> Response:
    return Response(status=404, body=b"<html><body><h2>404 Not found</h2></body></html>", content_type="text/html")
