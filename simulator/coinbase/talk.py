"""Sockets: channels by subscription, one counter of messages over all of them, orders instead of fills.

From https://docs.cdp.coinbase.com/coinbase-app/advanced-trade-apis/websocket, read 2026-11. Every message that needs
a token needs a fresh one. Whether a second connection of one user is refused is not said: here it ends the first.
"""

from typing import Any

import msgspec

from simulator.coinbase import rows
from simulator.coinbase.keys import holder
from simulator.coinbase.listings import alias
from simulator.coinbase.wallets import FUTURES_WALLET, futures_summary
from simulator.dialect import BalanceMoved, Call, Conversation, Event, OrderEnded, OrderFilled, OrderOpened
from simulator.exchange import Exchange
from simulator.sockets import Socket
from simulator.truth import SPOT, Account, Market, Order, plain

PUBLIC_HOST, USER_HOST = "advanced-trade-ws.coinbase.com", "advanced-trade-ws-user.coinbase.com"
USER, FUTURES, HEARTBEATS, TICKER, BATCH = "user", "futures_balance_summary", "heartbeats", "ticker", "ticker_batch"
PRIVATE = {USER, FUTURES}
CHANNELS = {USER_HOST: {*PRIVATE, HEARTBEATS}, PUBLIC_HOST: {*PRIVATE, HEARTBEATS, TICKER, BATCH}}
FIRST_WORD_S = 5.0
SILENCE_S = 75.0
BATCH_EVERY = 5
PAGE_OF_ORDERS = 50
UNSIGNED_A_SECOND = 8
AUTHENTICATION_FAILURE = "authentication failure"


