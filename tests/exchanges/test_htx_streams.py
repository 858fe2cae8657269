"""Sockets: three kinds of pings, sign-ins of two kinds, refusals, zipped frames and prices."""

import base64
import gzip
import hashlib
import hmac
import json
from decimal import Decimal
from uuid import UUID

import pytest

from shared.domain.connections import Account, Credentials
from shared.domain.errors import AccountModeChanged, ContractBroken, ExchangeUnavailable, UnreadableRow
from shared.domain.markets import Market, Markets
from shared.domain.trades import Product
from shared.exchanges import load
from shared.exchanges.kit.contract import Broken, HistoryDue, Live, Refused, TickerHeard, TradesHeard

HTX = load("htx")
NOW = 1_795_190_400_000
ME = UUID(int=7)
SPOT, LINEAR, OLD = HTX.streams
MARKETS = Markets(
    [
        Market("btcusdt", "BTC/USDT", "spot", "BTC", "USDT"),
        Market("ethusdt", "ETH/USDT", "spot", "ETH", "USDT"),
        Market(
            "BTC-USDT", "BTC/USDT:USDT", "swap", "BTC", "USDT", "USDT", Decimal("0.001"), linear=True, inverse=False
        ),
    ]
)
EXECUTION = {
    "op": "notify",
    "topic": "trade",
    "contract_code": "BTC-USDT",
    "data": [
        {
            "id": "9-8-1",
            "order_id": "8",
            "trade_id": "7",
            "direction": "buy",
            "role": "maker",
            "trade_volume": "2",
            "trade_price": "50000",
            "trade_turnover": "100",
            "created_time": str(NOW),
        }
    ],
}


def zipped(message):
    return gzip.compress(json.dumps(message).encode())


def said(protocol):
    return [json.loads(frame) for frame in protocol.outbox()]


def opened(stream, mode="v5"):
    protocol = stream.protocol(MARKETS)
    account = Account(connection_id=ME, exchange="htx", products=HTX.products, mode=mode)
    assert stream.serves(account)
    protocol.join(account, Credentials({"api_key": "key", "secret": "hush"}), {}, NOW)
    protocol.open(NOW)
    return protocol


def signed(text):
    return base64.b64encode(hmac.new(b"hush", text.encode(), hashlib.sha256).digest()).decode()


def live_spot():
    protocol = opened(SPOT)
    protocol.outbox()
    protocol.receive('{"action":"req","code":200,"ch":"auth","data":{}}', NOW)
    assert [one["ch"] for one in said(protocol)] == ["trade.clearing#*#0"]
    assert protocol.receive('{"action":"sub","code":200,"ch":"trade.clearing#*#0","data":{}}', NOW) == [Live(ME)]
    return protocol


def live_linear():
    protocol = opened(LINEAR)
    protocol.outbox()
    protocol.receive(zipped({"op": "auth", "type": "api", "err-code": 0, "ts": NOW}), NOW)
    (asked,) = said(protocol)
    assert asked == {"op": "sub", "cid": "1", "topic": "trade", "contract_code": "*"}
    assert protocol.receive(zipped({**asked, "err-code": 0, "ts": NOW}), NOW) == [Live(ME)]
    return protocol


def test_spot_signs_in_with_version_2_1_over_its_own_host():
    (asked,) = said(opened(SPOT))
    query = "accessKey=key&signatureMethod=HmacSHA256&signatureVersion=2.1&timestamp=2026-11-20T16%3A00%3A00"
    assert asked["params"].pop("signature") == signed(f"GET\napi.huobi.pro\n/ws/v2\n{query}")
    assert asked == {
        "action": "req",
        "ch": "auth",
        "params": {
            "authType": "api",
            "accessKey": "key",
            "signatureMethod": "HmacSHA256",
            "signatureVersion": "2.1",
            "timestamp": "2026-11-20T16:00:00",
        },
    }


