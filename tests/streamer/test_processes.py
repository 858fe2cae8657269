"""Whole streamers as processes, at the simulated exchanges: every trade is heard, through faults, kills, signals."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import msgspec
import psycopg
import pytest
import redis

from shared.domain.trades import Product
from shared.storage import connections
from shared.storage.users import get_user
from shared.vault import Vault, new_key
from tests.fixtures.simulator import SimulatorProcess
from tests.fixtures.stored import a_user
from tests.fixtures.waiting import until

ROOT = Path(__file__).parents[2]
EXCHANGES = ("binance", "bybit", "kucoin")
TAKEN_OVER_WITHIN = 20.0


@dataclass
class Town:
    """Streamer processes, the simulated exchanges, and what came of both."""

    simulator: SimulatorProcess
    database_url: str
    redis_url: str
    db: psycopg.Connection
    folder: Path
    key: str = field(default_factory=new_key)
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, **settings: str) -> subprocess.Popen[bytes]:
        environment = {
            **os.environ,
            "DATABASE_URL": self.database_url,
            "REDIS_URL": self.redis_url,
            "CREDENTIALS_KEY": self.key,
            "SIMULATOR_URL": self.simulator.url,
            "LOG_FORMAT": "json",
            **settings,
        }
        log = self.folder / f"streamer{len(self.processes)}.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "streamer"], cwd=ROOT, env=environment, stdout=out, stderr=subprocess.STDOUT
            )
        self.processes.append(process)
        return process

    def said(self, event: str, number: str = "*") -> list[dict[str, Any]]:
        """What streamers logged under this name, all of them or one."""
        lines = [line for log in self.folder.glob(f"streamer{number}.log") for line in log.read_bytes().splitlines()]
        told = [msgspec.json.decode(line) for line in lines if line.startswith(b"{")]
        return [line for line in told if line.get("event") == event]

    def connect(self, account: dict[str, Any]) -> UUID:
        user = get_user(self.db, a_user(self.db).id)
        connection_id = uuid4()
        sealed = Vault(self.key).seal(
            {name: account[name] for name in ("api_key", "secret", "passphrase") if account.get(name)},
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
            products=tuple(Product(product) for product in account["products"]),
            credentials=sealed.blob,
            key_version=sealed.key_version,
            key_fingerprint=uuid4().bytes,
        )
        if account.get("mode"):
            connections.set_account(self.db, connection_id, mode=account["mode"])
        self.db.commit()
        return connection_id

    def states(self) -> dict[UUID, str]:
        rows = self.db.execute("SELECT id, stream_state FROM user_exchange_connections").fetchall()
        self.db.commit()
        return dict(rows)

    def all_live(self) -> bool:
        return set(self.states().values()) == {"live"}

    def ever_live(self, number: str = "*") -> set[tuple[str, str]]:
        """The streams that were live at all streamers together, or at one."""
        return {(line["connection"], line["stream"]) for line in self.said("stream.live", number)}

    def holders(self) -> dict[UUID | None, int]:
        rows = self.db.execute("SELECT holder, count(*) FROM stream_leases GROUP BY holder").fetchall()
        self.db.commit()
        return dict(rows)

    def listened_to(self) -> int:
        """For how many accounts the sockets of each kind hear: one that serves two counts twice."""
        return sum(len(socket["accounts"]) for socket in self.simulator.sockets())

    def heard(self) -> set[tuple[str, str, str, str, str]]:
        """The trades in the queue: connection, product, market, the exchange's id, side."""
        with redis.Redis.from_url(self.redis_url) as client:
            bodies = client.hvals("dramatiq:writes.msgs")
        rows = [row for body in bodies for row in msgspec.json.decode(body)["kwargs"]["rows"]]
        return {
            (row["connection_id"], row["product"], row["market_id"], row["exchange_trade_id"], row["side"])
            for row in rows
        }

    def truth(self, connected: dict[UUID, dict[str, Any]], since_ms: int = 0) -> set[tuple[str, str, str, str, str]]:
        return {
            (str(connection), trade["product"], trade["market_id"], trade["exchange_trade_id"], trade["side"])
            for connection, account in connected.items()
            for trade in self.simulator.truth(account)["trades"]
            if trade["timestamp_ms"] >= since_ms
        }


