"""Prices: which are wanted, who follows them, how they are stored, and what changes while they run."""

from uuid import UUID, uuid4

import redis.asyncio

from shared.domain.markets import Market, Markets
from shared.events.kinds import TICKERS
from shared.events.subscribe import subscribe
from streamer.price_wishes import holder_of, symbols_for
from tests.fixtures.waiting import becoming
from tests.streamer.somewhere import MARKETS


def followed(server):
    return sorted(symbol for symbols in server.followed.values() for symbol in symbols)


def hold(stage, connection, asset):
    stage.all(
        "INSERT INTO balances (connection_id, account_type, asset, total) VALUES (%s, 'spot', %s, 1) RETURNING asset",
        connection,
        asset,
    )


def test_default_symbols_are_wanted_where_the_exchange_has_them():
    assert symbols_for((), MARKETS, ("BTC/USDT", "NO/SUCH")) == {"BTC/USDT"}


def test_what_is_held_is_valued_in_the_best_quote_there_is():
    assert symbols_for(("ETH", "USDT", "NOTHING"), MARKETS, ()) == {"ETH/USDT"}


def test_a_coin_that_trades_only_against_others_brings_their_prices_along():
    assert symbols_for(("OWL",), MARKETS, ()) == {"OWL/DOGE", "DOGE/BTC", "BTC/USDT"}


def test_national_money_is_valued_by_what_it_buys():
    assert symbols_for(("TRY",), MARKETS, ()) == {"USDT/TRY"}


def test_an_exchange_without_spot_markets_values_things_by_its_perpetuals():
    contracts = [
        Market("P", "BTC/USD:USD", "swap", "BTC", "USD", "USD", linear=True, inverse=False),
        Market("F", "BTC/USD:USD-351228", "future", "BTC", "USD", "USD", linear=True, inverse=False),
        Market("I", "BTC/USD:BTC", "swap", "BTC", "USD", "BTC", linear=False, inverse=True),
    ]
    assert symbols_for(("BTC", "USD"), Markets(contracts), ()) == {"BTC/USD:USD"}
    assert "BTC/USD:USD" not in symbols_for(("BTC",), Markets([*MARKETS.all, *contracts]), ())


def test_an_exchange_has_one_holder_and_only_its_own_move_when_it_goes():
    everyone = [UUID(int=number) for number in range(1, 5)]
    names = [f"exchange{number}" for number in range(40)]
    before = {name: holder_of(name, everyone) for name in names}
    assert set(before.values()) == set(everyone)
    gone = everyone[2]
    after = {name: holder_of(name, [each for each in everyone if each != gone]) for name in names}
    assert all(after[name] == holder for name, holder in before.items() if holder != gone)
    assert holder_of("exchange", []) is None


async def test_prices_are_stored_and_told(stage, server):
    stage.connect()
    listening = subscribe(stage.redis, TICKERS)
    next(listening)
    streamer = stage.start()
    await becoming(lambda: stage.all("SELECT symbol, last FROM tickers"))
    ((symbol, last, exchange),) = stage.all("SELECT symbol, last::text, exchange FROM tickers")
    assert (symbol, last, exchange) == ("BTC/USDT", "1.50", "somewhere")
    event = next(event for event in listening if event is not None)
    assert [str(ticker.last) for ticker in event.tickers] == ["1.50"]
    listening.close()
    assert streamer.prices.received >= 1


async def test_what_users_hold_is_followed_while_the_socket_runs(stage, server, monkeypatch):
    monkeypatch.setattr("streamer.prices._LOOK_SECONDS", 0.2)
    connection = stage.connect()
    stage.start()
    await becoming(lambda: followed(server) == ["BTC/USDT"])
    hold(stage, connection, "ETH")
    await becoming(lambda: followed(server) == ["BTC/USDT", "ETH/USDT"])
    assert len(server.followed) == 1
    hold(stage, connection, "OWL")
    await becoming(lambda: followed(server) == ["BTC/USDT", "DOGE/BTC", "ETH/USDT", "OWL/DOGE"])
    assert len(server.followed) == 2


async def test_only_one_of_two_streamers_follows_an_exchange(stage, server):
    stage.connect()
    first = stage.start()
    await becoming(lambda: followed(server) == ["BTC/USDT"])
    second = stage.start()
    await becoming(lambda: len(second._living) == 2 and len(first._living) == 2)
    await becoming(lambda: followed(server) == ["BTC/USDT"])
    holder, other = sorted((first, second), key=lambda each: holder_of("somewhere", each._living) != each.id)
    await stage.stop(holder)
    await becoming(lambda: followed(server) == ["BTC/USDT"] and other.prices.received)


async def test_a_price_socket_that_is_cut_is_opened_again(stage, server):
    stage.connect()
    stage.start()
    await becoming(lambda: server.followed)
    (before,) = server.followed
    before.transport.abort()
    await becoming(lambda: server.followed and before not in server.followed)


async def test_a_price_socket_is_succeeded_before_its_life_is_over(stage, server):
    stage.connect()
    stage.start(lifetime_ms=1000)
    await becoming(lambda: server.followed)
    (first,) = server.followed
    await becoming(lambda: server.followed and first not in server.followed)
    assert len(server.followed) <= 2


async def test_an_exchange_without_connections_has_no_sockets(stage, server):
    streamer = stage.start()
    await becoming(lambda: streamer._living == (streamer.id,))
    assert server.opened == 0
    assert isinstance(streamer._wire, redis.asyncio.Redis)
    assert uuid4() not in streamer._living
