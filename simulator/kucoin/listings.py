"""KuCoin's markets and coins, and how its public REST calls list them."""

from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from simulator.kucoin.errors import good, refusal
from simulator.markets import Pair, perpetual_pairs, spot_pairs
from simulator.truth import INVERSE, LINEAR, SPOT, Market, plain

if TYPE_CHECKING:
    from simulator.dialect import Call

# Its futures call bitcoin XBT; the names of some coins differ from what the world calls them.
FUTURES_NAMES = {"BTC": "XBT"}
FIRST_SPOT_TRADE = 20_801_647_764_195_331  # above 2^53: ids are whole numbers that a float would round
FIRST_FUTURES_TRADE = 1_828_954_878_212


def listed() -> Iterator[Market]:
    """Spot, perpetuals against USDT, and one perpetual settled in bitcoin."""
    for pair in spot_pairs("KCS"):
        yield _spot(pair, known_as=pair.base)
    # The same letters stand for another coin elsewhere, so that clients rename it.
    yield _spot(Pair("WAX", "USDT", Decimal("0.0001"), Decimal("0.1"), Decimal("0.05")), known_as="WAXP")
    for pair in perpetual_pairs():
        yield Market(
            product=LINEAR,
            id=f"{FUTURES_NAMES.get(pair.base, pair.base)}{pair.quote}M",
            symbol=f"{pair.base}/{pair.quote}:{pair.quote}",
            base=pair.base,
            quote=pair.quote,
            settle=pair.quote,
            tick=pair.tick,
            step=Decimal(1),
            contract_size=pair.step,
            start_price=pair.price,
            last_id=FIRST_FUTURES_TRADE,
        )
    yield Market(
        product=INVERSE,
        id="XBTUSDM",
        symbol="BTC/USD:BTC",
        base="BTC",
        quote="USD",
        settle="BTC",
        tick=Decimal("0.1"),
        step=Decimal(1),
        contract_size=Decimal(1),
        start_price=Decimal(64_000),
        last_id=FIRST_FUTURES_TRADE,
    )


def _spot(pair: Pair, *, known_as: str) -> Market:
    return Market(
        product=SPOT,
        id=f"{pair.base}-{pair.quote}",
        symbol=f"{known_as}/{pair.quote}",
        base=pair.base,
        quote=pair.quote,
        tick=pair.tick,
        step=pair.step,
        start_price=pair.price,
        last_id=FIRST_SPOT_TRADE,
    )


def symbols(call: "Call") -> Any:
    """GET /api/v2/symbols."""
    return good([_symbol(market) for market in call.exchange.markets.values() if _is_listed(market, SPOT)])


def _symbol(market: Market) -> dict[str, Any]:
    return {
        "symbol": market.id,
        "name": market.id,
        "baseCurrency": market.base,
        "quoteCurrency": market.quote,
        "feeCurrency": market.quote,
        "market": "USDS" if market.quote in {"USDT", "USDC"} else market.quote,
        "baseMinSize": plain(market.step),
        "quoteMinSize": "0.1",
        "baseMaxSize": "10000000000",
        "quoteMaxSize": "99999999",
        "baseIncrement": plain(market.step),
        "quoteIncrement": "0.000001",
        "priceIncrement": plain(market.tick),
        "priceLimitRate": "0.1",
        "minFunds": "0.1",
        "isMarginEnabled": False,
        "enableTrading": market.status == "trading",
        "feeCategory": 1,
        "makerFeeCoefficient": "1.00",
        "takerFeeCoefficient": "1.00",
        "st": False,
    }


def tickers(call: "Call") -> Any:
    """GET /api/v1/market/allTickers."""
    rates = call.exchange.dialect.rates[SPOT]
    rows = [
        {
            "symbol": market.id,
            "symbolName": market.id,
            "buy": plain(market.bid),
            "sell": plain(market.ask),
            "changeRate": "0.001",
            "changePrice": plain(market.price - market.open_24h),
            "high": plain(market.high_24h),
            "low": plain(market.low_24h),
            "vol": plain(market.volume_24h),
            "volValue": plain(market.turnover_24h),
            "last": plain(market.shown or market.price),
            "averagePrice": plain(market.open_24h),
            "takerFeeRate": plain(rates[1]),
            "makerFeeRate": plain(rates[0]),
            "takerCoefficient": "1",
            "makerCoefficient": "1",
        }
        for market in call.exchange.markets.values()
        if _is_listed(market, SPOT)
    ]
    return good({"time": call.now_ms, "ticker": rows})


