"""What can be traded, and how Coinbase lists it: dollar markets, their USDC doubles, and US futures."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from simulator.dialect import Call
from simulator.markets import COINS, DOLLARS
from simulator.truth import LINEAR, SPOT, Market, plain

DOUBLED = ("BTC", "ETH", "SOL")
"""Coins whose USDC market is the dollar market under another name."""
FIAT = ("USD", "EUR")
RENAMED = {"CGLD": "CELO"}
CROSSES = (("ETH", "BTC", "0.00001", "0.0001"), ("BTC", "EUR", "0.01", "0.00001"), ("ETH", "EUR", "0.01", "0.0001"))
FAR_EXPIRY = "2030-12-20"
FUTURES = (
    # Id, coin, contract size, price step, name, date of expiry; None: none that matters.
    ("BIP-20DEC30-CDE", "BTC", "0.01", "5", "BTC PERP", None),
    ("ETP-20DEC30-CDE", "ETH", "0.1", "0.5", "ETH PERP", None),
    ("BIT-25DEC26-CDE", "BTC", "0.01", "5", "BTC 25 DEC 26", "2026-12-25"),
)


def markets() -> Iterator[Market]:
    for coin in COINS:
        yield _spot(coin.name, "USD", coin.tick, coin.step, coin.dollars)
    yield _spot("CGLD", "USD", Decimal("0.001"), Decimal("0.01"), Decimal("0.5"))
    for coin in COINS:
        if coin.name in DOUBLED:
            yield _spot(coin.name, "USDC", coin.tick, coin.step, coin.dollars)
    for base, quote, tick, step in CROSSES:
        price = (DOLLARS[base] / DOLLARS[quote]).quantize(Decimal(tick))
        yield _spot(base, quote, Decimal(tick), Decimal(step), price)
    for own_id, coin_name, size, tick, name, expiry in FUTURES:
        ending = "" if expiry is None else "-" + expiry[2:].replace("-", "")
        yield Market(
            product=LINEAR,
            id=own_id,
            symbol=f"{coin_name}/USD:USD{ending}",
            base=coin_name,
            quote="USD",
            settle="USD",
            tick=Decimal(tick),
            step=Decimal(1),
            contract_size=Decimal(size),
            start_price=DOLLARS[coin_name],
            details={"name": name, "expiry": expiry or FAR_EXPIRY},
        )


def _spot(base: str, quote: str, tick: Decimal, step: Decimal, price: Decimal) -> Market:
    return Market(
        product=SPOT,
        id=f"{base}-{quote}",
        symbol=f"{RENAMED.get(base, base)}/{quote}",
        base=base,
        quote=quote,
        tick=tick,
        step=step,
        start_price=price,
    )


def alias(market: Market) -> str:
    """The name under which sockets speak of a market: USDC doubles go by their dollar market's."""
    return f"{market.base}-USD" if market.quote == "USDC" and market.base in DOUBLED else market.id


def products(call: Call) -> Any:
    """GET /api/v3/brokerage/market/products, and its signed twin: spot unless futures are asked for."""
    product = LINEAR if call.params.get("product_type") == "FUTURE" else SPOT
    found = [
        _product(market)
        for market in call.exchange.markets.values()
        if market.product == product and market.status != "delisted"
    ]
    return {"products": found, "num_products": len(found)}


def _product(market: Market) -> dict[str, Any]:
    """Everything is a text but the flags."""
    is_spot, other = market.product == SPOT, alias(market)
    row: dict[str, Any] = {
        "product_id": market.id,
        "price": plain(market.shown),
        "price_percentage_change_24h": plain((market.shown / market.open_24h - 1) * 100),
        "volume_24h": plain(market.volume_24h),
        "base_increment": plain(market.step),
        "quote_increment": plain(market.tick),
        "quote_min_size": "1",
        "quote_max_size": "150000000",
        "base_min_size": plain(market.step),
        "base_max_size": "3400",
        "base_name": market.base if is_spot else "",
        "quote_name": market.quote,
        "is_disabled": False,
        "status": "online" if is_spot else "",
        "trading_disabled": market.status != "trading",
        "product_type": "SPOT" if is_spot else "FUTURE",
        "quote_currency_id": market.quote,
        "base_currency_id": market.base if is_spot else "",
        "mid_market_price": "",
        "alias": "" if other == market.id else other,
        "alias_to": [f"{market.base}-USDC"] if is_spot and market.quote == "USD" and market.base in DOUBLED else [],
        "base_display_symbol": market.base if is_spot else "",
        "quote_display_symbol": market.quote,
        "price_increment": plain(market.tick),
        "display_name": market.details.get("name", market.id),
        "product_venue": "CBE" if is_spot else "FCM",
    }
    if not is_spot:
        row["future_product_details"] = {
            "venue": "cde",
            "contract_code": market.id.partition("-")[0],
            "contract_expiry": f"{market.details.get('expiry', FAR_EXPIRY)}T16:00:00Z",
            "contract_size": plain(market.contract_size),
            "contract_root_unit": market.base,
            "risk_managed_by": "MANAGED_BY_FCM",
            "contract_expiry_type": "EXPIRING",
            "contract_display_name": market.details.get("name", market.id),
        }
    return row


def coins(call: Call) -> list[str]:
    """Every coin of every spot market."""
    listed = (one for one in call.exchange.markets.values() if one.product == SPOT)
    return sorted({name for one in listed for name in (one.base, one.quote)})


def fiat_currencies(call: Call) -> Any:
    """GET /v2/currencies."""
    return {"data": [{"id": name, "name": name, "min_size": "0.01"} for name in coins(call) if name in FIAT]}


def crypto_currencies(call: Call) -> Any:
    """GET /v2/currencies/crypto."""
    rows = [
        {
            "asset_id": str(uuid5(NAMESPACE_OID, name)),
            "code": name,
            "name": name,
            "color": "#0433FF",
            "sort_index": place,
            "exponent": 8,
            "type": "crypto",
        }
        for place, name in enumerate(coins(call))
        if name not in FIAT
    ]
    return {"data": rows}


def exchange_rates(call: Call) -> Any:
    """GET /v2/exchange-rates: how much of each coin a dollar is."""
    rates = {name: f"{1 / DOLLARS.get(name, Decimal(1)):.12f}" for name in coins(call)}
    return {"data": {"currency": "USD", "rates": rates}}
