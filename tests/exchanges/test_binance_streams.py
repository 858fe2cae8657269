"""Binance's conversations: many accounts on one socket, listen keys, prices at a polite pace."""

import hashlib
import hmac
import json
from uuid import UUID

import pytest

from shared.domain.connections import Account, Credentials
from shared.domain.errors import ExchangeUnavailable, KeyRejected, RateLimited
from shared.domain.trades import Product
from shared.exchanges import load
from shared.exchanges.kit.contract import Answer, Broken, Closing, HistoryDue, Live, Refused, TickerHeard, TradesHeard
from tests.exchanges.messages import markets_of, own_samples

BINANCE = load("binance")
SPOT, FUTURES = BINANCE.streams
SAMPLES = {sample["id"]: sample for name, sample in own_samples() if name == "binance"}
MARKETS = markets_of(SAMPLES["spot-taker-buy"])
NOW = 1_795_190_400_000
FIRST, SECOND = UUID(int=1), UUID(int=2)
REPORT = SAMPLES["spot-taker-buy"]["raw"]["event"]
KEY = Credentials({"api_key": "AK", "secret": "SK"})


def account(connection_id):
    return Account(connection_id=connection_id, exchange="binance", products=(Product.SPOT, Product.LINEAR))


def said(protocol):
    return [json.loads(frame) for frame in protocol.outbox()]


def told(protocol, message, now=NOW):
    return protocol.receive(json.dumps(message), now)


def ack(request, subscription):
    return {"id": request["id"], "status": 200, "result": {"subscriptionId": subscription}}


def report(subscription, **changes):
    return {"subscriptionId": subscription, "event": {**REPORT, **changes}}


def two_accounts():
    """Two accounts on an open socket: the first is subscription 0, the second 1."""
    protocol = SPOT.protocol(MARKETS)
    protocol.join(account(FIRST), KEY, {}, NOW)
    protocol.join(account(SECOND), KEY, {}, NOW)
    protocol.open(NOW)
    first, second = said(protocol)
    assert told(protocol, ack(first, 0)) == [Live(FIRST)]
    assert told(protocol, ack(second, 1)) == [Live(SECOND)]
    return protocol


