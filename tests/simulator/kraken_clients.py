"""Clients of the simulated Kraken: ccxt over REST, and bare sockets that speak its JSON."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import ccxt
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.fixtures.simulator import SimulatorProcess
from tests.simulator.witnesses import credentials, pointed_at

PATIENCE_S = 10
PRIVATE, PUBLIC = "wss://ws-auth.kraken.com/v2", "wss://ws.kraken.com/v2"


def keyless_of(simulator: SimulatorProcess) -> Any:
    """A client without any key that knows the markets."""
    client = pointed_at(simulator, ccxt.kraken(), "kraken")
    client.load_markets()
    return client


def client_of(simulator: SimulatorProcess, keyless: Any, account: dict[str, Any]) -> Any:
    client = pointed_at(simulator, ccxt.kraken(credentials(account)), "kraken")
    client.set_markets(keyless.markets, keyless.currencies)
    client.options["marketsByAltname"] = keyless.options["marketsByAltname"]
    return client


def ask(client: Any, **params: Any) -> dict[str, Any]:
    return client.privatePostTradesHistory(params)["result"]


def refusal_of(do: Any, *arguments: Any) -> tuple[type, str]:
    """What ccxt makes of a refusal, and the exchange's own words."""
    with pytest.raises(ccxt.BaseError) as refused:
        do(*arguments)
    text = str(refused.value)
    return type(refused.value), json.loads(text[text.index("{") :])["error"][0]


class Voice:
    """A bare websocket that speaks JSON; decimals keep their digits."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    async def hear(self, *, beats: bool = False) -> Any:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                said = json.loads(await self.socket.recv(), parse_float=Decimal)
                if beats or said.get("channel") not in {"heartbeat", "status"}:
                    return said

    async def ask(self, method: str, req_id: int | None = 1, **params: Any) -> Any:
        message = {"method": method, "params": params} | ({} if req_id is None else {"req_id": req_id})
        await self.socket.send(json.dumps(message))
        return await self.hear()

    async def follow(self, token: str, **options: Any) -> Any:
        """Subscribes to executions without any snapshot."""
        return await self.ask("subscribe", channel="executions", token=token, **{"snap_orders": False} | options)

    async def is_closed(self) -> bool:
        try:
            async with asyncio.timeout(PATIENCE_S):
                while True:
                    await self.socket.recv()
        except ConnectionClosed:
            return True


@asynccontextmanager
async def voices(simulator: SimulatorProcess) -> AsyncIterator[Callable[..., Any]]:
    """Opens bare sockets; they are closed at the end."""
    opened = []

    async def opens(url: str = PRIVATE) -> Voice:
        opened.append(await connect(simulator.instead_of("kraken", url), ping_interval=None))
        return Voice(opened[-1])

    yield opens
    await asyncio.gather(*(socket.close() for socket in opened))


async def steer(do: Any, *args: Any, **options: Any) -> Any:
    """Steers the simulator without holding up the sockets of this test."""
    return await asyncio.to_thread(do, *args, **options)


async def token_of(simulator: SimulatorProcess, account: dict[str, Any]) -> str:
    client = pointed_at(simulator, ccxt.kraken(credentials(account)), "kraken")
    told = (await steer(client.privatePostGetWebSocketsToken))["result"]
    assert told["expires"] == 900
    return told["token"]
