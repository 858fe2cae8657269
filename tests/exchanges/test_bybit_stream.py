"""The sockets: sign-in, subscriptions, heartbeats, trades, prices, and every way they can be refused."""

import base64
import hashlib
import hmac
import json
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from shared.domain.connections import Account, Credentials
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
)
from shared.domain.markets import Market, Markets
from shared.domain.tickers import Ticker
from shared.domain.trades import Product
from shared.exchanges import load
from shared.exchanges.kit.contract import Broken, Live, Refused, TickerHeard, TradesHeard

BYBIT = load("bybit")
NOW = 1_795_190_400_000
ME = UUID(int=7)
MARKETS = Markets(
    [
        Market("BTCUSDT", "BTC/USDT", "spot", "BTC", "USDT"),
        Market("ETHUSDT", "ETH/USDT", "spot", "ETH", "USDT"),
        Market("BTCUSDT", "BTC/USDT:USDT", "swap", "BTC", "USDT", "USDT", Decimal(1), linear=True, inverse=False),
        *(Market(f"C{n}USDT", f"C{n}/USDT", "spot", f"C{n}", "USDT") for n in range(25)),
    ]
)
SAMPLES = json.loads((Path(__file__).parent / "samples" / "bybit.json").read_text())
SPOT_FILLS = next(one["raw"] for one in SAMPLES if one["id"] == "spot-stream-two-fills")


def an_account(*products: Product, connection_id: UUID = ME) -> Account:
    return Account(connection_id=connection_id, exchange="bybit", products=products or (Product.SPOT, Product.LINEAR))


def a_stream(*products: Product, secret: str = "hush", is_open: bool = True) -> Any:
    stream = BYBIT.streams[0].protocol(MARKETS)
    stream.join(an_account(*products), Credentials({"api_key": "key", "secret": secret}), {}, NOW)
    if is_open:
        stream.open(NOW)
    return stream


def sent(socket: Any) -> list[Any]:
    return [json.loads(frame) for frame in socket.outbox()]


def say(socket: Any, message: Any, now: int = NOW) -> list[Any]:
    events: list[Any] = socket.receive(json.dumps(message), now)
    return events


def a_live_stream(*products: Product) -> Any:
    stream = a_stream(*products)
    stream.outbox()
    say(stream, {"success": True, "ret_msg": "", "op": "auth", "conn_id": "c"})
    stream.outbox()
    say(stream, {"success": True, "ret_msg": "", "conn_id": "c", "req_id": "a2", "op": "subscribe"})
    return stream


# Signing in


def test_the_sign_in_is_signed_over_the_moment_it_expires():
    (message,) = sent(a_stream())
    expires = NOW + 10_000
    signature = hmac.new(b"hush", f"GET/realtime{expires}".encode(), hashlib.sha256).hexdigest()
    assert message["op"] == "auth"
    assert message["args"] == ["key", expires, signature]


def test_a_key_with_its_own_key_pair_signs_in_too():
    private = rsa.generate_private_key(65537, 2048)
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    (message,) = sent(a_stream(secret=pem))
    private.public_key().verify(
        base64.b64decode(message["args"][2]),
        f"GET/realtime{message['args'][1]}".encode(),
        padding.PKCS1v15(),
        hashes.SHA256(),
    )


def test_a_private_key_that_cannot_be_read_is_refused_at_once():
    stream = a_stream(secret="-----BEGIN PRIVATE KEY-----\nxx\n-----END PRIVATE KEY-----\n")
    assert sent(stream) == []
    assert stream.deadline <= NOW
    ((refused),) = stream.tick(NOW)
    assert isinstance(refused.error, KeyRejected)
    assert stream.tick(NOW) == []


@pytest.mark.parametrize(
    "answer",
    [
        {"success": True, "ret_msg": "", "op": "auth", "conn_id": "c", "req_id": "auth"},
        {"retCode": 0, "retMsg": "OK", "op": "auth", "connId": "c"},
    ],
)
def test_executions_are_subscribed_only_after_the_sign_in_was_accepted(answer):
    stream = a_stream()
    stream.outbox()
    assert say(stream, answer) == []
    (message,) = sent(stream)
    assert (message["op"], message["args"]) == ("subscribe", ["execution"])
    assert say(stream, {"success": True, "ret_msg": "", "req_id": message["req_id"], "op": "subscribe"}) == [Live(ME)]
    assert say(stream, {"success": True, "op": "subscribe"}) == []


def test_a_subscription_confirmed_before_the_sign_in_means_nothing():
    stream = a_stream()
    stream.outbox()
    assert say(stream, {"success": True, "op": "subscribe"}) == []
    assert sent(stream) == []
    assert say(stream, {"success": True, "op": "auth"}) == []
    assert [message["op"] for message in sent(stream)] == ["subscribe"]


