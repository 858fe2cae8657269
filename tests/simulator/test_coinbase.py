"""ccxt's REST client reads from the Coinbase dialect exactly what happened, and is refused as it would be."""

import base64
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import ccxt
import pytest

from tests.exchanges.messages import real_message
from tests.fixtures.simulator import SimulatorProcess
from tests.fixtures.waiting import until
from tests.simulator.coinbase_client import ask, token
from tests.simulator.plain import call
from tests.simulator.witnesses import assert_reads_the_truth, credentials, pointed_at

API = "https://api.coinbase.com"
BROKERAGE = "/api/v3/brokerage"
FILLS = f"{BROKERAGE}/orders/historical/fills"
DAY_MS = 86_400_000


@pytest.fixture
def simulator(start_simulator: Any) -> SimulatorProcess:
    return start_simulator("--exchanges", "coinbase", "--no-limits")


@pytest.fixture
def limited(start_simulator: Any) -> SimulatorProcess:
    return start_simulator("--exchanges", "coinbase")


def client_of(simulator: SimulatorProcess, account: dict[str, Any]) -> Any:
    client = pointed_at(simulator, ccxt.coinbase(credentials(account)), "coinbase")
    client.load_markets()
    return client


def pages(client: Any, **params: Any) -> list[list[dict[str, Any]]]:
    """Every page of a question, raw, as the exchange's own end sign closes it."""
    found: list[list[dict[str, Any]]] = []
    cursor = ""
    while True:
        asked = params | ({"cursor": cursor} if cursor else {})
        answer = client.v3PrivateGetBrokerageOrdersHistoricalFills(asked)
        found.append(answer["fills"])
        cursor = answer["cursor"]
        if not cursor:
            return found


def read(client: Any, **params: Any) -> list[dict[str, Any]]:
    return [client.parse_trade(row) for page in pages(client, **params) for row in page]


def shown(simulator: SimulatorProcess, account: dict[str, Any], count: int) -> list[dict[str, Any]]:
    """The rows of REST, as soon as it shows so many."""

    def rows() -> list[dict[str, Any]]:
        return ask(simulator, account, FILLS, limit=250).data["fills"]

    return until(lambda: found if len(found := rows()) >= count else [])


def iso(moment_ms: int) -> str:
    seconds, rest = divmod(moment_ms, 1000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:03d}Z"


# ── What is listed ────────────────────────────────────────────────────────────────────────────────────


def test_every_market_is_listed_as_ccxt_understands_it(simulator: SimulatorProcess) -> None:
    client = client_of(simulator, simulator.account("coinbase"))
    listed = {(m["market_id"], m["symbol"]) for m in simulator.ask("GET", "/markets")}
    assert {(m["id"], m["symbol"]) for m in client.markets.values()} == listed
    assert client.market("CELO/USD")["id"] == "CGLD-USD"
    assert (client.market("BTC/USD:USD")["id"], client.market("BTC/USD:USD")["contractSize"]) == (
        "BIP-20DEC30-CDE",
        "0.01",
    )
    assert client.market("BTC/USD:USD-261225")["future"]


def test_usdc_markets_say_whose_double_they_are(simulator: SimulatorProcess) -> None:
    rows = {
        row["product_id"]: row
        for row in call(simulator, "coinbase", f"{API}{BROKERAGE}/market/products").data["products"]
    }
    assert (rows["BTC-USDC"]["alias"], rows["BTC-USDC"]["alias_to"]) == ("BTC-USD", [])
    assert (rows["BTC-USD"]["alias"], rows["BTC-USD"]["alias_to"]) == ("", ["BTC-USDC"])


def test_the_clock_is_told(simulator: SimulatorProcess) -> None:
    told = call(simulator, "coinbase", f"{API}{BROKERAGE}/time").data
    assert abs(int(told["epochMillis"]) - simulator.ask("GET", "/clock")["now_ms"]) < 5_000


