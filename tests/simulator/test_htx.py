"""What HTX lists, holds and says of a key, how it refuses, and its limits: by ccxt and by calls signed by hand."""

import base64
import hashlib
import hmac
import json
from decimal import Decimal
from typing import Any

import ccxt
import ccxt.pro
import pytest

from simulator.htx.keys import signature_of
from tests.fixtures.simulator import SimulatorProcess
from tests.simulator.htx_clients import CONTRACTS, ask, client_of, keyless_client, plain_account
from tests.simulator.plain import call


@pytest.fixture
def simulator(start_simulator: Any) -> SimulatorProcess:
    return start_simulator("--exchanges", "htx", "--no-limits")


@pytest.fixture
def keyless(simulator: SimulatorProcess) -> Any:
    return keyless_client(simulator)


def test_every_market_is_listed_as_ccxt_understands_it(simulator: SimulatorProcess, keyless: Any) -> None:
    listed = {(m["market_id"], m["symbol"]) for m in simulator.ask("GET", "/markets")}
    markets = [one for one in keyless.markets.values() if not one["inverse"]]
    assert {(m["id"], m["symbol"]) for m in markets} == listed
    assert keyless.market("BTC/USDT:USDT")["contractSize"] == "0.001"
    assert keyless.market("BTC/USDT:USDT-281229")["id"] == "BTC-USDT-281229"
    assert {one["id"] for one in keyless.markets.values() if one["inverse"]} == {"BTC-USD", "BTC281229"}
    assert keyless.market("BTC/USDT")["precision"]["amount"] == "0.00001"
    assert {"BTC", "USDT", "HT"} <= set(keyless.currencies)


def test_perpetuals_alone_are_listed_unless_all_are_asked_for(keyless: Any) -> None:
    rows = keyless.contractPublicGetLinearSwapApiV1SwapContractInfo()["data"]
    assert {row["business_type"] for row in rows} == {"swap"}


def test_the_clock_is_told(keyless: Any) -> None:
    for kind in ("spot", "swap"):
        assert abs(keyless.fetch_time({"type": kind}) - keyless.milliseconds()) < 5_000


def test_all_spot_prices_are_told_at_once(simulator: SimulatorProcess, keyless: Any) -> None:
    rows = keyless.spotPublicGetMarketTickers()["data"]
    listed = {m["market_id"] for m in simulator.ask("GET", "/markets") if m["product"] == "spot"}
    assert {row["symbol"] for row in rows} == listed
    assert all(Decimal(row["bid"]) < Decimal(row["ask"]) for row in rows)


# ── Wallets and keys ──────────────────────────────────────────────────────────────────────────────────


def test_balances_are_the_deposits_and_all_trades_together(simulator: SimulatorProcess, keyless: Any) -> None:
    account = simulator.account("htx", history=600, details={"points": True})
    simulator.trade(account, count=200)
    client = client_of(simulator, keyless, account)
    truth: dict[str, dict[str, Decimal]] = {"point": {}}
    for row in simulator.truth(account)["balances"]:
        wallet = "point" if row["asset"] == "HBPOINT" else row["wallet"]
        truth.setdefault(wallet, {})[row["asset"]] = Decimal(row["free"]) + Decimal(row["locked"])
    for kind, wallet in (("spot", "spot"), ("swap", "linear"), ("point", "point")):
        params = {"type": kind}
        if kind == "point":
            ids = {one["type"]: one["id"] for one in client.spotPrivateGetV1AccountAccounts()["data"]}
            params = {"type": "spot", "account-id": ids["point"]}
        total = client.fetch_balance(params)["total"]
        assert {coin: Decimal(held) for coin, held in total.items() if Decimal(held)} == truth[wallet]
    assert truth["point"]


def test_an_account_list_begins_with_another_wallet_and_balances_hold_many_zeros(simulator: SimulatorProcess) -> None:
    account = plain_account(simulator)
    accounts = ask(simulator, account, "/v1/account/accounts").data["data"]
    assert accounts[0]["type"] != "spot"
    (own,) = [one["id"] for one in accounts if one["type"] == "spot"]
    rows = ask(simulator, account, f"/v1/account/accounts/{own}/balance").data["data"]["list"]
    assert sum(row["balance"] == "0" for row in rows) > 500
    said = ask(simulator, account, "/v1/account/accounts/1/balance").data
    assert said["status"] == "error"