class Talk(Conversation):
    """One socket."""

    def __init__(self, socket: Socket, call: Call) -> None:
        super().__init__(socket, call)
        self.account: Account | None = None
        self.channels: dict[str, list[str]] = {}
        """What is subscribed: products by channel; an empty list of `user` means all."""
        self._tokens: set[str] = set()
        self._sequence = -1
        self._beats = 0
        self._has_subscribed = False
        self._spoke_at = socket.opened_at

    # Hearing.

    def received(self, message: str | bytes) -> None:
        try:
            asked = msgspec.json.decode(message)
        except msgspec.DecodeError:
            asked = None
        if not isinstance(asked, dict) or asked.get("type") not in {"subscribe", "unsubscribe"}:
            self._complain("invalid message")
            return
        channel, products, token = (asked.get(name) for name in ("channel", "product_ids", "jwt"))
        if token is None and self._unsigned_too_often():
            return
        allowed = CHANNELS[self.call.request.host]
        if channel not in allowed or not self._admits(str(channel), token):
            self._complain(AUTHENTICATION_FAILURE)
            return
        named = [str(product) for product in products] if isinstance(products, list) else []
        if asked["type"] == "subscribe":
            self._subscribe(str(channel), named)
        else:
            self._unsubscribe(str(channel), named)

    def _unsigned_too_often(self) -> bool:
        key, now = ("unsigned", self.call.request.address), self.exchange.now_ms()
        use = self.exchange.windows.take(key, 1, limit=UNSIGNED_A_SECOND, span_ms=1000, now_ms=now)
        if not use.broken or not self.exchange.enforcing:
            return False
        self._complain("rate limit exceeded")
        self.socket.close(1008, "rate limit exceeded")
        return True

    def _admits(self, channel: str, token: Any) -> bool:
        """Whether the token is good, was never used here, and is of the account that the socket is already of."""
        if token is None:
            return channel not in PRIVATE
        account = holder(self.exchange, str(token), None)
        if account is None or token in self._tokens:
            return False
        if account.refusal_of_key(self.exchange.now_ms(), self.call.request.address) is not None:
            return False
        if "read" not in account.permissions or self.account not in {None, account}:
            return False
        self._tokens.add(token)
        self.account = account
        return True

    def _subscribe(self, channel: str, products: list[str]) -> None:
        """What there is so far comes first, the acknowledgement after it."""
        self._has_subscribed = True
        listed = self.exchange.markets
        # Sockets call USDC markets by their other name, and say nothing of products that do not exist.
        known = [alias(listed[SPOT, one]) if (SPOT, one) in listed else one for one in products]
        if channel in {TICKER, BATCH}:
            known = [one for one in known if self.exchange.market(SPOT, one) is not None]
        before = self.channels.get(channel, [])
        self.channels[channel] = list(dict.fromkeys([*before, *known]))
        if channel == USER:
            self._take_over()
            self._tell_open_orders()
        elif channel == FUTURES and self.account is not None:
            self.exchange.listeners.add(self.account, self, FUTURES)
            self.tell(FUTURES, {"type": "snapshot", "fcm_balance_summary": futures_summary(self.account)})
        elif channel in {TICKER, BATCH} and known:
            tickers = [ticker(self.exchange.markets[SPOT, one], channel) for one in known]
            self.tell(channel, {"type": "snapshot", "tickers": tickers})
        self._acknowledge()

    def _unsubscribe(self, channel: str, products: list[str]) -> None:
        listed = self.exchange.markets
        gone = {alias(listed[SPOT, one]) if (SPOT, one) in listed else one for one in products}
        left = [one for one in self.channels.get(channel, []) if one not in gone]
        if gone and left:
            self.channels[channel] = left
        else:
            self.channels.pop(channel, None)
            if self.account is not None and channel in PRIVATE:
                self.exchange.listeners.remove(self.account, self, channel)
        self._acknowledge()

    def _take_over(self) -> None:
        """A user is heard on one connection: the newest."""
        assert self.account is not None
        for conversation, tag in list(self.exchange.listeners.of(self.account)):
            if tag == USER and conversation is not self:
                conversation.socket.close(1000, "")
        self.exchange.listeners.remove(self.account, self, USER)
        self.exchange.listeners.add(self.account, self, USER)

    def _tell_open_orders(self) -> None:
        """Only orders that are open: what was filled meanwhile is not told any more."""
        assert self.account is not None
        account = self.account
        found = [
            rows.order_event(account, order, "OPEN", rows.EVER, alias(order.market))
            for order in account.open_orders.values()
            if self.follows(order)
        ]
        for start in range(0, max(1, len(found)), PAGE_OF_ORDERS):
            self.reply(USER, _of_orders("snapshot", found[start : start + PAGE_OF_ORDERS]))

    def follows(self, order: Order) -> bool:
        """Whether the subscription of `user` is about an order's product."""
        products = self.channels.get(USER, [])
        return not products or alias(order.market) in products

    # Speaking.

    def _message(self, channel: str, event: dict[str, Any]) -> dict[str, Any]:
        self._sequence += 1
        self._spoke_at = self.exchange.real_s()
        return {
            "channel": channel,
            "client_id": "",
            "timestamp": rows.written(self.exchange.now_ms() * rows.NANOS + 489_674),
            "sequence_num": self._sequence,
            "events": [event],
        }

    def tell(self, channel: str, event: dict[str, Any]) -> None:
        """Something that happened, and may get lost on its way."""
        self.socket.event(self._message(channel, event))

    def reply(self, channel: str, event: dict[str, Any]) -> None:
        self.socket.reply(self._message(channel, event))

    def _acknowledge(self) -> None:
        """Everything that is subscribed now."""
        named: dict[str, list[str]] = {}
        for channel, products in self.channels.items():
            own = [rows.user_id(self.account)] if channel in PRIVATE and self.account is not None else [channel]
            named[channel] = products if channel in {TICKER, BATCH} else own
        self.reply("subscriptions", {"subscriptions": named})

    def _complain(self, words: str) -> None:
        self.socket.reply({"type": "error", "message": words})

    def tick(self, now_ms: int) -> None:
        now_s = self.exchange.real_s()
        if not self._has_subscribed and now_s - self.socket.opened_at >= FIRST_WORD_S:
            self.socket.close(1008, "no subscription")
        elif HEARTBEATS in self.channels:
            self._beats += 1
            seconds = rows.written(now_ms * rows.NANOS).replace("T", " ").removesuffix("Z")
            beat = {"current_time": f"{seconds} +0000 UTC m=+{now_s:.6f}", "heartbeat_counter": self._beats}
            self.reply(HEARTBEATS, beat)
        elif now_s - self._spoke_at >= self.exchange.rules.get("silent_cut_s", SILENCE_S):
            self.exchange.counters["sockets_cut_silent"] += 1
            self.socket.close(1000, "")

    def notice(self, name: str, account: Account | None) -> None:
        if name in {"key_revoked", "key_expired"} and account is self.account:
            self._complain(AUTHENTICATION_FAILURE)
            self.socket.close(1000, "")

    def enveloped(self, tag: Any, message: Any) -> Any:
        return self._message(str(tag), message)