class TestSpot:
    def test_a_subscription_is_signed_over_its_sorted_parameters(self):
        protocol = SPOT.protocol(MARKETS)
        protocol.join(account(FIRST), KEY, {}, NOW)
        assert protocol.outbox() == []
        protocol.open(NOW + 5)
        (request,) = said(protocol)
        assert request["method"] == "userDataStream.subscribe.signature"
        text = f"apiKey=AK&recvWindow=5000&timestamp={NOW + 5}"
        assert request["params"] == {
            "apiKey": "AK",
            "recvWindow": 5000,
            "timestamp": NOW + 5,
            "signature": hmac.new(b"SK", text.encode(), hashlib.sha256).hexdigest(),
        }

    def test_events_go_to_the_account_of_their_subscription(self):
        protocol = two_accounts()
        (heard,) = told(protocol, report(1))
        assert isinstance(heard, TradesHeard)
        assert (heard.connection_id, heard.trades[0].exchange_trade_id) == (SECOND, "880123")
        (heard,) = told(protocol, report(0, t=880200))
        assert (heard.connection_id, heard.trades[0].exchange_trade_id) == (FIRST, "880200")

    def test_a_refused_key_costs_nobody_else(self):
        protocol = SPOT.protocol(MARKETS)
        protocol.join(account(FIRST), KEY, {}, NOW)
        protocol.join(account(SECOND), KEY, {}, NOW)
        protocol.open(NOW)
        first, second = said(protocol)
        (refused,) = told(
            protocol, {"id": first["id"], "status": 401, "error": {"code": -2015, "msg": "Invalid API-key"}}
        )
        assert isinstance(refused, Refused)
        assert refused.connection_id == FIRST
        assert isinstance(refused.error, KeyRejected)
        assert told(protocol, ack(second, 0)) == [Live(SECOND)]
        assert protocol.tick(NOW + 11_000) == []  # nobody waits for the refused one's answer

    def test_a_limit_says_until_when(self):
        protocol = SPOT.protocol(MARKETS)
        protocol.join(account(FIRST), KEY, {}, NOW)
        protocol.open(NOW)
        (request,) = said(protocol)
        error = {"code": -1003, "msg": "Too many requests", "data": {"serverTime": NOW, "retryAfter": NOW + 300_000}}
        (refused,) = told(protocol, {"id": request["id"], "status": 429, "error": error})
        assert isinstance(refused.error, RateLimited)
        assert refused.error.until_ms == NOW + 300_000

    def test_a_stale_timestamp_is_signed_again_before_anyone_is_bothered(self):
        protocol = SPOT.protocol(MARKETS)
        protocol.join(account(FIRST), KEY, {}, NOW)
        protocol.open(NOW)
        (request,) = said(protocol)
        stale = {
            "status": 400,
            "error": {"code": -1021, "msg": "Timestamp for this request is outside of the recvWindow."},
        }
        assert told(protocol, {"id": request["id"], **stale}, NOW + 7_000) == []
        (again,) = said(protocol)
        assert again["params"]["timestamp"] == NOW + 7_000
        (refused,) = told(protocol, {"id": again["id"], **stale}, NOW + 8_000)
        assert isinstance(refused.error, ExchangeUnavailable)

    def test_an_account_joins_while_others_are_live(self):
        protocol = SPOT.protocol(MARKETS)
        protocol.join(account(FIRST), KEY, {}, NOW)
        protocol.open(NOW)
        told(protocol, ack(said(protocol)[0], 0))
        protocol.join(account(SECOND), KEY, {}, NOW + 60_000)
        (request,) = said(protocol)
        assert told(protocol, ack(request, 1)) == [Live(SECOND)]

    def test_an_account_leaves_by_its_number_so_that_the_others_stay(self):
        protocol = two_accounts()
        protocol.leave(FIRST, NOW)
        (request,) = said(protocol)
        assert (request["method"], request["params"]) == ("userDataStream.unsubscribe", {"subscriptionId": 0})
        assert told(protocol, report(0)) == []
        assert len(told(protocol, report(1))) == 1

    def test_an_account_that_leaves_before_its_answer_is_unsubscribed_with_it(self):
        protocol = SPOT.protocol(MARKETS)
        protocol.join(account(FIRST), KEY, {}, NOW)
        protocol.open(NOW)
        (request,) = said(protocol)
        protocol.leave(FIRST, NOW)
        assert said(protocol) == []
        assert told(protocol, ack(request, 5)) == []
        assert said(protocol)[0]["params"] == {"subscriptionId": 5}

    def test_an_event_before_the_answer_of_its_subscription_is_kept_for_it(self):
        protocol = SPOT.protocol(MARKETS)
        protocol.join(account(FIRST), KEY, {}, NOW)
        protocol.open(NOW)
        (request,) = said(protocol)
        assert told(protocol, report(0)) == []
        live, heard = told(protocol, ack(request, 0))
        assert live == Live(FIRST)
        assert heard.trades[0].exchange_trade_id == "880123"

    def test_an_ended_subscription_is_made_anew_and_live_again(self):
        protocol = two_accounts()
        assert told(protocol, {"subscriptionId": 0, "event": {"e": "eventStreamTerminated", "E": NOW}}) == []
        (request,) = said(protocol)
        assert request["method"] == "userDataStream.subscribe.signature"
        assert told(protocol, ack(request, 2)) == [Live(FIRST)]
        assert told(protocol, report(2))[0].connection_id == FIRST

    def test_a_subscription_that_the_exchange_forgot_is_found_by_asking(self):
        protocol = two_accounts()
        assert protocol.tick(protocol.deadline) == []
        (probe,) = said(protocol)
        assert probe["method"] == "session.subscriptions"
        told(protocol, {"id": probe["id"], "status": 200, "result": [{"subscriptionId": 1}]})
        (request,) = said(protocol)
        assert told(protocol, ack(request, 2)) == [Live(FIRST)]

    def test_a_socket_that_answers_no_more_is_dead(self):
        protocol = two_accounts()
        protocol.tick(protocol.deadline)
        (probe,) = said(protocol)
        told(protocol, {"id": probe["id"], "status": 200, "result": [{"subscriptionId": 0}, {"subscriptionId": 1}]})
        protocol.tick(protocol.deadline)
        (broken,) = protocol.tick(protocol.deadline)
        assert isinstance(broken, Broken)

    def test_a_subscription_without_an_answer_is_a_dead_socket(self):
        protocol = SPOT.protocol(MARKETS)
        protocol.join(account(FIRST), KEY, {}, NOW)
        protocol.open(NOW)
        assert protocol.deadline <= NOW + 10_000
        (broken,) = protocol.tick(protocol.deadline)
        assert isinstance(broken, Broken)

    @pytest.mark.parametrize(
        "message", [{"subscriptionId": 0, "event": {"e": "serverShutdown"}}, {"e": "serverShutdown"}]
    )
    def test_an_announced_end_asks_for_a_successor(self, message):
        (closing,) = told(two_accounts(), message)
        assert isinstance(closing, Closing)

    def test_what_cannot_be_read_is_kept_whole_with_its_account(self):
        protocol = two_accounts()
        (heard,) = told(protocol, report(1, S="HOLD"))
        assert (heard.connection_id, heard.trades) == (SECOND, ())
        assert heard.unreadable[0].raw == report(1, S="HOLD")
        assert "'S'" in heard.unreadable[0].reason

    @pytest.mark.parametrize("envelope", [REPORT, {"stream": "key", "data": REPORT}], ids=["bare", "combined"])
    def test_a_report_that_names_no_subscription_is_of_the_one_who_sits_alone_and_else_of_nobody(self, envelope):
        protocol = two_accounts()
        (broken,) = told(protocol, envelope)
        assert isinstance(broken, Broken)
        protocol.leave(FIRST, NOW)
        (heard,) = told(protocol, envelope)
        assert (heard.connection_id, heard.trades[0].exchange_trade_id) == (SECOND, "880123")

    def test_half_a_frame_of_many_accounts_ends_the_socket_and_is_told_of_nobody(self):
        assert two_accounts().receive('{"subscriptionId":0,"event":{"e":"exec', NOW) == [
            Broken("not JSON: Input data was truncated")
        ]

    def test_a_fill_that_was_not_heard_shows_in_the_next_one(self):
        protocol = two_accounts()
        told(protocol, report(0, x="NEW", X="NEW", t=-1, l="0", L="0", z="0", n="0", N=None))
        assert len(told(protocol, report(0, l="0.1", z="0.1", t=1))) == 1
        heard, due = told(protocol, report(0, l="0.1", z="0.3", t=3))
        assert isinstance(heard, TradesHeard)
        assert (due.product, due.market_id, due.order_id) == (Product.SPOT, "BTCUSDT", "3301")
        assert isinstance(due, HistoryDue)
        assert len(told(protocol, report(0, l="0.1", z="0.3", t=3))) == 1  # a repeat is no gap
        assert len(told(protocol, report(0, l="0.1", z="0.4", t=4))) == 1


