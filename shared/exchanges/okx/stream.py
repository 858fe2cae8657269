"""The private socket: sign in, subscribe to orders, keep it alive. One account on each.

Each push of an order carries its latest fill. Nothing is replayed after a loss, and pushes bear no number: what an
order has filled altogether shows whether one is missing. The client pings with a bare text; after 30 quiet seconds
the socket is cut. Docs, Overview (WebSocket), Login and Order channel, read 2026-11.
"""

from decimal import Decimal
from functools import partial
from typing import Any

from msgspec.structs import replace

from shared.domain.errors import (
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
from shared.exchanges.kit.contract import Closing, Due, Feed, Frame, Heard, Pool, Stream, Ticket
from shared.exchanges.kit.fields import Row, optional_decimal, optional_text, row_of, word
from shared.exchanges.kit.numbers import total
from shared.exchanges.kit.private_socket import PrivateSocket
from shared.exchanges.kit.signing import hmac_base64
from shared.exchanges.kit.talk import Answered, Ends, Manners, Meaning, Pong, PrivateTalk, Step, Told, Turn
from shared.exchanges.kit.trouble import Refusals, pause, refusal
from shared.exchanges.kit.wire import decode_json, encode_json
from shared.exchanges.okx.hosts import socket
from shared.exchanges.okx.rest import REFUSALS
from shared.exchanges.okx.rows import market_in, read_stream

_PING = "ping"
_PONG = "pong"
CONNECTS = Pool(name="connects", scope="address", capacity=3, per_ms=1_000)

_REFUSALS: Refusals = {
    **REFUSALS,
    "60005": (KeyRejected, "The exchange does not accept this API key: it may be mistyped or deleted."),
    "60004": (ClockWrong, "The exchange does not accept the time of the sign-in; correct this machine's clock."),
    "60006": (ClockWrong, "The exchange says this machine's clock is too far from its own; correct the clock."),
    "60007": (KeyRejected, "The exchange does not accept the signature: the secret does not belong to this API key."),
    "60009": (
        UserActionNeeded,
        "The exchange refuses the sign-in: this server's address is not among the API key's, or the account is frozen.",
    ),
    "60024": (KeyRejected, "The passphrase is not the one that was set when this API key was made."),
    "60029": (PermissionMissing, "The exchange keeps this channel for accounts of a higher level."),
    "64003": (PermissionMissing, "The exchange keeps this channel for accounts of a higher level."),
    "60032": (
        KeyRejected,
        "The exchange does not know this API key: it may be deleted, mistyped, or belong to another region.",
    ),
    "60011": (ExchangeUnavailable, "The exchange says that nobody has signed in on this socket."),
    "63999": (ExchangeUnavailable, "The exchange's sign-in failed for reasons of its own."),
    "60012": (ContractBroken, "The exchange does not understand the request"),
    "60018": (ContractBroken, "The exchange does not know the channel"),
    "60031": (ContractBroken, "The exchange does not let this socket sign in twice"),
}
_TOO_FREQUENT = {"60014", "60023", "50011"}
_PAUSE_MS = 60_000
_UPGRADE = "64008"
_NOT_READ = {"OPTION", "EVENTS"}
_DONE = {"filled", "canceled", "mmp_canceled"}


def _ping(now: int) -> Frame:
    del now
    return _PING


# Twenty seconds leave ten for the answer before the exchange hangs up.
MANNERS = Manners(ping=_ping, ping_ms=20_000, pong_ms=10_000)


def decode(frame: Frame) -> Any:
    """A frame's message; the answer to a ping is a bare text. Raises `UnreadableRow` when it is neither."""
    return _PONG if frame in {_PONG, _PONG.encode()} else decode_json(frame)


def _sign_in(turn: Turn) -> list[Frame]:
    seconds = str(turn.now // 1_000)  # REST takes another form of time
    signed = hmac_base64(turn.credentials.reveal("secret"), f"{seconds}GET/users/self/verify")
    names = {"apiKey": "api_key", "passphrase": "passphrase"}
    fields = {theirs: turn.credentials.reveal(name) for theirs, name in names.items()}
    return [encode_json({"op": "login", "args": [{**fields, "timestamp": seconds, "sign": signed}]})]


def _subscribe(turn: Turn) -> list[Frame]:
    del turn
    return [encode_json({"id": "orders", "op": "subscribe", "args": [{"channel": "orders", "instType": "ANY"}]})]


def meaning_of(message: Any, now: int) -> Meaning:
    """What a frame of any of the sockets means."""
    if message == _PONG:
        return Pong()
    frame = row_of(message, "the message")
    event, code = word(frame, "event"), str(frame.get("code") or "0")
    if "event" not in frame and "data" in frame:
        return Told()
    if event == "channel-conn-count-error":
        return Answered("subscribe", ExchangeUnavailable("The account has too many sockets open at the exchange."))
    if event == "notice":
        return Ends(Closing("the exchange upgrades this socket's server")) if code == _UPGRADE else None
    if event == "error" or (event == "login" and code != "0"):
        return Answered(error=_error_of(code, str(frame.get("msg") or ""), now))
    return Answered(event) if event in {"login", "subscribe", "unsubscribe"} else None


def _error_of(code: str, said: str, now: int) -> TradeSyncError:
    if code in _TOO_FREQUENT:
        return pause("The exchange was asked too often.", {}, now, floor_ms=_PAUSE_MS, scope="account")
    return refusal(code, said, _REFUSALS, path="the sign-in or subscription")


def _meaning(message: Any, turn: Turn) -> Meaning:
    return meaning_of(message, turn.now)


def _read(message: Any, markets: Markets, turn: Turn) -> Heard:
    """One channel carries all products: rows of others that cannot be read are nobody's trouble."""
    heard = read_stream(message, markets, None)
    rows = message["data"] if isinstance(message["data"], list) else ()
    missed = [_missed(row, markets, turn.memory) for row in rows if isinstance(row, dict)]
    return replace(
        heard,
        unreadable=tuple(row for row in heard.unreadable if _is_wanted(row.raw)),
        history_due=(*heard.history_due, *(due for due in missed if due is not None)),
    )


def _is_wanted(raw: Any) -> bool:
    return not (isinstance(raw, dict) and word(raw, "instType") in _NOT_READ)


def _missed(row: Row, markets: Markets, filled_before: dict[str, Decimal]) -> Due | None:
    """History is due where an order has filled by more than its latest fill since we last heard of it."""
    try:
        order_id, filled = optional_text(row, "ordId"), optional_decimal(row, "accFillSz")
        if order_id is None or filled is None:
            return None
        before = filled_before.pop(order_id, filled)
        if word(row, "state") not in _DONE:
            filled_before[order_id] = max(filled, before)
        latest = optional_decimal(row, "fillSz") or Decimal(0)
        if total(filled, before.copy_negate()) <= latest:
            return None
        market, own = market_in(row, None, markets)
    except UnreadableRow:
        return None  # the reader of fills has told of it
    return Due(Feed(own, market.id), order_id)


def _address(region: str, ticket: Ticket) -> str:
    del ticket
    return socket(region, "private")


TALK = PrivateTalk(
    manners=MANNERS,
    steps=(Step("login", _sign_in), Step("subscribe", _subscribe)),
    meaning=_meaning,
    read=_read,
    feed_of=Feed,  # the feed is found by the market, and so the market must be told
    decode=decode,
)
STREAM = Stream(
    name="private",
    serves=lambda account: bool(account.products),
    url=_address,
    protocol=partial(PrivateSocket, TALK),
    connects=CONNECTS,
)
