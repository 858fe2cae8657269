"""How the HTX dialect is asked: by ccxt, by calls signed by hand, and over bare sockets."""

import asyncio
import base64
import gzip
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import ccxt
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from simulator.htx.keys import signature_of
from tests.fixtures.simulator import SimulatorProcess
from tests.fixtures.waiting import within
from tests.simulator.plain import Said, call
from tests.simulator.witnesses import credentials, pointed_at

DAY_MS = 86_400_000
WINDOW_MS = 48 * 3_600_000 - 60_000
PATIENCE_S = 10
SPOT, CONTRACTS = "api.huobi.pro", "api.hbdm.vn"
PRIVATE, NOTICES, OLD_NOTICES = "/ws/v2", "/ws/v5/notification", "/linear-swap-notification"
SPOT_PRICES, CONTRACT_PRICES = "/ws", "/linear-swap-ws"


def keyless_client(simulator: SimulatorProcess) -> Any:
    """ccxt without a key, that knows the markets."""
    client = pointed_at(simulator, ccxt.htx({"enableRateLimit": False}), "htx")
    client.load_markets()
    return client


def client_of(simulator: SimulatorProcess, keyless: Any, account: dict[str, Any]) -> Any:
    client = pointed_at(simulator, ccxt.htx(credentials(account) | {"enableRateLimit": False}), "htx")
    client.set_markets(keyless.markets, keyless.currencies)
    return client


def plain_account(simulator: SimulatorProcess, **options: Any) -> dict[str, Any]:
    """An account whose fees are taken in the coins that it trades."""
    return simulator.account("htx", details={"discount": False, **options.pop("details", {})}, **options)


def ask(
    simulator: SimulatorProcess,
    account: dict[str, Any],
    path: str,
    params: dict[str, Any] | None = None,
    *,
    host: str = SPOT,
    method: str = "GET",
    body: dict[str, Any] | None = None,
    behind_s: int = 0,
    **changes: str | None,
) -> Said:
    """One call signed by hand; `changes` replace what is signed and sent, None leaves it out."""
    now = simulator.ask("GET", "/clock")["now_ms"] // 1000 - behind_s
    query: dict[str, Any] = {
        "AccessKeyId": account["api_key"],
        "SignatureMethod": "HmacSHA256",
        "SignatureVersion": "2",
        "Timestamp": datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%S"),
        **(params or {}),
    }
    query |= {name: value for name, value in changes.items() if name != "Signature"}
    pairs = sorted((name, str(value)) for name, value in query.items() if value is not None)
    text = "&".join(f"{name}={quote(value, safe='')}" for name, value in pairs)
    payload = f"{method}\n{host}\n{path}\n{text}"
    made = base64.b64encode(hmac.new(account["secret"].encode(), payload.encode(), hashlib.sha256).digest()).decode()
    signature = changes.get("Signature", made)
    if signature is not None:
        text += f"&Signature={quote(signature, safe='')}"
    headers = {"Content-Type": "application/json"} if body is not None else {}
    return call(
        simulator,
        "htx",
        f"https://{host}{path}?{text}",
        method=method,
        headers=headers,
        body=None if body is None else json.dumps(body),
    )


def windows(now: int, reach_ms: int) -> Iterator[tuple[int, int]]:
    """Windows of less than 48 hours, newest first, each a second into the one before."""
    until = now
    while until > now - reach_ms:
        since = max(until - WINDOW_MS, now - reach_ms + 60_000)
        yield since, until
        if since == now - reach_ms + 60_000:
            return
        until = since + 1_000


def spot_pages(client: Any, since: int, until: int, size: int, **params: Any) -> list[list[dict[str, Any]]]:
    """Every page of one window, from the last row's id on; each after the first begins with a row seen before."""
    pages: list[list[dict[str, Any]]] = []
    while True:
        asked = {"start-time": since, "end-time": until, "size": size, **params}
        if pages:
            asked |= {"from": pages[-1][-1]["id"], "direct": "next"}
        pages.append(client.spotPrivateGetV1OrderMatchresults(asked)["data"])
        if len(pages[-1]) < size:
            return pages


