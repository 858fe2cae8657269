"""Every path of OKX's REST interface that is played here, and the small answers: time, key, wallets, coins."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from simulator.dialect import Call, Route
from simulator.okx import history
from simulator.okx.errors import good
from simulator.okx.keys import REST_HOSTS, account_config
from simulator.okx.listings import instruments
from simulator.okx.wallets import funding_wallet, trading_wallet
from simulator.truth import plain

SAMPLE_COIN_FEE = Decimal("0.001")


def routes() -> Iterator[Route]:
    """`quota`: so many calls in so many milliseconds, for a user where the path is signed, else for an address."""
    public = (
        ("/api/v5/public/time", _time, (10, 2_000)),
        ("/api/v5/public/instruments", instruments, (20, 2_000)),
    )
    signed = (
        ("/api/v5/trade/fills", history.fills(history.FILLS_HORIZON_MS, needs_type=False), (60, 2_000)),
        ("/api/v5/trade/fills-history", history.fills(history.FILLS_HISTORY_HORIZON_MS, needs_type=True), (10, 2_000)),
        ("/api/v5/account/bills", history.bills(history.BILLS_HORIZON_MS), (5, 1_000)),
        ("/api/v5/account/bills-archive", history.bills(history.BILLS_ARCHIVE_HORIZON_MS), (5, 2_000)),
        ("/api/v5/account/config", _config, (5, 2_000)),
        ("/api/v5/account/balance", _trading_wallet, (10, 2_000)),
        ("/api/v5/asset/balances", _funding_wallet, (6, 1_000)),
        ("/api/v5/asset/currencies", _currencies, (6, 1_000)),
    )
    for host in REST_HOSTS:
        for is_signed, group in ((False, public), (True, signed)):
            for path, handler, quota in group:
                yield Route(
                    method="GET", host=host, path=path, handler=handler, signed=is_signed, details={"quota": quota}
                )


def _time(call: Call) -> Any:
    return good([{"ts": str(call.now_ms)}])


def _config(call: Call) -> Any:
    return good([account_config(call.account, call.exchange.dice)])


def _coins_asked(call: Call) -> set[str]:
    return set(filter(None, call.params.get("ccy", "").split(",")))


def _trading_wallet(call: Call) -> Any:
    return good([trading_wallet(call.account, _coins_asked(call), call.now_ms)])


def _funding_wallet(call: Call) -> Any:
    wanted = _coins_asked(call)
    return good([row for row in funding_wallet(call.account) if not wanted or row["ccy"] in wanted])


def _currencies(call: Call) -> Any:
    wanted = _coins_asked(call)
    names = {name for market in call.exchange.markets.values() for name in (market.base, market.quote)}
    coins = [
        {
            "canDep": True,
            "canInternal": True,
            "canWd": True,
            "ccy": name,
            "chain": f"{name}-{name}",
            "logoLink": "",
            "mainNet": True,
            "fee": plain(SAMPLE_COIN_FEE),
            "maxWd": "1000000",
            "minFee": plain(SAMPLE_COIN_FEE),
            "maxFee": plain(SAMPLE_COIN_FEE),
            "minWd": "0.01",
            "name": name,
            "usedWdQuota": "0",
            "wdQuota": "1000000",
            "wdTickSz": "8",
        }
        for name in sorted(names)
        if not wanted or name in wanted
    ]
    return good(coins)
