"""Samples and real messages: where they lie, and what a reading must give for them."""

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from shared.domain.markets import Market, Markets
from shared.domain.trades import Trade
from shared.exchanges import load, names
from shared.exchanges.kit.contract import Heard
from shared.exchanges.kit.wire import decode_json

OWN = Path(__file__).parent / "samples"
REAL = Path(__file__).parents[3] / "shared" / "samples"
ACCOUNT = UUID("00000000-0000-4000-8000-000000000001")


def own_samples() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every sample of our own: exchange and sample."""
    for name in names():
        file = OWN / f"{name}.json"
        for sample in json.loads(file.read_text()) if file.exists() else ():
            yield name, sample


def real_messages() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every real message of an exchange we read; none where the folder is absent."""
    for name in names():
        file = REAL / f"{name}.json"
        for message in json.loads(file.read_text()) if file.exists() else ():
            yield name, message


def real_message(exchange: str, name: str) -> Any:
    """One real message as it came; the test that asks is skipped where the folder is absent."""
    file = REAL / f"{exchange}.json"
    if not file.exists():
        pytest.skip("the real messages are not here")
    return next(one["raw"] for one in json.loads(file.read_text()) if one["id"] == name)


def markets_of(sample: dict[str, Any]) -> Markets:
    """The sample's market list."""
    return Markets(
        Market(**{**row, "contract_size": Decimal(row["contract_size"]) if row["contract_size"] else None})
        for row in sample["markets"]
    )


def is_rest(sample: dict[str, Any]) -> bool:
    """Whether it is a response and not a socket message."""
    return str(sample["kind"]).startswith("rest")


def heard_in(exchange: str, sample: dict[str, Any]) -> Heard:
    """What our reader finds in a sample, read from its bytes."""
    found = load(exchange)
    message = json.dumps(sample["raw"]).encode()
    if is_rest(sample):
        return found.read_rest(decode_json(message), markets_of(sample), None)
    return found.read_stream(found.decode(message), markets_of(sample), None)


def shown(trade: Trade) -> dict[str, Any]:
    """A trade as samples write it; numbers compare by value."""
    return {
        "symbol": trade.symbol,
        "market_id": trade.market_id,
        "product": trade.product.value,
        "exchange_trade_id": trade.exchange_trade_id,
        "identity": trade.identity,
        "order_id": trade.order_id,
        "client_order_id": trade.client_order_id,
        "side": trade.side.value,
        "price": trade.price,
        "amount": trade.amount,
        "contracts": trade.contracts,
        "cost": trade.cost,
        "fees": [(fee.amount, fee.currency) for fee in trade.fees],
        "taker_or_maker": trade.taker_or_maker and trade.taker_or_maker.value,
        "timestamp_ms": trade.timestamp_ms,
        "kind": trade.kind.value,
        "provisional": trade.provisional,
    }


def expected(row: dict[str, Any]) -> dict[str, Any]:
    """A sample's expected trade with its numbers as numbers."""
    numbers = {
        name: None if row[name] is None else Decimal(row[name]) for name in ("price", "amount", "contracts", "cost")
    }
    return {**row, **numbers, "fees": [(Decimal(amount), currency) for amount, currency in row["fees"]]}
