"""Spoilt messages, a few thousand of each exchange; `python -m tests.fuzz` tries a million."""

from dataclasses import replace
from decimal import Decimal
from random import Random

import pytest

from shared.exchanges import names
from tests.exchanges.messages import heard_in, own_samples
from tests.fuzz import WrongRow, broken, check, run, spoilt, subjects


@pytest.mark.parametrize("exchange", sorted({name for name, _ in own_samples()}))
def test_spoilt_messages_neither_crash_a_reader_nor_become_trades(exchange):
    counts = run(2_500, seed=7, wanted=[exchange])
    assert counts["tried"] == 2_500
    assert counts["refused"] > 50
    assert counts["trades"] > 50


def test_the_same_seed_spoils_the_same():
    raw = {"a": [1, {"b": "2"}], "c": "3"}
    assert [spoilt(Random(3), raw), broken(Random(4), raw)] == [spoilt(Random(3), raw), broken(Random(4), raw)]


def test_a_reader_that_guesses_is_caught():
    name, sample = next((name, sample) for name, sample in own_samples() if heard_in(name, sample).trades)
    trade = heard_in(name, sample).trades[0]
    check(trade)
    for wrong in ({"amount": Decimal("NaN")}, {"price": Decimal(0)}, {"timestamp_ms": 5}, {"cost": 1.5}):
        with pytest.raises(WrongRow):
            check(type(trade)(**{field: getattr(trade, field) for field in trade.__struct_fields__} | wrong))


def test_an_exchange_that_takes_errors_for_answers_is_caught(monkeypatch):
    (subject,) = subjects([names()[0]])
    blind = replace(subject.exchange, error_of=lambda *_: None)
    monkeypatch.setattr("tests.fuzz.load", lambda _: blind)
    with pytest.raises(WrongRow, match="taken for a good answer"):
        run(2_000, seed=1, wanted=[names()[0]])
