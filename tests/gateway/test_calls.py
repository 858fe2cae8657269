"""Calls over REST: only declared ones, paid for first, signed when sent, judged by the exchange's module.

The other side is the simulator, or a small server that answers what the test says.
"""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit
from uuid import UUID, uuid4

import pytest

from shared.domain.connections import Account, Credentials
from shared.domain.errors import (
    BadInput,
    ClockWrong,
    ContractBroken,
    ExchangeUnavailable,
    KeyRejected,
    PermissionMissing,
    RateLimited,
    WireUnavailable,
)
from shared.domain.trades import Product
from shared.exchanges import load
from shared.exchanges.kit.contract import Endpoint, OwnKey, Request
from shared.gateway import Gateway, TurnsHere, Unlimited
from shared.gateway.paths import CallNotDeclared

NAME = "binance"
FOUND = load(NAME)
ENDPOINTS = {endpoint.name: endpoint for endpoint in FOUND.endpoints}
ACCOUNT = Account(connection_id=UUID(int=1), exchange=NAME, products=(Product.SPOT,))
SECRET = "S" * 40
KEY = Credentials({"api_key": "K" * 40, "secret": SECRET})
TRADES = Request(ENDPOINTS["privateGetMyTrades"], {"symbol": "BTCUSDT", "fromId": 0, "limit": 1000})


