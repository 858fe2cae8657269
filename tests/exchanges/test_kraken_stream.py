"""The sockets: token, status, subscription, heartbeats, lost messages, prices, and how they are refused."""

import copy
import json
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from shared.domain.connections import Account, Credentials
from shared.domain.errors import ContractBroken, ExchangeUnavailable, PermissionMissing, RateLimited
from shared.domain.markets import Market, Markets
from shared.domain.tickers import Ticker
from shared.domain.trades import Product
from shared.exchanges import load
from shared.exchanges.kit.contract import Answer, Broken, HistoryDue, Live, Refused, TickerHeard, TradesHeard

KRAKEN = load("kraken")
NOW = 1_795_190_400_000
ME = UUID(int=7)
ACCOUNT = Account(connection_id=ME, exchange="kraken", products=(Product.SPOT,))
MARKETS = Markets(
    [
        Market("XXBTZUSD", "BTC/USD", "spot", "BTC", "USD"),
        Market("XDGUSD", "DOGE/USD", "spot", "DOGE", "USD"),
        Market("LUNAUSD", "LUNC/USD", "spot", "LUNC", "USD"),
        Market("LUNA2USD", "LUNA/USD", "spot", "LUNA", "USD"),
    ]
)
SAMPLES = json.loads((Path(__file__).parent / "samples" / "kraken.json").read_text())
FILL = next(one["raw"] for one in SAMPLES if one["id"] == "stream-buy-taker")
STATUS = {"channel": "status", "type": "update", "data": [{"system": "online", "api_version": "v2"}]}
BEAT = {"channel": "heartbeat"}


def say(socket: Any, message: Any, now: int = NOW) -> list[Any]:
    events: list[Any] = socket.receive(json.dumps(message), now)
    return events


def sent(socket: Any) -> list[Any]:
    return [json.loads(frame) for frame in socket.outbox()]


def answer(**fields: Any) -> dict[str, Any]:
    return {"method": "subscribe", "req_id": 1, "success": True, "result": {"channel": "executions"}, **fields}


def a_stream() -> Any:
    stream = KRAKEN.streams[0].protocol(MARKETS)
    stream.join(ACCOUNT, Credentials({"api_key": "key", "secret": "hush"}), {"token": "T0KEN"}, NOW)
    stream.open(NOW)
    return stream


def a_live_stream() -> Any:
    stream = a_stream()
    say(stream, STATUS)
    assert sent(stream)
    assert say(stream, answer()) == [Live(ME)]
    return stream


def a_fill(number: int, **changes: Any) -> dict[str, Any]:
    message = copy.deepcopy(FILL) | {"sequence": number}
    message["data"] = [message["data"][0] | {"exec_id": f"T{number}"} | changes]
    return message


def test_a_token_is_fetched_before_each_socket():
    steps = KRAKEN.streams[0].prepare(ACCOUNT)
    assert next(steps).endpoint.path == "/0/private/GetWebSocketsToken"
    with pytest.raises(StopIteration) as end:
        steps.send(Answer({"error": [], "result": {"token": "T0KEN", "expires": 900}}))
    assert end.value.value == {"token": "T0KEN"}
    steps = KRAKEN.streams[0].prepare(ACCOUNT)
    next(steps)
    with pytest.raises(ContractBroken):
        steps.send(Answer({"error": [], "result": {}}))


def test_it_waits_for_the_status_and_asks_for_new_executions_only():
    stream = a_stream()
    assert sent(stream) == []
    say(stream, STATUS)
    (request,) = sent(stream)
    assert request["params"] == {
        "channel": "executions",
        "token": "T0KEN",
        "snap_orders": False,
        "snap_trades": False,
    }
    assert say(stream, answer()) == [Live(ME)]


def test_maintenance_ends_the_socket():
    say_so = {"channel": "status", "type": "update", "data": [{"system": "maintenance"}]}
    assert [type(event) for event in say(a_stream(), say_so)] == [Broken]
    assert [type(event) for event in say(a_live_stream(), say_so)] == [Broken]


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("ESession:Invalid session", ExchangeUnavailable),
        ("EAccount:Invalid permissions", PermissionMissing),
        ("EGeneral:Permission denied", PermissionMissing),
        ("EAPI:Rate limit exceeded", RateLimited),
        ("Something new", ExchangeUnavailable),
    ],
)
def test_a_refused_subscription_is_whose_fault_it_is(said, kind):
    stream = a_stream()
    say(stream, STATUS)
    (refused,) = say(stream, {"method": "subscribe", "req_id": 1, "success": False, "error": said})
    assert isinstance(refused, Refused)
    assert type(refused.error) is kind