@pytest.mark.parametrize(
    ("permissions", "words"),
    [
        (["read"], "readOnly"),
        (["read", "trade"], "readOnly,trade"),
        (["read", "trade", "withdraw"], "readOnly,trade,withdraw"),
    ],
)
def test_a_key_tells_what_it_may_do(
    simulator: SimulatorProcess, keyless: Any, permissions: list[str], words: str
) -> None:
    account = plain_account(simulator, permissions=permissions)
    client = client_of(simulator, keyless, account)
    uid = client.spotPrivateGetV2UserUid()["data"]
    assert str(uid) == account["uid"]
    (row,) = client.spotPrivateGetV2UserApiKey({"uid": uid, "accessKey": account["api_key"]})["data"]
    assert set(row) == {
        "accessKey", "note", "permission", "ipAddresses", "validDays", "status", "createTime", "updateTime",
    }  # fmt: skip
    assert (row["permission"], row["accessKey"], row["status"]) == (words, account["api_key"], "normal")
    assert 0 < int(row["validDays"]) <= 90
    keys = client.spotPrivateGetV2UserApiKey({"uid": uid})["data"]
    assert len({one["accessKey"] for one in keys}) == 2


def test_a_bound_key_is_good_for_ever_and_a_sub_accounts_key_tells_nothing(simulator: SimulatorProcess) -> None:
    account = plain_account(simulator, addresses=["127.0.0.1"])
    asked = {"uid": account["uid"], "accessKey": account["api_key"]}
    (row,) = ask(simulator, account, "/v2/user/api-key", asked).data["data"]
    assert (row["ipAddresses"], row["validDays"]) == ("127.0.0.1", -1)
    assert ask(simulator, account, "/v2/user/api-key", asked | {"uid": "1"}).data["code"] == 2002
    simulator.change(account, details={"sub_account": True})
    assert ask(simulator, account, "/v2/user/api-key", asked).data["code"] == 1002


# ── Who is refused ────────────────────────────────────────────────────────────────────────────────────


def refusals(simulator: SimulatorProcess, account: dict[str, Any], **changes: Any) -> tuple[Any, ...]:
    """What the three systems say to one call: code and words of spot, of V5 and of the old contracts."""
    spot = ask(simulator, account, "/v1/account/accounts", **changes)
    v5 = ask(simulator, account, "/v5/account/balance", host=CONTRACTS, **changes)
    old = ask(simulator, account, "/swap-api/v1/swap_account_info", host=CONTRACTS, method="POST", **changes)
    assert {spot.status, v5.status, old.status} == {200}
    return spot.data.get("err-code"), spot.data.get("err-msg"), v5.data["code"], old.data.get("err_code")


def test_each_way_to_be_refused_has_its_words(simulator: SimulatorProcess) -> None:
    account = plain_account(simulator)
    assert refusals(simulator, account) == (None, None, 200, None)
    wrong = "api-signature-not-valid"
    assert refusals(simulator, account, Signature="AAAA")[0] == wrong
    assert refusals(simulator, account, Signature="AAAA")[1:] == (
        "Signature not valid: Verification failure [校验失败]",
        1003,
        403,
    )
    assert refusals(simulator, account, SignatureVersion="1")[0] == wrong
    assert refusals(simulator, account, Signature=None)[0] == "login-required"
    assert refusals(simulator, account, AccessKeyId="nobody")[:2] == (
        wrong,
        "Signature not valid: Incorrect Access key [Access key错误]",
    )
    for stamp in ("2020-01-01T00:00:00", "1790000000", None):
        assert "submission time" in refusals(simulator, account, Timestamp=stamp)[1]
    assert "submission time" in refusals(simulator, account, behind_s=301)[1]
    assert refusals(simulator, account, behind_s=290)[0] is None
    assert refusals(simulator, account, behind_s=-290)[0] is None
    simulator.change(account, addresses=["10.1.2.3"])
    assert "Incorrect IP address [IP地址错误]:127.0.0.1" in refusals(simulator, account)[1]
    simulator.change(account, addresses=[], permissions=[])
    assert "API key has no permission" in refusals(simulator, account)[1]
    simulator.change(account, permissions=["read"])
    for how, words in (("expire", "expired"), ("revoke", "Incorrect Access key")):
        simulator.spoil_key(account, how)
        assert words in refusals(simulator, account)[1]
        simulator.spoil_key(account, "restore")
    assert refusals(simulator, account)[0] is None


def test_ccxt_understands_its_refusals(simulator: SimulatorProcess, keyless: Any) -> None:
    account = plain_account(simulator)
    client = client_of(simulator, keyless, account)
    client.secret = "wrong"
    for kind in ("spot", "swap"):
        with pytest.raises(ccxt.AuthenticationError):
            client.fetch_balance({"type": kind})
    simulator.change(account, permissions=[])
    client.secret = account["secret"]
    with pytest.raises(ccxt.PermissionDenied):
        client.fetch_balance()


