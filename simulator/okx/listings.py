"""OKX's markets, and how public/instruments lists them."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from simulator.dialect import Call
from simulator.exchange import Exchange
from simulator.markets import perpetual_pairs, spot_pairs
from simulator.okx.errors import good, refusal
from simulator.truth import INVERSE, LINEAR, SPOT, Market, plain

INST_TYPES = ("SPOT", "MARGIN", "SWAP", "FUTURES", "OPTION")
CONTRACTS = {
    "BTC": ("0.01", "0.01"),
    "ETH": ("0.1", "0.01"),
    "SOL": ("1", "0.01"),
    "ADA": ("100", "0.1"),
    "XRP": ("100", "0.01"),
    "BNB": ("0.01", "1"),
    "DOGE": ("1000", "0.01"),
    "LTC": ("1", "0.1"),
}
"""Base coin in one contract, and the smallest part of a contract that is traded."""


def listed() -> Iterator[Market]:
    """Spot, one book in dollars that is paid in USDC, perpetuals in USDT and USDC, two margined in their coin."""
    for pair in spot_pairs():
        yield _spot(f"{pair.base}-{pair.quote}", pair.base, pair.quote, pair.quote, pair.tick, pair.step, pair.price)
    yield _spot("BTC-USD", "BTC", "USD", "USDC", Decimal("0.1"), Decimal("0.00001"), Decimal(64_000))
    for pair in perpetual_pairs():
        contract, step = CONTRACTS[pair.base]
        yield _swap(LINEAR, pair.base, "USDT", contract, pair.tick, step, pair.price)
    yield _swap(LINEAR, "BTC", "USDC", "0.0001", Decimal("0.1"), "1", Decimal(64_000))
    yield _swap(INVERSE, "BTC", "USD", "100", Decimal("0.1"), "0.1", Decimal(64_000))
    yield _swap(INVERSE, "ETH", "USD", "10", Decimal("0.01"), "1", Decimal(3_200))


def _spot(inst_id: str, base: str, named: str, paid: str, tick: Decimal, step: Decimal, price: Decimal) -> Market:
    """`named` is the quote that its name says, `paid` the coin that moves."""
    return Market(
        product=SPOT,
        id=inst_id,
        symbol=f"{base}/{named}",
        base=base,
        quote=paid,
        tick=tick,
        step=step,
        start_price=price,
    )


def _swap(product: str, base: str, quote: str, contract: str, tick: Decimal, step: str, price: Decimal) -> Market:
    settle = base if product == INVERSE else quote
    return Market(
        product=product,
        id=f"{base}-{quote}-SWAP",
        symbol=f"{base}/{quote}:{settle}",
        base=base,
        quote=quote,
        settle=settle,
        tick=tick,
        step=Decimal(step),
        contract_size=Decimal(contract),
        start_price=price,
    )


def find(exchange: Exchange, inst_id: str, *, delisted: bool = False) -> Market | None:
    """The market of that name, whatever its product; a delisted one still has its history."""
    for product in (SPOT, LINEAR, INVERSE):
        market = exchange.markets.get((product, inst_id))
        if market is not None and (delisted or market.status != "delisted"):
            return market
    return None


def family(market: Market) -> str:
    """What contracts of one underlying and one settlement share; spot has none."""
    return market.id.removesuffix("-SWAP") if market.product != SPOT else ""


def is_in_family(market: Market, wanted: str) -> bool:
    """Whether a market is of the family asked for ("": of any)."""
    return not wanted or family(market) == wanted


def instruments(call: Call) -> Any:
    """GET /api/v5/public/instruments."""
    kind = inst_type_of(call, required=True)
    if kind == "OPTION" and not (call.params.get("uly") or call.params.get("instFamily")):
        raise refusal(50014, "instFamily or uly")
    inst_id = call.params.get("instId")
    if inst_id and find(call.exchange, inst_id) is None:
        raise refusal(51001)
    found = []
    for market in call.exchange.markets.values():
        kinds = ("SPOT", "MARGIN") if market.product == SPOT else ("SWAP",)
        if kind not in kinds or market.status == "delisted" or (inst_id and market.id != inst_id):
            continue
        if is_in_family(market, call.params.get("instFamily", "")):
            found.append(_entry(market, kind))
    return good(found)


def inst_type_of(call: Call, *, required: bool) -> str:
    """The `instType` asked for, "" when none may stand; raises 50014 or 51000."""
    kind = call.params.get("instType", "")
    if not kind and required:
        raise refusal(50014, "instType")
    if kind and kind not in INST_TYPES:
        raise refusal(51000, "instType")
    return kind


def _entry(market: Market, kind: str) -> dict[str, Any]:
    base, quote = market.id.split("-")[:2]
    is_swap = market.product != SPOT
    return {
        "alias": "",
        "auctionEndTime": "",
        "baseCcy": "" if is_swap else base,
        "category": "1",
        "contTdSwTime": str(market.listed_ms),
        "ctMult": "1" if is_swap else "",
        "ctType": market.product if is_swap else "",
        "ctVal": plain(market.contract_size) if is_swap else "",
        "ctValCcy": (quote if market.product == INVERSE else base) if is_swap else "",
        "expTime": "",
        "futureSettlement": False,
        "instFamily": family(market),
        "instId": market.id,
        "instType": kind,
        "lever": "50" if is_swap else "10",
        "listTime": str(market.listed_ms),
        "lotSz": plain(market.step),
        "maxIcebergSz": "100000000",
        "maxLmtAmt": "20000000",
        "maxLmtSz": "100000000",
        "maxMktAmt": "" if is_swap else "1000000",
        "maxMktSz": "100000" if is_swap else "1000000",
        "maxStopSz": "100000" if is_swap else "1000000",
        "maxTriggerSz": "100000000",
        "maxTwapSz": "100000000",
        "minSz": plain(market.step),
        "optType": "",
        "openType": "",
        "quoteCcy": "" if is_swap else quote,
        "tradeQuoteCcyList": [] if is_swap else [market.quote],
        "settleCcy": market.settle,
        "state": "live" if market.status == "trading" else "suspend",
        "ruleType": "normal",
        "stk": "",
        "tickSz": plain(market.tick),
        "uly": f"{base}-{quote}" if is_swap else "",
    }