def test_whoever_joins_after_the_socket_opened_signs_in_then():
    stream = BYBIT.streams[0].protocol(MARKETS)
    stream.open(NOW)
    assert sent(stream) == []
    stream.join(an_account(), Credentials({"api_key": "key", "secret": "hush"}), {}, NOW + 5)
    assert sent(stream)[0]["args"][1] == NOW + 10_005


def test_one_socket_carries_one_account():
    stream = a_stream()
    with pytest.raises(ValueError, match="one account"):
        stream.join(an_account(connection_id=UUID(int=8)), Credentials({}), {}, NOW)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ({"success": False, "ret_msg": "error:USVC1111", "op": "auth"}, KeyRejected),
        ({"success": False, "ret_msg": "error:USVC1111", "request": {"op": "auth", "args": []}}, KeyRejected),
        ({"retCode": 10003, "retMsg": "API key is invalid.", "op": "auth", "connId": "c"}, KeyRejected),
        ({"retCode": 10004, "retMsg": "error sign!", "op": "auth", "connId": "c"}, KeyRejected),
        ({"success": False, "ret_msg": "10003: API key is invalid", "op": "auth"}, KeyRejected),
        ({"success": False, "ret_msg": "Your api key has expired", "op": "auth"}, KeyRejected),
        ({"ret_code": 33004, "ret_msg": "Your api key has expired", "op": "auth"}, KeyRejected),
        ({"success": False, "ret_msg": "Unmatched IP, please check the IP whitelist", "op": "auth"}, AddressNotAllowed),
        ({"retCode": 10010, "retMsg": "Unmatched IP", "op": "auth"}, AddressNotAllowed),
        ({"retCode": 10005, "retMsg": "Permission denied", "op": "auth"}, PermissionMissing),
        ({"success": False, "ret_msg": "Permission denied for this key", "op": "auth"}, PermissionMissing),
        ({"success": False, "ret_msg": "Params Error: expires is past", "op": "auth"}, ClockWrong),
        ({"code": "10002", "desc": "Invalid period!", "op": "auth"}, ClockWrong),
        ({"retCode": 10024, "retMsg": "compliance", "op": "auth"}, RegionNotAllowed),
        ({"retCode": 10028, "retMsg": "unified only", "op": "auth"}, AccountModeChanged),
        ({"retCode": 10006, "retMsg": "Too many visits", "op": "auth"}, RateLimited),
        ({"retCode": 10016, "retMsg": "server error", "op": "auth"}, ExchangeUnavailable),
        ({"success": False, "ret_msg": "try again later", "op": "auth"}, ExchangeUnavailable),
        ({"success": False, "op": "auth"}, ExchangeUnavailable),
        ({"success": False, "ret_msg": "error:USVC1111", "req_id": "auth"}, KeyRejected),
        ({"retCode": 10003, "retMsg": "API key is invalid.", "reqId": "auth"}, KeyRejected),
        ({"success": False, "ret_msg": "error:USVC1111", "conn_id": "c"}, KeyRejected),
        ({"code": "-10009", "desc": "Invalid period!"}, ClockWrong),
        ({"retCode": 20001, "retMsg": "words", "op": "auth"}, ContractBroken),
        ({"retCode": "10004", "retMsg": "words", "op": "auth"}, KeyRejected),
    ],
)
def test_a_refused_sign_in_says_why_and_ends_the_stream(answer, kind):
    stream = a_stream()
    stream.outbox()
    (refused,) = say(stream, answer)
    assert isinstance(refused, Refused)
    assert refused.connection_id == ME
    assert type(refused.error) is kind
    assert say(stream, SPOT_FILLS) == []
    assert stream.tick(NOW + 100_000) == []


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ({"success": False, "ret_msg": "Invalid topic: execution", "op": "subscribe"}, ContractBroken),
        ({"retCode": 10005, "retMsg": "denied", "op": "subscribe"}, PermissionMissing),
    ],
)
def test_a_refused_subscription_says_why(answer, kind):
    stream = a_stream()
    say(stream, {"success": True, "op": "auth"})
    (refused,) = say(stream, answer)
    assert type(refused.error) is kind


def test_a_failure_that_names_nothing_is_the_answer_that_is_due():
    stream = a_stream()
    say(stream, {"success": True, "op": "auth"})
    (refused,) = say(stream, {"success": False, "ret_msg": "Invalid topic: execution"})
    assert type(refused.error) is ContractBroken
    assert say(a_live_stream(), {"success": False, "ret_msg": "something else"}) == []


