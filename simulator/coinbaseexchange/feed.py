"""The feed: products and channels by subscription, signed where they are private, and no way to see what got lost.

From https://docs.cdp.coinbase.com/exchange/websocket-feed/channels, read 2026-11. Private messages carry the product's
sequence and do not move it. Whether `user` needs product ids is not certain: here it does.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from simulator.coinbaseexchange import rows
from simulator.coinbaseexchange.keys import VERIFIED, Refused, holder
from simulator.dialect import Call, Conversation, Event, Noise, OrderEnded, OrderFilled, OrderOpened
from simulator.exchange import Exchange
from simulator.sockets import Frame, Socket, framed
from simulator.truth import SPOT, Account, Market, plain

USER, HEARTBEAT, TICKER, BATCH = "user", "heartbeat", "ticker", "ticker_batch"
PRIVATE = {USER, "full", "level2", "level3"}
CHANNELS = {*PRIVATE, HEARTBEAT, TICKER, BATCH, "matches", "status"}
"""Those that are not simulated may be subscribed to and say nothing: none of them tells of an own trade."""
FIRST_WORD_S = 5.0
BATCH_EVERY = 5
MOST_OF_A_KIND = 10
SIGNED_FIELDS = ("key", "signature", "timestamp", "passphrase")


class Feed(Conversation):
    """One socket."""

    def __init__(self, socket: Socket, call: Call) -> None:
        super().__init__(socket, call)
        self.account: Account | None = None
        self.channels: dict[str, dict[str, None]] = {}
        """Products by channel, in the order in which they were asked for."""
        self._has_subscribed = False

    def received(self, message: str | bytes) -> None:
        try:
            asked = msgspec.json.decode(message)
        except msgspec.DecodeError:
            asked = None
        if not isinstance(asked, dict):
            self._complain("Malformed JSON", "")
        elif asked.get("type") == "subscribe":
            self._subscribe(asked)
        elif asked.get("type") == "unsubscribe":
            self._unsubscribe(asked)
        else:
            self._complain("Invalid message", "type has to be either subscribe or unsubscribe")

    def _subscribe(self, asked: dict[str, Any]) -> None:
        """All of what is asked for, or nothing."""
        wanted = _wanted(asked)
        trouble = self._trouble(wanted)
        if trouble:
            self._complain("Failed to subscribe", trouble)
            return
        if "signature" in asked or wanted.keys() & PRIVATE:
            try:
                self._sign_in(asked)
            except Refused as wrong:
                self._complain("Authentication Failed", msgspec.json.encode({"message": wrong.words}).decode())
                return
        if self._too_many(wanted):
            self._complain("Failed to subscribe", "too many subscriptions of this product and channel")
            return
        self._has_subscribed = True
        for channel, products in wanted.items():
            self.channels[channel] = self.channels.get(channel, {}) | dict.fromkeys(products)
        if USER in wanted and self.account is not None and self.account.uid not in self.accounts:
            self.exchange.listeners.add(self.account, self, USER)
        self._acknowledge()
        for channel in wanted.keys() & {TICKER, BATCH}:
            for product in wanted[channel]:
                self.socket.event(ticker(self.exchange.markets[SPOT, product], self.exchange.now_ms()))

    def _trouble(self, wanted: dict[str, list[str]]) -> str:
        """What is wrong with a subscription."""
        if not wanted:
            return "channels are missing"
        for channel, products in wanted.items():
            if channel not in CHANNELS:
                return f"{channel} is not a valid channel"
            if not products and channel != "status":
                return f"{channel} needs product_ids"
            for product in products:
                if self.exchange.market(SPOT, product) is None:
                    return f"{product} is not a valid product"
        return ""

    def _sign_in(self, asked: dict[str, Any]) -> None:
        """Raises `Refused`; a socket is one key's."""
        key, signature, timestamp, passphrase = (str(asked.get(name, "")) for name in SIGNED_FIELDS)
        account = holder(
            self.exchange,
            self.call.request.address,
            key=key,
            signature=signature,
            timestamp=timestamp,
            passphrase=passphrase,
            signed=VERIFIED,
        )
        if self.account not in {None, account}:
            raise Refused(401, "Invalid API Key")
        self.account = account

    def _too_many(self, wanted: dict[str, list[str]]) -> bool:
        if self.account is None or not self.exchange.enforcing:
            return False
        others = [one for one, _ in self.exchange.listeners.of(self.account) if one is not self]
        return any(
            sum(product in other.channels.get(USER, {}) for other in others if isinstance(other, Feed))
            >= MOST_OF_A_KIND
            for product in wanted.get(USER, [])
        )

    def _unsubscribe(self, asked: dict[str, Any]) -> None:
        for channel, products in _wanted(asked).items():
            kept = {one: None for one in self.channels.get(channel, {}) if products and one not in products}
            if kept:
                self.channels[channel] = kept
                continue
            self.channels.pop(channel, None)
            if channel == USER and self.account is not None:
                self.exchange.listeners.remove(self.account, self)
        self._acknowledge()

    def _acknowledge(self) -> None:
        named = [{"name": name, "product_ids": list(own), "account_ids": None} for name, own in self.channels.items()]
        self.socket.reply({"type": "subscriptions", "channels": named})

    def _complain(self, message: str, reason: str) -> None:
        self.socket.reply({"type": "error", "message": message, "reason": reason})

    def tick(self, now_ms: int) -> None:
        if not self._has_subscribed and self.exchange.real_s() - self.socket.opened_at >= FIRST_WORD_S:
            self.socket.close(1008, "no subscription")
        for product in self.channels.get(HEARTBEAT, {}):
            market = self.exchange.market(SPOT, product)
            if market is not None:
                beat = {"type": "heartbeat", "sequence": rows.sequence_of(market), "last_trade_id": market.last_id}
                self.socket.reply(beat | {"product_id": product, "time": rows.written(now_ms * rows.MICROS)})

    def notice(self, name: str, account: Account | None) -> None:
        if name in {"key_revoked", "key_expired"} and account is self.account:
            self._complain("Authentication Failed", '{"message":"Invalid API Key"}')
            self.socket.close(1000, "")