def test_the_host_is_part_of_the_signature(simulator: SimulatorProcess, keyless: Any) -> None:
    account = plain_account(simulator)
    client = client_of(simulator, keyless, account)
    for spot, contract in (("api-aws.huobi.pro", "api.hbdm.com"), ("api.huobi.pro", "api.hbdm.vn")):
        client.urls["hostnames"] = {"spot": spot, "contract": contract}
        assert client.fetch_balance()["total"]
        assert client.fetch_balance({"type": "swap"})["total"]
    client.urls["api"]["spot"] = client.urls["api"]["spot"].replace("{hostname}", "api-aws.huobi.pro")
    with pytest.raises(ccxt.AuthenticationError):
        client.fetch_balance()


def test_a_signature_is_made_as_the_documents_spell_it_out() -> None:
    """Four lines; names sorted by their bytes, colons and commas escaped in upper case."""
    stamp = "2017-05-11T15:19:30"
    pairs = [("order-id", "1234567890"), ("Timestamp", stamp), ("SignatureVersion", "2"), ("AccessKeyId", "e2xxxxxx")]
    pairs += [("SignatureMethod", "HmacSHA256"), ("types", "buy-limit,sell-limit")]
    text = (
        "GET\napi.huobi.pro\n/v1/order/orders\nAccessKeyId=e2xxxxxx&SignatureMethod=HmacSHA256&SignatureVersion=2"
        "&Timestamp=2017-05-11T15%3A19%3A30&order-id=1234567890&types=buy-limit%2Csell-limit"
    )
    wanted = base64.b64encode(hmac.new(b"b0xxxxxx", text.encode(), hashlib.sha256).digest()).decode()
    assert signature_of("b0xxxxxx", "GET", "api.huobi.pro", "/v1/order/orders", pairs) == wanted


def test_a_late_trade_is_shown_when_it_is_visible(simulator: SimulatorProcess, keyless: Any) -> None:
    account = plain_account(simulator)
    client = client_of(simulator, keyless, account)
    simulator.weather("late", delay=3_600)
    simulator.trade(account, product="spot", market_id="btcusdt")
    simulator.trade(account, product="linear", market_id="BTC-USDT")
    assert client.fetch_my_trades("BTC/USDT") == client.fetch_my_trades("BTC/USDT:USDT") == []


# ── Limits ────────────────────────────────────────────────────────────────────────────────────────────


def test_headers_tell_what_is_left_of_each_systems_quota(simulator: SimulatorProcess) -> None:
    account = plain_account(simulator)
    spot = ask(simulator, account, "/v1/order/matchresults").headers
    now = simulator.ask("GET", "/clock")["now_ms"]
    assert spot["x-hb-ratelimit-requests-remain"] == "19"
    assert 0 < int(spot["x-hb-ratelimit-requests-expire"]) - now <= 2_000
    contract = ask(simulator, account, "/v5/account/balance", host=CONTRACTS).headers
    wanted = {"ratelimit-limit": "144", "ratelimit-interval": "3000", "ratelimit-remaining": "143"}
    assert {name: contract[name] for name in wanted} == wanted
    assert "recovery-time" not in contract


def test_who_asks_too_often_is_refused_in_one_of_several_ways_and_blocked_in_the_end(
    simulator: SimulatorProcess, keyless: Any
) -> None:
    account = plain_account(simulator)
    client = client_of(simulator, keyless, account)
    simulator.limits(on=True, forget=True)
    seen, refused = set(), 0
    while refused < 30:
        try:
            client.spotPrivateGetV2UserUid()
        except ccxt.RateLimitExceeded:
            refused += 1
            seen.add((client.last_http_response[:16], json.loads(client.last_http_response)["err-code"]))
    assert {code for _, code in seen} == {
        "rate-too-many-requests", "base-request-exceed-frequency-limit", "invalid-parameter",
    }  # fmt: skip
    blocked = ask(simulator, account, "/v2/user/uid")
    assert (blocked.status, blocked.text[:6]) == (403, "<html>")
    simulator.limits(forget=True)
    assert ask(simulator, account, "/v2/user/uid").data["code"] == 200


def test_contracts_refuse_with_a_status(simulator: SimulatorProcess) -> None:
    account = plain_account(simulator)
    simulator.limits(on=True, forget=True)
    simulator.weather("rate_limit", exchange="htx", patience=1)
    said = ask(simulator, account, "/v5/account/balance", host=CONTRACTS)
    assert (said.status, said.data["code"]) == (429, 1032)


def test_trouble_is_told_in_each_systems_envelope(simulator: SimulatorProcess, keyless: Any) -> None:
    account = plain_account(simulator)
    client = client_of(simulator, keyless, account)
    simulator.weather("maintenance")
    with pytest.raises(ccxt.OnMaintenance):
        client.fetch_balance()
    assert ask(simulator, account, "/v5/account/balance", host=CONTRACTS).data["code"] == 1004
    assert client.fetch_balance({"type": "swap"})["total"] == {}, "ccxt takes an unknown code of V5 for an answer"
    simulator.calm()
    assert call(simulator, "htx", "https://api.huobi.pro/v1/nothing").status == 404
