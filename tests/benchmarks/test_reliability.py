"""The page of promises: what counts as met, what is said of a failure, and options that cannot be."""

import json
import math
from pathlib import Path
from random import Random
from typing import Any, cast

import pytest

from benchmarks import __main__ as bench
from benchmarks.reliability import malformed, page, stalls
from benchmarks.reliability.asked import PARTS, Asked, asked
from benchmarks.reliability.page import Row, keep, percentile, told, verdict
from benchmarks.reliability.scene import Scene
from benchmarks.reliability.storms import row, what_failed
from shared import exchanges
from tests import fuzz

CALM: dict[str, Any] = {
    "equal": True,
    "proven": True,
    "untrue": [],
    "exchanges": {"a": {"made": 7, "stored": 7, "missing": 0, "duplicates": 0, "different": 0, "provisional": 0}},
    "balances": {"different": 0},
    "storm": [{}, {}],
}
MET = Row("It stays", "≤ 1 s", "0.5 s", "20 times", "1", "met")


def spoilt(**changes: Any) -> dict[str, Any]:
    return CALM | changes


def test_a_percentile_is_a_value_that_was_measured_and_of_few_the_longest() -> None:
    assert percentile([5.0, 1.0, 3.0], 50) == 3.0
    assert percentile(range(1, 101), 99) == 99
    assert percentile([1.0] * 19 + [9.0], 99) == 9.0
    assert percentile([], 99) == math.inf
    assert told([2.0, 1.0]) == "p50 1.0 s, p99 2.0 s, longest 2.0 s"
    assert told([]) == "never"


def test_what_failed_is_missed_however_rarely_it_was_tried() -> None:
    assert verdict(is_met=True, is_enough=True) == "met"
    assert verdict(is_met=True, is_enough=False) == "too few"
    assert verdict(is_met=False, is_enough=True) == verdict(is_met=False, is_enough=False) == "missed"


@pytest.mark.parametrize(
    ("report", "code", "said"),
    [
        ({}, 1, "no report, exit code 1; it said last: bang"),
        (spoilt(proven=False), 1, "not proven in time"),
        (spoilt(untrue=["a session runs, and nobody runs it"]), 1, "a session runs, and nobody runs it"),
        (spoilt(balances={"different": 2}), 1, "2 balances different"),
        (spoilt(exchanges={"a": CALM["exchanges"]["a"] | {"missing": 3}}), 1, "a: 3 missing"),
        (spoilt(exchanges={"a": CALM["exchanges"]["a"] | {"duplicates": 1}}), 1, "a: 1 stored twice"),
        (spoilt(equal=False), 1, "exit code 1; it said last: bang"),
        (CALM, -9, "exit code -9; it said last: bang"),
    ],
)
def test_a_storm_that_is_not_whole_says_why(report: dict[str, Any], code: int, said: str) -> None:
    assert [said] == what_failed(code, report, last="bang")


def test_a_storm_after_which_all_is_equal_did_not_fail() -> None:
    assert [] == what_failed(0, CALM, last="bang")


def wanted(storms: int, minutes: float = 5.0) -> Asked:
    return asked(["--storms", str(storms), "--minutes", str(minutes), "--first-seed", "3"])


def test_one_failed_storm_of_many_is_a_missed_promise_and_is_listed_with_its_seed() -> None:
    reports: dict[int, Any] = dict.fromkeys(range(3, 23), CALM) | {9: {}}
    made = row(wanted(20), reports, {9: ["no report", "its folder is x"]})
    assert made.verdict == "missed"
    assert made.measured.startswith("19 of 20")
    assert made.failures == ("seed 9: no report; its folder is x",)
    assert made.many == "storms 20, blows 38, trades 133"
    assert made.seeds == "3 to 22"


@pytest.mark.parametrize(("storms", "minutes", "expected"), [(20, 5, "met"), (19, 5, "too few"), (20, 4, "too few")])
def test_storms_prove_the_promise_only_when_there_were_enough_and_long_enough(
    storms: int, minutes: float, expected: str
) -> None:
    made = row(wanted(storms, minutes), dict.fromkeys(range(3, 3 + storms), CALM), {})
    assert expected == made.verdict


@pytest.fixture
def kept_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(page, "KEPT", tmp_path / "kept.json")
    monkeypatch.setattr(page, "PAGE", tmp_path / "page.md")
    monkeypatch.setattr(page, "_commit", lambda: "abc1234")
    return tmp_path / "page.md"


