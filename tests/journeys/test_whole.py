"""Everything runs at once: one connection's trouble is its own, the command line is heard, and no secret gets out."""

import base64
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from threading import Event, Thread
from typing import Any
from urllib.parse import quote
from uuid import UUID

import httpx
import pytest
import redis

from cli.desk import free_or
from cli.supervisor import answers
from shared import exchanges
from tests.fixtures.simulator import SimulatorProcess
from tests.fixtures.waiting import until
from tests.journeys.system import PASSWORD, System, running

HEARD_WITHIN = 2.0
FIELDS = ("api_key", "secret", "passphrase")

pytestmark = pytest.mark.timeout(180)


class Tap:
    """Whatever anybody says to Redis, as Redis shows it."""

    def __init__(self, url: str) -> None:
        self.heard: list[bytes] = []
        self._closing = Event()
        self._client = redis.Redis.from_url(url)
        self._connection = self._client.connection_pool.get_connection()
        self._connection.send_command("MONITOR")
        self._connection.read_response()
        self._thread = Thread(target=self._listen)
        self._thread.start()

    def _listen(self) -> None:
        while not self._closing.is_set():
            if self._connection.can_read(0.1):
                self.heard.append(self._connection.read_response())

    def close(self) -> None:
        self._closing.set()
        self._thread.join()
        self._connection.disconnect()
        self._client.close()


@dataclass
class House:
    """A whole system, what is said on its wire, and what it printed for people."""

    system: System
    tap: Tap
    page: str
    printed: list[str] = field(default_factory=list)

    def type(self, *words: str, code: int | None = 0, **environment: str) -> str:
        """Type `tradesync …` beside the running system."""
        done = subprocess.run(
            [sys.executable, "-m", "cli", *words], env={**self.system.environment, **environment}, text=True,
            capture_output=True, check=False, cwd=self.system.folder, timeout=60,
        )  # fmt: skip
        self.printed += [done.stdout, done.stderr]
        assert code in {None, done.returncode}, done.stdout + done.stderr
        return done.stdout + done.stderr

    def key_of(self, account: dict[str, Any]) -> dict[str, str]:
        """An account's key as the command line takes it."""
        return {f"TRADESYNC_{name.upper()}": account[name] for name in FIELDS if account.get(name)}

    @contextmanager
    def browser(self, password: str) -> Iterator[httpx.Client]:
        """A browser in which somebody has just tried to log in."""
        with httpx.Client(base_url=self.page, follow_redirects=True, timeout=10) as client:
            client.get("/login")
            form = {"csrf": client.cookies["tradesync_form"], "email": "ann@example.com", "password": password}
            answer = client.post("/login", data=form)
            self.printed.append(answer.text)
            assert (answer.url.path == "/") is (password == PASSWORD)
            yield client