# ── History ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("key_type", ["ecdsa", "ed25519"])
def test_the_whole_past_is_read_by_cursor_with_both_kinds_of_keys(simulator: SimulatorProcess, key_type: str) -> None:
    account = simulator.account("coinbase", history=900, details={"key_type": key_type, "futures": True})
    client = client_of(simulator, account)
    found = pages(client, limit=250)
    assert [] in found[:-1], "a page may be empty with others after it"
    rows = [row for page in found for row in page]
    assert len({row["entry_id"] for row in rows}) == len(rows)
    booked = [row["sequence_timestamp"] for row in rows]
    assert booked == sorted(booked, reverse=True)
    assert {row["size_in_quote"] for row in rows} == {True, False}
    assert_reads_the_truth([client.parse_trade(row) for row in rows], simulator.truth(account)["trades"])


def test_the_past_is_read_by_windows_without_loss_or_doubles(simulator: SimulatorProcess) -> None:
    account = simulator.account("coinbase", history=300)
    client = client_of(simulator, account)
    now = client.milliseconds()
    found = []
    for month in range(24):
        end = now - month * 30 * DAY_MS
        window = {"start_sequence_timestamp": iso(end - 30 * DAY_MS), "end_sequence_timestamp": iso(end)}
        found += read(client, limit=100, **window)
    assert_reads_the_truth(found, simulator.truth(account)["trades"])


def test_windows_are_cut_by_the_moment_of_booking_finer_than_a_millisecond(simulator: SimulatorProcess) -> None:
    account = simulator.account("coinbase", history=1)
    row = ask(simulator, account, FILLS).data["fills"][0]
    moment = row["sequence_timestamp"]
    assert moment > row["trade_time"]
    before, after = moment[:23] + "Z", moment[:23] + "999999Z"
    assert len(ask(simulator, account, FILLS, start_sequence_timestamp=moment).data["fills"]) == 1
    assert len(ask(simulator, account, FILLS, end_sequence_timestamp=moment).data["fills"]) == 0
    assert len(ask(simulator, account, FILLS, end_sequence_timestamp=before).data["fills"]) == 0
    assert len(ask(simulator, account, FILLS, end_sequence_timestamp=after).data["fills"]) == 1


def test_a_fill_is_shown_a_moment_after_its_order_counts_it(simulator: SimulatorProcess) -> None:
    account = simulator.account("coinbase")
    simulator.weather("late", account, delay=1)
    made = simulator.trade(account, market_id="BTC-USD", fills=3, size="0.5")
    assert ask(simulator, account, FILLS).data["fills"] == []
    order = ask(simulator, account, f"{BROKERAGE}/orders/historical/batch").data["orders"][0]
    assert (order["number_of_fills"], order["filled_size"], order["status"]) == ("3", "0.5", "FILLED")
    assert Decimal(order["total_fees"]) == sum(Decimal(trade["fees"][0]["amount"]) for trade in made)
    assert {row["order_id"] for row in shown(simulator, account, 3)} == {order["order_id"]}


def test_rows_have_the_keys_of_real_ones(simulator: SimulatorProcess) -> None:
    account = simulator.account("coinbase", history=5)
    row = ask(simulator, account, FILLS).data["fills"][0]
    assert real_message("coinbase", "cb6")["fills"][0].keys() <= row.keys()
    assert {name: type(row[name]) for name in real_message("coinbase", "cb6")["fills"][0]} == {
        name: type(value) for name, value in real_message("coinbase", "cb6")["fills"][0].items()
    }
    held = ask(simulator, account, f"{BROKERAGE}/accounts").data["accounts"][0]
    assert real_message("coinbase", "cb8")["accounts"][0].keys() == held.keys()


def test_several_orders_and_products_are_asked_for_at_once(simulator: SimulatorProcess) -> None:
    account = simulator.account("coinbase", history=60)
    trades = simulator.truth(account)["trades"]
    wanted = {trades[3]["order_id"], trades[40]["order_id"]}
    rows = ask(simulator, account, FILLS, order_ids=sorted(wanted)).data["fills"]
    assert sorted(row["trade_id"] for row in rows) == sorted(
        trade["exchange_trade_id"] for trade in trades if trade["order_id"] in wanted
    )
    rows = ask(simulator, account, FILLS, product_ids=["BTC-USD", "ETH-USD"]).data["fills"]
    assert {row["product_id"] for row in rows} == {"BTC-USD", "ETH-USD"}
    assert ask(simulator, account, FILLS, order_ids=["nobody"]).data["fills"] == []


