"""REST: pages of history, keys, wallets, hosts, ccxt as second reader, and what each refusal means."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import ccxt
import pytest
from msgspec.structs import replace

from shared.domain.balances import Balance
from shared.domain.connections import Account, Verdict
from shared.domain.errors import (
    ContractBroken,
    ExchangeUnavailable,
    KeyRejected,
    MarketGone,
    PageStuck,
    PermissionMissing,
    RateLimited,
    RegionNotAllowed,
    TradeSyncError,
    UnreadableRow,
    UserActionNeeded,
)
from shared.domain.markets import Markets
from shared.domain.trades import Product
from shared.domain.windows import Window
from shared.exchanges import load
from shared.exchanges.kit.contract import Answer, Feed, Page, Request, Slice
from shared.exchanges.kit.wire import decode_json
from tests.exchanges.messages import heard_in, markets_of

FUTURES = load("krakenfutures")
HISTORY = FUTURES.history
NOW = 1_795_190_400_000
FEED = Feed(Product.LINEAR)
ME = Account(connection_id=UUID(int=1), exchange="krakenfutures", products=FUTURES.products)
SAMPLES = json.loads((Path(__file__).parent / "samples" / "krakenfutures.json").read_text())
MARKETS = markets_of(SAMPLES[0])
CALLS = {endpoint.path.rsplit("/", 1)[1]: endpoint for endpoint in FUTURES.endpoints}
WINDOW = Window(NOW - 100_000, NOW)


def sample(name: str) -> dict[str, Any]:
    return next(one for one in SAMPLES if one["id"] == name)


def an_element(moment: int, uid: str = "U") -> dict[str, Any]:
    element: dict[str, Any] = decode_json(json.dumps(sample("rest-small-letters")["raw"]["elements"][0]))
    element["event"]["execution"]["execution"] |= {"uid": uid, "timestamp": moment}
    return element | {"timestamp": moment}


def a_page(*moments: int, headers: Any = None, **fields: Any) -> Answer:
    return Answer({"elements": [an_element(moment) for moment in moments], **fields}, headers or {})


def read(cursor: Any, answer: Answer) -> Page:
    return HISTORY.read(FEED, Slice(WINDOW), cursor, answer, ME, MARKETS)


def converse(steps: Any, answer: Callable[[Request], Any]) -> tuple[Any, list[Request]]:
    asked = []
    try:
        request = next(steps)
        while True:
            asked.append(request)
            told = answer(request)
            request = steps.throw(told) if isinstance(told, TradeSyncError) else steps.send(Answer(told))
    except StopIteration as end:
        return end.value, asked


# ── History ───────────────────────────────────────────────────────────────────────────────────────────


def test_a_page_asks_for_its_window_oldest_first_in_the_third_version():
    request = HISTORY.ask(FEED, Slice(WINDOW), "t0ken", ME)
    assert request.endpoint.path == "/api/history/v3/executions"
    assert request.params == {
        "since": WINDOW.since,
        "before": WINDOW.until,
        "sort": "asc",
        "count": 500,
        "continuation_token": "t0ken",
    }


@pytest.mark.parametrize(
    "told",
    [
        {"continuationToken": "next"},
        {"ContinuationToken": "next"},
        {"headers": {"next-continuation-token": "next"}},
    ],
)
def test_a_token_leads_on_wherever_it_stands(told):
    page = read("first", a_page(NOW - 90_000, NOW - 80_000, **told))
    assert page.next == "next"
    assert page.proven == Window(WINDOW.since, NOW - 80_000), "others of the last moment may follow"


def test_only_a_page_without_a_token_is_the_end():
    assert read("first", a_page(NOW - 80_000)).proven == WINDOW
    assert read(None, a_page()).proven == WINDOW
    empty = read(None, a_page(continuationToken="next"))
    assert (empty.next, empty.proven) == ("next", None)


def test_a_token_that_stands_still_is_told():
    with pytest.raises(PageStuck):
        read("same", a_page(NOW - 80_000, continuationToken="same"))


@pytest.mark.parametrize("data", [None, [], {}, {"elements": {}}, {"elements": [], "continuationToken": True}])
def test_an_answer_that_is_no_page_is_told(data):
    with pytest.raises(ContractBroken):
        read(None, Answer(data))


def test_a_gap_is_read_in_years_newest_first():
    gap = Window(HISTORY.reach(FEED, ME, NOW), NOW)
    assert HISTORY.slice(FEED, gap, {}, ME, NOW).window == Window(NOW - 365 * 86_400_000, NOW)
    assert HISTORY.feeds(ME, MARKETS) == (FEED,)
    assert HISTORY.feeds(replace(ME, products=(Product.SPOT,)), MARKETS) == ()


def test_ccxt_reads_the_list_of_last_fills_alike_but_invents_a_fee():
    one = sample("rest-last-fills")
    client = ccxt.krakenfutures()
    client.number = str
    more = {"spot": False, "contract": True, "precision": {}, "limits": {}, "taker": "0.0005", "maker": "0.0002"}
    full = [{**row, **more, "contractSize": row["contract_size"]} for row in one["markets"]]
    client.markets = {row["symbol"]: row for row in full}
    client.markets_by_id = {row["id"]: [row] for row in full}
    (trade,) = heard_in("krakenfutures", one).trades
    theirs = client.parse_trade(one["raw"]["fills"][0])
    assert (theirs["id"], theirs["order"], theirs["side"]) == (trade.exchange_trade_id, trade.order_id, trade.side)
    assert (theirs["symbol"], theirs["takerOrMaker"]) == (trade.symbol, trade.taker_or_maker)
    assert [Decimal(theirs[key]) for key in ("price", "amount", "cost")] == [trade.price, trade.amount, trade.cost]
    assert theirs["timestamp"] == trade.timestamp_ms
    assert (theirs["fee"] is not None, trade.fees, trade.provisional) == (True, (), True)


# ── Keys ──────────────────────────────────────────────────────────────────────────────────────────────


def checked(general: str, transfer: str, fills: Any = (), uids: Any = ()) -> tuple[Any, list[Request]]:
    def answer(request: Request) -> Any:
        if request.endpoint.path.endswith("check"):
            permissions = {"general": general, "transfer": transfer}
            return {"permissions": permissions, "accountUid": "me", "allowedCidrBlocks": ["203.0.113.0/24"]}
        if request.endpoint.path.endswith("fills"):
            return fills if isinstance(fills, TradeSyncError) else {"fills": [{"fill_id": one} for one in fills]}
        return {"elements": [an_element(NOW, uid) for uid in uids]}

    return converse(FUTURES.check_key(ME), answer)


@pytest.mark.parametrize(
    ("general", "transfer", "powers"),
    [
        ("READ_ONLY", "NO_ACCESS", (Verdict.YES, Verdict.NO, Verdict.NO)),
        ("READ_ONLY", "READ_ONLY", (Verdict.YES, Verdict.NO, Verdict.NO)),
        ("FULL_ACCESS", "NO_ACCESS", (Verdict.YES, Verdict.YES, Verdict.NO)),
        ("READ_ONLY", "FULL_ACCESS", (Verdict.YES, Verdict.NO, Verdict.YES)),
        ("NO_ACCESS", "NO_ACCESS", (Verdict.NO, Verdict.NO, Verdict.NO)),
        ("ODD", "ODD", (Verdict.UNKNOWN, Verdict.UNKNOWN, Verdict.UNKNOWN)),
    ],
)
def test_what_a_key_may_do_is_read_from_its_two_areas(general, transfer, powers):
    report, _ = checked(general, transfer)
    assert report.permissions == (f"general:{general}", f"transfer:{transfer}")
    assert (report.can_read, report.can_trade, report.can_withdraw) == powers
    assert (report.uid, report.addresses) == ("me", ("203.0.113.0/24",))


@pytest.mark.parametrize(
    ("fills", "uids", "details"),
    [
        (["a", "b"], ["b", "c"], {"one_id": True}),
        (["a", "b"], ["x", "y"], {"one_id": False}),
        ([], [], {}),
        (["a"], [], {}),
        (ExchangeUnavailable(), ["a"], {}),
        (PermissionMissing(), ["a"], {}),
    ],
)
def test_whether_history_names_trades_as_fills_are_named_is_asked(fills, uids, details):
    report, asked = checked("READ_ONLY", "NO_ACCESS", fills, uids)
    assert report.details == details
    for request in asked[2:]:
        assert request.params == {"sort": "desc", "count": 100}  # as many as the list of last fills holds


def test_nothing_more_is_asked_with_a_key_that_may_not_read():
    _, asked = checked("NO_ACCESS", "NO_ACCESS")
    assert len(asked) == 1


class Sent(Exception):
    """What a client was about to send."""


@pytest.mark.parametrize(("region", "host"), [("global", "futures.kraken.com"), ("demo", "demo-futures.kraken.com")])
def test_ccxt_signs_the_key_check_that_it_does_not_know(region, host):
    class Client(ccxt.krakenfutures):  # type: ignore[misc]
        def fetch(self, url: str, method: str = "GET", headers: Any = None, body: Any = None) -> Any:
            raise Sent(url, headers["Authent"])

    secret = base64.b64encode(b"hush").decode()
    config = FUTURES.ccxt_config(replace(ME, region=region))
    client = Client({**config, "apiKey": "key", "secret": secret, "enableRateLimit": False})
    call = CALLS["check"]
    with pytest.raises(Sent) as sent:
        client.request(call.name, [call.section], call.method, {})
    digest = hashlib.sha256(b"/api/auth/v1/api-keys/v3/check").digest()
    signature = base64.b64encode(hmac.new(b"hush", digest, hashlib.sha512).digest()).decode()
    assert sent.value.args == (f"https://{host}{call.path}", signature)
    assert FUTURES.streams[0].url(region, {}) == f"wss://{host}/ws/v1"
    with pytest.raises(Sent) as sent:
        client.historyGetExecutions({"since": 1})
    assert sent.value.args[0] == f"https://{host}/api/history/v3/executions?since=1"


# ── Wallets ───────────────────────────────────────────────────────────────────────────────────────────


def test_every_wallet_is_read_and_positions_are_no_coins():
    told = {
        "accounts": {
            "cash": {"type": "cashAccount", "balances": {"xbt": Decimal("1.5"), "usd": 0}},
            "fi_xbtusd": {
                "type": "marginAccount",
                "currency": "xbt",
                "balances": {"fi_xbtusd_351228": 50, "xbt": Decimal("0.25")},
            },
            "flex": {
                "type": "multiCollateralMarginAccount",
                "currencies": {"USD": {"quantity": "100.5", "available": "40"}, "XBT": {"quantity": 2}},
            },
        }
    }
    wallets, _ = converse(FUTURES.balances(ME), lambda request: told)
    assert wallets.balances == (
        Balance(account_type="cash", asset="BTC", total=Decimal("1.5")),
        Balance(account_type="cash", asset="USD", total=Decimal(0)),
        Balance(account_type="fi_xbtusd", asset="BTC", total=Decimal("0.25")),
        Balance(account_type="flex", asset="USD", total=Decimal("100.5"), free=Decimal(40), used=Decimal("60.5")),
        Balance(account_type="flex", asset="BTC", total=Decimal(2)),
    )


# ── Refusals ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, {"result": "error", "error": "authenticationError"}, KeyRejected),
        (200, {"result": "error", "error": "accountInactive"}, UserActionNeeded),
        (200, {"result": "error", "error": "Unavailable"}, ExchangeUnavailable),
        (500, {"result": "error", "error": "Server Error"}, ExchangeUnavailable),
        (200, {"result": "error", "error": "marketUnavailable"}, MarketGone),
        (200, {"result": "error", "error": "invalidArgument"}, ContractBroken),
        (200, {"result": "error"}, ExchangeUnavailable),
        (200, {"result": "error", "error": "somethingNew"}, ContractBroken),
        (401, {"errors": [{"code": 1, "message": "authenticationError"}]}, KeyRejected),
        (401, {}, KeyRejected),
        (403, {"errors": [{"message": "Insufficient permission"}]}, PermissionMissing),
        (403, {}, PermissionMissing),
        (403, "<html>not available in your country</html>", RegionNotAllowed),
        (403, "<html>Just a moment</html>", RateLimited),
        (200, {"errors": ["Something new"]}, ContractBroken),
        (401, {"errors": ["Something new"]}, KeyRejected),
        (403, {"errors": ["Something new"]}, PermissionMissing),
        (503, {}, ExchangeUnavailable),
        (502, "<html>", ExchangeUnavailable),
        (404, {}, ContractBroken),
    ],
)
def test_each_refusal_is_whose_fault_it_is(status, body, kind):
    assert type(FUTURES.error_of(status, {}, body, CALLS["accounts"], NOW)) is kind


@pytest.mark.parametrize(
    ("call", "status", "body", "pause_ms"),
    [
        ("accounts", 200, {"result": "error", "error": "apiLimitExceeded"}, 10_000),
        ("executions", 429, {}, 60_000),
        ("executions", 429, {"errors": [{"message": "apiLimitExceeded"}]}, 60_000),
    ],
)
def test_a_limit_is_told_by_a_word_or_by_a_status(call, status, body, pause_ms):
    error = FUTURES.error_of(status, {}, body, CALLS[call], NOW)
    assert isinstance(error, RateLimited)
    assert (error.until_ms, error.scope) == (NOW + pause_ms, "account")


@pytest.mark.parametrize("told", [{"result": "error", "error": "x y"}, {"errors": [{"code": 1, "message": "x y"}]}])
def test_an_error_is_no_empty_history(told):
    with pytest.raises(UnreadableRow, match="x y"):
        FUTURES.read_rest(told, Markets([]), None)


@pytest.mark.parametrize(("status", "pause_ms"), [(403, 60_000), (429, 10_000)])
def test_a_page_is_about_the_address_and_not_the_key(status, pause_ms):
    error = FUTURES.error_of(status, {}, "<html>Just a moment</html>", CALLS["accounts"], NOW)
    assert isinstance(error, RateLimited)
    assert (error.until_ms, error.scope) == (NOW + pause_ms, "address")


def test_the_time_stands_in_every_answer():
    assert FUTURES.read_clock({"serverTime": "2026-11-20T10:00:00.709Z"}) == 1_795_168_800_709
    with pytest.raises(ContractBroken):
        FUTURES.read_clock({"result": "success"})
