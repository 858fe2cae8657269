"""The one socket for prices and fills: a challenge to sign, then feeds.

From docs.kraken.com (read 2026-11): futures websocket API v1.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec

from simulator.dialect import Call, Conversation, Event, OrderFilled
from simulator.exchange import Exchange
from simulator.krakenfutures.errors import encode
from simulator.krakenfutures.keys import is_at_home, is_signed, may_read
from simulator.krakenfutures.listings import coin_id
from simulator.krakenfutures.rows import told_fill
from simulator.sockets import Frame, Socket, text_frame
from simulator.truth import Account, Market

FILLS, TICKER, LITE, HEARTBEAT = "fills", "ticker", "ticker_lite", "heartbeat"
SNAPSHOT = 100
LITE_FIELDS = ("product_id", "bid", "ask", "change", "premium", "volume", "tag", "pair", "dtm", "maturityTime")


class Talk(Conversation):
    """One socket; `feeds` holds the contracts that each price feed tells."""

    def __init__(self, socket: Socket, call: Call) -> None:
        super().__init__(socket, call)
        self.challenge = ""
        self.account: Account | None = None
        self.feeds: dict[str, dict[str, Market]] = {TICKER: {}, LITE: {}}
        self.beats = False

    def opened(self) -> None:
        self.say({"event": "info", "version": 1})

    def say(self, message: Any) -> None:
        """Something asked for."""
        self.socket.reply(text_frame(encode(message)))

    def received(self, message: str | bytes) -> None:
        try:
            asked = msgspec.json.decode(message)
        except msgspec.DecodeError:
            asked = None
        event = asked.get("event") if isinstance(asked, dict) else None
        if event == "ping":
            self.say({"event": "pong"})
        elif event == "challenge":
            self._challenge()
        elif event in {"subscribe", "unsubscribe"}:
            self._feed(str(event), asked)
        else:
            self.say({"event": "error", "message": "Json Error"})

    def _challenge(self) -> None:
        """Everyone is challenged; who may not sign in learns it at the feed."""
        self.challenge = str(UUID(int=self.exchange.dice.getrandbits(128), version=4))
        self.say({"event": "challenge", "message": self.challenge})

    def _feed(self, event: str, asked: dict[str, Any]) -> None:
        feed = asked.get("feed")
        if feed == FILLS:
            self._fills(event, asked)
        elif feed in self.feeds:
            self._prices(event, str(feed), asked)
        elif feed == HEARTBEAT:
            self.beats = event == "subscribe"
            self.say({"event": f"{event}d", "feed": feed})
        else:
            self.say({"event": "error", "message": "Invalid feed"})

    def _fills(self, event: str, asked: dict[str, Any]) -> None:
        account = self._signed_in(asked)
        if account is None:
            self.say({"event": "alert", "message": "Failed to subscribe to authenticated feed"})
        elif event == "unsubscribe":
            self.exchange.listeners.remove(account, self)
            self.account = None
            self.say({"event": "unsubscribed", "feed": FILLS})
        elif self.account is account:
            self.say({"event": "alert", "message": "Already subscribed to feed, re-requesting"})
        else:
            self.account = account
            self.say({"event": "subscribed", "feed": FILLS})
            rows = account.all_fills()
            start = max(0, len(rows) - SNAPSHOT)
            told = [told_fill(fill, start + place, snapshot=True) for place, fill in enumerate(rows[start:], 1)]
            self.say({"feed": "fills_snapshot", "account": account.uid, "fills": told})
            self.exchange.listeners.add(account, self, FILLS)

    def _signed_in(self, asked: dict[str, Any]) -> Account | None:
        """Who answered this socket's own challenge; one socket tells one account."""
        key, challenge, signed = (asked.get(n) for n in ("api_key", "original_challenge", "signed_challenge"))
        account = self.exchange.by_key.get(str(key))
        request = self.call.request
        if account is None or not self.challenge or challenge != self.challenge or not isinstance(signed, str):
            return None
        if account.refusal_of_key(self.exchange.now_ms(), request.address) or not is_at_home(account, request.host):
            return None
        fine = is_signed(account, self.challenge, signed) and may_read(account) and self.account in {None, account}
        return account if fine else None

    def _prices(self, event: str, feed: str, asked: dict[str, Any]) -> None:
        names = asked.get("product_ids")
        if not isinstance(names, list) or not names:
            self.say({"event": "error", "message": "Invalid product id"})
            return
        found = {market.id: market for market in self.exchange.markets.values() if market.status != "delisted"}
        if any(name not in found for name in names):
            self.say({"event": "error", "message": "Invalid product id"})
        elif event == "unsubscribe":
            for name in names:
                self.feeds[feed].pop(name, None)
            self.say({"event": "unsubscribed", "feed": feed, "product_ids": names})
        elif any(name in self.feeds[feed] for name in names):
            self.say({"event": "alert", "message": "Already subscribed to feed, re-requesting"})
        else:
            self.say({"event": "subscribed", "feed": feed, "product_ids": names})
            for name in names:
                self.feeds[feed][name] = found[name]
                self.socket.event(ticker(found[name], feed, self.exchange.now_ms()))

    def tick(self, now_ms: int) -> None:
        if self.beats:
            self.say({"feed": HEARTBEAT, "time": now_ms})

    def notice(self, name: str, account: Account | None) -> None:
        if name in {"key_revoked", "key_expired"} and account is self.account:
            self.socket.close(1000, "")

    def enveloped(self, tag: Any, message: Any) -> Any:
        rows = message if isinstance(message, list) else [message]
        return text_frame(encode({"feed": FILLS, "username": self.account and self.account.uid, "fills": rows}))