def futures():
    protocol = FUTURES.protocol(MARKETS)
    protocol.join(account(FIRST), KEY, {"listen_key": "K"}, NOW)
    protocol.open(NOW)
    assert protocol.tick(protocol.deadline) == [Live(FIRST)]
    return protocol


class TestFutures:
    def test_a_listen_key_is_fetched_first_and_stands_in_the_address(self):
        steps = FUTURES.prepare(account(FIRST))
        request = next(steps)
        assert (request.endpoint.method, request.endpoint.path) == ("POST", "/fapi/v1/listenKey")
        with pytest.raises(StopIteration) as end:
            steps.send(Answer({"listenKey": "abc"}))
        ticket = end.value.value
        assert FUTURES.url("global", ticket) == "wss://fstream.binance.com/private/ws?listenKey=abc"

    def test_a_key_that_is_gone_is_not_renewed(self):
        steps = FUTURES.renew(account(FIRST), {"listen_key": "abc"})
        assert next(steps).endpoint.method == "PUT"
        with pytest.raises(ExchangeUnavailable):
            steps.send(Answer({"listenKey": "another"}))

    def test_an_open_socket_is_live_and_trades_are_heard_in_any_envelope(self):
        protocol = futures()
        for name, number in (("futures-taker-sell", "5530011"), ("futures-combined", "5530012")):
            (heard,) = told(protocol, SAMPLES[name]["raw"])
            assert (heard.connection_id, heard.trades[0].exchange_trade_id) == (FIRST, number)

    def test_a_trade_that_comes_before_the_first_tick_is_live_first(self):
        protocol = FUTURES.protocol(MARKETS)
        protocol.join(account(FIRST), KEY, {"listen_key": "K"}, NOW)
        protocol.open(NOW)
        live, heard = told(protocol, SAMPLES["futures-taker-sell"]["raw"])
        assert live == Live(FIRST)
        assert len(heard.trades) == 1

    def test_an_expired_key_ends_the_socket(self):
        (broken,) = told(futures(), SAMPLES["futures-key-expired"]["raw"])
        assert isinstance(broken, Broken)

    def test_a_settled_liquidation_asks_for_history(self):
        (due,) = told(futures(), SAMPLES["futures-calculated"]["raw"])
        assert (due.connection_id, due.product, due.market_id) == (FIRST, Product.LINEAR, "BTCUSDT")

    def test_a_host_that_answers_probes_is_dead_when_it_stops(self):
        protocol = futures()
        (probe,) = said(protocol)
        assert probe["method"] == "LIST_SUBSCRIPTIONS"
        told(protocol, {"result": [], "id": probe["id"]})
        protocol.tick(protocol.deadline)
        assert len(said(protocol)) == 1
        (broken,) = protocol.tick(protocol.deadline)
        assert isinstance(broken, Broken)

    def test_a_host_that_never_answers_probes_is_not_taken_for_dead(self):
        protocol = futures()
        for _ in range(10):
            assert protocol.tick(protocol.deadline) == []


