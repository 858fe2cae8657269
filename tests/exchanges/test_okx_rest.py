"""REST: history windows and pages, keys, wallets, hosts, and what each refusal means."""

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from uuid import UUID

import ccxt
import pytest

from shared.domain.balances import Balance
from shared.domain.connections import Account, Verdict
from shared.domain.errors import (
    AccountModeChanged,
    AddressNotAllowed,
    ClockWrong,
    ContractBroken,
    ExchangeUnavailable,
    KeyRejected,
    MarketGone,
    PageStuck,
    PermissionMissing,
    RateLimited,
    RegionNotAllowed,
    TradeSyncError,
    UserActionNeeded,
)
from shared.domain.markets import Market, Markets
from shared.domain.trades import Product
from shared.domain.windows import Coverage, Window
from shared.exchanges import load
from shared.exchanges.kit.contract import Answer, Endpoint, Feed, Request
from tests.exchanges.messages import REAL

OKX = load("okx")
HISTORY = OKX.history
NOW = 1_795_190_500_000
DAY = 86_400_000
MARKETS = Markets([Market("BTC-USDT", "BTC/USDT", "spot", "BTC", "USDT")])
SPOT, MARGIN = Feed(Product.SPOT), Feed(Product.MARGIN)
SWAP, FUTURES = Feed(Product.LINEAR, part="swap"), Feed(Product.LINEAR, part="futures")


def an_account(**changes: Any) -> Account:
    return Account(**{"connection_id": UUID(int=1), "exchange": "okx", "products": OKX.products, **changes})


def endpoint(path: str) -> Endpoint:
    return next(one for one in OKX.endpoints if one.path == f"/api/v5/{path}")


FILLS, CLOCK = endpoint("trade/fills-history"), endpoint("public/time")


def converse(steps: Any, answers: Callable[[Request], Any]) -> Any:
    """Drives a conversation: what `answers` returns is sent as rows, an error it returns is thrown in."""
    try:
        request = next(steps)
        while True:
            answer = answers(request)
            if isinstance(answer, TradeSyncError):
                request = steps.throw(answer)
            else:
                request = steps.send(Answer({"code": "0", "msg": "", "data": answer}))
    except StopIteration as end:
        return end.value


# History


def test_each_kind_of_instrument_is_one_feed_without_any_symbol():
    assert HISTORY.feeds(an_account(), MARKETS) == (SPOT, MARGIN, SWAP, FUTURES)
    assert HISTORY.feeds(an_account(products=(Product.SPOT,)), MARKETS) == (SPOT, MARGIN)
    assert HISTORY.feeds(an_account(products=(Product.INVERSE,)), MARKETS) == (SWAP, FUTURES)
    assert HISTORY.discover is None


@pytest.mark.parametrize(
    ("product", "market_id", "feed"),
    [
        (Product.SPOT, "BTC-USDT", SPOT),
        (Product.MARGIN, "BTC-USDT", MARGIN),
        (Product.LINEAR, "BTC-USDT-SWAP", SWAP),
        (Product.INVERSE, "BTC-USD-SWAP", SWAP),
        (Product.LINEAR, "BTC-USDT-261225", FUTURES),
        (Product.INVERSE, "BTC-USD-261225", FUTURES),
    ],
)
def test_a_trade_belongs_to_the_feed_of_its_kind_of_instrument(product, market_id, feed):
    assert HISTORY.feed_of(product, market_id) == feed
    assert Feed.of(feed.key) == feed


def test_the_reach_is_the_shortest_three_months_less_some_minutes():
    margin = HISTORY.reach(SPOT, an_account(), NOW) - (NOW - 89 * DAY)
    assert 60_000 <= margin <= 3_600_000


def walk(feed: Feed, wanted: Window) -> list[tuple[Window, Request]]:
    """The slices of a gap, and the first question of each."""
    covered, found = Coverage(), []
    while gaps := covered.gaps(wanted):
        slice_ = HISTORY.slice(feed, gaps[-1], {}, an_account(), NOW)
        found.append((slice_.window, HISTORY.ask(feed, slice_, slice_.cursor, an_account())))
        covered = covered.add(slice_.window)
    return found


def test_three_months_are_read_in_windows_of_thirty_days_and_the_oldest_has_no_beginning():
    slices = walk(SWAP, Window(HISTORY.reach(SWAP, an_account(), NOW), NOW))
    assert max(window.until - window.since for window, _ in slices) == 30 * DAY
    assert len(slices) == 3
    oldest = min(slices, key=lambda one: one[0])
    assert ["begin" in request.params for one in slices for request in one[1:] if one is not oldest] == [True, True]
    assert "begin" not in oldest[1].params
    assert {request.endpoint.path for _, request in slices} == {"/api/v5/trade/fills-history"}
    assert {request.params["instType"] for _, request in slices} == {"SWAP"}


