"""The sockets of Gate: signed subscriptions, refusals, heartbeats, fills, notices, and prices."""

import hashlib
import hmac
import json
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from shared.domain.connections import Account, Credentials
from shared.domain.errors import (
    AddressNotAllowed,
    ClockWrong,
    ContractBroken,
    ExchangeUnavailable,
    KeyRejected,
    PermissionMissing,
)
from shared.domain.markets import Market, Markets
from shared.domain.tickers import Ticker
from shared.domain.trades import Product
from shared.exchanges import load
from shared.exchanges.kit.contract import Broken, Closing, HistoryDue, Live, Refused, TickerHeard, TradesHeard

GATE = load("gate")
NOW = 1_795_190_400_123
ME = UUID(int=7)
MARKETS = Markets(
    [
        Market("BTC_USDT", "BTC/USDT", "spot", "BTC", "USDT"),
        Market("BTC_USDT", "BTC/USDT:USDT", "swap", "BTC", "USDT", "USDT", Decimal("0.0001"), True, False),
        *(Market(f"C{n}_USDT", f"C{n}/USDT", "spot", f"C{n}", "USDT") for n in range(3)),
    ]
)
AREAS = ("spot", "futures")
UPGRADE = {"type": "upgrade", "msg": "The connection will soon be closed for a service upgrade. Please reconnect."}


def an_account(*products: Product, region: str = "global") -> Account:
    products = products or (Product.SPOT, Product.LINEAR)
    return Account(connection_id=ME, exchange="gate", products=products, uid="1667201533", region=region)


def stream_of(area: str) -> Any:
    return next(stream for stream in GATE.streams if stream.name == area)


def a_socket(area: str) -> Any:
    socket = stream_of(area).protocol(MARKETS)
    socket.join(an_account(), Credentials({"api_key": "key", "secret": "hush"}), {}, NOW)
    socket.open(NOW)
    return socket


def said(socket: Any) -> list[Any]:
    return [json.loads(frame) for frame in socket.outbox()]


def hears(socket: Any, message: Any, now: int = NOW) -> list[Any]:
    return socket.receive(json.dumps(message), now)


