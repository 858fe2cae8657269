"""`tradesync demo`: everything on one computer against simulated exchanges; for a person, or as a proof."""

import json
import re
import secrets
import subprocess
import time
import webbrowser
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
import psycopg

from cli.compare import Comparison, compare
from cli.desk import CannotRun, Desk, free_or, open_desk, own_environment, say
from cli.embedded.children import free_port
from cli.embedded.folder import write_private
from cli.gauge import Gauge
from cli.mending import SPOILS_KEYS, restore_keys, resume_suspended
from cli.running import state_folder
from cli.simulated import Simulator
from cli.supervisor import StartFailed, answers, room

PORT = 8000
USERS = (("ada@example.com", "operator"), ("grace@example.com", "user"))
HISTORY = 30
LIVE_WITHIN = 45.0
PROVEN_WITHIN = 240.0
EQUAL_WITHIN = 30.0
NUDGE_EVERY = 3.0
TELL_EVERY = 10.0
SETTLED_MS = 10_500  # exchanges may show a trade so late that nothing younger is proven
# What would make the demo another one than everybody's, should the shell have it.
NOT_FROM_THE_SHELL = {
    "CREDENTIALS_KEY", "DATABASE_POOLER", "DATABASE_URL", "EGRESS", "EGRESS_ADDRESS", "EXCHANGES", "METRICS_TOKEN",
    "PUBLIC_URL", "REDIS_URL", "SIMULATOR_URL", "STREAM_ENABLED", "WEB_HOST", "WORKER_QUEUES",
}  # fmt: skip
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


class Span(click.ParamType[float]):
    """Seconds, written 20s, 2m, 1h or plainly 20."""

    name = "span"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        found = re.fullmatch(r"(\d+(?:\.\d+)?)(s|m|h)?", str(value).strip())
        if not found or float(found[1]) <= 0:
            self.fail(f"{value!r} is not a span of time: write 20s, 2m or 1h.", param, ctx)
        return float(found[1]) * {"s": 1, "m": 60, "h": 3600}[found[2] or "s"]


@click.command()
@click.option("--port", type=click.IntRange(0, 65535), help=f"Where the page is: {PORT}. 0: any free one.")
@click.option("--folder", type=click.Path(file_okay=False, path_type=Path), help="Where data are kept: .state/demo.")
@click.option("--fresh", is_flag=True, help="Forget what earlier runs have stored.")
@click.option("--open/--no-open", "browser", default=False, help="Open the page in a browser.")
@click.option("--for", "span", type=Span(), help="Run so long by itself, compare and end: 20s, 2m.")
@click.option("--report", type=click.Path(dir_okay=False, path_type=Path), help="With --for: write the figures here.")
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Same seed, same accounts.")
@click.option("--rate", type=click.FloatRange(min=0), default=5.0, show_default=True, help="Trades a second, in all.")
@click.option("--accounts", type=click.IntRange(min=1), default=2, show_default=True, help="Accounts per exchange.")
@click.option("--exchanges", default="", help="Only these, comma-separated; or all.  [default: all]")
@click.option("--weather", help="Play faults meanwhile, by name; `storm` plays many.")
def demo(
    *,
    port: int | None,
    folder: Path | None,
    fresh: bool,
    browser: bool,
    span: float | None,
    report: Path | None,
    seed: int,
    rate: float,
    accounts: int,
    exchanges: str,
    weather: str | None,
) -> None:
    """Run everything here against simulated exchanges.

    Two users are signed up, with connections on all exchanges; trades appear on the page as they are made.
    With --for it runs by itself: trades, stops trading, waits until all is proven, compares Postgres with what the
    simulator knows, and exits with 1 unless all is equal. Where the weather spoilt keys, they are good again after
    the trading, and the suspended connections are resumed, as their owners and you would do it.
    """
    if report is not None:
        if span is None:
            raise click.UsageError("--report needs --for: how long shall it run?")
        _refuse_unwritable(report)
    wanted = Wanted(seed, rate, accounts, _chosen_exchanges(exchanges), weather)
    began = time.monotonic()
    chosen = free_or(0 if port is None and span is not None else port, PORT)
    simulator = Simulator(free_port())
    with open_desk(
        folder or state_folder("demo"),
        port=chosen,
        fresh=fresh,
        environment={name: text for name, text in own_environment().items() if name not in NOT_FROM_THE_SHELL},
        settings={
            "SIMULATOR_URL": simulator.url,
            "WEB_HOST": "127.0.0.1",
            "PUBLIC_URL": f"http://127.0.0.1:{chosen}",
            "BALANCE_EVERY": "20s",
            "CATCH_UP_EVERY": "1m",
            "BACKFILL_SHARE": "0.9",
        },
    ) as desk:
        logins = start_all(desk, simulator, wanted)
        if desk.supervisor.stopping.is_set():
            return
        took = time.monotonic() - began
        if span is None:
            simulator.trade(wanted.rate)
            _welcome(desk, logins, took)
            if browser:
                webbrowser.open(desk.address)
            desk.watch()
            say("Stopping …")
            return
        say(f"Running after {took:.1f} s at {desk.address}; trading for {span:g} s …")
        figures = _prove(desk, simulator, wanted, span)
    if figures is None:
        raise click.ClickException("It was stopped before it could prove anything.")
    figures["seconds"] = round(time.monotonic() - began, 1)
    text = json.dumps(figures, indent=2)
    click.echo(text)
    if report is not None:
        report.write_text(text + "\n")
    if not figures["equal"]:
        raise click.exceptions.Exit(1)


