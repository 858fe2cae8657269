"""A ccxt client of ours: ccxt builds and signs the request, its `fetch`, `throttle` and clock are replaced."""

import binascii
import json
import threading
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Protocol
from uuid import UUID

import ccxt
from msgspec import Struct

from shared.domain.errors import KeyRejected, TradeSyncError
from shared.exchanges.kit.contract import Answer, Lane, OwnKey, Request


class Call(Struct):
    """One call in the making: what was asked, for whom, what it took of the budget, and what came back."""

    request: Request
    lane: Lane
    account: UUID | None = None
    nonce: int | None = None
    weight: float = 0
    answer: Answer | None = None


class Door(Protocol):
    """Where a client's requests leave: `go` sends a call of ours, `go_public` one that ccxt makes by itself.

    Both raise our errors only. `pay` is asked before a call of ours is signed.
    """

    def now_ms(self) -> int: ...
    def pay(self, call: Call, ccxt_ms: float) -> float: ...
    def go(self, call: Call, method: str, url: str, headers: Mapping[str, str], body: str | None) -> Answer: ...
    def go_public(
        self, method: str, url: str, headers: Mapping[str, str], body: str | None, ccxt_ms: float
    ) -> bytes: ...


class Client:
    """What replaces ccxt's own transport; `_class_of` puts it before one of ccxt's classes.

    One client may be used from several threads at once: what belongs to one call is kept per thread.
    """

    door: Door
    current: threading.local
    # provided by ccxt
    rateLimit: float  # noqa: N815 — ccxt's name
    apiKey: str  # noqa: N815
    request: Callable[..., Any]

    def perform(self, call: Call, nonce: int | None = None) -> Answer:
        """Make one call through ccxt's implicit method, or through what those go through where it has none."""
        endpoint, given = call.request.endpoint, call.request.params
        self.current.call = call = Call(call.request, call.lane, call.account, nonce)
        params = {name: self.apiKey if value == OwnKey() else value for name, value in given.items()}
        try:
            if endpoint.section:
                self.request(endpoint.name, endpoint.section.split(), endpoint.method, params)
            else:
                getattr(self, endpoint.name)(params)
        finally:
            self.current.call = None
        if call.answer is None:
            raise AssertionError(f"{endpoint.name} sent nothing")
        return call.answer

    def throttle(self, cost: float | None = None) -> None:
        """Pay before signing, so that the signature is young when it leaves."""
        ccxt_ms = self.rateLimit * (1 if cost is None else cost)
        call = self._call
        if call is None:
            self.current.ccxt_ms = ccxt_ms
        else:
            call.weight = self.door.pay(call, ccxt_ms)

    def sign(self, *args: Any, **kwargs: Any) -> Any:
        """ccxt's signature. A secret it cannot sign with is a rejected key, and is not shown."""
        try:
            return super().sign(*args, **kwargs)  # type: ignore[misc]
        except TradeSyncError:
            raise
        except (ccxt.AuthenticationError, binascii.Error, ValueError, TypeError, AttributeError, IndexError):
            if self._call is None:
                raise
            raise KeyRejected(
                "The key cannot sign: its secret is not in the form this exchange hands out. Enter it again."
            ) from None

    def fetch(
        self, url: str, method: str = "GET", headers: Mapping[str, str] | None = None, body: str | None = None
    ) -> Any:
        """Send through the door instead of ccxt's own transport."""
        prepared: Mapping[str, str] = self.prepare_request_headers(headers)  # type: ignore[attr-defined]
        call = self._call
        if call is None:
            content = self.door.go_public(method, url, prepared, body, self.current.ccxt_ms)
            # ccxt reads this one, with its own numbers; what we read ourselves never takes this way.
            return json.loads(content)
        call.answer = self.door.go(call, method, url, prepared, body)
        return call.answer.data

    def milliseconds(self) -> int:
        """The exchange's time, which is what it wants to see signed."""
        return self.door.now_ms()

    def seconds(self) -> int:
        """The same in seconds."""
        return self.door.now_ms() // 1_000

    def microseconds(self) -> int:
        """The same in microseconds."""
        return self.door.now_ms() * 1_000

    def nonce(self) -> Any:
        """The nonce of this call's turn where the exchange wants one; else as ccxt makes it."""
        call = self._call
        if call is not None and call.nonce is not None:
            return call.nonce
        return super().nonce()  # type: ignore[misc]

    def incrementing_nonce(self) -> Any:
        """The same: what rises over all processes is counted elsewhere."""
        call = self._call
        if call is not None and call.nonce is not None:
            return call.nonce
        return super().incrementing_nonce()  # type: ignore[misc]

    def close(self) -> None:
        """Nothing to close: the session is shared."""

    @property
    def _call(self) -> Call | None:
        call: Call | None = getattr(self.current, "call", None)
        return call


@cache
def _class_of(ccxt_id: str) -> type[Client]:
    return type(f"{ccxt_id.title()}Client", (Client, getattr(ccxt, ccxt_id)), {})


def make_client(ccxt_id: str, config: Mapping[str, Any], door: Door) -> Client:
    """A client whose every request leaves through this door. It holds no session of its own."""
    kind = _class_of(ccxt_id)
    # ccxt makes a session of its own where it is given none.
    client = kind({**config, "enableRateLimit": True, "session": _NoSession()})  # type: ignore[call-arg]
    client.door = door
    client.current = threading.local()
    return client


class _NoSession:
    """Stands where ccxt expects a session: nothing goes out by it."""

    headers: Mapping[str, str] = {}

    def close(self) -> None:
        """Nothing is open."""
