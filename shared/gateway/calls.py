"""The gateway: makes the calls that exchange modules describe, for accounts and without a key."""

import hashlib
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import TypeVar
from uuid import UUID

from msgspec.structs import replace

from shared.domain.connections import Account, Credentials
from shared.domain.errors import BadInput, ClockWrong, ExchangeUnavailable, TradeSyncError, Transient
from shared.domain.markets import Markets
from shared.exchanges import load
from shared.exchanges.kit.contract import Answer, Exchange, Lane, Request, Steps
from shared.gateway.budget import Budget, Turns, TurnsHere, Unlimited
from shared.gateway.client import Call, Client, make_client
from shared.gateway.clocks import Clocks, Offset
from shared.gateway.markets import MarketShelf, load_markets
from shared.gateway.paying import Purse
from shared.gateway.transport import open_session
from shared.gateway.way import Road, Way

T = TypeVar("T")
_NOBODY = UUID(int=0)


def our_time_ms() -> int:
    """This machine's clock, epoch ms."""
    return time.time_ns() // 1_000_000


class Gateway:
    """Calls to all exchanges, from any thread. Every method raises errors of `shared.domain.errors` only.

    `patience_ms` is how long a call waits for its budget before it gives the thread back with `RateLimited`;
    `clock_limit_ms` how far this machine's clock may be off before that is an error (a simulator's time may run
    as it likes); `clients` how many keys are kept warm.
    """

    def __init__(
        self,
        *,
        budget: Budget | None = None,
        turns: Turns | None = None,
        simulator_url: str = "",
        egress: str = "default",
        patience_ms: int = 1_500,
        clock_limit_ms: int = 60_000,
        clients: int = 500,
        now_ms: Callable[[], int] = our_time_ms,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._turns: Turns = turns or TurnsHere()
        self._purse = Purse(budget or Unlimited(), now_ms, sleep, patience_ms)
        self._road = Road(open_session(), self._purse, simulator_url, egress, now_ms)
        self._clocks = Clocks(now_ms)
        self._clock_limit_ms = 0 if simulator_url else clock_limit_ms
        self._shelf = MarketShelf(now_ms)
        self._most_clients = clients
        self._clients: OrderedDict[tuple[UUID, bytes], Client] = OrderedDict()
        self._keyless: dict[tuple[str, str], Client] = {}
        self._door = threading.Lock()
        self._salt = secrets.token_bytes(16)

    def call(
        self,
        account: Account,
        credentials: Credentials,
        request: Request,
        *,
        lane: Lane = "backfill",
        proxy: str | None = None,
    ) -> Answer:
        """Make one call for an account. `proxy` is the connection's own egress.

        Raises what the exchange's module makes of the answer, `RateLimited` when the budget has no room soon,
        `ExchangeUnavailable` when there is no answer, `KeyRejected` when the secret cannot sign.
        """
        exchange = load(account.exchange)
        client = self._client_of(exchange, account, credentials, proxy)
        with suppress(Transient):  # the call itself will tell, and a good clock needs no measuring
            self._offset(exchange, account.region)
        call = Call(request=request, lane=lane, account=account.connection_id)
        begins = credentials.reveal("api_key")[:8]
        try:
            return replace(self._perform(exchange, client, call), key_begins=begins)
        except ClockWrong:
            offset = self._offset(exchange, account.region, is_stale=True)
            if self._clock_limit_ms and abs(offset.ms) > self._clock_limit_ms:
                where = "behind" if offset.ms > 0 else "ahead of"
                raise ClockWrong(
                    f"This machine's clock is {abs(offset.ms) / 1000:.1f} s {where} {exchange.title}'s; "
                    "correct the clock."
                ) from None
            try:
                return replace(self._perform(exchange, client, call), key_begins=begins)
            except ClockWrong:
                raise ExchangeUnavailable(
                    f"{exchange.title} calls our time wrong, though its clock was measured a moment ago; "
                    "it is asked again later."
                ) from None

    def call_public(self, exchange_id: str, request: Request, *, lane: Lane = "live", region: str = "global") -> Answer:
        """Make one call that needs no key."""
        exchange = load(exchange_id)
        return self._perform(exchange, self._keyless_of(exchange, region), Call(request=request, lane=lane))

    def run(
        self,
        account: Account,
        credentials: Credentials,
        steps: Steps[T],
        *,
        lane: Lane = "backfill",
        proxy: str | None = None,
    ) -> T:
        """Carry a conversation of several requests through and return its result."""
        return _drive(steps, lambda request: self.call(account, credentials, request, lane=lane, proxy=proxy))

    def run_public(self, exchange_id: str, steps: Steps[T], *, lane: Lane = "live", region: str = "global") -> T:
        """The same without a key."""
        return _drive(steps, lambda request: self.call_public(exchange_id, request, lane=lane, region=region))

    def markets(self, exchange_id: str, region: str = "global", *, is_fresh: bool = False) -> Markets:
        """Every market of an exchange, loaded without a key once and shared; see `MarketShelf.get`."""
        exchange = load(exchange_id)

        def from_exchange() -> Markets:
            # A client of its own: ccxt keeps its whole table in it, and it goes when the table is ours.
            return load_markets(self._make_keyless(exchange, region), exchange.title)

        return self._shelf.get((exchange.id, region), from_exchange, is_fresh=is_fresh)

    def clock_offset_ms(self, exchange_id: str, region: str = "global") -> int:
        """What to add to our time to get the exchange's. Raises `Transient` when it cannot be asked."""
        return self._offset(load(exchange_id), region).ms

    def measure_clock(self, exchange_id: str, region: str = "global") -> Offset:
        """The offset and its spread, measured now."""
        return self._offset(load(exchange_id), region, is_stale=True)

    def close(self) -> None:
        """Let connections and keys go."""
        with self._door:
            self._clients.clear()
            self._keyless.clear()
        self._road.session.close()

    def _perform(self, exchange: Exchange, client: Client, call: Call) -> Answer:
        turn: AbstractContextManager[int | None] = nullcontext(None)
        if exchange.serialise_calls and call.account is not None and call.request.endpoint.signed:
            turn = self._turns.turn(exchange.id, call.account, client.door.now_ms())
        with turn as nonce:
            return client.perform(call, nonce)

    def _client_of(self, exchange: Exchange, account: Account, credentials: Credentials, proxy: str | None) -> Client:
        """A warm client for this connection and this very key; the one unused for longest is let go."""
        key = (account.connection_id, self._fingerprint(credentials, account, proxy))
        with self._door:
            client = self._clients.get(key)
            if client is None:
                config = dict(exchange.ccxt_config(account))
                for name, theirs in exchange.ccxt_credentials.items():
                    config[theirs] = credentials.reveal(name)
                client = make_client(exchange.ccxt_id, config, self._way(exchange, account.region, proxy))
                self._clients[key] = client
                while len(self._clients) > self._most_clients:
                    self._clients.popitem(last=False)
            self._clients.move_to_end(key)
            return client

    def _fingerprint(self, credentials: Credentials, account: Account, proxy: str | None) -> bytes:
        digest = hashlib.blake2b(key=self._salt)
        parts = [account.exchange, account.region, account.mode, proxy or ""]
        for name in sorted(credentials):
            parts += [name, credentials.reveal(name)]
        for part in parts:
            written = part.encode()
            digest.update(len(written).to_bytes(4, "big") + written)
        return digest.digest()

    def _keyless_of(self, exchange: Exchange, region: str) -> Client:
        with self._door:
            client = self._keyless.get((exchange.id, region))
            if client is None:
                client = self._keyless[exchange.id, region] = self._make_keyless(exchange, region)
            return client

    def _make_keyless(self, exchange: Exchange, region: str) -> Client:
        if region not in exchange.regions:
            raise BadInput(
                f"{exchange.title} has no region {region!r}.", hint=f"Known are: {', '.join(exchange.regions)}."
            )
        nobody = Account(connection_id=_NOBODY, exchange=exchange.id, products=exchange.products, region=region)
        config = exchange.ccxt_config(None if region == exchange.regions[0] else nobody)
        return make_client(exchange.ccxt_id, config, self._way(exchange, region, None))

    def _way(self, exchange: Exchange, region: str, proxy: str | None) -> Way:
        return Way(self._road, exchange, lambda: self._clocks.known(_clock(exchange, region)), proxy)

    def _offset(self, exchange: Exchange, region: str, *, is_stale: bool = False) -> Offset:
        def probe() -> int:
            client = self._keyless_of(exchange, region)
            call = Call(request=Request(exchange.clock), lane="live")
            return exchange.read_clock(self._perform(exchange, client, call).data)

        return self._clocks.get(_clock(exchange, region), probe, is_stale=is_stale)


def _clock(exchange: Exchange, region: str) -> str:
    return f"{exchange.id}/{region}"


def _drive(steps: Steps[T], call: Callable[[Request], Answer]) -> T:
    try:
        request = next(steps)
        while True:
            try:
                answer = call(request)
            except TradeSyncError as error:
                request = steps.throw(error)
            else:
                request = steps.send(answer)
    except StopIteration as end:
        result: T = end.value
        return result
