"""A worker's desk over real Postgres and Valkey, and connections to accounts of the simulated exchanges."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

import shared.exchanges
from shared.domain.trades import Product
from shared.events.kinds import Sent
from shared.gateway import Gateway
from shared.queue.requests import Request
from shared.storage import connections
from shared.storage.pool import Pool, open_pool
from shared.storage.users import get_user
from shared.vault import Vault, new_key
from tests.fixtures.simulator import SimulatorProcess
from tests.fixtures.stored import a_user
from tests.workers.invented_world import InventedWorld
from workers.balances import sync_balances
from workers.catching_up import catch_up
from workers.checking import check_key, detect
from workers.desk import Desk, Rhythm
from workers.fate import JobRequest, Work, run_job
from workers.history import sync_history
from workers.keys import opener
from workers.leases import Leases
from workers.shelf import Shelf

WORK: dict[str, Work] = {
    "sync_history": sync_history,
    "catch_up": catch_up,
    "sync_balances": sync_balances,
    "check_key": check_key,
}


@pytest.fixture
def pool(database_url: str) -> Iterator[Pool]:
    opened = open_pool(database_url, kind="test", size=8)
    yield opened
    opened.close()


@dataclass
class Bench:
    """A desk with its drawers open: what was sent and published is kept, and jobs are run by hand."""

    desk: Desk
    pool: Pool
    vault: Vault
    db: psycopg.Connection
    sent: list[Request] = field(default_factory=list)
    published: list[Sent] = field(default_factory=list)

    def run(self, request: JobRequest, *, to_the_end: bool = True) -> int:
        """Run a job and whatever it queues, as workers do. Gives how many jobs that were."""
        before = len(self.sent)
        run_job(self.desk, request, WORK[request.NAME], detect=detect)
        count = 1
        while to_the_end and len(self.sent) > before:
            following = self.sent.pop(before)
            run_job(self.desk, following, WORK[following.NAME], detect=detect)  # type: ignore[arg-type]
            count += 1
        return count

    def connect(self, account: dict[str, Any], *, products: tuple[Product, ...] | None = None, **known: Any) -> UUID:
        """Connect a simulated account, as the command line does."""
        user = get_user(self.db, a_user(self.db).id)
        connection_id = uuid4()
        fields = {name: account[name] for name in ("api_key", "secret", "passphrase") if account.get(name)}
        sealed = self.vault.seal(
            fields,
            user_id=user.id,
            user_salt=user.key_salt,
            connection_id=connection_id,
            exchange=account["exchange"],
        )
        connections.add_connection(
            self.db,
            connection_id=connection_id,
            user_id=user.id,
            exchange=account["exchange"],
            products=products or tuple(Product(product) for product in account["products"]),
            credentials=sealed.blob,
            key_version=sealed.key_version,
            key_fingerprint=uuid4().bytes,
            **known,
        )
        if account.get("mode"):
            connections.set_account(self.db, connection_id, mode=account["mode"])
        self.db.commit()
        return connection_id

    def trades(self, connection_id: UUID) -> dict[str, dict[str, Any]]:
        """What is stored of a connection, by product, market and the exchange's own id."""
        rows = self.db.execute(
            """SELECT product, market_id, exchange_trade_id, side, price, amount, confirmed_at IS NOT NULL, provisional
               FROM trades WHERE connection_id = %s""",
            (connection_id,),
        ).fetchall()
        self.db.commit()
        return {
            f"{row[0]}:{row[1]}:{row[2]}": {
                "side": row[3],
                "price": row[4],
                "amount": row[5],
                "is_confirmed": row[6],
                "provisional": row[7],
            }
            for row in rows
        }


def as_told(truth: dict[str, Any]) -> set[str]:
    """The simulator's truth by the same keys."""
    return {f"{trade['product']}:{trade['market_id']}:{trade['exchange_trade_id']}" for trade in truth["trades"]}


@pytest.fixture
def make_bench(pool: Pool, db: psycopg.Connection) -> Callable[..., Bench]:
    """Makes a bench over a gateway (or whatever stands in for one)."""
    made: list[Bench] = []

    def make(gateway: Any, markets: Any = None, key: str = "", **known: Any) -> Bench:
        db.autocommit = True
        vault = Vault(key or new_key())
        sent: list[Request] = []
        published: list[Sent] = []
        desk = Desk(
            **{
                "pool": pool,
                "gateway": gateway,
                "open_key": opener(pool, vault),
                "markets": markets or Shelf(pool, gateway.markets).markets,
                "send": sent.append,
                "publish": lambda *events: published.extend(events),
                "holder": "worker:test",
                "leases": Leases(pool),
                "rhythm": Rhythm(),
                "stopping": threading.Event(),
                **known,
            }
        )
        made.append(Bench(desk, pool, vault, db, sent, published))
        return made[-1]

    return make


@pytest.fixture
def bench(make_bench: Callable[..., Bench], simulator: SimulatorProcess) -> Iterator[Bench]:
    """A bench against the simulated exchanges, without request limits on our side."""
    gateway = Gateway(simulator_url=simulator.url)
    yield make_bench(gateway)
    gateway.close()


@pytest.fixture
def world() -> Iterator[InventedWorld]:
    """An invented exchange, found like the real ones for the length of a test."""
    path = str(Path(__file__).with_name("exchanges"))
    shared.exchanges.__path__.append(path)
    shared.exchanges.names.cache_clear()
    yield InventedWorld()
    shared.exchanges.__path__.remove(path)
    shared.exchanges.names.cache_clear()
    shared.exchanges.load.cache_clear()


@pytest.fixture
def invented(make_bench: Callable[..., Bench], world: InventedWorld) -> Bench:
    """A bench that reads the invented exchange, at its time."""
    return make_bench(world, world.markets, now_ms=lambda: world.now)


def an_invented_connection(bench: Bench, *markets: str) -> UUID:
    """A connection to the invented exchange that reads these markets."""
    connection_id = bench.connect({"exchange": "invented", "api_key": "k", "products": ["spot"]})
    connections.set_account(bench.db, connection_id, details={"markets": list(markets)})
    return connection_id
