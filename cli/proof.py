"""How the demo proves itself: trade, stop, wait until REST has shown all, compare, look whether all is told truly."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import psycopg

from cli import aftermath
from cli.blows import Storm
from cli.compare import Comparison, compare
from cli.desk import Desk, say
from cli.gauge import Gauge
from cli.mending import SPOILS_KEYS, restore_keys, resume_suspended
from cli.simulated import Simulator
from cli.storm import schedule
from cli.supervisor import StartFailed

STORM = "storm"
LIVE_WITHIN = 45.0
PROVEN_WITHIN = 240.0
EQUAL_WITHIN = 30.0
HANDED_OVER_WITHIN = 60.0
TRUE_WITHIN = 75.0  # a session of the dead is swept when its lease of 45 s is over
NUDGE_EVERY = 3.0
TELL_EVERY = 10.0
SETTLED_MS = 10_500  # exchanges may show a trade so late that nothing younger is proven

UNPROVEN = """
    SELECT c.id, c.label, s.feed FROM user_exchange_connections c
    CROSS JOIN (SELECT to_timestamp(%(until)s / 1000.0) AS until) w
    LEFT JOIN sync_coverage s ON s.connection_id = c.id AND NOT s.is_closed AND NOT s.is_sweep
    WHERE c.removed_at IS NULL AND c.exchange_name = ANY (%(exchanges)s) AND (
        s.feed IS NULL
        OR NOT s.covered @> tstzmultirange(
            tstzrange(least(greatest(s.wanted_since, s.reach), w.until), w.until))
        OR EXISTS (SELECT FROM trades t WHERE t.connection_id = c.id AND t.confirmed_at IS NULL))
"""
NUDGE = """
    UPDATE duties SET due_at = now() WHERE duty IN ('catch_up', 'balances') AND (due_at IS NULL OR due_at > now())
    AND connection_id IN (SELECT id FROM user_exchange_connections WHERE is_active AND removed_at IS NULL)
"""
# Quiet markets are read rarely, unless somebody wants to know.
NUDGE_FEEDS = """
    UPDATE sync_coverage SET due_at = now()
    WHERE NOT is_closed AND NOT is_sweep AND due_at > now() AND NOT covered @> to_timestamp(%s / 1000.0)
"""
NOT_LIVE = """
    SELECT count(*) FROM user_exchange_connections
    WHERE removed_at IS NULL AND exchange_name = ANY (%s) AND stream_state <> 'live'
"""
LEDGER = """
    SELECT json_build_object(
        'explained', (SELECT count(*) FROM balance_judged j WHERE NOT EXISTS (
            SELECT FROM balance_gaps g WHERE g.connection_id = j.connection_id AND g.closed_at IS NULL)),
        'unexplained', (SELECT count(*) FROM balance_gaps WHERE closed_at IS NULL),
        'closed', (SELECT count(*) FROM balance_gaps WHERE closed_at IS NOT NULL))
"""


@dataclass(frozen=True)
class Wanted:
    """What kind of world the demo runs in."""

    seed: int
    rate: float
    accounts: int
    exchanges: tuple[str, ...]
    weather: str | None


def prove(desk: Desk, simulator: Simulator, wanted: Wanted, span: float) -> dict[str, Any] | None:
    """Trade, stop, wait until all is proven, compare. None when it was stopped meanwhile."""
    url = desk.environment["DATABASE_URL"]
    exchanges = list(wanted.exchanges)
    with psycopg.connect(url, autocommit=True) as db:
        _watch_until(desk, lambda: db.execute(NOT_LIVE, [exchanges]).fetchone() == (0,), LIVE_WITHIN)
    gauge = Gauge(url, simulator.now_ms())
    gauge.start()
    simulator.trade(wanted.rate)
    storm = _weather(desk, simulator, wanted, span)
    simulator.trade(0)
    simulator.clear_weather()
    if storm or wanted.weather in SPOILS_KEYS:
        restore_keys(simulator)
    ended_ms = end_of_trading(simulator)
    gauge.is_sampling_prices = False
    if desk.supervisor.stopping.is_set():
        gauge.stop()
        return None
    not_taken = [] if storm is None else _not_taken(desk, storm)
    suspended: dict[str, str] = {}
    with psycopg.connect(url, autocommit=True) as db:
        is_proven = _wait_until_proven(desk, db, simulator, wanted, ended_ms, suspended)
        result = _compared(desk, db, simulator, within=EQUAL_WITHIN if is_proven else 0)
        untrue = _untrue(desk, db, wanted, ended_ms, within=TRUE_WITHIN if is_proven and result.is_equal else 0)
        gauge.stop()
        if desk.supervisor.stopping.is_set():
            return None
        figures = _figures(db, result, gauge, wanted, is_proven=is_proven, deaths=desk.supervisor.deaths)
    if storm is not None:
        untrue += aftermath.wrongly_suspended(suspended, storm.spoilt) + storm.stayed + not_taken
        figures["storm"] = [asdict(blow) for blow in storm.played]
    figures["equal"] = figures["equal"] and not untrue
    return figures | {"suspended": suspended, "untrue": untrue}


def _weather(desk: Desk, simulator: Simulator, wanted: Wanted, span: float) -> Storm | None:
    """Let the time of trading pass. Where a storm was wished for, it goes on here meanwhile."""
    if wanted.weather != STORM:
        _watch_until(desk, lambda: False, span)
        return None
    accounts = [account["name"] for account in simulator.accounts() if account["exchange"] in wanted.exchanges]
    blows = schedule(wanted.seed, span, exchanges=sorted(wanted.exchanges), accounts=sorted(accounts))
    say(f"A storm of {len(blows)} blows, seed {wanted.seed}:")
    storm = Storm(desk, simulator, blows, seed=wanted.seed)
    try:
        _watch_until(desk, storm.play, span)
    finally:
        storm.end()
    return storm


def _not_taken(desk: Desk, storm: Storm) -> list[str]:
    """Wait until all connections have the keys that their accounts made meanwhile. Gives what was refused, and why."""

    def is_done() -> bool:
        storm.handover.look()
        return not storm.handover.refused

    _watch_until(desk, is_done, HANDED_OVER_WITHIN)
    refused = storm.handover.refused
    storm.handover.close()
    return refused


def _compared(desk: Desk, db: psycopg.Connection, simulator: Simulator, *, within: float) -> Comparison:
    """Compare until all is equal or the time is over."""
    by = time.monotonic() + within
    result = compare(db, simulator.truth())
    while not result.is_equal and time.monotonic() < by and not desk.supervisor.stopping.is_set():
        db.execute(NUDGE)  # balances are read again, and what came late
        _watch_until(desk, lambda: False, NUDGE_EVERY)
        result = compare(db, simulator.truth())
    return result


def _untrue(desk: Desk, db: psycopg.Connection, wanted: Wanted, until_ms: int, *, within: float) -> list[str]:
    """What is still told that is not so when the time is over."""
    left: list[str] = []

    def is_true() -> bool:
        nonlocal left
        left = aftermath.lies(db, exchanges=wanted.exchanges, until_ms=until_ms)
        return not left

    if not is_true() and within:
        say(f"Waiting for the truth of: {'; '.join(left[:3])} …")
        _watch_until(desk, is_true, within)
    return left


def end_of_trading(simulator: Simulator) -> int:
    """Now, or the youngest trade where an exchange's clock was ahead: REST shows it when its moment has come."""
    accounts = simulator.truth()["accounts"]
    made = (int(trade["timestamp_ms"]) + 1 for account in accounts for trade in account["trades"])
    return max(simulator.now_ms(), *made)


