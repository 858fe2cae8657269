"""ccxt's REST client reads from the Kraken Futures dialect what happened, where its own reading is not at fault."""

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import ccxt
import pytest

from tests.fixtures.simulator import SimulatorProcess
from tests.simulator.plain import Said, call
from tests.simulator.witnesses import as_read, as_told, credentials, pointed_at

DAY_MS = 86_400_000
CHECK = "https://futures.kraken.com/api/auth/v1/api-keys/v3/check"


@pytest.fixture
def simulator(start_simulator: Any) -> SimulatorProcess:
    return start_simulator("--exchanges", "krakenfutures", "--no-limits")


@pytest.fixture
def keyless(simulator: SimulatorProcess) -> Any:
    client = pointed_at(simulator, ccxt.krakenfutures(), "krakenfutures")
    client.load_markets()
    return client


def client_of(simulator: SimulatorProcess, keyless: Any, account: dict[str, Any]) -> Any:
    client = pointed_at(simulator, ccxt.krakenfutures(credentials(account)), "krakenfutures")
    client.set_markets(keyless.markets, keyless.currencies)
    return client


def signed(
    simulator: SimulatorProcess, account: dict[str, Any], url: str = CHECK, *, query: str = "", nonce: str = ""
) -> Said:
    """A call signed by hand, where ccxt knows no such call."""
    path = url.removeprefix("https://futures.kraken.com").removeprefix("/derivatives")
    digest = hashlib.sha256((query + nonce + path).encode()).digest()
    made = base64.b64encode(hmac.new(base64.b64decode(account["secret"]), digest, hashlib.sha512).digest()).decode()
    headers = {"APIKey": account["api_key"], "Authent": made} | ({"Nonce": nonce} if nonce else {})
    return call(simulator, "krakenfutures", url + (f"?{query}" if query else ""), headers=headers)


def pages(client: Any, **params: Any) -> Iterator[dict[str, Any]]:
    """Every page of the history, by its tokens."""
    token: dict[str, Any] = {}
    while True:
        page = client.history_get_executions({"version": "v3", **params, **token})
        yield page
        if "continuationToken" not in page:
            return
        token = {"continuation_token": page["continuationToken"]}


def inner(element: dict[str, Any]) -> dict[str, Any]:
    event = element["event"]
    return event.get("Execution", event.get("execution"))["execution"]


def as_kept(element: dict[str, Any]) -> tuple[Any, ...]:
    """An element of the history, comparable with `as_held`."""
    row = inner(element)
    order, role = row["order"], row["executionType"]
    return (
        order["tradeable"],
        row["uid"],
        order["uid"],
        order["direction"].lower(),
        Decimal(row["price"]),
        Decimal(row["quantity"]),
        Decimal(row["orderData"]["fee"]),
        role,
        row["timestamp"],
        order["clientId"],
    )


def as_held(trade: dict[str, Any]) -> tuple[Any, ...]:
    """A trade of the truth; forced ones have a word instead of a role."""
    return (
        trade["market_id"],
        trade["exchange_trade_id"],
        trade["order_id"],
        trade["side"],
        Decimal(trade["price"]),
        Decimal(trade["contracts"]),
        sum((Decimal(fee["amount"]) for fee in trade["fees"]), Decimal(0)),
        {"liquidation": "liquidation", "adl": "assignee"}.get(trade["kind"], trade["taker_or_maker"]),
        trade["timestamp_ms"],
        trade["client_order_id"],
    )


def refusal_of(do: Any, *arguments: Any) -> tuple[type, str]:
    """What ccxt makes of a refusal, and the exchange's own word."""
    with pytest.raises(ccxt.BaseError) as refused:
        do(*arguments)
    text = str(refused.value)
    return type(refused.value), json.loads(text[text.index("{") :])["error"]


# ── What there is ─────────────────────────────────────────────────────────────────────────────────────


def test_every_contract_is_listed_as_ccxt_understands_it(simulator: SimulatorProcess, keyless: Any) -> None:
    listed = {(m["market_id"], m["symbol"], m["settle"], m["product"]) for m in simulator.ask("GET", "/markets")}
    read = {
        (m["id"], m["symbol"], m["settle"], "linear" if m["linear"] else "inverse")
        for m in keyless.markets.values()
        if not m["index"]
    }
    assert read == listed
    assert keyless.market("BTC/USD:USD")["id"] == "PF_XBTUSD"
    assert keyless.market("BTC/USD:BTC")["id"] == "PI_XBTUSD"
    assert keyless.market("BTC/USD:BTC-351228")["future"] is True
    assert Decimal(keyless.market("BTC/USD:USD")["precision"]["amount"]) == Decimal("0.0001")


