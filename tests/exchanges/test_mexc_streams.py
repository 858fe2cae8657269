"""Sockets: who speaks when, what is heard, and how each ends. No socket is opened and no time passes."""

import json
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from ccxt.protobuf.mexc import PushDataV3ApiWrapper_pb2

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
from shared.exchanges.kit.contract import Broken, Live, Refused, TickerHeard, TradesHeard
from tests.exchanges.test_mexc_rest import a_run

MEXC = load("mexc")
STREAMS = {stream.name: stream for stream in MEXC.streams}
PRICES = {stream.name: stream for stream in MEXC.ticker_streams}
NOW = 1_790_000_000_123
TOPIC = "spot@private.deals.v3.api.pb"
ACCOUNT = Account(connection_id=UUID(int=7), exchange="mexc", products=MEXC.products)
KEY = Credentials({"api_key": "mx0vglABCDEFGH", "secret": "s" * 32})
MARKETS = Markets(
    [
        *(Market(f"C{n:02}USDT", f"C{n:02}/USDT", "spot", f"C{n:02}", "USDT") for n in range(40)),
        Market("BTCUSDT", "BTC/USDT", "spot", "BTC", "USDT"),
        Market("ETH_USDT", "ETH/USDT:USDT", "swap", "ETH", "USDT", "USDT", Decimal("0.01"), linear=True),
        Market("BTC_USDT", "BTC/USDT:USDT", "swap", "BTC", "USDT", "USDT", Decimal("0.0001"), linear=True),
    ]
)


def said(protocol: Any) -> list[dict[str, Any]]:
    return [json.loads(frame) for frame in protocol.outbox()]


def hears(protocol: Any, message: Any, now: int = NOW) -> Any:
    return protocol.receive(message if isinstance(message, str | bytes) else json.dumps(message), now)


def a_socket(name: str) -> Any:
    protocol = STREAMS[name].protocol(MARKETS)
    protocol.join(ACCOUNT, KEY, {"listen_key": "a/b"}, NOW)
    protocol.open(NOW)
    return protocol


# ── Listen keys ───────────────────────────────────────────────────────────────────────────────────────


def test_a_socket_opens_with_a_listen_key_of_its_own():
    def answer(request: Any) -> Any:
        return {"listenKey": ["old"] if request.endpoint.method == "GET" else "new"}

    ticket, asked = a_run(STREAMS["spot"].prepare(ACCOUNT), answer)
    assert [request.endpoint.method for request in asked] == ["GET", "POST"]
    assert ticket == {"listen_key": "new"}
    assert STREAMS["spot"].url("global", {"listen_key": "a/b"}) == "wss://wbs-api.mexc.com/ws?listenKey=a%2Fb"


def test_where_many_listen_keys_are_left_over_one_of_them_is_used_again():
    def answer(request: Any) -> Any:
        return {"listenKey": [f"k{n}" for n in range(45)] if request.endpoint.method == "GET" else "k44"}

    ticket, asked = a_run(STREAMS["spot"].prepare(ACCOUNT), answer)
    assert [(request.endpoint.method, request.params) for request in asked] == [
        ("GET", {}),
        ("PUT", {"listenKey": "k44"}),
    ]
    assert ticket == {"listen_key": "k44"}


def test_no_listen_key_is_no_ticket():
    with pytest.raises(ContractBroken):
        a_run(STREAMS["spot"].prepare(ACCOUNT), lambda _: {"listenKey": ""})


def test_a_listen_key_is_prolonged_well_within_its_hour():
    _, asked = a_run(STREAMS["spot"].renew(ACCOUNT, {"listen_key": "k"}), lambda _: {"listenKey": "k"})
    assert [(request.endpoint.method, request.params) for request in asked] == [("PUT", {"listenKey": "k"})]
    assert STREAMS["spot"].renew_ms < 1_800_000
    assert not STREAMS["spot"].answers_pings


# ── Spot ──────────────────────────────────────────────────────────────────────────────────────────────


def test_a_spot_account_is_live_when_its_topic_is_repeated():
    protocol = a_socket("spot")
    assert said(protocol) == [{"method": "SUBSCRIPTION", "params": [TOPIC], "id": 1}]
    assert hears(protocol, {"id": 0, "code": 0, "msg": "PONG"}) == []
    assert hears(protocol, {"id": 1, "code": 0, "msg": TOPIC}) == [Live(ACCOUNT.connection_id)]


def test_a_refusal_has_code_zero_too():
    protocol = a_socket("spot")
    protocol.outbox()
    words = f"Not Subscribed successfully! [{TOPIC}]. Reason\N{FULLWIDTH COLON} Blocked!"
    (refused,) = hears(protocol, {"id": 1, "code": 0, "msg": words})
    assert isinstance(refused, Refused)
    assert isinstance(refused.error, ExchangeUnavailable)
    assert "Blocked" in refused.error.sentence


