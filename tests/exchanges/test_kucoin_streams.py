"""Sockets: who speaks when, what is heard, and how each ends. No socket is opened and no time passes."""

import itertools
import json
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from shared.domain.connections import Account, Credentials
from shared.domain.errors import AccountModeChanged, ContractBroken, ExchangeUnavailable, PermissionMissing
from shared.domain.markets import Market, Markets
from shared.domain.tickers import Ticker
from shared.domain.trades import Product
from shared.exchanges import load
from shared.exchanges.kit.contract import Answer, Broken, HistoryDue, Live, Refused, TickerHeard, TradesHeard
from shared.exchanges.kucoin.prices import ticker_in

KUCOIN = load("kucoin")
STREAMS = {stream.name: stream for stream in KUCOIN.streams}
PRICES = {stream.name: stream for stream in KUCOIN.ticker_streams}
WHO = UUID(int=7)
NOW = 1_795_190_400_000
MARKETS = Markets(
    [
        Market("BTC-USDT", "BTC/USDT", "spot", "BTC", "USDT"),
        Market("KCS-USDT", "KCS/USDT", "spot", "KCS", "USDT"),
        Market("XBTUSDTM", "BTC/USDT:USDT", "swap", "BTC", "USDT", "USDT", Decimal("0.001"), linear=True),
        *(Market(f"C{n:03}-USDT", f"C{n:03}/USDT", "spot", f"C{n:03}", "USDT") for n in range(250)),
    ]
)
CLASSIC_TICKET = {
    "token": "T/1",
    "endpoint": "wss://x/endpoint",
    "connect_id": "c",
    "ping_ms": 18_000,
    "pong_ms": 10_000,
}


def an_account(mode: str = "classic", products: tuple[Product, ...] = (Product.SPOT, Product.LINEAR)) -> Account:
    return Account(connection_id=WHO, exchange="kucoin", products=products, mode=mode)


def said(protocol: Any) -> list[dict[str, Any]]:
    return [json.loads(frame) for frame in protocol.outbox()]


def a_socket(name: str = "spot"):
    """A private socket that is open and has not been greeted."""
    protocol = STREAMS[name].protocol(MARKETS)
    ticket = {"token": "T"} if name == "unified" else CLASSIC_TICKET
    protocol.join(an_account("unified" if name == "unified" else "classic"), Credentials({}), ticket, NOW)
    protocol.open(NOW)
    return protocol


WELCOME = {
    "spot": {"id": "c", "type": "welcome"},
    "futures": {"id": "c", "type": "welcome"},
    "unified": {"sessionId": "s", "message": "welcome", "pingInterval": 12_000, "pingTimeout": 5_000},
}


def hear(protocol: Any, message: Any, now: int = NOW) -> list[Any]:
    return protocol.receive(message if isinstance(message, str | bytes) else json.dumps(message), now)


def a_live_socket(name: str = "spot"):
    protocol = a_socket(name)
    hear(protocol, WELCOME[name])
    (subscription,) = said(protocol)
    ack = {"id": subscription["id"], "result": True} if name == "unified" else {"id": subscription["id"], "type": "ack"}
    assert hear(protocol, ack) == [Live(WHO)]
    return protocol


def a_match(kind: str = "match", topic: str = "/spotMarket/tradeOrdersV2", **changes: Any) -> dict[str, Any]:
    data = {
        "type": kind,
        "status": "match",
        "symbol": "BTC-USDT",
        "orderId": "o-1",
        "side": "buy",
        "feeType": "takerFee",
        "matchPrice": "64000",
        "matchSize": "0.5",
        "filledSize": "0.5",
        "tradeId": "1",
        "ts": NOW * 1_000_000,
    }
    return {"topic": topic, "type": "message", "subject": "orderChange", "data": data | changes}


# ── Who needs which socket, and its address ───────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("mode", "products", "names"),
    [
        ("classic", (Product.SPOT, Product.LINEAR), {"spot", "futures"}),
        ("", (Product.SPOT,), {"spot"}),
        ("classic", (Product.INVERSE,), {"futures"}),
        ("unified", (Product.SPOT, Product.LINEAR), {"unified"}),
    ],
)
def test_the_mode_decides_which_sockets_an_account_needs(mode, products, names):
    assert {stream.name for stream in KUCOIN.streams if stream.serves(an_account(mode, products))} == names


