"""`tradesync up`: everything on one computer, for real keys."""

import webbrowser
from pathlib import Path

import click
from dotenv import dotenv_values

from cli.desk import free_or, open_desk, own_environment, say
from cli.running import state_folder

PORT = 8000
FROM_OUTSIDE = ("DATABASE_URL", "REDIS_URL", "CREDENTIALS_KEY")


@click.command()
@click.option("--port", type=click.IntRange(0, 65535), help="Where the page is: PORT, else 8000. 0: any free one.")
@click.option("--folder", type=click.Path(file_okay=False, path_type=Path), help="Where data are kept: .state/up.")
@click.option("--open/--no-open", "browser", default=False, help="Open the page in a browser.")
def up(port: int | None, folder: Path | None, browser: bool) -> None:
    """Run everything here for real keys.

    Postgres and Valkey come with it, unless DATABASE_URL and REDIS_URL (in the environment or in .env) name yours.
    Without CREDENTIALS_KEY one is made and kept in the folder: whoever loses it cannot open the keys stored with it.
    """
    environment = {
        name: value for name, value in dotenv_values(".env").items() if value is not None
    } | own_environment()
    given = {name: environment[name] for name in FROM_OUTSIDE if environment.get(name)}
    wanted = environment.get("PORT", "")
    chosen = free_or(port, int(wanted) if wanted.isdigit() else PORT)
    with open_desk(
        folder or state_folder("up"),
        port=chosen,
        fresh=False,
        environment={"WEB_HOST": "127.0.0.1", **environment},
        settings=given,
        working_folder=Path.cwd(),
    ) as desk:
        say(f"Starting in {desk.folder} …")
        desk.migrate()
        desk.start_processes()
        if not desk.supervisor.stopping.is_set():
            say(f"The page is at {desk.address}. Logs are in {desk.supervisor.logs}. Ctrl-C ends everything.")
            say("A login: ./dev user add EMAIL. An exchange: ./dev connect EMAIL EXCHANGE, which asks for the key.")
            if browser:
                webbrowser.open(desk.address)
        desk.watch()
        say("Stopping …")