def start_all(desk: Desk, simulator: Simulator, wanted: Wanted) -> list[dict[str, str]]:
    """Bring everything up; gives the users' logins."""
    supervisor = desk.supervisor
    options = ["--port", simulator.url.rpartition(":")[2], "--seed", str(wanted.seed)]
    options += ["--accounts", str(wanted.accounts), "--history", str(HISTORY)]
    options += ["--exchanges", ",".join(wanted.exchanges), "--memory", str(desk.folder / "simulator")]
    if wanted.weather:
        options += ["--weather", wanted.weather]
    supervisor.start("simulator", room("simulator", *options))
    desk.migrate()
    supervisor.wait_for("simulator", answers(int(simulator.url.rpartition(":")[2]), "/"))
    desk.start_processes()
    logins = _logins(desk.folder)
    if not supervisor.stopping.is_set():
        enrol(desk, logins, simulator.accounts())
    return logins


def enrol(desk: Desk, logins: list[dict[str, str]], accounts: list[dict[str, Any]]) -> None:
    """Connect the accounts that are not connected yet, in a process of its own.

    One whose key is refused is named and left out: somebody may have made it so at the simulator.
    """
    known = _connected(desk)
    if {(account["exchange"], account["name"]) for account in accounts} <= known:
        return
    told = json.dumps({"users": logins, "accounts": accounts})
    done = subprocess.run(  # noqa: S603 — one of our rooms
        room("cli.enrol"), input=told, capture_output=True, text=True, check=False,
        env=desk.supervisor.environment, cwd=desk.folder,
    )  # fmt: skip
    if done.returncode == 0:
        return
    refused = done.stderr.strip()[-2000:]
    if not _connected(desk):
        raise StartFailed(f"The accounts could not be connected:\n{refused}")
    say(f"These accounts are left out:\n{refused}")


def _connected(desk: Desk) -> set[tuple[str, str]]:
    """Exchange and label of what is connected."""
    with psycopg.connect(desk.environment["DATABASE_URL"]) as db:
        rows = db.execute("SELECT exchange_name, label FROM user_exchange_connections WHERE removed_at IS NULL")
        return {(exchange, label) for exchange, label in rows}