def test_a_sign_in_that_is_taken_back_later_is_heard():
    (refused,) = say(a_live_stream(), {"success": False, "ret_msg": "API key is invalid", "op": "auth"})
    assert type(refused.error) is KeyRejected


def test_silence_after_the_sign_in_or_subscription_is_not_waited_for_for_ever():
    stream = a_stream()
    assert stream.deadline == NOW + 10_000
    assert [type(event) for event in stream.tick(NOW + 10_000)] == [Broken]
    stream = a_stream()
    say(stream, {"success": True, "op": "auth"}, NOW + 9_000)
    assert stream.tick(NOW + 10_000) == []
    assert [type(event) for event in stream.tick(NOW + 19_000)] == [Broken]


# Staying alive


def test_a_ping_goes_out_every_twenty_seconds_and_both_shapes_of_pong_are_life():
    stream = a_live_stream()
    now = NOW
    for pong in (
        {"req_id": "h", "op": "pong", "args": ["1795190412000"], "conn_id": "c"},
        {"success": True, "ret_msg": "pong", "conn_id": "c", "op": "ping"},
        {"req_id": "h", "retCode": 0, "retMsg": "OK", "op": "pong", "data": ["1795190412000"]},
    ):
        now += 20_000
        assert stream.deadline == now
        assert stream.tick(now - 1) == []
        assert sent(stream) == []
        assert stream.tick(now) == []
        assert [message["op"] for message in sent(stream)] == ["ping"]
        assert say(stream, pong, now + 50) == []
    assert isinstance(stream.deadline, int)


def test_a_socket_that_does_not_answer_a_ping_is_dead():
    stream = a_live_stream()
    stream.tick(NOW + 20_000)
    assert stream.deadline == NOW + 30_000
    assert stream.tick(NOW + 29_999) == []
    assert [type(event) for event in stream.tick(NOW + 30_000)] == [Broken]
    assert say(stream, SPOT_FILLS) == []


# Hearing


def test_several_executions_of_one_message_are_heard_in_order():
    (heard,) = say(a_live_stream(), SPOT_FILLS)
    assert isinstance(heard, TradesHeard)
    assert heard.connection_id == ME
    assert [trade.exchange_trade_id[-3:] for trade in heard.trades] == ["464", "465"]
    assert not any(trade.provisional for trade in heard.trades)


def test_the_first_executions_may_come_before_the_subscription_is_confirmed():
    stream = a_stream()
    say(stream, {"success": True, "op": "auth"})
    assert len(say(stream, SPOT_FILLS)[0].trades) == 2


def test_products_that_are_not_wanted_are_not_kept():
    assert say(a_live_stream(Product.LINEAR), SPOT_FILLS) == []
    option = {**SPOT_FILLS["data"][0], "category": "option", "symbol": "BTC-26DEC26-90000-C"}
    assert say(a_live_stream(), {**SPOT_FILLS, "data": [option]}) == []


def test_a_row_that_cannot_be_read_is_handed_on_with_the_good_ones():
    bad = {**SPOT_FILLS["data"][0], "execType": "CosmicRay"}
    (heard,) = say(a_live_stream(), {**SPOT_FILLS, "data": [bad, SPOT_FILLS["data"][1]]})
    assert (len(heard.trades), len(heard.unreadable)) == (1, 1)
    assert "execType" in heard.unreadable[0].reason


@pytest.mark.parametrize(
    "frame",
    ['{"topic":"execution","data":[{"categ', b"\x00\x01", "7", '{"topic":"execution","data":null}', "<html>"],
)
def test_a_frame_that_cannot_be_read_is_kept(frame):
    (heard,) = a_live_stream().receive(frame, NOW)
    assert len(heard.unreadable) == 1


def test_a_funding_payment_and_other_topics_are_no_events():
    stream = a_live_stream()
    funding = {**SPOT_FILLS["data"][0], "category": "linear", "execType": "Funding"}
    assert say(stream, {**SPOT_FILLS, "data": [funding]}) == []
    assert say(stream, {"topic": "wallet", "data": []}) == []
    assert say(stream, {"op": "order.create", "retCode": 170131, "retMsg": "no"}) == []


def test_who_left_hears_nothing_more():
    stream = a_live_stream()
    stream.leave(UUID(int=99), NOW)
    assert say(stream, SPOT_FILLS) != []
    stream.leave(ME, NOW)
    assert say(stream, SPOT_FILLS) == []
    assert stream.tick(NOW + 60_000) == []