def test_ccxts_own_way_of_naming_a_product_narrows_nothing(simulator: SimulatorProcess) -> None:
    """It sends `product_id`, which the exchange does not know, and picks from the page afterwards (fact sheet A3)."""
    account = simulator.account("coinbase", history=60)
    rows = ask(simulator, account, FILLS, product_id="ETH-USD").data["fills"]
    assert len({row["product_id"] for row in rows}) > 1
    client = client_of(simulator, account)
    told = [trade for trade in simulator.truth(account)["trades"] if trade["symbol"] == "ETH/USD"]
    assert_reads_the_truth(client.fetch_my_trades("ETH/USD", None, 250), told)


def test_a_trade_with_oneself_is_two_entries_of_one_trade(simulator: SimulatorProcess) -> None:
    account = simulator.account("coinbase")
    simulator.trade(account, market_id="ETH-USD", self_trade=True)
    rows = shown(simulator, account, 2)
    assert len({row["trade_id"] for row in rows}) == 1
    assert len({row["entry_id"] for row in rows}) == len({row["side"] for row in rows}) == 2


def test_an_adjustment_names_the_trade_it_mends_and_no_maker(simulator: SimulatorProcess) -> None:
    account = simulator.account("coinbase")
    (trade,) = simulator.trade(account, market_id="BTC-USD", side="buy", size="0.1")
    wish = {"size": "0.1", "price": trade["price"], "trade_id": trade["exchange_trade_id"]}
    simulator.trade(account, market_id="BTC-USD", side="sell", kind="reversal", **wish)
    rows = shown(simulator, account, 2)
    assert [row["trade_type"] for row in rows] == ["REVERSAL", "FILL"]
    assert rows[0]["trade_id"] == rows[1]["trade_id"]
    assert rows[0]["entry_id"] != rows[1]["entry_id"]
    assert rows[0]["liquidity_indicator"] == "UNKNOWN_LIQUIDITY_INDICATOR"


def test_a_cursor_belongs_to_its_question(simulator: SimulatorProcess) -> None:
    account, other = simulator.account("coinbase", history=60), simulator.account("coinbase", history=60)
    cursor = ask(simulator, account, FILLS, limit=10).data["cursor"]
    assert ask(simulator, account, FILLS, limit=50, cursor=cursor).status == 200
    for spoilt in (
        ask(simulator, other, FILLS, limit=10, cursor=cursor),
        ask(simulator, account, FILLS, limit=10, cursor=cursor, product_ids=["BTC-USD"]),
        ask(simulator, account, FILLS, limit=10, cursor="nonsense"),
    ):
        assert (spoilt.status, spoilt.data["error"]) == (400, "INVALID_ARGUMENT")


@pytest.mark.parametrize(
    "wrong", [{"limit": "many"}, {"start_sequence_timestamp": "yesterday"}, {"end_sequence_timestamp": "1700000000"}]
)
def test_a_parameter_without_sense_is_refused(simulator: SimulatorProcess, wrong: dict[str, str]) -> None:
    answer = ask(simulator, simulator.account("coinbase"), FILLS, **wrong)
    assert (answer.status, answer.data["error"]) == (400, "INVALID_ARGUMENT")


def test_orders_are_read_by_pages_and_counted_with_all_their_fills(simulator: SimulatorProcess) -> None:
    account = simulator.account("coinbase", history=120)
    found, cursor = [], ""
    while True:
        asked = {"limit": 25} | ({"cursor": cursor} if cursor else {})
        answer = ask(simulator, account, f"{BROKERAGE}/orders/historical/batch", **asked).data
        found += answer["orders"]
        cursor = answer["cursor"]
        assert answer["has_next"] == bool(cursor)
        if not cursor:
            break
    trades = simulator.truth(account)["trades"]
    assert [row["order_id"] for row in found] == list(dict.fromkeys(trade["order_id"] for trade in reversed(trades)))
    for row in found:
        own = [trade for trade in trades if trade["order_id"] == row["order_id"]]
        assert int(row["number_of_fills"]) == len(own)
        assert Decimal(row["filled_value"]) == sum(Decimal(trade["cost"]) for trade in own)


# ── Wallets ───────────────────────────────────────────────────────────────────────────────────────────