def test_a_question_reaches_beyond_its_window_because_fills_are_booked_later_than_they_happen():
    (window, request), *_ = walk(SPOT, Window(NOW - DAY, NOW))
    assert request.params["begin"] < window.since
    assert request.params["end"] >= window.until + 60_000
    assert request.params["limit"] == 100


@pytest.mark.parametrize(
    ("since", "path"), [(NOW - 2 * DAY, "trade/fills"), (NOW - 2 * DAY - 1, "trade/fills-history")]
)
def test_what_is_new_is_asked_where_more_may_be_asked(since, path):
    ((_, request),) = walk(MARGIN, Window(since, NOW))
    assert request.endpoint.path == f"/api/v5/{path}"


def a_row(bill: int, **changes: Any) -> dict[str, Any]:
    return {
        "instType": "SPOT",
        "instId": "BTC-USDT",
        "tradeId": str(bill),
        "ordId": "9",
        "billId": str(bill),
        "subType": "1",
        "fillPx": "64000",
        "fillSz": "0.1",
        "side": "buy",
        "execType": "T",
        "feeCcy": "BTC",
        "fee": "-0.0001",
        "ts": str(NOW),
        "fillTime": str(NOW - 3),
        **changes,
    }


SLICE = HISTORY.slice(SPOT, Window(NOW - DAY, NOW), {}, an_account(), NOW)


def read(rows: Any, cursor: Any = SLICE.cursor) -> Any:
    answer = Answer({"code": "0", "msg": "", "data": rows})
    return HISTORY.read(SPOT, SLICE, cursor, answer, an_account(), MARKETS)


def test_pages_go_on_by_the_last_bill_and_only_an_empty_one_is_the_end():
    page = read([a_row(912345678901234568), a_row(912345678901234567)])
    assert [trade.exchange_trade_id for trade in page.trades] == ["912345678901234567", "912345678901234568"]
    assert (page.proven, page.next) == (None, {**SLICE.cursor, "after": "912345678901234567"})
    request = HISTORY.ask(SPOT, SLICE, page.next, an_account())
    assert (request.params["after"], request.endpoint.path) == ("912345678901234567", "/api/v5/trade/fills")
    end = read([], page.next)
    assert (end.next, end.proven, end.trades) == (None, SLICE.window, ())


def test_a_page_that_leads_nowhere_is_stuck():
    with pytest.raises(PageStuck):
        read([a_row(5)], {**SLICE.cursor, "after": "5"})
    with pytest.raises(ContractBroken):
        read([a_row(5, billId="")])


@pytest.mark.parametrize("rows", [None, {}, "x", [7]])
def test_what_is_no_page_of_fills_is_not_taken_for_an_end(rows):
    with pytest.raises(ContractBroken):
        read(rows)


def test_a_row_that_cannot_be_read_costs_no_other():
    page = read([a_row(6, side="up"), a_row(5)])
    assert (len(page.trades), len(page.unreadable)) == (1, 1)


# Keys

CONFIG = {
    "uid": "44705892343619584",
    "mainUid": "44705892343619584",
    "acctLv": "2",
    "perm": "read_only",
    "ip": "",
    "label": "tradesync",
}


def check(config: Any) -> Any:
    return converse(OKX.check_key(an_account()), lambda request: [config])


def test_a_key_that_only_reads_is_reported_as_such():
    report = check(CONFIG)
    assert (report.can_read, report.can_trade, report.can_withdraw) == (Verdict.YES, Verdict.NO, Verdict.NO)
    assert (report.uid, report.mode, report.addresses) == ("44705892343619584", "futures", ())
    assert (report.permissions, report.expires_ms) == (("read_only",), None)
    assert len(report.remarks) == 1
    assert "three months" in report.remarks[0]


@pytest.mark.parametrize(
    ("perm", "trade", "withdraw"),
    [
        ("trade,read_only", Verdict.YES, Verdict.NO),
        ("withdraw,read_only", Verdict.NO, Verdict.YES),
        ("withdraw, trade,read_only", Verdict.YES, Verdict.YES),
        ("read_only,levitate", Verdict.UNKNOWN, Verdict.UNKNOWN),
        ("", Verdict.UNKNOWN, Verdict.UNKNOWN),
        (None, Verdict.UNKNOWN, Verdict.UNKNOWN),
    ],
)
def test_a_key_has_the_powers_it_names(perm, trade, withdraw):
    report = check({**CONFIG, "perm": perm})
    assert (report.can_trade, report.can_withdraw) == (trade, withdraw)


