"""What the simulator can push, and what it costs: trades a second, sockets, CPU a trade, memory a socket.

    python -m benchmarks.simulator --rate 4000 --sockets 1000 --seconds 10

The listener is raw asyncio that only counts bytes and fills, so that the simulator's own cost shows.
"""

import argparse
import asyncio
import hashlib
import hmac
import json
import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any, ClassVar

import uvloop

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
FILL = b'"x":"TRADE"'
HANDSHAKE = (
    "GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def _resident_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE


def _ask(url: str, path: str, **options: Any) -> Any:
    request = urllib.request.Request(url + path, data=json.dumps(options).encode() if options else None)  # noqa: S310 — our own loopback address
    with urllib.request.urlopen(request, timeout=120) as answer:  # noqa: S310 — our own loopback address
        return json.load(answer)


class Listener(asyncio.Protocol):
    """Signs one account in and counts the fills that arrive."""

    fills: ClassVar[int] = 0
    opened: ClassVar[int] = 0
    wanted: ClassVar[int] = 0
    ready: ClassVar[asyncio.Event] = asyncio.Event()

    def __init__(self, account: dict[str, Any]) -> None:
        self.account = account
        self.waiting = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport) or hasattr(transport, "write")
        self.transport: Any = transport
        self.transport.write(HANDSHAKE.format(path="/binance/ws-api.binance.com/ws-api/v3").encode())

    def data_received(self, data: bytes) -> None:
        if self.waiting:
            self.waiting = False
            self.transport.write(self._subscription())
        if b'"subscriptionId":0}' in data:
            Listener.opened += 1
            if Listener.opened == Listener.wanted:
                Listener.ready.set()
        Listener.fills += data.count(FILL)

    def _subscription(self) -> bytes:
        params: dict[str, Any] = {"apiKey": self.account["api_key"], "timestamp": int(time.time() * 1000)}
        text = "&".join(f"{name}={params[name]}" for name in sorted(params))
        params["signature"] = hmac.new(self.account["secret"].encode(), text.encode(), hashlib.sha256).hexdigest()
        body = json.dumps({"id": "1", "method": "userDataStream.subscribe.signature", "params": params}).encode()
        return b"\x81\xfe" + len(body).to_bytes(2, "big") + b"\0\0\0\0" + body


async def _listen(url: str, accounts: list[dict[str, Any]]) -> None:
    port = int(url.rsplit(":", 1)[1])
    loop = asyncio.get_running_loop()
    Listener.wanted = len(accounts)
    for account in accounts:
        await loop.create_connection(lambda account=account: Listener(account), "127.0.0.1", port)  # type: ignore[misc]
    await Listener.ready.wait()


async def _run(options: argparse.Namespace, url: str, pid: int) -> dict[str, Any]:
    began = time.monotonic()
    accounts = await asyncio.to_thread(
        _ask, url, "/accounts", exchange="binance", count=options.sockets, products=["spot"]
    )
    made_in = time.monotonic() - began
    before = _resident_bytes(pid)
    began = time.monotonic()
    await _listen(url, accounts)
    opened_in = time.monotonic() - began
    memory = (_resident_bytes(pid) - before) / options.sockets
    Listener.fills = 0
    cpu, counted = _cpu_seconds(pid), (await asyncio.to_thread(_ask, url, "/counters"))["binance"]
    await asyncio.to_thread(_ask, url, "/trading", rate=options.rate)
    began = time.monotonic()
    await asyncio.sleep(options.seconds)
    await asyncio.to_thread(_ask, url, "/trading", stop=True)
    took = time.monotonic() - began
    await asyncio.sleep(0.5)
    after = (await asyncio.to_thread(_ask, url, "/counters"))["binance"]
    cpu = _cpu_seconds(pid) - cpu
    made = after["trades_made"] - counted.get("trades_made", 0)
    return {
        "accounts_made_ms_each": round(made_in / options.sockets * 1000, 2),
        "sockets": options.sockets,
        "opened_in_s": round(opened_in, 2),
        "memory_per_socket_bytes": round(memory),
        "trades_made": made,
        "trades_heard": Listener.fills,
        "trades_per_s": round(made / took),
        "frames_sent": after["frames_sent"] - counted.get("frames_sent", 0),
        "cpu_share_of_one_core": round(cpu / took, 3),
        "cpu_us_per_trade": round(cpu / made * 1e6, 1),
    }


def main() -> None:
    """Prints the figures as JSON; exit code 1 where a fill was made and not heard."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=4000)
    parser.add_argument("--sockets", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=10)
    options = parser.parse_args()
    command = [sys.executable, "-m", "simulator", "--port", "0", "--exchanges", "binance", "--no-limits"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 — our own module
        assert process.stdout is not None
        url = process.stdout.readline().removeprefix("listening on ").strip()
        try:
            figures = uvloop.run(_run(options, url, process.pid))
            began = time.monotonic()
            _ask(url, "/accounts", exchange="binance", history=100_000)
            figures["account_of_100000_trades_s"] = round(time.monotonic() - began, 2)
        finally:
            process.terminate()
    sys.stdout.write(json.dumps(figures, indent=2) + "\n")
    if figures["trades_made"] != figures["trades_heard"]:
        sys.exit(1)


if __name__ == "__main__":
    main()
