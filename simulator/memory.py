"""Remembers what happened when the simulator is started again, so that a demo's second day goes on from its first.

One file per exchange in a folder of the caller's own. What belongs to running sockets and limits is not kept.
"""

import asyncio
import pickle
import time
from collections.abc import Iterable
from pathlib import Path
from random import Random

from simulator.exchange import Exchange
from simulator.trading import Trader

IDS_APART = 1_000_000
EVERY_S = 15.0
SHARE_OF_TIME = 0.003


class OtherSeed(Exception):
    """The folder remembers another world."""


def recall(exchange: Exchange, folder: Path) -> bool:
    """Go on where a run with the same seed ended. False when there was none; raises `OtherSeed`.

    Ids go on well above the last remembered ones: a run that was killed made more than it could write down.
    """
    try:
        with _file(exchange, folder).open("rb") as file:
            kept = pickle.load(file)  # noqa: S301 — we wrote it, into a folder of the caller's own
    except FileNotFoundError:
        return False
    if kept["seed"] != exchange.seed:
        raise OtherSeed(f"{folder} remembers a world of seed {kept['seed']}, not {exchange.seed}")
    exchange.accounts = kept["accounts"]
    exchange.by_key = {account.api_key: account for account in exchange.accounts.values()}
    exchange.by_uid = {account.uid: account for account in exchange.accounts.values()}
    for market in kept["markets"].values():
        market.last_id += IDS_APART
        exchange.markets[market.key] = market
        exchange.set_status(market, market.status)
    exchange.last_order = kept["last_order"] + IDS_APART
    exchange.last_fill = kept["last_fill"] + IDS_APART
    exchange.runs = kept["runs"] + 1
    exchange.dice = Random(f"{exchange.seed}:{exchange.id}:wire:{exchange.runs}")  # noqa: S311 — repeatable on purpose
    exchange.trader = Trader(
        exchange,
        Random(f"{exchange.seed}:{exchange.id}:trading:{exchange.runs}"),  # noqa: S311 — repeatable on purpose
        live=True,
    )
    return True


def remember(exchange: Exchange, folder: Path) -> None:
    """Write down what happened so far, whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    kept = {
        "seed": exchange.seed,
        "runs": exchange.runs,
        "accounts": exchange.accounts,
        "markets": exchange.markets,
        "last_order": exchange.last_order,
        "last_fill": exchange.last_fill,
    }
    beside = _file(exchange, folder).with_suffix(".new")
    with beside.open("wb") as file:
        pickle.dump(kept, file, protocol=pickle.HIGHEST_PROTOCOL)
    beside.replace(_file(exchange, folder))


async def keep_remembering(exchanges: Iterable[Exchange], folder: Path) -> None:
    """Write down what is new now and then, more rarely the longer it takes; never ends by itself."""
    known: dict[str, int] = {}
    pause = EVERY_S
    while True:
        await asyncio.sleep(pause)
        for exchange in exchanges:
            if known.get(exchange.id) != exchange.last_fill:
                began = time.monotonic()
                remember(exchange, folder)
                known[exchange.id] = exchange.last_fill
                pause = max(EVERY_S, (time.monotonic() - began) / SHARE_OF_TIME)


def _file(exchange: Exchange, folder: Path) -> Path:
    return folder / f"{exchange.id}.memory"
