"""The private socket: it tells orders and how much of them filled, never a fill.

Whatever rises is a reason to read history, by the order's id. History shows a fill about 300 ms after the order does.
The first subscription is due within 5 s, each message takes a token of its own, and without `heartbeats` a quiet
socket is closed. One `user` subscription of a user at a time: a second closes the first one's socket.
Docs: https://docs.cdp.coinbase.com/coinbase-app/advanced-trade-apis/websocket, read 2026-11.
"""

from collections.abc import Iterator
from decimal import Decimal
from functools import partial
from typing import Any

from msgspec import Struct

from shared.domain.errors import ContractBroken, KeyRejected, TradeSyncError, UnreadableRow
from shared.domain.markets import Markets
from shared.domain.trades import Product, Unreadable
from shared.exchanges.coinbase.history import FEED, feed_of
from shared.exchanges.coinbase.keys import token
from shared.exchanges.coinbase.rest import KEY_REJECTED
from shared.exchanges.kit.contract import Broken, Due, Frame, Heard, Pool, Stream, Ticket
from shared.exchanges.kit.fields import Row, optional_decimal, row_of, rows_of, text, word
from shared.exchanges.kit.private_socket import PrivateSocket
from shared.exchanges.kit.talk import Answered, Ends, Manners, Meaning, PrivateTalk, Step, Told, Turn
from shared.exchanges.kit.wire import encode_json

# `heartbeats` come every second. A subscription counts as an unauthenticated message, of 8 a second and address.
MANNERS = Manners(silence_ms=10_000, messages=(4, 1_000))
CONNECTS = Pool(name="connects", scope="address", capacity=8, per_ms=1_000)

_USER = "user"
_ENDED = frozenset({"FILLED", "CANCELLED", "EXPIRED", "FAILED"})


def subscription(channel: str, **more: Any) -> Frame:
    """What subscribes to a channel: one to a message."""
    return encode_json({"type": "subscribe", "channel": channel, **more})


def _subscribe(turn: Turn) -> list[Frame]:
    """All markets: none is named."""
    return [subscription(channel, jwt=token(turn.credentials, turn.now, channel)) for channel in ("heartbeats", _USER)]


def _meaning(message: Any, turn: Turn) -> Meaning:
    frame = row_of(message, "the message")
    if frame.get("type") == "error":
        return Answered(_USER, _error_of(str(frame.get("message", ""))))
    if _is_after_a_gap(frame, turn.memory.setdefault("numbers", {})):
        return Ends(Broken("a message was lost on the way"))
    channel = frame.get("channel")
    if channel == _USER:
        return Told()
    return Answered(_USER) if channel == "subscriptions" and _names_user(frame) else None


def _error_of(said: str) -> TradeSyncError:
    if "authentication" in said.lower():
        return KeyRejected(KEY_REJECTED)
    return ContractBroken(f"The exchange refuses the subscription: {said[:200]}")


def _is_after_a_gap(frame: Row, numbers: dict[str, int]) -> bool:
    """Whether a message before this one is missing. All channels seem to be counted together, or each by itself."""
    number, channel = frame.get("sequence_num"), str(frame.get("channel"))
    if isinstance(number, bool) or not isinstance(number, int):
        return False
    expected = {numbers.get(channel, -1) + 1, max(numbers.values(), default=number - 1) + 1}
    numbers[channel] = number
    return number not in expected


def _names_user(frame: Row) -> bool:
    events = [row_of(event, "the event") for event in rows_of(frame.get("events"), "'events'")]
    return any(_USER in row_of(event.get("subscriptions"), "'subscriptions'") for event in events)


class _Filled(Struct, frozen=True):
    """How far an order has come."""

    order_id: str
    count: Decimal
    amount: Decimal
    has_ended: bool


def read_stream(message: Any, markets: Markets, product: Product | None) -> Heard:
    """The orders of a message of which anything filled. Their market may be told by another name: it is not read."""
    del markets, product
    filled, unreadable = _filled_in(message)
    return Heard(unreadable=unreadable, history_due=tuple(Due(FEED, order.order_id) for order in filled))


def _read(message: Any, markets: Markets, turn: Turn) -> Heard:
    """The orders that have come further than they were when last heard of, or ended."""
    del markets
    filled, unreadable = _filled_in(message)
    known: dict[str, _Filled] = turn.memory.setdefault("orders", {})
    risen = []
    for order in filled:
        if order != known.get(order.order_id):
            risen.append(order)
        if order.has_ended:
            known.pop(order.order_id, None)
        else:
            known[order.order_id] = order
    return Heard(unreadable=unreadable, history_due=tuple(Due(FEED, order.order_id) for order in risen))


def _filled_in(message: Any) -> tuple[list[_Filled], tuple[Unreadable, ...]]:
    filled, unreadable = [], []
    for raw in _orders_in(row_of(message, "the message")):
        try:
            order = _order(row_of(raw, "the order"))
        except UnreadableRow as error:
            unreadable.append(Unreadable(reason=error.sentence, raw=raw))
        else:
            if order is not None:
                filled.append(order)
    return filled, tuple(unreadable)


def _orders_in(frame: Row) -> Iterator[Any]:
    if frame.get("channel") == _USER:
        for event in rows_of(frame.get("events"), "'events'"):
            yield from rows_of(row_of(event, "the event").get("orders") or [], "'orders'")


def _order(row: Row) -> _Filled | None:
    """A spot order of which something filled, None for any other."""
    if row.get("product_type", "SPOT") != "SPOT":
        return None
    counts = [optional_decimal(row, name) for name in ("number_of_fills", "cumulative_quantity")]
    if counts == [None, None]:
        raise UnreadableRow("the order does not say how much of it filled")
    count, amount = (told or Decimal(0) for told in counts)
    if not count and not amount:
        return None
    return _Filled(text(row, "order_id"), count, amount, word(row, "status") in _ENDED)


def _address(region: str, ticket: Ticket) -> str:
    del region, ticket
    return "wss://advanced-trade-ws-user.coinbase.com"


TALK = PrivateTalk(
    manners=MANNERS,
    steps=(Step(_USER, _subscribe),),
    meaning=_meaning,
    read=_read,
    feed_of=feed_of,
    looks_ms=(400, 1_500, 5_000, 15_000),
)
STREAM = Stream(
    name="user",
    serves=lambda account: Product.SPOT in account.products,
    url=_address,
    protocol=partial(PrivateSocket, TALK),
    connects=CONNECTS,
)
