"""What all its sockets have in common: the address from a ticket, a welcome first, pings from the client.

A classic socket's address comes with a token that opens it once; the server greets, and only then may anything be
sent. It drops a client that has not pinged for `pingInterval` plus `pingTimeout`. Unified sockets greet in other
words. Docs: https://www.kucoin.com/docs-new/websocket-api/base-info/introduction, read 2026-11.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from shared.domain.connections import Account
from shared.domain.errors import ContractBroken
from shared.exchanges.kit.contract import Broken, Endpoint, Frame, Request, Steps, Ticket
from shared.exchanges.kit.rhythm import NEVER, Heartbeat, Outbox
from shared.exchanges.kit.wire import encode_json
from shared.exchanges.kucoin.rest import FUTURES_PUBLIC_TICKET, FUTURES_TICKET, PUBLIC_TICKET, TICKET, UNIFIED_TICKET

_UNIFIED_ADDRESS = "wss://wsapi-push.kucoin.com/"
_WELCOME_WITHIN_MS = 10_000
_PING_MS = 18_000
_PONG_MS = 10_000
_MESSAGES = 90  # of the 100 in 10 s that the exchange bears
_MESSAGES_PER_MS = 10_000


def spot_ticket(account: Account) -> Steps[Ticket]:
    """Address and token of a private spot socket."""
    return _classic_ticket(TICKET, str(account.connection_id))


def futures_ticket(account: Account) -> Steps[Ticket]:
    """Address and token of a private futures socket."""
    return _classic_ticket(FUTURES_TICKET, str(account.connection_id))


def public_spot_ticket() -> Steps[Ticket]:
    """Address and token of a public spot socket."""
    return _classic_ticket(PUBLIC_TICKET, "prices")


def public_futures_ticket() -> Steps[Ticket]:
    """Address and token of a public futures socket."""
    return _classic_ticket(FUTURES_PUBLIC_TICKET, "prices")


def _classic_ticket(endpoint: Endpoint, connect_id: str) -> Steps[Ticket]:
    answer = yield Request(endpoint)
    data = _data(answer.data)
    servers = data.get("instanceServers")
    server = servers[0] if isinstance(servers, list) and servers else None
    if not isinstance(server, Mapping) or not isinstance(server.get("endpoint"), str):
        raise ContractBroken("The exchange hands out a token without the address of a socket.")
    return {
        "token": data["token"],
        "endpoint": server["endpoint"],
        "connect_id": connect_id,
        "ping_ms": _milliseconds(server.get("pingInterval"), _PING_MS),
        "pong_ms": _milliseconds(server.get("pingTimeout"), _PONG_MS),
    }


def unified_ticket(account: Account) -> Steps[Ticket]:
    """The token of a unified account's socket; its address is fixed, and the interval comes with the welcome."""
    del account
    answer = yield Request(UNIFIED_TICKET, {"version": "v2"})
    return {"token": _data(answer.data)["token"]}


def _data(response: Any) -> Mapping[str, Any]:
    data = response.get("data") if isinstance(response, Mapping) else None
    if not isinstance(data, Mapping) or not isinstance(data.get("token"), str) or not data["token"]:
        raise ContractBroken("The exchange hands out no token for its sockets.")
    return data


def _milliseconds(value: Any, otherwise: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else otherwise


def classic_url(region: str, ticket: Ticket) -> str:
    """The address that the ticket names, with its token."""
    del region
    endpoint = str(ticket["endpoint"])
    join = "&" if "?" in endpoint else "?"
    return f"{endpoint}{join}token={quote(ticket['token'], safe='')}&connectId={quote(ticket['connect_id'], safe='')}"


def unified_url(region: str, ticket: Ticket) -> str:
    """The unified accounts' one address, with the ticket's token."""
    del region
    return f"{_UNIFIED_ADDRESS}?token={quote(ticket['token'], safe='')}"


class Line:
    """One socket's manners: silent until the welcome, then a ping every interval, dead when no pong comes.

    `is_open` from the welcome on, `is_over` once it is dead; both happen once. The protocols own what is said.
    """

    __slots__ = ("_heartbeat", "_limit", "_now", "_number", "_outbox", "is_open", "is_over")

    def __init__(self) -> None:
        self._outbox = Outbox(_MESSAGES, _MESSAGES_PER_MS)
        self._heartbeat = Heartbeat(_PING_MS, _PONG_MS)
        self._limit = NEVER
        self._now = 0
        self._number = 0
        self.is_open = False
        self.is_over = False

    def use(self, ticket: Ticket) -> None:
        """Ping as the ticket says."""
        self._heartbeat = Heartbeat(
            _milliseconds(ticket.get("ping_ms"), _PING_MS), _milliseconds(ticket.get("pong_ms"), _PONG_MS)
        )

    def open(self, now: int) -> None:
        """The socket is open: the welcome is due."""
        self._now = now
        self._limit = now + _WELCOME_WITHIN_MS

    def welcomed(self, message: Mapping[str, Any], now: int) -> None:
        """The server greeted: from now on it is spoken to."""
        self.is_open = True
        self._limit = NEVER
        if "pingInterval" in message:
            self.use({"ping_ms": message["pingInterval"], "pong_ms": message.get("pingTimeout")})
        self._heartbeat.start(now)

    def expect(self, now: int) -> None:
        """An answer to what was just said is due."""
        self._limit = now + _WELCOME_WITHIN_MS

    def answered(self) -> None:
        """It came."""
        self._limit = NEVER

    def say(self, message: Mapping[str, Any]) -> str:
        """Send a message under the next number, which is returned."""
        number = self._next_number()
        self._outbox.put(encode_json({"id": number, **message}))
        return number

    def heard(self, now: int) -> None:
        """A pong came."""
        self._heartbeat.heard(now)

    def tick(self, now: int) -> Broken | None:
        """Ping when it is time; `Broken` when an answer is overdue."""
        self._now = now
        if self.is_over:
            return None
        if now >= self._limit:
            return self.hang_up("the exchange did not answer in time" if self.is_open else "no welcome came")
        if self._heartbeat.is_dead(now):
            return self.hang_up("a ping was not answered")
        if self._heartbeat.is_due(now):
            self._outbox.put_first(encode_json({"id": self._next_number(), "type": "ping"}))
            self._heartbeat.spoke(now)
        return None

    def hang_up(self, reason: str) -> Broken:
        """This socket is over."""
        self.is_over = True
        return Broken(reason)

    def at(self, now: int) -> None:
        """It is this late."""
        self._now = now

    def outbox(self) -> list[Frame]:
        """What may be sent now."""
        return [] if self.is_over else self._outbox.take(self._now)

    @property
    def deadline(self) -> int:
        """When to look again."""
        return NEVER if self.is_over else min(self._limit, self._heartbeat.deadline, self._outbox.deadline)

    def _next_number(self) -> str:
        self._number += 1
        return str(self._number)
