"""What came and went: deposits and withdrawals of the spot wallet; nobody here transfers between wallets."""

from datetime import UTC, datetime
from decimal import ROUND_DOWN, Decimal
from typing import Any

from simulator.binance.asking import whole, window
from simulator.binance.errors import missing
from simulator.dialect import DAY_MS, EIGHT_PLACES, Call
from simulator.truth import plain

LONGEST_DAYS = 90
LARGEST_PAGE = 1000
FEE = Decimal("0.001")


def _asked(call: Call) -> list[tuple[int, int, str, Decimal]]:
    """Place, moment, coin and amount of what moved in the window, newest first, page by page."""
    since, until = window(call, LONGEST_DAYS)
    last = call.now_ms if until is None else until
    first = last - LONGEST_DAYS * DAY_MS if since is None else since
    coin, is_deposit = call.params.get("coin"), call.route.path.endswith("hisrec")
    found = [
        (place, moment, asset, amount)
        for place, (moment, wallet, asset, amount) in enumerate(call.account.deposits)
        if wallet == "spot" and first <= moment <= last and (amount > 0) is is_deposit and coin in {None, asset}
    ]
    found.sort(key=lambda row: row[1], reverse=True)
    offset, limit = whole(call, "offset") or 0, whole(call, "limit") or LARGEST_PAGE
    return found[offset : offset + min(limit, LARGEST_PAGE)]


def deposits(call: Call) -> Any:
    """GET /sapi/v1/capital/deposit/hisrec."""
    return [
        {
            "id": f"{770_000_000_000 + place}",
            "amount": plain(amount),
            "coin": coin,
            "network": coin,
            "status": 1,
            "address": "sim",
            "addressTag": "",
            "txId": f"sim-{place}",
            "insertTime": moment,
            "transferType": 0,
            "confirmTimes": "1/1",
            "unlockConfirm": 0,
            "walletType": 0,
        }
        for place, moment, coin, amount in _asked(call)
    ]


def withdrawals(call: Call) -> Any:
    """GET /sapi/v1/capital/withdraw/history: `amount` is what arrived, the fee stands beside it."""
    rows = []
    for place, moment, coin, amount in _asked(call):
        fee = (-amount * FEE).quantize(EIGHT_PLACES, ROUND_DOWN)
        rows.append(
            {
                "id": f"{place:032x}",
                "amount": plain(-amount - fee),
                "transactionFee": plain(fee),
                "coin": coin,
                "status": 6,
                "address": "sim",
                "txId": f"sim-{place}",
                "applyTime": f"{datetime.fromtimestamp(moment // 1000, UTC):%Y-%m-%d %H:%M:%S}",
                "network": coin,
                "transferType": 0,
                "confirmNo": 1,
                "walletType": 0,
                "txKey": "",
            }
        )
    return rows


def transfers(call: Call) -> Any:
    """GET /sapi/v1/asset/transfer: the direction must be said."""
    if not call.params.get("type"):
        raise missing("type")
    return {"total": 0, "rows": []}
