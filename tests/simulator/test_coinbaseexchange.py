"""ccxt's REST client reads from the Coinbase Exchange dialect exactly what happened, and is refused as it would be."""

import base64
import hashlib
import hmac
import json
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import ccxt
import pytest

from tests.fixtures.simulator import SimulatorProcess
from tests.simulator.plain import Said, call
from tests.simulator.witnesses import assert_reads_the_truth, credentials, pointed_at

API = "https://api.exchange.coinbase.com"
NAME = "coinbaseexchange"


@pytest.fixture
def simulator(start_simulator: Any) -> SimulatorProcess:
    return start_simulator("--exchanges", NAME, "--no-limits")


def client_of(simulator: SimulatorProcess, account: dict[str, Any]) -> Any:
    client = pointed_at(simulator, ccxt.coinbaseexchange(credentials(account)), NAME)
    client.load_markets()
    return client


def ask(
    simulator: SimulatorProcess, account: dict[str, Any], path: str, spoilt: dict[str, str] | None = None, **params: Any
) -> Said:
    """A signed GET; `spoilt` are other headers, or another `age_s` or `signed` text."""
    wrong = dict(spoilt or {})
    stamp = str(int(time.time()) - int(wrong.pop("age_s", "0")))
    query = f"?{urlencode(params)}" if params else ""
    text = wrong.pop("signed", f"{stamp}GET{path}{query}")
    digest = hmac.new(base64.b64decode(account["secret"]), text.encode(), hashlib.sha256).digest()
    headers = {
        "CB-ACCESS-KEY": account["api_key"],
        "CB-ACCESS-SIGN": base64.b64encode(digest).decode(),
        "CB-ACCESS-TIMESTAMP": stamp,
        "CB-ACCESS-PASSPHRASE": account["passphrase"],
    }
    return call(simulator, NAME, f"{API}{path}{query}", headers=headers | wrong)


def pages(simulator: SimulatorProcess, account: dict[str, Any], path: str, **params: Any) -> list[list[dict[str, Any]]]:
    """Every page down to the first that is empty, which is the only end there is."""
    found: list[list[dict[str, Any]]] = []
    after: dict[str, Any] = {}
    while True:
        answer = ask(simulator, account, path, **params, **after)
        assert answer.status == 200
        if not answer.data:
            assert "cb-after" not in answer.headers
            return found
        found.append(answer.data)
        after = {"after": answer.headers["cb-after"]}


# ── What is listed ────────────────────────────────────────────────────────────────────────────────────


def test_every_market_is_listed_as_ccxt_understands_it(simulator: SimulatorProcess) -> None:
    client = client_of(simulator, simulator.account(NAME))
    listed = {(m["market_id"], m["symbol"]) for m in simulator.ask("GET", "/markets")}
    assert {(m["id"], m["symbol"]) for m in client.markets.values()} == listed
    assert client.market("CELO/USD")["id"] == "CGLD-USD"
    assert client.market("BTC/USD")["precision"]["price"] == "0.01"


def test_a_delisted_product_stays_on_the_list(simulator: SimulatorProcess) -> None:
    simulator.weather("delisting", market="TRX-USD")
    assert call(simulator, NAME, f"{API}/products/TRX-USD").data["status"] == "delisted"
    assert call(simulator, NAME, f"{API}/products/BTC-USD").data["status"] == "online"
    assert call(simulator, NAME, f"{API}/products/NO-SUCH").status == 404


def test_the_clock_is_told(simulator: SimulatorProcess) -> None:
    told = call(simulator, NAME, f"{API}/time").data
    assert abs(told["epoch"] * 1000 - simulator.ask("GET", "/clock")["now_ms"]) < 5_000
    assert told["iso"].endswith("Z")


# ── History ───────────────────────────────────────────────────────────────────────────────────────────


