"""Clients of the simulated Bitget: ccxt, calls signed by hand, and bare sockets that speak its JSON."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

import ccxt
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.fixtures.simulator import SimulatorProcess
from tests.fixtures.waiting import within
from tests.simulator.plain import Said, call
from tests.simulator.witnesses import credentials, pointed_at

HOST = "https://api.bitget.com"
DAY_MS = 86_400_000
PATIENCE_S = 10
SPOT_FILLS, MIX_FILLS, UNIFIED_FILLS = "/api/v2/spot/trade/fills", "/api/v2/mix/order/fills", "/api/v3/trade/fills"
SPOT_ASSETS, SETTINGS = "/api/v2/spot/account/assets", "/api/v3/account/settings"
SPOT = {"instType": "SPOT", "channel": "fill", "instId": "default"}
FUTURES = {"instType": "USDT-FUTURES", "channel": "fill", "instId": "default"}
UNIFIED = {"instType": "UTA", "topic": "fill"}


def client_of(simulator: SimulatorProcess, account: dict[str, Any] | None = None, **options: Any) -> Any:
    config = credentials(account, **options) if account else {"options": options}
    return pointed_at(simulator, ccxt.bitget(config | {"enableRateLimit": False}), "bitget")


def plain_account(simulator: SimulatorProcess, mode: str = "classic", **options: Any) -> dict[str, Any]:
    """One position a market, and fees in the usual coins: ccxt reads nothing else right."""
    details = {"discount": False, "pos_mode": "one_way_mode", **options.pop("details", {})}
    return simulator.account("bitget", mode=mode, details=details, **options)


def ask(
    simulator: SimulatorProcess,
    account: dict[str, Any],
    path: str,
    *,
    clock_ms: int = 0,
    unsorted: bool = False,
    **p: Any,
) -> Said:
    """One signed call by hand; `headers` replace others, None leaves one out."""
    headers = p.pop("headers", {})
    pairs = list(p.items()) if unsorted else sorted(p.items())
    asked = f"?{'&'.join(f'{name}={value}' for name, value in pairs)}" if pairs else ""
    stamp = str(simulator.ask("GET", "/clock")["now_ms"] + clock_ms)
    digest = hmac.new(account["secret"].encode(), f"{stamp}GET{path}{asked}".encode(), hashlib.sha256).digest()
    given = {
        "ACCESS-KEY": account["api_key"],
        "ACCESS-SIGN": base64.b64encode(digest).decode(),
        "ACCESS-TIMESTAMP": stamp,
        "ACCESS-PASSPHRASE": account["passphrase"],
        **headers,
    }
    kept = {name: value for name, value in given.items() if value is not None}
    return call(simulator, "bitget", HOST + path + quote(asked, safe="?&="), headers=kept)


def code_of(*arguments: Any, **options: Any) -> str:
    return ask(*arguments, **options).data["code"]


def data_of(*arguments: Any, **options: Any) -> Any:
    answer = ask(*arguments, **options).data
    assert (answer["code"], answer["msg"]) == ("00000", "success"), answer
    return answer["data"]


def windows(now: int, days: int) -> Iterator[dict[str, int]]:
    """Ninety days in windows that overlap by two milliseconds, since both ends may belong to none."""
    end, wall = now + 1, now - 90 * DAY_MS + 60_000
    while end > wall:
        start = max(wall, end - days * DAY_MS)
        yield {"startTime": start, "endTime": end}
        end = start + 2 if start > wall else wall


def smaller_ids(get: Callable[..., list[dict[str, Any]]], **asked: Any) -> list[list[dict[str, Any]]]:
    """Every page of one window of a classic account."""
    pages, last = [get(**asked)], None
    while pages[-1]:
        smallest = min(int(row["tradeId"]) for row in pages[-1])
        assert last is None or smallest < last
        last = smallest
        pages.append(get(**asked, idLessThan=last))
    return pages[:-1]


def cursors(get: Callable[..., dict[str, Any]], **asked: Any) -> list[list[dict[str, Any]]]:
    """Every page of one window of a unified account."""
    pages, answer = [], get(**asked)
    while answer["list"]:
        pages.append(answer["list"])
        answer = get(**asked, cursor=answer["cursor"])
    return pages


def flat(pages: list[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    return [row for page in pages for row in page]


class Voice:
    """A bare websocket that speaks JSON."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    async def hear(self) -> Any:
        return json.loads(await within(PATIENCE_S, self.socket.recv()))

    async def ask(self, op: str, *args: Any) -> Any:
        await self.socket.send(json.dumps({"op": op, "args": args}))
        return await self.hear()

    async def ping(self) -> Any:
        await self.socket.send("ping")
        return await within(PATIENCE_S, self.socket.recv())

    async def sign_in(self, account: dict[str, Any], stamp: int | str, **changes: str) -> Any:
        digest = hmac.new(account["secret"].encode(), f"{stamp}GET/user/verify".encode(), hashlib.sha256).digest()
        asked = {
            "apiKey": account["api_key"],
            "passphrase": account["passphrase"],
            "timestamp": str(stamp),
            "sign": base64.b64encode(digest).decode(),
        }
        return await self.ask("login", asked | changes)

    async def until_closed(self) -> tuple[list[Any], int]:
        """What is still said, and the code with which the socket ends."""
        heard = []
        try:
            async with asyncio.timeout(PATIENCE_S):
                while True:
                    heard.append(await self.socket.recv())
        except ConnectionClosed as closed:
            return heard, closed.rcvd.code if closed.rcvd else 1006

    async def closing(self) -> int:
        """The code with which the socket ends, whatever is said before."""
        return (await self.until_closed())[1]


@asynccontextmanager
async def voices(simulator: SimulatorProcess) -> AsyncIterator[Any]:
    """Opens bare sockets by path and host; they are closed at the end."""
    opened = []

    async def open_(path: str = "/v2/ws/private", host: str = "ws.bitget.com") -> Voice:
        address = simulator.instead_of("bitget", f"wss://{host}{path}")
        opened.append(await connect(address, ping_interval=None))
        return Voice(opened[-1])

    yield open_
    for socket in opened:
        await socket.close()


def seconds(simulator: SimulatorProcess) -> int:
    return simulator.ask("GET", "/clock")["now_ms"] // 1000


async def listening(
    simulator: SimulatorProcess, voice: Any, account: dict[str, Any], arg: dict[str, Any], path: str = "/v2/ws/private"
) -> Voice:
    talk = await voice(path)
    assert (await talk.sign_in(account, seconds(simulator)))["event"] == "login"
    assert (await talk.ask("subscribe", arg))["event"] == "subscribe"
    return talk


async def steer(call: Any, *args: Any, **options: Any) -> Any:
    """Steers the simulator without holding up the sockets of this test."""
    return await asyncio.to_thread(call, *args, **options)