def prepared(steps: Any, data: Any) -> tuple[Any, Any]:
    request = next(steps)
    with pytest.raises(StopIteration) as end:
        steps.send(Answer({"code": "200000", "data": data}))
    return request, end.value.value


BULLET = {
    "token": "T/1",
    "instanceServers": [
        {"endpoint": "wss://x/endpoint", "protocol": "websocket", "pingInterval": 15000, "pingTimeout": 7000}
    ],
}


@pytest.mark.parametrize(
    ("name", "method"), [("spot", "privatePostBulletPrivate"), ("futures", "futuresPrivatePostBulletPrivate")]
)
def test_a_classic_socket_opens_with_a_fresh_token_at_the_address_that_came_with_it(name, method):
    request, ticket = prepared(STREAMS[name].prepare(an_account()), BULLET)
    assert (request.endpoint.name, request.endpoint.path) == (method, "/api/v1/bullet-private")
    assert STREAMS[name].url("global", ticket) == f"wss://x/endpoint?token=T%2F1&connectId={WHO}"
    assert (ticket["ping_ms"], ticket["pong_ms"]) == (15_000, 7_000)
    assert STREAMS[name].url("global", {**ticket, "endpoint": "wss://x/?a=1"}).startswith("wss://x/?a=1&token=")


def test_a_unified_socket_opens_at_its_fixed_address_with_the_token():
    request, ticket = prepared(STREAMS["unified"].prepare(an_account("unified")), {"token": "T/2"})
    assert (request.endpoint.path, request.params) == ("/api/v2/bullet-private", {"version": "v2"})
    assert STREAMS["unified"].url("global", ticket) == "wss://wsapi-push.kucoin.com/?token=T%2F2"


@pytest.mark.parametrize(
    ("name", "method"), [("spot", "publicPostBulletPublic"), ("futures", "futuresPublicPostBulletPublic")]
)
def test_a_price_socket_needs_a_token_but_no_key(name, method):
    request, ticket = prepared(PRICES[name].prepare(), BULLET)
    assert (request.endpoint.name, request.endpoint.signed) == (method, False)
    assert PRICES[name].url("global", ticket) == "wss://x/endpoint?token=T%2F1&connectId=prices"


@pytest.mark.parametrize("data", [None, {}, {"token": ""}, {"token": "T"}, {"token": "T", "instanceServers": [{}]}])
def test_a_ticket_without_token_or_address_is_none(data):
    steps = STREAMS["spot"].prepare(an_account())
    next(steps)
    with pytest.raises(ContractBroken):
        steps.send(Answer({"code": "200000", "data": data}))


def test_a_socket_gets_a_successor_before_its_token_dies():
    assert {stream.lifetime_ms for stream in (*KUCOIN.streams, *KUCOIN.ticker_streams)} == {85_500_000}


# ── From the welcome to live ──────────────────────────────────────────────────────────────────────────

SUBSCRIPTIONS = {
    "spot": {"type": "subscribe", "topic": "/spotMarket/tradeOrdersV2", "privateChannel": True, "response": True},
    "futures": {"type": "subscribe", "topic": "/contractMarket/tradeOrders", "privateChannel": True, "response": True},
    "unified": {"action": "subscribe", "channel": "execution", "tradeType": "UNIFIED"},
}


@pytest.mark.parametrize("name", STREAMS)
def test_nothing_is_said_before_the_welcome_and_then_it_subscribes_once(name):
    protocol = a_socket(name)
    assert said(protocol) == []
    assert hear(protocol, WELCOME[name]) == []
    assert said(protocol) == [{"id": "1", **SUBSCRIPTIONS[name]}]
    hear(protocol, WELCOME[name])
    assert said(protocol) == []


def test_only_the_answer_to_the_subscription_makes_it_live_and_only_once():
    protocol = a_socket()
    hear(protocol, WELCOME["spot"])
    assert hear(protocol, {"id": "99", "type": "ack"}) == []
    assert hear(protocol, {"id": "1", "type": "ack"}) == [Live(WHO)]
    assert hear(protocol, {"id": "1", "type": "ack"}) == []


