"""Real messages of real exchanges, said by the simulated ones word for word, become rows of Postgres."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from shared import exchanges
from shared.domain.connections import Account
from shared.domain.trades import Product
from shared.domain.windows import Window
from shared.exchanges.kit.contract import Endpoint, Feed
from shared.queue.requests import CatchUp
from shared.queue.send import send
from shared.queue.wire import open_wire
from tests.exchanges.messages import real_messages
from tests.fixtures.simulator import SimulatorProcess
from tests.fixtures.waiting import until
from tests.journeys.system import System, running

MESSAGES = list(real_messages())
PRODUCTS = {"spot": "spot", "swap": "linear", "future": "linear"}


def is_streamed(exchange: str, message: dict[str, Any]) -> bool:
    """Whether a socket that is listened to says it, and it names a trade."""
    market = message["markets"][0]
    product = "inverse" if market["inverse"] else PRODUCTS[market["type"]]
    names_trades = all(row["exchange_trade_id"] for row in message["expected"].get("trades", []))
    return names_trades and product in exchanges.load(exchange).products


SAID = [
    (name, message)
    for name, message in MESSAGES
    if message["kind"] == "ws_private_trade" and is_streamed(name, message)
]
TOLD = [(name, message) for name, message in MESSAGES if message["kind"] == "rest_fills"]
# Answers of a feed that is not the usual one of their market.
FEEDS = {"kc11": Feed(Product.SPOT, part="old")}
# Answers that were handed down without what stood around them.
ENVELOPES = {"hx11": {"status": "ok"}}
NOW = 1_795_190_400_000

pytestmark = pytest.mark.skipif(not MESSAGES, reason="the real messages are not here")


def name_of(pair: tuple[str, dict[str, Any]]) -> str:
    return f"{pair[0]}-{pair[1]['id']}"


class Stage:
    """A running streamer and worker, and an account at each exchange. Nothing is asked but what a test asks."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.accounts: dict[str, tuple[UUID, dict[str, Any]]] = {}

    def play(self, exchange: str) -> tuple[UUID, dict[str, Any]]:
        """The exchange's account whose sockets are listened to."""
        if exchange not in self.accounts:
            account = self.system.simulator.account(exchange)
            self.accounts[exchange] = (self.system.connect(account), account)
        connection_id, account = self.accounts[exchange]
        until(lambda: self.system.states()[connection_id] == "live")
        return connection_id, account

    def is_idle(self, connection_id: UUID) -> bool:
        """Whether what follows from being connected is over, so that the next question is the test's own."""
        states = self.system.rows("SELECT state FROM jobs WHERE connection_id = %s", connection_id)
        return {state for (state,) in states} == {"done"}

    def last(self) -> int:
        return int(self.system.one("SELECT coalesce(max(id), 0) FROM trades"))

    def stored(self, connection_id: UUID, after: int) -> dict[str, tuple[Any, ...]]:
        """The rows of a connection since a moment, by the exchange's own id, as the messages' authors write them."""
        rows = self.system.rows(
            """SELECT exchange_trade_id, platform, symbol, order_id, side, price, coalesce(contracts, amount), cost,
                      fee, fee_currency, taker_or_maker, (extract(epoch FROM exchange_timestamp) * 1000)::bigint, source
               FROM trades WHERE connection_id = %s AND id > %s""",
            connection_id,
            after,
        )
        found = {row[0]: row[1:] for row in rows}
        assert len(found) == len(rows)
        return found


def expected(exchange: str, message: dict[str, Any], source: str) -> dict[str, tuple[Any, ...]]:
    """The rows that a message's author expects."""
    return {
        row["exchange_trade_id"]: (
            *(exchange, row["symbol"], row["order_id"], row["side"]),
            *(None if row[name] is None else Decimal(row[name]) for name in ("price", "amount", "cost", "fee_amount")),
            *(row["fee_currency"], row["taker_or_maker"], moment_of(row["timestamp_ms"]), source),
        )
        for row in message["expected"]["trades"]
    }


class EitherMoment(tuple[int, ...]):
    """The moments that a message tells of one trade; a reader keeps to one of them."""

    __slots__ = ()
    __hash__ = tuple.__hash__

    def __eq__(self, other: object) -> bool:
        return other in tuple(self)


def moment_of(told: Any) -> Any:
    """The moment that is expected, or any of several."""
    return EitherMoment(told) if isinstance(told, list) else told


