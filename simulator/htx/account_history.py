"""What moved a wallet of the spot system: every change row by row, and what came from and went to a chain.

From the documents, Get Account History and Search for Existed Withdraws and Deposits, read 2026-11: the history is
asked for an hour at most, within the last 30 days, and its types by name; deposits are found by their ids alone.
"""

from collections.abc import Iterator
from heapq import merge
from itertools import islice
from typing import Any

from simulator.dialect import DAY_MS, Call, Refusal
from simulator.htx import spot_rows
from simulator.htx.errors import spot_good, spot_refused
from simulator.htx.history import HOUR_MS, limit_of
from simulator.htx.spot import POINTS
from simulator.truth import SPOT, Account, Fill, plain

Row = dict[str, Any]
REACH_MS = 30 * DAY_MS
USUAL_PAGE, LARGEST_PAGE = 100, 500
TYPES = (
    *("trade", "etf", "transact-fee", "fee-deduction", "transfer", "credit", "liquidation", "interest", "deposit"),
    *("withdraw", "withdraw-fee", "exchange", "other-types", "rebate"),
)
_ROWS_OF_A_FILL = 8
_FIRST_OF_FILLS = 89_000_000_000
_FIRST_OF_MONEY = 5_000_000_000


def account_history(call: Call) -> Any:
    """GET /v1/account/history; `from-id` is the first row of the page."""
    account, params = call.account, call.params
    wallet = {str(spot_rows.account_id(account, one)): one for one in spot_rows.WALLETS}.get(params["account-id"])
    if wallet is None:
        raise _bad("account-id")
    since, until = _window(call)
    asked = set(filter(None, params.get("transact-types", "").split(",")))
    if not asked <= set(TYPES) or params.get("sort", "asc") not in {"asc", "desc"}:
        raise _bad("transact-types or sort")
    is_newest_first = params.get("sort") == "desc"
    found = merge(
        _of_fills(call, wallet, since, until, newest_first=is_newest_first),
        _of_money(account, wallet, since, until, newest_first=is_newest_first),
        key=lambda row: row["transact-time"],
        reverse=is_newest_first,
    )
    rows = [
        row
        for row in found
        if (not asked or row["transact-type"] in asked) and params.get("currency") in {None, "", row["currency"]}
    ]
    first = next((place for place, row in enumerate(rows) if str(row["record-id"]) == params.get("from-id")), 0)
    limit = limit_of(call, "size", USUAL_PAGE, LARGEST_PAGE)
    page = rows[first : first + limit]
    is_more = first + limit < len(rows)
    return spot_good(page) | ({"next-id": rows[first + limit]["record-id"]} if is_more else {})


def _window(call: Call) -> tuple[int, int]:
    """Both ends are in it. An end alone means the hour before it, none the last hour."""
    for name in ("start-time", "end-time"):
        if not (call.params.get(name, "") or "0").isdecimal():
            raise _bad(name)
    until = int(call.params.get("end-time") or call.now_ms)
    since = int(call.params.get("start-time") or until - HOUR_MS)
    if not 0 <= until - since <= HOUR_MS or since < call.now_ms - REACH_MS:
        raise _bad("start-time")
    return since, until


def _bad(name: str) -> Refusal:
    return Refusal(spot_refused("bad-request", f"invalid field value in `{name}`"))


def _row(account: Account, wallet: str, number: int, moment_ms: int, coin: str, amount: Any, kind: str) -> Row:
    return {
        "account-id": spot_rows.account_id(account, wallet),
        "currency": coin.lower(),
        "transact-amt": f"{amount:.18f}",
        "transact-type": kind,
        "avail-balance": "0",
        "acct-balance": "0",
        "transact-time": moment_ms,
        "record-id": number,
    }


def _of_fills(call: Call, wallet: str, since: int, until: int, *, newest_first: bool) -> Iterator[Row]:
    fills = call.account.read_fills(
        call.now_ms, product=SPOT, since_ms=since, until_ms=until, newest_first=newest_first
    )
    for fill in fills:
        yield from (row for row in _legs(call.account, fill) if row.pop("wallet") == wallet)


def _legs(account: Account, fill: Fill) -> Iterator[Row]:
    first, sign = _FIRST_OF_FILLS + fill.sequence * _ROWS_OF_A_FILL, 1 if fill.side == "buy" else -1
    legs = [(fill.market.base, sign * fill.amount, "trade"), (fill.market.quote, -sign * fill.cost, "trade")]
    for fee in fill.fees:
        is_usual = fee.currency in {fill.market.base, fill.market.quote}
        legs.append((fee.currency, -fee.amount, "transact-fee" if is_usual else "fee-deduction"))
    for place, (coin, amount, kind) in enumerate(legs):
        wallet = "point" if coin == POINTS else "spot"
        yield _row(account, wallet, first + place, fill.timestamp_ms, coin, amount, kind) | {"wallet": wallet}


def _of_money(account: Account, wallet: str, since: int, until: int, *, newest_first: bool) -> list[Row]:
    found = [
        _row(account, wallet, _FIRST_OF_MONEY + place, moment, coin, amount, "deposit" if amount > 0 else "withdraw")
        for place, (moment, coin, amount) in _money(account)
        if wallet == ("point" if coin == POINTS else "spot") and since <= moment <= until
    ]
    return sorted(found, key=lambda row: row["transact-time"], reverse=newest_first)


def _money(account: Account) -> list[tuple[int, tuple[int, str, Any]]]:
    """What was paid into the spot system, each with its number."""
    return [
        (place, (moment, coin, amount))
        for place, (moment, wallet, coin, amount) in enumerate(account.deposits, 1)
        if wallet == SPOT
    ]


def deposits_and_withdrawals(call: Call) -> Any:
    """GET /v1/query/deposit-withdraw: by falling id (`next`) or rising (`prev`), from an id on."""
    kind, start = call.params.get("type", ""), call.params.get("from", "") or "0"
    if kind not in {"deposit", "withdraw"} or not start.isdecimal():
        raise _bad("type or from")
    rows = [
        _chain_row(place, moment, coin, amount)
        for place, (moment, coin, amount) in _money(call.account)
        if (amount > 0) is (kind == "deposit") and call.params.get("currency") in {None, "", coin.lower()}
    ]
    is_newest_first = call.params.get("direct", "prev") == "next"
    if is_newest_first:
        rows.reverse()
    wanted = (row for row in rows if start == "0" or (row["id"] <= int(start)) is is_newest_first)
    return spot_good(list(islice(wanted, limit_of(call, "size", USUAL_PAGE, LARGEST_PAGE))))


def _chain_row(place: int, moment: int, coin: str, amount: Any) -> Row:
    is_deposit = amount > 0
    return {
        "id": _FIRST_OF_MONEY + place,
        "type": "deposit" if is_deposit else "withdraw",
        "sub-type": "NORMAL",
        "currency": coin.lower(),
        "chain": coin.lower(),
        "tx-hash": f"sim-{place}",
        "amount": plain(abs(amount)),
        "from-addr-tag": "",
        "address-id": 0,
        "address": "sim",
        "address-tag": "",
        "fee": 0,
        "state": "safe" if is_deposit else "confirmed",
        "created-at": moment,
        "updated-at": moment,
    }
