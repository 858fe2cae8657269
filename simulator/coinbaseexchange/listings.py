"""What can be traded on Coinbase Exchange, and how products and currencies are listed."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from simulator.coinbaseexchange.errors import refusal
from simulator.dialect import Call
from simulator.markets import COINS, DOLLARS
from simulator.truth import SPOT, Market, plain

RENAMED = {"CGLD": "CELO"}
FIAT = ("USD", "EUR")
CROSSES = (
    ("ETH", "BTC", "0.00001", "0.0001"),
    ("BTC", "EUR", "0.01", "0.00001"),
    ("ETH", "EUR", "0.01", "0.0001"),
    ("BTC", "USDT", "0.01", "0.00001"),
)


def markets() -> Iterator[Market]:
    for coin in COINS:
        yield _market(coin.name, "USD", coin.tick, coin.step, coin.dollars)
    yield _market("CGLD", "USD", Decimal("0.001"), Decimal("0.01"), Decimal("0.5"))
    for base, quote, tick, step in CROSSES:
        price = (DOLLARS[base] / DOLLARS[quote]).quantize(Decimal(tick))
        yield _market(base, quote, Decimal(tick), Decimal(step), price)


def _market(base: str, quote: str, tick: Decimal, step: Decimal, price: Decimal) -> Market:
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


def products(call: Call) -> Any:
    """GET /products. A market that was delisted stays on the list for good."""
    return [_product(market) for market in call.exchange.markets.values()]


def product(call: Call) -> Any:
    """GET /products/{product}."""
    market = call.exchange.markets.get((SPOT, call.names["product"]))
    if market is None:
        raise refusal(404, "NotFound")
    return _product(market)


def _product(market: Market) -> dict[str, Any]:
    trades = market.status == "trading"
    return {
        "id": market.id,
        "base_currency": market.base,
        "quote_currency": market.quote,
        "quote_increment": plain(market.tick),
        "base_increment": plain(market.step),
        "display_name": market.id,
        "min_market_funds": "1",
        "margin_enabled": False,
        "post_only": False,
        "limit_only": False,
        "cancel_only": market.status == "halted",
        "status": "delisted" if market.status == "delisted" else "online",
        "status_message": "",
        "trading_disabled": not trades,
        "fx_stablecoin": False,
        "max_slippage_percentage": "0.02000000",
        "auction_mode": False,
    }


def currencies(call: Call) -> Any:
    """GET /currencies."""
    names = sorted({name for one in call.exchange.markets.values() for name in (one.base, one.quote)})
    return [
        {
            "id": name,
            "name": name,
            "min_size": "0.01" if name in FIAT else "0.00000001",
            "status": "online",
            "message": "",
            "max_precision": "0.01" if name in FIAT else "0.00000001",
            "convertible_to": [],
            "details": {"type": "fiat" if name in FIAT else "crypto", "symbol": None},
            "default_network": "",
            "supported_networks": [],
            "display_name": name,
        }
        for name in names
    ]