@pytest.mark.parametrize("is_greeted", [False, True])
def test_a_socket_that_is_not_answered_is_broken_after_ten_seconds(is_greeted):
    protocol = a_socket()
    if is_greeted:
        hear(protocol, WELCOME["spot"])
    assert protocol.deadline <= NOW + 10_000
    assert protocol.tick(NOW + 9_999) == []
    (event,) = protocol.tick(NOW + 10_000)
    assert isinstance(event, Broken)
    assert protocol.tick(NOW + 20_000) == []
    assert (hear(protocol, a_match()), said(protocol)) == ([], [])


# ── Heartbeat ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("name", "every", "patience"), [("spot", 18_000, 10_000), ("unified", 12_000, 5_000)])
def test_it_pings_as_told_and_a_pong_keeps_it_alive(name, every, patience):
    protocol = a_live_socket(name)
    now = NOW
    for _ in range(3):
        now += every
        assert protocol.deadline == now
        assert protocol.tick(now - 1) == []
        assert said(protocol) == []
        assert protocol.tick(now) == []
        (ping,) = said(protocol)
        assert ping["type"] == "ping"
        assert hear(protocol, {"id": ping["id"], "type": "pong"}, now + 5) == []
    protocol.tick(now + every)
    assert protocol.tick(now + every + patience - 1) == []
    assert [type(event) for event in protocol.tick(now + every + patience)] == [Broken]


def test_each_account_and_each_address_has_its_own_right_to_connect():
    own = {(s.connects.name, s.connects.scope, s.connects.capacity, s.connects.per_ms) for s in KUCOIN.streams}
    public = {(s.connects.name, s.connects.scope, s.connects.capacity, s.connects.per_ms) for s in PRICES.values()}
    assert own == {("connects", "account", 30, 60_000)}
    assert public == {("public_connects", "address", 30, 60_000)}


def test_a_unified_pong_may_come_in_the_words_of_its_welcome():
    protocol = a_live_socket("unified")
    protocol.tick(NOW + 12_000)
    hear(protocol, {"id": "2", "message": "pong"}, NOW + 12_001)
    assert protocol.tick(NOW + 17_500) == []


def test_a_socket_without_an_account_says_and_hears_nothing():
    protocol = STREAMS["spot"].protocol(MARKETS)
    protocol.open(NOW)
    assert hear(protocol, WELCOME["spot"]) == []
    assert said(protocol) == []
    assert protocol.tick(NOW + 1) == []


def test_news_is_no_pong():
    protocol = a_live_socket()
    protocol.tick(NOW + 18_000)
    hear(protocol, a_match(), NOW + 20_000)
    events = protocol.tick(NOW + 28_000)
    assert [type(event) for event in events] == [Broken]


# ── Trades ────────────────────────────────────────────────────────────────────────────────────────────


def test_a_match_is_heard_at_once_and_its_fee_is_asked_for_soon_and_again():
    protocol = a_live_socket()
    (heard,) = hear(protocol, a_match())
    assert isinstance(heard, TradesHeard)
    assert (heard.connection_id, heard.trades[0].exchange_trade_id, heard.trades[0].provisional) == (WHO, "1", True)
    due = [HistoryDue(WHO, Product.SPOT, "BTC-USDT", reason="a fill is incomplete")]
    moments = []
    now = NOW
    while (now := protocol.deadline) < NOW + 18_000:
        assert protocol.tick(now) == due
        moments.append(now - NOW)
    assert moments == [1_000, 4_000, 12_000]


def test_many_matches_of_a_symbol_ask_at_most_every_two_seconds_and_still_once_after_the_last():
    protocol = a_live_socket()
    asked = []
    for now in range(NOW, NOW + 17_000, 100):
        if now < NOW + 10_000:
            hear(protocol, a_match(tradeId=str(now)), now)
        asked += [now - NOW for _ in protocol.tick(now)]
    assert asked[0] == 1_000
    assert all(later - earlier >= 2_000 for earlier, later in itertools.pairwise(asked))
    assert len(asked) <= 8
    assert asked[-1] >= 12_000
    symbols = {event.market_id for event in protocol.tick(NOW + 17_990)}
    assert symbols <= {"BTC-USDT"}


