"""The sockets: a signed subscription to all markets, refusals by their words, heartbeats, prices."""

import base64
import hashlib
import hmac
import json
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from shared.domain.connections import Account, Credentials
from shared.domain.errors import AddressNotAllowed, ContractBroken, KeyRejected
from shared.domain.markets import Market, Markets
from shared.domain.tickers import Ticker
from shared.domain.trades import Product
from shared.exchanges import load
from shared.exchanges.kit.contract import Broken, HistoryDue, Live, Refused, TickerHeard, TradesHeard

EXCHANGE = load("coinbaseexchange")
NOW = 1_795_190_400_500
ME = UUID(int=7)
MARKETS = Markets(
    [
        Market("ETH-EUR", "ETH/EUR", "spot", "ETH", "EUR"),
        Market("BTC-USD", "BTC/USD", "spot", "BTC", "USD", active=True),
        Market("OLD-USD", "OLD/USD", "spot", "OLD", "USD", active=False),
    ]
)
SECRET = base64.b64encode(b"hush").decode()
MATCH = {
    "type": "match",
    "trade_id": 9,
    "maker_order_id": "a",
    "taker_order_id": "b",
    "time": "2026-11-20T10:00:00.027459Z",
    "product_id": "BTC-USD",
    "size": "0.01",
    "price": "91000",
    "side": "sell",
    "taker_profile_id": "p-1",
    "taker_fee_rate": "0.005",
}
CONFIRMED = {"type": "subscriptions", "channels": [{"name": "user", "product_ids": ["BTC-USD", "ETH-EUR"]}]}


def a_stream(secret: str = SECRET) -> Any:
    stream = EXCHANGE.streams[0].protocol(MARKETS)
    account = Account(connection_id=ME, exchange="coinbaseexchange", products=(Product.SPOT,), uid="p-1")
    stream.join(account, Credentials({"api_key": "key", "secret": secret, "passphrase": "word"}), {}, NOW)
    stream.open(NOW)
    return stream


def sent(socket: Any) -> list[Any]:
    return [json.loads(frame) for frame in socket.outbox()]


def say(socket: Any, message: Any, now: int = NOW) -> Any:
    return socket.receive(json.dumps(message), now)


def a_live_stream() -> Any:
    stream = a_stream()
    sent(stream)
    assert say(stream, CONFIRMED) == [Live(ME)]
    return stream


def test_all_markets_that_trade_are_subscribed_with_a_signature():
    user, heartbeat = sent(a_stream())
    signature = hmac.new(b"hush", b"1795190400GET/users/self/verify", hashlib.sha256).digest()
    assert user == {
        "type": "subscribe",
        "channels": ["user"],
        "product_ids": ["BTC-USD", "ETH-EUR"],
        "key": "key",
        "passphrase": "word",
        "timestamp": "1795190400",
        "signature": base64.b64encode(signature).decode(),
    }
    assert heartbeat == {"type": "subscribe", "channels": ["heartbeat"], "product_ids": ["BTC-USD"]}


def test_a_secret_that_is_not_in_base64_is_rejected_before_anything_is_said():
    stream = a_stream(secret="plain!")
    assert sent(stream) == []
    ((refused),) = stream.tick(NOW)
    assert isinstance(refused.error, KeyRejected)


def test_only_a_confirmation_that_names_the_channel_counts():
    stream = a_stream()
    assert say(stream, {"type": "subscriptions", "channels": [{"name": "heartbeat"}]}) == []
    assert say(stream, CONFIRMED) == [Live(ME)]
    assert say(stream, CONFIRMED) == []


@pytest.mark.parametrize(
    ("message", "reason", "kind"),
    [
        ("Authentication Failed", '{"message":"Invalid API Key"}', KeyRejected),
        ("Authentication Failed", "", KeyRejected),
        ("Authentication Failed", "IP does not match IP whitelist", AddressNotAllowed),
        ("Failed to subscribe", "too many subscriptions", ContractBroken),
    ],
)
def test_a_refusal_is_told_by_its_words_at_any_time(message, reason, kind):
    for stream in (a_stream(), a_live_stream()):
        ((refused),) = say(stream, {"type": "error", "message": message, "reason": reason})
        assert isinstance(refused, Refused)
        assert isinstance(refused.error, kind)


