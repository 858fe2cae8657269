"""The private socket: sign in, subscribe to executions, keep it alive. One account on each.

Docs, Connect and Execution (WebSocket), read 2026-11. The client pings; without it the socket is cut after ten quiet
minutes. Nothing is replayed after a loss.
"""

import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from msgspec.structs import replace

from shared.domain.connections import Account
from shared.domain.errors import (
    AddressNotAllowed,
    ClockWrong,
    ContractBroken,
    ExchangeUnavailable,
    KeyRejected,
    PermissionMissing,
    TradeSyncError,
    UserActionNeeded,
)
from shared.domain.markets import Markets
from shared.exchanges.bybit.history import feed_of
from shared.exchanges.bybit.hosts import private_socket
from shared.exchanges.bybit.rest import error_of_code
from shared.exchanges.bybit.rows import CATEGORIES, read_stream
from shared.exchanges.kit.contract import Frame, Heard, Stream, Ticket
from shared.exchanges.kit.fields import row_of
from shared.exchanges.kit.private_socket import PrivateSocket
from shared.exchanges.kit.signing import signature
from shared.exchanges.kit.talk import Answered, Manners, Meaning, Pong, PrivateTalk, Step, Told, Turn
from shared.exchanges.kit.wire import encode_json

_SIGNATURE_LASTS_MS = 10_000


def ping(now: int) -> Frame:
    """What keeps a socket alive."""
    del now
    return encode_json({"req_id": "ping", "op": "ping"})


MANNERS = Manners(ping=ping, ping_ms=20_000, pong_ms=10_000)


def request(operation: str, args: Sequence[Any]) -> Frame:
    """A request to a socket, named after what it asks."""
    return encode_json({"req_id": operation, "op": operation, "args": args})


def _sign_in(turn: Turn) -> list[Frame]:
    expires = turn.now + _SIGNATURE_LASTS_MS
    signed = signature(turn.credentials.reveal("secret"), f"GET/realtime{expires}")
    return [request("auth", [turn.credentials.reveal("api_key"), expires, signed])]


def _subscribe(turn: Turn) -> list[Frame]:
    del turn
    return [request("subscribe", ["execution"])]


def _meaning(message: Any, turn: Turn) -> Meaning:
    answer = row_of(message, "the message")
    if "topic" in answer:
        return Told()
    operation = operation_of(answer)
    if operation in {"ping", "pong"}:
        return Pong()
    if not operation and is_failure(answer):
        return Answered(error=error_of_refusal(answer, turn.step, turn.now))
    if operation not in {"auth", "subscribe"}:
        return None
    return Answered(operation, None if is_success(answer) else error_of_refusal(answer, operation, turn.now))


def _read(message: Any, markets: Markets, turn: Turn) -> Heard:
    """One topic carries all products: rows of others that cannot be read are nobody's trouble."""
    heard = read_stream(message, markets, None)
    return replace(heard, unreadable=tuple(row for row in heard.unreadable if _is_wanted(row.raw, turn.account)))


def _is_wanted(raw: Any, account: Account) -> bool:
    category = raw.get("category") if isinstance(raw, Mapping) else None
    product = CATEGORIES.get(category) if isinstance(category, str) else None
    return product is None or product in account.products


def operation_of(message: Mapping[str, Any]) -> str:
    """What an answer answers. Some refusals name it only in the request that they repeat."""
    request = message.get("request")
    named = message.get("op") or (request.get("op") if isinstance(request, Mapping) else None)
    return str(named or message.get("req_id") or message.get("reqId") or "")


def is_success(message: Mapping[str, Any]) -> bool:
    """Whether an answer is a good one, in either of its two shapes."""
    return message.get("success") is True or code_of(message) == 0


def is_failure(message: Mapping[str, Any]) -> bool:
    """Whether it says that something failed, whatever that was."""
    return message.get("success") is False or (code_of(message) or 0) != 0


def code_of(message: Mapping[str, Any]) -> int | None:
    """The answer's code, None where it has none."""
    for name in ("retCode", "ret_code", "code"):
        code = message.get(name)
        if isinstance(code, int) and not isinstance(code, bool):
            return code
        if isinstance(code, str) and re.fullmatch(r"-?\d{1,9}", code):
            return int(code)
    return None


# What refusals say where they carry no code. Asked in this order.
_WORDS: tuple[tuple[str, type[UserActionNeeded]], ...] = (
    (r"whitelist|unmatched ip|ip address|\bip\b", AddressNotAllowed),
    (r"permission", PermissionMissing),
    (r"\bexpires\b|timestamp|recv_window|invalid period", ClockWrong),
    (r"usvc1111|api.?key|sign|auth|key.*expired", KeyRejected),
)


def error_of_refusal(message: Mapping[str, Any], operation: str, now: int) -> TradeSyncError:
    """Why the exchange refused a sign-in or subscription: by its code, else by its words.

    Words that we do not know are tried again: a key that is really dead shows itself over REST.
    """
    said = str(message.get("ret_msg") or message.get("retMsg") or message.get("desc") or "")
    code = code_of(message) or _code_in(said)
    if code is not None and code >= 10_000:
        return error_of_code(code, said, {}, now)
    if operation == "subscribe":
        return ContractBroken(f"The exchange refuses the subscription: {said[:200]}")
    for pattern, kind in _WORDS:
        if re.search(pattern, said.lower()):
            return kind()
    return ExchangeUnavailable(f"The exchange refuses the sign-in: {said[:200]}")


def _code_in(said: str) -> int | None:
    found = re.search(r"(?<!\d)(100[0-3]\d|10429|33004)(?!\d)", said)
    return int(found[1]) if found else None


def _address(region: str, ticket: Ticket) -> str:
    del ticket
    return f"wss://{private_socket(region)}/v5/private"


TALK = PrivateTalk(
    manners=MANNERS,
    steps=(Step("auth", _sign_in), Step("subscribe", _subscribe)),
    meaning=_meaning,
    read=_read,
    feed_of=feed_of,
)
STREAM = Stream(
    name="private",
    serves=lambda account: bool(account.products),
    url=_address,
    protocol=partial(PrivateSocket, TALK),
)
