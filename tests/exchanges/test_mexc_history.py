"""History: windows and pages, orders where a second is too full, and how traded markets are found."""

from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from shared.domain.connections import Account
from shared.domain.errors import ContractBroken, PageStuck, PermissionMissing
from shared.domain.markets import Market, Markets
from shared.domain.trades import Product
from shared.domain.windows import Window
from shared.exchanges import load
from shared.exchanges.kit.contract import Answer, Feed, Slice
from tests.exchanges.test_mexc_rest import DAY, NOW, a_run

MEXC = load("mexc")
HISTORY = MEXC.history
MARKETS = Markets(
    [
        Market("BTCUSDT", "BTC/USDT", "spot", "BTC", "USDT"),
        Market("ETHBTC", "ETH/BTC", "spot", "ETH", "BTC"),
        Market("STEPNUSDT", "GMT/USDT", "spot", "GMT", "USDT"),
        Market("BTC_USDT", "BTC/USDT:USDT", "swap", "BTC", "USDT", "USDT", Decimal("0.0001"), linear=True),
        Market("BTC_USD", "BTC/USD:BTC", "swap", "BTC", "USD", "BTC", Decimal(100), inverse=True),
    ]
)
SPOT, LINEAR = Feed(Product.SPOT, "BTCUSDT"), Feed(Product.LINEAR, "BTC_USDT")
SECOND = Window(NOW - 60_000, NOW - 59_000)


def an_account(*products: Product, **details: Any) -> Account:
    return Account(connection_id=UUID(int=7), exchange="mexc", products=products or MEXC.products, details=details)


LISTS = an_account(lists_orders=True)


def a_fill(number: int, order: str = "C1") -> dict[str, Any]:
    return {
        "symbol": "BTCUSDT",
        "id": f"{number}X2",
        "orderId": order,
        "price": "1",
        "qty": "1",
        "quoteQty": "1",
        "commission": "0",
        "commissionAsset": "USDT",
        "time": NOW - 60_000,
        "isBuyer": True,
        "isMaker": False,
    }


def a_deal(number: int) -> dict[str, Any]:
    told = {"feeCurrency": "USDT", "fee": 0, "timestamp": NOW, "category": 1, "orderId": "1", "isTaker": True}
    return {"id": str(number), "symbol": "BTC_USDT", "side": 1, "vol": 1, "price": 1, **told}


def read(feed: Feed, window: Window, data: Any, cursor: Any = None, account: Account = LISTS) -> Any:
    return HISTORY.read(feed, Slice(window), cursor, Answer(data, received_ms=NOW), account, MARKETS)


def asked(feed: Feed, window: Window, cursor: Any = None) -> dict[str, Any]:
    return dict(HISTORY.ask(feed, Slice(window), cursor, LISTS).params)


# ── Spot ──────────────────────────────────────────────────────────────────────────────────────────────


def test_an_idle_market_costs_one_call_for_the_whole_month():
    gap = Window(NOW - 40 * DAY, NOW)
    slice_ = HISTORY.slice(SPOT, gap, {}, LISTS, NOW)
    assert slice_.window == Window(HISTORY.reach(SPOT, LISTS, NOW), NOW)
    page = read(SPOT, slice_.window, [])
    assert (page.proven, page.next, page.is_saturated) == (slice_.window, None, False)


def test_a_window_is_asked_for_in_whole_seconds_around_it():
    asking = asked(SPOT, Window(NOW - 1_500, NOW - 500))
    assert asking == {"symbol": "BTCUSDT", "startTime": NOW - 2_001, "endTime": NOW, "limit": 100}


def test_a_full_answer_proves_nothing_and_is_halved():
    page = read(SPOT, Window(NOW - DAY, NOW), [a_fill(n) for n in range(100)])
    assert (len(page.trades), page.proven, page.next, page.is_saturated) == (100, None, None, True)


def test_a_full_second_is_read_by_its_orders():
    page = read(SPOT, SECOND, [a_fill(n, f"C{n % 2}") for n in range(100)])
    assert (page.proven, page.is_saturated) == (None, False)
    cursor = page.next
    asking = asked(SPOT, SECOND, cursor)
    assert asking["limit"] == 1_000
    assert asking["endTime"] == SECOND.until
    assert 6 * DAY < asking["endTime"] - asking["startTime"] <= 7 * DAY
    orders = [
        {"orderId": "C1", "updateTime": SECOND.since},
        {"orderId": "C2", "updateTime": SECOND.since - 1_000},
        {"orderId": "C3", "updateTime": NOW},
    ]
    cursor = read(SPOT, SECOND, orders, cursor).next
    followed = []
    while True:
        followed.append(asked(SPOT, SECOND, cursor)["orderId"])
        page = read(SPOT, SECOND, [a_fill(1)], cursor)
        if page.next is None:
            break
        cursor = page.next
    assert followed == ["C0", "C1", "C3"]
    assert (page.proven, page.is_saturated) == (SECOND, False)


def test_an_order_with_more_than_a_page_leaves_a_hole():
    page = read(SPOT, SECOND, [a_fill(n) for n in range(100)], {"orders": ["C1"], "is_listed": True})
    assert (page.proven, page.next, page.is_saturated) == (None, None, True)


def test_more_orders_than_are_listed_leave_a_hole():
    orders = [{"orderId": f"C{n}", "updateTime": NOW} for n in range(1_000)]
    assert read(SPOT, SECOND, orders, {"orders": [], "known": []}).is_saturated