def test_the_sockets_of_each_region():
    stream = BYBIT.streams[0]
    assert {region: stream.url(region, {}) for region in ("global", "nl", "eu", "tr", "testnet", "demo")} == {
        "global": "wss://stream.bybit.com/v5/private",
        "nl": "wss://stream.bybit.com/v5/private",
        "eu": "wss://stream.bybit.eu/v5/private",
        "tr": "wss://stream.bybit.tr/v5/private",
        "testnet": "wss://stream-testnet.bybit.com/v5/private",
        "demo": "wss://stream-demo.bybit.com/v5/private",
    }
    prices = {ticker.products[0]: ticker for ticker in BYBIT.ticker_streams}
    assert prices[Product.SPOT].url("demo", {}) == "wss://stream.bybit.com/v5/public/spot"
    assert prices[Product.LINEAR].url("testnet", {}) == "wss://stream-testnet.bybit.com/v5/public/linear"
    assert stream.serves(an_account())
    assert stream.accounts_per_socket == 1


# Prices


def prices_of(product: Product = Product.SPOT, *symbols: str) -> Any:
    stream = next(ticker for ticker in BYBIT.ticker_streams if product in ticker.products)
    socket = stream.protocol(MARKETS)
    socket.follow(frozenset(symbols), NOW)
    socket.open(NOW)
    return socket


def yes(operation: str = "subscribe") -> dict[str, Any]:
    return {"success": True, "ret_msg": operation, "op": operation, "conn_id": "c"}


NO = {"success": False, "ret_msg": "Invalid symbol :[NOPE]", "op": "subscribe", "conn_id": "c"}


def settle(socket: Any, unknown: frozenset[str] = frozenset()) -> list[Any]:
    """Answers every request until the socket is content; what it asked."""
    asked = []
    while messages := sent(socket):
        for message in messages:
            asked.append((message["op"], [topic.removeprefix("tickers.") for topic in message["args"]]))
            refused = unknown & set(asked[-1][1])
            say(socket, NO if refused else yes(message["op"]))
    return asked


def spot_ticker(symbol: str, last: str, moment: int = NOW) -> dict[str, Any]:
    data = {"symbol": symbol, "lastPrice": last, "highPrice24h": "1", "prevPrice24h": "2", "usdIndexPrice": "3"}
    return {"topic": f"tickers.{symbol}", "ts": moment, "type": "snapshot", "cs": 24987956059, "data": data}


def test_nothing_is_sent_before_the_socket_is_open():
    stream = BYBIT.ticker_streams[0].protocol(MARKETS)
    stream.follow(frozenset({"BTC/USDT"}), NOW)
    assert sent(stream) == []


def test_symbols_of_other_products_and_unknown_ones_are_not_followed():
    socket = prices_of(Product.SPOT, "BTC/USDT", "BTC/USDT:USDT", "NOPE/USDT")
    assert settle(socket) == [("subscribe", ["BTCUSDT"])]
    assert settle(prices_of(Product.LINEAR, "BTC/USDT", "BTC/USDT:USDT")) == [("subscribe", ["BTCUSDT"])]
    assert settle(prices_of(Product.INVERSE, "BTC/USDT")) == []


def test_at_most_ten_symbols_go_into_one_request_and_one_request_waits_for_its_answer():
    socket = prices_of(Product.SPOT, *(f"C{n}/USDT" for n in range(25)))
    (first,) = sent(socket)
    assert len(first["args"]) == 10
    assert sent(socket) == []
    say(socket, yes())
    assert [len(ids) for _, ids in settle(socket)] == [10, 5]


def test_what_is_followed_changes_while_it_runs():
    socket = prices_of(Product.SPOT, "BTC/USDT", "C1/USDT")
    settle(socket)
    socket.follow(frozenset({"C1/USDT", "ETH/USDT"}), NOW)
    assert settle(socket) == [("unsubscribe", ["BTCUSDT"]), ("subscribe", ["ETHUSDT"])]
    assert say(socket, spot_ticker("BTCUSDT", "64000")) == []
    socket.follow(frozenset({"C1/USDT", "ETH/USDT"}), NOW)
    assert settle(socket) == []
    socket.follow(frozenset({"BTC/USDT", "C1/USDT", "ETH/USDT"}), NOW)
    assert settle(socket) == [("subscribe", ["BTCUSDT"])]


def test_a_wish_that_changes_while_an_answer_is_due_is_met_afterwards():
    socket = prices_of(Product.SPOT, "BTC/USDT")
    socket.follow(frozenset({"ETH/USDT"}), NOW)
    assert settle(socket) == [
        ("subscribe", ["BTCUSDT"]),
        ("unsubscribe", ["BTCUSDT"]),
        ("subscribe", ["ETHUSDT"]),
    ]