def test_the_past_is_read_by_product_and_cursor_to_the_last_trade(simulator: SimulatorProcess) -> None:
    account = simulator.account(NAME, history=900)
    client = client_of(simulator, account)
    found = []
    for market in client.markets:
        product = client.market(market)["id"]
        read = [row for page in pages(simulator, account, "/fills", product_id=product, limit=40) for row in page]
        ids = [row["trade_id"] for row in read]
        assert ids == sorted(set(ids), reverse=True)
        assert {row["product_id"] for row in read} <= {product}
        found += read
    assert_reads_the_truth(client.parse_trades(found), simulator.truth(account)["trades"])
    assert any(Decimal(row["fee"]) < 0 for row in found), "makers of one market are paid"
    every = [row["trade_id"] for row in found]
    assert len(set(every)) < len(every), "ids of different products must collide, or nobody notices mixing them"


def test_fills_are_paged_by_their_ids_where_the_clock_was_put_back(simulator: SimulatorProcess) -> None:
    account = simulator.account(NAME)
    for skew_ms in (0, -60_000, -30_000, 0):
        simulator.weather("clock_skew", exchange=NAME, skew_ms=skew_ms)
        simulator.trade(account, product="spot", market_id="BTC-USD", fills=4)
    simulator.calm()
    found = [row for page in pages(simulator, account, "/fills", product_id="BTC-USD", limit=3) for row in page]
    made = [trade["exchange_trade_id"] for trade in simulator.truth(account)["trades"]]
    assert [str(row["trade_id"]) for row in found] == sorted(made, key=int, reverse=True)
    btc = next(row["id"] for row in ask(simulator, account, "/accounts").data if row["currency"] == "BTC")
    dates = {"start_date": "2020-01-01T00:00:00Z"}
    rows = [row for page in pages(simulator, account, f"/accounts/{btc}/ledger", limit=3, **dates) for row in page]
    assert len([row for row in rows if row["type"] == "match"]) == 16


