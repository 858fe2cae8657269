"""What every exchange's module promises, whichever exchanges there are: found by being there, tried by samples."""

import json
import re
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.connections import Account, Credentials
from shared.domain.errors import BadInput, RateLimited, RegionNotAllowed, TradeSyncError
from shared.domain.markets import Markets
from shared.domain.trades import UNTOLD_MS, Source
from shared.domain.windows import Window
from shared.exchanges import everything, load, names
from shared.exchanges.kit.again import trade_again
from shared.exchanges.kit.contract import Broken, Feed, Request
from shared.exchanges.kit.rhythm import NEVER
from shared.exchanges.kit.wire import decode_json
from shared.storage.values import json_text
from simulator.world import find_dialects
from tests.exchanges.messages import ACCOUNT, expected, heard_in, is_rest, markets_of, own_samples, real_messages, shown

OWN = list(own_samples())
REAL = list(real_messages())
TESTS = Path(__file__).parents[1]
NOW = 1_795_190_400_000
GOOD_FIELDS = {"api_key": "A" * 32, "secret": "B" * 32, "passphrase": "C" * 8}


def name_of(pair):
    return f"{pair[0]}-{pair[1]['id']}"


def account_of(exchange, **changes):
    return Account(**{"connection_id": ACCOUNT, "exchange": exchange.id, "products": exchange.products, **changes})


def accounts_of(exchange):
    """An account of each mode that the exchange knows."""
    return [account_of(exchange, mode=mode) for mode in exchange.modes]


def good_fields(exchange):
    """A key that looks right. A module whose keys have a form of their own gives examples."""
    return {field.name: field.example or GOOD_FIELDS[field.name] for field in exchange.credential_fields}


def key_of(exchange):
    return Credentials(good_fields(exchange))


def own_tests(room, exchange):
    """Its test files in a room of tests, as one text."""
    files = (TESTS / room).glob("*.py")
    return "".join(file.read_text() for file in files if re.match(rf"test_{exchange}(_|$)", file.stem))


@pytest.mark.parametrize("exchange", names())
def test_all_that_belongs_to_an_exchange_is_on_its_shelf(exchange):
    assert exchange == load(exchange).id, "a module's file and its EXCHANGE go by one name"
    assert (TESTS / "exchanges" / "samples" / f"{exchange}.json").exists(), "write its samples first"
    assert exchange in find_dialects(), f"write its other side, simulator/{exchange}: without it little of it is tested"
    assert own_tests("exchanges", exchange), f"test its oddities in tests/exchanges/test_{exchange}_*.py"
    assert "ccxt" in own_tests("simulator", exchange), (
        f"let ccxt read what the dialect says, in tests/simulator/test_{exchange}.py: "
        "module and dialect are by one author, and may agree in a mistake"
    )


@pytest.mark.parametrize("exchange", names())
def test_an_exchange_has_samples_with_source_and_date(exchange):
    samples = [sample for name, sample in OWN if name == exchange]
    kinds = {sample["kind"] for sample in samples}
    assert {"stream", "rest"} <= kinds, f"tests/exchanges/samples/{exchange}.json lacks some: it has {sorted(kinds)}"
    trades = [trade for sample in samples for trade in sample["expected"]["trades"]]
    assert {"buy", "sell"} <= {trade["side"] for trade in trades}
    assert {"maker", "taker"} <= {trade["taker_or_maker"] for trade in trades}
    assert any(sample["expected"]["unreadable"] for sample in samples), "give a sample of a row that cannot be read"
    assert any(not any(sample["expected"].values()) for sample in samples), "give a sample of what is no fill"
    for sample in samples:
        assert sample["source"], sample["id"]
        date.fromisoformat(sample["date"])
    assert len({sample["id"] for sample in samples}) == len(samples)


@pytest.mark.parametrize("pair", OWN, ids=name_of)
def test_a_sample_is_read_as_expected(pair):
    exchange, sample = pair
    heard = heard_in(exchange, sample)
    wanted = sample["expected"]
    assert [shown(trade) for trade in heard.trades] == [expected(row) for row in wanted["trades"]]
    assert len(heard.unreadable) == wanted["unreadable"]
    if "history_due" in wanted:
        assert [due.feed.key for due in heard.history_due] == wanted["history_due"]


