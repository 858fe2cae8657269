"""`tradesync demo`: everything on one computer against simulated exchanges; for a person, or as a proof."""

import json
import re
import secrets
import subprocess
import time
import webbrowser
from pathlib import Path
from typing import Any

import click
import psycopg

from cli.desk import CannotRun, Desk, free_or, open_desk, own_environment, say
from cli.embedded.children import free_port
from cli.embedded.folder import write_private
from cli.proof import STORM, Wanted, prove
from cli.running import state_folder
from cli.simulated import Simulator
from cli.supervisor import StartFailed, answers, room

PORT = 8000
USERS = (("ada@example.com", "operator"), ("grace@example.com", "user"))
HISTORY = 30
# What would make the demo another one than everybody's, should the shell have it.
NOT_FROM_THE_SHELL = {
    "CREDENTIALS_KEY", "DATABASE_POOLER", "DATABASE_URL", "EGRESS", "EGRESS_ADDRESS", "EXCHANGES", "METRICS_TOKEN",
    "PUBLIC_URL", "REDIS_URL", "SIMULATOR_URL", "STREAM_ENABLED", "WEB_HOST", "WORKER_QUEUES",
}  # fmt: skip


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
@click.option("--weather", help="Play faults meanwhile, by name; `storm` plays many, on our side too.")
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
        figures = prove(desk, simulator, wanted, span)
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
    desk.start_processes(in_pairs=wanted.weather == STORM)
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