@pytest.fixture(scope="module")
def house(module_database_url: str, module_redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    port = free_or(0, 0)
    folder = tmp_path_factory.mktemp("whole")
    tap = Tap(module_redis_url)
    told = {"PORT": str(port), "WEB_HOST": "127.0.0.1", "LOG_LEVEL": "debug"}
    with (
        SimulatorProcess("--no-limits") as simulator,
        running(simulator, module_database_url, module_redis_url, folder, **told) as system,
    ):
        try:
            for name in ("scheduler", "worker", "streamer"):
                system.start(name)
            system.start("web", ready=answers(port, "/healthz"))
            for exchange in exchanges.names():
                product = product_of(exchange)
                system.connect(simulator.account(exchange, products=[product], history=5), product)
            yield House(system, tap, f"http://127.0.0.1:{port}")
        finally:
            tap.close()


def product_of(exchange: str) -> str:
    """What is traded there here: contracts, where it has them."""
    products = {product.value for product in exchanges.load(exchange).products}
    return "linear" if "linear" in products else "spot"


def test_a_revoked_key_rests_its_own_connection_and_no_other(house: House) -> None:
    system = house.system
    good = set(system.states())
    with ExitStack() as connected:
        accounts = [
            system.simulator.account(exchange, products=[product_of(exchange)]) for exchange in exchanges.names()
        ]
        bad = {
            connected.enter_context(system.connected(account, *account["products"])): account for account in accounts
        }
        system.settle()
        for account in accounts:
            system.simulator.spoil_key(account, "revoke")
        until(lambda: {system.states("sync_status")[key] for key in bad} == {"suspended"})
        for key in good:
            system.simulator.trade(system.accounts[key], 3)
        until(system.has_all_trades)
        told = {
            key: rest
            for key, *rest in system.rows(
                "SELECT id, sync_status, stream_state, error_message FROM user_exchange_connections"
            )
        }
        assert [["live", "live", None]] * len(good) == [told[key] for key in good]
        for key in bad:
            sentence = told[key][2]
            assert "key" in sentence
            assert sentence.endswith(".")
        until(lambda: not any(system.is_heard(account["name"]) for account in accounts))

        for key, account in bad.items():
            system.simulator.spoil_key(account, "restore")
            system.simulator.trade(account, 2)
            house.type("resume", str(key))
        system.settle()


def test_the_command_line_adds_and_ends_a_connection_within_two_seconds(house: House) -> None:
    system = house.system
    account = system.simulator.account("bybit", products=["linear"])
    name = account["name"]
    words = ("connect", "ann@example.com", "bybit", "--products", "linear", "--label", name)
    said = house.type(*words, **house.key_of(account))
    printed = time.monotonic()
    connection_id = UUID(said.partition("Connected: ")[2].split()[0])
    until(lambda: system.states()[connection_id] == "live" and system.is_heard(name))
    assert time.monotonic() - printed < HEARD_WITHIN

    system.accounts[connection_id] = account
    system.simulator.trade(account, 3)
    system.settle()

    del system.accounts[connection_id]
    house.type("remove", name, "--yes")
    printed = time.monotonic()
    until(lambda: not system.is_heard(name))
    assert time.monotonic() - printed < HEARD_WITHIN
    stored = system.one("SELECT count(*) FROM trades WHERE connection_id = %s", connection_id)
    assert stored == len(system.simulator.truth(account)["trades"])


def test_nobody_tells_a_secret(house: House) -> None:
    system = house.system
    account = system.simulator.account("kucoin")
    stranger = system.simulator.account("kucoin")
    wrong = {**house.key_of(stranger), "TRADESYNC_PASSPHRASE": "another-passphrase"}
    keys = [account[name] for account in system.simulator.accounts() for name in FIELDS if account.get(name)]
    planted = [system.key, PASSWORD, "another-passphrase", *keys]

    with system.connected(account) as connection_id:
        system.settle()
        system.simulator.trade(account, 3)
        system.settle()
        # All that may go wrong with a key, or with an answer that was asked for with one, and all that shows it.
        system.simulator.weather("server_errors", chance=0.3)
        system.simulator.weather("html", chance=0.3)
        system.simulator.spoil_key(account, "revoke")
        until(lambda: system.states("sync_status")[connection_id] == "suspended")
        system.simulator.calm()
        house.type("connect", "ann@example.com", "kucoin", code=1, **wrong)
        house.type("test", str(connection_id), code=1)
        for words in (["connections"], ["status"], ["trades"], ["doctor"], ["keys", "status"]):
            house.type(*words, code=None)
        with house.browser(PASSWORD) as browser:
            paths = ("/", f"/connections/{connection_id}", "/metrics", "/readyz", "/nowhere")
            pages = [browser.get(path) for path in paths]
            with browser.stream("GET", "/live") as feed:
                house.printed.append(next(feed.iter_text()))
        with house.browser(keys[0]) as browser:
            pages.append(browser.get("/"))

    logs = "".join(log.read_text() for log in system.supervisor.logs.iterdir())
    wire = b"\n".join(house.tap.heard).decode(errors="replace")
    shown = "".join([*house.printed, *(page.text + str(page.headers) for page in pages)])
    searched = {"job.finished": logs, "write_trades": wire, account["name"]: tables_as_text(system), "suspended": shown}
    for known, text in searched.items():
        assert known in text, "what is searched does not hold what it must"
        for secret in planted:
            for form in forms(secret):
                place = text.find(form)
                assert place < 0, f"{form[:4]}… is told after {text[max(0, place - 300) : place]}"


def tables_as_text(system: System) -> str:
    """Every row of every table; bytes are written in hex."""
    names = system.rows("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
    return "\n".join(row[0] for (name,) in names for row in system.rows(f'SELECT t::text FROM "{name}" t'))


def forms(secret: str) -> set[str]:
    """A secret as it is, and as it would look inside something else."""
    raw = secret.encode()
    return {secret, raw.hex(), base64.b64encode(raw).decode().rstrip("="), quote(secret, safe="")}
