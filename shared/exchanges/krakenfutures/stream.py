"""The private socket: a challenge is asked for, signed, and comes with the subscription to fills.

What was filled before is left to history. Fills are numbered. Where it is not known that history names trades as the
socket does, a fill is not kept: history is asked for its order at once. The socket does not say why it refuses a key:
REST does, before the socket is opened. Docs, Challenge and Fills (WebSocket), read 2026-11.
"""

import base64
import binascii
from functools import partial
from typing import Any

from shared.domain.connections import Account
from shared.domain.errors import KeyRejected, PermissionMissing
from shared.domain.markets import Markets
from shared.exchanges.kit.contract import Broken, Due, Frame, Heard, Request, Steps, Stream, Ticket
from shared.exchanges.kit.fields import Row, row_of, rows_of, whole
from shared.exchanges.kit.numbering import Numbering
from shared.exchanges.kit.private_socket import PrivateSocket
from shared.exchanges.kit.signing import hmac_base64, sha256
from shared.exchanges.kit.talk import Answered, Ends, Meaning, PrivateTalk, Step, Told, Turn
from shared.exchanges.krakenfutures.account import ONE_ID
from shared.exchanges.krakenfutures.history import feed_of, feeds
from shared.exchanges.krakenfutures.rest import CONNECTS, KEY
from shared.exchanges.krakenfutures.rows import read_stream
from shared.exchanges.krakenfutures.talk import MANNERS, address, say, sign_of_life

_FEED = "fills"
_CHALLENGE = "challenge"


def prepare(account: Account) -> Steps[Ticket]:
    """Nothing is needed but a key that reads. Raises `PermissionMissing`, or what REST says is wrong with it."""
    del account
    answer = yield Request(KEY)
    permissions = answer.data.get("permissions") if isinstance(answer.data, dict) else None
    if isinstance(permissions, dict) and permissions.get("general") == "NO_ACCESS":
        raise PermissionMissing
    return {}


def _ask_challenge(turn: Turn) -> list[Frame]:
    return [say(_CHALLENGE, api_key=turn.credentials.reveal("api_key"))]


def _subscribe(turn: Turn) -> list[Frame]:
    challenge = str(turn.memory.get(_CHALLENGE, ""))
    try:
        secret = base64.b64decode(turn.credentials.reveal("secret"), validate=True)
    except (binascii.Error, ValueError):
        raise KeyRejected("The secret of this connection is not base64 as the exchange hands it out.") from None
    return [
        say(
            "subscribe",
            feed=_FEED,
            api_key=turn.credentials.reveal("api_key"),
            original_challenge=challenge,
            signed_challenge=hmac_base64(secret, sha256(challenge.encode()), "sha512"),
        )
    ]


def _meaning(message: Any, turn: Turn) -> Meaning:
    frame = row_of(message, "the message")
    numbering: Numbering = turn.memory.setdefault("numbering", Numbering())
    is_told = frame.get("feed") == _FEED and "event" not in frame
    if is_told:
        _count(frame, numbering, turn.now)
    if numbering.is_broken(turn.now):  # at a pong, where nothing else is said
        return Ends(Broken("a fill was lost"))
    if is_told:
        return Told()
    if frame.get("event") == _CHALLENGE:
        turn.memory[_CHALLENGE] = frame.get("message")
        return Answered(_CHALLENGE)
    if frame.get("event") == "subscribed" and frame.get("feed") == _FEED:
        return Answered(_FEED)
    return sign_of_life(frame)


def _count(frame: Row, numbering: Numbering, now: int) -> None:
    for raw in rows_of(frame.get("fills"), "'fills'"):
        row = row_of(raw, "a fill")
        if row.get("seq") is not None:
            numbering.heard(whole(row, "seq"), now)


def _read(message: Any, markets: Markets, turn: Turn) -> Heard:
    heard = read_stream(message, markets, None)
    if turn.account.details.get(ONE_ID):
        return heard
    due = tuple(Due(feed_of(trade.product, trade.market_id), trade.order_id) for trade in heard.trades)
    return Heard(unreadable=heard.unreadable, history_due=due)


TALK = PrivateTalk(
    manners=MANNERS,
    steps=(Step(_CHALLENGE, _ask_challenge), Step(_FEED, _subscribe)),
    meaning=_meaning,
    read=_read,
    feed_of=feed_of,
)
STREAM = Stream(
    name=_FEED,
    serves=lambda account: bool(feeds(account, Markets([]))),
    url=address,
    protocol=partial(PrivateSocket, TALK),
    prepare=prepare,
    connects=CONNECTS,
)