def _wait_until_proven(
    desk: Desk,
    db: psycopg.Connection,
    simulator: Simulator,
    wanted: Wanted,
    until_ms: int,
    suspended: dict[str, str],
) -> bool:
    """Wait until REST has shown every feed up to the end of trading. Says what is left when it takes too long.

    What spoilt keys have suspended is resumed; `suspended` is told the reasons.
    """
    nudge_at, told_at = 0.0, time.monotonic()
    exchanges = list(wanted.exchanges)
    asked = {"until": until_ms, "exchanges": exchanges}

    def unproven() -> list[tuple[str, str]]:
        return [(label, feed) for _, label, feed in db.execute(UNPROVEN, asked)]

    def tell(left: list[tuple[str, str]]) -> None:
        nonlocal told_at
        if left and time.monotonic() - told_at >= TELL_EVERY:
            told_at = time.monotonic()
            accounts = ", ".join(sorted({label for label, _ in left}))
            say(f"Waiting for the proof of {len(left)} feeds of {accounts} …")

    def is_proven() -> bool:
        nonlocal nudge_at
        if time.monotonic() >= nudge_at:
            if wanted.weather in {STORM, *SPOILS_KEYS}:
                suspended.update(resume_suspended(db, exchanges))
            if simulator.now_ms() > until_ms + SETTLED_MS:
                db.execute(NUDGE_FEEDS, [until_ms - 1])
            db.execute(NUDGE)
            nudge_at = time.monotonic() + NUDGE_EVERY
        left = unproven()
        tell(left)
        return not left

    if _watch_until(desk, is_proven, PROVEN_WITHIN):
        return True
    if not desk.supervisor.stopping.is_set():
        say("Not proven: " + ", ".join(f"{label} {feed or 'has no feeds'}" for label, feed in unproven()))
    return False


def _watch_until(desk: Desk, is_done: Callable[[], object], seconds: float) -> bool:
    """Watch over the processes until it is done (True), told to stop, or the time is over."""
    until, done = time.monotonic() + seconds, False

    def look() -> bool:
        nonlocal done
        desk.mend_servers()
        try:
            done = bool(is_done())
        except psycopg.OperationalError:
            raise StartFailed("Postgres went away while the proof was going on.") from None
        return done or time.monotonic() >= until

    desk.supervisor.watch(look, every=min(0.2, seconds))
    return done


def _figures(
    db: psycopg.Connection, result: Comparison, gauge: Gauge, wanted: Wanted, *, is_proven: bool, deaths: int
) -> dict[str, Any]:
    sessions = db.execute("SELECT count(*) FROM trade_sync_sessions").fetchone()
    quarantined = db.execute("SELECT count(*) FROM quarantine WHERE resolved_at IS NULL").fetchone()
    made = sum(tally.made for tally in result.exchanges.values())
    return {
        "equal": result.is_equal and is_proven and made > 0,
        "proven": is_proven,
        "exchanges": {name: asdict(tally) for name, tally in sorted(result.exchanges.items())},
        "latency_ms": gauge.latency_ms(),
        "latency_by_exchange_ms": gauge.latency_by_exchange_ms(),
        "tickers": gauge.tickers(),
        "balances": {"synced": result.balances_synced, "different": result.balances_different},
        "ledger": (db.execute(LEDGER).fetchone() or (None,))[0],
        "sessions": sessions[0] if sessions else 0,
        "quarantined": quarantined[0] if quarantined else 0,
        "restarts": deaths,
        "seed": wanted.seed,
        "rate": wanted.rate,
        "weather": wanted.weather,
        "remarks": result.remarks,
    }
