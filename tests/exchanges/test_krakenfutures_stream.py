"""The sockets: challenge, subscription, numbered fills, whose ids are kept, prices, and how they are refused."""

import base64
import hashlib
import hmac
import json
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from shared.domain.connections import Account, Credentials
from shared.domain.errors import ExchangeUnavailable, KeyRejected, PermissionMissing
from shared.domain.tickers import Ticker
from shared.exchanges import load
from shared.exchanges.kit.contract import Answer, Broken, HistoryDue, Live, Refused, TickerHeard, TradesHeard
from tests.exchanges.messages import markets_of

FUTURES = load("krakenfutures")
NOW = 1_795_190_400_000
ME = UUID(int=7)
SAMPLES = json.loads((Path(__file__).parent / "samples" / "krakenfutures.json").read_text())
MARKETS = markets_of(SAMPLES[0])
FILL = next(one["raw"]["fills"][0] for one in SAMPLES if one["id"] == "stream-buy-taker")
CHALLENGE = "226aee50-88fc-4618-a42a-34f7709570b2"
PONG = {"event": "pong"}


def say(socket: Any, message: Any, now: int = NOW) -> list[Any]:
    events: list[Any] = socket.receive(json.dumps(message), now)
    return events


def sent(socket: Any) -> list[Any]:
    return [json.loads(frame) for frame in socket.outbox()]


def a_stream(secret: str = "aHVzaA==", **details: Any) -> Any:
    account = Account(connection_id=ME, exchange="krakenfutures", products=FUTURES.products, details=details)
    stream = FUTURES.streams[0].protocol(MARKETS)
    stream.join(account, Credentials({"api_key": "key", "secret": secret}), {}, NOW)
    stream.open(NOW)
    return stream


def a_live_stream(**details: Any) -> Any:
    stream = a_stream(**details)
    sent(stream)
    say(stream, {"event": "info", "version": 1})
    say(stream, {"event": "challenge", "message": CHALLENGE})
    sent(stream)
    assert say(stream, {"event": "subscribed", "feed": "fills"}) == [Live(ME)]
    return stream


def fills(*numbers: int, feed: str = "fills") -> dict[str, Any]:
    return {"feed": feed, "fills": [{**FILL, "seq": number, "fill_id": f"F{number}"} for number in numbers]}


def test_the_challenge_is_signed_with_the_decoded_secret():
    stream = a_stream()
    assert sent(stream) == [{"event": "challenge", "api_key": "key"}]
    say(stream, {"event": "challenge", "message": CHALLENGE})
    digest = hashlib.sha256(CHALLENGE.encode()).digest()
    assert sent(stream) == [
        {
            "event": "subscribe",
            "feed": "fills",
            "api_key": "key",
            "original_challenge": CHALLENGE,
            "signed_challenge": base64.b64encode(hmac.new(b"hush", digest, hashlib.sha512).digest()).decode(),
        }
    ]


def test_a_secret_that_is_not_base64_is_refused_by_us():
    stream = a_stream("not base64!")
    say(stream, {"event": "challenge", "message": CHALLENGE})
    (refused,) = stream.tick(NOW)
    assert isinstance(refused.error, KeyRejected)
    assert "not base64!" not in refused.error.sentence


def test_a_refusal_says_nothing_so_it_is_tried_again():
    stream = a_stream()
    say(stream, {"event": "challenge", "message": CHALLENGE})
    (refused,) = say(stream, {"event": "alert", "message": "Failed to subscribe to authenticated feed"})
    assert isinstance(refused, Refused)
    assert type(refused.error) is ExchangeUnavailable


def test_the_key_is_tried_over_rest_before_a_socket_is_opened():
    account = Account(connection_id=ME, exchange="krakenfutures", products=FUTURES.products)

    def prepared(general: str) -> None:
        steps = FUTURES.streams[0].prepare(account)
        assert next(steps).endpoint.path == "/api/auth/v1/api-keys/v3/check"
        steps.send(Answer({"permissions": {"general": general}}))

    with pytest.raises(StopIteration):
        prepared("READ_ONLY")
    with pytest.raises(PermissionMissing):
        prepared("NO_ACCESS")


def test_fills_are_kept_where_history_names_them_alike():
    (heard,) = say(a_live_stream(one_id=True), fills(5, 6))
    assert isinstance(heard, TradesHeard)
    assert [trade.exchange_trade_id for trade in heard.trades] == ["F5", "F6"]
    assert not heard.trades[0].provisional


@pytest.mark.parametrize("details", [{}, {"one_id": False}])
def test_where_that_is_not_known_history_is_asked_for_the_order(details):
    stream = a_live_stream(**details)
    assert say(stream, fills(5)) == []
    (due,) = stream.tick(stream.deadline)
    assert isinstance(due, HistoryDue)
    assert due.order_id == FILL["order_id"]


def test_the_snapshot_is_left_to_history():
    assert say(a_live_stream(one_id=True), fills(1, 2, feed="fills_snapshot")) == []


def test_a_fill_that_does_not_come_breaks_the_socket():
    stream = a_live_stream(one_id=True)
    say(stream, fills(5))
    assert [type(event) for event in say(stream, fills(7))] == [TradesHeard]
    assert say(stream, PONG, NOW + 1_000) == []
    assert [type(event) for event in say(stream, PONG, NOW + 2_000)] == [Broken]


def test_it_pings_well_within_a_minute_and_a_silent_socket_is_dead():
    stream = a_live_stream()
    assert stream.tick(NOW + 10_000) == []
    assert sent(stream) == [{"event": "ping"}]
    assert [type(event) for event in stream.tick(NOW + 20_000)] == [Broken]


def test_prices_of_both_kinds_of_contracts_come_over_one_socket():
    socket = FUTURES.ticker_streams[0].protocol(MARKETS)
    socket.follow(frozenset({"BTC/USD:USD", "BTC/USD:BTC"}), NOW)
    socket.open(NOW)
    assert sent(socket) == [{"event": "subscribe", "feed": "ticker", "product_ids": ["PF_XBTUSD", "PI_XBTUSD"]}]
    say(socket, {"event": "subscribed", "feed": "ticker", "product_ids": ["PF_XBTUSD", "PI_XBTUSD"]})
    row = {"feed": "ticker", "product_id": "PI_XBTUSD", "time": NOW, "last": 64000.5, "bid": 64000, "ask": 64001}
    assert say(socket, row) == [
        TickerHeard(
            Ticker(
                symbol="BTC/USD:BTC",
                last=Decimal("64000.5"),
                bid=Decimal(64000),
                ask=Decimal(64001),
                timestamp_ms=NOW,
            )
        )
    ]


def test_a_refused_price_is_looked_for_by_halves():
    socket = FUTURES.ticker_streams[0].protocol(MARKETS)
    socket.follow(frozenset({"BTC/USD:USD", "BTC/USD:BTC"}), NOW)
    socket.open(NOW)
    sent(socket)
    say(socket, {"event": "alert", "message": "Invalid product id"})
    assert sent(socket)[0]["product_ids"] == ["PF_XBTUSD"]
    say(socket, {"event": "alert", "message": "Invalid product id"})
    assert sent(socket)[0]["product_ids"] == ["PI_XBTUSD"]
    say(socket, {"event": "subscribed", "feed": "ticker", "product_ids": ["PI_XBTUSD"]})
    assert sent(socket) == []
