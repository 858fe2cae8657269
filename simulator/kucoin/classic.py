"""Classic sockets: a welcome first, then topics; orders told event by event and without their fees."""

from typing import TYPE_CHECKING, Any

from simulator.dialect import BalanceMoved, Event, Noise, OrderEnded, OrderFilled, OrderOpened
from simulator.kucoin.rows import FUTURES_KINDS, nanos, number
from simulator.kucoin.talk import NANOS, Talk
from simulator.kucoin.tokens import FUTURES_SOCKETS, Token
from simulator.truth import INVERSE, SPOT, Fill, Market, Order, plain

if TYPE_CHECKING:
    from simulator.dialect import Call
    from simulator.sockets import Socket

ORDERS, ORDERS_V2, FUTURES_ORDERS = (
    "/spotMarket/tradeOrders",
    "/spotMarket/tradeOrdersV2",
    "/contractMarket/tradeOrders",
)
BALANCE, FUTURES_WALLET = "/account/balance", "/contractAccount/wallet"
TICKER, SNAPSHOT = "/market/ticker", "/market/snapshot"
FUTURES_TICKER, FUTURES_BEST = "/contractMarket/ticker", "/contractMarket/tickerV2"
_PRIVATE = {False: {ORDERS, ORDERS_V2, BALANCE}, True: {FUTURES_ORDERS, FUTURES_WALLET}}
_PUBLIC = {False: {TICKER, SNAPSHOT}, True: {FUTURES_TICKER, FUTURES_BEST}}
_MOST_TOPICS = 100