# ── History ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("sort", "count"), [("asc", "500"), ("desc", "7"), ("asc", "60")])
def test_the_history_is_read_to_the_last_trade_by_tokens(
    simulator: SimulatorProcess, keyless: Any, sort: str, count: str
) -> None:
    account = simulator.account("krakenfutures", history=300)
    simulator.trade(account, count=30)
    read = list(pages(client_of(simulator, keyless, account), sort=sort, count=count, since="0"))
    rows = [as_kept(element) for page in read for element in page["elements"]]
    told = [as_held(trade) for trade in simulator.truth(account)["trades"]]
    assert sorted(rows) == sorted(told)
    times = [row[8] for row in rows]
    assert times == sorted(times, reverse=sort == "desc")
    casings = {name for page in read for element in page["elements"] for name in element["event"]}
    assert casings == {"Execution", "execution"}


def test_a_page_that_is_full_has_a_token_and_the_last_one_has_none(simulator: SimulatorProcess, keyless: Any) -> None:
    client = client_of(simulator, keyless, simulator.account("krakenfutures", history=200))
    read = list(pages(client))
    assert [page["len"] for page in read] == [100, 100, 0]
    client.history_get_executions({"version": "v3"})
    headers = {name.lower(): value for name, value in client.last_response_headers.items()}
    assert headers["next-continuation-token"] == read[0]["continuationToken"]
    assert len(list(pages(client, count=100_000))) == 1


def test_new_trades_move_no_page(simulator: SimulatorProcess, keyless: Any) -> None:
    account = simulator.account("krakenfutures", history=150)
    client = client_of(simulator, keyless, account)
    old = {trade["exchange_trade_id"] for trade in simulator.truth(account)["trades"]}
    reading = pages(client)
    first = next(reading)
    simulator.trade(account, count=20)
    rest = [element for page in reading for element in page["elements"]]
    ids = [inner(element)["uid"] for element in [*first["elements"], *rest]]
    assert set(ids) == old
    assert len(ids) == len(old)


def test_since_is_inclusive_and_before_exclusive(simulator: SimulatorProcess, keyless: Any) -> None:
    account = simulator.account("krakenfutures", history=40)
    client = client_of(simulator, keyless, account)
    told = simulator.truth(account)["trades"]
    since, before = told[10]["timestamp_ms"], told[30]["timestamp_ms"]
    asked = {"version": "v3", "since": since, "before": before, "sort": "asc"}
    read = {inner(one)["uid"] for one in client.history_get_executions(asked)["elements"]}
    assert read == {t["exchange_trade_id"] for t in told if since <= t["timestamp_ms"] < before}
    one = client.history_get_executions({"version": "v3", "tradeable": "PI_XBTUSD"})
    assert {inner(element)["order"]["tradeable"] for element in one["elements"]} == {"PI_XBTUSD"}
    for wrong in ({"since": "x"}, {"count": "-1"}, {"sort": "up"}, {"continuation_token": "?"}):
        assert refusal_of(client.history_get_executions, {"version": "v3", **wrong})[0] is ccxt.BadRequest


def test_history_may_name_trades_by_ids_of_its_own(simulator: SimulatorProcess, keyless: Any) -> None:
    account = simulator.account("krakenfutures", history=20, details={"own_uids": True})
    client = client_of(simulator, keyless, account)
    (page,) = pages(client)
    fills = {trade["exchange_trade_id"] for trade in simulator.truth(account)["trades"]}
    own = {inner(element)["uid"] for element in page["elements"]}
    assert not own & fills
    assert len(own) == 20
    assert not {element["uid"] for element in page["elements"]} & (own | fills), "an event is no trade"


