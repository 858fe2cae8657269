"""Private sockets: the order channels of classic accounts, and the execution channel of unified ones.

The classic channels tell of matches without their fees: each match is a provisional trade, and its feed is due to be
read soon after, and again, because history lags 1 to 3 s. No socket replays what it missed.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from msgspec.structs import replace

from shared.domain.errors import (
    AccountModeChanged,
    ContractBroken,
    ExchangeUnavailable,
    PermissionMissing,
    TradeSyncError,
)
from shared.domain.markets import Markets
from shared.domain.trades import Product
from shared.exchanges.kit.contract import Broken, Due, Feed, Frame, Heard, Pool, Stream
from shared.exchanges.kit.fields import Row, row_of
from shared.exchanges.kit.private_socket import PrivateSocket
from shared.exchanges.kit.talk import Answered, Ends, Meaning, PrivateTalk, Step, Told, Turn
from shared.exchanges.kit.wire import encode_json
from shared.exchanges.kucoin.history import FUTURES, feed_of, wants_futures
from shared.exchanges.kucoin.messages import read_stream
from shared.exchanges.kucoin.rest import UNIFIED
from shared.exchanges.kucoin.sockets import (
    MANNERS,
    classic_url,
    futures_ticket,
    greeting_or_pong,
    spot_ticket,
    unified_ticket,
    unified_url,
)

_SPOT_TOPIC = "/spotMarket/tradeOrdersV2"
_FUTURES_TOPIC = "/contractMarket/tradeOrders"
_TOKEN_LIFE_MS = 86_400_000
_HEADROOM_MS = 900_000
_SUBSCRIPTION = "1"  # its number, which the answer repeats


def _meaning(message: Any, turn: Turn) -> Meaning:
    """What a message of a classic or a unified socket means; they are told apart by their shape."""
    del turn
    frame = row_of(message, "the message")
    meaning = frame.get("type")
    if meaning == "error" or frame.get("result") is False:
        return _refused(frame)
    if meaning == "ack" or frame.get("result") is True:
        return Answered("subscribe") if str(frame.get("id")) == _SUBSCRIPTION else None
    if meaning == "message" or "T" in frame:
        return Told()
    return greeting_or_pong(frame)


def _refused(message: Row) -> Meaning:
    reason = str(message.get("data") or message.get("reason") or message.get("msg") or "")[:200]
    said = reason.lower()
    if str(message.get("code")) == "401" or "token" in said:
        return Ends(Broken(f"the exchange does not accept the token: {reason}"))
    error: TradeSyncError = ContractBroken(f"The exchange refuses the subscription: {reason}")
    if str(message.get("code")) == "509" or "too many" in said or "exceed" in said:
        error = ExchangeUnavailable(f"The exchange takes no more subscriptions now: {reason}")
    elif "112010" in reason or "unified" in said or "account mode" in said:
        error = AccountModeChanged(f"The exchange says that this account is of another mode: {reason}")
    elif "permission" in said:
        error = PermissionMissing()
    return Answered("subscribe", error)


def _read(message: Any, markets: Markets, turn: Turn) -> Heard:
    """What a message tells, and the feed of an order that ended with something filled. It is kept whole."""
    del turn
    heard = read_stream(message, markets, None)
    hinted = _filled_feed(message)
    return replace(
        heard,
        unreadable=tuple(replace(row, raw=message) for row in heard.unreadable),
        history_due=() if hinted is None else (Due(hinted),),
    )


def _filled_feed(message: Mapping[str, Any]) -> Feed | None:
    """The feed of an order that ended with something filled: its matches may have been lost on the way."""
    data = message.get("data")
    topic = str(message.get("topic") or "")
    if not isinstance(data, Mapping) or not topic.startswith((_SPOT_TOPIC, _FUTURES_TOPIC)):
        return None
    is_filled = data.get("type") == "filled"
    if not is_filled and (data.get("type") != "canceled" or str(data.get("filledSize") or "0") == "0"):
        return None
    symbol = data.get("symbol")
    if topic.startswith(_FUTURES_TOPIC) or not isinstance(symbol, str):
        return FUTURES if topic.startswith(_FUTURES_TOPIC) else None
    return feed_of(Product.SPOT, symbol)


def _socket(subscription: Mapping[str, Any]) -> Callable[[Markets], PrivateSocket]:
    def subscribe(turn: Turn) -> list[Frame]:
        del turn
        return [encode_json({"id": _SUBSCRIPTION, **subscription})]

    talk = PrivateTalk(
        manners=MANNERS,
        steps=(Step("subscribe", subscribe),),
        meaning=_meaning,
        read=_read,
        feed_of=feed_of,
    )
    return partial(PrivateSocket, talk)


def _classic(topic: str) -> Callable[[Markets], PrivateSocket]:
    return _socket({"type": "subscribe", "topic": topic, "privateChannel": True, "response": True})


# Each account may connect so often; a herd after a restart is of many accounts, and waits for nobody.
_CONNECTS = Pool(name="connects", scope="account", capacity=30, per_ms=60_000)

STREAMS = (
    Stream(
        name="spot",
        serves=lambda account: account.mode != UNIFIED and Product.SPOT in account.products,
        url=classic_url,
        protocol=_classic(_SPOT_TOPIC),
        prepare=spot_ticket,
        lifetime_ms=_TOKEN_LIFE_MS - _HEADROOM_MS,
        connects=_CONNECTS,
    ),
    Stream(
        name="futures",
        serves=lambda account: account.mode != UNIFIED and wants_futures(account),
        url=classic_url,
        protocol=_classic(_FUTURES_TOPIC),
        prepare=futures_ticket,
        lifetime_ms=_TOKEN_LIFE_MS - _HEADROOM_MS,
        connects=_CONNECTS,
    ),
    Stream(
        name="unified",
        serves=lambda account: account.mode == UNIFIED,
        url=unified_url,
        protocol=_socket({"action": "subscribe", "channel": "execution", "tradeType": "UNIFIED"}),
        prepare=unified_ticket,
        lifetime_ms=_TOKEN_LIFE_MS - _HEADROOM_MS,
        connects=_CONNECTS,
    ),
)
