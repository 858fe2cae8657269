"""MEXC's markets and coins, and how each of the two systems lists them."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from simulator.dialect import Call
from simulator.markets import perpetual_pairs, spot_pairs
from simulator.mexc.errors import futures_refusal, good, refusal
from simulator.mexc.rows import number
from simulator.truth import INVERSE, LINEAR, SPOT, Market, plain

NAMESAKES = (("GMT", "GMTTOKEN"), ("STEPN", "GMT"))
"""Coins that are called otherwise elsewhere, with the name that clients give them."""
FREE = (Decimal(0), Decimal(0))
COSTLY = (Decimal("0.001"), Decimal("0.002"))
REBATE = (Decimal("-0.0001"), Decimal("0.0004"))
SPECIAL_RATES = {
    (SPOT, "BTCUSDC"): FREE,
    (SPOT, "ETHUSDC"): COSTLY,
    (SPOT, "XRPUSDT"): COSTLY,
    (LINEAR, "SOL_USDT"): FREE,
    (LINEAR, "ETH_USDT"): REBATE,
}
"""Maker and taker rates of markets that differ from the rest."""
SPOT_STATUS = {"trading": "1", "halted": "2"}
CONTRACT_STATE = {"trading": 0, "halted": 4}


def listed() -> Iterator[Market]:
    """Spot, perpetuals in USDT, one against its own coin. A linear contract is one step of base coin."""
    for pair in spot_pairs("MX"):
        yield _spot(pair.base, pair.base, pair.quote, pair.tick, pair.step, pair.price)
    for own, name in NAMESAKES:
        yield _spot(own, name, "USDT", Decimal("0.0001"), Decimal("0.1"), Decimal("0.2"))
    for pair in perpetual_pairs():
        size = Decimal("0.0001") if pair.base == "BTC" else pair.step
        yield _contract(pair.base, pair.base, pair.quote, size, pair.tick, pair.price)
    yield _contract("STEPN", "GMT", "USDT", Decimal(1), Decimal("0.0001"), Decimal("0.2"))
    yield _contract("BTC", "BTC", "USD", Decimal(100), Decimal("0.1"), Decimal(64_000), settle="BTC")


def _spot(base: str, called: str, quote: str, tick: Decimal, step: Decimal, price: Decimal) -> Market:
    return Market(
        product=SPOT,
        id=base + quote,
        symbol=f"{called}/{quote}",
        base=base,
        quote=quote,
        tick=tick,
        step=step,
        start_price=price,
        rest_grain_ms=1_000,
    )


def _contract(
    base: str, called: str, quote: str, size: Decimal, tick: Decimal, price: Decimal, settle: str = "USDT"
) -> Market:
    return Market(
        product=LINEAR if settle == quote else INVERSE,
        id=f"{base}_{quote}",
        symbol=f"{called}/{quote}:{settle}",
        base=base,
        quote=quote,
        settle=settle,
        tick=tick,
        step=Decimal(1),
        contract_size=size,
        start_price=price,
    )


def contract(call: Call, market_id: str) -> Market | None:
    """A contract by its name, whichever coin it is settled in; a delisted one still has its history."""
    markets = call.exchange.markets
    return markets.get((LINEAR, market_id)) or markets.get((INVERSE, market_id))


def places(step: Decimal) -> int:
    """How many decimal places a step has."""
    return max(0, -int(step.normalize().as_tuple().exponent))


# Spot.


def exchange_info(call: Call) -> Any:
    """GET /api/v3/exchangeInfo; `symbol` or `symbols` narrow it, an unknown one is -1121."""
    wanted = [name for name in (call.params.get("symbol") or call.params.get("symbols", "")).split(",") if name]
    found = {market.id: market for market in call.exchange.markets.values() if market.product == SPOT}
    for name in wanted:
        if name not in found:
            raise refusal(-1121)
    entries = [_symbol(call, market) for market in found.values() if not wanted or market.id in wanted]
    return {
        "timezone": "CST",
        "serverTime": call.now_ms,
        "rateLimits": [],
        "exchangeFilters": [],
        "symbols": [entry for entry in entries if entry is not None],
    }


def _symbol(call: Call, market: Market) -> dict[str, Any] | None:
    """None for one that is listed no more."""
    if market.status == "delisted":
        return None
    maker, taker = SPECIAL_RATES.get(market.key, call.exchange.dialect.rates[SPOT])
    return {
        "symbol": market.id,
        "status": SPOT_STATUS[market.status],
        "baseAsset": market.base,
        "baseAssetPrecision": places(market.step),
        "quoteAsset": market.quote,
        "quotePrecision": places(market.tick),
        "quoteAssetPrecision": places(market.tick),
        "baseCommissionPrecision": places(market.step),
        "quoteCommissionPrecision": places(market.tick),
        "orderTypes": ["LIMIT", "MARKET", "LIMIT_MAKER"],
        "isSpotTradingAllowed": market.status == "trading",
        "isMarginTradingAllowed": False,
        "quoteAmountPrecision": "1",
        "baseSizePrecision": plain(market.step),
        "permissions": ["SPOT"],
        "filters": [],
        "maxQuoteAmount": "2000000",
        "makerCommission": plain(maker),
        "takerCommission": plain(taker),
        "tradeSideType": 1,
    }


def own_symbols(call: Call) -> Any:
    """GET /api/v3/selfSymbols: what the key may use (`details.symbols`), otherwise all."""
    every = [market.id for market in call.exchange.open_markets(SPOT)]
    return {"code": 200, "data": call.account.details.get("symbols", every), "msg": None}


def coins(call: Call) -> Any:
    """GET /api/v3/capital/config/getall."""
    names = {coin for market in call.exchange.markets.values() for coin in (market.base, market.quote)} - {"USD"}
    return [{"coin": coin, "name": coin, "networkList": [_network(coin)]} for coin in sorted(names)]


def _network(coin: str) -> dict[str, Any]:
    return {
        "coin": coin,
        "depositDesc": None,
        "depositEnable": True,
        "minConfirm": 12,
        "name": coin,
        "network": coin,
        "netWork": coin,
        "withdrawEnable": True,
        "withdrawFee": "0.1",
        "withdrawIntegerMultiple": None,
        "withdrawMax": "1000000",
        "withdrawMin": "1",
        "sameAddress": False,
        "contract": "",
        "withdrawTips": None,
        "depositTips": None,
    }


# Futures.


def contract_detail(call: Call) -> Any:
    """GET /api/v1/contract/detail: all contracts, or the one that `symbol` names."""
    wanted = call.params.get("symbol")
    found = [
        market
        for market in call.exchange.markets.values()
        if market.product != SPOT and market.status != "delisted" and wanted in {None, market.id}
    ]
    if wanted is not None and not found:
        raise futures_refusal(1001)
    rows = [_detail(call, market) for market in found]
    return good(rows if wanted is None else rows[0])


def _detail(call: Call, market: Market) -> dict[str, Any]:
    maker, taker = SPECIAL_RATES.get(market.key, call.exchange.dialect.rates[market.product])
    return {
        "symbol": market.id,
        "displayName": f"{market.base}_{market.quote}永续",
        "displayNameEn": f"{market.base}_{market.quote} PERPETUAL",
        "positionOpenType": 3,
        "baseCoin": market.base,
        "quoteCoin": market.quote,
        "settleCoin": market.settle,
        "contractSize": number(market.contract_size),
        "minLeverage": 1,
        "maxLeverage": 125,
        "priceScale": places(market.tick),
        "volScale": 0,
        "amountScale": 4,
        "priceUnit": number(market.tick),
        "volUnit": number(market.step),
        "minVol": number(market.step),
        "maxVol": 1_000_000,
        "takerFeeRate": number(taker),
        "makerFeeRate": number(maker),
        "maintenanceMarginRate": number(Decimal("0.004")),
        "initialMarginRate": number(Decimal("0.008")),
        "state": CONTRACT_STATE[market.status],
        "isNew": False,
        "isHot": False,
        "isHidden": False,
    }
