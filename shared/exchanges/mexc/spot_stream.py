"""The spot sockets: a listen key in the address opens a private one, control is JSON, all news are protobuf.

A refusal has code 0 as a success has: only its words differ. A socket whose listen key ended, or whose API key was
revoked, stays open and answers pings, but tells nothing more: the listen key is prolonged often, and one that cannot be
is replaced. Protocol pings are not answered. Docs: https://www.mexc.com/api-docs/spot-v3/websocket-user-data-streams,
read 2026-11.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any
from urllib.parse import quote

from shared.domain.connections import Account
from shared.domain.errors import ContractBroken, ExchangeUnavailable
from shared.domain.markets import Markets
from shared.domain.trades import Product
from shared.exchanges.kit.contract import Broken, Frame, Heard, Request, Steps, Stream, Ticket
from shared.exchanges.kit.fields import Row, row_of
from shared.exchanges.kit.private_socket import PrivateSocket
from shared.exchanges.kit.talk import Answered, Ends, Manners, Meaning, Pong, PrivateTalk, Step, Told, Turn
from shared.exchanges.kit.wire import encode_json
from shared.exchanges.mexc.history import feed_of
from shared.exchanges.mexc.push import decode
from shared.exchanges.mexc.rest import KEEP_LISTEN_KEY, LISTEN_KEYS, NEW_LISTEN_KEY
from shared.exchanges.mexc.rows import read_stream

ADDRESS = "wss://wbs-api.mexc.com/ws"
LIFETIME_MS = 85_500_000  # of the 24 hours that a socket lives
_TOPIC = "spot@private.deals.v3.api.pb"
_SUBSCRIPTION = 1  # its number, which the answer repeats
_RENEW_MS = 300_000  # of the hour that a listen key lives: a dead one is found out by this
_MANY_KEYS = 30  # of the 60 that an account may have


def ticket(account: Account) -> Steps[Ticket]:
    """A new listen key; one of those that are there when there are many, since none can be given back in time."""
    del account
    answer = yield Request(LISTEN_KEYS)
    known = row_of(answer.data, "the listen keys").get("listenKey")
    if isinstance(known, list) and len(known) >= _MANY_KEYS:
        yield Request(KEEP_LISTEN_KEY, {"listenKey": str(known[-1])})
        return {"listen_key": str(known[-1])}
    answer = yield Request(NEW_LISTEN_KEY)
    listen_key = row_of(answer.data, "the listen key").get("listenKey")
    if not isinstance(listen_key, str) or not listen_key:
        raise ContractBroken("The exchange hands out no listen key.")
    return {"listen_key": listen_key}


def _renew(account: Account, ticket: Ticket) -> Steps[None]:
    del account
    yield Request(KEEP_LISTEN_KEY, {"listenKey": ticket["listen_key"]})


def _url(region: str, ticket: Ticket) -> str:
    del region
    return f"{ADDRESS}?listenKey={quote(str(ticket['listen_key']), safe='')}"


def request(method: str, topics: Sequence[str], number: int) -> Frame:
    """A subscription, or the end of one."""
    return encode_json({"method": method, "params": list(topics), "id": number})


def is_pong(frame: Row) -> bool:
    """Whether it answers a ping."""
    return str(frame.get("msg")).upper() == "PONG"


# Half of the 100 messages a second that the exchange bears.
MANNERS = Manners(ping=lambda _: encode_json({"method": "PING"}), ping_ms=18_000, messages=(50, 1_000))


def _subscribe(turn: Turn) -> list[Frame]:
    del turn
    return [request("SUBSCRIPTION", [_TOPIC], _SUBSCRIPTION)]


def _meaning(message: Any, turn: Turn) -> Meaning:
    del turn
    frame = row_of(message, "the message")
    if "channel" in frame or "c" in frame:
        return Told()
    said = str(frame.get("msg"))
    if is_pong(frame):
        return Pong()
    if "listen key" in said.lower():
        return Ends(Broken("the exchange does not know the listen key"))
    if frame.get("id") != _SUBSCRIPTION:
        return None
    refused = None if said == _TOPIC else ExchangeUnavailable(f"The exchange refuses the subscription: {said[:200]}")
    return Answered("subscribe", refused)


def _read(message: Any, markets: Markets, turn: Turn) -> Heard:
    del turn
    return read_stream(message, markets, None)


_TALK = PrivateTalk(
    manners=MANNERS,
    steps=(Step("subscribe", _subscribe),),
    meaning=_meaning,
    read=_read,
    feed_of=feed_of,
    decode=decode,
)
SPOT_STREAM = Stream(
    name="spot",
    serves=lambda account: Product.SPOT in account.products,
    url=_url,
    protocol=partial(PrivateSocket, _TALK),
    prepare=ticket,
    renew=_renew,
    renew_ms=_RENEW_MS,
    lifetime_ms=LIFETIME_MS,
    answers_pings=False,
)