class Server:
    """Answers with what stands in `answers` by path (status, headers, body), and keeps what it was asked."""

    def __init__(self):
        self.answers = {}
        self.asked = []
        self.skew_ms = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def _answer(self):
                path = urlsplit(self.path).path
                length = int(self.headers.get("content-length") or 0)
                body = self.rfile.read(length).decode()
                outer.asked.append((self.command, self.path, dict(self.headers), body))
                answer = outer.answers.get(path.split("/", 3)[3])
                answer = answer(self.path) if callable(answer) else answer
                status, headers, content = answer or (404, {}, "nothing here")
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                data = content.encode()
                self.send_header("content-length", headers.get("x-length", str(len(data))))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_PUT = _answer  # noqa: N815 — the library's names

            def log_message(self, *_):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"

    def paths(self):
        return [urlsplit(path).path for _, path, _, _ in self.asked]


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    thread = threading.Thread(target=made.http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    made.http.shutdown()
    made.http.server_close()
    thread.join()


class Clock:
    def __init__(self):
        self.ms = 1_795_190_400_000
        self.slept = []

    def now(self):
        return self.ms

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.ms += round(seconds * 1000)


@pytest.fixture
def clock():
    return Clock()


@contextmanager
def gateway_of(server, clock, **options):
    gateway = Gateway(simulator_url=server.url, now_ms=clock.now, sleep=clock.sleep, **options)
    server.answers.setdefault("api/v3/time", lambda _: (200, {}, f'{{"serverTime": {clock.ms + server.skew_ms}}}'))
    try:
        yield gateway
    finally:
        gateway.close()


def test_a_call_goes_to_the_simulators_copy_of_the_address_signed_as_for_the_real_one(server, clock):
    server.answers["api/v3/myTrades"] = (200, {"X-MBX-USED-WEIGHT-1M": "20"}, "[]")
    with gateway_of(server, clock) as gateway:
        answer = gateway.call(ACCOUNT, KEY, TRADES)
    assert answer.data == []
    assert answer.weight == 20
    assert answer.headers["x-mbx-used-weight-1m"] == "20"
    method, path, headers, _ = server.asked[-1]
    assert method == "GET"
    assert urlsplit(path).path == "/binance/api.binance.com/api/v3/myTrades"
    query = parse_qs(urlsplit(path).query)
    assert query["fromId"] == ["0"]
    assert query["timestamp"] == [str(clock.ms)]
    assert len(query["signature"][0]) == 64
    assert {name.lower(): value for name, value in headers.items()}["x-mbx-apikey"] == "K" * 40


def test_a_call_may_name_the_key_that_signs_it(server, clock):
    server.answers["api/v3/myTrades"] = (200, {}, "[]")
    with gateway_of(server, clock) as gateway:
        gateway.call(ACCOUNT, KEY, Request(TRADES.endpoint, {"symbol": "BTCUSDT", "accessKey": OwnKey()}))
    assert parse_qs(urlsplit(server.asked[-1][1]).query)["accessKey"] == ["K" * 40]


def test_fractions_arrive_exactly(server, clock):
    server.answers["api/v3/myTrades"] = (
        200,
        {},
        '[{"price": 0.1000000000000000055511151231257827, "id": 9007199254740993}]',
    )
    with gateway_of(server, clock) as gateway:
        (row,) = gateway.call(ACCOUNT, KEY, TRADES).data
    assert row == {"price": Decimal("0.1000000000000000055511151231257827"), "id": 9007199254740993}


def test_a_call_that_no_module_declares_is_never_made(server, clock):
    order = Endpoint(name="privatePostOrder", method="POST", path="/api/v3/order", pool="spot", weight=1)
    disguised = Endpoint(name="privatePostOrder", method="GET", path="/api/v3/myTrades", pool="spot", weight=20)
    with gateway_of(server, clock) as gateway:
        gateway.clock_offset_ms(NAME)
        before = len(server.asked)
        for endpoint in (order, disguised):
            with pytest.raises(CallNotDeclared):
                gateway.call(ACCOUNT, KEY, Request(endpoint, {"symbol": "BTCUSDT"}))
    assert len(server.asked) == before


def test_a_declared_endpoint_with_another_method_behind_its_name_is_never_made(server, clock, monkeypatch):
    lying = Endpoint(name="privatePostOrder", method="GET", path="/api/v3/myTrades", pool="spot", weight=20)
    monkeypatch.setattr("shared.gateway.calls.load", lambda _: _with_endpoint(lying))
    with gateway_of(server, clock) as gateway, pytest.raises(CallNotDeclared):
        gateway.call(ACCOUNT, KEY, Request(lying, {"symbol": "BTCUSDT"}))
    assert all("order" not in path for path in server.paths())


def _with_endpoint(endpoint):
    from dataclasses import replace

    return replace(FOUND, endpoints=(*FOUND.endpoints, endpoint))


class Scarce(Unlimited):
    """A budget that has room after some waits, and notes what it was asked."""

    def __init__(self, *waits):
        self.waits = list(waits)
        self.taken, self.corrected, self.banned = [], [], []

    def take(self, exchange, account, pool, weight, *, lane, now_ms, egress=""):
        self.taken.append((pool.name, weight, lane, egress))
        return self.waits.pop(0) if self.waits and lane != "live" else 0

    def correct(self, exchange, account, pool, use, now_ms, *, egress=""):
        self.corrected.append((pool.name, use.used))

    def ban(self, exchange, account, until_ms, reason, *, ban=False, egress=""):
        self.banned.append((account, until_ms, ban))


def test_a_short_wait_is_slept_and_the_signature_is_made_afterwards(server, clock):
    server.answers["api/v3/myTrades"] = (200, {}, "[]")
    budget = Scarce(400, 300)
    with gateway_of(server, clock, budget=budget) as gateway:
        gateway.clock_offset_ms(NAME)
        began = clock.ms
        gateway.call(ACCOUNT, KEY, TRADES, lane="backfill")
    assert clock.slept == [0.4, 0.3]
    assert parse_qs(urlsplit(server.asked[-1][1]).query)["timestamp"] == [str(began + 700)]
    assert budget.taken[-1] == ("spot", 20, "backfill", "default")


def test_a_long_wait_gives_the_thread_back(server, clock):
    with gateway_of(server, clock, budget=Scarce(60_000)) as gateway, pytest.raises(RateLimited) as limited:
        gateway.call(ACCOUNT, KEY, TRADES)
    assert limited.value.until_ms == clock.ms + 60_000
    assert clock.slept == []
    assert "/binance/api.binance.com/api/v3/myTrades" not in server.paths()


def test_the_exchanges_count_corrects_the_budget_even_on_an_error(server, clock):
    budget = Scarce()
    server.answers["api/v3/myTrades"] = (400, {"X-MBX-USED-WEIGHT-1M": "5990"}, '{"code":-1128,"msg":"no"}')
    with gateway_of(server, clock, budget=budget) as gateway, pytest.raises(ContractBroken):
        gateway.call(ACCOUNT, KEY, TRADES)
    assert budget.corrected[-1] == ("spot", 5990)


class Forgetful(Unlimited):
    """A budget whose store is gone once the call is made."""

    def correct(self, *_, **__):
        raise WireUnavailable

    ban = correct


def test_a_budget_that_cannot_be_told_costs_no_answer_and_hides_no_error(server, clock):
    server.answers["api/v3/myTrades"] = (200, {"X-MBX-USED-WEIGHT-1M": "20"}, "[]")
    with gateway_of(server, clock, budget=Forgetful()) as gateway:
        assert gateway.call(ACCOUNT, KEY, TRADES).data == []
        server.answers["api/v3/myTrades"] = (429, {}, "{}")
        with pytest.raises(RateLimited):
            gateway.call(ACCOUNT, KEY, TRADES)


def test_a_ban_is_remembered_in_our_time(server, clock):
    budget = Scarce()
    server.skew_ms = 40_000
    until = clock.ms + 40_000 + 300_000
    server.answers["api/v3/myTrades"] = (
        418,
        {"Retry-After": "0"},
        f'{{"code":-1003,"msg":"IP banned until {until}."}}',
    )
    with gateway_of(server, clock, budget=budget) as gateway, pytest.raises(RateLimited) as limited:
        gateway.call(ACCOUNT, KEY, TRADES)
    assert (limited.value.until_ms, limited.value.ban) == (clock.ms + 300_000, True)
    assert budget.banned == [(None, clock.ms + 300_000, True)]


def test_the_price_of_a_call_without_a_weight_is_what_ccxt_would_wait(server, clock, monkeypatch):
    from dataclasses import replace

    cheap = [
        Endpoint(name=e.name, method=e.method, path=e.path, pool=e.pool) if e is TRADES.endpoint else e
        for e in FOUND.endpoints
    ]
    monkeypatch.setattr("shared.gateway.calls.load", lambda _: replace(FOUND, endpoints=tuple(cheap)))
    budget = Scarce()
    server.answers["api/v3/myTrades"] = (200, {}, "[]")
    endpoint = next(e for e in cheap if e.name == TRADES.endpoint.name)
    with gateway_of(server, clock, budget=budget) as gateway:
        answer = gateway.call(ACCOUNT, KEY, Request(endpoint, TRADES.params))
    assert answer.weight == pytest.approx(
        20
    )  # ccxt counts 4 of its units of 50 ms, as the fact sheet's 20 of 6000 a minute


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ((502, {}, "<html>Bad Gateway</html>"), ExchangeUnavailable),
        ((200, {}, "<html>We are back soon</html>"), ExchangeUnavailable),
        ((200, {}, '[{"id": 1'), ExchangeUnavailable),
        ((200, {}, ""), ExchangeUnavailable),
        ((302, {"Location": "http://127.0.0.1:1/"}, ""), ExchangeUnavailable),
        ((200, {"x-length": "500"}, "[]"), ExchangeUnavailable),
        ((401, {}, '{"code":-2015,"msg":"Invalid API-key, IP, or permissions for action."}'), KeyRejected),
        ((404, {}, "nothing"), ContractBroken),
    ],
)
def test_answers_become_our_errors_and_never_show_the_signature(server, clock, answer, kind):
    server.answers["api/v3/myTrades"] = answer
    with gateway_of(server, clock) as gateway, pytest.raises(kind) as caught:
        gateway.call(ACCOUNT, KEY, TRADES)
    _shows_nothing(caught.value)


