"""The sockets: sign-in, subscriptions, heartbeats, fills, prices, and every way they can be refused."""

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
from shared.domain.errors import (
    AddressNotAllowed,
    ClockWrong,
    ContractBroken,
    ExchangeUnavailable,
    KeyRejected,
    PermissionMissing,
    RateLimited,
    UserActionNeeded,
)
from shared.domain.markets import Market, Markets
from shared.domain.tickers import Ticker
from shared.domain.trades import Product
from shared.exchanges import load
from shared.exchanges.kit.contract import Broken, Closing, HistoryDue, Live, Refused, TickerHeard, TradesHeard

OKX = load("okx")
NOW = 1_795_190_440_123
ME = UUID(int=7)
MARKETS = Markets(
    [
        Market("BTC-USDT", "BTC/USDT", "spot", "BTC", "USDT"),
        Market("ETH-USDT", "ETH/USDT", "spot", "ETH", "USDT"),
        Market("BTC-USDT-SWAP", "BTC/USDT:USDT", "swap", "BTC", "USDT", "USDT", Decimal("0.01"), linear=True),
    ]
)
SAMPLES = {one["id"]: one["raw"] for one in json.loads((Path(__file__).parent / "samples" / "okx.json").read_text())}
FILL = SAMPLES["spot-stream-partial-fill"]
KEY = {"api_key": "key", "secret": "hush", "passphrase": "pass"}


def sent(socket: Any) -> list[Any]:
    return [frame if frame == "ping" else json.loads(frame) for frame in socket.outbox()]


def say(socket: Any, message: Any, now: int = NOW) -> list[Any]:
    events: list[Any] = socket.receive(message if message == "pong" else json.dumps(message), now)
    return events


def a_stream(*products: Product) -> Any:
    stream = OKX.streams[0].protocol(MARKETS)
    account = Account(connection_id=ME, exchange="okx", products=products or OKX.products)
    stream.join(account, Credentials(KEY), {}, NOW)
    stream.open(NOW)
    return stream


LOGIN = {"event": "login", "code": "0", "msg": "", "connId": "a4d3ae55"}
ACK = {"id": "orders", "event": "subscribe", "arg": {"channel": "orders", "instType": "ANY"}, "connId": "a4d3ae55"}


def a_live_stream(*products: Product) -> Any:
    stream = a_stream(*products)
    say(stream, LOGIN)
    assert say(stream, ACK) == [Live(ME)]
    stream.outbox()
    return stream


def refused(code: str) -> dict[str, str]:
    return {"event": "error", "code": code, "msg": "words", "connId": "a4d3ae55"}


def pushed(**changes: Any) -> dict[str, Any]:
    return {**FILL, "data": [{**FILL["data"][0], **changes}]}


# Signing in


def test_the_sign_in_is_signed_over_whole_seconds():
    (message,) = sent(a_stream())
    signed = hmac.new(b"hush", b"1795190440GET/users/self/verify", hashlib.sha256).digest()
    assert message == {
        "op": "login",
        "args": [
            {
                "apiKey": "key",
                "passphrase": "pass",
                "timestamp": "1795190440",
                "sign": base64.b64encode(signed).decode(),
            }
        ],
    }


def test_orders_of_all_kinds_are_subscribed_only_after_the_sign_in_was_accepted():
    stream = a_stream()
    sent(stream)
    assert say(stream, ACK) == []
    assert sent(stream) == []
    assert say(stream, LOGIN) == []
    (message,) = sent(stream)
    assert (message["op"], message["args"]) == ("subscribe", [{"channel": "orders", "instType": "ANY"}])
    assert say(stream, ACK) == [Live(ME)]
    count = {"event": "channel-conn-count", "channel": "orders", "connCount": "1", "connId": "a4d3ae55"}
    assert say(stream, count) == []


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("60004", ClockWrong),
        ("60005", KeyRejected),
        ("60006", ClockWrong),
        ("60007", KeyRejected),
        ("60009", UserActionNeeded),
        ("60024", KeyRejected),
        ("60032", KeyRejected),
        ("50101", KeyRejected),
        ("50110", AddressNotAllowed),
        ("63999", ExchangeUnavailable),
        ("60011", ExchangeUnavailable),
        ("60014", RateLimited),
        ("60023", RateLimited),
        ("60031", ContractBroken),
        ("69999", ContractBroken),
    ],
)
@pytest.mark.parametrize("event", ["error", "login"])
def test_a_refused_sign_in_says_why_and_ends_the_stream(event, code, kind):
    stream = a_stream()
    (heard,) = say(stream, {**refused(code), "event": event})
    assert isinstance(heard, Refused)
    assert type(heard.error) is kind
    assert say(stream, FILL) == []
    assert stream.tick(NOW + 100_000) == []


