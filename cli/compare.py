"""Compares what is stored with what a simulator says happened, trade by trade and coin by coin."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import psycopg

Key = tuple[str, str, str, str]
Row = tuple[Any, ...]

STORED = """
    SELECT c.exchange_name, c.label, t.product, t.market_id, t.exchange_trade_id, coalesce(t.order_id, ''),
           t.side, t.price, t.amount, (extract(epoch FROM t.exchange_timestamp) * 1000)::bigint, t.fees, t.provisional
    FROM trades t JOIN user_exchange_connections c ON c.id = t.connection_id
    WHERE c.removed_at IS NULL
"""
HELD = """
    SELECT c.exchange_name, c.label, b.asset, sum(b.total)
    FROM balances b JOIN user_exchange_connections c ON c.id = b.connection_id
    WHERE c.removed_at IS NULL GROUP BY 1, 2, 3
"""


@dataclass
class Tally:
    """One exchange's figures. `different` counts trades stored with other values, and stored ones never made."""

    made: int = 0
    stored: int = 0
    missing: int = 0
    duplicates: int = 0
    different: int = 0
    provisional: int = 0

    @property
    def is_equal(self) -> bool:
        """Whether what is stored is what was made."""
        return not (self.missing or self.duplicates or self.different or self.provisional)


@dataclass
class Comparison:
    """All exchanges' figures, and the first differences in words."""

    exchanges: dict[str, Tally] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    balances_synced: int = 0
    balances_different: int = 0

    @property
    def is_equal(self) -> bool:
        """Whether all is equal."""
        return all(tally.is_equal for tally in self.exchanges.values()) and not self.balances_different

    def remark(self, text: str) -> None:
        """Keep a difference for a person to read; the first ones tell."""
        if len(self.remarks) < 20:
            self.remarks.append(text)


def compare(db: psycopg.Connection, truth: Mapping[str, Any]) -> Comparison:
    """Compare every account of `truth` (`GET /truth`) with the connection labelled with its name."""
    result = Comparison()
    accounts = truth["accounts"]
    stored = _by_account(db.execute(STORED))
    for account in accounts:
        tally = result.exchanges.setdefault(account["exchange"], Tally())
        rows = stored.get((account["exchange"], account["account"]), [])
        _compare_trades(result, tally, account, rows)
    _compare_balances(result, accounts, _by_account(db.execute(HELD)))
    return result


def _compare_trades(result: Comparison, tally: Tally, account: Mapping[str, Any], rows: Sequence[Row]) -> None:
    made = {_key_of(trade): trade for trade in account["trades"]}
    found: dict[Key, Row] = {}
    tally.made += len(account["trades"])
    tally.stored += len(rows)
    for row in rows:
        key = (row[0], row[1], row[2], row[3])
        if key in found:
            tally.duplicates += 1
            result.remark(f"{account['account']}: {key} is stored twice")
        found[key] = row
        tally.provisional += bool(row[9])
    for key, trade in made.items():
        if (one := found.get(key)) is None:
            tally.missing += 1
            result.remark(f"{account['account']}: {key} of {trade['timestamp_ms']} is missing")
        elif differences := _differences(trade, one):
            tally.different += 1
            result.remark(f"{account['account']}: {key} differs in {'; '.join(differences)}")
    for key in found.keys() - made.keys():
        tally.different += 1
        result.remark(f"{account['account']}: {key} is stored and was never made")


def _differences(trade: Mapping[str, Any], row: Row) -> list[str]:
    pairs = {
        "side": (trade["side"], row[4]),
        "price": (Decimal(trade["price"]), row[5]),
        "amount": (Decimal(trade["amount"]), row[6]),
        # What was heard live has its own moment; where history knows a coarser one, what was only read has that.
        "time": (row[7] if row[7] == trade.get("rest_timestamp_ms") else trade["timestamp_ms"], row[7]),
        "fees": (_fee_lines(trade["fees"]), _fee_lines(row[8])),
    }
    return [f"{name}: made {made}, stored {stored}" for name, (made, stored) in pairs.items() if made != stored]


def _fee_lines(fees: Iterable[Mapping[str, Any]]) -> Counter[tuple[str, Decimal]]:
    """Fee lines in any order; one that costs nothing is none."""
    lines = ((str(line["currency"]), Decimal(str(line["amount"])).normalize()) for line in fees)
    return Counter(line for line in lines if line[1])


def _compare_balances(
    result: Comparison, accounts: Iterable[Mapping[str, Any]], held: Mapping[tuple[str, str], list[Row]]
) -> None:
    for account in accounts:
        made: defaultdict[str, Decimal] = defaultdict(Decimal)
        for line in account["balances"]:
            made[line["asset"]] += Decimal(line["free"]) + Decimal(line["locked"])
        found = {row[0]: row[1] for row in held.get((account["exchange"], account["account"]), [])}
        result.balances_synced += len(found)
        for asset in {asset for asset, total in made.items() if total} | found.keys():
            if made[asset] != found.get(asset, Decimal(0)):
                result.balances_different += 1
                result.remark(f"{account['account']}: holds {made[asset]} {asset}, stored {found.get(asset)}")


def _key_of(trade: Mapping[str, Any]) -> Key:
    return trade["product"], trade["market_id"], trade["exchange_trade_id"], trade["order_id"] or ""


def _by_account(rows: Iterable[Row]) -> dict[tuple[str, str], list[Row]]:
    found: defaultdict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        found[row[0], row[1]].append(row[2:])
    return found
