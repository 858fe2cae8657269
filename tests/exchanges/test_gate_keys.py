"""Reports on keys of Gate: which one of a list is ours, what it may do, and what its account is."""

import contextlib
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from shared.domain.connections import Account, Verdict
from shared.domain.errors import AccountModeChanged, ContractBroken, PermissionMissing, TradeSyncError
from shared.domain.trades import Product
from shared.exchanges import load
from shared.exchanges.kit.contract import Answer

GATE = load("gate")
DETAIL = {"user_id": 1667201533, "ip_whitelist": ["1.2.3.4"], "currency_pairs": [], "key": {"mode": 1}, "tier": 2}


def an_account(**changes: Any) -> Account:
    told = {"connection_id": UUID(int=7), "exchange": "gate", "products": (Product.SPOT, Product.LINEAR)}
    return Account(**{**told, **changes})


def answered(steps: Any, by_path: Callable[[str], Any]) -> Any:
    """The result of a conversation whose calls are answered by their path; errors are thrown in."""
    try:
        request = next(steps)
        while True:
            answer = by_path(request.endpoint.path)
            if isinstance(answer, TradeSyncError):
                request = steps.throw(answer)
                continue
            request = steps.send(Answer(answer, key_begins="AAAABBBB"))
    except StopIteration as end:
        return end.value


def a_key(key: str = "AAAA...*****", **changes: Any) -> dict[str, Any]:
    """A key as the list of keys shows it; other keywords than `state` are permissions and whether they only read."""
    told = {"state": changes.pop("state", 1), "mode": 1, "user_id": 1667201533, "key": key}
    perms = changes or {"spot": True, "futures": True, "wallet": True, "account": True}
    return {**told, "ip_whitelist": ["1.2.3.4"], "currency_pairs": [], "perms": perms_of(perms)}


def perms_of(perms: dict[str, bool]) -> list[dict[str, Any]]:
    return [{"name": name, "read_only": read_only} for name, read_only in perms.items()]


def report_of(account: Account | None = None, **answers: Any) -> Any:
    """The report when the calls answer so: detail, main_keys, unified_mode, accounts; errors are thrown in."""
    told = {"detail": DETAIL, "main_keys": [a_key()], "unified_mode": {"mode": "classic"}, "accounts": {"user": 5}}
    told |= answers
    return answered(GATE.check_key(account or an_account()), lambda path: told[path.rsplit("/", 1)[1]])


def powers(report: Any) -> tuple[str, str, str]:
    return report.can_read.value, report.can_trade.value, report.can_withdraw.value


def test_a_key_that_only_reads_is_found_to_be_so():
    report = report_of()
    assert powers(report) == ("yes", "no", "no")
    assert (report.uid, report.mode, report.addresses) == ("1667201533", "classic", ("1.2.3.4",))
    assert report.products == (Product.SPOT, Product.LINEAR)
    assert report.permissions == ("spot:read", "futures:read", "wallet:read", "account:read")
    assert report.remarks == ()


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (a_key(), ("yes", "no", "no")),
        ([a_key(spot=False, futures=True)], ("yes", "yes", "no")),
        ([a_key(spot=True, wallet=False)], ("yes", "no", "yes")),
        ([a_key(spot=True, withdrawal=False)], ("yes", "no", "yes")),
        ([a_key(spot=True, mystery=False)], ("yes", "yes", "unknown")),
        ([a_key(spot=True, mystery=True)], ("yes", "no", "no")),
        ([a_key(account=True)], ("no", "no", "no")),
        ([a_key(), a_key("CCCC...*****", spot=False, wallet=False)], ("yes", "no", "no")),
        ([a_key("AAAABBBB*****"), a_key("AAAACCCC*****", spot=False, wallet=False)], ("yes", "no", "no")),
        ([a_key(), a_key(spot=False, wallet=False)], ("yes", "unknown", "unknown")),
        ([a_key(), a_key(state=2, spot=False)], ("yes", "no", "no")),
        ([a_key("CCCC...*****")], ("unknown", "unknown", "unknown")),
        ([], ("unknown", "unknown", "unknown")),
        (PermissionMissing(), ("unknown", "unknown", "unknown")),
    ],
)
def test_a_key_is_found_among_those_of_its_account(keys, expected):
    assert powers(report_of(main_keys=keys)) == expected