def test_an_unknown_symbol_does_not_take_its_neighbours_along():
    socket = prices_of(Product.SPOT, "BTC/USDT", "C1/USDT", "ETH/USDT")
    asked = settle(socket, frozenset({"C1USDT"}))
    assert asked[0] == ("subscribe", ["BTCUSDT", "C1USDT", "ETHUSDT"])
    assert asked[1:] == [
        ("subscribe", names) for names in (["BTCUSDT"], ["C1USDT", "ETHUSDT"], ["C1USDT"], ["ETHUSDT"])
    ]
    socket.follow(frozenset({"BTC/USDT", "C1/USDT", "ETH/USDT", "C2/USDT"}), NOW)
    assert settle(socket) == [("subscribe", ["C2USDT"])]


def test_a_spot_price_has_no_bid_and_ask():
    socket = prices_of(Product.SPOT, "BTC/USDT")
    settle(socket)
    assert say(socket, spot_ticker("BTCUSDT", "64000.5")) == [
        TickerHeard(Ticker(symbol="BTC/USDT", last=Decimal("64000.5"), timestamp_ms=NOW))
    ]


def linear_ticker(kind: str, moment: int = NOW, **data: str) -> dict[str, Any]:
    return {"topic": "tickers.BTCUSDT", "type": kind, "ts": moment, "data": {"symbol": "BTCUSDT", **data}}


def test_a_change_is_told_on_top_of_what_was_known():
    socket = prices_of(Product.LINEAR, "BTC/USDT:USDT")
    settle(socket)
    say(socket, linear_ticker("snapshot", lastPrice="64000", bid1Price="63999", ask1Price="64001", markPrice="1"))
    (heard,) = say(socket, linear_ticker("delta", NOW + 100, bid1Price="63999.5"))
    assert heard.ticker == Ticker(
        symbol="BTC/USDT:USDT",
        last=Decimal(64000),
        bid=Decimal("63999.5"),
        ask=Decimal(64001),
        timestamp_ms=NOW + 100,
    )
    (heard,) = say(socket, linear_ticker("snapshot", NOW + 200, lastPrice="65000"))
    assert (heard.ticker.last, heard.ticker.bid, heard.ticker.ask) == (Decimal(65000), None, None)


def test_a_change_of_something_unknown_is_not_believed():
    socket = prices_of(Product.LINEAR, "BTC/USDT:USDT")
    assert say(socket, linear_ticker("delta", bid1Price="1")) == []
    say(socket, linear_ticker("snapshot", lastPrice="64000"))
    socket.follow(frozenset(), NOW)
    settle(socket)
    socket.follow(frozenset({"BTC/USDT:USDT"}), NOW)
    settle(socket)
    assert say(socket, linear_ticker("delta", lastPrice="1")) == []


@pytest.mark.parametrize(
    "frame",
    [
        "{",
        "[]",
        '{"topic":"tickers.BTCUSDT","ts":1795190413000,"type":"snapshot","data":{"lastPrice":"much"}}',
        '{"topic":"tickers.BTCUSDT","ts":"soon","type":"snapshot","data":{"lastPrice":"1"}}',
        '{"topic":"tickers.BTCUSDT","ts":1795190413000,"type":"snapshot","data":[]}',
        '{"topic":"orderbook.1.BTCUSDT","data":{}}',
    ],
)
def test_a_price_that_cannot_be_read_is_left_out(frame):
    socket = prices_of(Product.SPOT, "BTC/USDT")
    assert socket.receive(frame, NOW) == []
    settle(socket)
    assert len(say(socket, spot_ticker("BTCUSDT", "64000"))) == 1


def test_a_price_socket_pings_and_is_dropped_when_nothing_answers():
    socket = prices_of(Product.SPOT, "BTC/USDT")
    settle(socket)
    assert socket.deadline == NOW + 20_000
    assert socket.tick(NOW + 20_000) == []
    assert [message["op"] for message in sent(socket)] == ["ping"]
    say(socket, {"success": True, "ret_msg": "pong", "op": "ping", "conn_id": "c"}, NOW + 20_001)
    assert socket.tick(NOW + 30_000) == []
    socket.tick(NOW + 40_000)
    assert [type(event) for event in socket.tick(NOW + 50_000)] == [Broken]


def test_a_subscription_that_is_never_answered_ends_the_price_socket():
    socket = prices_of(Product.SPOT, "BTC/USDT")
    assert socket.deadline == NOW + 10_000
    assert socket.tick(NOW + 9_999) == []
    assert [type(event) for event in socket.tick(NOW + 10_000)] == [Broken]
