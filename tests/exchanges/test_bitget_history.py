"""History: windows, cursors and ends, by answers that are made up here."""

from typing import Any
from uuid import UUID

import pytest

from shared.domain.connections import Account
from shared.domain.errors import ContractBroken, PageStuck
from shared.domain.markets import Market, Markets
from shared.domain.trades import Product
from shared.domain.windows import Window
from shared.exchanges import load
from shared.exchanges.kit.contract import Answer, Feed, Page, Request, Slice

BITGET = load("bitget")
NOW = 1_795_190_400_000
DAY = 86_400_000
WINDOW = Window(NOW - DAY, NOW)
MARKETS = Markets(
    [
        Market("BTCUSDT", "BTC/USDT", "spot", "BTC", "USDT"),
        Market("BTCUSDT", "BTC/USDT:USDT", "swap", "BTC", "USDT", "USDT", linear=True),
    ]
)
SPOT, LINEAR, INVERSE = Feed(Product.SPOT), Feed(Product.LINEAR), Feed(Product.INVERSE)


def an_account(mode: str) -> Account:
    return Account(connection_id=UUID(int=7), exchange="bitget", products=BITGET.products, mode=mode)


def asked(feed: Feed, mode: str, cursor: Any = None, window: Window = WINDOW) -> Request:
    return BITGET.history.ask(feed, Slice(window), cursor, an_account(mode))


def read(feed: Feed, mode: str, data: Any, cursor: Any = None) -> Page:
    answer = Answer({"code": "00000", "data": data})
    return BITGET.history.read(feed, Slice(WINDOW), cursor, answer, an_account(mode), MARKETS)


def fill(number: int, moment: int | None = None, **changes: Any) -> dict[str, Any]:
    times = {"cTime": str(NOW - 1_000 + number if moment is None else moment)}
    told = {"symbol": "BTCUSDT", "orderId": "1", "tradeId": str(number), "side": "buy", "feeDetail": []}
    return {**told, "priceAvg": "1", "size": "1", "amount": "1", "tradeScope": "taker", **times, **changes}


def unified(number: int) -> dict[str, Any]:
    told = {"category": "SPOT", "symbol": "BTCUSDT", "orderId": "1", "execId": str(number), "side": "buy"}
    return {**told, "execPrice": "1", "execQty": "1", "tradeScope": "taker", "createdTime": str(NOW - 9)}


# ── Windows ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("feed", "mode", "days"),
    [
        (SPOT, "classic", 90),
        (LINEAR, "classic", 7),
        (INVERSE, "classic", 7),
        (SPOT, "unified", 30),
        (LINEAR, "unified", 30),
        (LINEAR, "", 7),
    ],
)
def test_a_question_spans_less_than_its_limit_whichever_ends_belong_to_it(feed, mode, days):
    account = an_account(mode)
    reach = BITGET.history.reach(feed, account, NOW)
    slice_ = BITGET.history.slice(feed, Window(reach, NOW), {}, account, NOW)
    params = BITGET.history.ask(feed, slice_, None, account).params
    assert params["endTime"] - params["startTime"] < days * DAY
    assert params["startTime"] > NOW - 90 * DAY
    # With both ends left out, as with both kept, every moment of the window is asked for.
    assert params["startTime"] + 1 <= slice_.window.since
    assert params["endTime"] - 1 >= slice_.window.until - 1


def test_the_reach_is_ninety_days_less_the_time_a_question_takes():
    for feed in (SPOT, LINEAR, INVERSE):
        assert 0 < BITGET.history.reach(feed, an_account("classic"), NOW) - (NOW - 90 * DAY) <= 3_600_000


def test_each_mode_has_its_own_question():
    assert dict(asked(SPOT, "classic").params) == {"startTime": NOW - DAY - 1, "endTime": NOW, "limit": 100}
    assert asked(SPOT, "classic").endpoint.path == "/api/v2/spot/trade/fills"
    assert asked(LINEAR, "classic").endpoint.path == "/api/v2/mix/order/fills"
    assert asked(LINEAR, "classic").params["productType"] == "USDT-FUTURES"
    assert asked(INVERSE, "classic").params["productType"] == "COIN-FUTURES"
    for feed, category in ((SPOT, "SPOT"), (LINEAR, "USDT-FUTURES"), (INVERSE, "COIN-FUTURES")):
        assert asked(feed, "unified").endpoint.path == "/api/v3/trade/fills"
        assert asked(feed, "unified").params["category"] == category


def test_only_wanted_products_are_read_and_margin_is_read_with_spot():
    account = Account(connection_id=UUID(int=7), exchange="bitget", products=(Product.LINEAR,))
    assert BITGET.history.feeds(account, MARKETS) == (LINEAR,)
    assert BITGET.history.feeds(an_account("unified"), MARKETS) == (SPOT, LINEAR, INVERSE)
    assert BITGET.history.feed_of(Product.MARGIN, "BTCUSDT") == SPOT


# ── Classic pages ─────────────────────────────────────────────────────────────────────────────────────


def test_a_page_goes_on_from_its_smallest_id_wherever_that_stands_and_however_short_the_page_is():
    page = read(SPOT, "classic", [fill(30), fill(9), fill(100)])
    assert [trade.exchange_trade_id for trade in page.trades] == ["9", "30", "100"]
    assert (page.next, page.proven) == ({"list": "SPOT", "after": "9"}, None)
    assert asked(SPOT, "classic", page.next).params["idLessThan"] == "9"
    last = read(SPOT, "classic", [], page.next)
    assert (last.next, last.proven) == (None, WINDOW)