@pytest.fixture
def town(
    simulator: SimulatorProcess, database_url: str, redis_url: str, db: psycopg.Connection, tmp_path: Path
) -> Iterator[Town]:
    made = Town(simulator, database_url, redis_url, db, tmp_path)
    yield made
    for process in made.processes:
        if process.poll() is None:
            process.terminate()
    for process in made.processes:
        process.wait(25)


Accounts = Callable[..., dict[UUID, dict[str, Any]]]


@pytest.fixture
def accounts(town: Town) -> Accounts:
    """Connects new accounts: so many of each exchange."""

    def make(each: int = 1, exchanges: tuple[str, ...] = EXCHANGES) -> dict[UUID, dict[str, Any]]:
        made = [town.simulator.account(exchange) for exchange in exchanges for _ in range(each)]
        return {town.connect(account): account for account in made}

    return make


def test_every_trade_of_every_exchange_is_heard(town, accounts):
    connected = accounts(2)
    town.start()
    until(town.all_live)
    for account in connected.values():
        town.simulator.trade(account, 5)
    wanted = town.truth(connected)
    assert len(wanted) >= 5 * len(connected)
    until(lambda: town.heard() >= wanted)
    assert town.heard() == wanted
    prices = until(lambda: dict(town.db.execute("SELECT exchange, count(*) FROM tickers GROUP BY 1").fetchall()))
    until(
        lambda: (
            set(dict(town.db.execute("SELECT exchange, count(*) FROM tickers GROUP BY 1").fetchall())) == set(EXCHANGES)
        )
    )
    assert prices


@pytest.mark.parametrize("exchange", EXCHANGES)
def test_sockets_that_break_are_back_and_hear_again(town, accounts, exchange):
    connected = accounts(2, (exchange,))
    town.start()
    until(town.all_live)
    before = len(town.said("stream.live"))
    town.simulator.weather("drop", exchange=exchange)
    town.simulator.calm()
    until(lambda: len(town.said("stream.live")) >= 2 * before and town.all_live())
    for account in connected.values():
        town.simulator.trade(account, 3)
    wanted = town.truth(connected)
    until(lambda: town.heard() >= wanted)


@pytest.mark.parametrize("exchange", EXCHANGES)
def test_streams_come_back_after_a_refused_reconnect(town, accounts, exchange):
    connected = accounts(2, (exchange,))
    town.start()
    until(town.all_live)
    before = len(town.said("stream.live"))
    town.simulator.weather("refused_reconnect", exchange=exchange)
    town.simulator.weather("drop", exchange=exchange)
    until(lambda: set(town.states().values()) == {"lost"})
    town.simulator.calm()
    until(lambda: len(town.said("stream.live")) >= 2 * before and town.all_live(), within=40)
    for account in connected.values():
        town.simulator.trade(account, 3)
    wanted = town.truth(connected)
    until(lambda: town.heard() >= wanted)


@pytest.mark.parametrize("exchange", EXCHANGES)
def test_frames_cut_in_half_cost_a_socket_and_no_more(town, accounts, exchange):
    connected = accounts(1, (exchange,))
    town.start()
    until(town.all_live)
    town.simulator.weather("half_frame", exchange=exchange, chance=1.0)
    for account in connected.values():
        town.simulator.trade(account, 1)
    until(lambda: town.said("stream.lost"))
    town.simulator.calm()
    lives = len(town.ever_live())
    until(lambda: len(town.said("stream.live")) > lives and town.all_live())
    calm_ms = time.time_ns() // 1_000_000
    for account in connected.values():
        town.simulator.trade(account, 3)
    wanted = town.truth(connected, calm_ms)
    assert wanted
    until(lambda: town.heard() >= wanted)
    assert town.said("stream.reader_failed") == []


