"""The `tradesync` command. Each word is loaded when it is called, so that a small one answers at once."""

import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

import click

from cli.running import running_environment

# word: (where it is written, the line in the list of words)
WORDS: dict[str, tuple[str, str]] = {
    "demo": ("cli.demo:demo", "Run everything here against simulated exchanges."),
    "up": ("cli.up:up", "Run everything here for real keys."),
    "user": ("cli.people:user", "The people who may come in: add, list, password, token, keep, remove."),
    "connect": ("cli.accounts:connect", "Connect an account at an exchange with a read-only key."),
    "connections": ("cli.accounts:connections_command", "List the connections and how they are."),
    "test": ("cli.accounts:test", "Ask the exchange what a connection's key may do."),
    "replace": ("cli.accounts:replace", "Give a connection a new key of the same account."),
    "resume": ("cli.accounts:resume", "Try a suspended or parked connection again."),
    "remove": ("cli.accounts:remove", "End a connection; its trades stay."),
    "sync": ("cli.syncing:sync", "Have history read now, or a stretch of it again."),
    "status": ("cli.status:status", "Show how everything is, and what is proven."),
    "coverage": ("cli.coverage:coverage", "Show what is proven of a connection's history, by what, and what is not."),
    "ledger": ("cli.ledger:ledger", "Show whether every change of a connection's balances is explained."),
    "replay": (
        "cli.replay:replay",
        "Read kept raw messages again with today's readers; show what changes, or store it.",
    ),
    "trades": ("cli.trades:trades", "Show or export stored trades."),
    "doctor": ("cli.doctor:doctor", "Look at settings, servers, clocks and limits, and say what to do."),
    "read": ("cli.read:read", "Read one raw message of an exchange and print what would be stored."),
    "keys": ("cli.keys:keys", "The key that seals the users' API keys: make one, rotate, see how far that is."),
}
PROCESSES: dict[str, tuple[str, str]] = {
    "web": ("web", "Process: dashboard, HTTP interface, live feed."),
    "scheduler": ("scheduler", "Process: decides what is due and queues it."),
    "worker": ("workers", "Process: runs what is queued."),
    "streamer": ("streamer", "Process: holds the exchanges' sockets."),
    "migrate": ("migrations", "Bring the database to the newest schema; safe to run at any time."),
    "simulator": ("simulator", "Process: exchanges to test against."),
}


WITHOUT_SERVERS = {"demo", "up", "read", "simulator", None}


class Words(click.Group):
    """A group that knows its words without loading them."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 — click asks so
        return [*WORDS, *PROCESSES]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 — click asks so
        if cmd_name in PROCESSES:
            return process(cmd_name)
        if cmd_name not in WORDS:
            return None
        module, _, attribute = WORDS[cmd_name][0].partition(":")
        command = getattr(import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 — click asks so
        with formatter.section("Commands"):
            formatter.write_dl([(word, line) for word, (_, line) in (WORDS | PROCESSES).items()])

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if args and not args[0].startswith("-") and args[0] not in self.list_commands(ctx):
            raise click.UsageError(f"There is no command {args[0]!r}. `tradesync --help` lists them.", ctx)
        return super().resolve_command(ctx, args)


def process(word: str) -> click.Command:
    """A process takes our place: its signals are its own, and nothing of the command line stays in memory."""
    room, line = PROCESSES[word]

    @click.command(word, help=line, add_help_option=False, context_settings={"ignore_unknown_options": True})
    @click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
    def become(arguments: tuple[str, ...]) -> NoReturn:
        sys.stdout.flush()
        os.environ["PYTHONPATH"] = str(Path(__file__).parents[1])  # whatever lies where we stand, ours is meant
        os.execv(sys.executable, [sys.executable, "-P", "-m", room, *arguments])  # noqa: S606 — one of our rooms

    return become


@click.group(cls=Words, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="tradesync", message="tradesync %(version)s")
@click.pass_context
def main(ctx: click.Context) -> None:
    """Pull every trade from crypto exchanges into Postgres as it happens, and prove that none is missing."""
    if ctx.invoked_subcommand not in WITHOUT_SERVERS:
        _use_what_runs_here()


def _use_what_runs_here() -> None:
    """Speak to the demo or `up` that runs on this desk, unless the environment names servers."""
    if os.environ.get("DATABASE_URL") or os.environ.get("REDIS_URL"):
        return
    if running := running_environment():
        name, environment = running
        os.environ.update(environment)
        if sys.stderr.isatty():
            click.echo(f"(speaking to the {name} that runs here)", err=True)
