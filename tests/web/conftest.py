"""A page served by a real process, with users, connections and trades behind it."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
import psycopg
import pytest
import redis

from shared.domain.trades import Source, Trade
from shared.events.kinds import TradesRecorded
from shared.events.publish import publish
from shared.storage import users
from shared.storage.trades import Recorded, record_trades, trade_row
from shared.storage.values import Db
from shared.vault.passwords import hash_password
from tests.fixtures.stored import a_connection

PASSWORD = "correct horse battery staple"


@dataclass
class Page:
    """The served page, and what stands behind it."""

    url: str
    process: subprocess.Popen[bytes]
    db: Db
    redis_url: str
    closing: ExitStack

    def sign_up(self, email: str, **known: Any) -> UUID:
        return users.add_user(self.db, email, hash_password(PASSWORD), **known).id

    def browser(self, email: str | None = None) -> httpx.Client:
        """A browser without scripts, logged in where an e-mail is given."""
        client = self.closing.enter_context(httpx.Client(base_url=self.url, follow_redirects=True, timeout=10))
        if email:
            client.get("/login")
            answer = client.post(
                "/login", data={"csrf": client.cookies["tradesync_form"], "email": email, "password": PASSWORD}
            )
            assert answer.url.path == "/", answer.text
        return client

    def trade(self, connection_id: UUID, *trades: Trade, told: bool = True) -> Recorded:
        """Store trades as a worker does, and say so as a worker does."""
        found = record_trades(self.db, [trade_row(trade, connection_id) for trade in trades], Source.STREAM)
        if told:
            with redis.Redis.from_url(self.redis_url) as client:
                import msgspec

                for user_id, lines in found.fresh.items():
                    publish(client, TradesRecorded(user_id=user_id, lines=msgspec.Raw(lines.encode())))
        return found

    def connect(self, user_id: UUID, **known: Any) -> UUID:
        return a_connection(self.db, user_id=user_id, **known)


@pytest.fixture
def serve(database_url: str, redis_url: str) -> Iterator[Callable[..., Page]]:
    """Start the web process with these settings and wait until it answers."""
    running: list[subprocess.Popen[bytes]] = []
    closing = ExitStack()

    def start(**environment: str) -> Page:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        settings = {
            "DATABASE_URL": database_url,
            "REDIS_URL": redis_url,
            "CREDENTIALS_KEY": "v1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
            "PORT": str(port),
            "WEB_HOST": "127.0.0.1",
            **environment,
        }
        process = subprocess.Popen([sys.executable, "-m", "web"], env={**os.environ, **settings})
        running.append(process)
        url = f"http://127.0.0.1:{port}"
        with httpx.Client(transport=httpx.HTTPTransport(retries=40)) as client:
            assert client.get(f"{url}/healthz").status_code == 200
        store = psycopg.connect(database_url, autocommit=True)
        closing.callback(store.close)
        return Page(url, process, store, redis_url, closing)

    yield start
    closing.close()
    for process in running:
        process.terminate()
    assert [process.wait(20) for process in running] == [0] * len(running)


@pytest.fixture
def site(serve: Callable[..., Page]) -> Page:
    return serve()