@pytest.mark.parametrize(
    ("stream", "mode", "path"), [(LINEAR, "v5", "/ws/v5/notification"), (OLD, "legacy", "/linear-swap-notification")]
)
def test_contracts_sign_in_as_rest_does_over_their_own_path(stream, mode, path):
    (asked,) = said(opened(stream, mode))
    query = "AccessKeyId=key&SignatureMethod=HmacSHA256&SignatureVersion=2&Timestamp=2026-11-20T16%3A00%3A00"
    assert asked.pop("Signature") == signed(f"GET\napi.hbdm.vn\n{path}\n{query}")
    assert (asked["op"], asked["type"], asked["SignatureVersion"]) == ("auth", "api", "2")
    assert "signature" not in asked
    assert stream.url("global", {}) == f"wss://api.hbdm.vn{path}"


def test_the_old_interface_is_live_when_both_margin_modes_are_followed():
    protocol = opened(OLD, "legacy")
    protocol.outbox()
    protocol.receive(zipped({"op": "auth", "err-code": 0}), NOW)
    topics = [one["topic"] for one in said(protocol)]
    assert topics == ["orders_cross.*", "orders.*"]
    assert protocol.receive(zipped({"op": "sub", "topic": topics[0], "err-code": 0}), NOW) == []
    assert protocol.receive(zipped({"op": "sub", "topic": topics[1], "err-code": 0}), NOW) == [Live(ME)]


def test_each_kind_of_ping_is_answered_in_its_own_words():
    spot = live_spot()
    spot.receive('{"action":"ping","data":{"ts":1790000000123}}', NOW)
    assert said(spot) == [{"action": "pong", "data": {"ts": 1790000000123}}]
    linear = live_linear()
    linear.receive(zipped({"op": "ping", "ts": "1790000000123"}), NOW)
    assert said(linear) == [{"op": "pong", "ts": "1790000000123"}]
    prices = HTX.ticker_streams[0].protocol(MARKETS)
    prices.open(NOW)
    prices.receive(zipped({"ping": 1790000000123}), NOW)
    assert said(prices) == [{"pong": 1790000000123}]


def test_a_refused_sign_in_is_tried_again_because_rest_has_the_last_word_on_a_key():
    protocol = opened(SPOT)
    (event,) = protocol.receive('{"action":"req","code":2002,"ch":"auth","message":"auth.fail"}', NOW)
    assert isinstance(event, Refused)
    assert isinstance(event.error, ExchangeUnavailable)
    assert "auth.fail" in event.error.sentence
    (event,) = opened(LINEAR).receive(
        zipped({"op": "auth", "err-code": 2003, "err-msg": "Authentication failed."}), NOW
    )
    assert isinstance(event.error, ExchangeUnavailable)
    assert {request.endpoint.path for request in SPOT.prepare(None)} == {"/v2/user/uid"}
    assert LINEAR.prepare is SPOT.prepare


@pytest.mark.parametrize(
    ("code", "message", "kind"),
    [
        (4000, "too.many.connection", ExchangeUnavailable),
        (2001, "invalid.ch", ContractBroken),
        (2002, "invalid.auth.state", ExchangeUnavailable),
    ],
)
def test_a_refused_subscription_of_spot_says_why(code, message, kind):
    protocol = opened(SPOT)
    protocol.receive('{"action":"req","code":200,"ch":"auth","data":{}}', NOW)
    answer = {"action": "sub", "code": code, "ch": "trade.clearing#*#0", "message": message}
    (event,) = protocol.receive(json.dumps(answer), NOW)
    assert type(event.error) is kind


def test_an_account_that_moved_to_the_other_interface_is_detected_again():
    protocol = opened(LINEAR)
    protocol.receive(zipped({"op": "auth", "err-code": 0}), NOW)
    (event,) = protocol.receive(zipped({"op": "sub", "topic": "trade", "err-code": 4007, "err-msg": "Non"}), NOW)
    assert isinstance(event.error, AccountModeChanged)


