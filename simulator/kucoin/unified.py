"""The unified account's sockets: channels instead of topics, executions with their fees; and its public prices."""

from typing import TYPE_CHECKING, Any

from simulator.dialect import BalanceMoved, Event, OrderEnded, OrderFilled, OrderOpened
from simulator.kucoin.rows import NO_ORDER, UNIFIED_KINDS, fee_of, unified_event
from simulator.kucoin.talk import NANOS, Talk
from simulator.kucoin.tokens import PING_MS, Token
from simulator.truth import INVERSE, LINEAR, SPOT, Account, Market, Order, plain

if TYPE_CHECKING:
    from simulator.dialect import Call
    from simulator.sockets import Socket

EXECUTION, LITE, ORDERS, BALANCE = "execution", "execution.lite", "orderAll", "balance"


class Unified(Talk):
    """One private socket of a unified account."""

    def __init__(self, socket: "Socket", call: "Call", token: Token | str) -> None:
        super().__init__(socket, call)
        self.token = token
        self.channels: set[str] = set()

    def opened(self) -> None:
        if isinstance(self.token, str):
            self.turn_away("", self.token)
        else:
            session = f"{id(self):032x}"
            self.socket.reply({"sessionId": session, "message": "welcome", "pingInterval": PING_MS})

    def asked(self, asked: dict[str, Any]) -> None:
        name, action = asked.get("id", ""), str(asked.get("action", "")).lower()
        channel = str(asked.get("channel", ""))
        reason = None
        if action not in {"subscribe", "unsubscribe"}:
            reason = "invalid `action`"
        elif channel not in {EXECUTION, LITE, ORDERS, BALANCE}:
            reason = f"invalid `channel`: {channel}"
        elif channel in {EXECUTION, LITE, ORDERS} and asked.get("tradeType") != "UNIFIED":
            reason = f"missing `tradeType` for topic: {channel}"
        if reason is not None or not isinstance(self.token, Token) or self.token.account is None:
            self.socket.reply({"id": name, "result": False, "reason": reason or "token is expired"})
            return
        if action == "subscribe" and channel not in self.channels:
            self.channels.add(channel)
            self.exchange.listeners.add(self.token.account, self, channel)
        elif action == "unsubscribe":
            self.channels.discard(channel)
            self.exchange.listeners.remove(self.token.account, self, channel)
        self.socket.reply({"id": name, "result": True})

    def enveloped(self, tag: Any, message: Any) -> Any:
        return {"T": f"{tag}.UNIFIED", "P": str(self.exchange.now_ms() * NANOS), "d": message}

    def tell(self, channel: str, event: Event) -> None:
        """Tells a channel what happened, if it is one of its things."""
        data: dict[str, Any] | None = None
        if channel in {EXECUTION, LITE} and isinstance(event, OrderFilled):
            data = unified_event(event.fill, lite=channel == LITE)
        elif channel == ORDERS and isinstance(event, OrderOpened | OrderFilled | OrderEnded):
            data = _order_event(event)
        elif channel == BALANCE and isinstance(event, BalanceMoved):
            data = _balance_event(event)
        if data is not None:
            self.socket.event(self.enveloped(channel, data))


def _order_event(event: OrderOpened | OrderFilled | OrderEnded) -> dict[str, Any]:
    """The order channel tells sums, and what was last filled."""
    order: Order = event.fill.order if isinstance(event, OrderFilled) else event.order
    moment = event.fill.timestamp_ms if isinstance(event, OrderFilled) else event.timestamp_ms
    data: dict[str, Any] = {
        "tT": "SPOT" if order.market.product == SPOT else "FUTURES",
        "oi": order.id or NO_ORDER,
        "ci": order.client_id,
        "s": order.market.id,
        "S": order.side.upper(),
        "oT": order.type.upper(),
        "p": plain(order.price) if order.type == "limit" else "",
        "q": plain(order.size),
        "eT": "NEW",
        "ti": "",
        "lS": "0",
        "fS": plain(order.filled),
        "f": "0",
        "fC": order.market.settle or order.market.quote,
        "fT": UNIFIED_KINDS[order.kind],
        "U": moment * NANOS,
        "O": str(order.created_ms * NANOS),
    }
    if isinstance(event, OrderFilled):
        fee, currency = fee_of(event.fill)
        data |= {"eT": "TRADE", "ti": event.fill.trade_id, "lS": plain(event.fill.size), "f": fee, "fC": currency}
        data |= {"fS": plain(event.fill.filled), "lR": "MAKER" if event.fill.maker else "TAKER"}
    elif isinstance(event, OrderEnded):
        data |= {"eT": "TRADE" if order.status == "filled" else "CANCEL"}
    return data


def _balance_event(event: BalanceMoved) -> dict[str, Any]:
    assets = [
        {"c": asset, "b": plain(free + locked), "a": plain(free), "h": plain(locked), "ch": plain(change)}
        for asset, (free, locked, change) in event.assets.items()
    ]
    return {"aT": event.wallet.upper(), "E": str(event.timestamp_ms * NANOS), "cs": assets}


class Prices(Talk):
    """One public socket of the unified kind; it needs no token."""

    def __init__(self, socket: "Socket", call: "Call") -> None:
        super().__init__(socket, call)
        self.trade_type = "FUTURES" if "futures" in call.request.host else "SPOT"
        self.followed: dict[str, Market] = {}

    def opened(self) -> None:
        self.socket.reply({"sessionId": f"{id(self):032x}", "message": "welcome", "pingInterval": PING_MS})

    def notice(self, name: str, account: Account | None) -> None:
        """There is no token here that could die."""

    def asked(self, asked: dict[str, Any]) -> None:
        name, action = asked.get("id", ""), str(asked.get("action", "")).lower()
        symbol = str(asked.get("symbol", ""))
        products = (SPOT,) if self.trade_type == "SPOT" else (LINEAR, INVERSE)
        found = (self.exchange.market(product, symbol) for product in products)
        market = next((one for one in found if one is not None), None)
        reason = None
        if action not in {"subscribe", "unsubscribe"}:
            reason = "invalid `action`"
        elif asked.get("channel") != "ticker" or asked.get("tradeType") != self.trade_type:
            reason = f"invalid `channel`: {asked.get('channel')}"
        elif market is None:
            reason = f"invalid `symbol`: {symbol}"
        if reason is not None or market is None:
            self.socket.reply({"id": name, "result": False, "reason": reason})
            return
        if action == "subscribe":
            self.followed[symbol] = market
        else:
            self.followed.pop(symbol, None)
        self.socket.reply({"id": name, "result": True})

    def tell_prices(self) -> None:
        now = self.exchange.now_ms()
        for symbol, market in self.followed.items():
            data = {
                "s": symbol,
                "l": plain(market.shown or market.price),
                "a": plain(market.ask),
                "A": "1",
                "b": plain(market.bid),
                "B": "1",
                "S": "BUY",
                "q": plain(market.step),
                "M": str(now * NANOS),
                "E": now,
            }
            self.socket.event({"T": f"ticker.{self.trade_type}", "P": str(now * NANOS), "d": data})
