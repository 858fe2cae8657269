"""Gate's own words for its tests: signed calls and subscriptions without any library, and the fields of its rows."""

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Callable
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

PATIENCE_S = 10
API = "https://api.gateio.ws"
ALL = "!all"
SPOT, USDT, BTC = (
    "wss://api.gateio.ws/ws/v4/",
    "wss://fx-ws.gateio.ws/v4/ws/usdt",
    "wss://fx-ws.gateio.ws/v4/ws/btc",
)
MY_TRADE = {
    *("id", "create_time", "create_time_ms", "currency_pair", "side", "role", "amount", "price", "order_id"),
    *("fee", "fee_currency", "point_fee", "gt_fee", "sequence_id", "text", "amend_text"),
}
FEES = {"fee", "fee_currency", "gt_fee", "point_fee"}
ENVELOPE = {"time", "time_ms", "channel", "event", "result"}
SPOT_TRADE = {
    **dict.fromkeys(("id", "user_id", "create_time", "id_market"), int),
    **dict.fromkeys(("order_id", "currency_pair", "create_time_ms", "side", "amount", "role", "price"), str),
    **dict.fromkeys(("fee", "fee_currency", "point_fee", "gt_fee", "text", "amend_text", "biz_info"), str),
}
FUTURES_TRADE = {
    **dict.fromkeys(("id", "contract", "order_id", "price", "role", "text"), str),
    **dict.fromkeys(("create_time", "create_time_ms", "size", "point_fee"), int),
    "fee": float,
}
ORDER = {
    *("id", "text", "create_time", "update_time", "currency_pair", "type", "account", "side", "amount", "price"),
    *("time_in_force", "left", "filled_total", "avg_deal_price", "fee", "fee_currency", "point_fee", "gt_fee"),
    *("rebated_fee", "rebated_fee_currency", "create_time_ms", "update_time_ms", "user", "event", "stp_id"),
    *("stp_act", "finish_as", "biz_info", "amend_text"),
}
TICKER = {
    *("currency_pair", "last", "lowest_ask", "highest_bid", "change_percentage", "base_volume", "quote_volume"),
    *("high_24h", "low_24h"),
}


def client_of(simulator: SimulatorProcess, keyless: Any, account: dict[str, Any], **options: Any) -> Any:
    client = pointed_at(simulator, ccxt.gate(credentials(account, **options)), "gate")
    client.set_markets(keyless.markets, keyless.currencies)
    return client


def plain_account(simulator: SimulatorProcess, **options: Any) -> dict[str, Any]:
    return simulator.account("gate", details={"discount": False, **options.pop("details", {})}, **options)


def ask(
    simulator: SimulatorProcess, account: dict[str, Any], path: str, query: str = "", *, host: str = API, **spoil: Any
) -> Said:
    """A call signed as the documents say, without any library; `spoil` replaces headers (None: left out)."""
    stamp = str(spoil.pop("Timestamp", int(time.time())))
    body = hashlib.sha512(b"").hexdigest()
    signed = "\n".join(("GET", f"/api/v4{path}", query, body, stamp))
    made = hmac.new(account["secret"].encode(), signed.encode(), hashlib.sha512).hexdigest()
    headers = {"KEY": account["api_key"], "Timestamp": stamp, "SIGN": made} | spoil
    headers = {name: value for name, value in headers.items() if value is not None}
    url = f"{host}/api/v4{path}" + (f"?{quote(query, safe='=&')}" if query else "")
    return call(simulator, "gate", url, headers=headers)


def refusal_of(said: Said) -> tuple[int, str]:
    return said.status, said.data["label"]


class Voice:
    """A bare websocket that speaks JSON."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    async def say(self, **message: Any) -> None:
        await self.socket.send(json.dumps({"time": int(time.time()), **message}))

    async def hear(self) -> Any:
        return json.loads(await within(PATIENCE_S, self.socket.recv()))

    async def ask(self, **message: Any) -> Any:
        await self.say(**message)
        return await self.hear()

    async def subscribe(
        self, account: dict[str, Any], channel: str, *payload: str, event: str = "subscribe", **spoil: Any
    ) -> Any:
        """A private subscription; `spoil` replaces `time`, `KEY` or `SIGN`."""
        now = spoil.pop("time", int(time.time()))
        text = f"channel={channel}&event={event}&time={now}"
        made = hmac.new(account["secret"].encode(), text.encode(), hashlib.sha512).hexdigest()
        auth = {"method": "api_key", "KEY": account["api_key"], "SIGN": made} | spoil
        return await self.ask(time=now, id=7, channel=channel, event=event, payload=list(payload), auth=auth)

    async def is_silent(self, family: str = "spot") -> bool:
        """Whether nothing was said before the answer to a ping."""
        return (await self.ask(channel=f"{family}.ping"))["channel"] == f"{family}.pong"

    async def is_closed(self) -> bool:
        try:
            async with asyncio.timeout(PATIENCE_S):
                while True:
                    await self.socket.recv()
        except ConnectionClosed:
            return True


@asynccontextmanager
async def voices(simulator: SimulatorProcess) -> AsyncIterator[Callable[..., Any]]:
    """Opens bare sockets by address; they are closed at the end."""
    opened = []

    async def opens(address: str = SPOT, *, in_decimals: bool = True) -> Voice:
        headers = {"X-Gate-Size-Decimal": "1"} if in_decimals else {}
        there = simulator.instead_of("gate", address)
        opened.append(await connect(there, ping_interval=None, additional_headers=headers))
        return Voice(opened[-1])

    yield opens
    await asyncio.gather(*(socket.close() for socket in opened))


async def steer(call: Any, *args: Any, **options: Any) -> Any:
    """Steers the simulator without holding up the sockets of this test."""
    return await asyncio.to_thread(call, *args, **options)