@pytest.mark.skipif(not REAL, reason="the real messages are not here")
@pytest.mark.parametrize("pair", REAL, ids=name_of)
def test_a_real_message_is_read_as_expected(pair):
    exchange, message = pair
    heard = heard_in(exchange, message)
    rows = message["expected"].get("trades", [])
    wanted = [row for row in rows if row["exchange_trade_id"] is not None]
    # A row without a trade's id is an order that filled: what filled is for history to tell.
    assert [due.order_id for due in heard.history_due] == [row["order_id"] for row in rows if row not in wanted]
    assert heard.unreadable == ()
    assert len(heard.trades) == len(wanted)
    for trade, row in zip(heard.trades, wanted, strict=True):
        for name in ("symbol", "exchange_trade_id", "order_id", "side", "taker_or_maker", "fee_currency"):
            assert getattr(trade, name) == row[name], name
        moments = UNTOLD_MS if row["timestamp_ms"] is None else row["timestamp_ms"]
        assert trade.timestamp_ms in (moments if isinstance(moments, list) else [moments])
        # The messages count contracts where the exchange does; our amount is in the base coin.
        counted = trade.amount if trade.contracts is None else trade.contracts
        assert (trade.price, counted) == (Decimal(row["price"]), Decimal(row["amount"]))
        assert trade.fee == (None if row["fee_amount"] is None else Decimal(row["fee_amount"]))
        if row["cost"] is not None:  # some messages tell none; ours is price times amount then
            assert trade.cost == Decimal(row["cost"])


@pytest.mark.parametrize("exchange", names())
def test_stream_and_rest_give_one_trade_one_identity(exchange):
    forms = {True: {}, False: {}}
    for name, sample in OWN:
        if name == exchange:
            for trade in heard_in(name, sample).trades:
                key = (trade.market_id, trade.product, trade.exchange_trade_id, trade.order_id, trade.side)
                forms[is_rest(sample)][key] = trade
    both = forms[True].keys() & forms[False].keys()
    # A socket may tell no trade at all, only that something filled.
    assert both or not forms[False], "give a sample of one trade in both forms"
    for key in both:
        assert forms[True][key].identity == forms[False][key].identity


@pytest.mark.parametrize("pair", OWN, ids=name_of)
def test_a_row_that_was_kept_reads_again_as_the_same_trade(pair):
    exchange, sample = pair
    source = Source.REST if is_rest(sample) else Source.STREAM
    for trade in heard_in(exchange, sample).trades:
        kept = decode_json(json_text(trade.raw))
        again = trade_again(
            load(exchange),
            kept,
            markets_of(sample),
            source=source,
            product=trade.product,
            exchange_trade_id=trade.exchange_trade_id,
        )
        assert again is not None
        assert shown(again) == shown(trade)


@pytest.mark.parametrize("pair", OWN, ids=name_of)
def test_values_are_no_part_of_an_identity(pair):
    exchange, sample = pair
    for trade in heard_in(exchange, sample).trades:
        assert str(trade.timestamp_ms) not in trade.identity
        # The id that is shown need not be the one that is unique: a sample names the field that is. A provisional
        # row may go by another id until REST tells it.
        own_id = trade.raw[sample["unique_field"]] if "unique_field" in sample else trade.exchange_trade_id
        assert trade.provisional or own_id.replace(":", "\\:") in trade.identity


@pytest.mark.parametrize("exchange", everything(), ids=lambda exchange: exchange.id)
def test_every_endpoint_draws_on_a_pool_that_exists_and_only_reads(exchange):
    pools = {pool.name for pool in exchange.pools}
    for endpoint in (*exchange.endpoints, exchange.clock):
        assert {endpoint.pool, *endpoint.also} <= pools
        assert endpoint in exchange.endpoints
        is_asking = endpoint.method == "GET" and endpoint.path.endswith("/history")
        assert is_asking or not any(
            word in endpoint.path.lower() for word in ("withdraw/", "order/place", "order/create", "transfer/out")
        )
    assert len({(one.name, one.path) for one in exchange.endpoints}) == len(exchange.endpoints)


@pytest.mark.parametrize("exchange", everything(), ids=lambda exchange: exchange.id)
@pytest.mark.parametrize(
    ("status", "body"),
    [(502, "<html>Bad Gateway</html>"), (503, ""), (200, "<html>We are back soon</html>"), (200, '{"half": ')],
)
def test_a_page_where_data_is_due_is_something_that_passes(exchange, status, body):
    for endpoint in exchange.endpoints:
        error = exchange.error_of(status, {}, body, endpoint, NOW)
        assert error is not None
        assert error.code in {"exchange_unavailable", "rate_limited"}


COUNTRY_PAGES = [
    "<html>The Amazon CloudFront distribution is configured to block access from your country.</html>",
    "<html><h1>Error 1009</h1>The owner of this website has banned the country or region your IP address is in.</html>",
    b"<html>This service is not available in your jurisdiction.</html>",
]
OTHER_PAGES = [
    "<html><h1>403 ERROR</h1>Request blocked. There might be too much traffic or a configuration error.</html>",
    '<html><div role="region">Just a moment...</div> Enable JavaScript and cookies to continue</html>',
    "",
]


