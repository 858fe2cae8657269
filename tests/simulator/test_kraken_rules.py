"""The Kraken dialect refuses as the exchange does: keys, nonces, permissions, limits."""

import re
from typing import Any

import ccxt
import pytest

from simulator.kraken.keys import signature
from tests.fixtures.simulator import SimulatorProcess
from tests.simulator.kraken_clients import ask, client_of, keyless_of, refusal_of
from tests.simulator.plain import call


@pytest.fixture
def simulator(start_simulator: Any) -> SimulatorProcess:
    return start_simulator("--exchanges", "kraken", "--no-limits")


@pytest.fixture
def keyless(simulator: SimulatorProcess) -> Any:
    return keyless_of(simulator)


# ── Keys ──────────────────────────────────────────────────────────────────────────────────────────────


def test_the_documented_signature_is_made() -> None:
    """The example of docs.kraken.com, spot REST authentication (read 2026-11)."""
    secret = "kQH5HW/8p1uGOVjbgWA7FunAmGO8lsSUXNsu3eow76sz84Q18fWxnyRzBHCd3pd5nE9qa99HAZtuZuj6F1huXg=="
    body = b"nonce=1616492376594&ordertype=limit&pair=XBTUSD&price=37500&type=buy&volume=1.25"
    assert signature(secret, "/0/private/AddOrder", "1616492376594", body) == (
        "4/dpxb3iT4tp/ZCVEwSnEsLxx0bqyhLpdfOpc6fn7OR8+UClSV5n9E6aSS8MPtnRfp32bAb0nmbRn6H8ndwLUQ=="
    )


@pytest.mark.parametrize(
    ("granted", "words"),
    [
        (["read"], {"query-funds", "query-open-trades", "query-closed-trades"}),
        (["read", "trade"], {"modify-trades"}),
        (["read", "withdraw"], {"withdraw-funds"}),
    ],
)
def test_a_key_tells_what_it_may_do(
    simulator: SimulatorProcess, keyless: Any, granted: list[str], words: set[str]
) -> None:
    account = simulator.account("kraken", permissions=granted, addresses=["127.0.0.1"])
    report = client_of(simulator, keyless, account).private_post_getapikeyinfo()["result"]
    assert words <= set(report["permissions"])
    assert ("withdraw-funds" in report["permissions"]) == ("withdraw" in granted)
    assert (report["apiKey"], report["ipAllowlist"]) == (account["api_key"], ["127.0.0.1"])
    assert (report["validUntil"], report["queryFrom"], report["queryTo"]) == ("0", "0", "0")


@pytest.mark.parametrize(
    ("without", "path"),
    [
        ("query-closed-trades", "privatePostTradesHistory"),
        ("query-funds", "privatePostBalanceEx"),
        ("access-websockets", "privatePostGetWebSocketsToken"),
    ],
)
def test_each_call_asks_for_its_permission(simulator: SimulatorProcess, keyless: Any, without: str, path: str) -> None:
    account = simulator.account("kraken")
    client = client_of(simulator, keyless, account)
    getattr(client, path)()
    words = client.private_post_getapikeyinfo()["result"]["permissions"]
    simulator.change(account, details={"permissions": [word for word in words if word != without]})
    assert refusal_of(getattr(client, path)) == (ccxt.PermissionDenied, "EGeneral:Permission denied")
    assert client.private_post_getapikeyinfo()["result"]["apiKey"] == account["api_key"]


def test_each_way_to_be_refused_has_its_words(simulator: SimulatorProcess, keyless: Any) -> None:
    account = simulator.account("kraken")
    client = client_of(simulator, keyless, account)
    balance = client.privatePostBalanceEx
    balance()
    right = client.secret
    client.secret = "d3Jvbmc="
    assert refusal_of(balance) == (ccxt.ExchangeError, "EAPI:Invalid signature")
    client.secret, client.apiKey = right, "nobody"
    assert refusal_of(balance) == (ccxt.AuthenticationError, "EAPI:Invalid key")
    client.apiKey = account["api_key"]
    for spoil in ("expire", "revoke"):
        simulator.spoil_key(account, spoil)
        assert refusal_of(balance) == (ccxt.AuthenticationError, "EAPI:Invalid key")
        simulator.spoil_key(account, "restore")
    simulator.change(account, addresses=["10.1.2.3"])
    assert refusal_of(balance) == (ccxt.PermissionDenied, "EGeneral:Permission denied")
    simulator.change(account, addresses=[])
    balance()
    assert call(simulator, "kraken", "https://api.kraken.com/0/private/Odd", method="POST").data == {
        "error": ["EGeneral:Unknown method"]
    }


