"""Sockets: who speaks when, what is heard, and how each ends. No socket is opened and no time passes."""

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
    RateLimited,
)
from shared.domain.markets import Market, Markets
from shared.domain.tickers import Ticker
from shared.domain.trades import Product
from shared.exchanges import load
from shared.exchanges.kit.contract import Broken, HistoryDue, Live, Refused, TickerHeard, TradesHeard

BITGET = load("bitget")
STREAMS = {stream.name: stream for stream in BITGET.streams}
(PRICES,) = BITGET.ticker_streams
WHO = UUID(int=7)
NOW = 1_795_190_400_000
KEY = Credentials({"api_key": "bg_1", "secret": "s3cret", "passphrase": "pass"})
MARKETS = Markets(
    [
        Market("BTCUSDT", "BTC/USDT", "spot", "BTC", "USDT"),
        Market("BTCUSDT", "BTC/USDT:USDT", "swap", "BTC", "USDT", "USDT", linear=True),
        Market("BTCPERP", "BTC/USDC:USDC", "swap", "BTC", "USDC", "USDC", linear=True),
        Market("BTCUSD", "BTC/USD:BTC", "swap", "BTC", "USD", "BTC", inverse=True),
        Market("币安人生USDT", "币安人生/USDT", "spot", "币安人生", "USDT"),
        *(Market(f"C{n:02}USDT", f"C{n:02}/USDT", "spot", f"C{n:02}", "USDT") for n in range(30)),
    ]
)


def an_account(mode: str = "classic", products: tuple[Product, ...] = BITGET.products) -> Account:
    return Account(connection_id=WHO, exchange="bitget", products=products, mode=mode)


def said(protocol: Any) -> list[Any]:
    return [frame if frame == "ping" else json.loads(frame) for frame in protocol.outbox()]


def hear(protocol: Any, message: Any, now: int = NOW) -> list[Any]:
    return protocol.receive(message if isinstance(message, str | bytes) else json.dumps(message), now)


def a_socket(name: str = "classic", products: tuple[Product, ...] = BITGET.products) -> Any:
    protocol = STREAMS[name].protocol(MARKETS)
    protocol.join(an_account(name, products), KEY, {}, NOW)
    protocol.open(NOW)
    return protocol


def a_live_socket(name: str = "classic", products: tuple[Product, ...] = BITGET.products) -> Any:
    protocol = a_socket(name, products)
    said(protocol)
    events = hear(protocol, {"event": "login", "code": "0", "msg": ""})
    while not events:
        (asked,) = said(protocol)
        events = hear(protocol, {"event": "subscribe", "arg": asked["args"][0]})
    assert events == [Live(WHO)]
    return protocol


def told(protocol: Any, arg: dict[str, str], *rows: dict[str, Any], now: int = NOW) -> list[Any]:
    return hear(protocol, {"action": "snapshot", "arg": arg, "data": list(rows), "ts": NOW}, now)


SPOT = {"instType": "SPOT", "channel": "fill", "instId": "default"}
FUTURES = {**SPOT, "instType": "USDT-FUTURES"}
UNIFIED = {"instType": "UTA", "topic": "fill"}
SPOT_ROW = {
    "orderId": "1",
    "tradeId": "2",
    "symbol": "BTCUSDT",
    "side": "buy",
    "priceAvg": "64000",
    "size": "0.5",
    "amount": "32000",
    "tradeScope": "taker",
    "cTime": str(NOW),
    "uTime": str(NOW + 5),
    "feeDetail": [{"feeCoin": "BTC", "deduction": "no", "totalFee": "0.0005"}],
}
UNIFIED_ROW = {
    "orderId": "1",
    "execId": "2",
    "symbol": "BTCUSDT",
    "side": "buy",
    "execPrice": "64000",
    "execQty": "0.5",
    "category": "spot",
    "execValue": "32000",
    "tradeScope": "taker",
    "execTime": str(NOW),
    "feeDetail": [{"feeCoin": "BTC", "fee": "0.0005"}],
}


# ── From open to live ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("mode", "products", "names"),
    [
        ("classic", BITGET.products, {"classic"}),
        ("", (Product.SPOT,), {"classic"}),
        ("unified", (Product.LINEAR,), {"unified"}),
        ("unified", (), set()),
    ],
)
def test_the_mode_decides_which_socket_an_account_needs(mode, products, names):
    assert {stream.name for stream in BITGET.streams if stream.serves(an_account(mode, products))} == names


def test_each_world_has_its_own_address():
    assert STREAMS["classic"].url("global", {}) == "wss://ws.bitget.com/v2/ws/private"
    assert STREAMS["unified"].url("global", {}) == "wss://ws.bitget.com/v3/ws/private"
    assert STREAMS["unified"].url("demo", {}) == "wss://wspap.bitget.com/v3/ws/private"


