"""What all its sockets have in common (version 2): a status first, heartbeats, answers that name their request.

While something is subscribed a heartbeat comes each second that nothing else does; sockets that say nothing for a
minute are closed. Docs, WebSocket v2, read 2026-11.
"""

from typing import Any

from shared.domain.errors import ContractBroken, ExchangeUnavailable, TradeSyncError
from shared.exchanges.kit.contract import Broken, Frame
from shared.exchanges.kit.fields import Row
from shared.exchanges.kit.talk import Ends, Greeted, Manners, Meaning, Pong
from shared.exchanges.kit.wire import encode_json
from shared.exchanges.kraken.trouble import error_of_text


def _ping(now: int) -> Frame:
    return encode_json({"method": "ping", "req_id": now})


MANNERS = Manners(ping=_ping, ping_ms=5_000, pong_ms=5_000, silence_ms=10_000, waits_for_greeting=True)


def request(method: str, number: int, **params: Any) -> Frame:
    """A request to a socket."""
    return encode_json({"method": method, "req_id": number, "params": params})


def sign_of_life(frame: Row) -> Meaning:
    """What a status or a pong means, None for any other frame."""
    if frame.get("method") == "pong":
        return Pong()
    if frame.get("channel") != "status":
        return None
    data = frame.get("data")
    states = [row.get("system") for row in data if isinstance(row, dict)] if isinstance(data, list) else []
    return Ends(Broken("the exchange is under maintenance")) if "maintenance" in states else Greeted()


def error_in(answer: Row, now: int) -> TradeSyncError | None:
    """Why a request was refused, None where it was not.

    Words that we do not know are tried again: a key that is really dead shows itself over REST.
    """
    if answer.get("success") is True:
        return None
    said = str(answer.get("error") or "")
    error = error_of_text(said, {}, now, path="the subscription")
    if isinstance(error, ContractBroken):
        return ExchangeUnavailable(f"The exchange refuses the subscription: {said[:200]}")
    return error
