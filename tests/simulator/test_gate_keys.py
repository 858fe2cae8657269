"""Wallets, keys, signatures and quotas of the Gate dialect, asked with and without ccxt."""

import time
from decimal import Decimal
from typing import Any

import ccxt
import pytest

from simulator.gate.keys import payload_of, signature_of
from simulator.http import Request
from tests.fixtures.simulator import SimulatorProcess
from tests.simulator.gate import API, ask, client_of, plain_account, refusal_of
from tests.simulator.witnesses import pointed_at


@pytest.fixture
def simulator(start_simulator: Any) -> SimulatorProcess:
    return start_simulator("--exchanges", "gate", "--no-limits")


@pytest.fixture
def keyless(simulator: SimulatorProcess) -> Any:
    client = pointed_at(simulator, ccxt.gate(), "gate")
    client.load_markets()
    return client


# ── Wallets and keys ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("mode", ["classic", "unified"])
def test_balances_are_the_deposits_and_all_trades_together(
    simulator: SimulatorProcess, keyless: Any, mode: str
) -> None:
    account = simulator.account("gate", history=500, mode=mode, details={"discount": True, "points": True})
    simulator.trade(account, count=100)
    client = client_of(simulator, keyless, account, unifiedAccount=False)
    told: dict[str, dict[str, Decimal]] = {}
    for row in simulator.truth(account)["balances"]:
        told.setdefault(row["wallet"], {})[row["asset"]] = Decimal(row["free"]) + Decimal(row["locked"])

    def held(**params: Any) -> dict[str, Decimal]:
        totals = client.fetch_balance(params)["total"]
        return {asset: Decimal(str(amount)) for asset, amount in totals.items() if Decimal(str(amount or 0))}

    futures = {"type": "swap", "settle": "usdt"}
    if mode == "unified":
        assert held(unifiedAccount=True) == told["unified"]
        assert held() == held(**futures) == {}
    else:
        assert held() == told["spot"]
        assert held(**futures) == {"USDT": told["futures_usdt"]["USDT"]}
        overview = client.privateFuturesGetSettleAccounts({"settle": "usdt"})
        assert (Decimal(overview["point"]), str(overview["user"])) == (
            told["futures_usdt"].get("GATEPOINT", 0),
            account["uid"],
        )
    for params in ({"marginMode": "isolated"}, {"marginMode": "cross"}, {"type": "funding"}):
        assert held(**params) == {}


def test_the_mode_is_told_by_one_call_and_not_by_the_key(simulator: SimulatorProcess) -> None:
    for mode, details, word in (
        ("classic", {}, "classic"),
        ("unified", {}, "multi_currency"),
        ("unified", {"unified_mode": "portfolio"}, "portfolio"),
    ):
        account = plain_account(simulator, mode=mode, details=details)
        assert ask(simulator, account, "/unified/unified_mode").data["mode"] == word
        told = ask(simulator, account, "/account/detail").data
        assert (str(told["user_id"]), told["key"]) == (account["uid"], {"mode": 1})


def entries_of(simulator: SimulatorProcess, account: dict[str, Any]) -> tuple[list[Any], list[Any]]:
    """All keys that are told, and those that may be the calling one."""
    told = ask(simulator, account, "/account/main_keys").data
    entries = told if isinstance(told, list) else [told]
    return entries, [one for one in entries if account["api_key"].startswith(one["key"].rstrip("*"))]


@pytest.mark.parametrize(
    ("permissions", "writes"),
    [
        (["read"], set()),
        (["read", "trade"], {"spot", "futures"}),
        (["read", "futures"], {"futures"}),
        (["read", "transfer"], {"wallet"}),
        (["read", "withdraw"], {"withdrawal"}),
    ],
)
def test_a_key_tells_what_it_may_do(simulator: SimulatorProcess, permissions: list[str], writes: set[str]) -> None:
    account = plain_account(simulator, permissions=permissions, addresses=["127.0.0.1"])
    entries, (own,) = entries_of(simulator, account)
    assert len(entries) == 2
    assert {one["name"] for one in own["perms"] if not one["read_only"]} == writes
    assert (own["state"], str(own["user_id"]), own["ip_whitelist"]) == (1, account["uid"], ["127.0.0.1"])


@pytest.mark.parametrize(("form", "counts"), [("object", (1, 1)), ("list", (2, 1)), ("twins", (2, 2)), ("sub", (1, 0))])
def test_the_list_of_keys_has_several_forms(simulator: SimulatorProcess, form: str, counts: tuple[int, int]) -> None:
    entries, own = entries_of(simulator, plain_account(simulator, details={"main_keys": form}))
    assert (len(entries), len(own)) == counts


def test_a_key_of_few_scopes_is_forbidden_the_rest(simulator: SimulatorProcess) -> None:
    account = plain_account(simulator, details={"scopes": ["spot"]})
    assert ask(simulator, account, "/spot/my_trades").status == 200
    for path in ("/account/detail", "/account/main_keys", "/unified/unified_mode", "/futures/usdt/accounts"):
        assert refusal_of(ask(simulator, account, path)) == (403, "FORBIDDEN")


