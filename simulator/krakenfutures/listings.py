"""The contracts: perpetuals in dollars of several collaterals (PF), and inverse ones in their coin (PI, FI).

From docs.kraken.com (read 2026-11): Get instruments.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from simulator.dialect import Call
from simulator.http import Response
from simulator.krakenfutures.errors import good
from simulator.truth import INVERSE, LINEAR, Market

EXPIRY = ("351228", "2035-12-28T15:00:00.000Z")
CONTRACTS = (
    (LINEAR, "PF", "BTC", "64000", "1", "0.0001"),
    (LINEAR, "PF", "ETH", "3200", "0.1", "0.001"),
    (LINEAR, "PF", "SOL", "150", "0.01", "0.01"),
    (LINEAR, "PF", "XRP", "0.55", "0.0001", "1"),
    (LINEAR, "PF", "ADA", "0.45", "0.0001", "1"),
    (LINEAR, "PF", "LTC", "72", "0.01", "0.01"),
    (LINEAR, "PF", "LINK", "14", "0.001", "0.1"),
    (INVERSE, "PI", "BTC", "64000", "0.5", "1"),
    (INVERSE, "PI", "ETH", "3200", "0.05", "1"),
    (INVERSE, "FI", "BTC", "64500", "0.5", "1"),
)
"""Product, prefix, coin, price, price step and size step: of base coin, or of contracts of a dollar each."""


def coin_id(coin: str) -> str:
    """XBT."""
    return "XBT" if coin == "BTC" else coin


def listed() -> Iterator[Market]:
    """Every contract at the start."""
    for product, prefix, coin, price, tick, step in CONTRACTS:
        settle = "USD" if product == LINEAR else coin
        dated = prefix == "FI"
        yield Market(
            product=product,
            id=f"{prefix}_{coin_id(coin)}USD" + (f"_{EXPIRY[0]}" if dated else ""),
            symbol=f"{coin}/USD:{settle}" + (f"-{EXPIRY[0]}" if dated else ""),
            base=coin,
            quote="USD",
            settle=settle,
            tick=Decimal(tick),
            step=Decimal(step),
            start_price=Decimal(price),
        )


def instruments(call: Call) -> Response:
    """GET instruments: contracts, and the indices that they follow."""
    found = [market for market in call.exchange.markets.values() if market.status != "delisted"]
    index = {"symbol": "in_xbtusd", "type": "spot index", "tradeable": False, "tags": []}
    return good({"instruments": [*map(_row, found), index]}, call.now_ms)


def _row(market: Market) -> dict[str, Any]:
    inverse = market.product == INVERSE
    row = {
        "symbol": market.id,
        "pair": f"{coin_id(market.base)}:USD",
        "base": market.base,
        "quote": "USD",
        "type": "futures_inverse" if inverse else "flexible_futures",
        "underlying": f"rr_{coin_id(market.base).lower()}usd",
        "tickSize": market.tick,
        "contractSize": market.contract_size,
        "contractValueTradePrecision": -int(market.step.as_tuple().exponent),
        "tradeable": market.status == "trading",
        "impactMidSize": 1,
        "maxPositionSize": 1_000_000,
        "openingDate": "2022-01-01T00:00:00.000Z",
        "marginLevels": [{"contracts": 0, "initialMargin": Decimal("0.02"), "maintenanceMargin": Decimal("0.01")}],
        "tags": [],
    }
    return row | ({"lastTradingTime": EXPIRY[1]} if market.id.endswith(EXPIRY[0]) else {})
