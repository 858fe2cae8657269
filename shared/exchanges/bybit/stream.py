"""The private socket: sign in, subscribe to executions, keep it alive. One account on each.

Docs, Connect and Execution (WebSocket), read 2026-11. The client pings; without it the socket is cut after ten quiet
minutes. Nothing is replayed after a loss.
"""

import re
from collections.abc import Mapping
from enum import Enum, auto
from typing import Any
from uuid import UUID

from shared.domain.connections import Account, Credentials
from shared.domain.errors import (
    AddressNotAllowed,
    ClockWrong,
    ContractBroken,
    ExchangeUnavailable,
    KeyRejected,
    PermissionMissing,
    TradeSyncError,
    UnreadableRow,
    UserActionNeeded,
)
from shared.domain.markets import Markets
from shared.domain.trades import Product, Unreadable
from shared.exchanges.bybit.hosts import private_socket
from shared.exchanges.bybit.rest import error_of_code
from shared.exchanges.bybit.rows import CATEGORIES, read_stream
from shared.exchanges.kit.contract import Broken, Event, Frame, HistoryDue, Live, Refused, Stream, Ticket, TradesHeard
from shared.exchanges.kit.rhythm import NEVER, Heartbeat
from shared.exchanges.kit.signing import signature
from shared.exchanges.kit.wire import decode_json, encode_json

PING_EVERY_MS = 20_000
PONG_WITHIN_MS = 10_000
ANSWER_WITHIN_MS = 10_000
_SIGNATURE_LASTS_MS = 10_000


class _State(Enum):
    NEW = auto()
    SIGNING_IN = auto()
    SUBSCRIBING = auto()
    LIVE = auto()
    CLOSED = auto()


class PrivateStream:
    """`NEW → SIGNING_IN → SUBSCRIBING → LIVE → CLOSED`. Use it as `StreamProtocol` shows."""

    def __init__(self, markets: Markets) -> None:
        self._markets = markets
        self._state = _State.NEW
        self._account: Account | None = None
        self._credentials: Credentials | None = None
        self._heartbeat = Heartbeat(PING_EVERY_MS, PONG_WITHIN_MS)
        self._answer_due = NEVER
        self._frames: list[Frame] = []
        self._refusal: TradeSyncError | None = None

    @property
    def deadline(self) -> int:
        """When `tick` wants to be called."""
        if self._refusal is not None:
            return 0
        if self._state is _State.CLOSED:
            return NEVER
        return min(self._heartbeat.deadline, self._answer_due)

    def join(self, account: Account, credentials: Credentials, ticket: Ticket, now: int) -> None:
        """The one account of this socket. Raises `ValueError` for a second one."""
        del ticket
        if self._account is not None:
            raise ValueError("this socket carries one account only")
        self._account, self._credentials = account, credentials
        if self._state is _State.SIGNING_IN:
            self._sign_in(now)

    def leave(self, connection_id: UUID, now: int) -> None:
        """The account is not wanted any more: nothing more is heard."""
        del now
        if self._account is not None and self._account.connection_id == connection_id:
            self._state = _State.CLOSED

    def open(self, now: int) -> None:
        """The socket is open."""
        self._state = _State.SIGNING_IN
        self._heartbeat.start(now)
        if self._account is not None:
            self._sign_in(now)

    def outbox(self) -> list[Frame]:
        """What is to be sent now."""
        frames, self._frames = self._frames, []
        return frames

    def receive(self, frame: Frame, now: int) -> list[Event]:
        """What a frame means."""
        if self._state is _State.CLOSED or self._account is None:
            return []
        self._heartbeat.heard(now)
        try:
            message = decode_json(frame)
        except UnreadableRow as error:
            return self._quarantined(error.sentence, frame, self._account)
        if not isinstance(message, Mapping):
            return self._quarantined("the message is not an object", frame, self._account)
        if "topic" in message:
            return self._heard(message, self._account)
        return self._answered(message, now, self._account)

    def tick(self, now: int) -> list[Event]:
        """What the time means."""
        if self._refusal is not None and self._account is not None:
            return self._refused(self._refusal, self._account)
        if self._state is _State.CLOSED:
            return []
        if now >= self._answer_due:
            self._state = _State.CLOSED
            return [Broken("no answer to sign-in or subscription")]
        if self._heartbeat.is_dead(now):
            self._state = _State.CLOSED
            return [Broken("no answer to a ping")]
        if self._heartbeat.is_due(now):
            self._frames.append(encode_json({"req_id": "ping", "op": "ping"}))
            self._heartbeat.spoke(now)
        return []

    def _sign_in(self, now: int) -> None:
        assert self._credentials is not None
        expires = now + _SIGNATURE_LASTS_MS
        try:
            signed = signature(self._credentials.reveal("secret"), f"GET/realtime{expires}")
        except KeyRejected as error:
            self._refusal = error
            return
        self._ask("auth", [self._credentials.reveal("api_key"), expires, signed], now)

    def _ask(self, operation: str, args: list[Any], now: int) -> None:
        self._frames.append(encode_json({"req_id": operation, "op": operation, "args": args}))
        self._answer_due = now + ANSWER_WITHIN_MS

    def _answered(self, message: Mapping[str, Any], now: int, account: Account) -> list[Event]:
        operation = operation_of(message)
        if not operation and self._answer_due != NEVER and is_failure(message):
            operation = "auth" if self._state is _State.SIGNING_IN else "subscribe"
        if operation not in {"auth", "subscribe"}:
            return []
        if not is_success(message):
            return self._refused(error_of_refusal(message, operation, now), account)
        if operation == "auth" and self._state is _State.SIGNING_IN:
            self._state = _State.SUBSCRIBING
            self._ask("subscribe", ["execution"], now)
        elif operation == "subscribe" and self._state is _State.SUBSCRIBING:
            self._state = _State.LIVE
            self._answer_due = NEVER
            return [Live(account.connection_id)]
        return []

    def _refused(self, error: TradeSyncError, account: Account) -> list[Event]:
        self._state = _State.CLOSED
        self._refusal = None
        return [Refused(account.connection_id, error)]

    def _heard(self, message: Mapping[str, Any], account: Account) -> list[Event]:
        try:
            heard = read_stream(message, self._markets, None)
        except UnreadableRow as error:
            return self._quarantined(error.sentence, message, account)
        # One topic carries all products; those that the user did not ask for are not ours to keep.
        trades = tuple(trade for trade in heard.trades if trade.product in account.products)
        unreadable = tuple(row for row in heard.unreadable if _is_wanted(row.raw, account))
        return [TradesHeard(account.connection_id, trades, unreadable)] if trades or unreadable else []

    def _quarantined(self, reason: str, raw: Any, account: Account) -> list[Event]:
        """What it held is lost to the stream: keep it as it came, and let history tell."""
        kept = raw.decode(errors="replace") if isinstance(raw, bytes) else raw
        due = [HistoryDue(account.connection_id, product, reason=reason) for product in account.products]
        return [TradesHeard(account.connection_id, (), (Unreadable(reason=reason, raw=kept),)), *due]


def _is_wanted(raw: Any, account: Account) -> bool:
    category = raw.get("category") if isinstance(raw, Mapping) else None
    product: Product | None = CATEGORIES.get(category) if isinstance(category, str) else None
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


STREAM = Stream(name="private", serves=lambda account: bool(account.products), url=_address, protocol=PrivateStream)