def an_answer(area: str, error: Any = None, channel: str = "usertrades") -> dict[str, Any]:
    head = {"time": NOW // 1_000, "time_ms": NOW, "id": 1, "channel": f"{area}.{channel}", "event": "subscribe"}
    return {**head, "error": error, "result": {"status": "fail" if error else "success"}}


def labelled(label: str) -> dict[str, Any]:
    return {"code": 4, "message": json.dumps({"label": label, "message": "no"}) + "\n"}


def a_spot_fill(**changes: Any) -> dict[str, Any]:
    row = {"id": 5736713001, "user_id": 1667201533, "order_id": "30784428", "currency_pair": "BTC_USDT"}
    row |= {"create_time": NOW // 1_000, "create_time_ms": f"{NOW}.456", "side": "sell", "amount": "0.01"}
    row |= {"role": "taker", "price": "91000", "fee": "1.82", "fee_currency": "USDT", "point_fee": "0", "gt_fee": "0"}
    row = {name: value for name, value in (row | changes).items() if value is not None}
    return {"time": NOW // 1_000, "time_ms": NOW, "channel": "spot.usertrades", "event": "update", "result": [row]}


# ── Private ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("area", "payload"), [("spot", ["!all"]), ("futures", ["1667201533", "!all"])])
def test_a_subscription_is_signed_by_itself(area, payload):
    (frame,) = said(a_socket(area))
    moment = NOW // 1_000
    text = f"channel={area}.usertrades&event=subscribe&time={moment}"
    made = hmac.new(b"hush", text.encode(), hashlib.sha512).hexdigest()
    assert frame == {
        "time": moment,
        "id": 1,
        "channel": f"{area}.usertrades",
        "event": "subscribe",
        "payload": payload,
        "auth": {"method": "api_key", "KEY": "key", "SIGN": made},
    }


@pytest.mark.parametrize("area", AREAS)
def test_an_account_is_live_when_its_subscription_is_confirmed(area):
    socket = a_socket(area)
    assert hears(socket, an_answer(area)) == [Live(ME)]
    assert hears(socket, an_answer(area)) == []


@pytest.mark.parametrize("area", AREAS)
@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (labelled("INVALID_KEY"), KeyRejected),
        (labelled("INVALID_SIGNATURE"), KeyRejected),
        (labelled("REQUEST_EXPIRED"), ClockWrong),
        (labelled("IP_FORBIDDEN"), AddressNotAllowed),
        (labelled("FORBIDDEN"), PermissionMissing),
        (labelled("SERVER_ERROR"), ExchangeUnavailable),
        ({"code": 4, "message": "IP not in whitelist"}, AddressNotAllowed),
        ({"code": 4, "message": "no permission"}, PermissionMissing),
        ({"code": 6, "message": "request expired"}, ClockWrong),
        ({"code": 11, "message": "authentication fail"}, KeyRejected),
        ({"code": 4, "message": "{half"}, ExchangeUnavailable),
        ({"code": 1, "message": "invalid body"}, ContractBroken),
        ({"code": 2, "message": "unknown user id"}, ContractBroken),
        ({"code": 3, "message": "internal key failure"}, ExchangeUnavailable),
        ("nonsense", ExchangeUnavailable),
    ],
)
def test_a_refused_subscription_says_why(area, error, kind):
    socket = a_socket(area)
    (event,) = hears(socket, an_answer(area, error))
    assert isinstance(event, Refused)
    assert (type(event.error), event.connection_id) == (kind, ME)
    assert "hush" not in str(event.error)
    assert said(socket) == []


def test_a_confirmation_that_does_not_come_breaks_the_socket():
    socket = a_socket("spot")
    said(socket)
    (event,) = socket.tick(NOW + 10_000)
    assert isinstance(event, Broken)


@pytest.mark.parametrize("area", AREAS)
def test_a_live_socket_is_asked_for_life(area):
    socket = a_socket(area)
    hears(socket, an_answer(area))
    said(socket)
    assert socket.tick(NOW + 10_000) == []
    assert said(socket) == [{"time": (NOW + 10_000) // 1_000, "channel": f"{area}.ping"}]
    hears(socket, {"time": 1, "channel": f"{area}.pong", "event": "", "error": None, "result": None}, NOW + 10_050)
    assert socket.tick(NOW + 20_000) == []
    (event,) = socket.tick(NOW + 30_000)
    assert isinstance(event, Broken)


def test_a_fill_is_heard():
    socket = a_socket("spot")
    hears(socket, an_answer("spot"))
    (event,) = hears(socket, a_spot_fill())
    assert isinstance(event, TradesHeard)
    assert [(trade.symbol, trade.provisional) for trade in event.trades] == [("BTC/USDT", False)]


@pytest.mark.parametrize("missing", [{"fee": None}, {"fee_currency": None}])
def test_a_fill_without_its_whole_fee_makes_history_due(missing):
    socket = a_socket("spot")
    hears(socket, an_answer("spot"))
    (event,) = hears(socket, a_spot_fill(**missing))
    assert [trade.provisional for trade in event.trades] == [True]
    due = socket.tick(NOW + 1_000)
    assert [(one.product, one.connection_id) for one in due if isinstance(one, HistoryDue)] == [(Product.SPOT, ME)]


@pytest.mark.parametrize("area", AREAS)
@pytest.mark.parametrize("wrapped", [False, True])
def test_a_notice_of_an_upgrade_asks_for_a_successor(area, wrapped):
    notice = {"channel": f"{area}.system", "event": "update", "result": UPGRADE} if wrapped else UPGRADE
    (event,) = hears(a_socket(area), notice)
    assert isinstance(event, Closing)


@pytest.mark.parametrize("area", AREAS)
def test_other_messages_mean_nothing(area):
    socket = a_socket(area)
    for message in ({}, {"channel": f"{area}.orders", "event": "update", "result": []}, {"event": 7, "channel": []}):
        assert hears(socket, message) == []


def test_each_product_has_its_socket_where_the_entity_offers_it():
    spot, futures = stream_of("spot"), stream_of("futures")
    assert [one.serves(an_account(Product.SPOT)) for one in (spot, futures)] == [True, False]
    assert [one.serves(an_account(Product.LINEAR)) for one in (spot, futures)] == [False, True]
    assert futures.serves(an_account(region="eu")) is False
    assert spot.url("global", {}) == "wss://api.gateio.ws/ws/v4/"
    assert futures.url("global", {}) == "wss://fx-ws.gateio.ws/v4/ws/usdt"
    assert spot.url("eu", {}) == "wss://api.gateeu.com/ws/v4/"
    assert futures.url("testnet", {}) == "wss://ws-testnet.gate.com/v4/ws/futures/usdt"


def test_sizes_of_perpetuals_are_asked_for_in_decimals():
    assert [dict(stream.headers) for stream in GATE.streams] == [{}, {"X-Gate-Size-Decimal": "1"}]
    assert [dict(stream.headers) for stream in GATE.ticker_streams] == [{}, {"X-Gate-Size-Decimal": "1"}]


# ── Prices ────────────────────────────────────────────────────────────────────────────────────────────


def prices(area: str, *symbols: str) -> Any:
    stream = next(stream for stream in GATE.ticker_streams if stream.name == f"tickers-{area}")
    socket = stream.protocol(MARKETS)
    socket.follow(frozenset(symbols), NOW)
    socket.open(NOW)
    return socket


def test_what_is_wanted_is_asked_for_and_dated():
    socket = prices("spot", "BTC/USDT", "BTC/USDT:USDT", "C1/USDT")
    head = {"time": NOW // 1_000, "channel": "spot.tickers"}
    assert said(socket) == [{**head, "event": "subscribe", "payload": ["BTC_USDT", "C1_USDT"]}]
    hears(socket, an_answer("spot", channel="tickers"))
    socket.follow(frozenset({"C1/USDT"}), NOW + 5_000)
    assert said(socket) == [{**head, "time": NOW // 1_000 + 5, "event": "unsubscribe", "payload": ["BTC_USDT"]}]


def test_spot_tells_one_price_with_bid_and_ask():
    socket = prices("spot", "BTC/USDT")
    result = {"currency_pair": "BTC_USDT", "last": "64000.5", "lowest_ask": "64001", "highest_bid": "64000"}
    message = {"time": 1, "time_ms": NOW, "channel": "spot.tickers", "event": "update", "result": result}
    ticker = Ticker(
        symbol="BTC/USDT", last=Decimal("64000.5"), bid=Decimal(64000), ask=Decimal(64001), timestamp_ms=NOW
    )
    assert hears(socket, message) == [TickerHeard(ticker)]


def test_perpetuals_tell_a_list_without_bid_and_ask():
    socket = prices("futures", "BTC/USDT:USDT")
    rows = [{"contract": "BTC_USDT", "last": "64010", "mark_price": "64009"}, {"contract": "NEW_USDT", "last": "1"}]
    message = {"time": 1, "time_ms": NOW, "channel": "futures.tickers", "event": "update", "result": rows[:1]}
    ticker = Ticker(symbol="BTC/USDT:USDT", last=Decimal(64010), timestamp_ms=NOW)
    assert hears(socket, message) == [TickerHeard(ticker)]
    assert hears(socket, {**message, "result": rows[1:]}) == []
    assert hears(socket, {**message, "channel": "futures.book_ticker"}) == []


def test_one_unknown_market_does_not_cost_the_others():
    socket = prices("spot", "C0/USDT", "C1/USDT", "C2/USDT")
    asked = []
    while frames := said(socket):
        (frame,) = frames
        asked.append(frame["payload"])
        unknown = {"code": 2, "message": "unknown currency pair C1_USDT"} if "C1_USDT" in asked[-1] else None
        hears(socket, an_answer("spot", unknown, "tickers"))
    assert asked == [["C0_USDT", "C1_USDT", "C2_USDT"], ["C0_USDT"], ["C1_USDT", "C2_USDT"], ["C1_USDT"], ["C2_USDT"]]


def test_a_price_sockets_notice_of_an_upgrade_asks_for_a_successor():
    assert isinstance(hears(prices("spot", "BTC/USDT"), UPGRADE)[0], Closing)