def _of_orders(kind: str, orders: list[dict[str, Any]]) -> dict[str, Any]:
    positions: dict[str, list[Any]] = {"perpetual_futures_positions": [], "expiring_futures_positions": []}
    return {"type": kind, "orders": orders, "positions": positions}


def publish(exchange: Exchange, account: Account, events: list[Event]) -> None:
    """Orders as they stand after what happened; several fills of one may be told as one step."""
    heard = [(one, tag) for one, tag in exchange.listeners.of(account) if isinstance(one, Talk)]
    if not heard:
        return
    steps = list(_steps(events, exchange.dice.random() < 0.5))
    for talk, tag in heard:
        if tag == USER:
            for order, status, until in steps:
                if talk.follows(order):
                    told = rows.order_event(account, order, status, until, alias(order.market))
                    talk.tell(USER, _of_orders("update", [told]))
        elif any(isinstance(event, BalanceMoved) and event.wallet == FUTURES_WALLET for event in events):
            talk.tell(FUTURES, {"type": "update", "fcm_balance_summary": futures_summary(account)})


def _steps(events: list[Event], at_once: bool) -> list[tuple[Order, str, int]]:
    """Order, status and the last fill that counts. The last fill of an order may come with its end only."""
    found: dict[tuple[str, int], tuple[Order, str, int]] = {}
    last: dict[str, int] = {}
    for event in events:
        if isinstance(event, OrderOpened):
            found[event.order.id, -1] = (event.order, "OPEN", -1)
        elif isinstance(event, OrderFilled):
            order, sequence = event.fill.order, event.fill.sequence
            last[order.id] = sequence
            found[order.id, 0 if at_once else sequence] = (order, "OPEN", sequence)
        elif isinstance(event, OrderEnded):
            order = event.order
            found.pop((order.id, 0 if at_once else last.get(order.id, 0)), None)
            found[order.id, rows.EVER] = (order, rows.STATUSES[order.status], rows.EVER)
    return list(found.values())


def ticker(market: Market, channel: str) -> dict[str, str]:
    """A market's day; only the quick channel knows the best prices."""
    row = {
        "type": "ticker",
        "product_id": market.id,
        "price": plain(market.shown),
        "volume_24_h": plain(market.volume_24h),
        "low_24_h": plain(min(market.low_24h, market.shown)),
        "high_24_h": plain(max(market.high_24h, market.shown)),
        "low_52_w": plain(min(market.low_24h, market.shown) / 2),
        "high_52_w": plain(max(market.high_24h, market.shown) * 2),
        "price_percent_chg_24_h": f"{(market.shown / market.open_24h - 1) * 100:.12f}",
    }
    if channel == BATCH:
        return row
    return row | {
        "best_bid": plain(market.bid),
        "best_ask": plain(market.ask),
        "best_bid_quantity": plain(market.step * 7),
        "best_ask_quantity": plain(market.step * 9),
    }


class Prices:
    """Renders each market once a second, however many sockets follow it."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self._round = 0

    def tell(self) -> None:
        """Each market in a message of its own; now and then a row of nothing, as the real one says them."""
        self._round += 1
        channels = (TICKER, BATCH) if self._round % BATCH_EVERY == 0 else (TICKER,)
        written: dict[tuple[str, str], dict[str, str]] = {}
        talks = [one.conversation for one in self.exchange.sockets if isinstance(one.conversation, Talk)]
        for talk in talks:
            for channel in channels:
                for product in talk.channels.get(channel, []):
                    market = self.exchange.market(SPOT, product)
                    if market is None or market.status != "trading":
                        continue
                    if (product, channel) not in written:
                        written[product, channel] = ticker(market, channel)
                    row = written[product, channel]
                    if self._round % (BATCH_EVERY * 4) == 0:
                        talk.tell(channel, {"type": "update", "tickers": [dict.fromkeys(row, "") | {"type": "ticker"}]})
                    talk.tell(channel, {"type": "update", "tickers": [row]})