def test_what_its_owner_should_know_is_said():
    bound = check({**CONFIG, "perm": "read_only,trade", "ip": "1.2.3.4,5.6.7.8"})
    assert (bound.addresses, len(bound.remarks)) == (("1.2.3.4", "5.6.7.8"), 1)
    assert any("14 days" in remark for remark in check({**CONFIG, "perm": "read_only,trade"}).remarks)
    assert any("levitate" in remark for remark in check({**CONFIG, "perm": "levitate"}).remarks)
    assert any("14 days" in remark for remark in check({**CONFIG, "perm": "read_only,withdraw"}).remarks)
    of_a_part = check({**CONFIG, "mainUid": "1"})
    assert any("sub-account" in remark for remark in of_a_part.remarks)
    assert of_a_part.uid == CONFIG["uid"]


@pytest.mark.parametrize(("level", "mode"), [("1", "spot"), ("2", "futures"), ("3", "multi"), ("4", "portfolio")])
def test_the_account_says_in_which_mode_it_is(level, mode):
    assert check({**CONFIG, "acctLv": level}).mode == mode
    assert mode in OKX.modes


def test_an_unknown_mode_is_not_guessed():
    with pytest.raises(ContractBroken, match="17"):
        check({**CONFIG, "acctLv": "17"})
    with pytest.raises(ContractBroken):
        converse(OKX.check_key(an_account()), lambda request: [])


# Wallets

COIN = {"ccy": "USDT", "eq": "900", "cashBal": "1000.5", "availBal": "990", "availEq": "5", "frozenBal": "10.5"}
FUND = {"ccy": "AE", "bal": "7", "availBal": "6", "frozenBal": "1"}


def wallets(trading: Any, funding: Any) -> Any:
    answers = {"/api/v5/account/balance": trading, "/api/v5/asset/balances": funding}
    return converse(OKX.balances(an_account()), lambda request: answers[request.endpoint.path])


def test_both_wallets_are_read_without_open_profit_and_with_the_coins_of_the_market_list():
    found = wallets([{"totalEq": "1", "details": [COIN, {**COIN, "availBal": "", "frozenBal": ""}]}], [FUND])
    assert found.balances == (
        Balance(account_type="trading", asset="USDT", total=Decimal("1000.5"), free=Decimal(990), used=Decimal("10.5")),
        Balance(account_type="trading", asset="USDT", total=Decimal("1000.5"), free=Decimal(5)),
        Balance(account_type="funding", asset="AET", total=Decimal(7), free=Decimal(6), used=Decimal(1)),
    )
    assert found.missing == {}


def test_a_funding_wallet_that_the_key_may_not_see_is_missing_and_the_key_lives():
    found = wallets([{"details": [COIN]}], PermissionMissing())
    assert [balance.account_type for balance in found.balances] == ["trading"]
    assert list(found.missing) == ["funding"]


@pytest.mark.skipif(not (REAL / "okx.json").exists(), reason="the real messages are not here")
def test_a_real_balance_is_read():
    message = next(one for one in json.loads((REAL / "okx.json").read_text()) if one["kind"] == "rest_balance")
    (coin,) = wallets(message["raw"]["data"], []).balances
    wanted = message["expected"]["balance"]["USDT"]
    assert str(coin.total) in wanted["total"]
    assert str(coin.free) in wanted["free"]
    assert str(coin.used) == wanted["used"]


# Refusals


def error_of(status: int, body: Any, of: Endpoint = FILLS, **headers: str) -> TradeSyncError | None:
    return OKX.error_of(status, headers, body, of, NOW)


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (503, "50001", ExchangeUnavailable),
        (400, "50004", ExchangeUnavailable),
        (429, "50013", ExchangeUnavailable),
        (500, "50026", ExchangeUnavailable),
        (200, "50026", ExchangeUnavailable),
        (403, "50030", PermissionMissing),
        (200, "50120", PermissionMissing),
        (400, "50035", AddressNotAllowed),
        (401, "50100", UserActionNeeded),
        (401, "50101", KeyRejected),
        (401, "50102", ClockWrong),
        (401, "50103", KeyRejected),
        (401, "50104", KeyRejected),
        (401, "50105", KeyRejected),
        (401, "50106", KeyRejected),
        (401, "50107", ContractBroken),
        (401, "50112", ClockWrong),
        (410, "50005", ExchangeUnavailable),
        (200, "50007", UserActionNeeded),
        (200, "50008", KeyRejected),
        (200, "50009", ExchangeUnavailable),
        (200, "50012", UserActionNeeded),
        (401, "50110", AddressNotAllowed),
        (401, "50111", KeyRejected),
        (401, "50113", KeyRejected),
        (401, "50114", KeyRejected),
        (200, "50119", KeyRejected),
        (200, "50121", RegionNotAllowed),
        (400, "50014", ContractBroken),
        (400, "51000", ContractBroken),
        (200, "51001", MarketGone),
        (200, "51010", AccountModeChanged),
        (200, "59999", ContractBroken),
        (404, "404", ContractBroken),
        (502, "59999", ExchangeUnavailable),
    ],
)
def test_each_code_is_one_of_our_errors(status, code, kind):
    error = error_of(status, {"code": code, "msg": "words", "data": []})
    assert type(error) is kind
    assert error.sentence[0].isupper()


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("Due to local laws and regulations, your country or region is not supported", RegionNotAllowed),
        ("Service is under maintenance, try again later", ExchangeUnavailable),
        ("Requests too frequent", RateLimited),
        ("Something else", ContractBroken),
    ],
)
def test_a_code_that_is_not_listed_is_known_by_its_words(said, kind):
    assert type(error_of(200, {"code": "59999", "msg": said, "data": []})) is kind


