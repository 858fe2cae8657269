"""Binance's markets, and how exchangeInfo lists them."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from simulator.markets import perpetual_pairs, spot_pairs
from simulator.truth import INVERSE, LINEAR, SPOT, Market, plain

FAR_FUTURE_MS = 4_133_404_800_000
STATUS = {"trading": "TRADING", "halted": "BREAK", "delisted": "BREAK"}


def listed() -> Iterator[Market]:
    """Spot, USDT perpetuals, and one coin-margined perpetual."""
    for pair in spot_pairs():
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
    # Names there need not be ASCII.
    yield Market(
        product=SPOT,
        id="币安人生USDT",
        symbol="币安人生/USDT",
        base="币安人生",
        quote="USDT",
        tick=Decimal("0.0001"),
        step=Decimal("0.1"),
        start_price=Decimal("0.25"),
    )
    for pair in perpetual_pairs():
        yield Market(
            product=LINEAR,
            id=pair.base + pair.quote,
            symbol=f"{pair.base}/{pair.quote}:{pair.quote}",
            base=pair.base,
            quote=pair.quote,
            settle=pair.quote,
            tick=pair.tick,
            step=pair.step,
            start_price=pair.price,
        )
    yield Market(
        product=INVERSE,
        id="BTCUSD_PERP",
        symbol="BTC/USD:BTC",
        base="BTC",
        quote="USD",
        settle="BTC",
        tick=Decimal("0.1"),
        step=Decimal(1),
        contract_size=Decimal(100),
        start_price=Decimal(64_000),
    )


def _places(step: Decimal) -> int:
    exponent = step.normalize().as_tuple().exponent
    return max(0, -int(exponent))


def spot_entry(market: Market) -> dict[str, Any]:
    """One symbol of /api/v3/exchangeInfo."""
    return {
        "symbol": market.id,
        "status": STATUS[market.status],
        "baseAsset": market.base,
        "baseAssetPrecision": 8,
        "quoteAsset": market.quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT"],
        "icebergAllowed": True,
        "ocoAllowed": True,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": [
            {
                "filterType": "PRICE_FILTER",
                "minPrice": plain(market.tick),
                "maxPrice": "1000000.00000000",
                "tickSize": f"{market.tick:.8f}",
            },
            {
                "filterType": "LOT_SIZE",
                "minQty": plain(market.step),
                "maxQty": "9000.00000000",
                "stepSize": f"{market.step:.8f}",
            },
            {
                "filterType": "MARKET_LOT_SIZE",
                "minQty": "0.00000000",
                "maxQty": "100.00000000",
                "stepSize": "0.00000000",
            },
            {"filterType": "NOTIONAL", "minNotional": "5.00000000", "maxNotional": "9000000.00000000"},
        ],
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": "EXPIRE_MAKER",
        "allowedSelfTradePreventionModes": ["EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH"],
    }


def futures_entry(market: Market) -> dict[str, Any]:
    """One symbol of /fapi/v1/exchangeInfo or /dapi/v1/exchangeInfo."""
    entry: dict[str, Any] = {
        "symbol": market.id,
        "pair": market.base + market.quote,
        "contractType": "PERPETUAL",
        "deliveryDate": FAR_FUTURE_MS,
        "onboardDate": market.listed_ms,
        "maintMarginPercent": "2.5000",
        "requiredMarginPercent": "5.0000",
        "baseAsset": market.base,
        "quoteAsset": market.quote,
        "marginAsset": market.settle,
        "pricePrecision": _places(market.tick),
        "quantityPrecision": _places(market.step),
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "COIN",
        "filters": [
            {
                "filterType": "PRICE_FILTER",
                "minPrice": plain(market.tick),
                "maxPrice": "4529764",
                "tickSize": plain(market.tick),
            },
            {
                "filterType": "LOT_SIZE",
                "minQty": plain(market.step),
                "maxQty": "1000",
                "stepSize": plain(market.step),
            },
            {
                "filterType": "MARKET_LOT_SIZE",
                "minQty": plain(market.step),
                "maxQty": "120",
                "stepSize": plain(market.step),
            },
            {"filterType": "MIN_NOTIONAL", "notional": "5"},
        ],
        "orderTypes": ["LIMIT", "MARKET", "STOP", "TAKE_PROFIT"],
        "timeInForce": ["GTC", "IOC", "FOK", "GTX"],
    }
    status = "TRADING" if market.status == "trading" else "SETTLING"
    if market.product == INVERSE:
        entry |= {"contractStatus": status, "contractSize": int(market.contract_size)}
    else:
        entry["status"] = status
    return entry