def test_ccxt_reads_a_product_by_itself(simulator: SimulatorProcess) -> None:
    account = simulator.account(NAME, history=60)
    told = [trade for trade in simulator.truth(account)["trades"] if trade["symbol"] == "BTC/USD"]
    client = client_of(simulator, account)
    assert_reads_the_truth(client.fetch_my_trades("BTC/USD", None, 1000), told)
    middle = told[len(told) // 2]["timestamp_ms"]
    later = client.fetch_my_trades("BTC/USD", middle, 1000)
    assert_reads_the_truth(later, [trade for trade in told if trade["timestamp_ms"] >= middle])
    earlier = client.fetch_my_trades("BTC/USD", None, 1000, {"until": middle})
    assert {trade["timestamp"] for trade in earlier} <= {trade["timestamp_ms"] for trade in told}
    assert len(earlier) + len(later) >= len(told)


def test_what_is_newer_than_a_trade_comes_from_its_newest_end(simulator: SimulatorProcess) -> None:
    account = simulator.account(NAME, history=200)
    rows = [row for page in pages(simulator, account, "/fills", product_id="BTC-USD") for row in page]
    before = rows[30]["trade_id"]
    answer = ask(simulator, account, "/fills", product_id="BTC-USD", before=before, limit=10)
    assert answer.data == rows[:10]
    assert (answer.headers["cb-before"], answer.headers["cb-after"]) == (
        str(rows[0]["trade_id"]),
        str(rows[9]["trade_id"]),
    )
    between = ask(simulator, account, "/fills", product_id="BTC-USD", before=before, after=rows[9]["trade_id"])
    assert between.data == rows[10:30]


def test_pages_hold_a_hundred_and_never_more_than_a_thousand(simulator: SimulatorProcess) -> None:
    account = simulator.account(NAME)
    simulator.ask(
        "POST",
        "/trades",
        account=account["name"],
        trades=[{"market_id": "ETH-USD", "size": "1", "fills": 4} for _ in range(300)],
    )
    assert len(ask(simulator, account, "/fills", product_id="ETH-USD").data) == 100
    assert len(ask(simulator, account, "/fills", product_id="ETH-USD", limit=5000).data) == 1000


def test_fills_of_one_order_need_no_product(simulator: SimulatorProcess) -> None:
    account = simulator.account(NAME, history=30)
    made = simulator.trade(account, market_id="ETH-USD", fills=3, size="0.5")
    rows = ask(simulator, account, "/fills", order_id=made[0]["order_id"]).data
    assert [str(row["trade_id"]) for row in rows] == [trade["exchange_trade_id"] for trade in reversed(made)]
    assert ask(simulator, account, "/fills", order_id=made[0]["order_id"], product_id="BTC-USD").data == []
    assert ask(simulator, account, "/fills", order_id="nobody").data == []


@pytest.mark.parametrize(
    ("params", "status", "message"),
    [
        ({}, 400, "query must contained either product_id or order_id"),
        ({"product_id": "NO-SUCH"}, 404, "NotFound"),
        ({"product_id": "BTC-USD", "limit": "many"}, 400, "invalid limit"),
        ({"product_id": "BTC-USD", "after": "last"}, 400, "invalid after"),
        ({"product_id": "BTC-USD", "start_date": "yesterday"}, 400, "invalid start_date"),
    ],
)
def test_a_question_without_sense_is_refused(
    simulator: SimulatorProcess, params: dict[str, str], status: int, message: str
) -> None:
    answer = ask(simulator, simulator.account(NAME), "/fills", **params)
    assert (answer.status, answer.data) == (status, {"message": message})


def test_ledgers_tell_every_product_that_was_ever_traded(simulator: SimulatorProcess) -> None:
    account = simulator.account(NAME, history=300)
    begin = (datetime.now(UTC) - timedelta(days=800)).isoformat().replace("+00:00", "Z")
    named, kinds, ids = set(), set(), []
    sums: dict[str, Decimal] = {}
    for one in ask(simulator, account, "/accounts").data:
        path = f"/accounts/{one['id']}/ledger"
        for row in (row for page in pages(simulator, account, path, start_date=begin, limit=50) for row in page):
            kinds.add(row["type"])
            ids.append((one["id"], row["id"]))
            sums[one["currency"]] = sums.get(one["currency"], Decimal(0)) + Decimal(row["amount"])
            if row["type"] != "transfer":
                named.add(row["details"]["product_id"])
    assert named == {trade["market_id"] for trade in simulator.truth(account)["trades"]}
    assert kinds >= {"match", "fee", "rebate", "transfer"}
    assert len(set(ids)) == len(ids)
    held = {one["currency"]: Decimal(one["balance"]) for one in ask(simulator, account, "/accounts").data}
    later = {row["asset"] for row in simulator.truth(account)["deposits"][len(sums) :]}
    assert {coin: total for coin, total in sums.items() if coin not in later} == {
        coin: held[coin] for coin in sums if coin not in later
    }


def test_a_ledger_without_dates_is_one_day(simulator: SimulatorProcess) -> None:
    account = simulator.account(NAME, history=300)
    usd = next(one["id"] for one in ask(simulator, account, "/accounts").data if one["currency"] == "USD")
    rows = ask(simulator, account, f"/accounts/{usd}/ledger", limit=1000).data
    day_ago = (datetime.now(UTC) - timedelta(days=1, minutes=1)).isoformat()
    assert all(row["created_at"] > day_ago for row in rows)
    begin = (datetime.now(UTC) - timedelta(days=60)).isoformat()
    assert len(ask(simulator, account, f"/accounts/{usd}/ledger", start_date=begin, limit=1000).data) > len(rows)
    assert ask(simulator, account, "/accounts/nobody/ledger").status == 404


def test_balances_are_read_to_the_last_digit(simulator: SimulatorProcess) -> None:
    account = simulator.account(NAME, history=50)
    simulator.trade(account, count=60)
    held = client_of(simulator, account).fetch_balance()
    for row in simulator.truth(account)["balances"]:
        assert Decimal(str(held[row["asset"]]["free"])) == Decimal(row["free"])
        assert Decimal(str(held[row["asset"]]["used"])) == Decimal(row["locked"])
    one = ask(simulator, account, "/accounts").data[0]
    assert one["profile_id"] == account["uid"]
    assert ask(simulator, account, f"/accounts/{one['id']}").data == one


# ── Keys ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("spoilt", "status", "message"),
    [
        ({"CB-ACCESS-KEY": "unknown"}, 401, "Invalid API Key"),
        ({"CB-ACCESS-PASSPHRASE": "wrong"}, 401, "Invalid Passphrase"),
        ({"CB-ACCESS-PASSPHRASE": ""}, 401, "CB-ACCESS-PASSPHRASE header is required"),
        ({"CB-ACCESS-SIGN": "wrong"}, 401, "invalid signature"),
        ({"signed": "something else"}, 401, "invalid signature"),
        ({"CB-ACCESS-TIMESTAMP": "noon"}, 400, "invalid timestamp"),
        ({"age_s": "40"}, 400, "request timestamp expired"),
        ({"age_s": "-40"}, 400, "request timestamp expired"),
    ],
)
def test_a_call_that_is_wrongly_signed_is_refused(
    simulator: SimulatorProcess, spoilt: dict[str, str], status: int, message: str
) -> None:
    account = simulator.account(NAME)
    assert ask(simulator, account, "/accounts").status == 200
    answer = ask(simulator, account, "/accounts", spoilt)
    assert (answer.status, answer.data) == (status, {"message": message})