def _shows_nothing(error):
    told = f"{error!r} {error} {error.__cause__!r}"
    assert "signature" not in told
    assert SECRET not in told
    assert error.__cause__ is None or "signature" not in str(error.__cause__)
    assert error.__suppress_context__ or error.__context__ is None


def test_an_exchange_that_is_not_there_is_unavailable_without_its_address(clock):
    gateway = Gateway(simulator_url="http://127.0.0.1:9", now_ms=clock.now, sleep=clock.sleep)
    with pytest.raises(ExchangeUnavailable) as caught:
        gateway.call(ACCOUNT, KEY, TRADES)
    assert str(caught.value) == "Binance cannot be reached."
    _shows_nothing(caught.value)
    gateway.close()


def test_a_proxy_that_is_not_there_is_said_without_its_password(server, clock):
    with gateway_of(server, clock) as gateway, pytest.raises(ExchangeUnavailable) as caught:
        gateway.call(ACCOUNT, KEY, TRADES, proxy="http://user:hunter2@127.0.0.1:9")
    assert "proxy" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_a_private_key_that_is_none_is_a_rejected_key(server, clock):
    broken = Credentials({"api_key": "K", "secret": "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"})
    with gateway_of(server, clock) as gateway, pytest.raises(KeyRejected):
        gateway.call(ACCOUNT, broken, TRADES)


