"""ccxt's REST client reads from the Kraken dialect exactly what happened."""

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import ccxt
import pytest

from tests.fixtures.simulator import SimulatorProcess
from tests.fixtures.waiting import until
from tests.simulator.kraken_clients import ask, client_of, keyless_of, refusal_of
from tests.simulator.witnesses import assert_reads_the_truth, credentials, pointed_at

DAY_MS = 86_400_000
ROW = {
    "ordertxid", "postxid", "pair", "time", "type", "ordertype", "price", "cost", "fee", "vol", "margin", "misc",
    "trade_id", "maker",
}  # fmt: skip


@pytest.fixture
def simulator(start_simulator: Any) -> SimulatorProcess:
    return start_simulator("--exchanges", "kraken", "--no-limits")


@pytest.fixture
def keyless(simulator: SimulatorProcess) -> Any:
    return keyless_of(simulator)


def windows(client: Any, start: int, end: int, **params: Any) -> Iterator[dict[str, Any]]:
    """Every row as the fact sheet reads them: halves of more than 500, then offsets; all of a window or none."""
    first = ask(client, start=start, end=end, **params)
    count = int(first["count"])
    if count > 500:
        middle = (start + end) // 2
        yield from windows(client, start, middle, **params)
        yield from windows(client, middle - 1, end, **params)
        return
    found = first["trades"]
    while len(found) < count:
        found = found | ask(client, start=start, end=end, ofs=len(found), **params)["trades"]
    yield from (row | {"id": name} for name, row in found.items())


def everything(client: Any, **params: Any) -> list[dict[str, Any]]:
    now = client.seconds() + 1
    found = {row["id"]: row for row in windows(client, 0, now, **params)}
    return [client.parse_trade(row) for row in found.values()]


# ── What there is ─────────────────────────────────────────────────────────────────────────────────────


def test_every_market_is_listed_as_ccxt_understands_it(simulator: SimulatorProcess, keyless: Any) -> None:
    listed = {m["market_id"]: m["symbol"] for m in simulator.ask("GET", "/markets")}
    assert {m["id"]: m["symbol"] for m in keyless.markets.values()} == listed
    assert keyless.market("BTC/USD")["id"] == "XXBTZUSD"
    assert keyless.market("LUNC/USD")["info"]["wsname"] == "LUNA/USD"
    assert keyless.market("DOGE/USD")["info"]["wsname"] == "XDG/USD"
    assert set(keyless.publicGetAssetPairs({"pair": "XBTUSD,XETHZUSD"})["result"]) == {"XXBTZUSD", "XETHZUSD"}
    assert refusal_of(keyless.publicGetAssetPairs, {"pair": "NOPE"})[1] == "EQuery:Unknown asset pair"


def test_the_clock_is_told_in_seconds(keyless: Any) -> None:
    assert abs(keyless.fetch_time() - keyless.milliseconds()) < 5_000
    assert keyless.fetch_status()["status"] == "ok"


# ── History ───────────────────────────────────────────────────────────────────────────────────────────


def test_two_years_are_read_by_windows_and_offsets_to_the_last_trade(simulator: SimulatorProcess, keyless: Any) -> None:
    account = simulator.account("kraken", history=1_800)
    simulator.trade(account, count=60)
    read = everything(client_of(simulator, keyless, account))
    assert_reads_the_truth(read, simulator.truth(account)["trades"])


def test_ccxt_sees_the_newest_fifty_only(simulator: SimulatorProcess, keyless: Any) -> None:
    account = simulator.account("kraken", history=120)
    client = client_of(simulator, keyless, account)
    told = simulator.truth(account)["trades"]
    assert_reads_the_truth(client.fetch_my_trades(), told[-50:])
    since = told[100]["timestamp_ms"]
    recent = [trade for trade in told if trade["timestamp_ms"] >= since]
    assert_reads_the_truth(client.fetch_my_trades(None, since), recent)