@pytest.mark.parametrize(
    ("code", "kind"),
    [("60012", ContractBroken), ("60018", ContractBroken), ("60029", PermissionMissing), ("64003", PermissionMissing)],
)
def test_a_refused_subscription_says_why(code, kind):
    stream = a_stream()
    say(stream, LOGIN)
    (event,) = say(stream, refused(code))
    assert type(event.error) is kind


def test_one_socket_too_many_is_acknowledged_first_and_heard_nothing_of_then():
    stream = a_live_stream()
    full = {"event": "channel-conn-count-error", "channel": "orders", "connCount": "30", "connId": "a4d3ae55"}
    (event,) = say(stream, full)
    assert isinstance(event, Refused)
    assert type(event.error) is ExchangeUnavailable


def test_an_error_that_answers_nothing_is_no_refusal():
    assert say(a_live_stream(), refused("60012")) == []


def test_silence_after_the_sign_in_or_subscription_is_not_waited_for_for_ever():
    stream = a_stream()
    assert [type(event) for event in stream.tick(NOW + 10_000)] == [Broken]


# Staying alive


def test_a_bare_ping_goes_out_every_twenty_seconds_and_a_bare_pong_is_life():
    stream = a_live_stream()
    for now in range(NOW + 20_000, NOW + 100_000, 20_000):
        assert stream.deadline == now
        assert stream.tick(now) == []
        assert sent(stream) == ["ping"]
        assert say(stream, "pong", now + 50) == []
        assert stream.receive(b"pong", now + 51) == []


def test_a_socket_that_does_not_answer_a_ping_is_dead_before_the_exchange_cuts_it():
    stream = a_live_stream()
    stream.tick(NOW + 20_000)
    assert [type(event) for event in stream.tick(NOW + 30_000)] == [Broken]


def test_an_upgrade_that_is_announced_asks_for_a_successor_first():
    stream = a_live_stream()
    notice = {"event": "notice", "code": "64008", "msg": "The connection will soon be closed", "connId": "a"}
    assert [type(event) for event in say(stream, notice)] == [Closing]
    assert [type(event) for event in say(stream, FILL)] == [TradesHeard]
    assert say(stream, {**notice, "code": "1"}) == []


# Hearing


def test_a_fill_is_heard_with_its_own_fee():
    (heard,) = say(a_live_stream(), FILL)
    (trade,) = heard.trades
    assert (trade.fee, trade.amount, trade.provisional) == (Decimal("10.24008"), Decimal("0.2"), False)


def test_the_first_fill_may_come_before_the_subscription_is_confirmed():
    stream = a_stream()
    say(stream, LOGIN)
    assert len(say(stream, FILL)[0].trades) == 1


def test_products_that_are_not_wanted_are_not_kept_and_margin_goes_with_spot():
    assert say(a_live_stream(Product.LINEAR), FILL) == []
    assert len(say(a_live_stream(Product.SPOT), SAMPLES["margin-stream"])) == 1
    assert say(a_live_stream(), pushed(instType="OPTION", instId="BTC-USD-261225-90000-C")) == []


def dues(stream: Any, now: int = NOW + 1_000) -> list[HistoryDue]:
    events: list[HistoryDue] = stream.tick(now)
    return events


def test_a_liquidation_leads_to_the_history_of_its_market_and_order():
    stream = a_live_stream()
    assert say(stream, SAMPLES["swap-stream-liquidation"]) == []
    (due,) = dues(stream)
    assert (due.product, due.market_id, due.order_id) == (Product.LINEAR, "BTC-USDT-SWAP", "452000000000000008")
    assert OKX.history.feed_of(due.product, due.market_id).key == "linear::swap"