def test_a_market_that_is_gone_does_not_cost_the_others():
    stream = a_stream()
    sent(stream)
    gone = {"type": "error", "message": "Failed to subscribe", "reason": "BTC-USD is not a valid product"}
    assert say(stream, gone) == []
    user, heartbeat = sent(stream)
    assert user["product_ids"] == heartbeat["product_ids"] == ["ETH-EUR"]
    assert "signature" in user
    assert say(stream, gone) == []  # the heartbeat's own refusal
    assert sent(stream) == []
    assert say(stream, CONFIRMED) == [Live(ME)]


def test_a_match_is_heard_at_once_and_its_market_read_for_the_fee():
    stream = a_live_stream()
    ((heard),) = say(stream, MATCH)
    assert isinstance(heard, TradesHeard)
    assert [trade.provisional for trade in heard.trades] == [True]
    assert stream.tick(stream.deadline) == [HistoryDue(ME, Product.SPOT, "BTC-USD", None, "a fill is incomplete")]


def test_a_match_of_another_profile_is_left_to_that_profiles_own_key():
    stream = a_live_stream()
    assert say(stream, {**MATCH, "profile_id": "p-2"}) == []
    assert len(say(stream, {**MATCH, "profile_id": "p-1"})) == 1


def test_a_match_of_an_unknown_market_is_kept_and_told():
    ((heard),) = say(a_live_stream(), {**MATCH, "product_id": "NEW-USD"})
    assert heard.trades == ()
    assert heard.unreadable[0].raw["product_id"] == "NEW-USD"


def test_ten_seconds_without_a_heartbeat_are_death():
    stream = a_live_stream()
    say(stream, {"type": "heartbeat", "product_id": "BTC-USD"}, NOW + 1_000)
    assert stream.tick(NOW + 10_999) == []
    assert isinstance(stream.tick(NOW + 11_000)[0], Broken)


def test_both_worlds_have_sockets():
    (stream,), (prices,) = EXCHANGE.streams, EXCHANGE.ticker_streams
    for region, address in (
        ("global", "wss://ws-feed.exchange.coinbase.com"),
        ("sandbox", "wss://ws-feed-public.sandbox.exchange.coinbase.com"),
    ):
        assert (stream.url(region, {}), prices.url(region, {})) == (address, address)


def test_prices_are_read_and_a_refused_market_does_not_cost_the_others():
    socket = EXCHANGE.ticker_streams[0].protocol(MARKETS)
    socket.follow(frozenset({"BTC/USD", "ETH/EUR"}), NOW)
    socket.open(NOW)
    first, heartbeat = sent(socket)
    assert (first["channels"], first["product_ids"]) == (["ticker"], ["BTC-USD", "ETH-EUR"])
    assert heartbeat["channels"] == ["heartbeat"]
    say(socket, {"type": "error", "message": "Failed to subscribe", "reason": "ETH-EUR is not a valid product"})
    assert [frame["product_ids"] for frame in sent(socket)] == [["BTC-USD"]]
    say(socket, {"type": "subscriptions", "channels": []})
    assert [frame["product_ids"] for frame in sent(socket)] == [["ETH-EUR"]]
    row = {"type": "ticker", "product_id": "BTC-USD", "price": "91000.5", "time": "2026-11-20T10:00:01.5Z"}
    price = {"last": Decimal("91000.5"), "timestamp_ms": 1_795_168_801_500}
    assert say(socket, {**row, "best_bid": "91000", "best_ask": "91001"}) == [
        TickerHeard(Ticker(symbol="BTC/USD", bid=Decimal(91000), ask=Decimal(91001), **price))
    ]
