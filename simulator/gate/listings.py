"""Gate's markets and coins, and how its public calls list them."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import msgspec

from simulator.dialect import Call
from simulator.gate.errors import refusal
from simulator.markets import Pair, perpetual_pairs, spot_pairs
from simulator.truth import INVERSE, LINEAR, SPOT, Market, plain

GT = "GT"
KNOWN_AS = {"GTC": "GAMECOM"}
"""Coins whose letters stand for another coin elsewhere, so that clients rename them."""
GTC = Pair("GTC", "USDT", Decimal("0.0001"), Decimal("0.1"), Decimal("0.5"))
DECIMAL = "SOL"
"""The perpetual that is traded in tenths of contracts."""
PRODUCTS = {"usdt": LINEAR, "btc": INVERSE}
STATUS = {"trading": "tradable", "halted": "untradable"}
FIRST_TRADE = 5_736_713_000


def listed() -> Iterator[Market]:
    """Spot, perpetuals against USDT, and one settled in bitcoin; spot and perpetuals share their names."""
    for pair in (*spot_pairs(GT), GTC):
        yield Market(
            product=SPOT,
            id=f"{pair.base}_{pair.quote}",
            symbol=f"{KNOWN_AS.get(pair.base, pair.base)}/{pair.quote}",
            base=pair.base,
            quote=pair.quote,
            tick=pair.tick,
            step=pair.step,
            start_price=pair.price,
            last_id=FIRST_TRADE,
        )
    for pair in (*perpetual_pairs(), GTC):
        yield Market(
            product=LINEAR,
            id=f"{pair.base}_{pair.quote}",
            symbol=f"{KNOWN_AS.get(pair.base, pair.base)}/{pair.quote}:{pair.quote}",
            base=pair.base,
            quote=pair.quote,
            settle=pair.quote,
            tick=pair.tick,
            step=Decimal("0.1") if pair.base == DECIMAL else Decimal(1),
            contract_size=pair.step,
            start_price=pair.price,
        )
    yield Market(
        product=INVERSE,
        id="BTC_USD",
        symbol="BTC/USD:BTC",
        base="BTC",
        quote="USD",
        settle="BTC",
        tick=Decimal("0.1"),
        step=Decimal(1),
        start_price=Decimal(64_000),
    )


def product_of(call: Call) -> str:
    """The product that the settlement coin of the path means; raises INVALID_PARAM_VALUE."""
    settle = call.names["settle"]
    if settle not in PRODUCTS:
        raise refusal("INVALID_PARAM_VALUE", f"invalid argument: settle {settle}")
    return PRODUCTS[settle]


def time_now(call: Call) -> Any:
    """GET /spot/time."""
    return {"server_time": call.now_ms}


def currencies(call: Call) -> Any:
    """GET /spot/currencies."""
    names = {name for market in call.exchange.markets.values() for name in (market.base, market.quote)}
    off = {"withdraw_disabled": False, "withdraw_delayed": False, "deposit_disabled": False}
    return [
        {
            "currency": name,
            "name": name,
            "delisted": False,
            "trade_disabled": False,
            "fixed_rate": "",
            "chain": name,
            "chains": [{"name": name, "addr": "", **off}],
            **off,
        }
        for name in sorted(names)
    ]


def currency_pairs(call: Call) -> Any:
    """GET /spot/currency_pairs."""
    return [
        {
            "id": market.id,
            "base": market.base,
            "base_name": market.base,
            "quote": market.quote,
            "quote_name": market.quote,
            "fee": "0.1",
            "min_base_amount": plain(market.step),
            "min_quote_amount": "1",
            "max_quote_amount": "5000000",
            "amount_precision": places(market.step),
            "precision": places(market.tick),
            "trade_status": STATUS[market.status],
            "sell_start": 0,
            "buy_start": market.listed_ms // 1000,
            "type": "normal",
        }
        for market in _listed_now(call, SPOT)
    ]


def contracts(call: Call) -> Any:
    """GET /futures/{settle}/contracts."""
    return [_contract(market) for market in _listed_now(call, product_of(call))]


def _listed_now(call: Call, product: str) -> Iterator[Market]:
    for market in call.exchange.markets.values():
        if market.product == product and market.status != "delisted":
            yield market


def _contract(market: Market) -> dict[str, Any]:
    """The inverse contract's multiplier is a 0 that means one dollar."""
    is_inverse = market.product == INVERSE
    price = plain(market.shown)
    return {
        "name": market.id,
        "type": "inverse" if is_inverse else "direct",
        "quanto_multiplier": "0" if is_inverse else plain(market.contract_size),
        "ref_discount_rate": "0",
        "order_price_deviate": "0.5",
        "maintenance_rate": "0.005",
        "mark_type": "index",
        "last_price": price,
        "mark_price": price,
        "index_price": price,
        "funding_rate_indicative": "0.0001",
        "mark_price_round": plain(market.tick),
        "funding_offset": 0,
        "in_delisting": False,
        "risk_limit_base": "1000000",
        "interest_rate": "0.0003",
        "order_price_round": plain(market.tick),
        "order_size_min": msgspec.Raw(plain(market.step).encode()),
        "order_size_max": 1_000_000,
        "enable_decimal": market.step < 1,
        "ref_rebate_rate": "0.2",
        "risk_limit_step": "1000000",
        "risk_limit_max": "8000000",
        "leverage_min": "1",
        "leverage_max": "100",
        "funding_interval": 28_800,
        "funding_rate": "0.0001",
        "funding_next_apply": 4_102_444_800,
        "maker_fee_rate": "-0.0001",
        "taker_fee_rate": "0.00075",
        "create_time": market.listed_ms // 1000,
        "status": "trading" if market.status == "trading" else "suspend",
    }


def places(step: Decimal) -> int:
    """How many digits after the point a step has."""
    return max(0, -int(step.normalize().as_tuple().exponent))