def contracts(call: "Call") -> Any:
    """GET /api/v1/contracts/active on the futures host: only what is open."""
    rates = call.exchange.dialect.rates[LINEAR]
    return good(
        [
            _contract(market, rates)
            for market in call.exchange.markets.values()
            if market.product != SPOT and market.status == "trading"
        ]
    )


def instruments(call: "Call") -> Any:
    """GET /api/ua/v1/market/instrument?tradeType=…: the same markets in the words of the unified interface."""
    kind = call.params.get("tradeType", "")
    if kind not in {"SPOT", "FUTURES"}:
        raise refusal("400100", "tradeType is invalid")
    found = [
        _instrument(market)
        for market in call.exchange.markets.values()
        if market.status != "delisted" and (market.product == SPOT) is (kind == "SPOT")
    ]
    return good({"tradeType": kind, "list": found})


def _instrument(market: Market) -> dict[str, Any]:
    shared = {
        "symbol": market.id,
        "quoteCurrency": market.quote,
        "tickSize": plain(market.tick),
        "makerFeeRate": "0.001",
        "takerFeeRate": "0.001",
        "tradingStatus": "1" if market.status == "trading" else "0",
    }
    if market.product == SPOT:
        return {
            **shared,
            "baseCurrency": market.base,
            "baseOrderStep": plain(market.step),
            "minBaseOrderSize": plain(market.step),
            "maxBaseOrderSize": "10000000000",
            "marginMode": "0",
        }
    return {
        **shared,
        "baseCurrency": FUTURES_NAMES.get(market.base, market.base),
        "settlementCurrency": FUTURES_NAMES.get(market.settle, market.settle),
        "contractType": "0",
        "unitSize": plain(market.contract_size),
        "lotSize": plain(market.step),
        "maxLeverage": 100,
    }


def _contract(market: Market, rates: tuple[Decimal, Decimal]) -> dict[str, Any]:
    inverse = market.product == INVERSE
    base = FUTURES_NAMES.get(market.base, market.base)
    return {
        "symbol": market.id,
        "rootSymbol": market.settle,
        "type": "FFWCSX",
        "firstOpenDate": market.listed_ms,
        "expireDate": None,
        "settleDate": None,
        "baseCurrency": base,
        "quoteCurrency": market.quote,
        "settleCurrency": FUTURES_NAMES.get(market.settle, market.settle),
        "maxOrderQty": 1_000_000,
        "maxPrice": 1_000_000.0,
        "lotSize": int(market.step),
        "tickSize": float(market.tick),
        "indexPriceTickSize": 0.01,
        "multiplier": float(-market.contract_size if inverse else market.contract_size),
        "makerFeeRate": float(rates[0]),
        "takerFeeRate": float(rates[1]),
        "isDeleverage": True,
        "isQuanto": False,
        "isInverse": inverse,
        "markMethod": "FairPrice",
        "fundingFeeRate": 0.0001,
        "nextFundingRateTime": 14_400_000,
        "status": "Open",
        "maxLeverage": 100,
        "lastTradePrice": float(market.price),
    }


def currencies(call: "Call") -> Any:
    """GET /api/v3/currencies."""
    more: dict[str, Any] = {"confirms": None, "contractAddress": None, "chains": []}
    return good([{**_currency(name), **more} for name in _coins(call)])


def unified_currencies(call: "Call") -> Any:
    """GET /api/ua/v1/asset/currencies."""
    return good([{**_currency(name), "items": []} for name in _coins(call)])


def _coins(call: "Call") -> list[str]:
    return sorted({name for market in call.exchange.markets.values() for name in (market.base, market.quote)} | {"KCS"})


def _currency(name: str) -> dict[str, Any]:
    return {
        "currency": name,
        "name": name,
        "fullName": name,
        "precision": 8,
        "isMarginEnabled": False,
        "isDebitEnabled": False,
    }


def _is_listed(market: Market, product: str) -> bool:
    return market.product == product and market.status != "delisted"
