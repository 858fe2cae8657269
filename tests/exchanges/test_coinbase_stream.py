"""The sockets: orders that filled are reasons to read, tokens are fresh, losses are noticed, prices have two names."""

import base64
import json
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from shared.domain.connections import Account, Credentials
from shared.domain.errors import ContractBroken, KeyRejected
from shared.domain.markets import Market, Markets
from shared.domain.tickers import Ticker
from shared.domain.trades import Product
from shared.exchanges import load
from shared.exchanges.kit.contract import Broken, HistoryDue, Live, Refused, TickerHeard, TradesHeard

COINBASE = load("coinbase")
NOW = 1_795_190_400_000
ME = UUID(int=7)
MARKETS = Markets(
    [
        Market("BTC-USD", "BTC/USD", "spot", "BTC", "USD"),
        Market("BTC-USDC", "BTC/USDC", "spot", "BTC", "USDC"),
        Market("ETH-EUR", "ETH/EUR", "spot", "ETH", "EUR"),
        *(Market(f"C{n}-EUR", f"C{n}/EUR", "spot", f"C{n}", "EUR") for n in range(60)),
    ]
)
KEY = {field.name: field.example or "organizations/6f7a/apiKeys/1c2d" for field in COINBASE.credential_fields}


def a_stream(**key: str) -> Any:
    stream = COINBASE.streams[0].protocol(MARKETS)
    account = Account(connection_id=ME, exchange="coinbase", products=(Product.SPOT,))
    stream.join(account, Credentials(KEY | key), {}, NOW)
    stream.open(NOW)
    return stream


def sent(socket: Any) -> list[Any]:
    return [json.loads(frame) for frame in socket.outbox()]


def say(socket: Any, message: Any, now: int = NOW) -> Any:
    return socket.receive(json.dumps(message), now)


def told(channel: str, number: int, *events: Any) -> dict[str, Any]:
    return {"channel": channel, "timestamp": "2026-11-20T10:00:01.5Z", "sequence_num": number, "events": list(events)}


def an_order(order_id: str, fills: int, amount: str, status: str = "OPEN") -> dict[str, Any]:
    told = {"order_id": order_id, "product_id": "BTC-USD", "product_type": "SPOT", "status": status}
    return {**told, "number_of_fills": str(fills), "cumulative_quantity": amount}


def update(number: int, *orders: Any, kind: str = "update") -> dict[str, Any]:
    return told("user", number, {"type": kind, "orders": list(orders)})


def a_live_stream() -> Any:
    stream = a_stream()
    stream.outbox()
    say(stream, told("subscriptions", 0, {"subscriptions": {"user": ["u-1"]}}))
    return stream


def due(stream: Any, now: int) -> list[str | None]:
    return [event.order_id for event in stream.tick(now) if isinstance(event, HistoryDue)]


# Becoming live


def test_heartbeats_and_orders_of_all_markets_are_subscribed_each_with_a_token_of_its_own():
    first, second = sent(a_stream())
    assert (first["channel"], second["channel"]) == ("heartbeats", "user")
    assert first["jwt"] != second["jwt"]
    assert "product_ids" not in second
    claims = json.loads(base64.urlsafe_b64decode(second["jwt"].split(".")[1] + "=="))
    assert claims["nbf"] == NOW // 1000
    assert "uri" not in claims


def test_a_snapshot_before_the_confirmation_is_heard_and_confirms_nothing():
    stream = a_stream()
    assert say(stream, told("subscriptions", 0, {"subscriptions": {"heartbeats": ["heartbeats"]}})) == []
    assert say(stream, update(1, an_order("o-1", 1, "0.1"), kind="snapshot")) == []
    assert say(stream, told("subscriptions", 2, {"subscriptions": {"user": ["u-1"]}})) == [Live(ME)]
    assert due(stream, NOW + 400) == ["o-1"]


def test_a_refused_token_is_a_rejected_key_at_any_time():
    for stream in (a_stream(), a_live_stream()):
        ((refused),) = say(stream, {"type": "error", "message": "authentication failure"})
        assert isinstance(refused, Refused)
        assert isinstance(refused.error, KeyRejected)


def test_any_other_refusal_is_told_in_its_own_words():
    ((refused),) = say(a_stream(), {"type": "error", "message": "channel user is unknown"})
    assert isinstance(refused.error, ContractBroken)
    assert "channel user is unknown" in refused.error.sentence


def test_a_secret_that_is_no_key_is_rejected_before_anything_is_said():
    stream = a_stream(secret="plain")
    assert sent(stream) == []
    ((refused),) = stream.tick(NOW)
    assert isinstance(refused.error, KeyRejected)


# Orders


def test_an_order_is_looked_for_soon_and_again():
    stream = a_live_stream()
    assert say(stream, update(1, an_order("o-1", 1, "0.1"))) == []
    assert stream.deadline == NOW + 400
    assert due(stream, NOW + 399) == []
    assert due(stream, NOW + 400) == ["o-1"]
    assert [due(stream, NOW + later) for later in (1_500, 5_000)] == [[None], [None]]