@pytest.mark.parametrize("status", [200, 429])
@pytest.mark.parametrize("code", ["50011", "50040", "50061"])
def test_a_limit_is_a_pause_of_its_window_whatever_the_status(status, code):
    error = error_of(status, {"code": code, "msg": "Too Many Requests", "data": []})
    assert isinstance(error, RateLimited)
    assert (error.until_ms, error.ban, error.scope) == (NOW + 2_000, False, "account")
    public = error_of(status, {"code": code, "msg": "Too Many Requests", "data": []}, CLOCK)
    assert isinstance(public, RateLimited)
    assert public.scope == "address"


@pytest.mark.parametrize("status", [403, 429])
def test_a_page_in_front_of_the_exchange_locks_the_address_out(status):
    error = error_of(status, "<html>429 Too Many Requests</html>")
    assert isinstance(error, RateLimited)
    assert (error.until_ms, error.ban, error.scope) == (NOW + 60_000, True, "address")


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (401, {}, KeyRejected),
        (451, "<html>", RegionNotAllowed),
        (404, "<html>", ContractBroken),
        (403, {"code": "7"}, ContractBroken),
        (200, {"data": []}, ContractBroken),
        (200, [], ContractBroken),
        (200, {"code": True}, ContractBroken),
        (504, {"code": "0"}, ExchangeUnavailable),
    ],
)
def test_an_answer_without_a_known_code_is_judged_by_its_status(status, body, kind):
    assert type(error_of(status, body)) is kind


def test_a_good_answer_is_no_error():
    assert error_of(200, {"code": "0", "msg": "", "data": []}) is None


# Hosts and ccxt


@pytest.mark.parametrize(
    ("region", "rest", "private"),
    [
        ("global", "www.okx.com", "wss://ws.okx.com:8443/ws/v5/private"),
        ("eea", "eea.okx.com", "wss://wseea.okx.com:8443/ws/v5/private"),
        ("us", "us.okx.com", "wss://wsus.okx.com:8443/ws/v5/private"),
        ("demo", "www.okx.com", "wss://wspap.okx.com:8443/ws/v5/private"),
        ("eea-demo", "eea.okx.com", "wss://wseeapap.okx.com:8443/ws/v5/private"),
        ("us-demo", "us.okx.com", "wss://wsuspap.okx.com:8443/ws/v5/private"),
    ],
)
def test_each_entity_has_hosts_of_its_own_and_demo_trading_a_header(region, rest, private):
    assert region in OKX.regions
    client = ccxt.okx(dict(OKX.ccxt_config(an_account(region=region))))
    signed = client.sign("public/time", ["public"], "GET", {})
    assert signed["url"] == f"https://{rest}/api/v5/public/time"
    headers = client.prepare_request_headers(signed["headers"])
    assert headers.get("x-simulated-trading") == ("1" if region.endswith("demo") else None)
    assert OKX.streams[0].url(region, {}) == private
    assert OKX.ticker_streams[0].url(region, {}) == private.replace("private", "public")


def test_every_call_is_one_that_ccxt_knows():
    client = ccxt.okx()
    for one in OKX.endpoints:
        assert callable(getattr(client, one.name))


def test_options_are_not_loaded():
    types = OKX.ccxt_config(None)["options"]["fetchMarkets"]["types"]
    assert types == ["spot", "swap", "future"]


def test_the_clock_is_read_to_the_millisecond():
    assert OKX.read_clock({"code": "0", "data": [{"ts": "1795190500123"}]}) == 1_795_190_500_123
    for bad in ({}, {"data": []}, {"data": [{"ts": "soon"}]}, []):
        with pytest.raises(ContractBroken):
            OKX.read_clock(bad)


def test_no_header_tells_of_limits():
    assert OKX.pool_use({"x-ratelimit-remaining": "5"}, FILLS) == ()


@pytest.mark.parametrize(
    ("mode", "wallets"), [("spot", {"trading"}), ("futures", set()), ("multi", set()), ("", set())]
)
def test_only_in_spot_mode_nothing_but_trades_and_transfers_moves_the_trading_wallet(mode, wallets):
    assert OKX.spot_wallets(an_account(mode=mode)) == wallets