@pytest.mark.parametrize("name", STREAMS)
def test_it_signs_in_with_the_time_in_seconds(name):
    (asked,) = said(a_socket(name))
    assert asked == {
        "op": "login",
        "args": [
            {
                "apiKey": "bg_1",
                "passphrase": "pass",
                "timestamp": "1795190400",
                # printf '1795190400GET/user/verify' | openssl dgst -sha256 -hmac s3cret -binary | base64
                "sign": "c3vDSFJP+UkzsjOGPbelJ94p5UQ9ys8OiWK1aS4Q3iY=",
            }
        ],
    }


@pytest.mark.parametrize("code", ["0", 0])
def test_a_classic_account_subscribes_list_by_list_and_is_live_after_the_last(code):
    protocol = a_socket()
    said(protocol)
    assert hear(protocol, {"event": "login", "code": code, "msg": ""}) == []
    for name in ("SPOT", "USDT-FUTURES", "USDC-FUTURES"):
        arg = {"instType": name, "channel": "fill", "instId": "default"}
        assert said(protocol) == [{"op": "subscribe", "args": [arg]}]
        assert hear(protocol, {"event": "subscribe", "arg": arg}) == []
    arg = {"instType": "COIN-FUTURES", "channel": "fill", "instId": "default"}
    assert said(protocol) == [{"op": "subscribe", "args": [arg]}]
    assert hear(protocol, {"event": "subscribe", "arg": arg}) == [Live(WHO)]


def test_only_wanted_products_are_subscribed():
    protocol = a_socket(products=(Product.INVERSE,))
    said(protocol)
    hear(protocol, {"event": "login", "code": "0"})
    assert [asked["args"][0]["instType"] for asked in said(protocol)] == ["COIN-FUTURES"]


def test_a_unified_account_subscribes_once():
    protocol = a_socket("unified")
    said(protocol)
    hear(protocol, {"event": "login", "code": 0})
    assert said(protocol) == [{"op": "subscribe", "args": [UNIFIED]}]
    assert hear(protocol, {"event": "subscribe", "arg": UNIFIED, "connId": "c"}) == [Live(WHO)]


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (30005, ExchangeUnavailable),
        (30011, KeyRejected),
        ("30012", KeyRejected),
        (30013, ClockWrong),
        (30014, ClockWrong),
        (30015, KeyRejected),
        (30016, ContractBroken),
        (30006, RateLimited),
        (30007, RateLimited),
        (40018, AddressNotAllowed),
        (40037, KeyRejected),
        (77777, ContractBroken),
    ],
)
def test_a_refused_sign_in_says_what_to_do(code, kind):
    protocol = a_socket()
    (refused,) = hear(protocol, {"event": "error", "code": code, "msg": "said"})
    assert isinstance(refused, Refused)
    assert type(refused.error) is kind
    assert protocol.outbox() == []


def test_a_sign_in_may_be_refused_in_its_own_answer():
    (refused,) = hear(a_socket(), {"event": "login", "code": 30015, "msg": "sign error"})
    assert type(refused.error) is KeyRejected


def test_a_refused_subscription_is_no_live_socket():
    protocol = a_socket("unified")
    hear(protocol, {"event": "login", "code": "0"})
    (refused,) = hear(protocol, {"event": "error", "code": 30001, "msg": "Channel does not exist"})
    assert "Channel does not exist" in refused.error.sentence


def test_an_error_out_of_the_blue_ends_the_socket():
    protocol = a_live_socket()
    (broken,) = hear(protocol, {"event": "error", "code": 30004, "msg": "User needs to log in"})
    assert isinstance(broken, Broken)


# ── Life ──────────────────────────────────────────────────────────────────────────────────────────────


def test_it_pings_in_plain_text_and_a_lively_socket_without_a_pong_is_dead():
    protocol = a_live_socket()
    assert protocol.tick(NOW + 25_000) == []
    assert said(protocol) == ["ping"]
    assert hear(protocol, "pong", NOW + 25_100) == []
    protocol.tick(NOW + 50_100)
    assert said(protocol) == ["ping"]
    told(protocol, SPOT, SPOT_ROW, now=NOW + 55_000)
    assert any(isinstance(event, Broken) for event in protocol.tick(NOW + 60_100))


def test_a_pong_may_come_as_bytes():
    protocol = a_live_socket()
    protocol.tick(NOW + 25_000)
    said(protocol)
    assert hear(protocol, b"pong", NOW + 25_100) == []
    assert not any(isinstance(event, Broken) for event in protocol.tick(NOW + 40_000))


def test_every_socket_has_a_successor_before_its_day_is_over():
    for stream in (*BITGET.streams, PRICES):
        assert stream.lifetime_ms == 23 * 3_600_000
        assert stream.connects.scope == "address"


# ── What is heard ─────────────────────────────────────────────────────────────────────────────────────