def test_a_part_that_is_measured_again_replaces_its_own_rows_only(kept_here: Path) -> None:
    keep("kills", [MET])
    keep("redis", [Row("It comes back", "≤ 60 s", "99 s", "1 time", "1", "missed", ("it was\nlate | `so`",))])
    keep("kills", [Row("It stays", "≤ 1 s", "0.7 s", "3 times", "2", "too few")])
    text = kept_here.read_text()
    assert "| It stays | ≤ 1 s | 0.7 s | 3 times | **not tried enough** |" in text
    assert "0.5 s" not in text
    assert "| It comes back | ≤ 60 s | 99 s | 1 time | **missed** |" in text
    assert "- It comes back: it was late / 'so'" in text
    assert "abc1234" in text


def test_what_nobody_measured_is_said_to_be_unmeasured(kept_here: Path) -> None:
    keep("kills", [MET])
    for name in PARTS.keys() - {"kills"}:
        assert f"| {PARTS[name]} | | | | **not measured** |" in kept_here.read_text()


def test_the_page_is_what_is_kept() -> None:
    assert page.page(json.loads(page.KEPT.read_text())) == page.PAGE.read_text(), "./dev bench reliability writes both"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--only", "storms,floods"], "there is no part floods; there are storms, kills"),
        (["--only", ","], "name at least one of"),
        (["--storms", "0"], "'0' is no number of at least 1"),
        (["--repeats", "many"], "'many' is no number of at least 1"),
        (["--minutes", "-1"], "'-1' is no number of minutes"),
        (["--minutes", "nan"], "'nan' is no number of minutes"),
        (["storms"], "unrecognized arguments: storms"),
    ],
)
def test_an_option_that_cannot_be_is_answered_with_a_sentence_and_2(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        bench.main(["reliability", *words])
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_parts_come_in_their_own_order_however_they_are_named() -> None:
    assert asked(["--only", "redis, kills,redis"]).parts == ("kills", "redis")
    assert asked([]).parts == tuple(PARTS)


def test_what_the_fuzzer_says_is_read_and_too_little_of_it_is_no_proof(capsys: pytest.CaptureFixture[str]) -> None:
    assert fuzz.main(["--count", "20"]) == 0
    made = malformed.row(asked(["--malformed", "20"]), 0, capsys.readouterr().out, "")
    assert made.verdict == "too few"
    assert made.many.startswith("tried 20, ")
    much = malformed.row(asked([]), 0, "tried 1,000,000, refused 7", "")
    assert (much.verdict, much.many) == ("met", "tried 1,000,000, refused 7")


def test_what_came_through_the_readers_is_missed_and_told() -> None:
    made = malformed.row(asked([]), 1, "", "Traceback\n  …\nWrongRow: no whole trade")
    assert made.verdict == "missed"
    assert made.failures == ("seed 1: WrongRow: no whole trade",)


@pytest.mark.parametrize("name", exchanges.names())
def test_each_exchange_has_a_rule_after_which_silence_is_noticed(name: str) -> None:
    assert 5 <= stalls.heartbeat_rule(name) <= 45


def test_a_stall_that_was_noticed_late_or_cost_a_trade_is_missed() -> None:
    name = exchanges.names()[0]

    def verdict_of(noticed: list[float], stored: list[float], lost: list[str]) -> str:
        return stalls._row(asked([]), name, noticed, stored, lost).verdict

    assert verdict_of([20.0] * 4, [25.0] * 4, []) == "met"
    assert verdict_of([20.0, 50.0, 20.0], [25.0] * 3, []) == "missed"
    assert verdict_of([20.0] * 4, [25.0, 61.0, 2.0, 2.0], []) == "missed"
    assert verdict_of([20.0] * 4, [25.0] * 4, [f"{name}-1: … is missing"]) == "missed"
    assert verdict_of([20.0], [25.0], []) == "too few"


def test_what_was_measured_before_a_try_that_never_ended_stays_and_the_try_is_told() -> None:
    here = Scene(cast("Any", None), Random(1))
    done = []
    for number in here.tries(5):
        with here.attempt(number):
            done.append(number)
            if number == 2:
                raise TimeoutError("not whole within 3 s")
    assert done == [0, 1, 2]
    assert here.troubles == ["try 3: not whole within 3 s"]