def test_the_query_is_signed_too(simulator: SimulatorProcess) -> None:
    account = simulator.account(NAME)
    stamp = str(int(time.time()))
    spoilt = {"signed": f"{stamp}GET/fills", "CB-ACCESS-TIMESTAMP": stamp}
    assert ask(simulator, account, "/fills", spoilt, product_id="BTC-USD").status == 401


@pytest.mark.parametrize(
    ("how", "status", "message"),
    [
        ("revoke", 401, "Invalid API Key"),
        ("expire", 401, "Invalid API Key"),
        ("address", 401, "IP does not match IP whitelist"),
        ("permission", 403, "Forbidden"),
    ],
)
def test_a_key_that_may_not_be_used_is_refused(
    simulator: SimulatorProcess, how: str, status: int, message: str
) -> None:
    account = simulator.account(NAME, permissions=["transfer"] if how == "permission" else ["read"])
    if how == "address":
        simulator.change(account, addresses=["10.1.2.3"])
    elif how != "permission":
        simulator.spoil_key(account, how)
    answer = ask(simulator, account, "/accounts")
    assert (answer.status, answer.data) == (status, {"message": message})


def test_ccxt_takes_a_refused_key_for_one(simulator: SimulatorProcess) -> None:
    account = simulator.account(NAME)
    client = client_of(simulator, account)
    simulator.spoil_key(account, "revoke")
    with pytest.raises(ccxt.AuthenticationError):
        client.fetch_balance()


def test_the_sandbox_is_a_door_of_its_own(simulator: SimulatorProcess) -> None:
    assert call(simulator, NAME, "https://api-public.sandbox.exchange.coinbase.com/products").status == 200


# ── Limits and troubles ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("path", "burst", "who"), [("/time", 15, "Public"), ("/accounts", 30, "Private")])
def test_bursts_are_let_through_and_no_more(start_simulator: Any, path: str, burst: int, who: str) -> None:
    simulator = start_simulator("--exchanges", NAME)
    account = simulator.account(NAME)
    answers = [ask(simulator, account, path) for _ in range(burst * 3)]
    assert [answer.status for answer in answers[:burst]] == [200] * burst
    refused = [json.loads(answer.text) for answer in answers if answer.status == 429]
    assert refused
    assert all(one == {"message": f"{who} rate limit exceeded"} for one in refused)


def test_weather_over_one_account_leaves_the_others_alone(simulator: SimulatorProcess) -> None:
    struck, spared = simulator.account(NAME), simulator.account(NAME)
    simulator.weather("server_errors", struck, chance=1.0)
    assert ask(simulator, struck, "/accounts").status == 500
    assert ask(simulator, spared, "/accounts").status == 200
    assert call(simulator, NAME, f"{API}/nothing").status == 404