def test_a_listen_key_that_does_not_open_ends_the_socket():
    protocol = a_socket("spot")
    (broken,) = hears(protocol, "Invalid listen key")
    assert isinstance(broken, Broken)


def test_a_fill_arrives_in_bytes_and_garbage_is_kept():
    protocol = a_socket("spot")
    wrapper = PushDataV3ApiWrapper_pb2.PushDataV3ApiWrapper(channel=TOPIC, symbol="BTCUSDT", sendTime=NOW)
    deal = wrapper.privateDeals
    deal.price, deal.quantity, deal.amount, deal.tradeType, deal.time = "2", "3", "6", 2, NOW
    deal.tradeId, deal.orderId = "1X1", "C1"
    (heard,) = hears(protocol, wrapper.SerializeToString())
    assert isinstance(heard, TradesHeard)
    assert [(trade.side, trade.identity) for trade in heard.trades] == [("sell", "spot:BTCUSDT:1X1")]
    for frame in (b"\xff\xff", wrapper.SerializeToString()[:-3], "{"):
        (heard,) = hears(protocol, frame)
        assert heard.trades == ()
        assert len(heard.unreadable) == 1


@pytest.mark.parametrize(
    ("name", "ping", "pong"),
    [
        ("spot", {"method": "PING"}, {"id": 0, "code": 0, "msg": "PONG"}),
        ("futures", {"method": "ping"}, {"channel": "pong", "data": NOW}),
    ],
)
def test_pings_are_sent_in_time_and_must_be_answered(name, ping, pong):
    protocol = a_socket(name)
    hears(protocol, {"id": 1, "code": 0, "msg": TOPIC})
    hears(protocol, {"channel": "rs.login", "data": "success"})
    protocol.outbox()
    now = protocol.deadline
    assert NOW + 10_000 <= now <= NOW + 20_000
    assert protocol.tick(now) == []
    assert said(protocol) == [ping]
    assert hears(protocol, pong, now + 100) == []
    now = protocol.deadline
    assert protocol.tick(now) == []
    (broken,) = protocol.tick(protocol.deadline)
    assert isinstance(broken, Broken)


def test_the_old_socket_is_left_before_its_day_is_over():
    assert STREAMS["spot"].lifetime_ms < 86_400_000
    assert PRICES["spot"].lifetime_ms < 86_400_000


# ── Contracts ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_futures_account_signs_in_and_wants_fills_alone():
    protocol = a_socket("futures")
    # printf 'mx0vglABCDEFGH1790000000123' | openssl dgst -sha256 -hmac ssssssssssssssssssssssssssssssss
    signature = "6aa1e6a65f8c0028dd205283ea786aaa4c2d28e6c069f74aa08d6a350d468b93"
    assert said(protocol) == [
        {"method": "login", "param": {"apiKey": "mx0vglABCDEFGH", "reqTime": str(NOW), "signature": signature}}
    ]
    assert hears(protocol, {"channel": "rs.login", "data": "success", "ts": NOW}) == [Live(ACCOUNT.connection_id)]
    assert said(protocol) == [
        {"method": "personal.filter", "param": {"filters": [{"filter": "order.deal", "rules": []}]}}
    ]
    assert hears(protocol, {"channel": "rs.personal.filter", "data": "success"}) == []
    assert hears(protocol, {"channel": "rs.error", "data": "Invalid filter"}) == []


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("Not logged in or login has expired", KeyRejected),
        ("API Key expired, please apply again", KeyRejected),
        ("Signature verification failed", KeyRejected),
        ("Accessing IP is not in the whitelist", AddressNotAllowed),
        ("Please enable API Key read access", PermissionMissing),
        ("Trading information read access is required", PermissionMissing),
        ("Account does not exist", PermissionMissing),
        ("Invalid request", ClockWrong),
        ("System busy, please try again later", ExchangeUnavailable),
        ("Requests are too frequent, please try again later", ExchangeUnavailable),
        ("Something that nobody wrote down", ExchangeUnavailable),
    ],
)
def test_a_refused_login_is_told_apart_by_its_words(words, kind):
    protocol = a_socket("futures")
    protocol.outbox()
    (refused,) = hears(protocol, {"channel": "rs.error", "data": words})
    assert isinstance(refused, Refused)
    assert type(refused.error) is kind


