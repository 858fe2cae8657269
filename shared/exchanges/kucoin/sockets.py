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
from shared.exchanges.kit.contract import Endpoint, Frame, Request, Steps, Ticket
from shared.exchanges.kit.fields import Row
from shared.exchanges.kit.talk import Greeted, Manners, Meaning, Pong
from shared.exchanges.kit.wire import encode_json
from shared.exchanges.kucoin.rest import FUTURES_PUBLIC_TICKET, FUTURES_TICKET, PUBLIC_TICKET, TICKET, UNIFIED_TICKET

_UNIFIED_ADDRESS = "wss://wsapi-push.kucoin.com/"
_PING_MS = 18_000
_PONG_MS = 10_000


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


def _ping(now: int) -> Frame:
    return encode_json({"id": str(now), "type": "ping"})


# Of the 100 messages in 10 s that the exchange bears.
MANNERS = Manners(
    ping=_ping, ping_ms=_PING_MS, pong_ms=_PONG_MS, only_pongs=True, waits_for_greeting=True, messages=(90, 10_000)
)


def greeting_or_pong(frame: Row) -> Meaning:
    """The welcome, which tells how often to ping, and pongs; classic and unified sockets word them differently."""
    said = (frame.get("type"), frame.get("message"))
    if "welcome" in said:
        interval, timeout = frame.get("pingInterval"), frame.get("pingTimeout")
        if interval is None:
            return Greeted()
        return Greeted(ping_ms=_milliseconds(interval, _PING_MS), pong_ms=_milliseconds(timeout, _PONG_MS))
    if "pong" in said:
        return Pong()
    return None