@pytest.mark.parametrize(
    "word", ["spot", "margin", "futures", "delivery", "options", "unified", "earn", "loan", "account"]
)
def test_a_right_to_write_that_is_known_is_one_to_trade_only(word):
    assert powers(report_of(main_keys=[a_key(**({"spot": True} | {word: False}))])) == ("yes", "yes", "no")


@pytest.mark.parametrize("word", ["wallet", "withdraw", "withdrawal", "withdrawals"])
def test_a_right_to_withdraw_has_several_names(word):
    assert powers(report_of(main_keys=[a_key(**{"spot": True, word: False})])) == ("yes", "no", "yes")


def test_a_key_is_ours_when_all_that_both_tell_is_the_same():
    other = {**a_key(spot=False), "currency_pairs": ["BTC_USDT"]}
    assert powers(report_of(main_keys=[other, a_key()])) == ("yes", "no", "no")
    silent = {name: value for name, value in a_key().items() if name not in {"state", "ip_whitelist"}}
    assert powers(report_of(main_keys=[silent])) == ("yes", "no", "no")
    bare = {"user_id": 1667201533}
    assert powers(report_of(detail=bare, main_keys=[a_key()])) == ("yes", "no", "no")


def test_a_key_that_is_shown_further_than_ours_is_known_is_ours():
    assert powers(report_of(main_keys=[a_key("AAAABBBBCCCC...*****")])) == ("yes", "no", "no")
    assert powers(report_of(main_keys=[a_key("BBBBAAAABBBB...*****")])) == ("unknown", "unknown", "unknown")


def test_the_key_of_another_user_or_other_addresses_is_not_ours():
    others = [{**a_key(spot=False), "user_id": 7}, {**a_key(spot=False), "ip_whitelist": []}]
    assert powers(report_of(main_keys=[*others, a_key()])) == ("yes", "no", "no")


def test_what_the_key_may_not_tell_is_unknown_and_said():
    report = report_of(detail=PermissionMissing(), main_keys=PermissionMissing(), unified_mode=PermissionMissing())
    assert (powers(report), report.mode, report.uid) == (("unknown",) * 3, "", "5")
    assert len(report.remarks) == 2


@pytest.mark.parametrize("trouble", [AccountModeChanged(), PermissionMissing()])
def test_without_a_futures_account_perpetuals_are_left_out(trouble):
    report = report_of(accounts=trouble)
    assert report.products == (Product.SPOT,)
    assert "Perpetuals" in report.remarks[0]


def test_only_what_the_key_may_see_is_read():
    report = report_of(main_keys=[a_key(futures=True, account=True)])
    assert (report.products, report.can_read) == ((Product.LINEAR,), Verdict.YES)
    assert "Spot" in report.remarks[0]
    assert report_of(an_account(products=(Product.SPOT,)), accounts=None).products == (Product.SPOT,)


def test_a_key_bound_to_some_markets_is_told_of():
    bound = {"currency_pairs": ["BTC_USDT"]}
    report = report_of(detail=DETAIL | bound, main_keys=[a_key() | bound])
    assert "some markets" in report.remarks[0]


@pytest.mark.parametrize("mode", ["classic", "single_currency", "multi_currency", "portfolio"])
def test_the_mode_is_kept_in_the_exchanges_words(mode):
    assert report_of(unified_mode={"mode": mode}).mode == mode
    assert mode in GATE.modes


def test_an_unknown_mode_is_not_guessed():
    with pytest.raises(ContractBroken, match="hyper"):
        report_of(unified_mode={"mode": "hyper"})


def test_the_testnet_knows_no_modes():
    assert report_of(an_account(region="testnet"), unified_mode=ContractBroken("404")).mode == "classic"
    with pytest.raises(ContractBroken, match="404"):
        report_of(unified_mode=ContractBroken("404"))


# ── Wallets ───────────────────────────────────────────────────────────────────────────────────────────

