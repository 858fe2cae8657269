"""Private sockets: sign in, subscribe to the fills, keep it alive. One account on each.

Classic accounts subscribe list by list, each answered by itself; unified ones once for all. The socket of the other
world signs in, acknowledges and stays silent: that the account is still of its mode, REST proves. The client says
`ping` in plain text; without it the exchange hangs up after two minutes, whatever it tells. It also does after a day,
and replays nothing. Docs, the sockets' introduction and Fill Channel, read 2026-11.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from msgspec.structs import replace

from shared.domain.connections import Account
from shared.domain.errors import ContractBroken, TradeSyncError, UnreadableRow
from shared.domain.markets import Markets
from shared.domain.trades import Product
from shared.exchanges.bitget.history import LISTS, feed_of
from shared.exchanges.bitget.rest import CONNECTS, UNIFIED
from shared.exchanges.bitget.rows import product_of, read_stream
from shared.exchanges.bitget.trouble import error_of_code
from shared.exchanges.kit.contract import Broken, Frame, Heard, Stream, Ticket
from shared.exchanges.kit.fields import Row, row_of
from shared.exchanges.kit.private_socket import PrivateSocket
from shared.exchanges.kit.signing import hmac_base64
from shared.exchanges.kit.talk import Answered, Ends, Manners, Meaning, Pong, PrivateTalk, Step, Told, Turn
from shared.exchanges.kit.wire import decode_json, encode_json

LIFETIME_MS = 23 * 3_600_000
_PONG = "pong"


def decode(frame: Frame) -> Any:
    """A frame's message; the answer to a ping is no JSON."""
    return _PONG if frame.strip() in (_PONG, _PONG.encode()) else decode_json(frame)


def _ping(now: int) -> Frame:
    del now
    return "ping"


# Of the ten messages a second that the exchange bears.
MANNERS = Manners(ping=_ping, ping_ms=25_000, pong_ms=10_000, only_pongs=True, messages=(8, 1_000))


def request(operation: str, args: Sequence[Mapping[str, str]]) -> Frame:
    """A request to a socket."""
    return encode_json({"op": operation, "args": args})


def refusal_of(message: Row, now: int) -> TradeSyncError | None:
    """Why an answer refuses, None where it does not. Good codes are "0", 0 or none at all."""
    code = str(message.get("code") or "0")
    if message.get("event") != "error" and code == "0":
        return None
    said = str(message.get("msg") or "")
    if code == "0":
        return ContractBroken(f"The exchange refuses the socket's request: {said[:200]}")
    return error_of_code(code, said, now, path="the socket's request")


def address(version: str, side: str) -> Callable[[str, Ticket], str]:
    """The address of a socket, by region: demo trading has its own host."""

    def of_region(region: str, ticket: Ticket) -> str:
        del ticket
        host = "wspap.bitget.com" if region == "demo" else "ws.bitget.com"
        return f"wss://{host}/{version}/ws/{side}"

    return of_region


def _sign_in(turn: Turn) -> list[Frame]:
    """The time is signed in seconds here, where REST signs milliseconds."""
    seconds = str(turn.now // 1_000)
    signed = hmac_base64(turn.credentials.reveal("secret"), f"{seconds}GET/user/verify")
    key, passphrase = turn.credentials.reveal("api_key"), turn.credentials.reveal("passphrase")
    return [request("login", [{"apiKey": key, "passphrase": passphrase, "timestamp": seconds, "sign": signed}])]


def _subscription(name: str, product: Product) -> Step:
    """One list of a classic account: one at a time, so that each answer is known to be its."""

    def frames(turn: Turn) -> list[Frame]:
        del turn
        return [request("subscribe", [{"instType": name, "channel": "fill", "instId": "default"}])]

    return Step("subscribe", frames, serves=lambda account: product in account.products)


def _subscribe_to_all(turn: Turn) -> list[Frame]:
    del turn
    return [request("subscribe", [{"instType": "UTA", "topic": "fill"}])]


def _meaning(message: Any, turn: Turn) -> Meaning:
    if message == _PONG:
        return Pong()
    frame = row_of(message, "the message")
    if "data" in frame:
        return Told()
    event = frame.get("event")
    if event not in ("login", "subscribe", "error"):
        return None
    error = refusal_of(frame, turn.now)
    if error is not None and not turn.step:
        return Ends(Broken(f"refused while nothing was asked: {error.sentence}"))
    return Answered("" if event == "error" else str(event), error)


def _read(message: Any, markets: Markets, turn: Turn) -> Heard:
    """One subscription may carry all products: rows of others that cannot be read are nobody's trouble."""
    heard = read_stream(message, markets, None)
    return replace(heard, unreadable=tuple(row for row in heard.unreadable if _is_wanted(row.raw, turn.account)))


def _is_wanted(raw: Any, account: Account) -> bool:
    try:
        product = product_of(raw) if isinstance(raw, Mapping) else None
    except UnreadableRow:
        return True
    return product is None or feed_of(product, "").product in account.products


def _stream(name: str, version: str, *subscriptions: Step) -> Stream:
    talk = PrivateTalk(
        manners=MANNERS,
        steps=(Step("login", _sign_in), *subscriptions),
        meaning=_meaning,
        read=_read,
        feed_of=feed_of,
        decode=decode,
    )
    return Stream(
        name=name,
        serves=lambda account: (account.mode == UNIFIED) == (name == UNIFIED) and bool(account.products),
        url=address(version, "private"),
        protocol=partial(PrivateSocket, talk),
        lifetime_ms=LIFETIME_MS,
        connects=CONNECTS,
    )


STREAMS = (
    _stream("classic", "v2", *(_subscription(name, product) for product, names in LISTS.items() for name in names)),
    _stream(UNIFIED, "v3", Step("subscribe", _subscribe_to_all)),
)