@pytest.mark.parametrize(
    ("order", "is_due"),
    [
        (an_order("o-1", 1, "0.1"), False),
        (an_order("o-1", 2, "0.1"), True),
        (an_order("o-1", 1, "0.2"), True),
        (an_order("o-1", 1, "0.1", "CANCELLED"), True),
        (an_order("o-2", 0, "0", "CANCELLED"), False),
        (an_order("o-2", 0, "0"), False),
        (an_order("o-2", 1, ""), True),
    ],
)
def test_only_what_came_further_or_ended_with_a_fill_is_a_reason_to_read(order, is_due):
    stream = a_live_stream()
    say(stream, update(1, an_order("o-1", 1, "0.1")))
    assert due(stream, NOW + 400) == ["o-1"]
    say(stream, update(2, order), NOW + 500)
    assert (due(stream, NOW + 2_400) == [order["order_id"]]) is is_due


def test_an_order_that_cannot_be_read_is_kept_and_told():
    stream = a_live_stream()
    ((heard),) = say(stream, update(1, {"order_id": "o-1", "status": "OPEN"}))
    assert isinstance(heard, TradesHeard)
    assert heard.unreadable[0].raw == {"order_id": "o-1", "status": "OPEN"}


# Life and losses


@pytest.mark.parametrize(
    "numbers",
    [
        [("heartbeats", 1), ("user", 2), ("heartbeats", 3), ("user", 4)],  # all counted together
        [("heartbeats", 0), ("user", 0), ("heartbeats", 1), ("heartbeats", 2), ("user", 1)],  # each by itself
    ],
)
def test_numbers_without_a_gap_are_no_loss_however_they_are_counted(numbers):
    stream = a_live_stream()
    for channel, number in numbers:
        assert say(stream, told(channel, number)) == []


def test_a_gap_in_the_numbers_ends_the_socket():
    stream = a_live_stream()
    assert say(stream, told("heartbeats", 1)) == []
    assert say(stream, told("heartbeats", 3)) == [Broken("a message was lost on the way")]
    stream = a_live_stream()
    assert isinstance(say(stream, update(5, an_order("o-1", 1, "0.1")))[0], Broken)


def test_ten_seconds_without_a_heartbeat_are_death():
    stream = a_live_stream()
    say(stream, told("heartbeats", 1), NOW + 1_000)
    assert stream.tick(NOW + 10_999) == []
    assert isinstance(stream.tick(NOW + 11_000)[0], Broken)


# Prices


def a_price_socket(*symbols: str) -> Any:
    socket = COINBASE.ticker_streams[0].protocol(MARKETS)
    socket.follow(frozenset(symbols), NOW)
    socket.open(NOW)
    return socket


def a_price(market_id: str, **changes: str) -> dict[str, Any]:
    row = {"type": "ticker", "product_id": market_id, "price": "91000.5", "best_bid": "91000", "best_ask": "91001"}
    return told("ticker", 12, {"type": "update", "tickers": [row | changes]})


def test_a_market_in_usdc_has_the_price_that_is_told_by_its_other_name():
    socket = a_price_socket("BTC/USD", "BTC/USDC", "ETH/EUR")
    events = say(socket, a_price("BTC-USD"))
    assert events == [
        TickerHeard(
            Ticker(
                symbol=symbol,
                last=Decimal("91000.5"),
                bid=Decimal(91000),
                ask=Decimal(91001),
                timestamp_ms=1_795_168_801_500,
            )
        )
        for symbol in ("BTC/USD", "BTC/USDC")
    ]
    assert [event.ticker.symbol for event in say(a_price_socket("BTC/USDC"), a_price("BTC-USD"))] == ["BTC/USDC"]


def test_a_row_of_empty_texts_is_no_price():
    socket = a_price_socket("ETH/EUR")
    assert say(socket, a_price("ETH-EUR", price="", best_bid="", best_ask="")) == []
    ((event),) = say(socket, a_price("ETH-EUR", best_bid="", best_ask=""))
    assert (event.ticker.bid, event.ticker.ask) == (None, None)


def test_heartbeats_are_asked_for_once_after_the_first_markets():
    socket = a_price_socket(*(f"C{n}/EUR" for n in range(60)))
    first, second = sent(socket)
    assert (first["type"], first["channel"], len(first["product_ids"])) == ("subscribe", "ticker", 50)
    assert second == {"type": "subscribe", "channel": "heartbeats"}
    say(socket, told("subscriptions", 0, {"subscriptions": {"ticker": first["product_ids"]}}))
    (rest,) = sent(socket)
    assert len(rest["product_ids"]) == 10
    say(socket, told("subscriptions", 1, {"subscriptions": {"ticker": []}}))
    socket.follow(frozenset({"C1/EUR"}), NOW)
    (off,) = sent(socket)
    assert off["type"] == "unsubscribe"
    assert "C1-EUR" not in off["product_ids"]


def test_a_market_that_is_refused_does_not_cost_the_others():
    socket = a_price_socket("BTC/USD", "ETH/EUR")
    sent(socket)
    say(socket, {"type": "error", "message": "unknown product"})
    assert [frame["product_ids"] for frame in sent(socket)] == [["BTC-USD"]]
    say(socket, told("subscriptions", 0, {"subscriptions": {"ticker": ["BTC-USD"]}}))
    assert [frame["product_ids"] for frame in sent(socket)] == [["ETH-EUR"]]
