"""The private socket: one subscription to executions, with a token that a signed call fetched just before.

The token is good for 15 minutes and for the one socket that uses it, as long as that lives. What happened before is
left to history: the snapshot of fifty trades bridges nothing that history does not. Docs, Executions (WebSocket v2),
read 2026-11.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

from shared.domain.connections import Account
from shared.domain.errors import ContractBroken
from shared.domain.markets import Markets
from shared.exchanges.kit.contract import Broken, Frame, Heard, Request, Steps, Stream, Ticket
from shared.exchanges.kit.fields import row_of, whole
from shared.exchanges.kit.numbering import Numbering
from shared.exchanges.kit.private_socket import PrivateSocket
from shared.exchanges.kit.talk import Answered, Ends, Meaning, PrivateTalk, Step, Told, Turn
from shared.exchanges.kraken.history import feed_of, feeds
from shared.exchanges.kraken.rest import CONNECTS, TOKEN
from shared.exchanges.kraken.rows import read_stream
from shared.exchanges.kraken.talk import MANNERS, error_in, request, sign_of_life

_SUBSCRIBE = "executions"


def prepare(account: Account) -> Steps[Ticket]:
    """A token for one socket."""
    del account
    answer = yield Request(TOKEN)
    result = answer.data.get("result") if isinstance(answer.data, Mapping) else None
    token = result.get("token") if isinstance(result, Mapping) else None
    if not isinstance(token, str) or not token:
        raise ContractBroken("The exchange hands out no token for its sockets.")
    return {"token": token}


def _subscribe(turn: Turn) -> list[Frame]:
    token = turn.ticket.get("token")
    return [request("subscribe", 1, channel=_SUBSCRIBE, token=token, snap_orders=False, snap_trades=False)]


def _meaning(message: Any, turn: Turn) -> Meaning:
    frame = row_of(message, "the message")
    numbering: Numbering = turn.memory.setdefault("numbering", Numbering())
    is_told = frame.get("channel") == _SUBSCRIBE
    if is_told and frame.get("sequence") is not None:
        numbering.heard(whole(frame, "sequence"), turn.now)
    if numbering.is_broken(turn.now):  # a heartbeat comes each second at least
        return Ends(Broken("a message was lost"))
    if is_told:
        return Told()
    if frame.get("method") == "subscribe":
        return Answered(_SUBSCRIBE, error_in(frame, turn.now))
    return sign_of_life(frame)


def _read(message: Any, markets: Markets, turn: Turn) -> Heard:
    return read_stream(message, markets, None, turn.now)


def _address(region: str, ticket: Ticket) -> str:
    del region, ticket
    return "wss://ws-auth.kraken.com/v2"


TALK = PrivateTalk(
    manners=MANNERS, steps=(Step(_SUBSCRIBE, _subscribe),), meaning=_meaning, read=_read, feed_of=feed_of
)
STREAM = Stream(
    name="executions",
    serves=lambda account: bool(feeds(account, Markets([]))),
    url=_address,
    protocol=partial(PrivateSocket, TALK),
    prepare=prepare,
    connects=CONNECTS,
)