def publish(exchange: Exchange, account: Account, events: list[Event]) -> None:
    """What one order caused comes in one message; `seq` is the place of a fill among the account's."""
    heard = exchange.listeners.of(account)
    made = [event.fill for event in events if isinstance(event, OrderFilled)]
    if not heard or not made:
        return
    first = len(account.all_fills()) - len(made) + 1
    rows = [told_fill(fill, first + place) for place, fill in enumerate(made)]
    frame = text_frame(encode({"feed": FILLS, "username": account.uid, "fills": rows}))
    for talk, _ in heard:
        talk.socket.event(frame)


def ticker(market: Market, feed: str, now_ms: int) -> Frame:
    """One message of a price feed."""
    last = market.shown
    change = (last / market.open_24h - 1) * 100 if market.open_24h else Decimal(0)
    fields: dict[str, Any] = {
        "time": now_ms,
        "product_id": market.id,
        "bid": market.bid,
        "ask": market.ask,
        "bid_size": market.step * 7,
        "ask_size": market.step * 9,
        "volume": market.volume_24h,
        "dtm": 0,
        "leverage": "50x",
        "index": last,
        "premium": 0,
        "last": last,
        "change": change.quantize(Decimal("0.000001")),
        "suspended": market.status != "trading",
        "tag": "perpetual" if market.id.startswith("P") else "month",
        "pair": f"{coin_id(market.base)}:USD",
        "openInterest": Decimal(28_875_946),
        "markPrice": last,
        "maturityTime": 0,
        "post_only": False,
        "volumeQuote": market.turnover_24h,
    }
    if feed == LITE:
        fields = {name: fields[name] for name in LITE_FIELDS}
    return text_frame(encode({"feed": feed} | fields))


class Prices:
    """Tells once a second what moved."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self._seen: dict[tuple[str, str], Decimal] = {}

    def tell(self) -> None:
        moved = set()
        for market in self.exchange.markets.values():
            if market.status == "trading" and self._seen.get(market.key) != market.shown:
                moved.add(market.id)
            self._seen[market.key] = market.shown
        now = self.exchange.now_ms()
        frames: dict[tuple[str, str], Frame] = {}
        for talk in self._talks():
            for feed, markets in talk.feeds.items():
                for name, market in markets.items():
                    if name in moved:
                        if (feed, name) not in frames:
                            frames[feed, name] = ticker(market, feed, now)
                        talk.socket.event(frames[feed, name])

    def _talks(self) -> Iterable[Talk]:
        return [one.conversation for one in self.exchange.sockets if isinstance(one.conversation, Talk)]