def test_ccxt_reads_the_last_hundred_fills_and_makes_up_their_fees(simulator: SimulatorProcess, keyless: Any) -> None:
    """It knows no size of inverse contracts, and neither role nor fee of forced trades."""
    account = simulator.account("krakenfutures", history=130)
    client = client_of(simulator, keyless, account)
    told = simulator.truth(account)["trades"][-100:]
    read = client.fetch_my_trades()
    assert {trade["id"] for trade in read} == {trade["exchange_trade_id"] for trade in told}
    assert all("fee" not in key.lower() for trade in read for key in trade["info"])
    linear = {trade["id"]: trade for trade in read if trade["symbol"].endswith(":USD")}
    for trade in told:
        if trade["product"] == "linear" and trade["kind"] == "trade":
            other = as_read(linear[trade["exchange_trade_id"]] | {"fees": None, "fee": None})
            assert other == as_told(trade | {"fees": []})
    assert {trade["amount"] for trade in read if not trade["symbol"].endswith(":USD")} == {None}


def test_older_fills_are_those_strictly_before_a_time(simulator: SimulatorProcess, keyless: Any) -> None:
    account = simulator.account("krakenfutures", history=250)
    client = client_of(simulator, keyless, account)
    told = simulator.truth(account)["trades"]
    last, seen = None, []
    while page := client.private_get_fills({"lastFillTime": last} if last else {})["fills"]:
        assert page == sorted(page, key=lambda row: row["fillTime"], reverse=True)
        seen += [row["fill_id"] for row in page]
        last = page[-1]["fillTime"]
    times = [trade["timestamp_ms"] for trade in told]
    assert set(seen) <= {trade["exchange_trade_id"] for trade in told}
    alone = {trade["exchange_trade_id"] for trade in told if times.count(trade["timestamp_ms"]) == 1}
    assert set(seen) >= alone
    assert refusal_of(client.private_get_fills, {"lastFillTime": "yesterday"})[0] is ccxt.BadRequest


def test_equal_times_are_lost_at_the_edge_of_a_page_of_fills(simulator: SimulatorProcess, keyless: Any) -> None:
    account = simulator.account("krakenfutures")
    for place in range(26):
        simulator.trade(account, market_id="PF_XBTUSD", size="1", fills=2 if place == 25 else 4)
    client = client_of(simulator, keyless, account)
    first = client.private_get_fills()["fills"]
    second = client.private_get_fills({"lastFillTime": first[-1]["fillTime"]})["fills"]
    assert (len(first), len(second)) == (100, 0)
    (page,) = pages(client, count=500)
    assert page["len"] == 102


def test_forced_trades_bear_a_word_instead_of_a_role(simulator: SimulatorProcess, keyless: Any) -> None:
    account = simulator.account("krakenfutures")
    for kind in ("liquidation", "adl", "trade"):
        simulator.trade(account, market_id="PF_XBTUSD", kind=kind, maker=False)
    client = client_of(simulator, keyless, account)
    assert [row["fillType"] for row in client.private_get_fills()["fills"]] == ["taker", "assignee", "liquidation"]


# ── Balances ──────────────────────────────────────────────────────────────────────────────────────────


def test_every_wallet_is_told(simulator: SimulatorProcess, keyless: Any) -> None:
    account = simulator.account("krakenfutures", history=60)
    client = client_of(simulator, keyless, account)
    asked = {"flex": {}, "cash": {"type": "cash"}}
    told = simulator.truth(account)["balances"]
    for row in told:
        if row["wallet"] == "margin":
            balance = client.fetch_balance({"type": f"fi_{row['asset'].replace('BTC', 'XBT').lower()}usd"})
        else:
            balance = client.fetch_balance(asked[row["wallet"]])
        assert Decimal(str(balance["total"][row["asset"]])) == Decimal(row["free"]) + Decimal(row["locked"])
    assert {row["wallet"] for row in told} == {"flex", "cash", "margin"}
    assert {"fi_xbtusd", "fi_ethusd", "cash", "flex"} == set(client.privateGetAccounts()["accounts"])


# ── Keys ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("granted", "general", "transfer"),
    [
        (["read"], "READ_ONLY", "NO_ACCESS"),
        (["read", "trade"], "FULL_ACCESS", "NO_ACCESS"),
        (["read", "withdraw"], "READ_ONLY", "FULL_ACCESS"),
        ([], "NO_ACCESS", "NO_ACCESS"),
    ],
)
def test_a_key_tells_what_it_may_do(
    simulator: SimulatorProcess, keyless: Any, granted: list[str], general: str, transfer: str
) -> None:
    account = simulator.account("krakenfutures", permissions=granted, addresses=["127.0.0.1"])
    told = signed(simulator, account).data
    assert told["permissions"] == {"general": general, "transfer": transfer}
    assert (told["accountUid"], told["allowedCidrBlocks"]) == (account["uid"], ["127.0.0.1/32"])
    may = signed(simulator, account, "https://futures.kraken.com/derivatives/api/v3/accounts").data["result"]
    assert may == ("error" if general == "NO_ACCESS" else "success")