def test_balances_are_read_to_the_last_digit_over_all_pages(simulator: SimulatorProcess) -> None:
    account = simulator.account("coinbase", history=50)
    simulator.trade(account, count=60)
    held = client_of(simulator, account).fetch_balance({"v3": True, "limit": 4})
    told = {row["asset"]: row for row in simulator.truth(account)["balances"]}
    assert any(Decimal(row["locked"]) for row in told.values())
    for asset, row in told.items():
        assert Decimal(str(held[asset]["free"])) == Decimal(row["free"])
        assert Decimal(str(held[asset]["used"])) == Decimal(row["locked"])


def test_the_older_accounts_that_ccxt_reads_by_itself_know_no_holds(simulator: SimulatorProcess) -> None:
    """ccxt asks for one page of `/v2/accounts` unless it is told otherwise (fact sheet A4)."""
    account = simulator.account("coinbase")
    simulator.trade(account, count=60)
    held = client_of(simulator, account).fetch_balance()
    for row in simulator.truth(account)["balances"]:
        assert Decimal(str(held[row["asset"]]["free"])) == Decimal(row["free"]) + Decimal(row["locked"])


def test_the_futures_summary_counts_the_dollars_of_spot_once_more(simulator: SimulatorProcess) -> None:
    account = simulator.account("coinbase", details={"futures": True})
    summary = ask(simulator, account, f"{BROKERAGE}/cfm/balance_summary").data["balance_summary"]
    told = {row["wallet"]: row["free"] for row in simulator.truth(account)["balances"] if row["asset"] == "USD"}
    assert (summary["cbi_usd_balance"]["value"], summary["cfm_usd_balance"]["value"]) == (told["spot"], told["futures"])
    assert Decimal(summary["total_usd_balance"]["value"]) == sum(map(Decimal, told.values()))


def test_the_vault_is_an_account_that_ccxt_leaves_out(simulator: SimulatorProcess) -> None:
    account = simulator.account("coinbase", details={"vault": True})
    rows = ask(simulator, account, f"{BROKERAGE}/accounts", limit=250).data["accounts"]
    coins = [row["available_balance"] for row in rows if row["type"] == "ACCOUNT_TYPE_VAULT"]
    assert coins == [{"value": "2", "currency": "BTC"}]


# ── Keys ──────────────────────────────────────────────────────────────────────────────────────────────


def test_a_key_tells_what_it_may_do_and_whose_portfolio_it_sees(simulator: SimulatorProcess) -> None:
    account = simulator.account("coinbase")
    client = client_of(simulator, account)
    told = {"can_view": True, "portfolio_uuid": account["uid"], "portfolio_type": "DEFAULT"}
    assert client.v3PrivateGetBrokerageKeyPermissions() == {**told, "can_trade": False, "can_transfer": False}
    simulator.change(account, permissions=["read", "trade", "withdraw"])
    assert client.v3PrivateGetBrokerageKeyPermissions() == {**told, "can_trade": True, "can_transfer": True}


def test_keys_look_as_they_are_handed_out(simulator: SimulatorProcess) -> None:
    older = simulator.account("coinbase")
    assert older["api_key"].startswith("organizations/")
    assert older["secret"].startswith("-----BEGIN EC PRIVATE KEY-----\n")
    newer = simulator.account("coinbase", details={"key_type": "ed25519"})
    assert len(newer["api_key"]) == 36
    assert (len(newer["secret"]), len(base64.b64decode(newer["secret"]))) == (88, 64)


@pytest.mark.parametrize("key_type", ["ecdsa", "ed25519"])
@pytest.mark.parametrize(
    "spoilt",
    [
        {"uri": "GET api.coinbase.com/api/v3/brokerage/accounts"},
        {"uri": "POST api.coinbase.com/api/v3/brokerage/key_permissions"},
        {"uri": None},
        {"iss": "nobody"},
        {"sub": "another"},
        {"age_s": 121},
        {"age_s": 40, "life_s": 30},
        {"age_s": -300},
        {"life_s": 600},
        {"flip": True},
        {"kid": "unknown"},
        {"nonce": ""},
    ],
)
def test_a_token_that_is_wrong_in_anything_is_refused_without_a_reason(
    simulator: SimulatorProcess, key_type: str, spoilt: dict[str, Any]
) -> None:
    account = simulator.account("coinbase", details={"key_type": key_type})
    path = f"{BROKERAGE}/key_permissions"
    assert ask(simulator, account, path).status == 200
    answer = ask(simulator, account, path, spoilt=spoilt)
    assert (answer.status, answer.text) == (401, "Unauthorized\n")


