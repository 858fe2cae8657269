"""The private socket: matches of the profile's orders, as they happen, on the markets that are named.

The subscription is signed, and due within 5 s. All markets are named; those listed later are heard by the next socket.
Private messages are not counted, so that a lost one is noticed by nobody: REST is read anyway, for the fees.
Docs: https://docs.cdp.coinbase.com/exchange/websocket-feed, read 2026-11.
"""

import base64
import binascii
import re
from collections.abc import Sequence
from functools import partial
from typing import Any

from shared.domain.errors import KeyRejected
from shared.domain.markets import Markets
from shared.domain.trades import Product
from shared.exchanges.coinbaseexchange.rest import SANDBOX, error_of_words
from shared.exchanges.coinbaseexchange.rows import feed_of, read_stream
from shared.exchanges.kit.contract import Frame, Heard, Pool, Stream, Ticket
from shared.exchanges.kit.fields import Row, row_of, word
from shared.exchanges.kit.paging import DAY_MS
from shared.exchanges.kit.private_socket import PrivateSocket
from shared.exchanges.kit.signing import hmac_base64
from shared.exchanges.kit.talk import Answered, Manners, Meaning, PrivateTalk, Say, Step, Told, Turn
from shared.exchanges.kit.wire import encode_json

# One market's `heartbeat` comes every second: enough to know that the socket lives.
MANNERS = Manners(silence_ms=10_000, messages=(5, 1_000))
CONNECTS = Pool(name="connects", scope="address", capacity=8, per_ms=1_000)
_USER = "user"
_WORD = re.compile(r"[A-Z0-9-]+")


def request(operation: str, channel: str, market_ids: Sequence[str], **more: str) -> Frame:
    """What subscribes to one channel of some markets, or ends that."""
    return encode_json({"type": operation, "channels": [channel], "product_ids": market_ids, **more})


def _signed(turn: Turn) -> dict[str, str]:
    """Signed as a REST call would be that nobody makes."""
    key, moment = turn.credentials, str(turn.now // 1_000)
    try:
        secret = base64.b64decode(key.reveal("secret"), validate=True)
    except (ValueError, binascii.Error):
        raise KeyRejected("The secret of this connection is not in base64; enter it again.") from None
    return {
        "key": key.reveal("api_key"),
        "passphrase": key.reveal("passphrase"),
        "timestamp": moment,
        "signature": hmac_base64(secret, f"{moment}GET/users/self/verify"),
    }


def _subscribe(market_ids: Sequence[str], turn: Turn) -> tuple[Frame, ...]:
    """All markets but those that the exchange refused on this socket; the first one's heartbeat too."""
    wanted = [market_id for market_id in market_ids if market_id not in turn.memory]
    return (
        request("subscribe", _USER, wanted, **_signed(turn)),
        request("subscribe", "heartbeat", wanted[:1]),
    )


def _meaning(market_ids: Sequence[str], message: Any, turn: Turn) -> Meaning:
    frame = row_of(message, "the message")
    kind = word(frame, "type")
    if kind == "error":
        return _refused(market_ids, f"{frame.get('message', '')}: {frame.get('reason', '')}", turn)
    if kind == "subscriptions":
        return Answered(_USER) if _names_user(frame) else None
    return Told() if kind in {"match", "last_match"} else None


def _refused(market_ids: Sequence[str], said: str, turn: Turn) -> Meaning:
    """One market that is gone makes the exchange refuse them all: it is asked again without it."""
    named = set(_WORD.findall(said)).intersection(market_ids)
    if not named:
        return Answered(_USER, error_of_words(said, "the subscription"))
    is_news = not named <= turn.memory.keys()
    turn.memory.update(dict.fromkeys(named))
    return Say(_subscribe(market_ids, turn)) if is_news else None


def _names_user(frame: Row) -> bool:
    channels = frame.get("channels")
    named = channels if isinstance(channels, list) else ()
    return any(_USER in (channel, channel.get("name") if isinstance(channel, dict) else "") for channel in named)


def _read(message: Any, markets: Markets, turn: Turn) -> Heard:
    """A key's history is its profile's: what the user trades in another one would never be proven here."""
    profile, own = row_of(message, "the message").get("profile_id"), turn.account.uid
    return Heard() if own and profile and profile != own else read_stream(message, markets, None)


def _protocol(markets: Markets) -> PrivateSocket:
    market_ids = sorted(market.id for market in markets.of(Product.SPOT) if market.active is not False)

    talk = PrivateTalk(
        manners=MANNERS,
        steps=(Step(_USER, partial(_subscribe, market_ids)),),
        meaning=partial(_meaning, market_ids),
        read=_read,
        feed_of=feed_of,
    )
    return PrivateSocket(talk, markets)


def address(region: str, ticket: Ticket) -> str:
    """Where public and private sockets are."""
    del ticket
    return f"wss://{'ws-feed-public.sandbox' if region == SANDBOX else 'ws-feed'}.exchange.coinbase.com"


STREAM = Stream(
    name="user",
    serves=lambda account: Product.SPOT in account.products,
    url=address,
    protocol=_protocol,
    lifetime_ms=DAY_MS,
    connects=CONNECTS,
)
