"""The futures socket: JSON text, market data for everyone, and an account's news after a signed login."""

from typing import Any

import msgspec

from simulator.dialect import BalanceMoved, Call, Conversation, Event, OrderEnded, OrderFilled, OrderOpened
from simulator.exchange import Exchange
from simulator.mexc import rows
from simulator.mexc.errors import FUTURES, FUTURES_KEYS
from simulator.mexc.futures import WALLET
from simulator.mexc.keys import is_signed
from simulator.mexc.listings import contract
from simulator.sockets import Frame, Socket, framed
from simulator.truth import SPOT, ZERO, Account, Holding, Market

SILENT_S = 60.0
"""Seconds after a client's last ping, whatever else is said."""
LOGIN_SPAN_MS = 10_000
DEAL, ORDER, ASSET = "order.deal", "order", "asset"
FILTERS = {DEAL, ORDER, ASSET, "position", "risk.limit", "adl.level"}
ALL_EVERY = 2
"""Frames of all tickers come at every second tick."""


class Edge(Conversation):
    """One socket. `filters`: what is told after the login, with the contracts each is narrowed to (none: all)."""

    def __init__(self, socket: Socket, call: Call) -> None:
        super().__init__(socket, call)
        self.account: Account | None = None
        self.filters: dict[str, set[str]] = {}
        self.tickers: dict[str, Market] = {}
        self.wants_all = False
        self.ticks = 0
        self.pinged_at_s = self.exchange.real_s()

    def tick(self, now_ms: int) -> None:
        limit = self.exchange.rules.get("silent_cut_s", SILENT_S)
        if self.exchange.real_s() - self.pinged_at_s >= limit:
            self.exchange.counters["sockets_cut_silent"] += 1
            self.fell_silent()

    def received(self, message: str | bytes) -> None:
        """A method that is not known is answered with silence."""
        try:
            asked = msgspec.json.decode(message)
        except msgspec.DecodeError:
            return
        if not isinstance(asked, dict):
            return
        method, given = asked.get("method"), asked.get("param")
        param: dict[str, Any] = given if isinstance(given, dict) else {}
        if method == "ping":
            self.pinged_at_s = self.exchange.real_s()
            self._reply("pong", self.exchange.now_ms())
        elif method == "login":
            self._log_in(param, silently=asked.get("subscribe") is False)
        elif method == "personal.filter":
            self._filter(param.get("filters"))
        elif method in {"sub.ticker", "unsub.ticker"}:
            self._ticker(str(method), str(param.get("symbol")))
        elif method in {"sub.tickers", "unsub.tickers"}:
            self.wants_all = method == "sub.tickers"
            self._reply(f"rs.{method}", "success")
            if self.wants_all:
                self.socket.event(all_tickers(self.exchange))

    def _reply(self, channel: str, data: Any) -> None:
        self.socket.reply({"channel": channel, "data": data, "ts": self.exchange.now_ms()})

    # The account.

    def _log_in(self, param: dict[str, Any], *, silently: bool) -> None:
        key, stamp = str(param.get("apiKey")), str(param.get("reqTime"))
        account = self.exchange.by_key.get(key)
        trouble = 401 if account is None else self._trouble(account, key, stamp, str(param.get("signature")))
        if account is None or trouble:
            self._reply("rs.error", FUTURES[trouble])
            return
        if self.account is not None:
            self.exchange.listeners.remove(self.account, self)
        self.account = account
        self.exchange.listeners.add(account, self)
        self.filters = {} if silently else {name: set() for name in FILTERS}
        self._reply("rs.login", "success")

    def _trouble(self, account: Account, key: str, stamp: str, signature: str) -> int:
        """The code of what is wrong with a login, 0 when nothing is."""
        if not stamp.isdecimal() or not self.exchange.trusts_time(
            int(stamp), behind_ms=LOGIN_SPAN_MS, ahead_ms=LOGIN_SPAN_MS
        ):
            return 513
        if not is_signed(account, key + stamp, signature):
            return 602
        reason = account.refusal_of_key(self.exchange.now_ms(), self.call.request.address)
        return FUTURES_KEYS[reason] if reason else 0

    def _filter(self, wanted: Any) -> None:
        """Replaces what was wanted before; an empty list is everything again."""
        rules = {}
        for one in wanted if isinstance(wanted, list) else [None]:
            if not isinstance(one, dict) or one.get("filter") not in FILTERS:
                self._reply("rs.error", "Invalid filter")
                return
            rules[str(one["filter"])] = set(map(str, one.get("rules") or []))
        if self.account is None:
            self._reply("rs.error", "Not logged in")
            return
        self.filters = rules or {name: set() for name in FILTERS}
        self._reply("rs.personal.filter", "success")

    def wants(self, topic: str, market: Market | None) -> bool:
        rules = self.filters.get(topic)
        return rules is not None and (not rules or market is None or market.id in rules)

    def notice(self, name: str, account: Account | None) -> None:
        if name in {"key_revoked", "key_expired"} and account is self.account:
            self.socket.close(1000, "")

    def enveloped(self, tag: Any, message: Any) -> Any:
        return {"channel": f"push.personal.{DEAL}", "data": message, "ts": self.exchange.now_ms()}

    # Market data.

    def _ticker(self, method: str, symbol: str) -> None:
        market = contract(self.call, symbol)
        if market is None or market.status == "delisted":
            self._reply("rs.error", f"Contract [{symbol}] not exists")
            return
        self._reply(f"rs.{method}", "success")
        if method == "sub.ticker":
            self.tickers[symbol] = market
            self.socket.event(ticker_frame(self.exchange, market))
        else:
            self.tickers.pop(symbol, None)