def test_symbols_are_asked_for_apart():
    protocol = a_live_socket()
    hear(protocol, a_match())
    hear(protocol, a_match(symbol="KCS-USDT"), NOW + 500)
    assert {event.market_id for event in protocol.tick(NOW + 1_500)} == {"BTC-USDT", "KCS-USDT"}


def test_futures_are_asked_for_as_one_feed():
    protocol = a_live_socket("futures")
    message = a_match(topic="/contractMarket/tradeOrders", symbol="XBTUSDTM", matchSize="3")
    (heard,) = hear(protocol, message)
    assert heard.trades[0].amount == Decimal("0.003")
    assert protocol.tick(NOW + 1_000) == [HistoryDue(WHO, Product.LINEAR, reason="a fill is incomplete")]


@pytest.mark.parametrize(
    ("kind", "filled", "is_due"),
    [
        ("filled", "0.5", True),
        ("canceled", "0.1", True),
        ("canceled", "0", False),
        ("open", "0", False),
        ("update", "0.1", False),
    ],
)
def test_an_order_that_ended_filled_is_looked_after_though_its_matches_were_lost(kind, filled, is_due):
    protocol = a_live_socket()
    assert hear(protocol, a_match(kind, filledSize=filled)) == []
    assert bool(protocol.tick(NOW + 1_000)) == is_due
    futures = a_live_socket("futures")
    hear(futures, a_match(kind, "/contractMarket/tradeOrders", symbol="XBTUSDTM", filledSize=filled))
    assert futures.tick(NOW + 1_000) == (
        [HistoryDue(WHO, Product.LINEAR, reason="a fill is incomplete")] if is_due else []
    )


def test_a_unified_execution_is_complete_and_asks_for_nothing():
    protocol = a_live_socket("unified")
    told = {"oi": "1", "ti": 20801647764195331, "s": "BTC-USDT", "S": "BUY", "p": "1", "q": "1", "lR": "MAKER"}
    told |= {"f": "0.1", "fC": "USDT", "fT": "NORMAL", "E": str(NOW * 1_000_000)}
    (heard,) = hear(protocol, {"T": "execution.UNIFIED", "P": "1", "d": told})
    assert (heard.trades[0].exchange_trade_id, heard.trades[0].provisional) == ("20801647764195331", False)
    assert protocol.tick(NOW + 15_000 - 3_001) == []


def test_a_message_that_cannot_be_read_is_kept_whole_and_the_rest_goes_on():
    protocol = a_live_socket()
    message = a_match(side="up")
    (heard,) = hear(protocol, message)
    assert (heard.trades, heard.unreadable[0].raw) == ((), message)
    assert hear(protocol, [1, 2])[0].unreadable[0].raw == "[1, 2]"
    assert hear(protocol, a_match())[0].trades[0].exchange_trade_id == "1"


def test_half_a_message_is_kept():
    protocol = a_live_socket()
    events = hear(protocol, b'{"topic":"/spotMarket/tradeOrdersV2","data":{"ty')
    assert [type(event) for event in events] == [TradesHeard]
    assert events[0].unreadable[0].raw == '{"topic":"/spotMarket/tradeOrdersV2","data":{"ty'


@pytest.mark.parametrize(
    "message", [{"type": "message", "topic": "/account/balance", "data": {}}, {}, {"type": "news"}]
)
def test_what_is_said_beside_is_left_alone(message):
    assert hear(a_live_socket(), message) == []


