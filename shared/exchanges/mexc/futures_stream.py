"""The contracts' private socket: JSON, a signed login, then everything is told unless it is filtered.

The server closes a socket a minute after the client's last ping, whatever else is said on it. Docs:
https://www.mexc.com/api-docs/futures/websocket-api, read 2026-11.
"""

from functools import partial
from typing import Any

from shared.domain.markets import Markets
from shared.exchanges.kit.contract import Frame, Heard, Stream, Ticket
from shared.exchanges.kit.fields import row_of
from shared.exchanges.kit.private_socket import PrivateSocket
from shared.exchanges.kit.signing import hmac_hex
from shared.exchanges.kit.talk import Answered, Manners, Meaning, Pong, PrivateTalk, Step, Told, Turn
from shared.exchanges.kit.wire import encode_json
from shared.exchanges.mexc.history import feed_of
from shared.exchanges.mexc.rows import DEALS, FUTURES, read_stream
from shared.exchanges.mexc.trouble import error_of_words

_ADDRESS = "wss://contract.mexc.com/edge"
MANNERS = Manners(ping=lambda _: encode_json({"method": "ping"}), ping_ms=15_000, only_pongs=True)


def url(region: str, ticket: Ticket) -> str:
    """The one address of all contract sockets."""
    del region, ticket
    return _ADDRESS


def _log_in(turn: Turn) -> list[Frame]:
    key, moment = turn.credentials.reveal("api_key"), str(turn.now)
    signature = hmac_hex(turn.credentials.reveal("secret"), key + moment)
    return [encode_json({"method": "login", "param": {"apiKey": key, "reqTime": moment, "signature": signature}})]


def _filter(turn: Turn) -> list[Frame]:
    del turn
    return [encode_json({"method": "personal.filter", "param": {"filters": [{"filter": "order.deal", "rules": []}]}})]


def _meaning(message: Any, turn: Turn) -> Meaning:
    del turn
    frame = row_of(message, "the message")
    channel = frame.get("channel")
    if channel == DEALS:
        return Told()
    if channel == "pong":
        return Pong()
    if channel == "rs.login":
        return Answered("log in")
    return Answered(error=error_of_words(str(frame.get("data")))) if channel == "rs.error" else None


def _read(message: Any, markets: Markets, turn: Turn) -> Heard:
    del turn
    return read_stream(message, markets, None)


_TALK = PrivateTalk(
    manners=MANNERS,
    # A filter that is refused costs nothing but words: nobody waits for its answer.
    steps=(Step("log in", _log_in), Step("filter", _filter, answers=0)),
    meaning=_meaning,
    read=_read,
    feed_of=feed_of,
)
FUTURES_STREAM = Stream(
    name="futures",
    serves=lambda account: bool(set(FUTURES) & set(account.products)),
    url=url,
    protocol=partial(PrivateSocket, _TALK),
    answers_pings=False,
)