def test_fills_are_heard_and_what_else_happens_to_orders_is_not():
    (heard,) = say(a_live_stream(), FILL)
    assert isinstance(heard, TradesHeard)
    assert [trade.exchange_trade_id for trade in heard.trades] == ["TA2BCD-EFGHI-JKLMNO"]
    assert heard.unreadable == ()


def test_a_fill_without_its_moment_is_provisional_and_history_is_asked():
    stream = a_live_stream()
    message = a_fill(1)
    del message["data"][0]["timestamp"]
    (heard,) = say(stream, message, NOW + 40)
    assert (heard.trades[0].timestamp_ms, heard.trades[0].provisional) == (NOW + 40, True)
    assert stream.deadline <= NOW + 2_000
    assert [type(event) for event in stream.tick(stream.deadline)] == [HistoryDue]
    assert KRAKEN.read_stream(message, MARKETS, None).trades == ()  # read again later it has no moment at all


def test_a_message_that_does_not_come_breaks_the_socket_at_a_heartbeat():
    stream = a_live_stream()
    assert [type(event) for event in say(stream, a_fill(10))] == [TradesHeard]
    assert [type(event) for event in say(stream, a_fill(12))] == [TradesHeard]
    assert say(stream, BEAT, NOW + 1_000) == []
    assert [type(event) for event in say(stream, BEAT, NOW + 2_000)] == [Broken]


def test_a_message_that_comes_late_or_twice_breaks_nothing():
    stream = a_live_stream()
    for number in (10, 12, 11, 11, 13):
        assert [type(event) for event in say(stream, a_fill(number))] == [TradesHeard]
    assert say(stream, BEAT, NOW + 5_000) == []


def test_a_socket_that_stops_beating_is_dead():
    stream = a_live_stream()
    for second in range(1, 8):
        say(stream, BEAT, NOW + second * 1_000)
    now, events = NOW + 7_000, []
    while not events:
        now = stream.deadline
        events = stream.tick(now)
    assert [type(event) for event in events] == [Broken]
    assert now <= NOW + 17_000


def test_the_address_and_the_budget_of_connects_are_shared_by_all_sockets():
    (stream,), (tickers,) = KRAKEN.streams, KRAKEN.ticker_streams
    assert stream.url("global", {}) == "wss://ws-auth.kraken.com/v2"
    assert tickers.url("global", {}) == "wss://ws.kraken.com/v2"
    assert stream.connects is tickers.connects
    assert stream.connects.capacity < 150


def a_price_socket(*symbols: str) -> Any:
    socket = KRAKEN.ticker_streams[0].protocol(MARKETS)
    socket.follow(frozenset(symbols), NOW)
    socket.open(NOW)
    say(socket, STATUS)
    return socket


def price(symbol: str, **fields: Any) -> dict[str, Any]:
    row = {"symbol": symbol, "bid": 0.1, "ask": 0.3, "last": 0.2, **fields}
    return {"channel": "ticker", "type": "update", "data": [row]}


def test_prices_are_asked_for_and_heard_by_the_sockets_own_names():
    socket = a_price_socket("DOGE/USD", "LUNC/USD", "LUNA/USD")
    (request,) = sent(socket)
    assert request["params"] == {"channel": "ticker", "symbol": ["DOGE/USD", "LUNA/USD", "LUNA2/USD"]}
    told = say(socket, price("LUNA/USD", timestamp="2026-11-20T10:00:00.709993Z")) + say(socket, price("LUNA2/USD"))
    prices = {"last": Decimal("0.2"), "bid": Decimal("0.1"), "ask": Decimal("0.3")}
    assert told == [
        TickerHeard(Ticker(symbol="LUNC/USD", timestamp_ms=1_795_168_800_709, **prices)),
        TickerHeard(Ticker(symbol="LUNA/USD", **prices)),
    ]


def test_a_pair_that_is_refused_costs_no_other_its_prices():
    socket = a_price_socket("DOGE/USD", "BTC/USD")
    assert sent(socket)[0]["params"]["symbol"] == ["BTC/USD", "DOGE/USD"]
    refusal = {"method": "subscribe", "success": False, "error": "Currency pair not supported DOGE/USD"}
    say(socket, refusal | {"symbol": "DOGE/USD"})
    say(socket, answer(result={"channel": "ticker", "symbol": "BTC/USD"}))
    assert sent(socket) == []
    socket.follow(frozenset(), NOW)
    (request,) = sent(socket)
    assert (request["method"], request["params"]["symbol"]) == ("unsubscribe", ["BTC/USD"])