def test_rows_look_as_captured(simulator: SimulatorProcess, keyless: Any) -> None:
    account = simulator.account("kraken")
    wish = {"market_id": "XXBTZUSD", "size": "0.5", "price": "64000.1", "maker": True}
    for _ in range(10):
        simulator.trade(account, **wish)
    client = client_of(simulator, keyless, account)
    result = ask(client)
    assert result["count"] == 10
    assert {row["pair"] for row in result["trades"].values()} == {"XXBTZUSD", "XBTUSD"}
    for name, row in result["trades"].items():
        assert set(row) == ROW
        assert re.fullmatch(r"T[A-Z2-7]{5}-[A-Z2-7]{5}-[A-Z2-7]{6}", name)
        assert re.fullmatch(r"O[A-Z2-7]{5}-[A-Z2-7]{5}-[A-Z2-7]{6}", row["ordertxid"])
        assert (row["price"], row["vol"], row["cost"]) == ("64000.10000", "0.50000000", "32000.05000")
        assert row["fee"] == "80.00012"
        assert re.fullmatch(r"\d{10}\.\d{4}", str(row["time"]))
        assert row["maker"] is True
    assert len({row["postxid"] for row in result["trades"].values()}) == 1, "a position is no identity"


def test_numbers_of_trades_repeat_across_books(simulator: SimulatorProcess, keyless: Any) -> None:
    account = simulator.account("kraken", history=400)
    rows = list(windows(client_of(simulator, keyless, account), 0, keyless.seconds()))
    by_number = {row["trade_id"] for row in rows}
    by_book = {(row["trade_id"], keyless.safe_market(row["pair"])["symbol"]) for row in rows}
    assert len(by_number) < len(rows)
    assert len(by_book) == len(rows) == 400


def test_the_start_is_exclusive_and_the_end_inclusive_by_seconds_or_ids(
    simulator: SimulatorProcess, keyless: Any
) -> None:
    account = simulator.account("kraken", history=30)
    client = client_of(simulator, keyless, account)
    told = simulator.truth(account)["trades"]
    ids = [trade["exchange_trade_id"] for trade in told]

    def read(**params: Any) -> set[str]:
        return set(ask(client, **params)["trades"])

    assert list(ask(client)["trades"]) == ids[::-1], "newest first"
    assert read(start=ids[9], end=ids[19]) == set(ids[10:20])
    second = told[12]["timestamp_ms"] // 1000
    assert read(start=second, end=second + 1) >= {ids[12]}
    assert ids[12] not in read(end=second)
    assert ids[12] not in read(start=second + 1)
    for wrong in ({"start": "TAAAAA-AAAAA-AAAAAA"}, {"end": "yesterday"}, {"ofs": "-1"}, {"type": "odd"}):
        assert refusal_of(client.privatePostTradesHistory, wrong) == (ccxt.BadRequest, "EGeneral:Invalid arguments")


def test_offsets_end_at_the_count_which_can_be_left_out(simulator: SimulatorProcess, keyless: Any) -> None:
    client = client_of(simulator, keyless, simulator.account("kraken", history=120))
    sizes = [len(ask(client, ofs=offset)["trades"]) for offset in (0, 50, 100, 150)]
    assert sizes == [50, 50, 20, 0]
    assert ask(client, ofs=150)["count"] == 120
    assert "count" not in ask(client, without_count="true")
    assert "count" in ask(client, without_count=True), "Python's True is no word of this exchange"
    assert ask(client, type="closed position") == {"trades": {}, "count": 0}


def test_a_new_trade_moves_every_page_and_a_late_one_loses_a_row(simulator: SimulatorProcess, keyless: Any) -> None:
    account = simulator.account("kraken", history=100)
    client = client_of(simulator, keyless, account)
    ids = [trade["exchange_trade_id"] for trade in simulator.truth(account)["trades"]]
    first = ask(client)
    made = simulator.trade(account, market_id="XXBTZUSD")[0]["exchange_trade_id"]
    second = ask(client, ofs=50)
    assert set(first["trades"]) & set(second["trades"]) == {ids[-50]}
    simulator.weather("late", delay=30)
    hidden = simulator.trade(account, market_id="XXBTZUSD")[0]["exchange_trade_id"]
    simulator.calm()
    simulator.trade(account, market_id="XXBTZUSD")
    latest = ask(client)
    assert latest["count"] == 102
    assert made in latest["trades"]
    assert hidden not in latest["trades"]
    assert len(latest["trades"]) == 50
    simulator.ask("POST", "/clock", skew_ms=31_000)
    later = ask(client)
    assert later["count"] == 103
    assert hidden in later["trades"]


