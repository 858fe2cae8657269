"""HTX's markets and currencies, and how its lists name them: lower case on spot, dashes on contracts."""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from msgspec import Raw

from simulator.dialect import Call
from simulator.htx.errors import legacy_good, spot_good, spot_v2_good
from simulator.markets import perpetual_pairs, spot_pairs
from simulator.truth import LINEAR, SPOT, Market, plain

STATES = {"trading": "online", "halted": "suspend", "delisted": "offline"}
CONTRACT_STATUS = {"trading": 1, "halted": 3, "delisted": 0}
DATED = "281229"
DELIVERY_MS = 1_861_689_600_000
INVERSE_SWAP = {
    "symbol": "BTC",
    "contract_code": "BTC-USD",
    "contract_size": 100,
    "price_tick": Raw(b"0.1"),
    "delivery_time": "",
    "create_date": "20200325",
    "contract_status": 1,
    "settlement_date": "1637481600000",
}
INVERSE_FUTURE = {
    "symbol": "BTC",
    "contract_code": f"BTC{DATED}",
    "contract_type": "quarter",
    "contract_size": 100,
    "price_tick": Raw(b"0.1"),
    "delivery_date": f"20{DATED}",
    "delivery_time": str(DELIVERY_MS),
    "create_date": "20260925",
    "contract_status": 1,
    "settlement_time": "1637481600000",
}
"""One coin-margined contract of each kind is listed, because a client takes an empty list for a failure."""


def listed() -> Iterator[Market]:
    """Spot, perpetuals in USDT and one contract with a date."""
    for pair in spot_pairs("HT"):
        yield Market(
            product=SPOT,
            id=(pair.base + pair.quote).lower(),
            symbol=f"{pair.base}/{pair.quote}",
            base=pair.base,
            quote=pair.quote,
            tick=pair.tick,
            step=pair.step,
            start_price=pair.price,
        )
    for pair in perpetual_pairs():
        yield _contract(pair.base, "", pair.tick, pair.step, pair.price)
    yield _contract("BTC", f"-{DATED}", Decimal("0.1"), Decimal("0.001"), Decimal(64_500))


def _contract(base: str, date: str, tick: Decimal, size: Decimal, price: Decimal) -> Market:
    return Market(
        product=LINEAR,
        id=f"{base}-USDT{date}",
        symbol=f"{base}/USDT:USDT{date}",
        base=base,
        quote="USDT",
        settle="USDT",
        tick=tick,
        step=Decimal(1),
        contract_size=size,
        start_price=price,
        details={"date": date.lstrip("-")},
    )


def contract_type(market: Market) -> str:
    """swap, or for a contract with a date how far that is."""
    return "quarter" if market.details["date"] else "swap"


def number(value: Decimal) -> Raw:
    """A decimal as a JSON number."""
    return Raw(plain(value).encode())


def symbols(call: Call) -> Any:
    """GET /v1/common/symbols."""
    return spot_good([_symbol(market) for market in call.exchange.markets.values() if market.product == SPOT])


def _symbol(market: Market) -> dict[str, Any]:
    return {
        "base-currency": market.base.lower(),
        "quote-currency": market.quote.lower(),
        "price-precision": _places(market.tick),
        "amount-precision": _places(market.step),
        "symbol-partition": "main",
        "symbol": market.id,
        "state": STATES[market.status],
        "value-precision": 8,
        "min-order-amt": number(market.step),
        "max-order-amt": 1_000_000,
        "min-order-value": 5,
        "leverage-ratio": 5,
        "super-margin-leverage-ratio": 3,
        "api-trading": "enabled",
        "tags": "",
    }


def _places(step: Decimal) -> int:
    return max(0, -int(step.normalize().as_tuple().exponent))


def currencies(call: Call) -> Any:
    """GET /v2/reference/currencies."""
    return spot_v2_good([_currency(name) for name in coins(call)])


def coins(call: Call) -> list[str]:
    """All coins of the spot markets, in lower case."""
    spot = [market for market in call.exchange.markets.values() if market.product == SPOT]
    return sorted({name.lower() for market in spot for name in (market.base, market.quote)})


def _currency(name: str) -> dict[str, Any]:
    chain = {
        "chain": f"{name}1",
        "displayName": name.upper(),
        "baseChain": name.upper(),
        "baseChainProtocol": name.upper(),
        "isDynamic": True,
        "numOfConfirmations": 12,
        "numOfFastConfirmations": 12,
        "depositStatus": "allowed",
        "minDepositAmt": "0.23",
        "withdrawStatus": "allowed",
        "minWithdrawAmt": "0.23",
        "withdrawPrecision": 8,
        "maxWithdrawAmt": "227000",
        "withdrawFeeType": "fixed",
        "transactFeeWithdraw": "1",
        "addrWithTag": False,
        "addrDepositTag": False,
    }
    return {"currency": name, "assetType": 2 if name == "eur" else 1, "chains": [chain], "instStatus": "normal"}


def linear_contracts(call: Call) -> Any:
    """GET /linear-swap-api/v1/swap_contract_info: perpetuals, with `business_type` others too."""
    kind = call.params.get("business_type", "swap")
    wanted, code = (
        {"swap": {"swap"}, "futures": {"futures"}}.get(kind, {"swap", "futures"}),
        call.params.get("contract_code", ""),
    )
    rows = [
        _contract_row(market)
        for market in call.exchange.markets.values()
        if market.product == LINEAR and business_type(market) in wanted and code in {"", market.id}
    ]
    return legacy_good(rows, call.now_ms)


def business_type(market: Market) -> str:
    """swap or futures."""
    return "futures" if market.details["date"] else "swap"


def _contract_row(market: Market) -> dict[str, Any]:
    date = market.details["date"]
    return {
        "symbol": market.base,
        "contract_code": market.id,
        "contract_size": number(market.contract_size),
        "price_tick": number(market.tick),
        "contract_status": CONTRACT_STATUS[market.status],
        "create_date": datetime.fromtimestamp(market.listed_ms // 1000, UTC).strftime("%Y%m%d"),
        "settlement_date": "1637481600000",
        "delivery_date": f"20{date}" if date else "",
        "delivery_time": str(DELIVERY_MS) if date else "",
        "pair": f"{market.base}-{market.quote}",
        "business_type": business_type(market),
        "contract_type": contract_type(market),
        "support_margin_mode": "cross" if date else "all",
        "trade_partition": market.quote,
    }


def inverse_swaps(call: Call) -> Any:
    """GET /swap-api/v1/swap_contract_info."""
    return legacy_good([INVERSE_SWAP], call.now_ms)


def inverse_futures(call: Call) -> Any:
    """GET /api/v1/contract_contract_info."""
    return legacy_good([INVERSE_FUTURE], call.now_ms)
