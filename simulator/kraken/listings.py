"""The pairs and coins, under the three names that each has: the id, the short name, and that of the sockets.

From docs.kraken.com (read 2026-11): Assets, AssetPairs. Markets here bear the names that clients use (BTC, USD).
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from simulator.dialect import Call
from simulator.http import Response
from simulator.kraken.errors import good, refusal
from simulator.truth import SPOT, Market, plain

_IDS = {"BTC": "XXBT", "ETH": "XETH", "XRP": "XXRP", "LTC": "XLTC", "DOGE": "XXDG", "USD": "ZUSD", "EUR": "ZEUR"}
_SHORT = {"BTC": "XBT", "DOGE": "XDG", "LUNC": "LUNA"}
PAIRS = (
    ("XXBTZUSD", "BTC", "USD", "64000", "0.1", "0.0001"),
    ("XETHZUSD", "ETH", "USD", "3200", "0.01", "0.001"),
    ("SOLUSD", "SOL", "USD", "150", "0.01", "0.001"),
    ("XXRPZUSD", "XRP", "USD", "0.55", "0.0001", "0.1"),
    ("ADAUSD", "ADA", "USD", "0.45", "0.0001", "0.1"),
    ("XDGUSD", "DOGE", "USD", "0.12", "0.00001", "1"),
    ("XLTCZUSD", "LTC", "USD", "72", "0.01", "0.001"),
    ("LINKUSD", "LINK", "USD", "14", "0.001", "0.01"),
    ("XBTUSDT", "BTC", "USDT", "64000", "0.1", "0.0001"),
    ("ETHUSDT", "ETH", "USDT", "3200", "0.01", "0.001"),
    ("XBTUSDC", "BTC", "USDC", "64000", "0.1", "0.0001"),
    ("XXBTZEUR", "BTC", "EUR", "59000", "0.1", "0.0001"),
    ("XETHZEUR", "ETH", "EUR", "2960", "0.01", "0.001"),
    ("XETHXXBT", "ETH", "BTC", "0.05", "0.00001", "0.001"),
    ("LUNAUSD", "LUNC", "USD", "0.0001", "0.00000001", "1"),
    ("USDCUSD", "USDC", "USD", "1.0002", "0.0001", "0.1"),
)
"""Id, base, quote, price, price step and size step; the last two keep costs within what the exchange writes."""
STABLE = "USDCUSD"
"""Where makers pay nothing."""
FEE_PLACES = {"BTC": Decimal("0.00000001")}
DECIMALS = {"USD": 4, "EUR": 4}


def asset_id(coin: str) -> str:
    """XXBT."""
    return _IDS.get(coin, _SHORT.get(coin, coin))


def short_name(coin: str) -> str:
    """XBT."""
    return _SHORT.get(coin, coin)


def socket_name(coin: str) -> str:
    """BTC; but LUNA where clients say LUNC."""
    return "LUNA" if coin == "LUNC" else coin


def altname(market: Market) -> str:
    """XBTUSD."""
    return short_name(market.base) + short_name(market.quote)


def socket_symbol(market: Market) -> str:
    """BTC/USD."""
    return f"{socket_name(market.base)}/{socket_name(market.quote)}"


def listed() -> Iterator[Market]:
    """Every market at the start."""
    for place, (name, base, quote, price, tick, step) in enumerate(PAIRS):
        yield Market(
            product=SPOT,
            id=name,
            symbol=f"{base}/{quote}",
            base=base,
            quote=quote,
            tick=Decimal(tick),
            step=Decimal(step),
            start_price=Decimal(price),
            details={"place": place},
        )


def _markets(call: Call) -> list[Market]:
    return [market for market in call.exchange.markets.values() if market.status != "delisted"]


def asset_pairs(call: Call) -> Response:
    """GET AssetPairs: delisted pairs are gone from it, their trades are not."""
    found = _markets(call)
    wanted = call.params.get("pair", "")
    if wanted:
        names = wanted.split(",")
        found = [market for market in found if market.id in names or altname(market) in names]
        if len(found) != len(names):
            raise refusal("EQuery:Unknown asset pair")
    return good({market.id: _pair(market) for market in found})


def _pair(market: Market) -> dict[str, Any]:
    maker = Decimal(0) if market.id == STABLE else Decimal("0.25")
    return {
        "altname": altname(market),
        "wsname": f"{short_name(market.base)}/{short_name(market.quote)}",
        "aclass_base": "currency",
        "base": asset_id(market.base),
        "aclass_quote": "currency",
        "quote": asset_id(market.quote),
        "lot": "unit",
        "cost_decimals": 5,
        "pair_decimals": places(market.tick),
        "lot_decimals": 8,
        "lot_multiplier": 1,
        "leverage_buy": [],
        "leverage_sell": [],
        "fees": [[0, Decimal("0.4")]],
        "fees_maker": [[0, maker]],
        "fee_volume_currency": "ZUSD",
        "margin_call": 80,
        "margin_stop": 40,
        "ordermin": plain(market.step),
        "costmin": "0.5",
        "tick_size": plain(market.tick),
        "status": "online" if market.status == "trading" else "cancel_only",
    }


def places(value: Decimal) -> int:
    """How many decimals a step has."""
    return len(plain(value).partition(".")[2])


def assets(call: Call) -> Response:
    """GET Assets, with the rows of coins that earn."""
    rows: dict[str, Any] = {}
    for market in _markets(call):
        for coin in (market.base, market.quote):
            for name, alt in ((asset_id(coin), short_name(coin)), (f"{short_name(coin)}.F",) * 2):
                rows[name] = {
                    "aclass": "currency",
                    "altname": alt,
                    "decimals": DECIMALS.get(coin, 10),
                    "display_decimals": DECIMALS.get(coin, 10) // 2,
                    "status": "enabled",
                }
    return good(rows)
