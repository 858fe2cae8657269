"""The other calls: time, the key, the account, its wallets, coins."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from simulator.bybit.errors import good, refusal
from simulator.bybit.executions import executions
from simulator.bybit.keys import key_report
from simulator.bybit.listings import instruments
from simulator.dialect import Call, Route
from simulator.markets import DOLLARS
from simulator.truth import ZERO, Account, plain

UNIFIED, FUNDING = "unified", "funding"
CLASSIC_STATUS = 1


def routes() -> Iterator[Route]:
    """Every path; `weight` is how many a second an account may make."""
    yield Route(method="GET", host="*", path="/v5/market/time", handler=_time)
    yield Route(method="GET", host="*", path="/v5/market/instruments-info", handler=instruments)
    for path, handler, quota in (
        ("/v5/execution/list", executions, 50),
        ("/v5/user/query-api", _key, 10),
        ("/v5/account/info", _account, 50),
        ("/v5/account/wallet-balance", _unified_wallet, 50),
        ("/v5/asset/transfer/query-account-coins-balance", _coins, 5),
        ("/v5/asset/coin/query-info", _coin_info, 5),
    ):
        yield Route(
            method="GET", host="*", path=path, handler=handler, signed=True, pool=path, details={"quota": quota}
        )


def _time(call: Call) -> Any:
    now = call.now_ms
    return good({"timeSecond": str(now // 1000), "timeNano": str(now * 1_000_000)}, now)


def _key(call: Call) -> Any:
    return good(key_report(call.account, call.now_ms), call.now_ms)


def _account(call: Call) -> Any:
    result = {
        "marginMode": "REGULAR_MARGIN",
        "updatedTime": str(call.account.created_ms),
        "unifiedMarginStatus": call.account.details.get("margin_status", 6),
        "dcpStatus": "OFF",
        "timeWindow": 10,
        "smpGroup": 0,
        "isMasterTrader": False,
        "spotHedgingStatus": "OFF",
    }
    return good(result, call.now_ms)


def _unified_wallet(call: Call) -> Any:
    if call.params.get("accountType") != "UNIFIED":
        raise refusal(10001, call.now_ms, "accountType only support UNIFIED.")
    if call.account.details.get("margin_status", 6) == CLASSIC_STATUS:
        raise refusal(10028, call.now_ms)
    result = {"list": [wallet_of(call.account, set(filter(None, call.params.get("coin", "").split(","))))]}
    return good(result, call.now_ms)


def wallet_of(account: Account, wanted: set[str]) -> dict[str, Any]:
    """The unified wallet with its coins; those that hold nothing are left out unless they are `wanted`."""
    coins, total = [], ZERO
    for coin, held in account.wallets.get(UNIFIED, {}).items():
        if not (held.total or held.locked) and coin not in wanted:
            continue
        if wanted and coin not in wanted:
            continue
        worth = (held.total * DOLLARS.get(coin, Decimal(0))).quantize(Decimal("0.00000001"))
        total += worth
        coins.append(
            {
                "coin": coin,
                "equity": plain(held.total),
                "usdValue": plain(worth),
                "walletBalance": plain(held.total),
                "free": "",
                "locked": plain(held.locked),
                "spotHedgingQty": "0",
                "borrowAmount": "0",
                "spotBorrow": "0",
                "accruedInterest": "0",
                "totalOrderIM": "0",
                "totalPositionIM": "0",
                "totalPositionMM": "0",
                "unrealisedPnl": "0",
                "cumRealisedPnl": "0",
                "bonus": "0",
                "availableToWithdraw": "",
                "collateralSwitch": True,
                "marginCollateral": True,
            }
        )
    return {
        "accountType": "UNIFIED",
        "totalEquity": plain(total),
        "totalWalletBalance": plain(total),
        "totalMarginBalance": plain(total),
        "totalAvailableBalance": plain(total),
        "totalPerpUPL": "0",
        "totalInitialMargin": "0",
        "totalMaintenanceMargin": "0",
        "accountIMRate": "0",
        "accountMMRate": "0",
        "accountLTV": "0",
        "coin": coins,
    }


def _coins(call: Call) -> Any:
    """Coins of one wallet. Some read-only keys may not see it (`details.funding_hidden`)."""
    account, wanted = call.account, call.params.get("accountType", "")
    wallet = {"FUND": FUNDING, "UNIFIED": UNIFIED}.get(wanted)
    if wallet is None:
        raise refusal(10001, call.now_ms, "account type is invalid")
    if account.details.get("funding_hidden"):
        raise refusal(10005, call.now_ms)
    balance = [
        {
            "coin": coin,
            "walletBalance": plain(held.total),
            "transferBalance": plain(held.free),
            "bonus": "0",
        }
        for coin, held in account.wallets.get(wallet, {}).items()
        if held.total or wanted == "UNIFIED"
    ]
    return good({"memberId": account.uid, "accountType": wanted, "balance": balance}, call.now_ms)


def _coin_info(call: Call) -> Any:
    names = {name for market in call.exchange.markets.values() for name in (market.base, market.quote)}
    wanted = call.params.get("coin")
    rows = [
        {
            "name": name,
            "coin": name,
            "remainAmount": "1000000",
            "chains": [
                {
                    "chain": name,
                    "chainType": name,
                    "confirmation": "2",
                    "withdrawFee": "0.001",
                    "depositMin": "0",
                    "withdrawMin": "0.01",
                    "minAccuracy": "8",
                    "chainDeposit": "1",
                    "chainWithdraw": "1",
                    "withdrawPercentageFee": "0",
                    "contractAddress": "",
                }
            ],
        }
        for name in sorted(names)
        if wanted in {None, "", name}
    ]
    return good({"rows": rows}, call.now_ms)
