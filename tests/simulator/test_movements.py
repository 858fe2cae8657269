"""ccxt's REST client reads what came and went from every dialect that tells it, and so do the balances.

Where an exchange has one list of all that moved a coin, ccxt reads it whole: its sum is the balance. Where it has
lists of deposits and withdrawals, they are the truth's.
"""

import time
from decimal import Decimal
from typing import Any

import ccxt
import pytest

from tests.fixtures.simulator import SimulatorProcess
from tests.simulator.witnesses import credentials, pointed_at

AMOUNTS = ("250", "-30.5")
SECOND_MS = 1_000
PATIENCE_S = 10
LEDGERS: dict[str, dict[str, Any]] = {
    "kucoin": {"hf": True},
    "okx": {},
    "kraken": {},
    "gate": {},
    "bitget": {},
    "coinbase": {},
    "coinbaseexchange": {"limit": 1000},
}
"""Exchanges whose list holds trades too, and what ccxt is told beside the coin."""
LISTS = ("binance", "htx", "mexc")
"""Exchanges that list deposits and withdrawals."""
FEES_APART = {"kraken", "kucoin"}
"""Exchanges whose ledger tells an amount without its fee."""
OF_TRADES = {"trade", "fee", "rebate", "advanced_trade_fill", "deduction_handling_fee"}
"""What ccxt calls an entry of a trade."""


@pytest.fixture
def simulator(start_simulator: Any, exchange: str) -> SimulatorProcess:
    return start_simulator("--exchanges", exchange, "--no-limits")


def client_of(simulator: SimulatorProcess, exchange: str, account: dict[str, Any]) -> Any:
    """With the markets of one that has no key: with a key some ask for more than a reader may see."""
    make = getattr(ccxt, exchange)
    keyless = pointed_at(simulator, make({"enableRateLimit": False}), exchange)
    keyless.load_markets()
    client = pointed_at(simulator, make(credentials(account) | {"enableRateLimit": False}), exchange)
    client.set_markets(keyless.markets, keyless.currencies)
    client.options = {**keyless.options, **client.options}
    return client


class Days:
    """An account with a short past, its coin, and what came and went of it since a moment."""

    def __init__(self, simulator: SimulatorProcess, exchange: str) -> None:
        self.simulator = simulator
        self.account = simulator.account(exchange, history=6, details={"discount": False})
        assets = {row["asset"] for row in simulator.truth(self.account)["balances"]}
        self.coin = "USDT" if "USDT" in assets else "USD"
        self.client = client_of(simulator, exchange, self.account)
        # Some tell whole seconds only.
        self.since_ms = simulator.ask("GET", "/clock")["now_ms"] // SECOND_MS * SECOND_MS
        before = simulator.truth(self.account)
        self.wallet = simulator.deposit(self.account, self.coin, "1")["wallet"]
        self.before = self.held_in(before)
        simulator.trade(self.account, 6)
        for amount in AMOUNTS:
            simulator.deposit(self.account, self.coin, amount, self.wallet)

    def held_in(self, truth: dict[str, Any]) -> Decimal:
        """How much of the coin there is."""
        return sum(
            (
                Decimal(row["free"]) + Decimal(row["locked"])
                for row in truth["balances"]
                if (row["asset"], row["wallet"]) == (self.coin, self.wallet)
            ),
            Decimal(0),
        )

    def told(self) -> list[tuple[Decimal, int]]:
        """What the truth says came and went, to the second."""
        return sorted(
            (Decimal(row["amount"]), row["timestamp_ms"] // SECOND_MS)
            for row in self.simulator.truth(self.account)["deposits"]
            if (row["asset"], row["wallet"]) == (self.coin, self.wallet) and row["timestamp_ms"] >= self.since_ms
        )


def ledger_of(days: Days, exchange: str) -> list[dict[str, Any]]:
    """What ccxt reads. It asks OKX for the bills of markets alone, which transfers are none of: its reader is kept."""
    if exchange == "okx":
        rows = days.client.privateGetAccountBillsArchive({"ccy": days.coin})["data"]
        found = days.client.parse_ledger(rows, days.client.currency(days.coin))
    else:
        found = days.client.fetch_ledger(days.coin, params=dict(LEDGERS[exchange]))
    return [entry for entry in found if entry["timestamp"] >= days.since_ms]


def change(exchange: str, entry: dict[str, Any]) -> Decimal:
    """How a ledger entry of ccxt changed the balance."""
    amount, fee = abs(Decimal(str(entry["amount"]))), (entry["fee"] or {}).get("cost")
    signed = -amount if entry["direction"] == "out" or Decimal(str(entry["amount"])) < 0 else amount
    return signed - Decimal(str(fee)) if fee and exchange in FEES_APART else signed


@pytest.mark.parametrize("exchange", LEDGERS)
def test_a_list_of_all_that_moved_a_coin_is_the_truth_s(simulator: SimulatorProcess, exchange: str) -> None:
    days = Days(simulator, exchange)
    changed, ends = days.held_in(simulator.truth(days.account)) - days.before, time.monotonic() + PATIENCE_S
    while True:  # trades come to REST a little later
        entries = ledger_of(days, exchange)
        if sum(change(exchange, entry) for entry in entries) == changed or time.monotonic() > ends:
            break
    assert sum(change(exchange, entry) for entry in entries) == changed
    came = [(change(exchange, one), one["timestamp"] // SECOND_MS) for one in entries if one["type"] not in OF_TRADES]
    assert sorted(came) == days.told()
    assert len({entry["id"] for entry in entries}) == len(entries)


@pytest.mark.parametrize("exchange", LISTS)
def test_deposits_and_withdrawals_are_the_truth_s(simulator: SimulatorProcess, exchange: str) -> None:
    days = Days(simulator, exchange)
    rows = days.client.fetch_deposits(days.coin) + days.client.fetch_withdrawals(days.coin)
    read = []
    for row in rows:
        fee = Decimal(str((row["fee"] or {}).get("cost") or 0))
        amount = Decimal(row["amount"]) if row["type"] == "deposit" else -Decimal(row["amount"]) - fee
        read.append((amount, row["timestamp"] // SECOND_MS))
    assert sorted(one for one in read if one[1] >= days.since_ms // SECOND_MS) == days.told()
    assert {row["status"] for row in rows} == {"ok"}
