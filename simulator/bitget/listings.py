"""Bitget's markets and coins, and how the public calls of both interfaces list them."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from simulator.bitget.errors import good, refusal
from simulator.dialect import Call
from simulator.markets import Pair, perpetual_pairs, spot_pairs
from simulator.truth import INVERSE, LINEAR, SPOT, Market, plain

USDT_FUTURES, USDC_FUTURES, COIN_FUTURES = "USDT-FUTURES", "USDC-FUTURES", "COIN-FUTURES"
FUTURES = (USDT_FUTURES, USDC_FUTURES, COIN_FUTURES)
DEMO_FUTURES = ("SUSDT-FUTURES", "SUSDC-FUTURES", "SCOIN-FUTURES")
PRODUCTS = {"SPOT": SPOT, USDT_FUTURES: LINEAR, USDC_FUTURES: LINEAR, COIN_FUTURES: INVERSE}
MAX_LEVERAGE = "125"


class CoinMargined(Market, kw_only=True, eq=False):
    """A perpetual settled in its base coin; here its sizes are in base coin, and its costs in quote coin."""

    def base_amount(self, size: Decimal, price: Decimal) -> Decimal:
        return size

    def quote_cost(self, size: Decimal, price: Decimal) -> Decimal:
        return size * price


def listed() -> Iterator[Market]:
    """Spot, perpetuals of three margins; a spot coin whose name is not ASCII."""
    for pair in (*spot_pairs("BGB"), Pair("币安人生", "USDT", Decimal("0.0001"), Decimal("0.1"), Decimal("0.2"))):
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
        yield _perpetual(Market, LINEAR, pair.base + pair.quote, pair)
    bitcoin = Pair("BTC", "USDC", Decimal("0.5"), Decimal("0.0001"), Decimal(64_000))
    yield _perpetual(Market, LINEAR, "BTCPERP", bitcoin)
    in_coin = Pair("BTC", "USD", Decimal("0.5"), Decimal("0.001"), Decimal(64_000))
    yield _perpetual(CoinMargined, INVERSE, "BTCUSD", in_coin)


def _perpetual(kind: type[Market], product: str, market_id: str, pair: Pair) -> Market:
    settle = pair.base if product == INVERSE else pair.quote
    return kind(
        product=product,
        id=market_id,
        symbol=f"{pair.base}/{pair.quote}:{settle}",
        base=pair.base,
        quote=pair.quote,
        settle=settle,
        tick=pair.tick,
        step=pair.step,
        start_price=pair.price,
    )


def category_of(market: Market) -> str:
    """SPOT, USDT-FUTURES …: `productType` and `instType` of the classic interface, `category` of the unified one."""
    if market.product == SPOT:
        return "SPOT"
    if market.product == INVERSE:
        return COIN_FUTURES
    return USDC_FUTURES if market.settle == "USDC" else USDT_FUTURES


def unified_id(market: Market) -> str:
    """The unified interface's name of a market."""
    return f"{market.id}_CM" if market.product == INVERSE else market.id


def product_type(call: Call) -> str:
    """The mandatory `productType` of contracts; raises 40019, 40017."""
    asked = call.params.get("productType", "").upper()
    if not asked:
        raise refusal("40019", call.now_ms, "Parameter productType cannot be empty")
    if asked not in {*FUTURES, *DEMO_FUTURES}:
        raise refusal("40017", call.now_ms, "Parameter verification failed productType")
    return asked


def _listed(call: Call, category: str) -> list[Market]:
    return [
        market
        for market in call.exchange.markets.values()
        if market.status != "delisted" and category_of(market) == category
    ]


def _places(step: Decimal) -> int:
    return max(0, -int(step.normalize().as_tuple().exponent))


def coins(call: Call) -> Any:
    """GET /api/v2/spot/public/coins."""
    names = {name for market in call.exchange.markets.values() for name in (market.base, market.quote)}
    wanted = call.params.get("coin")
    data = [
        {
            "coinId": str(place),
            "coin": name,
            "transfer": "true",
            "chains": [
                {
                    "chain": name,
                    "needTag": "false",
                    "withdrawable": "true",
                    "rechargeable": "true",
                    "withdrawFee": "0.1",
                    "extraWithdrawFee": "0",
                    "depositConfirm": "12",
                    "withdrawConfirm": "64",
                    "minDepositAmount": "0.1",
                    "minWithdrawAmount": "1",
                    "browserUrl": "",
                    "contractAddress": "",
                    "withdrawStep": "0",
                    "withdrawMinScale": "8",
                    "congestion": "normal",
                }
            ],
            "areaCoin": "no",
        }
        for place, name in enumerate(sorted(names), 1)
        if wanted in {None, "", name}
    ]
    return good(data, call.now_ms)


