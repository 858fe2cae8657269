"""Private sockets: the order channels of classic accounts, and the execution channel of unified ones.

The classic channels tell of matches without their fees: each match is a provisional trade, and its feed is due to be
read soon after, and again, because history lags. No socket replays what it missed.
"""

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from shared.domain.connections import Account, Credentials
from shared.domain.errors import (
    AccountModeChanged,
    ContractBroken,
    ExchangeUnavailable,
    PermissionMissing,
    TradeSyncError,
    UnreadableRow,
)
from shared.domain.markets import Markets
from shared.domain.trades import Product, Unreadable
from shared.exchanges.kit.contract import (
    Event,
    Feed,
    Frame,
    HistoryDue,
    Live,
    Pool,
    Refused,
    Stream,
    Ticket,
    TradesHeard,
)
from shared.exchanges.kit.rhythm import NEVER
from shared.exchanges.kit.wire import decode_json
from shared.exchanges.kucoin.history import FUTURES, feed_of, wants_futures
from shared.exchanges.kucoin.messages import read_stream
from shared.exchanges.kucoin.rest import UNIFIED
from shared.exchanges.kucoin.sockets import (
    Line,
    classic_url,
    futures_ticket,
    spot_ticket,
    unified_ticket,
    unified_url,
)

_SPOT_TOPIC = "/spotMarket/tradeOrdersV2"
_FUTURES_TOPIC = "/contractMarket/tradeOrders"
_TOKEN_LIFE_MS = 86_400_000
_HEADROOM_MS = 900_000


class _Completion:
    """When to read a feed of which a fill without a fee was heard: soon, and twice more, for history lags 1 to 3 s.

    However many fills are heard meanwhile, a feed is due at most every two seconds.
    """

    __slots__ = ("_moments", "_read_at")

    _SOON_MS, _AGAIN_MS, _LATE_MS, _PAUSE_MS = 1_000, 4_000, 12_000, 2_000

    def __init__(self) -> None:
        self._moments: dict[Feed, list[int]] = {}
        self._read_at: dict[Feed, int] = {}

    def want(self, feed: Feed, now: int) -> None:
        soon = max(now + self._SOON_MS, self._read_at.get(feed, 0) + self._PAUSE_MS)
        waiting = self._moments.get(feed)
        first = min(waiting[0], soon) if waiting else soon
        self._moments[feed] = [first, *(m for m in (now + self._AGAIN_MS, now + self._LATE_MS) if m > first)]

    def due(self, now: int) -> list[Feed]:
        feeds = [feed for feed, moments in self._moments.items() if moments[0] <= now]
        for feed in feeds:
            later = [moment for moment in self._moments[feed] if moment > now]
            self._read_at[feed] = now
            if later:
                self._moments[feed] = later
            else:
                del self._moments[feed], self._read_at[feed]
        return feeds

    @property
    def deadline(self) -> int:
        return min((moments[0] for moments in self._moments.values()), default=NEVER)


