"""Binance's private USDT-futures stream: a listen key fetched over REST names the account, one socket for each.

There is no sign-in and no answer to one: the socket is live once it is open. The key lives an hour, is renewed
every twenty minutes, and its end means a new key on a new socket.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from shared.domain.connections import Account, Credentials
from shared.domain.errors import ExchangeUnavailable, UnreadableRow
from shared.domain.markets import Markets
from shared.domain.trades import Product, Unreadable
from shared.exchanges.binance.endpoints import KEEP_LISTEN_KEY, NEW_LISTEN_KEY
from shared.exchanges.binance.fills import FillCounter
from shared.exchanges.binance.rows import event_of, read_stream
from shared.exchanges.kit.contract import (
    Broken,
    Closing,
    Event,
    Frame,
    HistoryDue,
    Live,
    Request,
    Steps,
    Ticket,
    TradesHeard,
)
from shared.exchanges.kit.fields import row_of, text
from shared.exchanges.kit.rhythm import Heartbeat, Outbox
from shared.exchanges.kit.wire import decode_json, encode_json

RENEW_MS = 20 * 60_000
PROBE_EVERY_MS = 30_000
PROBE_PATIENCE_MS = 10_000


def prepare(account: Account) -> Steps[Ticket]:
    """Fetch the listen key; asking again gives the same one and a new hour."""
    del account
    answer = yield Request(NEW_LISTEN_KEY)
    return {"listen_key": text(row_of(answer.data, "the answer"), "listenKey")}


def renew(account: Account, ticket: Ticket) -> Steps[None]:
    """Keep the key alive. Raises `ExchangeUnavailable` when it is gone: only a new socket helps then."""
    del account
    answer = yield Request(KEEP_LISTEN_KEY)
    told = answer.data.get("listenKey") if isinstance(answer.data, Mapping) else None
    if told is not None and told != ticket["listen_key"]:
        raise ExchangeUnavailable("Binance renewed another listen key than ours; the stream needs a new socket.")


class FuturesStream:
    """The conversation of one account's futures socket."""

    def __init__(self, markets: Markets) -> None:
        self._markets = markets
        self._connection_id: UUID | None = None
        self._fills = FillCounter()
        self._out = Outbox()
        self._heartbeat = Heartbeat(PROBE_EVERY_MS, PROBE_PATIENCE_MS)
        self._is_open = False
        self._is_live = False
        self._is_answered = False
        self._last_id = 0

    @property
    def deadline(self) -> int:
        """When `tick` wants to be called."""
        if self._is_open and not self._is_live and self._connection_id is not None:
            return 0
        return self._heartbeat.deadline

    @property
    def patience_ms(self) -> int:
        """After so long without a sign of life the socket is given up."""
        return PROBE_EVERY_MS + PROBE_PATIENCE_MS

    def join(self, account: Account, credentials: Credentials, ticket: Ticket, now: int) -> None:
        """The one account whose listen key the address carries."""
        del credentials, ticket, now
        self._connection_id = account.connection_id

    def leave(self, connection_id: UUID, now: int) -> None:
        """Its events mean nothing any more."""
        del now
        if connection_id == self._connection_id:
            self._connection_id = None

    def open(self, now: int) -> None:
        """The socket is open; the first probe goes out at once."""
        self._is_open = True
        self._heartbeat.start(now)
        self._probe(now)

    def outbox(self) -> list[Frame]:
        """What is to be sent, once."""
        return self._out.take(0)

    def tick(self, now: int) -> list[Event]:
        """Be live once open; prove a quiet socket alive."""
        if self._heartbeat.is_dead(now):
            if self._is_answered:
                return [Broken("it does not answer any more")]
            self._heartbeat.heard(now)  # this host never answered: its ping frames have to do
        if self._heartbeat.is_due(now):
            self._probe(now)
        return self._become_live()

    def receive(self, frame: Frame, now: int) -> list[Event]:
        """One frame from the exchange."""
        events = self._become_live()
        try:
            message = decode_json(frame)
            event = event_of(message)
        except UnreadableRow as error:
            unreadable = Unreadable(reason=error.sentence, raw=_shown(frame))
            known = [TradesHeard(self._connection_id, (), (unreadable,))] if self._connection_id else []
            return [*events, *known, Broken(error.sentence)]
        self._heartbeat.heard(now)
        kind = event.get("e")
        if kind is None:
            self._is_answered = self._is_answered or "id" in event
        elif kind == "listenKeyExpired":
            events.append(Broken("its listen key has expired"))
        elif kind == "serverShutdown":
            events.append(Closing("Binance is about to close this socket"))
        elif self._connection_id is not None:
            events += self._event(self._connection_id, event, message)
        return events

    def _event(self, connection_id: UUID, event: Any, raw: Any) -> list[Event]:
        heard = read_stream(event, self._markets, None)
        events: list[Event] = []
        # Coin-margined rows may come along on this stream; they are another product.
        trades = tuple(trade for trade in heard.trades if trade.product is Product.LINEAR)
        if trades or heard.unreadable:
            unreadable = tuple(Unreadable(reason=row.reason, raw=raw) for row in heard.unreadable)
            events.append(TradesHeard(connection_id, trades, unreadable))
        events += [
            HistoryDue(connection_id, due.feed.product, due.feed.market_id, None, "a liquidation was settled")
            for due in heard.history_due
            if due.feed.product is Product.LINEAR
        ]
        events += [
            HistoryDue(connection_id, feed.product, feed.market_id, order_id, "a fill of an order was not heard")
            for feed, order_id in self._fills.missed(event.get("o"), trades)
        ]
        return events

    def _become_live(self) -> list[Event]:
        if self._is_live or not self._is_open or self._connection_id is None:
            return []
        self._is_live = True
        return [Live(self._connection_id)]

    def _probe(self, now: int) -> None:
        self._last_id += 1
        self._out.put(encode_json({"method": "LIST_SUBSCRIPTIONS", "id": self._last_id}))
        self._heartbeat.spoke(now)


def _shown(frame: Frame) -> str:
    return frame if isinstance(frame, str) else frame.decode("utf-8", "replace")