def symbols(call: Call) -> Any:
    """GET /api/v2/spot/public/symbols."""
    data = [
        {
            "symbol": market.id,
            "baseCoin": market.base,
            "quoteCoin": market.quote,
            "minTradeAmount": "0",
            "maxTradeAmount": "10000000000",
            "takerFeeRate": "0.001",
            "makerFeeRate": "0.001",
            "pricePrecision": str(_places(market.tick)),
            "quantityPrecision": str(_places(market.step)),
            "quotePrecision": "8",
            "status": "online" if market.status == "trading" else "halt",
            "minTradeUSDT": "1",
            "buyLimitPriceRatio": "0.05",
            "sellLimitPriceRatio": "0.05",
        }
        for market in _listed(call, "SPOT")
    ]
    return good(data, call.now_ms)


def margin_currencies(call: Call) -> Any:
    """GET /api/v2/margin/currencies: nobody here borrows."""
    data = [
        {
            "symbol": market.id,
            "baseCoin": market.base,
            "quoteCoin": market.quote,
            "maxCrossedLeverage": "0",
            "maxIsolatedLeverage": "0",
            "isBorrowable": False,
            "status": "1",
        }
        for market in _listed(call, "SPOT")
    ]
    return good(data, call.now_ms)


def contracts(call: Call) -> Any:
    """GET /api/v2/mix/market/contracts."""
    data = [
        {
            "symbol": market.id,
            "baseCoin": market.base,
            "quoteCoin": market.quote,
            "buyLimitPriceRatio": "0.05",
            "sellLimitPriceRatio": "0.05",
            "feeRateUpRatio": "0.005",
            "makerFeeRate": "0.0002",
            "takerFeeRate": "0.0006",
            "openCostUpRatio": "0.01",
            "supportMarginCoins": [market.settle],
            "minTradeNum": plain(market.step),
            "priceEndStep": plain(market.tick.scaleb(_places(market.tick))),
            "volumePlace": str(_places(market.step)),
            "pricePlace": str(_places(market.tick)),
            "sizeMultiplier": plain(market.step),
            "symbolType": "perpetual",
            "minTradeUSDT": "5",
            "symbolStatus": "normal" if market.status == "trading" else "maintain",
            "offTime": "-1",
            "limitOpenTime": "-1",
            "deliveryTime": "",
            "deliveryStartTime": "",
            "launchTime": str(market.listed_ms),
            "fundInterval": "8",
            "minLever": "1",
            "maxLever": MAX_LEVERAGE,
            "maintainTime": "",
        }
        for market in _listed(call, product_type(call))
    ]
    return good(data, call.now_ms)


def instruments(call: Call) -> Any:
    """GET /api/v3/market/instruments."""
    category = call.params.get("category", "").upper()
    if category not in {*PRODUCTS, "MARGIN"}:
        raise refusal("40017", call.now_ms, "Parameter verification failed category")
    return good([_instrument(market, category) for market in _listed(call, category)], call.now_ms)


def _instrument(market: Market, category: str) -> dict[str, Any]:
    entry = {
        "symbol": unified_id(market),
        "category": category,
        "baseCoin": market.base,
        "quoteCoin": market.quote,
        "buyLimitPriceRatio": "0.05",
        "sellLimitPriceRatio": "0.05",
        "minOrderQty": plain(market.step),
        "maxOrderQty": "0",
        "pricePrecision": str(_places(market.tick)),
        "quantityPrecision": str(_places(market.step)),
        "quotePrecision": "8",
        "minOrderAmount": "1",
        "status": "online" if market.status == "trading" else "halt",
        "maintainTime": "",
        "launchTime": str(market.listed_ms),
    }
    if market.product == SPOT:
        return {**entry, "areaSymbol": "no"}
    return {
        **entry,
        "makerFeeRate": "0.0002",
        "takerFeeRate": "0.0006",
        "priceMultiplier": plain(market.tick),
        "quantityMultiplier": plain(market.step),
        "type": "perpetual",
        "offTime": "-1",
        "limitOpenTime": "-1",
        "deliveryTime": "",
        "fundInterval": "8",
        "minLeverage": "1",
        "maxLeverage": MAX_LEVERAGE,
    }