def test_nonces_rise_strictly_for_each_key(simulator: SimulatorProcess, keyless: Any) -> None:
    account, other = simulator.account("kraken"), simulator.account("kraken")
    client, second = client_of(simulator, keyless, account), client_of(simulator, keyless, account)
    third = client_of(simulator, keyless, other)
    given = iter((1000, 1000, 999, 1001, 2**63, 1002))
    client.incrementing_nonce = second.incrementing_nonce = lambda: next(given)
    third.incrementing_nonce = lambda: 5
    client.privatePostBalance()
    assert refusal_of(second.privatePostBalance) == (ccxt.InvalidNonce, "EAPI:Invalid nonce")
    assert refusal_of(client.privatePostBalance)[1] == "EAPI:Invalid nonce"
    second.privatePostBalance()
    assert refusal_of(client.privatePostBalance)[1] == "EAPI:Invalid nonce"
    client.privatePostBalance()
    third.privatePostBalance()


def test_a_nonce_window_lets_nonces_fall_back_a_little(simulator: SimulatorProcess, keyless: Any) -> None:
    account = simulator.account("kraken", details={"nonce_window": 10})
    client = client_of(simulator, keyless, account)
    given = iter((1000, 995, 990))
    client.incrementing_nonce = lambda: next(given)
    client.privatePostBalance()
    client.privatePostBalance()
    assert refusal_of(client.privatePostBalance)[1] == "EAPI:Invalid nonce"


def test_a_key_that_is_wrong_again_and_again_is_locked_out(simulator: SimulatorProcess, keyless: Any) -> None:
    simulator.limits(on=True)
    account = simulator.account("kraken", details={"tier": "pro"})
    client = client_of(simulator, keyless, account)
    client.privatePostBalance()
    client.incrementing_nonce = lambda: 7
    words = []
    for _ in range(40):
        words.append(refusal_of(client.privatePostBalance)[1])
        if words[-1] == "EGeneral:Temporary lockout":
            break
        if words[-1] == "EAPI:Rate limit exceeded":
            simulator.ask("POST", "/clock", skew_ms=60_000 * len(words))
    assert words.count("EAPI:Invalid nonce") == 20
    del client.incrementing_nonce
    assert refusal_of(client.privatePostBalance) == (ccxt.DDoSProtection, "EGeneral:Temporary lockout")
    simulator.limits(forget=True)
    client.privatePostBalance()


# ── Limits ────────────────────────────────────────────────────────────────────────────────────────────


def test_a_counter_fills_by_two_for_history_and_falls_slowly(simulator: SimulatorProcess, keyless: Any) -> None:
    simulator.limits(on=True)
    account, other = simulator.account("kraken"), simulator.account("kraken")
    client = client_of(simulator, keyless, account)
    for _ in range(7):
        ask(client)
    assert refusal_of(client.privatePostTradesHistory) == (ccxt.DDoSProtection, "EAPI:Rate limit exceeded")
    assert client.last_http_response.startswith('{"error"')
    client_of(simulator, keyless, other).privatePostBalance()
    simulator.ask("POST", "/clock", skew_ms=4_000)
    assert refusal_of(client.privatePostTradesHistory)[1] == "EAPI:Rate limit exceeded", "who goes on waits longer"
    simulator.ask("POST", "/clock", skew_ms=20_000)
    ask(client)


def test_tiers_have_their_own_counters(simulator: SimulatorProcess, keyless: Any) -> None:
    simulator.limits(on=True)
    client = client_of(simulator, keyless, simulator.account("kraken", details={"tier": "pro"}))
    for _ in range(10):
        ask(client)
    assert refusal_of(client.privatePostTradesHistory)[1] == "EAPI:Rate limit exceeded"


def test_an_address_that_asks_too_much_is_refused(simulator: SimulatorProcess, keyless: Any) -> None:
    simulator.limits(on=True, forget=True)
    for _ in range(15):
        keyless.publicGetTime()
    assert refusal_of(keyless.publicGetTime) == (ccxt.DDoSProtection, "EGeneral:Too many requests")


def test_troubles_have_this_exchanges_forms(simulator: SimulatorProcess, keyless: Any) -> None:
    simulator.weather("rate_limit", patience=30)
    words = {refusal_of(keyless.publicGetTime)[1] for _ in range(30)}
    assert refusal_of(keyless.publicGetTime)[1] == "EGeneral:Temporary lockout"
    assert "EAPI:Rate limit exceeded" in words
    assert any(re.fullmatch(r"EService: Throttled: \d{10}", word) for word in words)
    simulator.calm()
    simulator.weather("maintenance")
    assert refusal_of(keyless.publicGetTime)[1] == "EService:Unavailable"
    simulator.calm()
    simulator.weather("server_errors", chance=1.0)
    said = [call(simulator, "kraken", "https://api.kraken.com/0/public/Time") for _ in range(30)]
    assert {answer.status for answer in said} == {200, 502, 520}
    assert all(("error" in answer.text) == (answer.status == 200) or "<html>" in answer.text for answer in said)
