"""Binance's private spot stream: the WebSocket API, one socket for many accounts, one signed subscription each.

Every event names its subscription; ids start anew on each socket. Nothing is replayed, so each (re)subscription
is a `Live` that queues a catch-up. A quiet subscription is proven by asking for the list of subscriptions.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from msgspec import Struct

from shared.domain.connections import Account, Credentials
from shared.domain.errors import ClockWrong, ExchangeUnavailable, TradeSyncError, UnreadableRow
from shared.domain.markets import Markets
from shared.domain.trades import Product, Unreadable
from shared.exchanges.binance.fills import FillCounter
from shared.exchanges.binance.rows import event_of, read_stream
from shared.exchanges.binance.trouble import error_of_frame
from shared.exchanges.kit.contract import (
    Broken,
    Closing,
    Event,
    Frame,
    HistoryDue,
    Live,
    Refused,
    Ticket,
    TradesHeard,
)
from shared.exchanges.kit.rhythm import NEVER, Heartbeat, Outbox
from shared.exchanges.kit.signing import signature
from shared.exchanges.kit.wire import decode_json, encode_json

PROBE_EVERY_MS = 20_000
PROBE_PATIENCE_MS = 10_000
ACK_PATIENCE_MS = 10_000
RECV_WINDOW_MS = 5_000
_MOST_SUBSCRIBES = 5  # of one account on one socket, when the exchange ends its subscription again and again
_MOST_EARLY = 500


class _Member(Struct):
    """One account on this socket: being subscribed (`asked_ms` set) or live (`subscription` set)."""

    account: Account
    credentials: Credentials
    fills: FillCounter
    subscription: int | None = None
    asked_ms: int | None = None
    attempts: int = 0


class SpotStream:
    """The conversation of one WebSocket API socket; see `StreamProtocol` for the caller's loop."""

    def __init__(self, markets: Markets) -> None:
        self._markets = markets
        self._members: dict[UUID, _Member] = {}
        self._by_subscription: dict[int, UUID] = {}
        self._asked: dict[str, tuple[str, UUID | None]] = {}  # our request id → what it was, for whom
        self._early: list[tuple[int, Any, Any]] = []  # events that came before their subscription's answer
        self._out = Outbox()
        self._heartbeat = Heartbeat(PROBE_EVERY_MS, PROBE_PATIENCE_MS)
        self._is_open = False
        self._is_answered = False
        self._last_id = 0

    @property
    def deadline(self) -> int:
        """When `tick` wants to be called."""
        acks = [m.asked_ms + ACK_PATIENCE_MS for m in self._members.values() if m.asked_ms is not None]
        return min([self._heartbeat.deadline, *acks], default=NEVER)

    @property
    def patience_ms(self) -> int:
        """After so long without a sign of life the socket is given up."""
        return PROBE_EVERY_MS + PROBE_PATIENCE_MS

    def join(self, account: Account, credentials: Credentials, ticket: Ticket, now: int) -> None:
        """Add an account; it is subscribed as soon as the socket is open. No ticket is needed."""
        del ticket
        self._members[account.connection_id] = _Member(account, credentials, FillCounter())
        if self._is_open:
            self._subscribe(account.connection_id, now)

    def leave(self, connection_id: UUID, now: int) -> None:
        """Drop an account: its subscription ends, the others' go on."""
        del now
        member = self._members.pop(connection_id, None)
        if member is not None and member.subscription is not None:
            self._by_subscription.pop(member.subscription, None)
            self._unsubscribe(member.subscription)

    def open(self, now: int) -> None:
        """The socket is open: subscribe everyone."""
        self._is_open = True
        self._heartbeat.start(now)
        for connection_id in self._members:
            self._subscribe(connection_id, now)

    def outbox(self) -> list[Frame]:
        """What is to be sent, once."""
        return self._out.take(0)

    def tick(self, now: int) -> list[Event]:
        """Ask whether the subscriptions still stand; give up on a socket that does not answer."""
        if self._heartbeat.is_dead(now) and self._is_answered:
            return [Broken("it does not answer when asked for its subscriptions")]
        late = [m for m in self._members.values() if m.asked_ms is not None and now >= m.asked_ms + ACK_PATIENCE_MS]
        if late:
            return [Broken("it does not answer a subscription")]
        if self._heartbeat.is_dead(now):
            self._heartbeat.heard(now)
        if self._heartbeat.is_due(now):
            self._send("session.subscriptions", None, "probe", None)
            self._heartbeat.spoke(now)
        return []

    def receive(self, frame: Frame, now: int) -> list[Event]:
        """One frame from the exchange."""
        try:
            message = decode_json(frame)
        except UnreadableRow as error:
            # Whose it was cannot be known, so nothing is told of it; everyone catches up over a new socket.
            return [Broken(error.sentence)]
        if not isinstance(message, Mapping):
            return [Broken("it says something that is no object")]
        if "subscriptionId" in message:
            return self._heard(message, now)
        if "status" in message or "error" in message:
            return self._answered(message, now)
        event = event_of(message)
        if event.get("e") == "serverShutdown":
            return [Closing("Binance is about to close this socket")]
        return self._unnamed(event, message) if event.get("e") == "executionReport" else []

    # Answers to what we asked

    def _answered(self, message: Mapping[str, Any], now: int) -> list[Event]:
        what, connection_id = self._asked.pop(str(message.get("id")), ("", None))
        error = error_of_frame(message, now)
        if what == "probe":
            self._heartbeat.heard(now)
            self._is_answered = True
            return [] if error else self._check(message.get("result"), now)
        if what != "subscribe" or connection_id is None:
            return []
        member = self._members.get(connection_id)
        if error is not None:
            return self._refused(connection_id, error, now) if member else []
        result = message.get("result")
        subscription = result.get("subscriptionId") if isinstance(result, Mapping) else None
        if not isinstance(subscription, int):
            return [Broken("it confirms a subscription without its id")]
        if member is None:  # left while it was being subscribed
            self._unsubscribe(subscription)
            return []
        member.subscription, member.asked_ms, member.attempts = subscription, None, 0
        self._by_subscription[subscription] = connection_id
        events: list[Event] = [Live(connection_id)]
        early, self._early = self._early, []
        for known, inner, raw in early:
            if known == subscription:
                events += self._event(connection_id, inner, raw)
            else:
                self._early.append((known, inner, raw))
        return events

    def _refused(self, connection_id: UUID, error: TradeSyncError, now: int) -> list[Event]:
        member = self._members[connection_id]
        if isinstance(error, ClockWrong):
            if member.attempts < 2:  # the request may have waited somewhere; a fresh one is signed
                self._subscribe(connection_id, now)
                return []
            error = ExchangeUnavailable("Binance finds our time wrong when subscribing; tried again later.")
        del self._members[connection_id]
        return [Refused(connection_id, error)]

    def _check(self, result: Any, now: int) -> list[Event]:
        """Compare the exchange's list of subscriptions with ours; one that is missing is made anew."""
        if not isinstance(result, list):
            return []
        listed = [row.get("subscriptionId") if isinstance(row, Mapping) else row for row in result]
        events: list[Event] = []
        for subscription in [known for known in self._by_subscription if known not in listed]:
            events += self._ended(subscription, now)
        return events

    # What happened on an account

    def _heard(self, message: Mapping[str, Any], now: int) -> list[Event]:
        subscription, event = message.get("subscriptionId"), message.get("event")
        if not isinstance(subscription, int) or not isinstance(event, Mapping):
            return []
        if event.get("e") == "eventStreamTerminated":
            return self._ended(subscription, now)
        if event.get("e") == "serverShutdown":
            return [Closing("Binance is about to close this socket")]
        connection_id = self._by_subscription.get(subscription)
        if connection_id is None:
            is_awaited = any(member.asked_ms is not None for member in self._members.values())
            if is_awaited and len(self._early) < _MOST_EARLY:
                self._early.append((subscription, event, message))
            return []
        return self._event(connection_id, event, message)

    def _unnamed(self, event: Any, raw: Any) -> list[Event]:
        """A report in an envelope without a subscription: whose it is is certain where one account sits alone."""
        if len(self._members) == 1:
            (connection_id,) = self._members
            return self._event(connection_id, event, raw)
        return [Broken("it tells of an order without saying whose")] if self._members else []

    def _event(self, connection_id: UUID, event: Any, raw: Any) -> list[Event]:
        heard = read_stream(event, self._markets, Product.SPOT)
        events: list[Event] = []
        if heard.trades or heard.unreadable:
            unreadable = tuple(Unreadable(reason=row.reason, raw=raw) for row in heard.unreadable)
            events.append(TradesHeard(connection_id, heard.trades, unreadable))
        events += [
            HistoryDue(connection_id, feed.product, feed.market_id, order_id, "a fill of an order was not heard")
            for feed, order_id in self._members[connection_id].fills.missed(event, heard.trades)
        ]
        return events

    def _ended(self, subscription: int, now: int) -> list[Event]:
        """The exchange ended one subscription: it is made anew, a few times."""
        connection_id = self._by_subscription.pop(subscription, None)
        if connection_id is None:
            return []
        member = self._members[connection_id]
        member.subscription = None
        if member.attempts >= _MOST_SUBSCRIBES:
            del self._members[connection_id]
            return [Refused(connection_id, ExchangeUnavailable("Binance ends this account's stream again and again."))]
        self._subscribe(connection_id, now)
        return []

    # What we say

    def _subscribe(self, connection_id: UUID, now: int) -> None:
        member = self._members[connection_id]
        member.asked_ms = now
        member.attempts += 1
        params = {"apiKey": member.credentials.reveal("api_key"), "recvWindow": RECV_WINDOW_MS, "timestamp": now}
        # Signed over the parameters sorted by name, without percent-encoding (docs, Request security).
        text = "&".join(f"{name}={params[name]}" for name in sorted(params))
        signed = {**params, "signature": signature(member.credentials.reveal("secret"), text)}
        self._send("userDataStream.subscribe.signature", signed, "subscribe", connection_id)

    def _unsubscribe(self, subscription: int) -> None:
        # Without its parameter this would end everybody's subscription.
        self._send("userDataStream.unsubscribe", {"subscriptionId": subscription}, "unsubscribe", None)

    def _send(self, method: str, params: Mapping[str, Any] | None, what: str, connection_id: UUID | None) -> None:
        self._last_id += 1
        request: dict[str, Any] = {"id": str(self._last_id), "method": method}
        if params is not None:
            request["params"] = params
        self._asked[request["id"]] = (what, connection_id)
        self._out.put(encode_json(request))
