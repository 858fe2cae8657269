"""REST: windows and pages of history, names of pairs, keys, balances, and what each refusal means."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from shared.domain.balances import Balance
from shared.domain.connections import Account, Verdict
from shared.domain.errors import (
    AddressNotAllowed,
    ContractBroken,
    ExchangeUnavailable,
    KeyRejected,
    MarketGone,
    PermissionMissing,
    RateLimited,
    RegionNotAllowed,
    TradeSyncError,
    UserActionNeeded,
)
from shared.domain.markets import Market, Markets
from shared.domain.trades import Product
from shared.domain.windows import Window
from shared.exchanges import load
from shared.exchanges.kit.contract import Answer, Feed, Page, Request, Slice

KRAKEN = load("kraken")
HISTORY = KRAKEN.history
NOW = 1_795_190_400_000
SPOT = Feed(Product.SPOT)
ME = Account(connection_id=UUID(int=1), exchange="kraken", products=(Product.SPOT,))
MARKETS = Markets([Market("XXBTZUSD", "BTC/USD", "spot", "BTC", "USD")])
CALLS = {endpoint.path.rsplit("/", 1)[1]: endpoint for endpoint in KRAKEN.endpoints}
WEEK = Window(NOW - 7 * 86_400_000, NOW)


def a_row(number: int) -> dict[str, Any]:
    return {
        "ordertxid": "O",
        "pair": "XXBTZUSD",
        "time": Decimal(NOW - 1_000 - number) / 1000,
        "type": "buy",
        "price": "64000.0",
        "cost": "6400.0",
        "fee": "1.0",
        "vol": "0.1",
        "maker": False,
    }


def a_page(*numbers: int, count: Any) -> Answer:
    trades = {f"T{number}": a_row(number) for number in numbers}
    return Answer({"error": [], "result": {"trades": trades, "count": count}})


def read(cursor: Any, answer: Answer, window: Window = WEEK) -> Page:
    return HISTORY.read(SPOT, Slice(window), cursor, answer, ME, MARKETS)


def converse(steps: Any, answer: Callable[[Request], Any]) -> Any:
    """The conversation's result; the exchange's answers carry a result, or are an error to throw."""
    try:
        request = next(steps)
        while True:
            told = answer(request)
            if isinstance(told, TradeSyncError):
                request = steps.throw(told)
            else:
                request = steps.send(Answer({"error": [], "result": told}, received_ms=NOW))
    except StopIteration as end:
        return end.value


# ── History ───────────────────────────────────────────────────────────────────────────────────────────


def test_a_window_is_asked_for_with_its_first_second_and_its_last():
    """The exchange leaves out the start and includes the end; trades happen within seconds."""
    request = HISTORY.ask(SPOT, Slice(Window(1_795_190_400_250, 1_795_190_460_001)), None, ME)
    assert (request.endpoint.path, request.params) == (
        "/0/private/TradesHistory",
        {"start": 1_795_190_399, "end": 1_795_190_461, "ofs": 0},
    )
    assert request.endpoint.weight == 2


def test_pages_are_read_until_as_many_trades_were_seen_as_the_window_has():
    first = read(None, a_page(*range(50), count=120))
    assert (first.next["offset"], first.proven, len(first.trades)) == (50, None, 50)
    assert HISTORY.ask(SPOT, Slice(WEEK), first.next, ME).params["ofs"] == 50
    second = read(first.next, a_page(*range(50, 100), count=120))
    assert (second.next["offset"], second.proven) == (100, None)
    third = read(second.next, a_page(*range(100, 120), count=120))
    assert (third.next, third.proven) == (None, WEEK)


def test_an_empty_window_is_proven_by_its_count():
    assert read(None, a_page(count=0)).proven == WEEK
    assert read(None, a_page(count=1)).proven is None


def test_without_a_count_only_an_empty_page_is_the_end():
    first = read(None, a_page(1, 2, count=None))
    assert (first.next["offset"], first.proven) == (2, None)
    assert read(first.next, a_page(count=None)).proven == WEEK
    assert read(first.next, a_page(count=0)).next["offset"] == 0, "a count that is told all at once is another count"


def test_a_window_whose_count_changes_is_read_again_from_its_beginning():
    first = read(None, a_page(*range(50), count=60))
    again = read(first.next, a_page(*range(49, 61), count=61))
    assert (again.next["offset"], again.next["count"], again.proven) == (0, 61, None)
    first = read(again.next, a_page(*range(50), count=61))
    assert read(first.next, a_page(*range(50, 61), count=61)).proven == WEEK


def test_a_row_told_twice_hides_none_that_was_not_told():
    """A row that turns up while another goes leaves the count as it was."""
    first = read(None, a_page(*range(50), count=60))
    again = read(first.next, a_page(49, *range(50, 59), count=60))
    assert (again.next["offset"], again.proven) == (0, None)


def test_a_window_that_never_comes_to_rest_is_told():
    cursor = read(None, a_page(*range(50), count=100)).next
    for count in range(101, 105):
        cursor = read(cursor, a_page(*range(50), count=count)).next
    with pytest.raises(ContractBroken, match="does not come to rest"):
        read(cursor, a_page(*range(50), count=105))


def test_no_cursor_comes_twice():
    cursor, seen = None, []
    for count in (60, 61, 60, 61, 60):
        cursor = read(cursor, a_page(*range(50), count=count)).next
        assert cursor not in seen
        seen.append(cursor)


def test_a_window_of_too_many_trades_is_split_but_for_the_smallest():
    full = a_page(*range(50), count=501)
    page = read(None, full)
    assert (page.is_saturated, page.next, page.proven, len(page.trades)) == (True, None, None, 50)
    second = read(None, full, Window(NOW - 1_000, NOW))
    assert (second.is_saturated, second.next["offset"]) == (False, 50)


@pytest.mark.parametrize(
    "result", [None, {}, {"trades": {}, "count": "1"}, {"trades": [], "count": 1}, {"trades": {}, "count": True}]
)
def test_an_answer_that_is_no_page_is_told(result):
    with pytest.raises(ContractBroken):
        read(None, Answer({"error": [], "result": result}))


def test_the_whole_gap_is_asked_for_at_once_and_only_as_far_as_the_key_sees():
    limited = Account(
        **{**{name: getattr(ME, name) for name in ME.__struct_fields__}, "details": {"query_from_ms": NOW}}
    )
    gap = Window(1_400_000_000_000, NOW + 5_000)
    assert HISTORY.slice(SPOT, gap, {}, ME, NOW).window == gap
    assert HISTORY.reach(SPOT, ME, NOW) < gap.since
    assert HISTORY.slice(SPOT, gap, {}, limited, NOW).window == Window(NOW, NOW + 5_000)


# ── Keys ──────────────────────────────────────────────────────────────────────────────────────────────

READER = ["query-funds", "query-closed-trades", "query-open-trades", "access-websockets"]


def described(**changes: Any) -> Any:
    fields: dict[str, Any] = {"permissions": READER, "validUntil": "0", "queryFrom": "0", "queryTo": "0"}
    fields |= {"ipAllowlist": [], **changes}
    return converse(KRAKEN.check_key(ME), lambda request: fields)


def test_a_key_that_only_reads_may_do_nothing_else_and_nothing_is_remarked():
    report = described(ipAllowlist=["203.0.113.7"])
    assert (report.can_read, report.can_trade, report.can_withdraw) == (Verdict.YES, Verdict.NO, Verdict.NO)
    assert (report.remarks, report.expires_ms, report.addresses) == ((), None, ("203.0.113.7",))
    assert report.permissions == tuple(READER)


@pytest.mark.parametrize(
    ("word", "trades", "withdraws"),
    [
        ("modify-trades", Verdict.YES, Verdict.NO),
        ("close-trades", Verdict.YES, Verdict.NO),
        ("withdraw-funds", Verdict.NO, Verdict.YES),
        ("update-withdraw-addresses", Verdict.NO, Verdict.YES),
        ("a-word-of-next-year", Verdict.YES, Verdict.NO),
        ("query-ledger", Verdict.NO, Verdict.NO),
    ],
)
def test_what_is_not_known_to_read_counts_as_a_power(word, trades, withdraws):
    report = described(permissions=[*READER, word])
    assert (report.can_trade, report.can_withdraw) == (trades, withdraws)


@pytest.mark.parametrize(("missing", "said"), [(0, "balances"), (1, "trades"), (2, "open orders"), (3, "websockets")])
def test_what_a_key_lacks_is_remarked(missing, said):
    report = described(permissions=[word for word in READER if word != READER[missing]])
    assert [said in remark for remark in report.remarks] == [True]
    assert report.can_read is Verdict.YES


def test_a_key_that_may_query_nothing_cannot_read():
    assert described(permissions=["modify-trades"]).can_read is Verdict.NO


def test_a_key_that_sees_a_part_of_the_past_says_so():
    report = described(queryFrom=str(NOW // 1000 - 86_400), validUntil=str(NOW // 1000 + 500))
    assert report.details == {"query_from_ms": NOW - 86_400_000}
    assert (report.expires_ms, len(report.remarks)) == (NOW + 500_000, 1)


def test_a_key_goes_blind_at_its_query_end_date():
    report = described(queryTo=str(NOW // 1000 + 60), validUntil=str(NOW // 1000 + 500))
    assert (report.can_read, report.expires_ms, len(report.remarks)) == (Verdict.YES, NOW + 60_000, 1)
    assert described(queryTo=str(NOW // 1000 - 60)).can_read is Verdict.NO


# ── Balances ──────────────────────────────────────────────────────────────────────────────────────────


def test_what_earns_or_is_locked_is_summed_into_its_coin():
    told = {
        "ZUSD": {"balance": "25435.21", "hold_trade": "8249.76"},
        "XXBT": {"balance": "1.2435", "hold_trade": "0.8423"},
        "XBT.F": {"balance": "0.5", "hold_trade": "0.1"},
        "XBT.M": {"balance": "0.25", "hold_trade": "0"},
        "DOT28.S": {"balance": "7", "hold_trade": "0"},
        "LUNA": {"balance": "3", "hold_trade": "0"},
        "ETH2": {"balance": "2"},
    }
    wallets = converse(KRAKEN.balances(ME), lambda request: told)
    rows = {
        "USD": ("25435.21", "17185.45", "8249.76"),
        "BTC": ("1.9935", "0.8012", "1.1923"),
        "DOT": ("7", "0", "7"),
        "LUNC": ("3", "3", "0"),
        "ETH2": ("2", "2", "0"),
    }
    assert wallets.balances == tuple(
        Balance(account_type="spot", asset=asset, total=Decimal(total), free=Decimal(free), used=Decimal(used))
        for asset, (total, free, used) in rows.items()
    )
    assert wallets.missing == {}


# ── Refusals ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("EAPI:Invalid key", KeyRejected),
        ("EAPI:Invalid signature", KeyRejected),
        ("EAPI:Invalid nonce", ExchangeUnavailable),
        ("EGeneral:Permission denied", PermissionMissing),
        ("EAccount:Invalid permissions", PermissionMissing),
        ("EAccount:Invalid permissions:BTC trading restricted for US:WA.", RegionNotAllowed),
        ("EGeneral:IP address not allowed", AddressNotAllowed),
        ("ETrade:User Locked", UserActionNeeded),
        ("EUser:Locked", UserActionNeeded),
        ("EAPI:Key expired", KeyRejected),
        ("EAPI:Invalid OTP", KeyRejected),
        ("EAuth:Account temporary disabled", UserActionNeeded),
        ("EQuery:Unknown asset pair", MarketGone),
        ("EService:Unavailable", ExchangeUnavailable),
        ("EService:Busy", ExchangeUnavailable),
        ("EGeneral:Internal error", ExchangeUnavailable),
        ("ESession:Invalid session", ExchangeUnavailable),
        ("EGeneral:Invalid arguments:start", ContractBroken),
        ("EGeneral:Something new", ContractBroken),
    ],
)
def test_each_refusal_is_whose_fault_it_is(text, kind):
    error = KRAKEN.error_of(200, {}, {"error": [text]}, CALLS["BalanceEx"], NOW)
    assert type(error) is kind


@pytest.mark.parametrize(
    ("text", "until_ms", "ban"),
    [
        ("EAPI:Rate limit exceeded", NOW + 15_000, False),
        ("EGeneral:Requests too frequent", NOW + 15_000, False),
        ("EService: Throttled: 1795190460", 1_795_190_460_000, False),
        ("EService: Throttled: 1000000000", NOW + 1_000, False),
        ("EGeneral:Temporary lockout", NOW + 900_000, True),
    ],
)
def test_a_pause_is_the_keys_own_and_as_long_as_it_must_be(text, until_ms, ban):
    error = KRAKEN.error_of(200, {}, {"error": [text]}, CALLS["TradesHistory"], NOW)
    assert isinstance(error, RateLimited)
    assert (error.until_ms, error.ban, error.scope) == (until_ms, ban, "account")
    error = KRAKEN.error_of(200, {}, {"error": [text]}, CALLS["AssetPairs"], NOW)
    assert isinstance(error, RateLimited)
    assert error.scope == "address"


def test_a_warning_and_an_empty_list_are_no_errors():
    for told in ([], ["WGeneral:Danger"]):
        assert KRAKEN.error_of(200, {}, {"error": told, "result": {}}, CALLS["BalanceEx"], NOW) is None


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (520, "<html>", ExchangeUnavailable),
        (403, "<html>not available in your country</html>", RegionNotAllowed),
        (403, "<html>Just a moment</html>", RateLimited),
        (403, {}, RateLimited),
        (401, {}, KeyRejected),
        (200, {"error": "EAPI:Invalid key"}, KeyRejected),
        (502, {"error": ["EGeneral:Something new"]}, ExchangeUnavailable),
        (404, {}, ContractBroken),
        (200, {"error": []}, ContractBroken),
    ],
)
def test_a_status_is_read_where_no_text_is_told(status, body, kind):
    assert type(KRAKEN.error_of(status, {}, body, CALLS["BalanceEx"], NOW)) is kind


def test_whom_the_wall_turns_away_stays_away_for_a_minute_with_all_his_connections():
    error = KRAKEN.error_of(403, {}, "<html>Just a moment</html>", CALLS["BalanceEx"], NOW)
    assert isinstance(error, RateLimited)
    assert (error.until_ms, error.ban, error.scope) == (NOW + 60_000, True, "address")


def test_the_time_is_the_middle_of_the_second_that_is_told():
    assert KRAKEN.read_clock({"error": [], "result": {"unixtime": 1_795_190_400}}) == NOW + 500
    for told in ({}, {"result": {}}, {"result": {"unixtime": "soon"}}, None):
        with pytest.raises(ContractBroken):
            KRAKEN.read_clock(told)


def test_the_counter_of_the_lowest_tier_is_never_filled():
    """15 stand on it at most, and 0.33 leave it each second."""
    (counter,) = (pool for pool in KRAKEN.pools if pool.scope == "account")
    assert counter.capacity <= 15
    assert counter.per_ms / 1000 * 0.33 >= counter.capacity
    assert KRAKEN.serialise_calls
