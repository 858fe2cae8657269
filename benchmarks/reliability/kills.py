"""A worker and a streamer killed at the same moment, and not replaced: how soon the others do their work."""

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from uuid import UUID

from benchmarks.reliability.asked import Asked
from benchmarks.reliability.page import Row, percentile, told, verdict
from benchmarks.reliability.scene import Scene, scene

AGAIN_WITHIN, GIVE_UP = 20.0, 60.0
ENOUGH = 20
SLOW = 2.0  # seconds that an answer takes, so that a job can be caught at work
DUE = """
    UPDATE duties SET due_at = now() WHERE duty IN ('catch_up', 'balances')
    AND connection_id = (SELECT id FROM user_exchange_connections WHERE label = %s AND removed_at IS NULL) RETURNING 1
"""
RUNNING = """
    SELECT j.id, j.attempts, p.pid FROM jobs j JOIN processes p ON p.id::text = split_part(j.holder, ':', 2)
    WHERE j.state = 'running'
"""
OF_THE_DEAD = "SELECT id, attempts FROM jobs WHERE state = 'running'"


def measured(asked: Asked, say: Callable[[str], None]) -> list[Row]:
    """Kill both again and again; each time an account of another exchange is being read."""
    jobs: list[float] = []
    streams: list[float] = []
    trades: list[float] = []
    made = 0
    with scene(asked, in_pairs=True) as here:
        names = sorted(here.accounts)
        for number in here.tries(asked.repeats):
            with here.attempt(number):
                before = here.made.total()
                found = _strike_once(here, names[number % len(names)])
                left = "" if found[2] < GIVE_UP else f", not stored by then: {here.missing_by_account()}"
                say(f"{number + 1}: job {found[0]:.1f} s, streams {found[1]:.1f} s, trades {found[2]:.1f} s{left}")
                for into, took in zip((jobs, streams, trades), found, strict=True):
                    into.append(took)
                here.settle()
                made += here.made.total() - before
        lost = here.verdict()
    many = f"kills {len(jobs)}"
    return [
        _row("Worker killed (-9), not replaced: its job runs again", jobs, many, asked),
        _row("Streamer killed (-9), not replaced: each of its streams is live with another", streams, many, asked),
        Row(
            "Traded while nobody listened: stored",
            "all",
            f"{'all' if not lost else '**not all**'}; {told(trades)}",
            f"trades {made:,}",
            str(asked.seed),
            verdict(is_met=not lost, is_enough=len(jobs) >= ENOUGH),
            tuple(lost),
        ),
    ]


def _row(promise: str, took: list[float], many: str, asked: Asked) -> Row:
    return Row(
        promise,
        f"p99 ≤ {AGAIN_WITHIN:g} s",
        told(took),
        many,
        str(asked.seed),
        verdict(is_met=percentile(took, 99) <= AGAIN_WITHIN, is_enough=len(took) >= ENOUGH),
        tuple(f"{seconds:.1f} s" for seconds in took if seconds > AGAIN_WITHIN),
    )


def _strike_once(here: Scene, account: str) -> tuple[float, float, float]:
    """Seconds until the worker's jobs run again, the streamer's streams are live again, the trades are stored."""
    if here.until(lambda: not here.desk.supervisor.exit_codes() and _are_at_work(here), 180) is None:
        raise TimeoutError("whoever was killed does not come back")
    pids = here.desk.supervisor.process_ids()
    streamers = {pids[name]: name for name in pids if name.startswith("streamer")}
    workers = {pids[name]: name for name in pids if name.startswith("worker")}
    if here.until(lambda: set(here.owners().values()) == streamers.keys(), 60) is None:
        raise TimeoutError("the streams are not shared out")
    here.simulator.ask("POST", "/weather", {"name": "slow", "account": account, "delay": SLOW})
    job = _caught(here, account, workers)
    streamer = here.dice.choice(sorted(streamers))
    theirs = [name for name, pid in here.owners().items() if pid == streamer]
    held = {id_ for id_, _, worker in _jobs(here) if worker == job}
    here.desk.supervisor.strike(workers[job], signal.SIGKILL)
    here.desk.supervisor.strike(streamers[streamer], signal.SIGKILL)
    died = time.monotonic()
    left = {id_: attempts for id_, attempts in here.rows(OF_THE_DEAD) if id_ in held}
    here.trade(3)
    here.simulator.clear_weather()
    took = [GIVE_UP, GIVE_UP, GIVE_UP]
    questions: tuple[Callable[[], bool], ...] = (
        lambda: _are_begun_again(here, left),
        lambda: _are_streamed(here, theirs, streamer),
        lambda: not here.missing(),
    )
    while time.monotonic() - died < GIVE_UP and GIVE_UP in took:
        for place, is_so in enumerate(questions):
            if took[place] == GIVE_UP and is_so():
                took[place] = time.monotonic() - died
        time.sleep(0.05)
    return took[0], took[1], took[2]


def _are_at_work(here: Scene) -> bool:
    """Whether two workers and two streamers say that they live."""
    seen = here.rows("SELECT pid FROM processes WHERE kind IN ('worker', 'streamer')")
    leaders = {_leader(pid) for (pid,) in seen}
    return all(
        pid in leaders
        for name, pid in here.desk.supervisor.process_ids().items()
        if name.startswith(("worker", "streamer"))
    )


def _caught(here: Scene, account: str, workers: dict[int, str]) -> int:
    """Make something due for this account; the worker that is at it."""
    here.rows(DUE, [account])
    found: list[int] = []

    def is_caught() -> bool:
        found[:] = [worker for _, _, worker in _jobs(here) if worker in workers]
        return bool(found)

    if here.until(is_caught, 30) is None:
        raise TimeoutError(f"nothing is read for {account}")
    return found[0]


def _jobs(here: Scene) -> list[tuple[UUID, int, int]]:
    """What runs: the job, how often it was begun, and the leader of the worker's processes (0: it is gone)."""
    return [(id_, attempts, _leader(pid)) for id_, attempts, pid in here.rows(RUNNING)]


def _leader(pid: int) -> int:
    with suppress(ProcessLookupError):
        return os.getpgid(pid)
    return 0


def _are_begun_again(here: Scene, left: dict[UUID, int]) -> bool:
    rows = here.rows("SELECT id, attempts FROM jobs WHERE id = ANY (%s)", [list(left)])
    return all(attempts > left[id_] for id_, attempts in rows)


def _are_streamed(here: Scene, names: list[str], dead: int) -> bool:
    owners = here.owners()
    heard = {name for socket in here.sockets() for name in socket["accounts"]}
    return all(name in heard and owners.get(name, dead) != dead for name in names)
