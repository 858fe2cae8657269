"""What came and went: deposits and withdrawals of the spot wallet; nobody here transfers between wallets.

From the documents, Deposit History, Withdraw History, Query User Universal Transfer History, read 2026-11.
"""

from decimal import ROUND_DOWN, Decimal
from typing import Any

from simulator.dialect import DAY_MS, EIGHT_PLACES, Call
from simulator.mexc.errors import missing, refusal
from simulator.mexc.spot import WALLET, limit_of, whole
from simulator.truth import plain

LONGEST_MS, REACH_MS = 7 * DAY_MS, 90 * DAY_MS
LARGEST_PAGE = 1000
FEE = Decimal("0.001")
KINDS = ("SPOT", "FUTURES")


def _window(call: Call) -> tuple[int, int]:
    """Seven days at most, the last seven where none are named; nothing older than 90 days."""
    start, end = whole(call, "startTime"), whole(call, "endTime")
    until = call.now_ms if end is None else end
    since = until - LONGEST_MS if start is None else start
    if not 0 <= until - since <= LONGEST_MS or since < call.now_ms - REACH_MS:
        raise refusal(-1128)
    return since, until


def _asked(call: Call, *, is_deposit: bool) -> list[tuple[int, int, str, Decimal]]:
    """Place, moment, coin and amount of what moved in the window, newest first."""
    since, until = _window(call)
    asked, limit = call.params.get("coin", "").partition("-")[0], limit_of(call, LARGEST_PAGE, LARGEST_PAGE)
    found = [
        (place, moment, coin, amount)
        for place, (moment, wallet, coin, amount) in enumerate(call.account.deposits)
        if wallet == WALLET and since <= moment <= until and (amount > 0) is is_deposit and asked in {"", coin}
    ]
    found.sort(key=lambda row: row[1], reverse=True)
    return found[:limit]


def deposits(call: Call) -> Any:
    """GET /api/v3/capital/deposit/hisrec: without an id; coins are named with their network where they have several."""
    return [
        {
            "amount": plain(amount),
            "coin": f"{coin}-TRX" if coin == "USDT" else coin,
            "network": "TRX" if coin == "USDT" else coin,
            "status": 5,
            "address": "sim",
            "txId": f"{place:064x}:0",
            "insertTime": moment,
            "unlockConfirm": "1",
            "confirmTimes": "1",
            "memo": "",
            "transHash": f"{place:064x}",
            "updateTime": moment,
            "netWork": "TRX" if coin == "USDT" else coin,
        }
        for place, moment, coin, amount in _asked(call, is_deposit=True)
    ]


def withdrawals(call: Call) -> Any:
    """GET /api/v3/capital/withdraw/history: the fee is part of `amount`."""
    return [
        {
            "id": f"{place:032x}",
            "txId": f"{place:064x}:0",
            "coin": coin,
            "network": coin,
            "address": "sim",
            "amount": plain(-amount),
            "transferType": 0,
            "status": 7,
            "transactionFee": plain((-amount * FEE).quantize(EIGHT_PLACES, ROUND_DOWN)),
            "confirmNo": None,
            "applyTime": moment,
            "remark": "",
            "memo": None,
            "transHash": f"{place:064x}",
            "updateTime": moment,
            "netWork": coin,
        }
        for place, moment, coin, amount in _asked(call, is_deposit=False)
    ]


def transfers(call: Call) -> Any:
    """GET /api/v3/capital/transfer: both sides must be named."""
    for name in ("fromAccountType", "toAccountType"):
        if call.params.get(name) not in KINDS:
            raise missing(name)
    return {"rows": [], "total": 0}