def ticker(market: Market, now: int) -> dict[str, Any]:
    """A contract's ticker; `volume24` counts contracts."""
    last, number = market.shown, rows.number
    contracts = market.volume_24h / market.contract_size if market.contract_size < 1 else market.volume_24h
    return {
        "symbol": market.id,
        "lastPrice": number(last),
        "bid1": number(market.bid),
        "ask1": number(market.ask),
        "high24Price": number(max(market.high_24h, last)),
        "lower24Price": number(min(market.low_24h, last)),
        "volume24": number(contracts.quantize(market.step)),
        "amount24": number(market.turnover_24h),
        "riseFallRate": number((last / market.open_24h - 1).quantize(market.tick)),
        "riseFallValue": number(last - market.open_24h),
        "fairPrice": number(last),
        "indexPrice": number(last),
        "holdVol": 2_284_742,
        "fundingRate": number(ZERO),
        "maxBidPrice": number(last * 2),
        "minAskPrice": number(last / 2),
        "contractId": sum(market.id.encode()),
        "timestamp": now,
    }


def ticker_frame(exchange: Exchange, market: Market) -> Frame:
    now = exchange.now_ms()
    return framed({"channel": "push.ticker", "data": ticker(market, now), "symbol": market.id, "ts": now})


def all_tickers(exchange: Exchange) -> Frame:
    now = exchange.now_ms()
    found = [one for one in exchange.markets.values() if one.product != SPOT and one.status == "trading"]
    return framed({"channel": "push.tickers", "data": [ticker(one, now) for one in found], "ts": now})


def tell_prices(exchange: Exchange) -> None:
    """Renders each contract once, however many sockets asked for it."""
    told: dict[str, Frame] = {}
    every: Frame | None = None
    for socket in list(exchange.sockets):
        talk = socket.conversation
        if not isinstance(talk, Edge):
            continue
        for symbol, market in talk.tickers.items():
            if market.status == "trading":
                if symbol not in told:
                    told[symbol] = ticker_frame(exchange, market)
                socket.event(told[symbol])
        talk.ticks += 1
        if talk.wants_all and talk.ticks % ALL_EVERY == 0:
            every = every or all_tickers(exchange)
            socket.event(every)


def publish(exchange: Exchange, account: Account, events: list[Event]) -> None:
    """Tells everyone who has logged in, each what it wants."""
    talks = [talk for talk, _ in exchange.listeners.of(account) if isinstance(talk, Edge)]
    if not talks:
        return
    now = exchange.now_ms()
    for topic, market, frame in (one for event in events for one in _frames(exchange, account, event, now)):
        for talk in talks:
            if talk.wants(topic, market):
                talk.socket.event(frame)


def _frames(exchange: Exchange, account: Account, event: Event, now: int) -> list[tuple[str, Market | None, Frame]]:
    """What one event is: a topic, the contract it is about, and what is said."""
    if isinstance(event, BalanceMoved):
        if event.wallet != WALLET:
            return []
        wallet = account.wallets.get(WALLET, {})
        return [
            (
                ASSET,
                None,
                _push(ASSET, rows.futures_asset(account, exchange.markets, coin, wallet.get(coin, Holding())), now),
            )
            for coin in event.assets
        ]
    if not isinstance(event, OrderFilled | OrderOpened | OrderEnded):
        return []
    order = event.fill.order if isinstance(event, OrderFilled) else event.order
    market = order.market
    if market.product == SPOT or (isinstance(event, OrderEnded) and order.status == "filled"):
        return []
    if isinstance(event, OrderFilled):
        fill = event.fill
        sums = rows.futures_order(order, fill.filled, fill.filled_cost, rows.fee_of(fill))
        return [(DEAL, market, _push(DEAL, rows.told_deal(fill), now)), (ORDER, market, _push(ORDER, sums, now))]
    filled, cost = (ZERO, ZERO) if isinstance(event, OrderOpened) else (order.filled, order.cost)
    return [(ORDER, market, _push(ORDER, rows.futures_order(order, filled, cost, rows.NO_FEE), now))]


def _push(topic: str, data: dict[str, Any], now: int) -> Frame:
    return framed({"channel": f"push.personal.{topic}", "data": data, "ts": now})
