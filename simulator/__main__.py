"""Starts the simulator: `python -m simulator --port 9100 --seed 1 --rate 5`."""

import argparse
import asyncio
import gc
import signal
import sys
from datetime import datetime
from pathlib import Path

import uvloop

from simulator.clock import Clock
from simulator.memory import OtherSeed, keep_remembering, recall, remember
from simulator.server import serve
from simulator.weather import NAMES
from simulator.world import UnknownExchange, World


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m simulator", description="Exchanges to test against.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")
    parser.add_argument("--port", type=int, default=9100, help="port to listen on; 0 takes a free one (9100)")
    parser.add_argument("--seed", type=int, default=1, help="the same seed makes the same accounts and trades (1)")
    parser.add_argument("--rate", type=float, default=0.0, help="trades per second over all accounts (0: none)")
    parser.add_argument("--accounts", type=int, default=0, help="accounts per exchange at the start (0)")
    parser.add_argument("--history", type=int, default=0, help="past trades of each of them (0)")
    parser.add_argument("--exchanges", default="", help="only these, comma-separated (all)")
    parser.add_argument(
        "--weather", choices=[*NAMES, "storm"], metavar="NAME", help="weather while trading: %(choices)s"
    )
    parser.add_argument("--speed", type=float, default=1.0, help="how fast simulated time runs (1)")
    parser.add_argument("--start", help="when simulated time begins, ISO 8601 (now)")
    parser.add_argument("--memory", type=Path, metavar="FOLDER", help="go on from the last run, remembered here")
    parser.add_argument("--no-limits", action="store_true", help="count requests, but never refuse one")
    return parser.parse_args()


def main() -> None:
    """Runs until SIGINT or SIGTERM. Prints `listening on URL` once it serves; exit code 1 where it cannot."""
    options = _arguments()
    try:
        start_ms = int(datetime.fromisoformat(options.start).timestamp() * 1000) if options.start else None
        wanted = [name.strip() for name in options.exchanges.split(",") if name.strip()]
        code = uvloop.run(_run(options, wanted, start_ms))
    except (UnknownExchange, OtherSeed) as problem:
        sys.exit(f"simulator: {problem}")
    except ValueError as problem:
        sys.exit(f"simulator: --start is not understood: {problem}")
    except OSError as problem:
        sys.exit(f"simulator: cannot listen on {options.host}:{options.port}: {problem.strerror or problem}")
    sys.exit(code)


async def _run(options: argparse.Namespace, exchanges: list[str], start_ms: int | None) -> int:
    world = World(exchanges=exchanges, seed=options.seed, clock=Clock(start_ms=start_ms, speed=options.speed))
    for exchange in world.exchanges.values():
        exchange.enforcing = not options.no_limits
    if options.memory:
        for exchange in world.exchanges.values():
            recall(exchange, options.memory)
    world.stock(accounts=options.accounts, history=options.history)
    world.set_rate(options.rate)
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stop.set)

    def ready(port: int) -> None:
        sys.stdout.write(f"listening on http://{options.host}:{port}\n")
        sys.stdout.flush()

    keeping = (
        asyncio.create_task(keep_remembering(world.exchanges.values(), options.memory)) if options.memory else None
    )
    await serve(world, host=options.host, port=options.port, weather=options.weather, ready=ready, stop=stop)
    if keeping is not None:
        keeping.cancel()
        for exchange in world.exchanges.values():
            remember(exchange, options.memory)
    return 0


if __name__ == "__main__":
    main()