def test_a_killed_streamer_is_taken_over_within_twenty_seconds(town, accounts):
    connected = accounts(2)
    first, second = town.start(), town.start()
    until(lambda: sorted(count for holder, count in town.holders().items() if holder) == [3, 3])
    until(town.all_live)
    listening = town.listened_to()
    second.kill()
    second.wait()
    began = time.monotonic()
    until(lambda: set(town.holders().values()) == {6}, within=TAKEN_OVER_WITHIN)
    until(lambda: town.ever_live("0") == town.ever_live() and town.all_live())
    until(lambda: town.listened_to() >= listening)  # accounts that had a socket each may share one now
    assert time.monotonic() - began <= TAKEN_OVER_WITHIN
    for account in connected.values():
        town.simulator.trade(account, 2)
    wanted = town.truth(connected)
    until(lambda: town.heard() >= wanted)
    assert first.poll() is None


def test_a_streamer_told_to_stop_twice_hands_over_and_ends_well(town, accounts):
    connected = accounts(2)
    first, second = town.start(), town.start()
    until(lambda: sorted(count for holder, count in town.holders().items() if holder) == [3, 3])
    until(town.all_live)
    town.simulator.start_trading(50)
    began = time.monotonic()
    second.send_signal(signal.SIGTERM)
    second.send_signal(signal.SIGTERM)
    assert second.wait(20) == 0
    until(lambda: set(town.holders().values()) == {6}, within=5)
    until(lambda: town.ever_live("0") == town.ever_live() and town.all_live(), within=5)
    assert time.monotonic() - began < 10
    moved_ms = time.time_ns() // 1_000_000
    for account in connected.values():
        town.simulator.trade(account, 2)
    town.simulator.stop_trading()
    # What was traded while the streams moved is REST's to bring; all that came afterwards was heard.
    wanted = town.truth(connected, moved_ms)
    assert len(wanted) >= 2 * len(connected)
    until(lambda: town.heard() >= wanted)
    assert len(town.said("process.stopped")) == 1
    assert town.said("process.failed") == []
    first.terminate()
    assert first.wait(20) == 0
    assert town.holders() == {None: 6}


def test_a_revoked_key_suspends_its_connection_only(town, accounts):
    connected = accounts(2, ("bybit",))
    (bad, account), (good, _) = connected.items()
    town.start()
    until(town.all_live)
    town.simulator.spoil_key(account, "revoke")
    town.simulator.weather("drop", exchange="bybit")
    town.simulator.calm()
    until(lambda: town.states() == {bad: "refused", good: "live"})
    assert connections.get_connection(town.db, bad).sync_status == "suspended"


def test_no_secret_is_logged_not_even_by_a_crash(town, accounts):
    connected = accounts(1)
    streamer = town.start(PYTHONFAULTHANDLER="1")
    until(town.all_live)
    until(lambda: len(town.said("stream.live")) >= 3)
    streamer.send_signal(signal.SIGABRT)
    assert streamer.wait(20) == -signal.SIGABRT
    text = b"".join(log.read_bytes() for log in town.folder.glob("*.log"))
    assert b"Fatal Python error: Aborted" in text
    for account in connected.values():
        for name in ("api_key", "secret", "passphrase"):
            assert (account.get(name) or "-" * 40).encode() not in text
    assert town.key.encode() not in text


@pytest.mark.parametrize(
    ("settings", "code", "sentence"),
    [
        ({"CREDENTIALS_KEY": "weak"}, 2, "CREDENTIALS_KEY"),
        ({"REDIS_URL": "http://nowhere"}, 2, "REDIS_URL"),
    ],
)
def test_what_makes_no_sense_is_refused_at_the_start(town, settings, code, sentence):
    process = town.start(**settings)
    assert process.wait(20) == code
    (refused,) = town.said("process.refused")
    assert sentence in refused["reason"]
