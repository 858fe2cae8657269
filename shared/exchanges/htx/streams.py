"""Private sockets: spot's `/ws/v2`, and the contracts' notifications on V5 and before it. One account on each.

The exchange pings, each kind in words of its own, and cuts who does not answer. A refused sign-in says nothing but
that, and a deleted key's socket ends without a word: so the key is shown to REST before each connect, where the true
reason is told. Nothing is replayed. Docs, WebSocket sections of spot and V5, read 2026-11.
"""

from datetime import UTC, datetime
from functools import partial
from typing import Any
from urllib.parse import urlencode

from shared.domain.connections import Account
from shared.domain.errors import AccountModeChanged, ContractBroken, ExchangeUnavailable, TradeSyncError
from shared.domain.markets import Markets
from shared.domain.trades import Product
from shared.exchanges.htx.history import feed_of
from shared.exchanges.htx.messages import CLEARING, EXECUTIONS, OLD_ORDERS, decode, read_stream
from shared.exchanges.htx.rest import CONTRACTS, LEGACY, SPOT_SOCKETS, UID
from shared.exchanges.htx.trouble import OTHER_MODE
from shared.exchanges.kit.contract import Broken, Frame, Heard, Pool, Request, Steps, Stream, Ticket
from shared.exchanges.kit.fields import row_of, word
from shared.exchanges.kit.private_socket import PrivateSocket
from shared.exchanges.kit.signing import hmac_base64
from shared.exchanges.kit.talk import Answered, Ends, Manners, Meaning, PrivateTalk, Say, Step, Told, Turn
from shared.exchanges.kit.wire import encode_json

_SPOT_PATH = "/ws/v2"
_V5_PATH = "/ws/v5/notification"
_OLD_PATH = "/linear-swap-notification"

_SPOT_MANNERS = Manners(silence_ms=45_000, messages=(40, 1_000))  # it pings every 20 s: two are missing
_CONTRACT_MANNERS = Manners(silence_ms=25_000, messages=(40, 1_000))  # every 5 s

# Ten spot sockets may be open for a key; connecting faster than this never fills them by mistake.
_CONNECTS = Pool(name="connects", scope="account", capacity=5, per_ms=10_000)


def prove_key(account: Account) -> Steps[Ticket]:
    """Nothing is fetched: REST says why a key is refused, the sockets do not."""
    del account
    yield Request(UID)
    return {}


