"""Public market streams of spot and futures: prices for whoever subscribed."""

from typing import Any

import msgspec

from simulator.binance import rows
from simulator.dialect import Call, Conversation
from simulator.exchange import Exchange
from simulator.sockets import Frame, Socket, framed
from simulator.truth import LINEAR, SPOT, Market

MOST_STREAMS = 1024
ALL_MINI = "!miniTicker@arr"
_encode = msgspec.json.Encoder().encode


class _Mistake(Exception):
    """A request that is not understood; the text is what the client is told."""


class MarketStream(Conversation):
    """One socket of market data. What it says wrongly gets an error; a stream that does not exist stays silent."""

    def __init__(self, socket: Socket, call: Call) -> None:
        super().__init__(socket, call)
        self.product = call.route.details["product"]
        self.category = call.route.details.get("category", "")
        self.combined = call.request.path.endswith("/stream")
        named = call.params.get("streams", "") if self.combined else call.names.get("streams", "")
        self.streams: dict[str, None] = {name: None for name in named.split("/") if name and not name.isdecimal()}

    def received(self, message: str | bytes) -> None:
        try:
            asked = msgspec.json.decode(message)
        except msgspec.DecodeError:
            self.socket.reply({"code": 3, "msg": "Invalid JSON: syntax error"})
            return
        if not isinstance(asked, dict) or "method" not in asked:
            self.socket.reply({"code": 2, "msg": "Invalid request: request must be an object with a method"})
            return
        self.socket.reply(self._answer(asked))

    def _answer(self, asked: dict[str, Any]) -> dict[str, Any]:
        number = asked.get("id")
        if number is not None and not isinstance(number, int | str):
            return {"code": 2, "msg": "Invalid request: request ID must be an unsigned integer or a string"}
        try:
            return {"result": self._done(asked["method"], asked.get("params") or []), "id": number}
        except _Mistake as mistake:
            return {"code": 2, "msg": f"Invalid request: {mistake}", "id": number}

    def _done(self, method: str, names: Any) -> Any:
        """Does what was asked; the result of it."""
        if not isinstance(names, list):
            raise _Mistake("params must be a list")
        if method == "LIST_SUBSCRIPTIONS":
            return list(self.streams)
        if method == "GET_PROPERTY":
            return self.combined
        if method == "SET_PROPERTY" and names[:1] == ["combined"] and len(names) == 2:
            self.combined = bool(names[1])
        elif method == "SUBSCRIBE":
            if len({*self.streams, *map(str, names)}) > MOST_STREAMS:
                raise _Mistake(f"more than {MOST_STREAMS} streams")
            self.streams |= dict.fromkeys(map(str, names))
        elif method == "UNSUBSCRIBE":
            for name in names:
                self.streams.pop(str(name), None)
        else:
            raise _Mistake(f"unknown variant `{method}`")
        return None

    def notice(self, name: str, account: Any) -> None:
        if name == "maintenance" and self.product == SPOT:
            self.socket.reply({"e": "serverShutdown", "E": self.exchange.now_ms()})

    def end_of_life(self) -> None:
        self.notice("maintenance", None)
        self.socket.close(1008, "24 hours are over")


class Prices:
    """Renders each stream once a second, however many sockets asked for it."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self._last_shown: dict[tuple[str, str], Any] = {}

    def tell(self) -> None:
        """Tells all subscribers; streams of all symbols hold the ones that changed."""
        exchange = self.exchange
        talks = [s.conversation for s in exchange.sockets if isinstance(s.conversation, MarketStream)]
        if not talks:
            return
        now = exchange.now_ms()
        by_id = {
            (market.product, market.id.lower()): market
            for market in exchange.markets.values()
            if market.status == "trading"
        }
        changed = [market for market in by_id.values() if self._last_shown.get(market.key) != market.shown]
        self._last_shown = {market.key: market.shown for market in by_id.values()}
        frames: dict[tuple[str, str, str, bool], Frame | None] = {}
        for talk in talks:
            for name in talk.streams:
                key = (talk.product, talk.category, name, talk.combined)
                if key not in frames:
                    frames[key] = self._frame(key, by_id, changed, now)
                frame = frames[key]
                if frame is not None:
                    talk.socket.event(frame)

    def _frame(
        self, key: tuple[str, str, str, bool], by_id: dict[tuple[str, str], Market], changed: list[Market], now: int
    ) -> Frame | None:
        product, category, name, combined = key
        event = _event(product, category, name, by_id, changed, now)
        if event is None:
            return None
        return framed({"stream": name, "data": event} if combined else event)


def _event(
    product: str,
    category: str,
    name: str,
    by_id: dict[tuple[str, str], Market],
    changed: list[Market],
    now: int,
) -> Any:
    """What a stream says now; None for one that does not exist on this address (`!ticker@arr` of spot was retired)."""
    of_book = name.endswith("@bookTicker")
    if category and of_book != (category == "public"):
        return None
    if name == ALL_MINI:
        return [rows.mini_ticker_event(market, now) for market in changed if market.product == product] or None
    if name == "!ticker@arr" and product != SPOT:
        return [rows.ticker_event(market, now) for market in changed if market.product == product] or None
    symbol, _, kind = name.partition("@")
    market = by_id.get((product, symbol))
    render = {
        "ticker": rows.ticker_event,
        "miniTicker": rows.mini_ticker_event,
        "bookTicker": rows.futures_book_event if product == LINEAR else rows.spot_book_event,
    }.get(kind)
    return render(market, now) if market is not None and render is not None else None