def _prove(desk: Desk, simulator: Simulator, wanted: Wanted, span: float) -> dict[str, Any] | None:
    """Trade, stop, wait until all is proven, compare. None when it was stopped meanwhile."""
    url = desk.environment["DATABASE_URL"]
    with psycopg.connect(url, autocommit=True) as db:
        _watch_until(desk, lambda: db.execute(NOT_LIVE, [list(wanted.exchanges)]).fetchone() == (0,), LIVE_WITHIN)
        gauge = Gauge(url, simulator.now_ms())
        gauge.start()
        simulator.trade(wanted.rate)
        _watch_until(desk, lambda: False, span)
        simulator.trade(0)
        simulator.clear_weather()
        if wanted.weather in SPOILS_KEYS:
            restore_keys(simulator)
        ended_ms = _end_of_trading(simulator)
        gauge.is_sampling_prices = False
        suspended: dict[str, str] = {}
        is_proven = _wait_until_proven(desk, db, simulator, wanted, ended_ms, suspended)
        equal_by = time.monotonic() + EQUAL_WITHIN
        result = compare(db, simulator.truth())
        while is_proven and not result.is_equal and time.monotonic() < equal_by:
            db.execute(NUDGE)  # balances are read again, and what came late
            _watch_until(desk, lambda: False, NUDGE_EVERY)
            if desk.supervisor.stopping.is_set():
                break
            result = compare(db, simulator.truth())
        gauge.stop()
        if desk.supervisor.stopping.is_set():
            return None
        figures = _figures(db, result, gauge, wanted, is_proven=is_proven, deaths=desk.supervisor.deaths)
        return figures | {"suspended": suspended}


def _end_of_trading(simulator: Simulator) -> int:
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
            if wanted.weather in SPOILS_KEYS:
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


def _watch_until(desk: Desk, is_done: Any, seconds: float) -> bool:
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


def _logins(folder: Path) -> list[dict[str, str]]:
    """The demo's users; their passwords are made once and kept."""
    path = folder / "logins.json"
    if not path.exists():
        made = [{"email": email, "role": role, "password": secrets.token_urlsafe(9)} for email, role in USERS]
        write_private(path, json.dumps(made))
    found: list[dict[str, str]] = json.loads(path.read_text())
    return found


def _welcome(desk: Desk, logins: list[dict[str, str]], took: float) -> None:
    lines = [f"\n  The page     {desk.address}"]
    for place, login in enumerate(logins):
        lines.append(f"  {'Log in as' if place == 0 else '       or'}    {login['email']}   {login['password']}")
    lines += [f"  Logs         {desk.supervisor.logs}", f"\nRunning after {took:.1f} s. Ctrl-C ends everything.\n"]
    click.echo("\n".join(lines))


def _chosen_exchanges(text: str) -> tuple[str, ...]:
    """Those asked for, or all that both sides know. Neither side is imported: they are found by their files."""
    source = Path(__file__).parents[1]
    ours = _modules(source / "shared" / "exchanges") - {"kit"}
    theirs = _modules(source / "simulator")
    both = sorted(ours & theirs)
    wanted = tuple(dict.fromkeys(name.strip().lower() for name in text.split(",") if name.strip()))
    if wanted == ("all",):
        return tuple(both)
    if unknown := [name for name in wanted if name not in both]:
        raise CannotRun(f"There is no simulated exchange {', '.join(unknown)}. There are: {', '.join(both)}.")
    return wanted or tuple(both)


def _modules(folder: Path) -> set[str]:
    files = (entry for entry in folder.iterdir() if entry.suffix == ".py" or (entry / "__init__.py").exists())
    return {file.stem for file in files if not file.stem.startswith("_")}


def _refuse_unwritable(report: Path) -> None:
    try:
        with report.open("a"):
            pass
    except OSError as error:
        raise CannotRun(f"The report cannot be written to {report}: {error.strerror}.") from error