@pytest.mark.parametrize(
    ("products", "names"),
    [
        ((Product.SPOT,), ["spot"]),
        ((Product.LINEAR,), ["futures"]),
        ((Product.INVERSE,), ["futures"]),
        (MEXC.products, ["spot", "futures"]),
    ],
)
def test_each_system_has_a_socket_of_its_own(products, names):
    account = Account(connection_id=UUID(int=7), exchange="mexc", products=products)
    assert [stream.name for stream in MEXC.streams if stream.serves(account)] == names


# ── Prices ────────────────────────────────────────────────────────────────────────────────────────────


def a_price_socket(name: str, *symbols: str) -> Any:
    protocol = PRICES[name].protocol(MARKETS)
    protocol.follow(frozenset(symbols), NOW)
    protocol.open(NOW)
    return protocol


def topic(symbol: str) -> str:
    return f"spot@public.miniTicker.v3.api.pb@{symbol}@24H"


def a_mini_ticker(symbol: str, price: str) -> bytes:
    wrapper = PushDataV3ApiWrapper_pb2.PushDataV3ApiWrapper(channel=topic(symbol), symbol=symbol, sendTime=NOW)
    wrapper.publicMiniTicker.symbol, wrapper.publicMiniTicker.price = symbol, price
    return wrapper.SerializeToString()


def test_a_spot_price_is_heard_from_its_bytes():
    protocol = a_price_socket("spot", "BTC/USDT", "ETH/USDT:USDT")
    assert said(protocol) == [{"method": "SUBSCRIPTION", "params": [topic("BTCUSDT")], "id": 1}]
    assert hears(protocol, {"id": 1, "code": 0, "msg": topic("BTCUSDT")}) == []
    assert hears(protocol, a_mini_ticker("BTCUSDT", "64000.5")) == [
        TickerHeard(Ticker(symbol="BTC/USDT", last=Decimal("64000.5"), timestamp_ms=NOW))
    ]
    assert hears(protocol, b"garbage") == []


def test_one_bad_topic_refuses_all_and_is_found_by_halving():
    symbols = [f"C{n:02}/USDT" for n in range(4)]
    protocol = a_price_socket("spot", *symbols)
    followed: set[str] = set()
    asked = said(protocol)
    while asked:
        (request,) = asked
        wanted = request["params"]
        is_bad = topic("C02USDT") in wanted
        words = f"Not Subscribed successfully! [{topic('C02USDT')}]. Reason\N{FULLWIDTH COLON} Blocked!"
        followed |= set() if is_bad else set(wanted)
        hears(protocol, {"id": request["id"], "code": 0, "msg": words if is_bad else ",".join(wanted)})
        asked = said(protocol)
    assert followed == {topic(f"C{n:02}USDT") for n in (0, 1, 3)}


def test_a_spot_socket_follows_no_more_topics_than_it_may():
    assert PRICES["spot"].symbols_per_socket == 30
    protocol = a_price_socket("spot", "C00/USDT")
    protocol.outbox()
    hears(protocol, {"id": 1, "code": 0, "msg": topic("C00USDT")})
    protocol.follow(frozenset({"C01/USDT"}), NOW)
    (off,) = said(protocol)
    assert off == {"method": "UNSUBSCRIPTION", "params": [topic("C00USDT")], "id": 2}
    hears(protocol, {"id": 2, "code": 0, "msg": topic("C00USDT")})
    (on,) = said(protocol)
    assert on["params"] == [topic("C01USDT")]


def test_contracts_are_asked_for_one_by_one_and_an_unknown_one_stops_no_other():
    protocol = a_price_socket("futures", "BTC/USDT:USDT", "ETH/USDT:USDT")
    assert said(protocol) == [{"method": "sub.ticker", "param": {"symbol": "BTC_USDT"}}]
    hears(protocol, {"channel": "rs.error", "data": "Contract [BTC_USDT] not exists"})
    assert said(protocol) == [{"method": "sub.ticker", "param": {"symbol": "ETH_USDT"}}]
    hears(protocol, {"channel": "rs.sub.ticker", "data": "success"})
    assert said(protocol) == []
    protocol.follow(frozenset(), NOW)
    assert said(protocol) == [{"method": "unsub.ticker", "param": {"symbol": "ETH_USDT"}}]


def test_a_contracts_price_is_of_the_symbol_in_its_data():
    protocol = a_price_socket("futures", "ETH/USDT:USDT")
    data = {"symbol": "ETH_USDT", "lastPrice": 3000.5, "bid1": 3000, "ask1": 3001, "timestamp": NOW}
    (heard,) = hears(protocol, {"channel": "push.ticker", "data": data, "symbol": "BTC_USDT", "ts": NOW})
    assert heard.ticker == Ticker(
        symbol="ETH/USDT:USDT", last=Decimal("3000.5"), bid=Decimal(3000), ask=Decimal(3001), timestamp_ms=NOW
    )