@pytest.mark.parametrize(
    ("window", "account"),
    [
        (SECOND, an_account()),
        (SECOND, an_account(lists_orders=False)),
        (Window(NOW - 8 * DAY, NOW - 8 * DAY + 1_000), LISTS),
    ],
    ids=["not known", "not allowed", "too old"],
)
def test_a_full_second_whose_orders_are_not_listed_is_a_hole(window, account):
    assert read(SPOT, window, [a_fill(n) for n in range(100)], account=account).is_saturated


# ── Contracts ─────────────────────────────────────────────────────────────────────────────────────────


def test_ninety_days_are_one_window_with_both_ends_inside():
    window = HISTORY.slice(LINEAR, Window(NOW - 400 * DAY, NOW), {}, LISTS, NOW).window
    assert 89 * DAY < window.until - window.since < 90 * DAY
    assert asked(LINEAR, window) == {
        "symbol": "BTC_USDT",
        "start_time": window.since,
        "end_time": window.until - 1,
        "page_num": 1,
        "page_size": 100,
    }


def test_pages_go_on_until_a_short_one():
    window = Window(NOW - DAY, NOW)
    page = read(LINEAR, window, {"data": [a_deal(n) for n in range(100)]})
    assert (len(page.trades), page.proven, page.next) == (100, None, 2)
    assert asked(LINEAR, window, 2)["page_num"] == 2
    assert read(LINEAR, window, {"data": [a_deal(1)]}, 2).proven == window
    assert read(LINEAR, window, {"data": []}, 2).proven == window


def test_pages_that_are_counted_go_on_to_the_last():
    window = Window(NOW - DAY, NOW)

    def page_of(number: int, rows: int, current: int | None = None) -> Any:
        told = {"currentPage": current or number, "totalPage": 2, "resultList": [a_deal(n) for n in range(rows)]}
        return read(LINEAR, window, {"data": told}, number)

    assert page_of(1, 50).next == 2
    assert page_of(2, 100).proven == window
    with pytest.raises(ContractBroken):
        page_of(1, 0)
    with pytest.raises(PageStuck):
        page_of(2, 50, current=1)


@pytest.mark.parametrize("data", [{}, [], {"data": "none"}, {"data": None}, {"data": {"resultList": None, "a": 1}}])
def test_an_answer_without_a_list_is_no_end(data):
    with pytest.raises(ContractBroken):
        read(LINEAR, Window(NOW - DAY, NOW), data)


# ── Discovery ─────────────────────────────────────────────────────────────────────────────────────────


def found_by(account: Account, answers: dict[str, Any]) -> Any:
    def answer(request: Any) -> Any:
        given = answers.get(request.endpoint.path.rpartition("/")[2], {"data": []})
        return given(request) if callable(given) else given

    return a_run(HISTORY.discover(account, MARKETS), answer)


def wallet(*coins: str) -> dict[str, Any]:
    return {"balances": [{"asset": coin, "free": "1", "locked": "0"} for coin in coins]}


@pytest.mark.parametrize(
    ("allowed", "likely"),
    [
        ({"code": 200, "data": ["ETHBTC"]}, ["ETHBTC", "STEPNUSDT"]),
        ({"code": 200, "data": [f"C{n}USDT" for n in range(2_000)] + ["ETHBTC"]}, ["STEPNUSDT"]),
        (PermissionMissing(), ["STEPNUSDT"]),
    ],
    ids=["an allow-list", "all symbols", "not told"],
)
def test_held_coins_and_a_short_allow_list_come_first_and_all_others_are_swept(allowed, likely):
    found, _ = found_by(an_account(Product.SPOT), {"account": wallet("STEPN"), "selfSymbols": allowed})
    assert [feed.market_id for feed in found.feeds] == likely
    assert {feed.market_id for feed in found.sweep} == {"BTCUSDT", "ETHBTC", "STEPNUSDT"} - set(likely)


def test_contracts_are_named_by_their_orders_and_positions_page_by_page():
    def orders(request: Any) -> Any:
        assert request.params["end_time"] - request.params["start_time"] < 90 * DAY
        number = request.params["page_num"]
        rows = [{"symbol": "BTC_USDT", "orderId": str(n)} for n in range(100 if number == 1 else 1)]
        return {"data": rows if number == 1 else [{"symbol": "OLD_USDT"}]}

    found, asked = found_by(
        an_account(Product.LINEAR, Product.INVERSE),
        {
            "time": {"serverTime": NOW},
            "history_orders": orders,
            "open_positions": {"data": [{"symbol": "BTC_USD"}]},
            "history_positions": {"data": {"resultList": [{"symbol": "GONE_USD"}]}},
        },
    )
    assert [feed.key for feed in found.feeds] == [
        *("inverse:BTC_USD", "linear:BTC_USDT", "inverse:GONE_USD", "linear:OLD_USDT"),
    ]
    assert found.sweep == ()
    assert [request.params.get("page_num") for request in asked] == [None, None, 1, 1, 2]


def test_a_product_that_is_not_followed_is_not_looked_for():
    found, asked = found_by(
        an_account(Product.LINEAR), {"time": {"serverTime": NOW}, "open_positions": {"data": [{"symbol": "BTC_USD"}]}}
    )
    assert found.feeds == ()
    assert not any("/api/v3/account" in request.endpoint.path for request in asked)


def test_a_page_that_comes_again_and_again_is_stuck():
    same = {"data": [{"symbol": "BTC_USDT", "orderId": str(n)} for n in range(100)]}
    with pytest.raises(PageStuck):
        found_by(an_account(Product.LINEAR), {"time": {"serverTime": NOW}, "history_orders": same})
