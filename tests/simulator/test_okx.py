"""ccxt's REST client reads from the OKX dialect exactly what happened, and is refused as it would be."""

import json
from collections import Counter
from decimal import Decimal
from typing import Any

import ccxt
import pytest

from simulator.okx.keys import signature
from tests.exchanges.messages import REAL
from tests.fixtures.simulator import SimulatorProcess
from tests.fixtures.waiting import until
from tests.simulator.plain import Said, call
from tests.simulator.witnesses import assert_reads_the_truth, credentials, pointed_at

DAY_MS = 86_400_000
TYPES = ("SPOT", "MARGIN", "SWAP", "FUTURES", "OPTION")
SAMPLES = REAL / "okx.json"
REST = "https://www.okx.com"


@pytest.fixture
def simulator(start_simulator: Any) -> SimulatorProcess:
    return start_simulator("--exchanges", "okx", "--no-limits")


@pytest.fixture
def keyless(simulator: SimulatorProcess) -> Any:
    client = pointed_at(simulator, ccxt.okx(), "okx")
    client.load_markets()
    return client


def client_of(simulator: SimulatorProcess, keyless: Any, account: dict[str, Any]) -> Any:
    client = pointed_at(simulator, ccxt.okx(credentials(account)), "okx")
    client.set_markets(keyless.markets, keyless.currencies)
    return client


def rows(call_: Any, **params: Any) -> list[dict[str, Any]]:
    return call_(params)["data"]


def walked(call_: Any, **params: Any) -> list[dict[str, Any]]:
    """Every row, from the newest page by `after` to the empty one."""
    found: list[dict[str, Any]] = []
    while page := rows(call_, **params, **({"after": found[-1]["billId"]} if found else {})):
        found += page
    return found