@pytest.mark.parametrize("exchange", names())
def test_a_wall_that_turns_a_country_away_is_told_from_one_that_turns_an_address_away(exchange):
    """The first needs its owner; the second passes."""
    found = load(exchange)
    for endpoint in found.endpoints:
        for status, page in [*((403, page) for page in COUNTRY_PAGES), (451, ""), (451, COUNTRY_PAGES[0])]:
            assert type(found.error_of(status, {}, page, endpoint, NOW)) is RegionNotAllowed, (status, page)
        for page in OTHER_PAGES:
            assert type(found.error_of(403, {}, page, endpoint, NOW)) is not RegionNotAllowed, page


@pytest.mark.parametrize("exchange", everything(), ids=lambda exchange: exchange.id)
@pytest.mark.parametrize("headers", [{}, {"retry-after": "0"}, {"retry-after": "30"}, {"retry-after": "soon"}])
def test_too_many_requests_means_a_pause_that_is_longer_than_nothing(exchange, headers):
    for endpoint in exchange.endpoints:
        error = exchange.error_of(429, headers, {}, endpoint, NOW)
        assert isinstance(error, RateLimited)
        assert error.until_ms >= NOW + 1_000
        if headers.get("retry-after") == "30":
            assert error.until_ms >= NOW + 30_000


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.decimals(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=8,
)


def _spoilt(draw, value, depth=0):
    """A sample with something else in one place."""
    if depth > 5 or not isinstance(value, dict | list) or not value or draw(st.integers(0, 4)) == 0:
        return draw(JSON)
    if isinstance(value, list):
        place = draw(st.integers(0, len(value) - 1))
        return [*value[:place], _spoilt(draw, value[place], depth + 1), *value[place + 1 :]]
    name = draw(st.sampled_from(sorted(value)))
    if draw(st.integers(0, 5)) == 0:
        return {key: one for key, one in value.items() if key != name}
    return {**value, name: _spoilt(draw, value[name], depth + 1)}


@st.composite
def spoilt_samples(draw):
    exchange, sample = draw(st.sampled_from(OWN))
    return exchange, {**sample, "raw": _spoilt(draw, sample["raw"])}


@given(spoilt_samples())
def test_a_spoilt_message_raises_nothing_but_our_errors(pair):
    exchange, sample = pair
    found, markets = load(exchange), markets_of(sample)
    read = found.read_rest if is_rest(sample) else found.read_stream
    try:
        heard = read(sample["raw"], markets, None)
    except TradeSyncError:
        return
    for trade in heard.trades:
        assert trade.price > 0
        assert trade.amount > 0


def conversations():
    """Every private and public protocol, open, with an account that its stream serves."""
    for exchange in everything():
        for stream in exchange.streams:
            account = next(one for one in accounts_of(exchange) if stream.serves(one))
            yield pytest.param(exchange, stream, account, id=f"{exchange.id}-{stream.name}")
        for stream in exchange.ticker_streams:
            yield pytest.param(exchange, stream, None, id=f"{exchange.id}-{stream.name}")


CONVERSATIONS = list(conversations())


class AnyTicket(dict[str, object]):
    """Whatever a protocol wants to have fetched first is there: spans in milliseconds, else an address or token."""

    def __missing__(self, name: str) -> object:
        return 10_000 if name.endswith("_ms") else "wss://ticket.example.com"

    def get(self, name: str, default: object = None) -> object:
        return self[name]


TICKET = AnyTicket()


def opened(exchange, stream, account):
    markets = Markets(market for name, sample in OWN if name == exchange.id for market in markets_of(sample).all)
    protocol = stream.protocol(markets)
    if account is None:
        symbols = [market.symbol for market in markets.all if market.product in stream.products]
        protocol.follow(frozenset(symbols[:3]), NOW)
    else:
        protocol.join(account, key_of(exchange), TICKET, NOW)
    protocol.open(NOW)
    return protocol


@pytest.mark.parametrize(("exchange", "stream", "account"), CONVERSATIONS)
def test_a_quiet_conversation_speaks_or_ends_and_never_spins(exchange, stream, account):
    protocol = opened(exchange, stream, account)
    spoken, now = len(protocol.outbox()), NOW
    for _ in range(100):
        if protocol.deadline >= NOW + 90_000:
            break
        now = max(now, protocol.deadline)
        events = protocol.tick(now)
        spoken += len(protocol.outbox())
        if any(isinstance(event, Broken) for event in events):
            return
        assert protocol.deadline > now, "it wants to be called again at once"
    assert spoken, "it said nothing for a minute and a half, and did not find its socket dead"
    assert protocol.deadline < NEVER