def test_a_fill_without_its_fee_leads_to_the_history_of_its_market():
    stream = a_live_stream()
    (heard,) = say(stream, SAMPLES["swap-stream-without-fee"])
    assert heard.trades[0].provisional
    (due,) = dues(stream)
    assert (due.product, due.market_id) == (Product.LINEAR, "BTC-USDT-SWAP")


@pytest.mark.parametrize("state", ["partially_filled", "filled", "canceled"])
def test_an_order_that_filled_by_more_than_its_latest_fill_has_lost_one(state):
    stream = a_live_stream()
    say(stream, pushed(accFillSz="0.1", fillSz="0.1", tradeId="1"))
    say(stream, pushed(accFillSz="0.3", fillSz="0.2", tradeId="2"))
    assert dues(stream) == []
    say(stream, pushed(accFillSz="0.6", fillSz="0.2", tradeId="4", state=state), NOW + 1_500)
    (due,) = dues(stream, NOW + 2_500)
    assert (due.product, due.market_id, due.order_id) == (Product.SPOT, "BTC-USDT", "452000000000000002")


def test_repeated_and_older_pushes_have_lost_nothing():
    stream = a_live_stream()
    first, second = pushed(accFillSz="0.1", fillSz="0.1"), pushed(accFillSz="0.3", fillSz="0.2", tradeId="2")
    for message in (first, second, second, first, pushed(accFillSz="0.5", fillSz="0.2", tradeId="3")):
        say(stream, message)
    say(stream, pushed(accFillSz="0.5", fillSz="0", tradeId="", state="canceled"))
    assert dues(stream, NOW + 15_000) == []


def test_a_row_that_cannot_be_read_is_handed_on_with_the_good_ones():
    (heard,) = say(a_live_stream(), {**FILL, "data": [*FILL["data"], {**FILL["data"][0], "side": "up"}]})
    assert (len(heard.trades), len(heard.unreadable)) == (1, 1)


@pytest.mark.parametrize(
    "frame",
    ['{"arg":{"channel":"orders"},"data":[{"inst', b"\x00", "7", '{"arg":{"channel":"orders"},"data":null}', "<html>"],
)
def test_a_frame_that_cannot_be_read_is_kept(frame):
    (heard,) = a_live_stream().receive(frame, NOW)
    assert len(heard.unreadable) == 1


def test_other_channels_are_no_events():
    assert say(a_live_stream(), {"arg": {"channel": "account"}, "data": [{"details": []}]}) == []
    assert say(a_live_stream(), {"arg": {"channel": "account"}, "data": 7}) == []


def test_sockets_share_their_allowance_and_carry_one_account():
    assert OKX.streams[0].accounts_per_socket == 1
    assert OKX.streams[0].connects is OKX.ticker_streams[0].connects
    assert (OKX.streams[0].connects.capacity, OKX.streams[0].connects.per_ms) == (3, 1_000)


# Prices


def prices_of(*symbols: str) -> Any:
    socket = OKX.ticker_streams[0].protocol(MARKETS)
    socket.follow(frozenset(symbols), NOW)
    socket.open(NOW)
    return socket


def settle(socket: Any, unknown: str = "", is_named: bool = True) -> list[Any]:
    """Answers every symbol of every request until the socket is content; what it asked."""
    asked = []
    while messages := sent(socket):
        for message in messages:
            names = [arg["instId"] for arg in message["args"]]
            asked.append((message["op"], names))
            for name in names:
                said = f"Wrong URL or channel:tickers,instId:{name} doesn't exist." if is_named else "Wrong channel"
                no = {"event": "error", "code": "60018", "msg": said, "connId": "a"}
                yes = {"event": message["op"], "arg": {"channel": "tickers", "instId": name}, "connId": "a"}
                say(socket, no if name == unknown else yes)
    return asked