def linear_pages(client: Any, code: str, since: int, until: int, limit: int = 100) -> list[list[dict[str, Any]]]:
    pages: list[list[dict[str, Any]]] = []
    while True:
        asked = {"contract_code": code, "start_time": since, "end_time": until, "limit": limit}
        if pages:
            asked |= {"from": pages[-1][-1]["id"], "direct": "next"}
        pages.append(client.contractPrivateGetV5TradeOrderDetails(asked)["data"])
        if len(pages[-1]) < limit:
            return pages


def unique(pages: list[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    return list({row["id"]: row for page in pages for row in page}.values())


def told(simulator: SimulatorProcess, account: dict[str, Any], product: str) -> list[dict[str, Any]]:
    return [trade for trade in simulator.truth(account)["trades"] if trade["product"] == product]


def fee_as_paid(trades: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """ccxt takes V5's `trade_fee` for what it was before V5, where paid was negative (sheet 9, ccxt bug)."""
    for trade in trades:
        fee = trade["fee"] | {"cost": str(-Decimal(trade["fee"]["cost"]))}
        trade |= {"fee": fee, "fees": [fee]}
    return trades


async def steer(call: Any, *args: Any, **options: Any) -> Any:
    """Steers the simulator without holding up the sockets of this test."""
    return await asyncio.to_thread(call, *args, **options)


class Voice:
    """A bare websocket that speaks JSON and unzips what comes zipped."""

    def __init__(self, socket: ClientConnection, host: str, path: str) -> None:
        self.socket = socket
        self.host = host
        self.path = path
        self.zipped: set[bool] = set()

    async def say(self, **message: Any) -> None:
        await self.socket.send(json.dumps(message))

    async def hear(self) -> Any:
        """The next message that is no ping."""
        while True:
            frame = await within(PATIENCE_S, self.socket.recv())
            self.zipped.add(isinstance(frame, bytes))
            message = json.loads(gzip.decompress(frame) if isinstance(frame, bytes) else frame)
            if "ping" not in (message.get("op"), message.get("action"), *message):
                return message

    async def ask(self, **message: Any) -> Any:
        await self.say(**message)
        return await self.hear()

    async def sign_in(self, account: dict[str, Any], *, behind_s: int = 0, **changes: Any) -> Any:
        stamp = datetime.fromtimestamp(time.time() - behind_s, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        names = ("AccessKeyId", "SignatureMethod", "SignatureVersion", "Timestamp", "Signature")
        version, head = "2", {"op": "auth", "type": "api"}
        if self.path == PRIVATE:
            names = ("accessKey", "signatureMethod", "signatureVersion", "timestamp", "signature")
            version = "2.1"
        signed = dict(zip(names, (account["api_key"], "HmacSHA256", version, stamp), strict=False))
        signed[names[-1]] = signature_of(account["secret"], "GET", self.host, self.path, signed.items())
        signed |= changes
        if self.path == PRIVATE:
            return await self.ask(action="req", ch="auth", params={"authType": "api", **signed})
        return await self.ask(**head, **signed)

    async def is_closed(self) -> bool:
        try:
            async with asyncio.timeout(PATIENCE_S):
                while True:
                    await self.socket.recv()
        except ConnectionClosed:
            return True


@asynccontextmanager
async def voices(simulator: SimulatorProcess) -> AsyncIterator[Callable[..., Any]]:
    """Opens bare sockets by path, signed in where an account is given; they are closed in the end."""
    opened = []

    async def open_(path: str, account: dict[str, Any] | None = None) -> Voice:
        host = SPOT if path in {PRIVATE, SPOT_PRICES} else CONTRACTS
        opened.append(await connect(simulator.instead_of("htx", f"wss://{host}{path}"), ping_interval=None))
        talk = Voice(opened[-1], host, path)
        if account is not None:
            answer = await talk.sign_in(account)
            assert answer.get("code", answer.get("err-code")) in {200, 0}
        return talk

    yield open_
    for socket in opened:
        await socket.close()