@pytest.mark.parametrize(("exchange", "stream", "account"), [case for case in CONVERSATIONS if case.values[2]])
def test_who_says_nothing_is_given_up_early_enough_for_a_trade_to_be_stored_within_a_minute(exchange, stream, account):
    assert 5_000 <= opened(exchange, stream, account).patience_ms <= 45_000


@pytest.mark.parametrize(("exchange", "stream", "account"), CONVERSATIONS)
@given(data=st.data())
def test_arbitrary_frames_raise_nothing(exchange, stream, account, data):
    protocol = opened(exchange, stream, account)
    protocol.outbox()
    messages = [sample["raw"] for name, sample in OWN if name == exchange.id]
    now = NOW
    for _ in range(data.draw(st.integers(1, 4))):
        now += data.draw(st.integers(0, 30_000))
        frame = data.draw(
            st.text(max_size=30)
            | st.binary(max_size=30)
            | JSON.map(lambda value: json.dumps(value, default=str))
            | st.sampled_from(messages).map(json.dumps)
            | st.sampled_from(messages).map(lambda one: json.dumps(one)[:-7])
        )
        protocol.receive(frame, now)
        protocol.outbox()
        protocol.tick(now)
        protocol.outbox()


@pytest.mark.parametrize(("exchange", "stream", "account"), CONVERSATIONS)
def test_half_a_frame_is_never_passed_over_in_silence(exchange, stream, account):
    if account is None:
        return  # the next price comes by itself
    protocol = opened(exchange, stream, account)
    protocol.outbox()
    events = protocol.receive('{"e":"executionReport","topic":"execu', NOW)
    assert any(isinstance(event, Broken) or getattr(event, "unreadable", ()) for event in events)


@pytest.mark.parametrize(("exchange", "stream", "account"), CONVERSATIONS)
def test_a_secret_is_never_shown_by_a_conversation(exchange, stream, account):
    protocol = opened(exchange, stream, account)
    said = "".join(str(frame) for frame in protocol.outbox())
    assert good_fields(exchange)["secret"] not in said
    assert good_fields(exchange)["secret"] not in repr(protocol.__dict__ if hasattr(protocol, "__dict__") else protocol)


@pytest.mark.parametrize("exchange", everything(), ids=lambda exchange: exchange.id)
@given(data=st.data())
def test_slices_begin_where_the_gap_begins_and_stay_inside(exchange, data):
    product = data.draw(st.sampled_from(exchange.products))
    feed = exchange.history.feed_of(product, "BTCUSDT")
    since = data.draw(st.integers(NOW - 100 * 86_400_000, NOW - 1))
    gap = Window(since, data.draw(st.integers(since + 1, NOW)))
    account = account_of(exchange)
    slice_ = exchange.history.slice(feed, gap, {}, account, NOW)
    assert gap.since <= slice_.window.since < slice_.window.until <= gap.until
    reach = exchange.history.reach(feed, account, NOW)
    assert slice_.window.since == max(gap.since, reach) or slice_.window.until == gap.until
    assert json.loads(json.dumps(slice_.cursor)) == slice_.cursor
    request = exchange.history.ask(feed, slice_, slice_.cursor, account)
    assert isinstance(request, Request)
    assert request.endpoint in exchange.endpoints


@pytest.mark.parametrize("exchange", everything(), ids=lambda exchange: exchange.id)
def test_a_feed_key_names_its_feed(exchange):
    for product in exchange.products:
        feed = exchange.history.feed_of(product, "BTCUSDT")
        assert Feed.of(feed.key) == feed


@pytest.mark.parametrize("exchange", everything(), ids=lambda exchange: exchange.id)
def test_a_key_is_cleaned_of_what_pasting_adds(exchange):
    wanted = good_fields(exchange)
    pasted = {name: f' \u200b"{value}"\n' if name != "passphrase" else value for name, value in wanted.items()}
    assert dict(exchange.repair(pasted)) == wanted


@pytest.mark.parametrize("exchange", everything(), ids=lambda exchange: exchange.id)
def test_a_missing_or_malformed_field_is_refused_by_name(exchange):
    for field in exchange.credential_fields:
        if field.is_required:
            with pytest.raises(BadInput, match=field.name):
                exchange.repair({**good_fields(exchange), field.name: "  "})
    with pytest.raises(BadInput, match="api_key"):
        exchange.repair({**good_fields(exchange), "api_key": "a b"})


def test_an_unknown_exchange_is_refused_with_those_that_exist():
    with pytest.raises(BadInput, match="binance"):
        load("nowhere")
