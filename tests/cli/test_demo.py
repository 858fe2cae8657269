"""What `demo` and `up` refuse before anything is started, and how figures are made."""

import socket
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cli.embedded import StateFolder
from cli.gauge import percentile
from cli.main import main


def say(*words: str) -> Result:
    return CliRunner().invoke(main, list(words))


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--for", "soon"], "'soon' is not a span of time"),
        (["--for", "0s"], "'0s' is not a span of time"),
        (["--for", "-3s"], "'-3s' is not a span of time"),
        (["--report", "r.json"], "--report needs --for"),
        (["--for", "1s", "--report", "/nowhere/at/all.json"], "The report cannot be written to /nowhere/at/all.json"),
        (["--exchanges", "mtgox"], "There is no simulated exchange mtgox"),
        (["--accounts", "0"], "--accounts"),
        (["--rate", "-1"], "--rate"),
        (["--seed", "x"], "--seed"),
        (["--port", "70000"], "--port"),
        (["--nonsense"], "No such option"),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_sentence(words: list[str], sentence: str) -> None:
    result = say("demo", *words)
    assert 2 == result.exit_code
    assert sentence in result.output


@pytest.mark.parametrize("word", ["demo", "up"])
def test_a_taken_port_is_refused(word: str, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = say(word, "--port", str(port), "--folder", str(tmp_path / "state"))
    assert 2 == result.exit_code
    assert f"Port {port} is taken" in result.output
    assert "--port" in result.output


@pytest.mark.parametrize("word", ["demo", "up"])
def test_a_second_one_on_the_same_folder_is_refused(word: str, tmp_path: Path) -> None:
    with StateFolder(tmp_path):
        result = say(word, "--port", "0", "--folder", str(tmp_path))
    assert 2 == result.exit_code
    assert "already runs on" in result.output
    assert "--folder" in result.output


@pytest.mark.parametrize("word", ["demo", "up"])
def test_a_folder_that_cannot_be_made_is_refused(word: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = say(word, "--port", "0", "--folder", str(tmp_path / "file" / "below"))
    assert 1 == result.exit_code
    assert "cannot be used" in result.output


def test_an_unknown_word_is_refused() -> None:
    result = say("nonsense")
    assert 2 == result.exit_code
    assert "There is no command 'nonsense'" in result.output


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [([], 50, None), ([7.04], 99, 7.0), ([1, 2, 3, 4], 50, 2), ([1, 2, 3, 4], 100, 4), (list(range(1, 201)), 99, 198)],
)
def test_percentiles_are_values_that_occurred(values: list[float], share: float, expected: float | None) -> None:
    assert expected == percentile(values, share)


def a_truth(**changes: Any) -> dict[str, Any]:
    trade = {
        "product": "spot", "market_id": "AB", "exchange_trade_id": "1", "order_id": "9", "side": "buy",
        "price": "1.50", "amount": "2", "timestamp_ms": 1_700_000_000_123,
        "fees": [{"amount": "0.001", "currency": "A"}],
    }  # fmt: skip
    return {"exchange": "x", "account": "x-1", "trades": [trade | changes], "balances": []}


class TestComparison:
    """Each difference counts once, under its own name."""

    def tally(self, made: list[dict[str, Any]], *rows: tuple[Any, ...]) -> tuple[int, ...]:
        from cli.compare import Comparison, Tally, _compare_trades

        tally = Tally()
        account = a_truth() | {"trades": made}
        _compare_trades(Comparison(), tally, account, rows)
        return (tally.made, tally.stored, tally.missing, tally.duplicates, tally.different, tally.provisional)

    def row(
        self, *, price: str = "1.5", fee: str = "0.0010", provisional: bool = False, trade: str = "1"
    ) -> tuple[Any, ...]:
        fees = [{"amount": fee, "currency": "A"}]
        return ("spot", "AB", trade, "9", "buy", Decimal(price), Decimal(2), 1_700_000_000_123, fees, provisional)

    def test_equal_values_written_otherwise_are_equal(self) -> None:
        assert (1, 1, 0, 0, 0, 0) == self.tally(a_truth()["trades"], self.row())

    def test_what_is_not_stored_is_missing(self) -> None:
        assert (1, 0, 1, 0, 0, 0) == self.tally(a_truth()["trades"])

    def test_what_is_stored_twice_is_a_duplicate(self) -> None:
        assert (1, 2, 0, 1, 0, 0) == self.tally(a_truth()["trades"], self.row(), self.row())

    def test_what_was_never_made_is_different(self) -> None:
        assert (0, 1, 0, 0, 1, 0) == self.tally([], self.row())

    def test_another_price_is_different(self) -> None:
        assert (1, 1, 0, 0, 1, 0) == self.tally(a_truth()["trades"], self.row(price="1.51"))

    def test_another_fee_is_different(self) -> None:
        assert (1, 1, 0, 0, 1, 0) == self.tally(a_truth()["trades"], self.row(fee="0.002"))

    def test_an_unfinished_row_is_provisional(self) -> None:
        assert (1, 1, 0, 0, 0, 1) == self.tally(a_truth()["trades"], self.row(provisional=True))