def test_a_list_of_pairs_hides_all_others(simulator: SimulatorProcess) -> None:
    account = plain_account(simulator, details={"currency_pairs": ["ETH_USDT"]})
    for market in ("BTC_USDT", "ETH_USDT"):
        simulator.trade(account, product="spot", market_id=market)
    assert {row["currency_pair"] for row in ask(simulator, account, "/spot/my_trades").data} == {"ETH_USDT"}
    assert ask(simulator, account, "/account/detail").data["currency_pairs"] == ["ETH_USDT"]


def test_the_documented_signature_is_the_one_that_is_checked() -> None:
    request = Request(
        method="GET",
        host="api.gateio.ws",
        path="/api/v4/futures/orders",
        query="contract=BTC_USD&status=finished&limit=50",
        headers={},
    )
    assert signature_of("secret", payload_of(request, "1541993715")) == (
        "55f84ea195d6fe57ce62464daaa7c3c02fa9d1dde954e4c898289c9a2407a3d6"
        "fb3faf24deff16790d726b66ac9f74526668b13bd01029199cc4fcc522418b8a"
    )


def test_the_query_is_signed_unescaped_and_in_the_order_of_the_address(simulator: SimulatorProcess) -> None:
    account = plain_account(simulator)
    assert ask(simulator, account, "/spot/my_trades", "limit=5&currency_pair=BTC_USDT").status == 200
    assert refusal_of(ask(simulator, account, "/spot/my_trades", "currency_pair=BTC/USDT")) == (
        400,
        "INVALID_CURRENCY_PAIR",
    )


def test_each_way_to_be_refused_has_its_label(simulator: SimulatorProcess, keyless: Any) -> None:
    account = plain_account(simulator)
    now = int(time.time())

    def tried(**spoil: Any) -> tuple[int, str]:
        said = ask(simulator, account, "/spot/accounts", **spoil)
        return (said.status, "") if said.status == 200 else refusal_of(said)

    assert tried() == tried(Timestamp=now - 50) == tried(Timestamp=now + 50) == tried(Timestamp=f"{now}.5") == (200, "")
    assert tried(KEY=None) == tried(SIGN=None) == (401, "MISSING_REQUIRED_HEADER")
    assert tried(Timestamp=now - 70) == tried(Timestamp=now + 70) == (401, "REQUEST_EXPIRED")
    assert tried(Timestamp=now * 1000) == tried(Timestamp="noon") == (401, "REQUEST_EXPIRED")
    assert tried(KEY="nobody") == (401, "INVALID_KEY")
    assert tried(SIGN="00") == (401, "INVALID_SIGNATURE")
    for how in ("expire", "revoke"):
        simulator.spoil_key(account, how)
        assert tried() == (401, "INVALID_KEY")
        simulator.spoil_key(account, "restore")
    simulator.change(account, addresses=["10.1.2.3"])
    assert tried() == (401, "IP_FORBIDDEN")
    client = client_of(simulator, keyless, account, unifiedAccount=False)
    with pytest.raises(ccxt.AuthenticationError, match="IP_FORBIDDEN"):
        client.fetch_balance()


def test_a_key_is_known_at_home_only(simulator: SimulatorProcess) -> None:
    homes = {
        "gate": API,
        "testnet": "https://api-testnet.gateapi.io",
        "gateeu": "https://api.gateeu.com",
    }
    for home in homes:
        account = plain_account(simulator, details={"entity": home})
        for entity, host in homes.items():
            said = ask(simulator, account, "/spot/accounts", host=host)
            assert (said.status == 200) is (entity == home)


# ── Limits ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("path", "limit"), [("/spot/my_trades", 200), ("/futures/usdt/my_trades_timerange", 200), ("/account/detail", 150)]
)
def test_each_path_has_a_quota_of_its_own_and_headers_tell_it(
    simulator: SimulatorProcess, path: str, limit: int
) -> None:
    simulator.limits(on=True, forget=True)
    account, other = plain_account(simulator), plain_account(simulator)
    first = ask(simulator, account, path)
    names = ("x-gate-ratelimit-limit", "x-gate-ratelimit-requests-remain")
    assert [first.headers[name] for name in names] == [str(limit), str(limit - 1)]
    assert {ask(simulator, account, path).status for _ in range(limit - 1)} == {200}
    broken = ask(simulator, account, path)
    assert refusal_of(broken) == (429, "TOO_MANY_REQUESTS")
    assert 0 < int(broken.headers["x-gate-ratelimit-reset-timestamp"]) - time.time() <= 11
    assert "retry-after" not in broken.headers
    assert ask(simulator, account, "/spot/accounts").status == ask(simulator, other, path).status == 200


def test_ccxt_understands_that_it_asked_too_often(simulator: SimulatorProcess, keyless: Any) -> None:
    simulator.weather("rate_limit", seconds=30)
    for _ in range(6):
        with pytest.raises(ccxt.RateLimitExceeded):
            keyless.fetch_time()