A_COIN = {"currency": "USDT", "available": "4.1", "locked": "1.1"}
WALLETS = {
    "/api/v4/unified/unified_mode": {"mode": "classic"},
    "/api/v4/spot/accounts": [A_COIN, {"currency": "POINT", "available": "7", "locked": "0"}],
    "/api/v4/futures/{settle}/accounts": {"total": "100.5", "available": "60", "currency": "USDT", "user": 5},
    "/api/v4/margin/cross/accounts": AccountModeChanged(),
    "/api/v4/margin/accounts": [
        {"currency_pair": "BTC_USDT", "base": {**A_COIN, "currency": "BTC"}, "quote": {**A_COIN, "borrowed": "3"}}
    ],
    "/api/v4/margin/funding_accounts": [{**A_COIN, "lent": "2", "total_lent": "9"}],
    "/api/v4/unified/accounts": {"balances": {"GTC": {"available": "1.5", "freeze": "0.5", "equity": "9"}}},
}


def wallets_of(mode: str, **changes: Any) -> Any:
    answers = {**WALLETS, "/api/v4/unified/unified_mode": {"mode": mode}, **changes}
    return answered(GATE.balances(an_account(mode=mode)), answers.__getitem__)


def listed(wallets: Any) -> list[tuple[str, str, str, str | None, str | None]]:
    return [(one.account_type, one.asset, *map(str, (one.total, one.free, one.used))) for one in wallets.balances]


def test_all_wallets_of_a_classic_account_are_read():
    wallets = wallets_of("classic")
    assert listed(wallets) == [
        ("spot", "USDT", "5.2", "4.1", "1.1"),
        ("spot", "GATEPOINT", "7", "7", "0"),
        ("futures", "USDT", "100.5", "60", "40.5"),
        ("margin:BTC_USDT", "BTC", "5.2", "4.1", "1.1"),
        ("margin:BTC_USDT", "USDT", "5.2", "4.1", "1.1"),
        ("lending", "USDT", "7.2", "4.1", "3.1"),
    ]
    assert wallets.missing == {}  # what was never opened holds nothing


@pytest.mark.parametrize("mode", GATE.modes[2:])
def test_the_wallets_of_a_unified_account_are_one(mode):
    wallets = wallets_of(mode)
    assert listed(wallets)[0] == ("unified", "GAMECOM", "2.0", "1.5", "0.5")
    assert {one.account_type.split(":")[0] for one in wallets.balances} == {"unified", "margin", "lending"}


def test_only_the_futures_wallet_is_asked_for_by_what_settles_and_only_where_futures_are_wanted():
    asked = []

    def converse(**changes: Any) -> None:
        asked.clear()
        steps = GATE.balances(an_account(mode="classic", **changes))
        with contextlib.suppress(StopIteration):
            request = next(steps)
            while True:
                asked.append((request.endpoint.path.removeprefix("/api/v4/"), dict(request.params)))
                told = WALLETS[request.endpoint.path]
                request = steps.throw(told) if isinstance(told, TradeSyncError) else steps.send(Answer(told))

    converse()
    futures = ("futures/{settle}/accounts", {"settle": "usdt"})
    assert [one for one in asked if one[1]] == [futures]
    converse(products=(Product.SPOT,))
    assert futures not in asked
    assert ("spot/accounts", {}) in asked


def test_a_wallet_that_the_key_may_not_see_is_missing():
    wallets = wallets_of("classic", **{"/api/v4/futures/{settle}/accounts": PermissionMissing()})
    assert list(wallets.missing) == ["futures"]
    assert {one.account_type for one in wallets.balances} >= {"spot"}


def test_an_account_in_another_mode_than_known_is_looked_at_anew():
    with pytest.raises(AccountModeChanged, match="portfolio"):
        wallets_of("classic", **{"/api/v4/unified/unified_mode": {"mode": "portfolio"}})


def test_a_mode_that_may_not_be_asked_for_is_believed_to_be_as_it_was():
    wallets = wallets_of("portfolio", **{"/api/v4/unified/unified_mode": PermissionMissing()})
    assert listed(wallets)[0][0] == "unified"