def test_a_notice_of_the_end_breaks_the_socket_and_an_error_alone_does_not():
    protocol = live_linear()
    assert protocol.receive(zipped({"op": "error", "err-code": 2001}), NOW) == []
    (event,) = protocol.receive(zipped({"op": "close", "ts": NOW}), NOW)
    assert isinstance(event, Broken)


def test_a_fill_without_its_fee_is_told_and_its_contract_is_read():
    protocol = live_linear()
    (heard,) = protocol.receive(zipped(EXECUTION), NOW)
    assert isinstance(heard, TradesHeard)
    (trade,) = heard.trades
    assert (trade.provisional, trade.amount, trade.contracts) == (True, Decimal("0.002"), Decimal(2))
    (due,) = protocol.tick(NOW + 1_500)
    assert isinstance(due, HistoryDue)
    assert (due.product, due.market_id) == (Product.LINEAR, "BTC-USDT")


@pytest.mark.parametrize("start", [live_spot, live_linear])
def test_silence_is_death(start):
    protocol = start()
    assert protocol.deadline <= NOW + 45_000
    (event,) = protocol.tick(protocol.deadline)
    assert isinstance(event, Broken)


@pytest.mark.parametrize("frame", [zipped(EXECUTION)[:-9], b"\x1f\x8bgarbage", gzip.compress(b"x" * 20_000_000), b"{"])
def test_a_frame_that_cannot_be_unzipped_is_unreadable(frame):
    with pytest.raises(UnreadableRow):
        HTX.decode(frame)
    (heard,) = live_linear().receive(frame, NOW)
    assert heard.unreadable


# ── Prices ────────────────────────────────────────────────────────────────────────────────────────────


def test_prices_are_asked_for_one_by_one_and_a_refused_one_is_left_out():
    protocol = HTX.ticker_streams[0].protocol(MARKETS)
    protocol.follow(frozenset({"BTC/USDT", "ETH/USDT", "BTC/USDT:USDT"}), NOW)
    protocol.open(NOW)
    assert said(protocol) == [{"sub": "market.btcusdt.ticker", "id": "1"}]
    protocol.receive(zipped({"status": "error", "err-code": "bad-request", "id": "1"}), NOW)
    assert said(protocol) == [{"sub": "market.ethusdt.ticker", "id": "2"}]
    protocol.receive(zipped({"id": "2", "status": "ok", "subbed": "market.ethusdt.ticker"}), NOW)
    protocol.follow(frozenset(), NOW)
    assert said(protocol) == [{"unsub": "market.ethusdt.ticker", "id": "3"}]


@pytest.mark.parametrize(
    ("stream", "symbol", "topic", "tick", "wanted"),
    [
        (
            0,
            "BTC/USDT",
            "btcusdt.ticker",
            {"close": 2, "lastPrice": 1.25, "bid": 1.1, "ask": 1.3},
            ("1.25", "1.1", "1.3"),
        ),
        (0, "BTC/USDT", "btcusdt.detail", {"close": 52379.99}, ("52379.99", None, None)),
        (1, "BTC/USDT:USDT", "BTC-USDT.detail", {"close": 2, "bid": [1.1, 5], "ask": [1.3, 4]}, ("2", "1.1", "1.3")),
    ],
)
def test_a_price_keeps_the_digits_that_were_written(stream, symbol, topic, tick, wanted):
    protocol = HTX.ticker_streams[stream].protocol(MARKETS)
    protocol.follow(frozenset({symbol}), NOW)
    protocol.open(NOW)
    (event,) = protocol.receive(zipped({"ch": f"market.{topic}", "ts": NOW, "tick": tick}), NOW)
    assert isinstance(event, TickerHeard)
    ticker = event.ticker
    assert (ticker.symbol, ticker.timestamp_ms) == (symbol, NOW)
    assert (ticker.last, ticker.bid, ticker.ask) == tuple(None if one is None else Decimal(one) for one in wanted)