class TestPrices:
    def test_five_messages_a_second_are_never_reached(self):
        protocol = BINANCE.ticker_streams[0].protocol(MARKETS)
        protocol.open(NOW)
        for _ in range(10):
            protocol.follow(frozenset({"BTC/USDT"}), NOW)
            protocol.follow(frozenset(), NOW)
        now, sent = NOW, []
        while now < NOW + 20_000:
            sent += [now] * len(protocol.outbox())
            now = max(now, protocol.deadline)
            protocol.tick(now)
        assert len(sent) == 20
        assert all(later - earlier >= 1_000 for earlier, later in zip(sent, sent[3:], strict=False))

    def test_only_what_changed_is_asked_for(self):
        protocol = BINANCE.ticker_streams[0].protocol(MARKETS)
        protocol.follow(frozenset({"BTC/USDT", "BTC/USDT:USDT", "NO/SUCH"}), NOW)
        protocol.open(NOW)
        (request,) = said(protocol)
        assert (request["method"], request["params"]) == ("SUBSCRIBE", ["btcusdt@ticker"])
        protocol.follow(frozenset({"BTC/USDT"}), NOW)
        assert said(protocol) == []
        protocol.follow(frozenset(), NOW)
        assert said(protocol)[0] == {"method": "UNSUBSCRIBE", "id": 2, "params": ["btcusdt@ticker"]}

    @pytest.mark.parametrize("has_envelope", [True, False])
    def test_a_price_is_heard_of_the_product_of_its_socket(self, has_envelope):
        row = {"e": "24hrTicker", "E": 1795190400500, "s": "BTCUSDT", "c": "64000.0", "b": "63999.9", "a": "64000.0"}
        message = {"stream": "btcusdt@ticker", "data": row} if has_envelope else row
        for stream, symbol in zip(BINANCE.ticker_streams, ("BTC/USDT", "BTC/USDT:USDT"), strict=True):
            (heard,) = told(stream.protocol(MARKETS), message)
            assert isinstance(heard, TickerHeard)
            assert (heard.ticker.symbol, str(heard.ticker.last), heard.ticker.timestamp_ms) == (
                symbol,
                "64000.0",
                1795190400500,
            )

    @pytest.mark.parametrize("word", ["24hrTicker", "24hrMiniTicker"])
    def test_a_price_is_read_field_by_field(self, word):
        row = {"e": word, "E": 1795190400500, "s": "BTCUSDT", "c": "64000.0", "b": "63999.9", "a": "64000.1"}
        volumes = {"p": "1", "P": "2", "w": "3", "x": "4", "Q": "5", "B": "6", "A": "7", "o": "8", "h": "9", "l": "10"}
        (heard,) = told(BINANCE.ticker_streams[0].protocol(MARKETS), row | volumes)
        ticker = heard.ticker
        assert list(map(str, (ticker.last, ticker.bid, ticker.ask))) == ["64000.0", "63999.9", "64000.1"]

    def test_a_silent_socket_is_asked_and_then_dead(self):
        protocol = BINANCE.ticker_streams[0].protocol(MARKETS)
        protocol.follow(frozenset({"BTC/USDT"}), NOW)
        protocol.open(NOW)
        protocol.outbox()
        assert protocol.tick(protocol.deadline) == []
        assert said(protocol)[0]["method"] == "LIST_SUBSCRIPTIONS"
        (broken,) = protocol.tick(protocol.deadline)
        assert isinstance(broken, Broken)