class PrivateSocket:
    """One account's socket: WELCOME → SUBSCRIBING → LIVE → over, with no way back.

    `subscription` is what it asks for; the classic and the unified answers to it are told apart by their shape.
    """

    def __init__(self, markets: Markets, subscription: Mapping[str, Any]) -> None:
        self._markets = markets
        self._subscription = subscription
        self._line = Line()
        self._completion = _Completion()
        self._connection_id: UUID | None = None
        self._number = ""
        self._is_live = False

    @property
    def deadline(self) -> int:
        return NEVER if self._line.is_over else min(self._line.deadline, self._completion.deadline)

    def join(self, account: Account, credentials: Credentials, ticket: Ticket, now: int) -> None:
        """The account whose token opened this socket; there is one."""
        del credentials
        self._connection_id = account.connection_id
        self._line.use(ticket)
        self._line.at(now)

    def leave(self, connection_id: UUID, now: int) -> None:
        """Nothing is heard for it any more; the socket is its own, so it may be closed."""
        self._line.at(now)
        if connection_id == self._connection_id:
            self._line.hang_up("its account left")

    def open(self, now: int) -> None:
        self._line.open(now)

    def outbox(self) -> list[Frame]:
        return self._line.outbox()

    def receive(self, frame: Frame, now: int) -> list[Event]:
        self._line.at(now)
        if self._line.is_over or self._connection_id is None:
            return []
        try:
            message = decode_json(frame)
        except UnreadableRow as error:
            raw = frame if isinstance(frame, str) else frame.decode("utf-8", "replace")
            return [
                TradesHeard(self._connection_id, (), (Unreadable(reason=error.sentence, raw=raw),)),
                self._line.hang_up("a message came broken"),
            ]
        if not isinstance(message, Mapping):
            return [self._unreadable("the message is no object", message)]
        return self._react(message, self._connection_id, now)

    def tick(self, now: int) -> list[Event]:
        broken = self._line.tick(now)
        if broken is not None:
            return [broken]
        if self._line.is_over or self._connection_id is None:
            return []
        return [
            HistoryDue(self._connection_id, feed.product, feed.market_id, reason="fee")
            for feed in self._completion.due(now)
        ]

    def _react(self, message: Mapping[str, Any], connection_id: UUID, now: int) -> list[Event]:
        meaning = message.get("type")
        if meaning == "pong" or message.get("message") == "pong":
            self._line.heard(now)
        elif meaning == "welcome" or message.get("message") == "welcome":
            if not self._line.is_open:
                self._line.welcomed(message, now)
                self._number = self._line.say(self._subscription)
                self._line.expect(now)
        elif meaning == "error" or message.get("result") is False:
            return self._refused(message, connection_id)
        elif meaning == "ack" or message.get("result") is True:
            if str(message.get("id")) == self._number and not self._is_live:
                self._is_live = True
                self._line.answered()
                return [Live(connection_id)]
        elif meaning == "message" or "T" in message:
            return self._told(message, connection_id, now)
        return []

    def _told(self, message: Mapping[str, Any], connection_id: UUID, now: int) -> list[Event]:
        heard = read_stream(message, self._markets, None)
        for trade in heard.trades:
            if trade.provisional:
                self._completion.want(feed_of(trade.product, trade.market_id), now)
        hinted = _filled_feed(message)
        if hinted is not None:
            self._completion.want(hinted, now)
        unreadable = tuple(Unreadable(reason=row.reason, raw=dict(message)) for row in heard.unreadable)
        if not heard.trades and not unreadable:
            return []
        return [TradesHeard(connection_id, heard.trades, unreadable)]

    def _refused(self, message: Mapping[str, Any], connection_id: UUID) -> list[Event]:
        reason = str(message.get("data") or message.get("reason") or message.get("msg") or "")[:200]
        said = reason.lower()
        if str(message.get("code")) == "401" or "token" in said:
            return [self._line.hang_up(f"the exchange does not accept the token: {reason}")]
        error: TradeSyncError = ContractBroken(f"The exchange refuses the subscription: {reason}")
        if str(message.get("code")) == "509" or "too many" in said or "exceed" in said:
            error = ExchangeUnavailable(f"The exchange takes no more subscriptions now: {reason}")
        elif "112010" in reason or "unified" in said or "account mode" in said:
            error = AccountModeChanged(f"The exchange says that this account is of another mode: {reason}")
        elif "permission" in said:
            error = PermissionMissing()
        self._line.hang_up(reason)
        return [Refused(connection_id, error)]

    def _unreadable(self, reason: str, raw: Any) -> Event:
        assert self._connection_id is not None
        return TradesHeard(self._connection_id, (), (Unreadable(reason=reason, raw=raw),))


def _filled_feed(message: Mapping[str, Any]) -> Feed | None:
    """The feed of an order that ended with something filled: its matches may have been lost on the way."""
    data = message.get("data")
    topic = str(message.get("topic") or "")
    if not isinstance(data, Mapping) or not topic.startswith((_SPOT_TOPIC, _FUTURES_TOPIC)):
        return None
    is_filled = data.get("type") == "filled"
    if not is_filled and (data.get("type") != "canceled" or str(data.get("filledSize") or "0") == "0"):
        return None
    symbol = data.get("symbol")
    if topic.startswith(_FUTURES_TOPIC) or not isinstance(symbol, str):
        return FUTURES if topic.startswith(_FUTURES_TOPIC) else None
    return feed_of(Product.SPOT, symbol)


def _socket(subscription: Mapping[str, Any]) -> Callable[[Markets], PrivateSocket]:
    return lambda markets: PrivateSocket(markets, subscription)


def _classic(topic: str) -> Callable[[Markets], PrivateSocket]:
    return _socket({"type": "subscribe", "topic": topic, "privateChannel": True, "response": True})


# Each account may connect so often; a herd after a restart is of many accounts, and waits for nobody.
_CONNECTS = Pool(name="connects", scope="account", capacity=30, per_ms=60_000)

STREAMS = (
    Stream(
        name="spot",
        serves=lambda account: account.mode != UNIFIED and Product.SPOT in account.products,
        url=classic_url,
        protocol=_classic(_SPOT_TOPIC),
        prepare=spot_ticket,
        lifetime_ms=_TOKEN_LIFE_MS - _HEADROOM_MS,
        connects=_CONNECTS,
    ),
    Stream(
        name="futures",
        serves=lambda account: account.mode != UNIFIED and wants_futures(account),
        url=classic_url,
        protocol=_classic(_FUTURES_TOPIC),
        prepare=futures_ticket,
        lifetime_ms=_TOKEN_LIFE_MS - _HEADROOM_MS,
        connects=_CONNECTS,
    ),
    Stream(
        name="unified",
        serves=lambda account: account.mode == UNIFIED,
        url=unified_url,
        protocol=_socket({"action": "subscribe", "channel": "execution", "tradeType": "UNIFIED"}),
        prepare=unified_ticket,
        lifetime_ms=_TOKEN_LIFE_MS - _HEADROOM_MS,
        connects=_CONNECTS,
    ),
)