class Classic(Talk):
    """One classic socket, of the spot or of the futures side. `token` is one, or the words why there is none."""

    def __init__(self, socket: "Socket", call: "Call", token: Token | str) -> None:
        super().__init__(socket, call)
        self.token = token
        self.is_futures = call.request.host == FUTURES_SOCKETS
        self.topics: dict[str, set[str]] = {}

    def opened(self) -> None:
        name = self.call.params.get("connectId", "")
        if isinstance(self.token, str):
            self.turn_away(name, self.token)
        else:
            self.socket.reply({"id": name, "type": "welcome"})

    def asked(self, asked: dict[str, Any]) -> None:
        name, what = str(asked.get("id", "")), asked.get("type")
        if what not in {"subscribe", "unsubscribe"}:
            self.complain(name, 415, "type is not supported")
            return
        topic, _, rest = str(asked.get("topic", "")).partition(":")
        wanted = [part for part in rest.split(",") if part]
        refusal = self._refusal(topic, wanted, asked)
        if refusal is not None:
            self.complain(name, *refusal)
            return
        if what == "subscribe":
            self._follow(topic, wanted)
        else:
            self._forget(topic, wanted)
        if asked.get("response"):
            self.socket.reply({"id": name, "type": "ack"})

    def _refusal(self, topic: str, wanted: list[str], asked: dict[str, Any]) -> tuple[int, str] | None:
        if len(wanted) > _MOST_TOPICS:
            return 509, "exceed max subscription count limitation of 100 per time"
        if topic in _PRIVATE[self.is_futures]:
            owner = self.token.account if isinstance(self.token, Token) else None
            return (
                None if owner is not None and asked.get("privateChannel") is True else (403, "privateChannel is needed")
            )
        if topic not in _PUBLIC[self.is_futures] or not wanted:
            return 404, f"topic {asked.get('topic')} is not found"
        unknown = [one for one in wanted if one != "all" and not self._market(one)]
        return (404, f"topic {topic}:{unknown[0]} is not found") if unknown else None

    def _market(self, symbol: str) -> Market | None:
        products = ("linear", INVERSE) if self.is_futures else (SPOT,)
        found = (self.exchange.market(product, symbol) for product in products)
        return next((market for market in found if market is not None), None)

    def _follow(self, topic: str, wanted: list[str]) -> None:
        is_new = topic not in self.topics
        self.topics.setdefault(topic, set()).update(wanted or {"all"})
        if topic in _PRIVATE[self.is_futures] and is_new and isinstance(self.token, Token) and self.token.account:
            self.exchange.listeners.add(self.token.account, self, topic)

    def _forget(self, topic: str, wanted: list[str]) -> None:
        left = self.topics.get(topic, set()) - set(wanted or {"all"})
        if left:
            self.topics[topic] = left
            return
        self.topics.pop(topic, None)
        if isinstance(self.token, Token) and self.token.account is not None:
            self.exchange.listeners.remove(self.token.account, self, topic)

    def enveloped(self, tag: Any, message: Any) -> Any:
        return self._message(str(tag), _SUBJECTS.get(str(tag), "orderChange"), message)

    def _message(self, topic: str, subject: str, data: Any) -> dict[str, Any]:
        message = {"topic": topic, "type": "message", "subject": subject, "data": data}
        if isinstance(self.token, Token) and self.token.account is not None and topic in _PRIVATE[self.is_futures]:
            message |= {"userId": self.token.account.uid, "channelType": "private"}
        return message

    def tell(self, topic: str, event: Event) -> None:
        """Tells a private topic what happened, if it is one of its things."""
        if topic in {BALANCE, FUTURES_WALLET}:
            if isinstance(event, BalanceMoved):
                self._tell_balance(topic, event)
            return
        market = _market_of(event)
        if market is None or (market.product != SPOT) is not self.is_futures:
            return
        symbols = self.topics.get(topic, set())
        if "all" in symbols or market.id in symbols:
            for data in _order_events(event, with_received=topic == ORDERS_V2):
                subject = "symbolOrderChange" if self.is_futures and "all" not in symbols else "orderChange"
                self.socket.event(self._message(topic, subject, data))

    def _tell_balance(self, topic: str, event: BalanceMoved) -> None:
        if topic == BALANCE and event.wallet == "trade_hf":
            for asset, (free, locked, change) in event.assets.items():
                data = {
                    "accountId": asset,
                    "currency": asset,
                    "total": plain(free + locked),
                    "available": plain(free),
                    "availableChange": plain(change),
                    "hold": plain(locked),
                    "holdChange": "0",
                    "relationEvent": "trade_hf.setted",
                    "relationEventId": str(event.timestamp_ms),
                    "time": str(event.timestamp_ms),
                }
                self.socket.event(self._message(topic, "account.balance", data))
        elif topic == FUTURES_WALLET and event.wallet == "contract":
            for asset, (free, locked, _) in event.assets.items():
                data = {
                    "currency": asset,
                    "walletBalance": plain(free + locked),
                    "availableBalance": plain(free),
                    "holdBalance": plain(locked),
                    "timestamp": str(event.timestamp_ms),
                }
                self.socket.event(self._message(topic, "walletBalance.change", data))

    def tell_prices(self) -> None:
        for topic in _PUBLIC[self.is_futures] & self.topics.keys():
            for symbol in sorted(self.topics[topic]):
                if symbol == "all":
                    for market in self.exchange.open_markets(SPOT):
                        self._tell_price(topic, market, f"{topic}:all", market.id)
                elif (followed := self._market(symbol)) is not None:
                    self._tell_price(topic, followed, f"{topic}:{symbol}", None)

    def _tell_price(self, topic: str, market: Market, full: str, subject: str | None) -> None:
        now = self.exchange.now_ms()
        usual, data = _PRICES[topic](market, now)
        message = {"type": "message", "topic": full, "subject": subject or usual, "data": data}
        self.socket.event(message)


_SUBJECTS = {
    BALANCE: "account.balance",
    FUTURES_WALLET: "walletBalance.change",
    FUTURES_ORDERS: "orderChange",
}


def _market_of(event: Event) -> Market | None:
    if isinstance(event, OrderFilled):
        return event.fill.market
    if isinstance(event, OrderOpened | OrderEnded):
        return event.order.market
    return event.market if isinstance(event, Noise) else None


def _order(order: Order, moment_ms: int, kind: str, status: str) -> dict[str, Any]:
    data: dict[str, Any] = {
        "symbol": order.market.id,
        "orderType": order.type,
        "side": order.side,
        "orderId": order.id,
        "clientOid": order.client_id,
        "orderTime": order.created_ms,
        "size": plain(order.size),
        "filledSize": plain(order.filled),
        "remainSize": plain(order.left if kind != "canceled" else order.left - order.left),
        "canceledSize": plain(order.left) if kind == "canceled" else "0",
        "price": plain(order.price) if order.type == "limit" else "",
        "type": kind,
        "status": status,
        "ts": moment_ms * NANOS,
    }
    if order.market.product == SPOT:
        data["originSize"] = plain(order.size)
    else:
        data |= {"marginMode": "CROSS", "tradeType": FUTURES_KINDS[order.kind]}
    return data