def ticker(market_id: str, kind: str = "SPOT", **changes: str) -> dict[str, Any]:
    data = {"instType": kind, "instId": market_id, "last": "64000", "askPx": "64000.1", "bidPx": "63999.9"}
    return {"arg": {"channel": "tickers", "instId": market_id}, "data": [{**data, "ts": str(NOW), **changes}]}


def test_symbols_of_all_products_go_into_one_request_and_each_is_answered():
    socket = prices_of("BTC/USDT", "BTC/USDT:USDT", "NOPE/USDT")
    assert settle(socket) == [("subscribe", ["BTC-USDT", "BTC-USDT-SWAP"])]
    socket.follow(frozenset({"BTC/USDT:USDT", "ETH/USDT"}), NOW)
    assert settle(socket) == [("unsubscribe", ["BTC-USDT"]), ("subscribe", ["ETH-USDT"])]


@pytest.mark.parametrize("is_named", [True, False])
def test_an_unknown_symbol_does_not_take_its_neighbours_along(is_named):
    socket = prices_of("BTC/USDT", "BTC/USDT:USDT", "ETH/USDT")
    asked = settle(socket, "BTC-USDT-SWAP", is_named)
    assert (len(asked) == 1) is is_named
    for market_id, symbol in (("BTC-USDT", "BTC/USDT"), ("ETH-USDT", "ETH/USDT")):
        assert say(socket, ticker(market_id))[0].ticker.symbol == symbol
    socket.follow(frozenset({"BTC/USDT:USDT", "ETH/USDT"}), NOW)
    assert settle(socket) == [("unsubscribe", ["BTC-USDT"])]


def test_a_refusal_that_is_not_about_a_symbol_ends_the_socket():
    assert [type(event) for event in say(prices_of("BTC/USDT"), refused("60014"))] == [Broken]


def test_a_price_is_read_whole_and_what_is_empty_is_none():
    socket = prices_of("BTC/USDT", "BTC/USDT:USDT")
    settle(socket)
    assert say(socket, ticker("BTC-USDT-SWAP", "SWAP", bidPx="")) == [
        TickerHeard(
            Ticker(symbol="BTC/USDT:USDT", last=Decimal(64000), ask=Decimal("64000.1"), bid=None, timestamp_ms=NOW)
        )
    ]


@pytest.mark.parametrize("changes", [{"last": "much"}, {"ts": "soon"}, {"instId": "NOPE"}])
def test_a_price_that_cannot_be_read_is_left_out(changes):
    socket = prices_of("BTC/USDT")
    settle(socket)
    assert say(socket, ticker("BTC-USDT", **changes)) == []
    assert say(socket, {"arg": {"channel": "books"}, "data": []}) == []
    assert len(say(socket, ticker("BTC-USDT"))) == 1


def test_a_price_socket_pings_hears_of_upgrades_and_is_dropped_when_nothing_answers():
    socket = prices_of("BTC/USDT")
    settle(socket)
    assert [type(e) for e in say(socket, {"event": "notice", "code": "64008", "msg": "soon"})] == [Closing]
    socket.tick(NOW + 20_000)
    assert sent(socket) == ["ping"]
    assert [type(event) for event in socket.tick(NOW + 30_000)] == [Broken]


def test_a_price_is_read_field_by_field_of_the_product_that_it_names():
    spot = Market("X-Y", "X/Y", "spot", "X", "Y")
    linear = Market("X-Y", "X/Y:Y", "swap", "X", "Y", "Y", Decimal(1), linear=True)
    volumes = {"lastSz": "1", "askSz": "2", "bidSz": "3", "open24h": "4", "high24h": "5", "low24h": "6", "sodUtc0": "7"}
    for kind, symbol in (("SPOT", "X/Y"), ("SWAP", "X/Y:Y")):
        socket = OKX.ticker_streams[0].protocol(Markets([linear, spot] if kind == "SPOT" else [spot, linear]))
        socket.follow(frozenset({symbol}), NOW)
        socket.open(NOW)
        settle(socket)
        (heard,) = say(socket, ticker("X-Y", kind, **volumes))
        assert heard.ticker == Ticker(
            symbol=symbol, last=Decimal(64000), bid=Decimal("63999.9"), ask=Decimal("64000.1"), timestamp_ms=NOW
        )