def test_a_spot_fill_is_heard_at_once_and_its_fee_is_asked_for_soon():
    protocol = a_live_socket()
    (heard,) = told(protocol, SPOT, SPOT_ROW)
    assert [trade.provisional for trade in heard.trades] == [True]
    (due,) = protocol.tick(NOW + 1_000)
    assert isinstance(due, HistoryDue)
    assert (due.product, due.market_id) == (Product.SPOT, "")


def test_a_unified_fill_needs_no_question():
    protocol = a_live_socket("unified")
    (heard,) = told(protocol, UNIFIED, UNIFIED_ROW)
    assert [trade.provisional for trade in heard.trades] == [False]
    assert protocol.tick(NOW + 5_000) == []


def test_products_that_nobody_asked_for_are_nobody_s_trouble():
    protocol = a_live_socket("unified", (Product.SPOT,))
    unwanted = {**UNIFIED_ROW, "category": "coin-futures", "symbol": "NEWUSD"}
    assert told(protocol, UNIFIED, unwanted) == []
    margin = {**UNIFIED_ROW, "category": "margin"}
    (heard,) = told(protocol, UNIFIED, unwanted, margin, {**UNIFIED_ROW, "category": "options"})
    assert [trade.product for trade in heard.trades] == [Product.MARGIN]
    assert len(heard.unreadable) == 1  # a category that nobody knows may be ours


def test_what_cannot_be_read_is_kept():
    (heard,) = hear(a_live_socket(), '{"action":"snapshot","arg":{"instType":"SPOT","chan')
    assert isinstance(heard, TradesHeard)
    assert heard.unreadable[0].raw.startswith('{"action"')
    (heard,) = told(a_live_socket(), FUTURES, {**SPOT_ROW, "symbol": "NOBODY"})
    assert len(heard.unreadable) == 1


# ── Prices ────────────────────────────────────────────────────────────────────────────────────────────


def prices(*symbols: str) -> Any:
    protocol = PRICES.protocol(MARKETS)
    protocol.follow(frozenset(symbols), NOW)
    protocol.open(NOW)
    return protocol


def ack(protocol: Any, asked: dict[str, Any]) -> None:
    for arg in asked["args"]:
        assert hear(protocol, {"event": asked["op"], "arg": arg}) == []


def test_each_market_is_asked_for_in_its_own_list():
    (asked,) = said(prices("BTC/USDT", "BTC/USDT:USDT", "BTC/USDC:USDC", "BTC/USD:BTC", "币安人生/USDT"))
    assert {(arg["instType"], arg["instId"]) for arg in asked["args"]} == {
        ("SPOT", "BTCUSDT"),
        ("USDT-FUTURES", "BTCUSDT"),
        ("USDC-FUTURES", "BTCPERP"),
        ("COIN-FUTURES", "BTCUSD"),
        ("SPOT", "币安人生USDT"),
    }
    assert {arg["channel"] for arg in asked["args"]} == {"ticker"}


def test_no_frame_holds_more_than_a_socket_bears():
    protocol = prices(*(f"C{n:02}/USDT" for n in range(30)))
    (first,) = said(protocol)
    ack(protocol, first)
    (second,) = said(protocol)
    assert sorted(len(asked["args"]) for asked in (first, second)) == [10, 20]


def test_a_refused_ticker_costs_no_other():
    protocol = prices("BTC/USDT", "BTC/USDT:USDT")
    (asked,) = said(protocol)
    refused, good = asked["args"]
    hear(protocol, {"event": "error", "arg": refused, "code": 30001, "msg": "doesn't exist"})
    hear(protocol, {"event": "subscribe", "arg": good})
    assert said(protocol) == []
    protocol.follow(frozenset(), NOW)
    assert said(protocol) == [{"op": "unsubscribe", "args": [good]}]


def test_a_ticker_is_told_by_list_and_id():
    protocol = prices("BTC/USDT:USDT", "BTC/USD:BTC")
    arg = {"instType": "USDT-FUTURES", "channel": "ticker", "instId": "BTCUSDT"}
    row = {"instId": "BTCUSDT", "lastPr": "64000.1", "bidPr": "64000", "askPr": "", "ts": str(NOW)}
    assert told(protocol, arg, row) == [
        TickerHeard(Ticker(symbol="BTC/USDT:USDT", last=Decimal("64000.1"), bid=Decimal(64000), timestamp_ms=NOW))
    ]
    assert told(protocol, {**arg, "instType": "SPOT"}, row) == []  # nobody follows that one
    assert told(protocol, arg, {**row, "ts": "soon"}) == []


def test_prices_need_pings_too():
    protocol = prices("BTC/USDT")
    said(protocol)
    hear(protocol, {"event": "subscribe", "arg": {"instType": "SPOT", "channel": "ticker", "instId": "BTCUSDT"}})
    protocol.tick(NOW + 25_000)
    assert said(protocol) == ["ping"]
    assert hear(protocol, "pong", NOW + 25_000) == []
    assert protocol.tick(NOW + 40_000) == []