def _match(fill: Fill) -> dict[str, Any]:
    order = fill.order
    role = "maker" if fill.maker else "taker"
    # The maker's side of a hidden order calls itself taker; what it pays tells the truth.
    is_hidden = fill.maker and fill.market.product == SPOT and fill.sequence % 16 == 0
    return {
        **_order(order, fill.timestamp_ms, "match", "match"),
        "filledSize": plain(fill.filled),
        "remainSize": plain(order.size - fill.filled),
        "liquidity": "taker" if is_hidden else role,
        "feeType": f"{role}Fee",
        "matchPrice": plain(fill.price),
        "matchSize": plain(fill.size),
        "tradeId": fill.trade_id,
        "ts": nanos(fill),
    }


def _order_events(event: Event, *, with_received: bool) -> list[dict[str, Any]]:
    """How the order channel tells one event. Only the second version tells that an order was received."""
    if isinstance(event, OrderOpened):
        fresh = _order(event.order, event.timestamp_ms, "open", "open")
        fresh |= {"filledSize": "0", "remainSize": plain(event.order.size)}
        received = [{**fresh, "type": "received", "status": "new"}] if with_received else []
        return received + ([fresh] if event.order.type == "limit" else [])
    if isinstance(event, OrderFilled):
        return [_match(event.fill)]
    if isinstance(event, OrderEnded):
        kind = "filled" if event.order.status == "filled" else "canceled"
        return [_order(event.order, event.timestamp_ms, kind, "done")]
    if isinstance(event, Noise):
        market = event.market
        order = Order(
            id=f"{event.timestamp_ms:024x}",
            client_id=f"noise-{event.timestamp_ms}",
            market=market,
            side="buy",
            type="limit",
            price=market.start_price / 2,
            size=market.step,
            created_ms=event.timestamp_ms,
            updated_ms=event.timestamp_ms,
        )
        return [{**_order(order, event.timestamp_ms, "update", "open"), "oldSize": plain(market.step * 2)}]
    return []


def _ticker(market: Market, now_ms: int) -> tuple[str, dict[str, Any]]:
    return "trade.ticker", {
        "sequence": str(now_ms),
        "price": plain(market.shown or market.price),
        "size": plain(market.step),
        "bestAsk": plain(market.ask),
        "bestAskSize": "1",
        "bestBid": plain(market.bid),
        "bestBidSize": "1",
        "time": now_ms,
    }


def _snapshot(market: Market, now_ms: int) -> tuple[str, dict[str, Any]]:
    day = {
        "trading": market.status == "trading",
        "symbol": market.id,
        "symbolCode": market.id,
        "buy": number(market.bid),
        "sell": number(market.ask),
        "high": number(market.high_24h),
        "low": number(market.low_24h),
        "open": number(market.open_24h),
        "vol": number(market.volume_24h),
        "volValue": number(market.turnover_24h),
        "lastTradedPrice": number(market.shown or market.price),
        "changePrice": 0,
        "changeRate": 0,
        "datetime": now_ms,
        "baseCurrency": market.base,
        "quoteCurrency": market.quote,
        "market": market.quote,
    }
    return "trade.snapshot", {"sequence": str(now_ms), "data": day}


def _futures_ticker(market: Market, now_ms: int) -> tuple[str, dict[str, Any]]:
    return "ticker", {
        "symbol": market.id,
        "sequence": now_ms,
        "side": "buy",
        "size": 1,
        "price": plain(market.shown or market.price),
        "bestBidSize": 1,
        "bestBidPrice": plain(market.bid),
        "bestAskPrice": plain(market.ask),
        "bestAskSize": 1,
        "tradeId": str(market.last_id),
        "ts": now_ms * NANOS,
    }


def _futures_best(market: Market, now_ms: int) -> tuple[str, dict[str, Any]]:
    return "tickerV2", {
        "symbol": market.id,
        "sequence": now_ms,
        "bestBidSize": 1,
        "bestBidPrice": plain(market.bid),
        "bestAskPrice": plain(market.ask),
        "bestAskSize": 1,
        "ts": now_ms * NANOS,
    }


_PRICES = {TICKER: _ticker, SNAPSHOT: _snapshot, FUTURES_TICKER: _futures_ticker, FUTURES_BEST: _futures_best}