def test_each_way_to_be_refused_is_an_authentication_error(simulator: SimulatorProcess, keyless: Any) -> None:
    account = simulator.account("krakenfutures")
    client = client_of(simulator, keyless, account)
    ask, refused = client.privateGetAccounts, (ccxt.AuthenticationError, "authenticationError")
    ask()
    right = client.secret
    client.secret = "d3Jvbmc="
    assert refusal_of(ask) == refused
    client.secret, client.apiKey = right, "nobody"
    assert refusal_of(ask) == refused
    client.apiKey = account["api_key"]
    for spoil in ("expire", "revoke"):
        simulator.spoil_key(account, spoil)
        assert refusal_of(ask) == refused
        simulator.spoil_key(account, "restore")
    simulator.change(account, addresses=["10.1.2.3"])
    assert refusal_of(ask) == refused


def test_a_nonce_may_be_left_out_but_must_rise_when_it_is_there(simulator: SimulatorProcess, keyless: Any) -> None:
    account = simulator.account("krakenfutures")
    told = [signed(simulator, account, nonce=nonce).data.get("error") for nonce in ("", "5", "5", "4", "6", "")]
    assert told == [None, None, "nonceDuplicate", "nonceBelowThreshold", None, None]


def test_demo_keys_are_good_on_the_demo_host_only(simulator: SimulatorProcess, keyless: Any) -> None:
    account = simulator.account("krakenfutures", details={"demo": True})
    client = ccxt.krakenfutures(credentials(account))
    client.set_sandbox_mode(True)
    pointed_at(simulator, client, "krakenfutures")
    assert client.privateGetAccounts()["result"] == "success"
    assert refusal_of(client_of(simulator, keyless, account).privateGetAccounts)[1] == "authenticationError"


# ── Limits ────────────────────────────────────────────────────────────────────────────────────────────


def test_a_cursor_costs_more_than_the_newest_fills(simulator: SimulatorProcess, keyless: Any) -> None:
    simulator.limits(on=True)
    client = client_of(simulator, keyless, simulator.account("krakenfutures"))
    for _ in range(20):
        client.private_get_fills({"lastFillTime": "2026-01-01T00:00:00.000Z"})
    assert refusal_of(client.private_get_fills) == (ccxt.RateLimitExceeded, "apiLimitExceeded")
    client.history_get_executions({"version": "v3"})
    simulator.ask("POST", "/clock", skew_ms=10_001)
    client.private_get_fills()


def test_history_has_a_hundred_tokens_that_come_back_slowly(simulator: SimulatorProcess, keyless: Any) -> None:
    simulator.limits(on=True)
    client = client_of(simulator, keyless, simulator.account("krakenfutures"))
    for _ in range(100):
        client.history_get_executions({"version": "v3", "count": 1})
    assert refusal_of(client.history_get_executions, {"version": "v3"}) == (ccxt.DDoSProtection, "apiLimitExceeded")
    client.private_get_fills()
    simulator.ask("POST", "/clock", skew_ms=7_000)
    client.history_get_executions({"version": "v3"})
    assert refusal_of(client.history_get_executions, {"version": "v3"})[1] == "apiLimitExceeded"


def test_troubles_have_this_exchanges_forms(simulator: SimulatorProcess, keyless: Any) -> None:
    simulator.weather("rate_limit")
    assert refusal_of(keyless.publicGetInstruments)[1] == "apiLimitExceeded"
    simulator.calm()
    simulator.weather("maintenance")
    assert refusal_of(keyless.publicGetInstruments) == (ccxt.ExchangeNotAvailable, "Unavailable")
    simulator.calm()
    simulator.weather("server_errors", chance=1.0)
    url = "https://futures.kraken.com/derivatives/api/v3/instruments"
    assert {call(simulator, "krakenfutures", url).status for _ in range(20)} == {500, 502}
    simulator.calm()
    assert call(simulator, "krakenfutures", url + "/odd").data["error"] == "notFound"
