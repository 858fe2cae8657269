"""Gate over REST: errors, allowances, and the walk through history."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import ccxt
import pytest

from shared.domain.connections import Account
from shared.domain.errors import (
    AccountModeChanged,
    AddressNotAllowed,
    ClockWrong,
    ContractBroken,
    ExchangeUnavailable,
    KeyRejected,
    PermissionMissing,
    RateLimited,
    RegionNotAllowed,
    UserActionNeeded,
)
from shared.domain.markets import Market, Markets
from shared.domain.trades import Product
from shared.domain.windows import Window
from shared.exchanges import load
from shared.exchanges.gate.rest import CLOCK, FILLS, FUTURES_FILLS, OPEN_ORDERS
from shared.exchanges.kit.contract import Answer, Feed, PoolUse, Request, Slice

GATE = load("gate")
HISTORY = GATE.history
NOW = 1_795_190_400_000
DAY = 86_400_000
SPOT, LINEAR = Feed(Product.SPOT), Feed(Product.LINEAR)
MARKETS = Markets([Market("BTC_USDT", "BTC/USDT", "spot", "BTC", "USDT")])


def an_account(**changes: Any) -> Account:
    told = {"connection_id": UUID(int=7), "exchange": "gate", "products": (Product.SPOT, Product.LINEAR)}
    return Account(**{**told, **changes})


# ── Errors and allowances ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("status", "label", "kind"),
    [
        (401, "INVALID_KEY", KeyRejected),
        (401, "INVALID_CREDENTIALS", KeyRejected),
        (401, "AUTHENTICATION_FAILED", KeyRejected),
        (401, "INVALID_SIGNATURE", KeyRejected),
        (401, "REQUEST_EXPIRED", ClockWrong),
        (401, "IP_FORBIDDEN", AddressNotAllowed),
        (403, "IP_FORBIDDEN", AddressNotAllowed),
        (401, "MISSING_REQUIRED_HEADER", ContractBroken),
        (403, "FORBIDDEN", PermissionMissing),
        (403, "READ_ONLY", PermissionMissing),
        (403, "ACCOUNT_LOCKED", UserActionNeeded),
        (403, "SUB_ACCOUNT_LOCKED", UserActionNeeded),
        (400, "USER_NOT_FOUND", AccountModeChanged),
        (400, "TOO_FAST", RateLimited),
        (500, "SERVER_ERROR", ExchangeUnavailable),
        (500, "INTERNAL", ExchangeUnavailable),
        (503, "TOO_BUSY", ExchangeUnavailable),
        (502, "NEVER_HEARD_OF", ExchangeUnavailable),
        (400, "INVALID_PARAM_VALUE", ContractBroken),
        # Never `MarketGone`: a feed holds all markets of a product, and would be closed.
        (400, "INVALID_CURRENCY_PAIR", ContractBroken),
        (400, "CONTRACT_NOT_FOUND", ContractBroken),
        (404, "NOT_FOUND", ContractBroken),
        (400, "NEVER_HEARD_OF", ContractBroken),
    ],
)
@pytest.mark.parametrize("said", ["message", "detail"])
def test_a_label_is_one_of_our_errors(status, label, kind, said):
    error = GATE.error_of(status, {}, {"label": label, said: "no\n"}, FILLS, NOW)
    assert type(error) is kind
    assert error.sentence


@pytest.mark.parametrize("said", ["not available in your country", "Restricted Region", "jurisdiction"])
def test_a_country_that_is_not_served_is_told_from_a_missing_permission(said):
    assert type(GATE.error_of(403, {}, {"label": "FORBIDDEN", "message": said}, FILLS, NOW)) is RegionNotAllowed
    assert type(GATE.error_of(403, {}, f"<html>{said}</html>", FILLS, NOW)) is RegionNotAllowed


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (403, "<html>Access denied</html>", ExchangeUnavailable),
        (403, "", ExchangeUnavailable),
        (403, '<div role="region">Just a moment</div>', ExchangeUnavailable),
        (403, "error code: 1009", RegionNotAllowed),
        (451, "", RegionNotAllowed),
        (401, {}, KeyRejected),
        (404, {}, ContractBroken),
        (408, "", ExchangeUnavailable),
        (200, [], type(None)),
        (200, {"mode": "classic"}, type(None)),
    ],
)
def test_an_answer_without_a_label_is_judged_by_its_status(status, body, kind):
    assert type(GATE.error_of(status, {}, body, FILLS, NOW)) is kind


def test_a_pause_lasts_until_the_allowance_is_whole_and_is_the_askers_own():
    headers = {"x-gate-ratelimit-reset-timestamp": str(NOW // 1_000 + 7)}
    body = {"label": "TOO_MANY_REQUESTS", "message": "Request Rate limit Exceeded"}
    error = GATE.error_of(429, headers, body, FILLS, NOW)
    assert isinstance(error, RateLimited)
    assert (error.until_ms, error.scope, error.ban) == (NOW + 7_000, "account", False)
    public = GATE.error_of(429, {"x-gate-ratelimit-reset-timestamp": "0"}, body, CLOCK, NOW)
    assert isinstance(public, RateLimited)
    assert (public.until_ms, public.scope) == (NOW + 1_000, "address")


def test_headers_tell_what_is_left_of_an_endpoints_own_allowance():
    headers = {"x-gate-ratelimit-requests-remain": "198", "x-gate-ratelimit-limit": "200"}
    assert GATE.pool_use(headers, FILLS) == (PoolUse(pool="spot/my_trades", remaining=198, capacity=200),)
    assert GATE.pool_use({"x-gate-ratelimit-requests-remain": "soon"}, FILLS) == ()


def test_each_endpoint_has_a_pool_of_its_own_in_the_documented_size():
    sizes = {pool.name: (pool.scope, pool.capacity, pool.per_ms) for pool in GATE.pools}
    assert sizes["spot/my_trades"] == sizes["futures/{settle}/accounts"] == ("account", 200, 10_000)
    assert sizes["unified/unified_mode"] == sizes["account/main_keys"] == ("account", 150, 10_000)
    assert sizes["spot/currency_pairs"] == ("address", 200, 10_000)
    assert len(sizes) == len(GATE.endpoints)


@pytest.mark.parametrize("region", GATE.regions)
def test_every_call_goes_to_the_host_of_its_region(region):
    client = ccxt.gate({**GATE.ccxt_config(an_account(region=region)), "apiKey": "k", "secret": "s"})
    hosts = set()
    client.fetch = lambda url, *_: hosts.add(url.split("/api/v4/")[0])
    for endpoint in GATE.endpoints:
        if region != "eu" or "futures" not in endpoint.path:
            getattr(client, endpoint.name)({"settle": "usdt"})
    assert len(hosts) == 1
    assert {"global": "gateio.ws", "eu": "gateeu.com", "testnet": "testnet.gateapi.io"}[region] in hosts.pop()


def test_the_exchanges_time_is_told_in_milliseconds():
    assert GATE.read_clock({"server_time": NOW}) == NOW
    with pytest.raises(ContractBroken, match="time"):
        GATE.read_clock({"server_time": None})


# ── History ───────────────────────────────────────────────────────────────────────────────────────────


def a_fill(number: int, order: str = "1", moment: int = NOW - 5_000) -> dict[str, Any]:
    return {
        "id": str(number),
        "create_time_ms": f"{moment}.5",
        "create_time": str(moment // 1_000),
        "currency_pair": "BTC_USDT",
        "side": "buy",
        "role": "taker",
        "amount": "0.1",
        "price": "64000",
        "order_id": order,
        "fee": "0.0001",
        "fee_currency": "BTC",
    }


def walk(
    feed: Feed, gap: Window, answers: Callable[[Request], Any], now: int = NOW
) -> tuple[list[Request], list[Any], Slice]:
    """Reads one slice to its end: what was asked, the pages, and the slice."""
    account = an_account()
    slice_ = HISTORY.slice(feed, gap, {}, account, now)
    cursor, asked, pages = slice_.cursor, [], []
    while True:
        asked.append(HISTORY.ask(feed, slice_, cursor, account))
        page = HISTORY.read(feed, slice_, cursor, Answer(answers(asked[-1])), account, MARKETS)
        pages.append(page)
        if page.next is None or page.is_saturated:
            return asked, pages, slice_
        assert page.proven is None
        cursor = page.next


def test_each_product_is_one_feed_and_the_european_entity_has_no_contracts():
    assert HISTORY.feeds(an_account(), MARKETS) == (SPOT, LINEAR)
    assert HISTORY.feeds(an_account(region="eu"), MARKETS) == (SPOT,)
    assert HISTORY.discover is None


def test_an_old_window_is_asked_for_in_whole_seconds_that_hold_it():
    gap = Window(NOW - 90 * DAY + 1, NOW - 80 * DAY + 1)
    (request,), (page,), _ = walk(SPOT, gap, lambda _: [])
    since, until = (NOW - 90 * DAY) // 1_000, (NOW - 80 * DAY) // 1_000 + 1
    assert request == Request(FILLS, {"from": since, "to": until, "limit": 1000, "page": 1})
    assert (page.next, page.proven) == (None, gap)
    (request,), _, _ = walk(LINEAR, gap, lambda _: [])
    asked = {"settle": "usdt", "from": since, "to": until, "limit": 1000, "offset": 0}
    assert request == Request(FUTURES_FILLS, asked)


@pytest.mark.parametrize("feed", [SPOT, LINEAR])
def test_no_window_is_longer_than_the_exchange_allows(feed):
    asked, _, slice_ = walk(feed, Window(HISTORY.reach(feed, an_account(), NOW), NOW), lambda _: [])
    assert slice_.window.until == NOW
    assert asked[-1].params["to"] - asked[-1].params["from"] <= 30 * 86_400


def test_a_window_that_ends_now_begins_with_the_fills_of_open_orders():
    old = NOW - 50 * DAY
    orders = [
        {"id": "11", "left": "0.5", "filled_total": "640"},
        {"id": "12", "left": "1", "filled_total": "0"},
        {"id": "13", "left": "0.3"},
    ]

    def answers(request: Request) -> Any:
        if request.endpoint is OPEN_ORDERS:
            return [{"currency_pair": "BTC_USDT", "total": 3, "orders": orders}]
        order = request.params.get("order_id")
        return [a_fill(int(order), order, old)] if order else [a_fill(99)]

    gap = Window(NOW - DAY, NOW)
    asked, pages, _ = walk(SPOT, gap, answers)
    # The fills of one that is not known to have filled are asked for too.
    assert [request.params.get("order_id") for request in asked] == [None, "11", "13", None]
    assert asked[1].params == {"currency_pair": "BTC_USDT", "order_id": "11", "limit": 1000, "page": 1}
    # An order that ends while all this is asked ends inside the window.
    assert asked[-1].params["to"] > NOW // 1_000
    # Fills older than the window are kept.
    assert [trade.exchange_trade_id for page in pages for trade in page.trades] == ["11", "13", "99"]
    assert [page.proven for page in pages] == [None, None, None, gap]


def test_open_orders_are_listed_until_no_market_fills_its_page():
    full = [{"id": str(number), "filled_total": "0"} for number in range(100)]

    def answers(request: Request) -> Any:
        if request.endpoint is not OPEN_ORDERS:
            return []
        is_first = request.params["page"] == 1
        return [
            {"currency_pair": "BTC_USDT", "total": 101, "orders": full if is_first else [{"id": "7", "left": "1"}]},
            {"currency_pair": "ETH_USDT", "total": 0, "orders": []},
        ]

    asked, _, _ = walk(SPOT, Window(NOW - DAY, NOW), answers)
    assert [request.params.get("page") for request in asked[:2]] == [1, 2]
    assert [request.params.get("order_id") for request in asked] == [None, None, "7", None]


def test_only_a_page_shorter_than_asked_is_the_end():
    gap = Window(NOW - 9 * DAY, NOW - 2 * DAY)
    sizes = [1000, 1000, 0]
    asked, pages, _ = walk(SPOT, gap, lambda request: [a_fill(n) for n in range(sizes[request.params["page"] - 1])])
    assert [request.params["page"] for request in asked] == [1, 2, 3]
    assert [page.proven for page in pages] == [None, None, gap]
    offsets = [1000, 3]
    asked, _, _ = walk(LINEAR, gap, lambda request: [{}] * offsets[request.params["offset"] // 1000])
    assert [request.params["offset"] for request in asked] == [0, 1000]


@pytest.mark.parametrize(("feed", "field", "last"), [(SPOT, "page", 101), (LINEAR, "offset", 100_000)])
def test_a_window_that_is_full_to_the_last_page_is_saturated(feed, field, last):
    asked, pages, _ = walk(feed, Window(NOW - 9 * DAY, NOW - 2 * DAY), lambda _: [{}] * 1000)
    assert asked[-1].params[field] == last
    assert [page.is_saturated for page in pages] == [False] * 100 + [True]
    assert pages[-1].proven is None


def test_an_order_with_many_fills_is_read_page_by_page():
    def answers(request: Request) -> Any:
        if request.endpoint is OPEN_ORDERS:
            return [{"currency_pair": "BTC_USDT", "orders": [{"id": "11", "filled_total": "1"}]}]
        is_full = request.params.get("order_id") and request.params["page"] == 1
        return [a_fill(number) for number in range(1000)] if is_full else []

    asked, _, _ = walk(SPOT, Window(NOW - DAY, NOW), answers)
    assert [(request.params.get("order_id"), request.params["page"]) for request in asked[1:]] == [
        ("11", 1),
        ("11", 2),
        (None, 1),
    ]


@pytest.mark.parametrize("data", [None, {}, {"label": "X"}, "[]"])
def test_an_answer_that_is_no_list_is_no_page(data):
    with pytest.raises(ContractBroken, match="list"):
        HISTORY.read(SPOT, Slice(Window(1, NOW)), None, Answer(data), an_account(), MARKETS)


@pytest.mark.parametrize("data", [["x"], [{"orders": None}], [{"orders": [{"filled_total": "1"}]}], [{"orders": [1]}]])
def test_open_orders_that_cannot_be_read_prove_nothing(data):
    slice_ = HISTORY.slice(SPOT, Window(NOW - DAY, NOW), {}, an_account(), NOW)
    with pytest.raises(ContractBroken):
        HISTORY.read(SPOT, slice_, slice_.cursor, Answer(data), an_account(), MARKETS)