def test_nothing_of_a_call_is_logged(server, clock, caplog):
    caplog.set_level(logging.DEBUG)
    server.answers["api/v3/myTrades"] = (200, {}, "[]")
    with gateway_of(server, clock) as gateway:
        gateway.call(ACCOUNT, KEY, TRADES)
    for record in caplog.records:
        if not record.name.startswith("urllib3"):
            assert "K" * 40 not in record.getMessage()
        assert SECRET not in record.getMessage()


class TestClock:
    def test_calls_are_signed_with_the_exchanges_time(self, server, clock):
        server.skew_ms = 25_000
        server.answers["api/v3/myTrades"] = (200, {}, "[]")
        with gateway_of(server, clock) as gateway:
            assert gateway.clock_offset_ms(NAME) == 25_000
            gateway.call(ACCOUNT, KEY, TRADES)
        assert parse_qs(urlsplit(server.asked[-1][1]).query)["timestamp"] == [str(clock.ms + 25_000)]

    def test_the_offset_is_measured_once_and_looked_after_every_minute(self, server, clock):
        with gateway_of(server, clock) as gateway:
            gateway.clock_offset_ms(NAME)
            gateway.clock_offset_ms(NAME)
            assert len(server.asked) == 5
            clock.ms += 61_000
            assert [gateway.clock_offset_ms(NAME) for _ in range(2)] == [0, 0]
            assert len(server.asked) == 6
            clock.ms += 61_000
            server.skew_ms = -900
            assert gateway.clock_offset_ms(NAME) == -900
            assert len(server.asked) == 11

    def test_an_offset_is_trusted_for_ten_minutes_while_the_exchange_cannot_be_asked(self, server, clock):
        with gateway_of(server, clock) as gateway:
            gateway.clock_offset_ms(NAME)
            server.answers["api/v3/time"] = (503, {}, "busy")
            clock.ms += 540_000
            assert [gateway.clock_offset_ms(NAME) for _ in range(2)] == [0, 0]
            assert len(server.asked) == 6
            clock.ms += 61_000
            with pytest.raises(ExchangeUnavailable):
                gateway.clock_offset_ms(NAME)

    def test_one_odd_probe_does_not_move_it(self, server, clock):
        skews = iter([0, 0, 90_000, 0, 0])
        server.answers["api/v3/time"] = lambda _: (200, {}, f'{{"serverTime": {clock.ms + next(skews)}}}')
        with gateway_of(server, clock) as gateway:
            offset = gateway.measure_clock(NAME)
        assert (offset.ms, offset.spread_ms) == (0, 90_000)

    def test_a_clock_that_jumped_is_measured_anew_and_the_call_made_again(self, server, clock):
        def judge(path):
            sent = int(parse_qs(urlsplit(path).query)["timestamp"][0])
            if abs(sent - (clock.ms + server.skew_ms)) > 1_000:
                return 400, {}, '{"code":-1021,"msg":"Timestamp for this request is outside of the recvWindow."}'
            return 200, {}, "[]"

        server.answers["api/v3/myTrades"] = judge
        with gateway_of(server, clock) as gateway:
            gateway.call(ACCOUNT, KEY, TRADES)
            server.skew_ms = -8_000
            assert gateway.call(ACCOUNT, KEY, TRADES).data == []

    def test_a_clock_that_moves_while_it_is_measured_is_nobodys_fault(self, server, clock):
        server.answers["api/v3/myTrades"] = (400, {}, '{"code":-1021,"msg":"no"}')
        with gateway_of(server, clock) as gateway, pytest.raises(ExchangeUnavailable, match="calls our time wrong"):
            gateway.call(ACCOUNT, KEY, TRADES)

    def test_a_clock_that_is_far_off_is_said_with_how_far(self, server, clock, monkeypatch):
        server.skew_ms = 300_000
        server.answers["api/v3/myTrades"] = (400, {}, '{"code":-1021,"msg":"no"}')
        with gateway_of(server, clock) as gateway:
            monkeypatch.setattr(gateway, "_clock_limit_ms", 60_000)
            with pytest.raises(ClockWrong, match=r"300\.0 s behind Binance's"):
                gateway.call(ACCOUNT, KEY, TRADES)

    def test_an_exchange_whose_clock_does_not_answer_is_asked_all_the_same(self, server, clock):
        server.answers["api/v3/time"] = (503, {}, "")
        server.answers["api/v3/myTrades"] = (200, {}, "[]")
        with gateway_of(server, clock) as gateway:
            assert gateway.call(ACCOUNT, KEY, TRADES).data == []


