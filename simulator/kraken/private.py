"""The private socket: the executions of one account, fills among much that is none."""

from collections.abc import Iterable
from itertools import islice
from typing import Any

from simulator.dialect import Call, Event, Noise, OrderEnded, OrderFilled, OrderOpened
from simulator.exchange import Exchange
from simulator.kraken.errors import DENIED, INVALID_ARGUMENTS, encode
from simulator.kraken.keys import SOCKETS, permissions
from simulator.kraken.rows import told_noise, told_order, told_trade
from simulator.kraken.talk import Talk
from simulator.kraken.tokens import Tokens
from simulator.sockets import Socket, text_frame
from simulator.truth import Account

EXECUTIONS = "executions"
SNAPSHOT = 50
MOST_COUNT = {"pro": 180, "intermediate": 125}
ESSENTIAL = {"trade", "new", "filled", "canceled", "expired"}
"""What is told to those who want no `order_status`."""


class PrivateTalk(Talk):
    """One account's executions; `sequence` counts the messages of the subscription."""

    def __init__(self, socket: Socket, call: Call, tokens: Tokens) -> None:
        super().__init__(socket, call)
        self.tokens = tokens
        self.account: Account | None = None
        self.sequence = 0

    @property
    def is_subscribed(self) -> bool:
        return self.account is not None

    def _signed_in(self, params: dict[str, Any], asked: dict[str, Any]) -> Account | None:
        """The account that a token stands for; otherwise the client was told why not."""
        channel, token = params.get("channel"), params.get("token")
        if channel != EXECUTIONS:
            self.fail(asked, f"EGeneral:Invalid arguments:channel {channel}")
        elif not isinstance(token, str) or not token:
            self.fail(asked, INVALID_ARGUMENTS + ":token")
        else:
            account = self.tokens.take(token, self, self.exchange.now_ms())
            if account is None or account.revoked:
                self.fail(asked, "ESession:Invalid session")
            elif SOCKETS not in permissions(account):
                self.fail(asked, DENIED)
            else:
                return account
        return None

    def subscribe(self, params: dict[str, Any], asked: dict[str, Any]) -> None:
        account = self._signed_in(params, asked)
        if account is None:
            return
        if self.account is not None:
            self.fail(asked, "Already subscribed")
            return
        self.account, self.sequence = account, 0
        orders, trades = params.get("snap_orders", True), params.get("snap_trades", False)
        told = {"channel": EXECUTIONS, "snap_orders": orders, "snap_trades": trades}
        self.accept(asked, told | {"maxratecount": MOST_COUNT.get(account.details.get("tier", ""), 60)})
        rows = []
        if orders is True:
            rows += [told_order(one, "new", "new", one.created_ms) for one in account.open_orders.values()]
        if trades is True:
            rows += [told_trade(fill) for fill in islice(reversed(account.all_fills()), SNAPSHOT)]
        if orders is True or trades is True:
            self.tell_rows("snapshot", encode(rows))
        self.exchange.listeners.add(account, self, params.get("order_status", True) is True)

    def unsubscribe(self, params: dict[str, Any], asked: dict[str, Any]) -> None:
        account = self._signed_in(params, asked)
        if account is None:
            return
        if self.account is not account:
            self.fail(asked, "Subscription not found")
            return
        self.exchange.listeners.remove(account, self)
        self.account = None
        self.accept(asked, {"channel": EXECUTIONS})

    def tell_rows(self, kind: str, rows: bytes) -> None:
        """One message of the channel."""
        self.tell(text_frame(self._message(kind, rows)))

    def _message(self, kind: str, rows: bytes) -> bytes:
        self.sequence += 1
        return b'{"channel":"executions","type":"%s","data":%s,"sequence":%d}' % (kind.encode(), rows, self.sequence)

    def enveloped(self, tag: Any, message: Any) -> Any:
        return self._message("update", encode(message if isinstance(message, list) else [message])).decode()

    def notice(self, name: str, account: Account | None) -> None:
        super().notice(name, account)
        if name in {"key_revoked", "key_expired"} and account is self.account:
            self.socket.close(1000, "")


def publish(exchange: Exchange, account: Account, events: list[Event]) -> None:
    """Tells everyone who listens; each message is rendered once for those who want all, once for the others."""
    heard = exchange.listeners.of(account)
    if not heard:
        return
    messages = list(_messages(exchange, account, events))
    rendered: dict[bool, list[bytes]] = {}
    for talk, wants_all in heard:
        assert isinstance(talk, PrivateTalk)
        if wants_all not in rendered:
            kept = ([row for row in rows if wants_all or row["exec_type"] in ESSENTIAL] for rows in messages)
            rendered[wants_all] = [encode(rows) for rows in kept if rows]
        for body in rendered[wants_all]:
            talk.tell_rows("update", body)


def _messages(exchange: Exchange, account: Account, events: list[Event]) -> Iterable[list[dict[str, Any]]]:
    """An order that rests is told when it is placed and again when it trades; one that trades at once, all in one."""
    rests = any(event.fill.maker for event in events if isinstance(event, OrderFilled))
    rows: list[dict[str, Any]] = []
    for event in events:
        if isinstance(event, OrderOpened):
            kinds = (("pending_new", "pending_new"), ("new", "new"))
            rows += [told_order(event.order, kind, status, event.timestamp_ms) for kind, status in kinds]
            if rests:
                yield rows
                rows = []
        elif isinstance(event, OrderFilled):
            rows.append(told_trade(event.fill))
        elif isinstance(event, OrderEnded):
            status = event.order.status
            rows.append(told_order(event.order, status, status, event.timestamp_ms))
        elif isinstance(event, Noise):
            order_id = exchange.dialect.order_id(account, event.market, 0, exchange.dice)
            yield [told_noise(event.market, order_id, event.name, event.timestamp_ms)]
    if rows:
        yield rows
