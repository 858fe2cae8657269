"""Sockets: no login, each private subscription is signed by itself, and one socket may hear several accounts."""

import json
from typing import Any

import msgspec

from simulator.dialect import BalanceMoved, Call, Conversation, Event, OrderEnded, OrderFilled, OrderOpened
from simulator.exchange import Exchange
from simulator.gate import ended, rows
from simulator.gate.errors import LABELS
from simulator.gate.keys import TurnedAway, caller, may_see
from simulator.gate.prices import QUOTES, TICKERS
from simulator.sockets import Frame, Socket, framed
from simulator.truth import SPOT, ZERO, Account, Fill, Market

ALL = "!all"
TRADES, TRADES_V2, ORDERS = "usertrades", "usertrades_v2", "orders"
PRIVATE = {"spot": (TRADES, TRADES_V2, ORDERS, "balances"), "futures": (TRADES, ORDERS, "balances", "positions")}
"""Private channels. Those that say nothing here tell of no trade that usertrades does not."""
WITHOUT_MARKETS = ("balances",)
BAD_BODY, BAD_ARGUMENT, NOT_ALLOWED = 1, 2, 4


class Talk(Conversation):
    """One socket of spot, or of the perpetuals of one settlement coin."""

    def __init__(self, socket: Socket, call: Call) -> None:
        super().__init__(socket, call)
        self.product: str = call.route.details["product"]
        self.family = "spot" if self.product == SPOT else "futures"
        self.in_decimals = call.request.headers.get("x-gate-size-decimal") == "1"
        self.conn_id = f"{self.exchange.dice.getrandbits(64):016x}"
        self.heard: dict[tuple[str, str], set[str]] = {}
        """Markets by account and private channel."""
        self.topics: dict[tuple[str, str], Market] = {}
        """Markets by public channel and name."""

    # What the client says.

    def received(self, message: str | bytes) -> None:
        try:
            asked = msgspec.json.decode(message)
        except msgspec.DecodeError:
            asked = None
        if not isinstance(asked, dict) or not isinstance(asked.get("time"), int):
            self._refuse(asked if isinstance(asked, dict) else {}, BAD_BODY, "invalid request body")
            return
        family, _, name = str(asked.get("channel", "")).partition(".")
        payload = asked.get("payload") or []
        is_private = name in PRIVATE[self.family]
        if family == self.family and name == "ping":
            self._pong(f"{family}.pong")
        elif family != self.family or not (is_private or name in {TICKERS, QUOTES}):
            self._refuse(asked, BAD_ARGUMENT, f"unknown channel {asked.get('channel')}")
        elif asked.get("event") not in {"subscribe", "unsubscribe"}:
            self._refuse(asked, BAD_ARGUMENT, f"unknown event {asked.get('event')}")
        elif not isinstance(payload, list) or not all(isinstance(one, str) for one in payload):
            self._refuse(asked, BAD_BODY, "invalid payload")
        elif is_private:
            self._subscribe_private(name, asked, payload)
        else:
            self._subscribe_public(name, asked, payload)

    def _subscribe_private(self, name: str, asked: dict[str, Any], payload: list[str]) -> None:
        channel, event = str(asked["channel"]), str(asked["event"])
        auth = asked.get("auth")
        auth = auth if isinstance(auth, dict) else {}
        try:
            account = caller(
                self.exchange,
                self.call.request,
                key=str(auth.get("KEY", "")),
                stamp=str(asked["time"]),
                signed=f"channel={channel}&event={event}&time={asked['time']}",
                signature=str(auth.get("SIGN", "")),
                scope=self.family,
            )
        except TurnedAway as why:
            nested = {"label": why.label, "message": LABELS[why.label][1]}
            self._refuse(asked, NOT_ALLOWED, json.dumps(nested, separators=(",", ":")) + "\n")
            return
        if self.family == "futures":
            if payload[:1] != [account.uid]:
                self._refuse(asked, BAD_ARGUMENT, "invalid argument: user id")
                return
            payload = payload[1:]
        unknown = self._unknown(event, [one for one in payload if one != ALL])
        if unknown or not (payload or name in WITHOUT_MARKETS):
            self._refuse(asked, BAD_ARGUMENT, unknown or "invalid argument: payload")
            return
        self._hear(account, channel, set(payload), is_wanted=event == "subscribe")
        self._acknowledge(asked, {"error": None})

    def _hear(self, account: Account, channel: str, markets: set[str], *, is_wanted: bool) -> None:
        before = self.heard.get((account.uid, channel), set())
        after = before | markets if is_wanted else before - markets
        self.heard[account.uid, channel] = after
        if after and not before:
            self.exchange.listeners.add(account, self, channel)
        elif before and not after:
            self.exchange.listeners.remove(account, self, channel)

    def _subscribe_public(self, name: str, asked: dict[str, Any], payload: list[str]) -> None:
        """One unknown market spoils the whole payload."""
        unknown = self._unknown(asked["event"], payload)
        if unknown or not payload:
            self._refuse(asked, BAD_ARGUMENT, unknown or "invalid argument: payload")
            return
        for market_id in payload:
            if asked["event"] == "subscribe":
                self.topics[name, market_id] = self.exchange.markets[self.product, market_id]
            else:
                self.topics.pop((name, market_id), None)
        self._acknowledge(asked, {})

    def _unknown(self, event: str, market_ids: list[str]) -> str:
        """What is wrong with these markets, if anything; whoever leaves may leave what is delisted, too."""
        if event == "unsubscribe":
            return ""
        word = "currency pair:" if self.family == "spot" else "contract"
        missing = [one for one in market_ids if self.exchange.market(self.product, one) is None]
        return f"unknown {word} {missing[0]}" if missing else ""

    # What it is answered.

    def _answer(self, asked: dict[str, Any], rest: dict[str, Any]) -> None:
        now, trace = self.exchange.now_ms(), f"{self.exchange.dice.getrandbits(128):032x}"
        own_id = {"id": asked["id"]} if "id" in asked else {}
        self.socket.reply(
            {
                "time": now // 1000,
                "time_ms": now,
                **own_id,
                "conn_id": self.conn_id,
                "trace_id": trace,
                "channel": asked.get("channel", ""),
                "event": asked.get("event", ""),
                "payload": asked.get("payload"),
                **rest,
                "requestId": trace,
            }
        )

    def _acknowledge(self, asked: dict[str, Any], error: dict[str, None]) -> None:
        self._answer(asked, {**error, "result": {"status": "success"}})

    def _refuse(self, asked: dict[str, Any], code: int, message: str) -> None:
        """Says so, and leaves the socket open."""
        self._answer(asked, {"error": {"code": code, "message": message}, "result": {"status": "fail"}})

    def _pong(self, channel: str) -> None:
        now = self.exchange.now_ms()
        answer = {"time": now // 1000, "time_ms": now, "channel": channel, "event": "", "error": None, "result": None}
        self.socket.reply(answer)

    def notice(self, name: str, account: Account | None) -> None:
        """A subscription whose key is gone says nothing any more, and nobody is told so."""
        if account is not None and name in {"key_revoked", "key_expired"}:
            self.exchange.listeners.remove(account, self)
            self.heard = {key: markets for key, markets in self.heard.items() if key[0] != account.uid}

    def enveloped(self, tag: Any, message: Any) -> Any:
        return _update(tag, message if isinstance(message, list) else [message], self.exchange.now_ms())


# What happens to accounts.


def publish(exchange: Exchange, account: Account, events: list[Event]) -> None:
    """Tells everyone who listens; the fills of one batch come in one message, in no promised order."""
    ended.note(account, events)
    heard = exchange.listeners.of(account)
    told: list[Event] = [event for event in events if not isinstance(event, BalanceMoved)]
    if not heard or not told:
        return
    market = _market_of(told[0])
    fills = [event.fill for event in told if isinstance(event, OrderFilled)]
    frames: dict[tuple[str, bool], list[Frame]] = {}
    for talk, channel in list(heard):
        assert isinstance(talk, Talk)
        markets = talk.heard[account.uid, channel]
        if talk.product != market.product or not (ALL in markets or market.id in markets):
            continue
        if market.product == SPOT and not may_see(account, market.id):
            continue
        form = (channel, talk.in_decimals)
        if form not in frames:
            frames[form] = _frames(exchange, account, channel, told, fills, in_decimals=talk.in_decimals)
        talk.socket.events(frames[form])


def _market_of(event: Event) -> Market:
    """One batch is about one market."""
    if isinstance(event, OrderFilled):
        return event.fill.market
    assert isinstance(event, OrderOpened | OrderEnded)
    return event.order.market


def _frames(
    exchange: Exchange, account: Account, channel: str, events: list[Event], fills: list[Fill], *, in_decimals: bool
) -> list[Frame]:
    family, _, name = channel.partition(".")
    now = exchange.now_ms()
    if name == ORDERS and family == "spot":
        return [framed(_update(channel, [row], now)) for row in _order_rows(account, events)]
    if name not in {TRADES, TRADES_V2} or not fills:
        return []
    if family == "futures":
        result = [rows.futures_trade(fill, in_decimals=in_decimals) for fill in fills]
    elif name == TRADES:
        result = [rows.spot_trade(fill, account) for fill in fills]
    else:
        result = [rows.spot_trade_without_fee(fill, account) for fill in fills]
    if len(result) > 1 and exchange.dice.random() < 0.5:
        result.reverse()
    return [framed(_update(channel, result, now))]


def _order_rows(account: Account, events: list[Event]) -> list[dict[str, Any]]:
    """put, update for a fill that leaves something, finish with the last one or without any."""
    found = []
    for event in events:
        if isinstance(event, OrderOpened):
            found.append(rows.told_order(account, event.order, "put", ZERO, ZERO, []))
        elif isinstance(event, OrderFilled) and event.fill.filled < event.fill.order.size:
            fill = event.fill
            made = [one for one in ended.fills_of(account, fill.order) if one.sequence <= fill.sequence]
            found.append(rows.told_order(account, fill.order, "update", fill.filled, fill.filled_cost, made))
        elif isinstance(event, OrderEnded):
            order = event.order
            made = ended.fills_of(account, order)
            found.append(rows.told_order(account, order, "finish", order.filled, order.cost, made))
    return found


def _update(channel: str, result: list[Any], now: int) -> dict[str, Any]:
    """The envelope; that of perpetuals says that there is no error."""
    envelope: dict[str, Any] = {"time": now // 1000, "time_ms": now, "channel": channel, "event": "update"}
    if channel.startswith("futures."):
        envelope["error"] = None
    return {**envelope, "result": result}
