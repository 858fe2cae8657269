"""How Coinbase Exchange writes a fill: as a row of REST, in the ledger, and as a match on the socket."""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from simulator.markets import DOLLARS
from simulator.truth import ZERO, Account, Fill, Market, Order, plain

MICROS = 1_000
FIRST_LEDGER_ROW = 1_000_000
ROWS_OF_A_FILL = 64
"""A fill has two at most; what was paid in or out after it, and before the next, takes the others."""
FIRST_SEQUENCE = 5_641_000_000
OPPOSITE = {"buy": "sell", "sell": "buy"}
MAKER_RATE, TAKER_RATE = Decimal("0.004"), Decimal("0.006")
REBATES = {"ETH-BTC": Decimal("-0.00005")}
"""Markets that pay their makers."""


def written(micros: int) -> str:
    """A moment with microseconds."""
    seconds, rest = divmod(micros, 1_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:06d}Z"


def moment(fill: Fill) -> int:
    """Microseconds of a fill, finer than it is known."""
    return fill.timestamp_ms * MICROS + fill.sequence % 1000


def user_id(account: Account) -> str:
    """The person's id: 24 hexadecimal digits."""
    return hashlib.sha256(f"user of {account.uid}".encode()).hexdigest()[:24]


def coin_account_id(account: Account, coin: str) -> str:
    return str(uuid5(NAMESPACE_OID, f"{account.uid} {coin}"))


def fee(fill: Fill) -> Decimal:
    return fill.fees[0].amount if fill.fees else ZERO


def sequence_of(market: Market) -> int:
    """How far a product's own numbers have come."""
    return int(market.details.get("sequence", FIRST_SEQUENCE))


def rate(market: Market, *, maker: bool) -> Decimal:
    """What a role pays in a market, of the cost."""
    return REBATES.get(market.id, MAKER_RATE) if maker else TAKER_RATE


def fill_row(account: Account, fill: Fill) -> dict[str, Any]:
    """A row of /fills: `side` is the account's own."""
    return {
        "created_at": written(moment(fill)),
        "trade_id": int(fill.trade_id),
        "product_id": fill.market.id,
        "order_id": fill.order.id,
        "user_id": user_id(account),
        "profile_id": account.uid,
        "liquidity": "M" if fill.maker else "T",
        "price": f"{fill.price:.8f}",
        "size": f"{fill.size:.8f}",
        "fee": f"{fee(fill):.16f}",
        "side": fill.side,
        "settled": True,
        "usd_volume": f"{fill.cost * DOLLARS.get(fill.market.quote, Decimal(1)):.16f}",
        "market_type": "spot",
        "funding_currency": fill.market.quote,
    }


def ledger_rows(fill: Fill, coin: str) -> Iterator[dict[str, Any]]:
    """What a fill left in the ledger of one coin, newest first: what was paid for it, then the coin itself."""
    first = FIRST_LEDGER_ROW + fill.sequence * ROWS_OF_A_FILL
    shared = {
        "created_at": written(moment(fill)),
        "balance": "0",
        "details": {"order_id": fill.order.id, "product_id": fill.market.id, "trade_id": fill.trade_id},
    }
    paid = fee(fill)
    if coin == fill.market.quote and paid:
        yield {"id": str(first + 1), "amount": plain(-paid), "type": "fee" if paid > 0 else "rebate", **shared}
    gained = (coin == fill.market.base) == (fill.side == "buy")
    amount = fill.amount if coin == fill.market.base else fill.cost
    yield {"id": str(first), "amount": plain(amount if gained else -amount), "type": "match", **shared}


def money_row(number: int, moment_ms: int, amount: Decimal) -> dict[str, Any]:
    """What was paid in (negative: out)."""
    kind = "deposit" if amount > 0 else "withdraw"
    return {
        "id": str(number),
        "amount": plain(amount),
        "created_at": written(moment_ms * MICROS),
        "balance": "0",
        "type": "transfer",
        "details": {"transfer_id": str(number), "transfer_type": kind},
    }


def match(account: Account, fill: Fill, sequence: int) -> dict[str, Any]:
    """A fill on the channel `user`: `side` is the maker's, the fee only a rate, of the role that one had."""
    role, other = ("maker", "taker") if fill.maker else ("taker", "maker")
    user = user_id(account)
    return {
        "type": "match",
        "trade_id": int(fill.trade_id),
        "sequence": sequence,
        f"{role}_order_id": fill.order.id,
        f"{other}_order_id": str(uuid5(NAMESPACE_OID, f"{fill.market.id} {fill.trade_id}")),
        "time": written(moment(fill)),
        "product_id": fill.market.id,
        "size": f"{fill.size:.8f}",
        "price": plain(fill.price),
        "side": fill.side if fill.maker else OPPOSITE[fill.side],
        f"{role}_user_id": user,
        "user_id": user,
        f"{role}_profile_id": account.uid,
        "profile_id": account.uid,
        f"{role}_fee_rate": plain(rate(fill.market, maker=fill.maker)),
    }


def order_step(account: Account, order: Order, kind: str, sequence: int, now_ms: int) -> dict[str, Any]:
    """received, open or done: orders' own events, which tell of no trade."""
    row: dict[str, Any] = {
        "type": kind,
        "time": written(now_ms * MICROS),
        "product_id": order.market.id,
        "sequence": sequence,
        "order_id": order.id,
        "side": order.side,
        "user_id": user_id(account),
        "profile_id": account.uid,
    }
    if kind == "received":
        row |= {"order_type": order.type, "size": plain(order.size), "client_oid": order.client_id}
    elif kind == "done":
        row |= {"reason": order.status, "remaining_size": plain(order.left)}
    else:
        row |= {"remaining_size": plain(order.size)}
    if order.type == "limit":
        row["price"] = plain(order.price)
    return row