def test_the_query_is_no_part_of_the_token(simulator: SimulatorProcess) -> None:
    account = simulator.account("coinbase", history=3)
    assert len(ask(simulator, account, FILLS, limit=2).data["fills"]) == 2


def test_a_key_of_the_old_kind_opens_nothing(simulator: SimulatorProcess) -> None:
    account = simulator.account("coinbase")
    headers = {"CB-ACCESS-KEY": account["api_key"], "CB-ACCESS-SIGN": "0" * 64, "CB-ACCESS-TIMESTAMP": "1795190000"}
    assert call(simulator, "coinbase", API + FILLS, headers=headers).status == 401


@pytest.mark.parametrize(
    ("how", "status", "text"),
    [("revoke", 401, "Unauthorized"), ("expire", 401, "Unauthorized"), ("address", 403, "Forbidden")],
)
def test_a_key_that_may_not_be_used_is_refused_in_plain_words(
    simulator: SimulatorProcess, how: str, status: int, text: str
) -> None:
    account = simulator.account("coinbase")
    if how == "address":
        simulator.change(account, addresses=["10.1.2.3"])
    else:
        simulator.spoil_key(account, how)
    answer = ask(simulator, account, FILLS)
    assert (answer.status, answer.text.strip()) == (status, text)


def test_a_key_that_may_not_view_is_refused_in_json(simulator: SimulatorProcess) -> None:
    account = simulator.account("coinbase", permissions=["transfer"])
    answer = ask(simulator, account, FILLS)
    assert (answer.status, answer.data["error"]) == (403, "PERMISSION_DENIED")


def test_a_bad_key_already_fails_when_markets_are_loaded(simulator: SimulatorProcess) -> None:
    account = simulator.account("coinbase")
    simulator.spoil_key(account, "revoke")
    with pytest.raises(ccxt.AuthenticationError):
        client_of(simulator, account)


# ── Limits and troubles ───────────────────────────────────────────────────────────────────────────────


def test_thirty_private_calls_a_second_and_two_ways_to_be_refused(limited: SimulatorProcess) -> None:
    account = limited.account("coinbase")
    path = f"{BROKERAGE}/key_permissions"
    signed = token(account, f"GET api.coinbase.com{path}")

    headers = {"Authorization": f"Bearer {signed}"}
    answers = [call(limited, "coinbase", API + path, headers=headers) for _ in range(120)]
    good = [answer for answer in answers if answer.status == 200]
    assert {answer.status for answer in answers} == {200, 429}
    assert good[0].headers["x-ratelimit-limit"] == "30"
    assert int(good[0].headers["x-ratelimit-remaining"]) == 29
    refused = [answer.data for answer in answers if answer.status == 429]
    assert {said["error"] if "error" in said else said["errors"][0]["id"] for said in refused} == {
        "rate_limit_exceeded",
        "RESOURCE_EXHAUSTED",
    }


def test_ten_public_calls_a_second(limited: SimulatorProcess) -> None:
    answers = [call(limited, "coinbase", f"{API}{BROKERAGE}/time").status for _ in range(40)]
    assert answers[:10] == [200] * 10
    assert 429 in answers


def test_weather_over_one_account_leaves_the_others_alone(simulator: SimulatorProcess) -> None:
    struck, spared = simulator.account("coinbase"), simulator.account("coinbase")
    simulator.weather("server_errors", struck, chance=1.0)
    assert ask(simulator, struck, FILLS).status in {500, 502}
    assert ask(simulator, spared, FILLS).status == 200


def test_maintenance_and_unknown_paths_have_their_answers(simulator: SimulatorProcess) -> None:
    assert call(simulator, "coinbase", f"{API}{BROKERAGE}/nothing").status == 404
    simulator.weather("maintenance")
    assert call(simulator, "coinbase", f"{API}{BROKERAGE}/time").status == 503