# ── Ends ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "message",
    [
        {"id": "1", "type": "error", "code": 401, "data": "token is expired"},
        {"id": "1", "result": False, "reason": "invalid token"},
        {"type": "error", "code": "401", "data": ""},
    ],
)
def test_a_token_that_is_not_accepted_wants_another_socket(message):
    protocol = a_socket("unified" if "result" in message else "spot")
    (event,) = hear(protocol, message)
    assert isinstance(event, Broken)


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ({"type": "error", "code": 404, "data": "topic /spotMarket/x is not found"}, ContractBroken),
        ({"type": "error", "code": 415, "data": "type is not supported"}, ContractBroken),
        ({"type": "error", "code": 509, "data": ""}, ExchangeUnavailable),
        ({"result": False, "reason": "exceed max subscription count limitation"}, ExchangeUnavailable),
        ({"result": False, "msg": "too many topics"}, ExchangeUnavailable),
        ({"result": False, "reason": "code 112010"}, AccountModeChanged),
        ({"result": False, "reason": "wrong account mode"}, AccountModeChanged),
        ({"result": False, "reason": "missing `symbol` for topic"}, ContractBroken),
        ({"result": False, "reason": "Invalid Unified Account user."}, AccountModeChanged),
        ({"result": False, "reason": "no permission for this channel"}, PermissionMissing),
    ],
)
def test_a_refused_subscription_says_why_and_is_over(message, kind):
    protocol = a_socket()
    hear(protocol, WELCOME["spot"])
    (event,) = hear(protocol, {"id": "1", **message})
    assert isinstance(event, Refused)
    assert (event.connection_id, type(event.error)) == (WHO, kind)
    assert hear(protocol, {"id": "1", "type": "ack"}) == []


def test_an_account_that_left_hears_nothing_more():
    protocol = a_live_socket()
    protocol.leave(UUID(int=8), NOW)
    assert hear(protocol, a_match()) != []
    protocol.leave(WHO, NOW)
    assert hear(protocol, a_match()) == []


# ── Prices ────────────────────────────────────────────────────────────────────────────────────────────


def a_price_socket(name: str = "spot", *symbols: str):
    protocol = PRICES[name].protocol(MARKETS)
    protocol.follow(frozenset(symbols), NOW)
    protocol.open(NOW)
    assert said(protocol) == []
    hear(protocol, {"id": "prices", "type": "welcome"})
    return protocol


def settled(protocol):
    """Confirms every request until the socket is content; what it asked."""
    asked = []
    while messages := said(protocol):
        asked += messages
        for message in messages:
            hear(protocol, {"id": message["id"], "type": "ack"})
    return asked


def test_prices_are_asked_for_after_the_welcome_in_one_topic():
    assert said(a_price_socket("spot", "BTC/USDT", "KCS/USDT", "NOPE/USDT")) == [
        {"id": "1", "type": "subscribe", "topic": "/market/ticker:BTC-USDT,KCS-USDT", "response": True}
    ]
    assert said(a_price_socket("futures", "BTC/USDT:USDT"))[0]["topic"] == "/contractMarket/ticker:XBTUSDTM"


def test_a_topic_names_at_most_a_hundred_symbols():
    topics = [m["topic"] for m in settled(a_price_socket("spot", *(f"C{n:03}/USDT" for n in range(250))))]
    assert [len(topic.split(",")) for topic in topics] == [100, 100, 50]


def test_what_is_wanted_may_change_at_any_time():
    protocol = a_price_socket("spot", "BTC/USDT")
    settled(protocol)
    protocol.follow(frozenset({"KCS/USDT"}), NOW + 1)
    assert [(m["type"], m["topic"]) for m in settled(protocol)] == [
        ("unsubscribe", "/market/ticker:BTC-USDT"),
        ("subscribe", "/market/ticker:KCS-USDT"),
    ]
    protocol.follow(frozenset({"KCS/USDT"}), NOW + 2)
    assert said(protocol) == []


def test_a_refused_topic_is_halved_until_the_symbol_at_fault_stands_alone():
    protocol = a_price_socket("spot", "BTC/USDT", "KCS/USDT", "C001/USDT")
    accepted, waiting = [], said(protocol)
    while waiting:
        message = waiting.pop()
        ids = message["topic"].split(":")[1].split(",")
        if "C001-USDT" in ids:
            hear(protocol, {"id": message["id"], "type": "error", "code": 404, "data": "topic is not found"})
        else:
            hear(protocol, {"id": message["id"], "type": "ack"})
            accepted += ids
        waiting += said(protocol)
    assert sorted(accepted) == ["BTC-USDT", "KCS-USDT"]