def test_linear_contracts_are_two_lists_and_proven_after_the_second():
    page = read(LINEAR, "classic", {"fillList": [], "endId": None})
    assert (page.next, page.proven) == ({"list": "USDC-FUTURES", "after": None}, None)
    request = asked(LINEAR, "classic", page.next)
    assert (request.params["productType"], "idLessThan" in request.params) == ("USDC-FUTURES", False)
    last = read(LINEAR, "classic", {"fillList": None, "endId": None}, page.next)
    assert (last.next, last.proven) == (None, WINDOW)


def test_the_list_that_was_asked_for_is_kept_in_each_row():
    row = fill(5, price="1", baseVolume="1", quoteVolume="1", tradeSide="buy_single")
    (trade,) = read(LINEAR, "classic", {"fillList": [row], "endId": "5"}).trades
    assert (trade.symbol, trade.raw["instType"]) == ("BTC/USDT:USDT", "USDT-FUTURES")


def test_ids_that_do_not_fall_are_a_page_that_is_stuck():
    for number in (9, 10):
        with pytest.raises(PageStuck):
            read(SPOT, "classic", [fill(number)], {"list": "SPOT", "after": "9"})


def test_a_cursor_that_leaves_the_window_behind_is_an_end_too():
    page = read(SPOT, "classic", [fill(3, WINDOW.since - 2), fill(2, WINDOW.since - 5)])
    assert (page.next, page.proven) == (None, WINDOW)
    both = read(SPOT, "classic", [fill(3, WINDOW.since), fill(2, WINDOW.since - 5)])
    assert both.next == {"list": "SPOT", "after": "2"}


def test_a_full_page_whose_ids_do_not_rise_with_time_cannot_be_paged_by_them():
    rows = [fill(number) for number in range(1, 101)]
    assert not read(SPOT, "classic", rows).is_saturated
    rows[50] = fill(51, NOW - DAY + 5)
    page = read(SPOT, "classic", rows)
    assert (page.is_saturated, page.next, page.proven) == (True, None, None)
    assert len(page.trades) == 100
    assert not read(SPOT, "classic", rows[1:]).is_saturated  # all of a page that is not full is in it


def test_rows_of_one_moment_may_have_their_ids_in_any_order():
    assert not read(SPOT, "classic", [fill(number, NOW - 1_000) for number in range(1, 101)]).is_saturated


def test_a_row_without_an_id_costs_no_other_row():
    page = read(SPOT, "classic", [fill(30), fill(31, tradeId=None)])
    assert (len(page.trades), len(page.unreadable), page.next["after"]) == (1, 1, "30")
    with pytest.raises(ContractBroken):
        read(SPOT, "classic", [fill(31, tradeId=None)])


# ── Unified pages ─────────────────────────────────────────────────────────────────────────────────────


def test_a_unified_list_goes_on_as_long_as_there_is_a_cursor():
    page = read(LINEAR, "unified", {"list": [unified(1)], "cursor": "c1"})
    assert page.next == {"list": "USDT-FUTURES", "after": "c1"}
    assert asked(LINEAR, "unified", page.next).params["cursor"] == "c1"
    through = read(LINEAR, "unified", {"list": [], "cursor": "c2"}, page.next)
    assert through.next == {"list": "USDT-FUTURES", "after": "c2"}
    following = read(LINEAR, "unified", {"list": [], "cursor": ""}, through.next)
    assert following.next == {"list": "USDC-FUTURES", "after": None}
    last = read(LINEAR, "unified", {"list": [], "cursor": None}, following.next)
    assert (last.next, last.proven) == (None, WINDOW)


def test_an_empty_page_may_repeat_the_cursor_and_a_page_with_rows_may_not():
    cursor = {"list": "COIN-FUTURES", "after": "c1"}
    assert read(INVERSE, "unified", {"list": [], "cursor": "c1"}, cursor).proven == WINDOW
    with pytest.raises(PageStuck):
        read(INVERSE, "unified", {"list": [unified(1)], "cursor": "c1"}, cursor)


def test_a_full_page_without_a_cursor_may_hide_more():
    page = read(INVERSE, "unified", {"list": [unified(number) for number in range(100)], "cursor": ""})
    assert (page.is_saturated, page.proven) == (True, None)
    assert read(INVERSE, "unified", {"list": [unified(1)], "cursor": ""}).proven == WINDOW


def test_a_unified_account_has_spot_and_margin():
    page = read(SPOT, "unified", {"list": [], "cursor": ""})
    assert page.next == {"list": "MARGIN", "after": None}
    assert read(SPOT, "unified", {"list": [], "cursor": ""}, page.next).proven == WINDOW
    assert read(SPOT, "classic", []).proven == WINDOW


@pytest.mark.parametrize("data", [None, "soon", 7, [], {}, {"list": "soon"}, {"fillList": 7}, {"assets": []}])
@pytest.mark.parametrize("mode", ["classic", "unified"])
def test_an_answer_that_is_no_page_proves_nothing(mode, data):
    with pytest.raises(ContractBroken):
        read(LINEAR, mode, data)


def test_every_row_of_a_page_is_read_or_named():
    page = read(SPOT, "classic", [fill(30), {"coin": "USDT"}, 7])
    assert (len(page.trades), len(page.unreadable)) == (1, 2)