def _wanted(asked: dict[str, Any]) -> dict[str, list[str]]:
    """Products by channel: a channel may have its own, or those that stand beside it."""
    channels, products = asked.get("channels"), asked.get("product_ids")
    shared = [str(one) for one in products] if isinstance(products, list) else []
    wanted: dict[str, list[str]] = {}
    for channel in channels if isinstance(channels, list) else []:
        if isinstance(channel, dict):
            own = channel.get("product_ids")
            wanted[str(channel.get("name"))] = [str(one) for one in own] if isinstance(own, list) else shared
        else:
            wanted[str(channel)] = shared
    return wanted


def publish(exchange: Exchange, account: Account, events: list[Event]) -> None:
    """Tells who follows a product what befell the account there."""
    told = [(product, framed(row)) for product, row in _told(exchange, account, events)]
    for conversation, _ in list(exchange.listeners.of(account)):
        if isinstance(conversation, Feed):
            products = conversation.channels.get(USER, {})
            conversation.socket.events([frame for product, frame in told if product in products])


def _told(exchange: Exchange, account: Account, events: list[Event]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Products and messages. Only an order that rests is told to be open."""
    resting = {event.fill.order.id for event in events if isinstance(event, OrderFilled) and event.fill.maker}
    for event in events:
        if isinstance(event, OrderFilled):
            market = event.fill.market
            # Others trade as well: the product's sequence goes on by more than what is told here.
            market.details["sequence"] = rows.sequence_of(market) + exchange.dice.randint(1, 9)
            yield market.id, rows.match(account, event.fill, rows.sequence_of(market))
        elif isinstance(event, OrderOpened | OrderEnded):
            order, opens = event.order, isinstance(event, OrderOpened)
            for kind in (
                ("received", "open") if opens and order.id in resting else ("received",) if opens else ("done",)
            ):
                step = rows.order_step(account, order, kind, rows.sequence_of(order.market), event.timestamp_ms)
                yield order.market.id, step
        elif isinstance(event, Noise):
            yield event.market.id, _activated(account, event)


def _activated(account: Account, noise: Noise) -> dict[str, Any]:
    """A stop order of the account's came to life, which is no trade."""
    return {
        "type": "activate",
        "product_id": noise.market.id,
        "timestamp": f"{noise.timestamp_ms / 1000:.6f}",
        "user_id": rows.user_id(account),
        "profile_id": account.uid,
        "order_id": rows.coin_account_id(account, f"stop {noise.timestamp_ms}"),
        "stop_type": "entry",
        "side": "buy",
        "stop_price": plain(noise.market.price),
        "size": plain(noise.market.step),
        "funds": "10",
        "private": True,
    }


def ticker(market: Market, now_ms: int) -> dict[str, Any]:
    """A market's last trade and its day."""
    return {
        "type": "ticker",
        "sequence": rows.sequence_of(market),
        "product_id": market.id,
        "price": plain(market.shown),
        "open_24h": plain(market.open_24h),
        "volume_24h": f"{market.volume_24h:.8f}",
        "low_24h": plain(min(market.low_24h, market.shown)),
        "high_24h": plain(max(market.high_24h, market.shown)),
        "volume_30d": f"{market.volume_24h * 30:.8f}",
        "best_bid": plain(market.bid),
        "best_bid_size": plain(market.step * 7),
        "best_ask": plain(market.ask),
        "best_ask_size": plain(market.step * 9),
        "side": "buy",
        "time": rows.written(now_ms * rows.MICROS),
        "trade_id": market.last_id,
        "last_size": plain(market.step),
    }


class Prices:
    """Renders each market once a second, however many sockets follow it."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self._round = 0

    def tell(self) -> None:
        """The quick channel each time, the slow one every fifth."""
        self._round += 1
        channels = (TICKER, BATCH) if self._round % BATCH_EVERY == 0 else (TICKER,)
        frames: dict[str, Frame] = {}
        now = self.exchange.now_ms()
        for talk in [one.conversation for one in self.exchange.sockets if isinstance(one.conversation, Feed)]:
            for product in {one: None for channel in channels for one in talk.channels.get(channel, {})}:
                market = self.exchange.market(SPOT, product)
                if market is None or market.status != "trading":
                    continue
                if product not in frames:
                    frames[product] = framed(ticker(market, now))
                talk.socket.event(frames[product])