@pytest.mark.parametrize(
    "message", [{"id": "9", "type": "error", "code": 509}, {"id": "1", "type": "error", "code": 401}]
)
def test_a_price_socket_that_is_refused_as_a_whole_is_broken(message):
    assert [type(event) for event in hear(a_price_socket("spot", "BTC/USDT", "KCS/USDT"), message)] == [Broken]


def test_a_price_socket_pings_and_dies_like_the_others():
    protocol = a_price_socket("spot", "BTC/USDT")
    settled(protocol)
    assert protocol.tick(NOW + 18_000) == []
    assert [m["type"] for m in said(protocol)] == ["ping"]
    hear(protocol, {"id": "2", "type": "pong"}, NOW + 18_001)
    protocol.tick(NOW + 36_000)
    assert [type(event) for event in protocol.tick(NOW + 46_000)] == [Broken]


def test_a_price_is_heard_and_one_that_cannot_be_read_is_passed_over():
    protocol = a_price_socket("spot", "BTC/USDT")
    data = {"price": "64000", "bestBid": "63999.9", "bestAsk": "64000.1", "time": NOW, "size": "1", "sequence": "5"}
    message = {"type": "message", "topic": "/market/ticker:BTC-USDT", "subject": "trade.ticker", "data": data}
    ticker = Ticker(
        symbol="BTC/USDT", last=Decimal(64000), bid=Decimal("63999.9"), ask=Decimal("64000.1"), timestamp_ms=NOW
    )
    assert hear(protocol, message) == [TickerHeard(ticker)]
    assert hear(protocol, message | {"data": {"price": "much", "time": NOW}}) == []
    assert hear(protocol, message | {"topic": "/market/ticker:NOPE-USDT"}) == []
    assert hear(protocol, "{") == []
    assert hear(protocol, message) == [TickerHeard(ticker)]


SPOT_DATA = {"price": "3", "bestBid": "1", "bestAsk": "2", "bestBidSize": "9", "bestAskSize": "9", "time": NOW}
FUTURES_DATA = {"symbol": "XBTUSDTM", "bestBidPrice": "1", "bestAskPrice": "2", "bestBidSize": 9, "ts": NOW * 10**6 + 1}


@pytest.mark.parametrize(
    ("message", "symbol", "last"),
    [
        ({"topic": "/market/ticker:all", "subject": "BTC-USDT", "data": SPOT_DATA}, "BTC/USDT", 3),
        (
            {
                "topic": "/market/snapshot:BTC-USDT",
                "data": {
                    "sequence": "1",
                    "data": {"symbol": "BTC-USDT", "buy": 1, "sell": 2, "lastTradedPrice": 3, "datetime": NOW},
                },
            },
            "BTC/USDT",
            3,
        ),
        ({"topic": "/contractMarket/ticker:XBTUSDTM", "data": FUTURES_DATA | {"price": "3"}}, "BTC/USDT:USDT", 3),
        ({"topic": "/contractMarket/tickerV2:XBTUSDTM", "data": FUTURES_DATA}, "BTC/USDT:USDT", None),
        (
            {
                "T": "ticker.SPOT",
                "P": "1",
                "d": {"s": "BTC-USDT", "l": "3", "b": "1", "a": "2", "B": "9", "A": "9", "M": str(NOW * 10**6), "E": 5},
            },
            "BTC/USDT",
            3,
        ),
        (
            {"T": "ticker.FUTURES", "d": {"s": "XBTUSDTM", "l": "3", "b": "1", "a": "2", "M": NOW * 10**6}},
            "BTC/USDT:USDT",
            3,
        ),
    ],
)
def test_each_kind_of_ticker_is_read_with_bid_and_ask_the_right_way_round(message, symbol, last):
    wanted = Ticker(symbol=symbol, last=last and Decimal(last), bid=Decimal(1), ask=Decimal(2), timestamp_ms=NOW)
    assert ticker_in(message, MARKETS) == wanted


def test_other_news_is_no_price():
    assert ticker_in({"T": "obu.SPOT", "d": {}}, MARKETS) is None
    assert ticker_in({"topic": "/market/level2:BTC-USDT", "data": {}}, MARKETS) is None
