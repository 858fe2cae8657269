"""Bybit's markets, and how instruments-info lists them."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from simulator.bybit.errors import good, refusal
from simulator.dialect import Call
from simulator.markets import perpetual_pairs, spot_pairs
from simulator.truth import INVERSE, LINEAR, SPOT, Market, plain

CATEGORIES = (SPOT, LINEAR, INVERSE, "option")
STATUS = {"trading": "Trading", "halted": "Closed"}
USUAL_PAGE, LARGEST_PAGE = 500, 1000


def listed() -> Iterator[Market]:
    """Spot, USDT perpetuals, one in USDC with a name of its own, one coin-margined."""
    for pair in spot_pairs("MNT"):
        yield Market(
            product=SPOT,
            id=pair.base + pair.quote,
            symbol=f"{pair.base}/{pair.quote}",
            base=pair.base,
            quote=pair.quote,
            tick=pair.tick,
            step=pair.step,
            start_price=pair.price,
        )
    for pair in perpetual_pairs():
        yield _perpetual(LINEAR, pair.base + pair.quote, pair.base, pair.quote, pair.tick, pair.step, pair.price)
    yield _perpetual(LINEAR, "BTCPERP", "BTC", "USDC", Decimal("0.1"), Decimal("0.001"), Decimal(64_000))
    yield _perpetual(INVERSE, "BTCUSD", "BTC", "USD", Decimal("0.5"), Decimal(1), Decimal(64_000))


def _perpetual(
    product: str, market_id: str, base: str, quote: str, tick: Decimal, step: Decimal, price: Decimal
) -> Market:
    settle = base if product == INVERSE else quote
    return Market(
        product=product,
        id=market_id,
        symbol=f"{base}/{quote}:{settle}",
        base=base,
        quote=quote,
        settle=settle,
        tick=tick,
        step=step,
        start_price=price,
    )


def category_of(call: Call) -> str:
    """The mandatory `category`; raises 10001."""
    category = call.params.get("category", "")
    if category not in CATEGORIES:
        raise refusal(10001, call.now_ms, "params error: Category is invalid" if category else "Illegal category")
    return category


def instruments(call: Call) -> Any:
    """GET /v5/market/instruments-info; all of spot at once, the others by pages."""
    category = category_of(call)
    status, symbol = call.params.get("status", "Trading"), call.params.get("symbol")
    found = [
        market
        for market in call.exchange.markets.values()
        if market.product == category and STATUS.get(market.status) == status and symbol in {None, market.id}
    ]
    if category == SPOT:
        return good({"category": category, "list": [_entry(market) for market in found]}, call.now_ms)
    limit = call.params.get("limit", str(USUAL_PAGE))
    if not limit.isdecimal() or not 1 <= int(limit) <= LARGEST_PAGE:
        raise refusal(10001, call.now_ms, "params error: limit")
    start = int(call.params.get("cursor") or 0)
    page = found[start : start + int(limit)]
    following = start + len(page)
    result = {
        "category": category,
        "list": [_entry(market) for market in page],
        "nextPageCursor": str(following) if following < len(found) else "",
    }
    return good(result, call.now_ms)


def _entry(market: Market) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "symbol": market.id,
        "baseCoin": market.base,
        "quoteCoin": market.quote,
        "status": STATUS[market.status],
        "priceFilter": {"tickSize": plain(market.tick)},
    }
    if market.product == SPOT:
        return entry | {
            "innovation": "0",
            "marginTrading": "none",
            "lotSizeFilter": {
                "basePrecision": plain(market.step),
                "quotePrecision": "0.00000001",
                "minOrderQty": plain(market.step),
                "maxOrderQty": "100000",
                "minOrderAmt": "1",
                "maxOrderAmt": "4000000",
            },
        }
    filters = {"minPrice": plain(market.tick), "maxPrice": "1999999", "tickSize": plain(market.tick)}
    return entry | {
        "contractType": "InversePerpetual" if market.product == INVERSE else "LinearPerpetual",
        "launchTime": str(market.listed_ms),
        "deliveryTime": "0",
        "deliveryFeeRate": "",
        "priceScale": str(max(0, -int(market.tick.normalize().as_tuple().exponent))),
        "leverageFilter": {"minLeverage": "1", "maxLeverage": "100", "leverageStep": "0.01"},
        "priceFilter": filters,
        "lotSizeFilter": {
            "minNotionalValue": "5",
            "maxOrderQty": "100000",
            "minOrderQty": plain(market.step),
            "qtyStep": plain(market.step),
        },
        "unifiedMarginTrade": True,
        "fundingInterval": 480,
        "settleCoin": market.settle,
        "copyTrading": "none",
        "isPreListing": False,
    }
