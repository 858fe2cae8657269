"""`tradesync read`: one raw message in, what would be stored out; no server, no settings, no network."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from cli.read import read
from tests.exchanges.messages import is_rest, own_samples

SAMPLES = {f"{exchange}-{sample['id']}": (exchange, sample) for exchange, sample in own_samples()}
BUY = SAMPLES["binance-spot-taker-buy"][1]
KEYS = [
    "symbol", "market_id", "product", "exchange_trade_id", "identity", "order_id", "side", "price", "amount",
    "contracts", "cost", "fee", "fee_currency", "fees", "taker_or_maker", "timestamp_ms", "kind", "provisional",
]  # fmt: skip


@pytest.fixture
def run(tmp_path):
    def call(raw, *options, exchange="binance", source="stream", markets=BUY["markets"]):
        arguments = [exchange, "--from", source, *options]
        if markets is not None:
            file = tmp_path / "markets.json"
            file.write_text(markets if isinstance(markets, str) else json.dumps(markets))
            arguments += ["--markets", str(file)]
        message = raw if isinstance(raw, bytes) else json.dumps(raw).encode()
        return CliRunner().invoke(read, arguments, input=message)

    return call


def lines(result):
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.mark.parametrize("name", SAMPLES)
def test_every_sample_is_printed_as_expected(run, name):
    exchange, sample = SAMPLES[name]
    result = run(
        sample["raw"], exchange=exchange, source="rest" if is_rest(sample) else "stream", markets=sample["markets"]
    )
    expected = sample["expected"]
    printed = lines(result)
    trades = [line for line in printed if "history_due" not in line]
    assert [line["identity"] for line in trades] == [trade["identity"] for trade in expected["trades"]]
    assert result.exit_code == (1 if expected["unreadable"] else 0)
    assert bool(result.stderr) == bool(expected["unreadable"])
    for line, trade in zip(trades, expected["trades"], strict=True):
        assert list(line) == KEYS
        for field in ("symbol", "side", "taker_or_maker", "timestamp_ms", "kind", "provisional", "order_id"):
            assert line[field] == trade[field]


def test_a_trade_is_printed_with_plain_decimals_as_texts(run):
    assert lines(run(BUY["raw"])) == [
        {
            "symbol": "BTC/USDT",
            "market_id": "BTCUSDT",
            "product": "spot",
            "exchange_trade_id": "880123",
            "identity": "spot:BTCUSDT:880123:3301:buy",
            "order_id": "3301",
            "side": "buy",
            "price": "63999.5",
            "amount": "0.2",
            "contracts": None,
            "cost": "12799.9",
            "fee": "0.00015",
            "fee_currency": "BNB",
            "fees": [{"amount": "0.00015", "currency": "BNB"}],
            "taker_or_maker": "taker",
            "timestamp_ms": 1795190401004,
            "kind": "trade",
            "provisional": False,
        }
    ]


def test_a_message_without_a_trade_prints_nothing(run):
    result = run(SAMPLES["binance-ack"][1]["raw"])
    assert (result.exit_code, result.output) == (0, "")


def test_a_message_that_only_says_that_something_filled_says_which_history_is_due(run):
    result = run(SAMPLES["binance-futures-calculated"][1]["raw"])
    assert result.exit_code == 0
    assert lines(result) == [{"history_due": {"product": "linear", "market_id": "BTCUSDT", "feed": "linear:BTCUSDT"}}]


def test_good_rows_are_printed_beside_a_bad_one(run):
    sample = SAMPLES["binance-spot-one-bad-row"][1]
    result = run(sample["raw"], source="rest")
    assert [line["exchange_trade_id"] for line in lines(result)] == ["880130"]
    assert result.exit_code == 1
    assert "'price'" in result.stderr


def test_without_a_market_list_the_error_names_the_option(run):
    result = run(BUY["raw"], markets=None)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "--markets" in result.stderr


def test_a_named_product_decides(run):
    assert lines(run(BUY["raw"], "--product", "spot"))[0]["product"] == "spot"
    assert run(BUY["raw"], "--product", "linear").exit_code == 1


def test_a_trade_of_another_product_than_the_named_one_is_not_printed(run):
    name, sample = SAMPLES["htx-spot-stream-maker"]
    result = run(sample["raw"], "--product", "linear", exchange=name, markets=sample["markets"])
    assert (result.exit_code, result.stdout) == (1, "")
    assert "a trade of spot" in result.stderr
    assert run(sample["raw"], "--product", "spot", exchange=name, markets=sample["markets"]).exit_code == 0


def test_a_byte_order_mark_before_message_and_list_is_passed_over(run):
    plain = run(BUY["raw"])
    marked = run(b"\xef\xbb\xbf" + json.dumps(BUY["raw"]).encode(), markets="\ufeff" + json.dumps(BUY["markets"]))
    assert (marked.exit_code, marked.stdout) == (0, plain.stdout)


def test_letters_that_are_none_and_a_second_message_are_refused(run):
    message = json.dumps(BUY["raw"]).encode()
    for broken in (message.replace(b"BTCUSDT", b"\xff\xfe"), message + b"\n" + message):
        result = run(broken)
        assert (result.exit_code, result.stdout) == (1, "")
        assert "not JSON" in result.stderr


@pytest.mark.parametrize(
    "message", [b"", b"  \n", b"{", b"\xff\xfe\x00", b'"text"', b"5", b"null", b"[" * 100_000, b"[1, 2]"]
)
@pytest.mark.parametrize("source", ["stream", "rest"])
def test_nonsense_is_said_in_a_line_and_never_in_a_traceback(run, message, source):
    result = run(message, source=source)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.strip()
    assert "Traceback" not in result.stderr
    assert result.exception is None or isinstance(result.exception, SystemExit)


@pytest.mark.parametrize(
    ("markets", "said"),
    [
        ("{", "cannot be read"),
        ("{}", "not a JSON list"),
        ("[5]", "Market 1"),
        ('[{"id": "X"}]', "'symbol'"),
        ('[{"id": "X", "symbol": "X/Y", "type": "swop", "base": "X", "quote": "Y"}]', "'swop'"),
        ('[{"id": "X", "symbol": "X/Y", "type": [], "base": "X", "quote": "Y"}]', "'type'"),
        (
            '[{"id": "X", "symbol": "X/Y", "type": "spot", "base": "X", "quote": "Y", "contract_size": "many"}]',
            "contract_size",
        ),
        ('[{"id": "X", "symbol": "X/Y", "type": "spot", "base": "X", "quote": "Y", "linear": []}]', "'linear'"),
        ('[{"id": "X", "symbol": "X/Y", "type": "spot", "base": "X", "quote": "Y", "settle": 5}]', "'settle'"),
    ],
)
def test_a_bad_market_list_is_refused_with_its_place(run, markets, said):
    result = run(BUY["raw"], markets=markets)
    assert result.exit_code == 2
    assert said in result.stderr


def test_bad_words_are_refused(run, tmp_path):
    for result, said in (
        (run(BUY["raw"], exchange="nowhere"), "nowhere"),
        (run(BUY["raw"], "--product", "bonds"), "bonds"),
        (run(BUY["raw"], source="letter"), "letter"),
        (
            CliRunner().invoke(read, ["binance", "--from", "rest", "--markets", str(tmp_path / "none")], input=b"[]"),
            "none",
        ),
    ):
        assert result.exit_code == 2
        assert said in result.stderr


def test_it_answers_in_under_a_second_without_settings_or_network(tmp_path):
    environment = {"PATH": os.environ["PATH"], "LANG": "C", "http_proxy": "http://127.0.0.1:9"}
    file = tmp_path / "markets.json"
    file.write_text(json.dumps(SAMPLES["binance-spot-non-ascii"][1]["markets"]))
    taken = []
    for _ in range(3):
        began = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "cli", "read", "binance", "--from", "stream", "--markets", str(file)],
            input=json.dumps(SAMPLES["binance-spot-non-ascii"][1]["raw"]).encode(),
            capture_output=True,
            env={**environment, "PYTHONPATH": str(Path.cwd())},
            cwd=tmp_path,
            check=False,
        )
        taken.append(time.monotonic() - began)
        assert (done.returncode, done.stderr) == (0, b"")
        assert json.loads(done.stdout)["symbol"] == "币安人生/USDT"
    assert min(taken) < 1
