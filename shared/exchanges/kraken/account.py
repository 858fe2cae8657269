"""An account: what its key may do and which part of the past it sees, and what lies in the spot wallet.

Docs, Get API Key Info and Get Extended Balance, read 2026-11. The futures wallet is another exchange's matter.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from shared.domain.balances import Balance
from shared.domain.connections import Account, KeyReport, Verdict
from shared.exchanges.kit.contract import Request, Steps, Wallets
from shared.exchanges.kit.fields import Row, decimal, optional_decimal, optional_text, row_of, whole
from shared.exchanges.kit.numbers import total as exact_total
from shared.exchanges.kraken.names import held_coin
from shared.exchanges.kraken.rest import BALANCES, KEY

WALLET = "spot"
_FREE = {"", "F"}  # `.F` earns by itself and may be spent at any time; the other kinds are locked away

# What reading needs, and a word of the permission that gives it: the docs do not spell all of them out.
_NEEDS = (
    ("funds", "The key may not see balances (query funds)."),
    ("closed", "The key may not see trades (query closed orders and trades)."),
    ("open", "The key may not see open orders (query open orders and trades): new trades cannot be heard."),
    ("websocket", "The key may not use websockets: new trades cannot be heard, only asked for."),
)


def check_key(account: Account) -> Steps[KeyReport]:
    """Ask what the key may do. No permission is needed to ask, and nobody tells the account's name."""
    del account
    answer = yield Request(KEY)
    result = _result(answer.data, "the key's description")
    permissions = tuple(str(word) for word in _list(result.get("permissions")))
    since_ms, until_ms, expires_ms = (_moment(result, name) for name in ("queryFrom", "queryTo", "validUntil"))
    is_blind = until_ms is not None and until_ms <= answer.received_ms
    reads = [word for word in permissions if word.startswith("query-")]
    others = [word for word in permissions if not _only_reads(word)]
    withdraws = [word for word in others if "withdraw" in word]
    ends = [moment for moment in (until_ms, expires_ms) if moment is not None]
    return KeyReport(
        can_read=Verdict.YES if reads and not is_blind else Verdict.NO,
        can_trade=Verdict.YES if len(others) > len(withdraws) else Verdict.NO,
        can_withdraw=Verdict.YES if withdraws else Verdict.NO,
        permissions=permissions,
        addresses=tuple(str(address) for address in _list(result.get("ipAllowlist"))),
        expires_ms=min(ends, default=None),
        remarks=tuple(_remarks(permissions, since_ms, until_ms)),
        details={"query_from_ms": since_ms},
    )


def _only_reads(permission: str) -> bool:
    """Whatever else there is counts as trading: the exchange does not list its words."""
    return permission.startswith("query-") or "websocket" in permission


def _remarks(permissions: tuple[str, ...], since_ms: int | None, until_ms: int | None) -> list[str]:
    remarks = [sentence for word, sentence in _NEEDS if not any(word in one for one in permissions)]
    if since_ms is not None:
        remarks.append("The key sees nothing from before its query start date: older trades stay missing.")
    if until_ms is not None:
        remarks.append("The key sees nothing after its query end date: from then on trades are missing.")
    return remarks


def _moment(result: Row, name: str) -> int | None:
    """Seconds as epoch ms; zero is none."""
    return whole(result, name) * 1_000 or None if optional_text(result, name) else None


def balances(account: Account) -> Steps[Wallets]:
    """The spot wallet: what earns is summed into its coin, as what is locked away."""
    del account
    answer = yield Request(BALANCES)
    totals: dict[str, Decimal] = {}
    used: dict[str, Decimal] = {}
    for name, raw in _result(answer.data, "the balances").items():
        row = row_of(raw, "a balance")
        coin, kind = held_coin(name)
        amount = decimal(row, "balance")
        held = (optional_decimal(row, "hold_trade") or Decimal(0)) if kind in _FREE else amount
        totals[coin] = exact_total(totals.get(coin, Decimal(0)), amount)
        used[coin] = exact_total(used.get(coin, Decimal(0)), held)
    return Wallets(
        balances=tuple(
            Balance(account_type=WALLET, asset=coin, total=all_, free=exact_total(all_, -used[coin]), used=used[coin])
            for coin, all_ in totals.items()
        )
    )


def _result(data: Any, what: str) -> Row:
    return row_of(data.get("result") if isinstance(data, Mapping) else None, what)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