def test_takers_trades_are_put_together_unless_asked_otherwise(simulator: SimulatorProcess, keyless: Any) -> None:
    account = simulator.account("kraken")
    told = [trade for _ in range(6) for trade in simulator.trade(account, market_id="XETHZUSD", size="2", maker=False)]
    client = client_of(simulator, keyless, account)
    together, apart = ask(client), ask(client, consolidate_taker="false")
    assert ask(client, consolidate_taker=False) == together
    assert set(together["trades"]) == {trade["exchange_trade_id"] for trade in told}
    assert int(apart["count"]) == len(apart["trades"]) == 8
    assert set(together["trades"]) < set(apart["trades"])
    for name in ("vol", "cost", "fee"):
        sums = [sum(Decimal(row[name]) for row in each["trades"].values()) for each in (together, apart)]
        assert sums[0] == sums[1]


def test_a_key_may_see_a_part_of_the_past_only_and_says_so(simulator: SimulatorProcess, keyless: Any) -> None:
    now = keyless.milliseconds()
    since, until = now - 300 * DAY_MS, now - 100 * DAY_MS
    account = simulator.account("kraken", history=200, details={"query_from_ms": since, "query_to_ms": until})
    client = client_of(simulator, keyless, account)
    told = [t for t in simulator.truth(account)["trades"] if since <= t["timestamp_ms"] <= until]
    assert_reads_the_truth(everything(client), told)
    report = client.private_post_getapikeyinfo()["result"]
    assert (report["queryFrom"], report["queryTo"]) == (str(since // 1000), str(until // 1000))


def test_trades_of_a_delisted_pair_stay_and_ccxt_does_not_know_it(simulator: SimulatorProcess, keyless: Any) -> None:
    account = simulator.account("kraken")
    for _ in range(5):
        simulator.trade(account, market_id="XLTCZUSD")
    simulator.ask("POST", "/markets", exchange="kraken", product="spot", market_id="XLTCZUSD", status="delisted")
    fresh = pointed_at(simulator, ccxt.kraken(credentials(account)), "kraken")
    fresh.load_markets()
    assert "LTC/USD" not in fresh.markets
    read = fresh.fetch_my_trades()
    assert {trade["symbol"] for trade in read} == {"XLTCZUSD", "LTCUSD"}
    assert {trade["fee"]["currency"] for trade in read} == {None}


def test_an_order_tells_what_was_executed_of_it(simulator: SimulatorProcess, keyless: Any) -> None:
    account = simulator.account("kraken")
    made = simulator.trade(account, market_id="XETHZUSD", size="3", fills=3)
    client = client_of(simulator, keyless, account)
    row = client.privatePostQueryOrders({"txid": made[0]["order_id"], "trades": "true"})["result"][made[0]["order_id"]]
    assert Decimal(row["vol_exec"]) == 3
    assert row["status"] == "closed"
    assert row["trades"] == [trade["exchange_trade_id"] for trade in made]
    assert Decimal(row["fee"]) == sum(Decimal(trade["fees"][0]["amount"]) for trade in made)
    unknown = {"txid": "OAAAAA-AAAAA-AAAAAA"}
    assert refusal_of(client.privatePostQueryOrders, unknown) == (ccxt.InvalidOrder, "EOrder:Unknown order")
    many = {"txid": ",".join(made[0]["order_id"] for _ in range(51))}
    assert refusal_of(client.privatePostQueryOrders, many)[1] == "EGeneral:Invalid arguments"


def test_after_a_storm_everything_stands_in_the_history(simulator: SimulatorProcess, keyless: Any) -> None:
    account = simulator.account("kraken")
    client = client_of(simulator, keyless, account)
    simulator.ask("POST", "/weather", name="storm")
    simulator.start_trading(100)
    until(lambda: any(name.startswith("weather_") for name in simulator.counters("kraken")))
    simulator.stop_trading()
    simulator.calm()
    told = simulator.truth(account)["trades"]
    until(lambda: ask(client)["count"] == len(told), what="late trades are shown at last")
    assert_reads_the_truth(everything(client), told)


# ── Balances ──────────────────────────────────────────────────────────────────────────────────────────


def test_balances_are_the_deposits_and_the_trades_and_what_earns_stands_apart(
    simulator: SimulatorProcess, keyless: Any
) -> None:
    account = simulator.account("kraken", history=50)
    simulator.trade(account, count=60)
    balance = client_of(simulator, keyless, account).fetch_balance()
    for told in simulator.truth(account)["balances"]:
        code = told["asset"] + (".F" if told["wallet"] == "earn" else "")
        assert Decimal(balance["free"][code]) == Decimal(told["free"])
        assert Decimal(balance["used"][code]) == Decimal(told["locked"])
    assert "BTC.F" in balance["total"]