def test_clients_are_kept_per_key_and_the_longest_unused_goes_first(server, clock):
    server.answers["api/v3/myTrades"] = (200, {}, "[]")
    with gateway_of(server, clock, clients=2) as gateway:
        for key in ("a", "b", "a", "c"):
            gateway.call(ACCOUNT, Credentials({"api_key": key, "secret": "s"}), TRADES)
        assert sorted(client.apiKey for client in gateway._clients.values()) == ["a", "c"]


def test_a_conversation_is_told_its_answers_and_its_errors(server, clock):
    server.answers["api/v3/myTrades"] = (200, {}, "[]")
    server.answers["fapi/v1/userTrades"] = (401, {}, '{"code":-2015,"msg":"no"}')

    def steps():
        rows = (yield TRADES).data
        try:
            yield Request(ENDPOINTS["fapiPrivateGetUserTrades"], {"symbol": "BTCUSDT"})
        except PermissionMissing:
            return rows, "spot only"

    with gateway_of(server, clock) as gateway:
        assert gateway.run(ACCOUNT, KEY, steps()) == ([], "spot only")


def test_one_call_of_a_key_at_a_time_where_a_nonce_must_rise(server, clock, monkeypatch):
    from dataclasses import replace

    monkeypatch.setattr("shared.gateway.calls.load", lambda _: replace(FOUND, serialise_calls=True))
    at_once, most, nonces = [], [], []

    def judge(path):
        at_once.append(1)
        most.append(len(at_once))
        nonces.append(int(parse_qs(urlsplit(path).query)["timestamp"][0]))
        at_once.pop()
        return 200, {}, "[]"

    server.answers["api/v3/myTrades"] = judge
    with gateway_of(server, clock, turns=TurnsHere()) as gateway:
        gateway.clock_offset_ms(NAME)
        threads = [threading.Thread(target=gateway.call, args=(ACCOUNT, KEY, TRADES)) for _ in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert max(most) == 1
    assert len(set(nonces)) == 12
    assert nonces == sorted(nonces)


def test_an_unknown_region_is_refused(server, clock):
    with gateway_of(server, clock) as gateway, pytest.raises(BadInput, match="demo"):
        gateway.markets(NAME, "moon")


def test_a_market_list_that_is_nonsense_is_an_exchange_that_does_not_answer(server, clock):
    server.answers["api/v3/exchangeInfo"] = (200, {}, '{"symbols": [{"symbol": 5}]}')
    server.answers["fapi/v1/exchangeInfo"] = (200, {}, '{"symbols": "none"}')
    with gateway_of(server, clock) as gateway, pytest.raises(ExchangeUnavailable):
        gateway.markets(NAME)


def test_accounts_with_one_key_each_have_their_own_client(server, clock):
    server.answers["api/v3/myTrades"] = (200, {}, "[]")
    with gateway_of(server, clock) as gateway:
        for _ in range(3):
            other = Account(connection_id=uuid4(), exchange=NAME, products=(Product.SPOT,))
            gateway.call(other, KEY, TRADES)
        assert len(gateway._clients) == 3
