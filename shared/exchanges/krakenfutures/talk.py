"""What its sockets have in common: one address for all, events in words, a ping at least every minute.

Docs, Futures WebSocket, read 2026-11.
"""

from typing import Any

from shared.exchanges.kit.contract import Frame, Ticket
from shared.exchanges.kit.fields import Row, word
from shared.exchanges.kit.talk import Answered, Manners, Meaning, Pong
from shared.exchanges.kit.wire import encode_json
from shared.exchanges.krakenfutures.rest import host
from shared.exchanges.krakenfutures.trouble import error_of_words


def address(region: str, ticket: Ticket) -> str:
    """The one address, public and private."""
    del ticket
    return f"wss://{host(region)}/ws/v1"


def say(event: str, **fields: Any) -> Frame:
    """A request to a socket."""
    return encode_json({"event": event, **fields})


def _ping(now: int) -> Frame:
    del now
    return say("ping")


MANNERS = Manners(ping=_ping, ping_ms=10_000, pong_ms=10_000, messages=(50, 1_000))


def sign_of_life(frame: Row) -> Meaning:
    """What a pong means, or a refusal, which does not say what it refuses."""
    event = word(frame, "event")
    if event == "pong":
        return Pong()
    if event in {"alert", "error", "subscribed_failed"}:
        return Answered(error=error_of_words(str(frame.get("message") or "")))
    return None