def _signed(turn: Turn, host: str, path: str, names: tuple[str, ...], version: str) -> tuple[dict[str, str], str]:
    """The parameters of a sign-in under the names that this socket gives them, and their signature."""
    moment = datetime.fromtimestamp(turn.now // 1_000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    values = (turn.credentials.reveal("api_key"), "HmacSHA256", version, moment)
    params = dict(zip(names, values, strict=True))
    text = f"GET\n{host}\n{path}\n{urlencode(sorted(params.items()))}"
    return params, hmac_base64(turn.credentials.reveal("secret"), text)


# ── Spot ──────────────────────────────────────────────────────────────────────────────────────────────


def _spot_sign_in(turn: Turn) -> list[Frame]:
    names = ("accessKey", "signatureMethod", "signatureVersion", "timestamp")
    params, signature = _signed(turn, SPOT_SOCKETS, _SPOT_PATH, names, "2.1")
    asked = {"authType": "api", **params, "signature": signature}
    return [encode_json({"action": "req", "ch": "auth", "params": asked})]


def _spot_subscribe(turn: Turn) -> list[Frame]:
    del turn
    return [encode_json({"action": "sub", "ch": f"{CLEARING}#*#0"})]


def _spot_meaning(message: Any, turn: Turn) -> Meaning:
    del turn
    frame = row_of(message, "the message")
    action, channel = word(frame, "action"), str(frame.get("ch", ""))
    if action == "ping":
        return Say((encode_json({"action": "pong", "data": frame.get("data")}),))
    code = frame.get("code")
    if action in {"req", "sub"} or code is not None:
        step = "auth" if channel == "auth" else "subscribe" if channel else ""
        return Answered(step, None if code == 200 else _spot_error(str(code), str(frame.get("message", ""))))
    return Told() if channel.startswith(CLEARING) else None


def _spot_error(code: str, said: str) -> TradeSyncError:
    """REST has just accepted the key: whatever a socket refuses after that is tried again, and REST asked again."""
    if code == "2001":
        return ContractBroken(f"The exchange does not understand its socket's client: {said[:200]}")
    return ExchangeUnavailable(f"The exchange refuses the socket for now: {code} {said[:200]}")


# ── Contracts ─────────────────────────────────────────────────────────────────────────────────────────


def _contract_sign_in(path: str, turn: Turn) -> list[Frame]:
    names = ("AccessKeyId", "SignatureMethod", "SignatureVersion", "Timestamp")
    params, signature = _signed(turn, CONTRACTS, path, names, "2")
    return [encode_json({"op": "auth", "type": "api", **params, "Signature": signature})]


def _v5_subscribe(turn: Turn) -> list[Frame]:
    del turn
    return [encode_json({"op": "sub", "cid": "1", "topic": EXECUTIONS, "contract_code": "*"})]


def _old_subscribe(turn: Turn) -> list[Frame]:
    del turn
    return [encode_json({"op": "sub", "cid": topic, "topic": f"{topic}.*"}) for topic in OLD_ORDERS]


def _contract_meaning(message: Any, turn: Turn) -> Meaning:
    del turn
    frame = row_of(message, "the message")
    operation = word(frame, "op")
    if operation == "ping":
        return Say((encode_json({"op": "pong", "ts": frame.get("ts")}),))
    if operation == "close":
        return Ends(Broken("the exchange ends this socket"))
    if operation in {"auth", "sub"}:
        code = str(frame.get("err-code", 0))
        error = None if code == "0" else _contract_error(code, str(frame.get("err-msg", "")))
        return Answered("auth" if operation == "auth" else "subscribe", error)
    # An `error` by itself leaves the socket as it is.
    return Told() if operation == "notify" else None


def _contract_error(code: str, said: str) -> TradeSyncError:
    if code == OTHER_MODE:
        return AccountModeChanged("The exchange says that this account's contracts are on the other interface.")
    return ExchangeUnavailable(f"The exchange refuses the contract socket for now: {code} {said[:200]}")


def _read(message: Any, markets: Markets, turn: Turn) -> Heard:
    del turn
    return read_stream(message, markets, None)


def _address(host: str, path: str, region: str, ticket: Ticket) -> str:
    del region, ticket
    return f"wss://{host}{path}"


def _contract_stream(name: str, path: str, subscribe: Step, *, is_legacy: bool) -> Stream:
    talk = PrivateTalk(
        manners=_CONTRACT_MANNERS,
        steps=(Step("auth", partial(_contract_sign_in, path)), subscribe),
        meaning=_contract_meaning,
        read=_read,
        feed_of=feed_of,
        decode=decode,
    )
    return Stream(
        name=name,
        serves=lambda account: Product.LINEAR in account.products and (account.mode == LEGACY) is is_legacy,
        url=partial(_address, CONTRACTS, path),
        protocol=partial(PrivateSocket, talk),
        prepare=prove_key,
        connects=_CONNECTS,
    )


_SPOT_TALK = PrivateTalk(
    manners=_SPOT_MANNERS,
    steps=(Step("auth", _spot_sign_in), Step("subscribe", _spot_subscribe)),
    meaning=_spot_meaning,
    read=_read,
    feed_of=feed_of,
    decode=decode,
)
STREAMS = (
    Stream(
        name="spot",
        serves=lambda account: Product.SPOT in account.products,
        url=partial(_address, SPOT_SOCKETS, _SPOT_PATH),
        protocol=partial(PrivateSocket, _SPOT_TALK),
        prepare=prove_key,
        connects=_CONNECTS,
    ),
    _contract_stream("linear", _V5_PATH, Step("subscribe", _v5_subscribe), is_legacy=False),
    _contract_stream("linear-old", _OLD_PATH, Step("subscribe", _old_subscribe, answers=2), is_legacy=True),
)