@pytest.fixture(scope="module")
def stage(module_database_url: str, module_redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with SimulatorProcess("--no-limits") as simulator:
        for exchange, message in MESSAGES:
            for market in message["markets"]:
                named = {name: market[name] for name in ("symbol", "base", "quote", "settle", "contract_size")}
                product = PRODUCTS[market["type"]]
                simulator.ask("POST", "/markets", exchange=exchange, product=product, market_id=market["id"], **named)
        folder = tmp_path_factory.mktemp("real")
        with running(simulator, module_database_url, module_redis_url, folder, "worker", "streamer") as system:
            yield Stage(system)


@pytest.mark.parametrize("pair", SAID, ids=name_of)
def test_what_a_socket_really_said_is_stored_as_it_was_meant(stage: Stage, pair: tuple[str, dict[str, Any]]) -> None:
    exchange, message = pair
    connection_id, account = stage.play(exchange)
    after = stage.last()
    assert stage.system.simulator.replay_on_sockets(account, message["raw"]) > 0
    # What comes over the same socket next is stored after it: then it is known that no more will follow.
    market = message["markets"][0]
    following = stage.system.simulator.trade(account, market_id=market["id"], product=PRODUCTS[market["type"]])
    ids = {trade["exchange_trade_id"] for trade in following}
    wanted = expected(exchange, message, "stream")
    until(lambda: stage.stored(connection_id, after).keys() >= ids | wanted.keys())
    stored = {key: row for key, row in stage.stored(connection_id, after).items() if key not in ids}
    for key, row in wanted.items():
        if row[-2] is None:  # a fill without its moment is kept at the one when it was heard, until REST tells
            stored[key] = (*stored[key][:-2], None, row[-1])
    assert stored == wanted
    assert stage.system.quarantined() == []


@pytest.mark.parametrize("pair", TOLD, ids=name_of)
def test_what_rest_really_answered_is_stored_as_it_was_meant(stage: Stage, pair: tuple[str, dict[str, Any]]) -> None:
    exchange, message = pair
    module, system, market = exchanges.load(exchange), stage.system, message["markets"][0]
    product = Product(PRODUCTS[market["type"]])
    feed = FEEDS.get(message["id"], module.history.feed_of(product, market["id"]))
    account = system.simulator.account(exchange, products=[product.value])
    # A message that names no account is somebody's only where one account sits at its socket: this one goes again.
    with system.connected(account, product.value) as connection_id:
        until(lambda: stage.is_idle(connection_id))
        after = stage.last()
        envelope = ENVELOPES.get(message["id"])
        answer = message["raw"] if envelope is None else {**envelope, "data": message["raw"]}
        call = call_of(exchange, feed)
        for body in (answer, *pages_after(answer)):
            options = {"method": call.method, "account": account["name"]}
            system.simulator.replay_over_rest(exchange, call.path, body, **options)
        with open_wire(system.redis_url) as wire:
            send(wire, CatchUp(connection_id=connection_id, feeds=(feed.key,)))
        wanted = expected(exchange, message, "rest")
        until(lambda: stage.stored(connection_id, after).keys() >= wanted.keys())
        assert stage.stored(connection_id, after) == wanted
        unconfirmed = "SELECT count(*) FROM trades WHERE connection_id = %s AND confirmed_at IS NULL"
        assert system.one(unconfirmed, connection_id) == 0
        until(lambda: system.one("SELECT covered <> '{}' FROM sync_coverage WHERE connection_id = %s", connection_id))
        assert system.quarantined() == []


def call_of(exchange: str, feed: Feed) -> Endpoint:
    """What a feed is asked for fills by; at its edge some are asked for open orders first."""
    history = exchanges.load(exchange).history
    account = Account(connection_id=UUID(int=1), exchange=exchange, products=(feed.product,))
    windows = [Window(NOW - 60_000, NOW), Window(NOW - 3 * 86_400_000, NOW - 2 * 86_400_000)]
    slices = [history.slice(feed, window, {}, account, NOW) for window in windows]
    endpoints = [history.ask(feed, slice_, slice_.cursor, account).endpoint for slice_ in slices]
    return next(each for each in endpoints if "open" not in each.path)


def pages_after(body: Any) -> list[Any]:
    """The empty page that ends what this one goes on with, where pages have cursors."""
    if isinstance(body, dict) and body.get("cursor"):
        return [{**body, "fills": [], "cursor": ""}]
    result = body.get("result", {}) if isinstance(body, dict) else {}
    if not result.get("nextPageCursor"):
        return []
    return [{**body, "result": {**result, "nextPageCursor": "", "list": []}}]
