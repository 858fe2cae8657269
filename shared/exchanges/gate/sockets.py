"""The private sockets, one for spot and one for perpetuals: each subscription is signed by itself.

The fills of all markets come on one channel. Nothing is numbered and nothing is said again after a loss. A key that is
revoked goes silent: REST finds that out. Docs: https://www.gate.com/docs/developers/apiv4/ws and /futures/ws, read
2026-11.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from shared.domain.connections import Account
from shared.domain.errors import (
    AddressNotAllowed,
    ClockWrong,
    ContractBroken,
    ExchangeUnavailable,
    KeyRejected,
    PermissionMissing,
    TradeSyncError,
    UnreadableRow,
)
from shared.domain.markets import Markets
from shared.domain.trades import Product
from shared.exchanges.gate.history import feed_of, products_of
from shared.exchanges.gate.hosts import FUTURES_SOCKETS, SPOT_SOCKETS
from shared.exchanges.gate.rest import error_of_label, label_of
from shared.exchanges.gate.rows import read_stream
from shared.exchanges.kit.contract import Closing, Frame, Heard, Stream, Ticket
from shared.exchanges.kit.fields import Row, row_of
from shared.exchanges.kit.private_socket import PrivateSocket
from shared.exchanges.kit.signing import hmac_hex
from shared.exchanges.kit.talk import Answered, Ends, Manners, Meaning, Pong, PrivateTalk, Step, Told, Turn
from shared.exchanges.kit.trouble import Words, refusal
from shared.exchanges.kit.wire import decode_json, encode_json

# Without it, sizes of perpetuals are cut to whole contracts.
DECIMAL_SIZES: Mapping[str, str] = {"X-Gate-Size-Decimal": "1"}


def manners(area: str) -> Manners:
    """How a socket of an area, `spot` or `futures`, is kept alive."""

    def ping(now: int) -> Frame:
        return encode_json({"time": now // 1_000, "channel": f"{area}.ping"})

    return Manners(ping=ping, ping_ms=10_000, pong_ms=10_000)


def _subscribe(channel: str, turn: Turn) -> Sequence[Frame]:
    moment = turn.now // 1_000
    signed = hmac_hex(turn.credentials.reveal("secret"), f"channel={channel}&event=subscribe&time={moment}", "sha512")
    user = [turn.account.uid or ""] if channel.startswith("futures.") else []
    return [
        encode_json(
            {
                "time": moment,
                "id": 1,
                "channel": channel,
                "event": "subscribe",
                "payload": [*user, "!all"],
                "auth": {"method": "api_key", "KEY": turn.credentials.reveal("api_key"), "SIGN": signed},
            }
        )
    ]


def _meaning(message: Any, turn: Turn) -> Meaning:
    del turn
    return meaning(message)


def meaning(message: Any) -> Meaning:
    """What a message of any of the sockets means."""
    frame = row_of(message, "the message")
    channel = str(frame.get("channel", ""))
    if channel.endswith(".pong"):
        return Pong()
    if _is_upgrade(frame) or _is_upgrade(frame.get("result")):
        return Ends(Closing("the exchange upgrades its service"))
    if frame.get("event") == "update":
        return Told()
    error = frame.get("error")
    if error:
        return Answered(channel, error_of_socket(error))
    return Answered(channel) if frame.get("event") in ("subscribe", "unsubscribe") else None


def _is_upgrade(part: Any) -> bool:
    return isinstance(part, Mapping) and part.get("type") == "upgrade"


# What refusals say where they carry no label. Asked in this order.
_WORDS: Words = (
    (r"\bip\b|whitelist", AddressNotAllowed, "The API key's IP whitelist does not hold this server's address."),
    (r"permission|forbidden", PermissionMissing, "The API key may not hear this account's trades."),
    (r"expire|timestamp|\btime\b", ClockWrong, "The exchange says this machine's clock is wrong; correct it."),
    (r"key|sign|auth", KeyRejected, "The exchange does not accept the API key or its signature."),
    (r"", ExchangeUnavailable, "The exchange refuses a subscription for a reason it does not tell."),
)


def error_of_socket(error: Any) -> TradeSyncError:
    """Why a subscription was refused: by the label within its message, else by its code and words.

    1 is a wrong body, 2 a wrong argument, 3 the exchange's own failure; 4, and seen beside it 6 and 11, the key.
    """
    refused: Row = error if isinstance(error, Mapping) else {}
    said, code = str(refused.get("message", error)).strip(), str(refused.get("code", ""))
    label, words = label_of(_decoded(said))
    if label:
        return error_of_label(label, words, "the subscription")
    if code in {"1", "2"}:
        return ContractBroken(f"The exchange refuses the subscription with code {code}: {said[:200]}")
    if code == "3":
        return ExchangeUnavailable("The exchange's server failed at a subscription.")
    return refusal(code, said, {}, path="the subscription", words=_WORDS)


def _decoded(said: str) -> Any:
    try:
        return decode_json(said)
    except UnreadableRow:
        return None


def _read(message: Any, markets: Markets, turn: Turn) -> Heard:
    del turn
    return read_stream(message, markets, None)


def _stream(area: str, product: Product, addresses: Mapping[str, str], headers: Mapping[str, str]) -> Stream:
    def serves(account: Account) -> bool:
        return product in products_of(account)

    def address(region: str, ticket: Ticket) -> str:
        del ticket
        return addresses.get(region, addresses["global"])

    channel = f"{area}.usertrades"
    talk = PrivateTalk(
        manners=manners(area),
        steps=(Step(channel, partial(_subscribe, channel)),),
        meaning=_meaning,
        read=_read,
        feed_of=feed_of,
    )
    return Stream(name=area, serves=serves, url=address, headers=headers, protocol=partial(PrivateSocket, talk))


STREAMS = (
    _stream("spot", Product.SPOT, SPOT_SOCKETS, {}),
    _stream("futures", Product.LINEAR, FUTURES_SOCKETS, DECIMAL_SIZES),
)