def as_it_happened(trades: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """ccxt takes the time of booking (`ts`) for the time of the trade (`fillTime`), and knows no role where
    the exchange made the order (documents: `execType` is empty then); the truth has both."""
    for trade in trades:
        info = trade["info"]
        assert 1 <= trade["timestamp"] - int(info["fillTime"]) <= 5
        trade["timestamp"] = int(info["fillTime"])
        if info["execType"] == "":
            assert trade["takerOrMaker"] in {None, ""}
            trade["takerOrMaker"] = "taker"
    return trades


def cut(trades: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Costs of contracts margined in their coin are quotients without an end: ccxt cuts 1/price after 18 places."""
    return [
        trade | {"cost": str(Decimal(str(trade["cost"])).quantize(Decimal("1e-9")))}
        if trade["symbol"] in {"BTC/USD:BTC", "ETH/USD:ETH"}
        else trade
        for trade in trades
    ]


def history(client: Any) -> list[dict[str, Any]]:
    """All of three months, as ccxt parses it."""
    found = []
    for kind in TYPES:
        found += client.parse_trades(walked(client.privateGetTradeFillsHistory, instType=kind))
    return as_it_happened(found)


def refusal_of(call_: Any, *arguments: Any) -> tuple[type, int]:
    """What ccxt makes of a refusal, and the code that it was."""
    with pytest.raises(ccxt.BaseError) as refused:
        call_(*arguments)
    text = str(refused.value)
    return type(refused.value), int(json.loads(text[text.index("{") :])["code"])


def asked(
    simulator: SimulatorProcess,
    account: dict[str, Any],
    path: str = "/api/v5/account/config",
    *,
    host: str = REST,
    stamp: str | None = None,
    secret: str | None = None,
    without: str = "",
    **headers: str,
) -> Said:
    """A call signed by hand; what is given instead spoils it."""
    moment = stamp or ccxt.Exchange.iso8601(simulator.ask("GET", "/clock")["now_ms"])
    made = {
        "OK-ACCESS-KEY": account["api_key"],
        "OK-ACCESS-PASSPHRASE": account["passphrase"],
        "OK-ACCESS-TIMESTAMP": moment,
        "OK-ACCESS-SIGN": signature(secret or account["secret"], f"{moment}GET{path}"),
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    made.pop(without, None)
    return call(simulator, "okx", host + path, headers=made)


# ── Markets ───────────────────────────────────────────────────────────────────────────────────────────


def test_every_market_is_listed_as_ccxt_understands_it(simulator: SimulatorProcess, keyless: Any) -> None:
    listed = {(m["product"], m["market_id"], m["symbol"]) for m in simulator.ask("GET", "/markets")}

    def product(market: dict[str, Any]) -> str:
        return "spot" if market["spot"] else "linear" if market["linear"] else "inverse"

    assert {(product(m), m["id"], m["symbol"]) for m in keyless.markets.values()} == listed
    assert keyless.market("BTC/USDT:USDT")["contractSize"] == "0.01"
    assert keyless.market("BTC/USD:BTC")["contractSize"] == "100"
    assert keyless.market("BTC/USD")["info"]["tradeQuoteCcyList"] == ["USDC"]


def test_a_keyed_client_is_told_of_currencies_too(simulator: SimulatorProcess) -> None:
    client = pointed_at(simulator, ccxt.okx(credentials(simulator.account("okx"))), "okx")
    client.load_markets()
    assert client.currency("USDT")["networks"]


@pytest.mark.parametrize(
    ("params", "code"),
    [({}, 50014), ({"instType": "GALACTIC"}, 51000), ({"instType": "OPTION"}, 50014)],
)
def test_instruments_are_asked_for_by_type(keyless: Any, params: dict[str, str], code: int) -> None:
    assert refusal_of(keyless.publicGetPublicInstruments, params)[1] == code
    assert len(rows(keyless.publicGetPublicInstruments, instType="MARGIN")) > 10
    assert rows(keyless.publicGetPublicInstruments, instType="FUTURES") == []


def test_the_clock_is_told(keyless: Any) -> None:
    assert abs(keyless.fetch_time() - keyless.milliseconds()) < 5_000


# ── History ───────────────────────────────────────────────────────────────────────────────────────────


def test_three_months_are_read_by_type_and_cursor_to_the_last_trade(simulator: SimulatorProcess, keyless: Any) -> None:
    account = simulator.account("okx", history=1_500)
    client = client_of(simulator, keyless, account)
    told = simulator.truth(account)["trades"]
    read = history(client)
    assert_reads_the_truth(cut(read), cut(told))
    assert Counter(t["product"] for t in told).keys() == {"spot", "margin", "linear", "inverse"}
    ids = [(trade["symbol"], trade["id"]) for trade in read]
    assert len({one for _, one in ids}) < len(ids), "ids of different symbols must collide, or nobody sees them mixed"


def test_margin_fills_of_a_pair_are_not_among_those_of_spot(simulator: SimulatorProcess, keyless: Any) -> None:
    account = simulator.account("okx", history=600)
    client = client_of(simulator, keyless, account)
    told = simulator.truth(account)["trades"]
    for kind, product in (("SPOT", "spot"), ("MARGIN", "margin")):
        wanted = {t["exchange_trade_id"] for t in told if (t["product"], t["market_id"]) == (product, "BTC-USDT")}
        read = walked(client.privateGetTradeFillsHistory, instType=kind, instId="BTC-USDT")
        assert {row["tradeId"] for row in read} == wanted != set()
        assert {row["instType"] for row in read} == {kind}


def test_an_account_of_the_spot_level_neither_borrows_nor_trades_contracts(simulator: SimulatorProcess) -> None:
    account = simulator.account("okx", mode="spot", history=200)
    assert {t["product"] for t in simulator.truth(account)["trades"]} == {"spot"}
    assert asked(simulator, account).data["data"][0]["acctLv"] == "1"


def test_ccxt_asks_for_one_type_at_a_time(simulator: SimulatorProcess, keyless: Any) -> None:
    account = simulator.account("okx", history=120)
    client = client_of(simulator, keyless, account)
    told = simulator.truth(account)["trades"]
    asked_for = {"spot": {}, "margin": {"type": "margin"}}
    for product, params in asked_for.items():
        read = as_it_happened(client.fetch_my_trades(None, None, 100, params))
        assert_reads_the_truth(read, [trade for trade in told if trade["product"] == product])
    swaps = as_it_happened(client.fetch_my_trades(None, None, 100, {"type": "swap"}))
    assert_reads_the_truth(cut(swaps), cut([t for t in told if t["product"] in {"linear", "inverse"}]))


def test_what_shows_late_shows_under_an_older_bill(simulator: SimulatorProcess, keyless: Any) -> None:
    account = simulator.account("okx", products=["spot"], details={"margin": False})
    client = client_of(simulator, keyless, account)
    simulator.weather("late", delay=1.5)
    slow = simulator.trade(account, market_id="BTC-USDT", fills=1)[0]["exchange_trade_id"]
    simulator.calm()
    quick = simulator.trade(account, market_id="BTC-USDT", fills=1)[0]["exchange_trade_id"]

    def shown() -> list[str]:
        return [row["tradeId"] for row in rows(client.privateGetTradeFills)]

    assert shown() == [quick]
    until(lambda: len(shown()) == 2)
    assert shown() == [quick, slow]


def test_a_page_holds_a_hundred_rows_newest_bill_first_and_the_end_is_an_empty_one(
    simulator: SimulatorProcess, keyless: Any
) -> None:
    account = simulator.account("okx", products=["spot"], details={"margin": False})
    for _ in range(60):
        simulator.trade(account, market_id="BTC-USDT", fills=4, size="0.001")
    client = client_of(simulator, keyless, account)
    fetch = client.privateGetTradeFillsHistory
    first = rows(fetch, instType="SPOT", limit="500")
    assert len(first) == 100
    bills = [int(row["billId"]) for row in walked(fetch, instType="SPOT")]
    assert bills == sorted(bills, reverse=True)
    assert len(set(bills)) == len(simulator.truth(account)["trades"])
    times = [int(row["fillTime"]) for row in walked(fetch, instType="SPOT")]
    assert times != sorted(times, reverse=True), "bills are not booked in the order of trades"
    assert rows(fetch, instType="SPOT", after=str(bills[-1])) == []


def test_before_alone_is_the_newest_page_above_and_not_the_next_one(simulator: SimulatorProcess, keyless: Any) -> None:
    account = simulator.account("okx", products=["spot"], history=400, details={"margin": False})
    client = client_of(simulator, keyless, account)
    fetch = client.privateGetTradeFillsHistory
    bills = [row["billId"] for row in walked(fetch, instType="SPOT")]
    assert [row["billId"] for row in rows(fetch, instType="SPOT", before=bills[300])] == bills[:100]
    between = rows(fetch, instType="SPOT", after=bills[10], before=bills[20])
    assert [row["billId"] for row in between] == bills[11:20]


def test_begin_and_end_are_of_the_time_of_booking(simulator: SimulatorProcess, keyless: Any) -> None:
    account = simulator.account("okx", products=["spot"], history=300, details={"margin": False})
    client = client_of(simulator, keyless, account)
    fetch = client.privateGetTradeFillsHistory
    every = walked(fetch, instType="SPOT")
    begin, end = every[80]["ts"], every[40]["ts"]
    read = rows(fetch, instType="SPOT", begin=begin, end=end)
    assert [row["billId"] for row in read] == [
        row["billId"] for row in every if int(begin) <= int(row["ts"]) <= int(end)
    ]
    assert len(read) >= 41


def test_three_days_of_everything_are_one_question_and_older_is_silently_not_there(
    simulator: SimulatorProcess, keyless: Any
) -> None:
    account = simulator.account("okx", history=3_000)
    client = client_of(simulator, keyless, account)
    simulator.trade(account, count=20)
    now = client.milliseconds()
    read = as_it_happened(client.parse_trades(walked(client.privateGetTradeFills)))
    told = [t for t in simulator.truth(account)["trades"] if t["timestamp_ms"] > now - 3 * DAY_MS + 5]
    assert_reads_the_truth(cut(read), cut(told))
    assert len({row["info"]["instType"] for row in read}) >= 3
    assert rows(client.privateGetTradeFills, end=str(now - 4 * DAY_MS)) == []
    assert rows(client.privateGetTradeFillsHistory, instType="SPOT", end=str(now - 91 * DAY_MS)) == []


def test_what_was_forced_has_a_negative_id_and_no_role(simulator: SimulatorProcess, keyless: Any) -> None:
    account = simulator.account("okx", products=["linear"])
    for kind, sub_type in (("liquidation", "106"), ("adl", "127"), ("trade", "1")):
        made = simulator.trade(account, market_id="BTC-USDT-SWAP", kind=kind, side="buy", fills=2, size="1")
        client = client_of(simulator, keyless, account)
        read = rows(client.privateGetTradeFills, ordId=made[0]["order_id"])
        assert {row["tradeId"] for row in read} == {t["exchange_trade_id"] for t in made}
        assert {row["subType"] for row in read} == {sub_type}
        assert {int(row["tradeId"]) < 0 for row in read} == {kind != "trade"}
        assert {row["execType"] == "" for row in read} == {kind != "trade"}


def test_a_trade_with_oneself_is_one_id_on_two_orders(simulator: SimulatorProcess, keyless: Any) -> None:
    account = simulator.account("okx", products=["spot"], details={"margin": False})
    simulator.trade(account, market_id="BTC-USDT", self_trade=True)
    client = client_of(simulator, keyless, account)
    one, other = rows(client.privateGetTradeFills)
    assert one["tradeId"] == other["tradeId"]
    assert one["ordId"] != other["ordId"]
    assert {one["execType"], other["execType"]} == {"T", "M"}


def test_fees_are_negative_when_paid_and_in_the_coin_that_the_account_chose(
    simulator: SimulatorProcess, keyless: Any
) -> None:
    def fee_of(account: dict[str, Any], **wish: Any) -> tuple[str, bool]:
        simulator.trade(account, **wish)
        row = rows(client_of(simulator, keyless, account).privateGetTradeFills)[0]
        return row["feeCcy"], Decimal(row["fee"]) < 0

    usual = simulator.account("okx")
    quoted = simulator.account("okx", details={"fee_type": 1})
    assert fee_of(usual, product="spot", market_id="BTC-USDT", side="buy", maker=False) == ("BTC", True)
    assert fee_of(usual, product="spot", market_id="BTC-USDT", side="sell", maker=False) == ("USDT", True)
    assert fee_of(usual, product="spot", market_id="ETH-USDC", side="sell", maker=True) == ("ETH", False)
    assert fee_of(usual, product="linear", market_id="ETH-USDT-SWAP", maker=True) == ("USDT", False)
    assert fee_of(usual, product="inverse", market_id="BTC-USD-SWAP") == ("BTC", True)
    assert fee_of(usual, product="spot", market_id="BTC-USD", side="sell", maker=False) == ("USDC", True)
    assert fee_of(quoted, product="spot", market_id="BTC-USDT", side="buy", maker=False) == ("USDT", True)


@pytest.mark.skipif(not SAMPLES.exists(), reason="the real messages are not there")
def test_rows_have_the_keys_of_real_ones(simulator: SimulatorProcess, keyless: Any) -> None:
    real = {case["id"]: case["raw"] for case in json.loads(SAMPLES.read_text())}
    account = simulator.account("okx", products=["spot"])
    simulator.trade(account, market_id="BTC-USDT")
    client = client_of(simulator, keyless, account)
    row = rows(client.privateGetTradeFillsHistory, instType=simulated_type(simulator, account))[0]
    assert set(row) == set(real["ok12"]["data"][0]) | {"subType", "tradeQuoteCcy"}
    held = rows(client.privateGetAccountBalance)[0]
    assert set(held["details"][0]) - set(real["ok15"]["data"][0]["details"][0]) == {"spotBal"}
    assert set(real["ok15"]["data"][0]["details"][0]) <= set(held["details"][0])
    assert set(held) == set(real["ok15"]["data"][0])


def simulated_type(simulator: SimulatorProcess, account: dict[str, Any]) -> str:
    return str(simulator.truth(account)["trades"][0]["product"]).upper()


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({}, 50014),
        ({"instType": "GALACTIC"}, 51000),
        ({"instType": "SPOT", "instId": "NOPE-USDT"}, 51001),
        ({"instType": "SPOT", "after": "x"}, 51000),
        ({"instType": "SPOT", "begin": "yesterday"}, 51000),
        ({"instType": "SPOT", "limit": "-1"}, 51000),
    ],
)
def test_a_wrong_question_is_refused(
    simulator: SimulatorProcess, keyless: Any, params: dict[str, str], code: int
) -> None:
    client = client_of(simulator, keyless, simulator.account("okx"))
    assert refusal_of(client.privateGetTradeFillsHistory, params)[1] == code


# ── Ledger and wallets ────────────────────────────────────────────────────────────────────────────────


def test_bills_rebuild_every_trade(simulator: SimulatorProcess, keyless: Any) -> None:
    account = simulator.account("okx", history=400)
    client = client_of(simulator, keyless, account)
    bills = walked(client.privateGetAccountBillsArchive)
    ids = [int(row["billId"]) for row in bills]
    assert ids == sorted(set(ids), reverse=True)
    by_trade: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for row in bills:
        if row["type"] in {"2", "5", "9"}:
            by_trade.setdefault((row["instId"], row["tradeId"], row["ordId"]), []).append(row)
    told = simulator.truth(account)["trades"]
    assert len(by_trade) == len(told)
    for trade in told:
        legs = by_trade[trade["market_id"], trade["exchange_trade_id"], trade["order_id"]]
        fee = sum(Decimal(leg["fee"]) for leg in legs)
        assert fee == -sum(Decimal(one["amount"]) for one in trade["fees"])
        assert {leg["instType"] for leg in legs} <= {trade["product"].upper(), "SWAP"}
        if trade["product"] in {"spot", "margin"}:
            base, quote = sorted(legs, key=lambda leg: int(leg["billId"]))
            assert (Decimal(base["sz"]), Decimal(quote["sz"])) == (Decimal(trade["amount"]), Decimal(trade["cost"]))


def test_bills_of_a_week_and_of_one_coin(simulator: SimulatorProcess, keyless: Any) -> None:
    account = simulator.account("okx", history=900)
    client = client_of(simulator, keyless, account)
    now = client.milliseconds()
    week = walked(client.privateGetAccountBills)
    assert min(int(row["ts"]) for row in week) > now - 7 * DAY_MS - 5_000
    everything = walked(client.privateGetAccountBillsArchive)
    assert [r["billId"] for r in week] == [r["billId"] for r in everything[: len(week)]]
    coin = walked(client.privateGetAccountBillsArchive, ccy="BTC", instType="SPOT")
    assert coin
    assert {(row["ccy"], row["instType"]) for row in coin} == {("BTC", "SPOT")}


@pytest.mark.parametrize("mode", ["futures", "spot"])
def test_both_wallets_are_the_truth(simulator: SimulatorProcess, keyless: Any, mode: str) -> None:
    account = simulator.account("okx", mode=mode, history=100)
    simulator.trade(account, count=30)
    client = client_of(simulator, keyless, account)
    told = simulator.truth(account)["balances"]
    for wallet, params in (("trading", {}), ("funding", {"type": "funding"})):
        read = client.fetch_balance(params)
        held = {
            one["asset"]: (Decimal(one["free"]), Decimal(one["free"]) + Decimal(one["locked"]))
            for one in told
            if one["wallet"] == wallet
        }
        assert {
            coin: (Decimal(str(read[coin]["free"])), Decimal(str(read[coin]["total"]))) for coin in read["total"]
        } == held
        assert held


# ── Keys ──────────────────────────────────────────────────────────────────────────────────────────────


def test_the_signature_is_the_one_of_the_documents() -> None:
    """HMAC-SHA256 in base64 over time, method and path, worked out by openssl."""
    told = signature("22582BD0CFF14C41EDBF1AB98506286D", "2020-12-08T09:08:57.715ZGET/api/v5/account/balance?ccy=BTC")
    assert told == "HiZhvSfMtWJA3uUIVXV3a/bSXNPCWvYFXoGCVS8V4zY="


def test_the_key_says_what_it_may_do(simulator: SimulatorProcess) -> None:
    reader = asked(simulator, simulator.account("okx")).data["data"][0]
    assert (reader["perm"], reader["ip"], reader["acctLv"], reader["feeType"]) == ("read_only", "", "2", "0")
    assert reader["uid"] == reader["mainUid"]
    strong = simulator.account(
        "okx",
        mode="portfolio",
        permissions=["read", "trade", "withdraw"],
        addresses=["127.0.0.1", "10.0.0.1"],
        details={"fee_type": 1, "main_uid": "1"},
    )
    config = asked(simulator, strong).data["data"][0]
    assert set(config["perm"].split(",")) == {"read_only", "trade", "withdraw"}
    assert (config["ip"], config["acctLv"], config["feeType"]) == ("127.0.0.1,10.0.0.1", "4", "1")
    assert config["mainUid"] != config["uid"]


@pytest.mark.parametrize(
    ("spoilt", "refused"),
    [
        ({"without": "OK-ACCESS-KEY"}, (401, "50103")),
        ({"without": "OK-ACCESS-PASSPHRASE"}, (401, "50104")),
        ({"without": "OK-ACCESS-SIGN"}, (401, "50106")),
        ({"without": "OK-ACCESS-TIMESTAMP"}, (401, "50107")),
        ({"OK_ACCESS_PASSPHRASE": "wrong"}, (401, "50105")),
        ({"OK_ACCESS_KEY": "no key at all"}, (401, "50111")),
        ({"OK_ACCESS_KEY": "00000000-0000-4000-8000-000000000000"}, (200, "50119")),
        ({"secret": "wrong"}, (401, "50113")),
        ({"stamp": "1795190440"}, (401, "50112")),
        ({"stamp": "2026-02-31T00:00:00.000Z"}, (401, "50112")),
        ({"stamp": "2020-12-08T09:08:57.715Z"}, (401, "50102")),
        ({"x_simulated_trading": "1"}, (401, "50101")),
        ({"host": "https://eea.okx.com"}, (200, "50119")),
        ({"host": "https://us.okx.com"}, (200, "50119")),
    ],
)
def test_whoever_signs_wrongly_is_refused(
    simulator: SimulatorProcess, spoilt: dict[str, str], refused: tuple[int, str]
) -> None:
    said = asked(simulator, simulator.account("okx"), **spoilt)
    assert (said.status, said.data["code"]) == refused
    assert "retry-after" not in said.headers


@pytest.mark.parametrize(
    ("how", "refused"), [("revoke", (200, "50119")), ("expire", (401, "50111")), ("address", (401, "50110"))]
)
def test_a_spoilt_key_is_refused(simulator: SimulatorProcess, how: str, refused: tuple[int, str]) -> None:
    account = simulator.account("okx")
    if how == "address":
        simulator.change(account, addresses=["10.1.2.3"])
    else:
        simulator.spoil_key(account, how)
    said = asked(simulator, account)
    assert (said.status, said.data["code"]) == refused


def test_a_key_that_may_not_even_read_is_refused(simulator: SimulatorProcess) -> None:
    said = asked(simulator, simulator.account("okx", permissions=[]))
    assert (said.status, said.data["code"]) == (200, "50120")


@pytest.mark.parametrize(
    ("entity", "host", "witness"),
    [("eea", "https://eea.okx.com", ccxt.myokx), ("us", "https://us.okx.com", ccxt.okxus)],
)
def test_each_entity_has_its_own_door(simulator: SimulatorProcess, entity: str, host: str, witness: Any) -> None:
    account = simulator.account("okx", details={"entity": entity})
    assert asked(simulator, account, host=host).data["code"] == "0"
    assert asked(simulator, account).data["code"] == "50119"
    client = pointed_at(simulator, witness(credentials(account)), "okx")
    assert client.fetch_balance()["total"]


def test_a_key_of_demo_trading_needs_its_header(simulator: SimulatorProcess) -> None:
    account = simulator.account("okx", details={"demo": True})
    assert asked(simulator, account).data["code"] == "50101"
    assert asked(simulator, account, x_simulated_trading="1").data["code"] == "0"
    client = ccxt.okx(credentials(account))
    client.set_sandbox_mode(True)
    assert pointed_at(simulator, client, "okx").fetch_balance()["total"]


# ── Limits and troubles ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("path", "quota"),
    [("/api/v5/trade/fills-history?instType=SPOT", 10), ("/api/v5/trade/fills", 60), ("/api/v5/account/config", 5)],
)
def test_each_path_has_a_limit_of_each_user_and_a_breach_names_no_time(
    start_simulator: Any, path: str, quota: int
) -> None:
    # Time stands nearly still, so that a slow machine meets the window as well.
    simulator = start_simulator("--exchanges", "okx", "--speed", "0.01")
    account, other = simulator.account("okx"), simulator.account("okx")
    said = [asked(simulator, account, path) for _ in range(quota + 8)]
    assert [one.data["code"] for one in said] == ["0"] * quota + ["50011"] * 8
    assert {one.status for one in said[quota:]} <= {429, 200}
    assert not any("limit" in name or "retry" in name for one in said for name in one.headers)
    assert asked(simulator, other, path).data["code"] == "0"


def test_ccxt_understands_the_troubles(simulator: SimulatorProcess, keyless: Any) -> None:
    client = client_of(simulator, keyless, simulator.account("okx"))
    simulator.weather("maintenance")
    assert refusal_of(client.fetch_balance) == (ccxt.OnMaintenance, 50001)
    simulator.calm()
    simulator.weather("rate_limit")
    assert refusal_of(client.fetch_balance)[1] == 50011
    simulator.calm()
    simulator.weather("rate_limit", patience=0)
    with pytest.raises(ccxt.ExchangeNotAvailable, match="429"):
        client.fetch_balance()
    simulator.calm()
    assert client.fetch_balance()["total"]


def test_a_path_that_does_not_exist_is_not_found(simulator: SimulatorProcess) -> None:
    assert call(simulator, "okx", f"{REST}/api/v5/trade/nonsense").status == 404
