"""`tradesync user`: sign people up, let them in, keep them out."""

import os
from datetime import timedelta

import click

from cli.office import actor, ask_secret, find_user, opened, says_errors, shown
from shared.domain.errors import BadInput
from shared.storage import audit, users
from shared.vault.passwords import hash_password


@click.group()
def user() -> None:
    """The people who may come in."""


@user.command()
@click.argument("email")
@click.option("--operator", is_flag=True, help="May see and do everything.")
@says_errors
def add(email: str, operator: bool) -> None:
    """Sign EMAIL up. The password is asked for, or read from TRADESYNC_PASSWORD or standard input."""
    hashed = hash_password(_password())
    with opened() as (_, db):
        found = users.add_user(db, email, hashed, role="operator" if operator else "user")
        audit.record_deed(db, actor(), "user.added", user_id=found.id)
    click.echo(f"{found.email} is signed up.")


@user.command("list")
@says_errors
def list_command() -> None:
    """List everyone."""
    with opened() as (_, db):
        for each in users.list_users(db):
            state = "" if each.is_active else "  kept out"
            click.echo(f"{each.email:40} {each.role:9} since {shown(each.created_ms)}{state}")


@user.command()
@click.argument("email")
@says_errors
def password(email: str) -> None:
    """Give EMAIL a new password. All browser sessions of theirs end."""
    with opened() as (_, db):
        found = find_user(db, email)
        users.set_password(db, found.id, hash_password(_password()))
        audit.record_deed(db, actor(), "user.password_changed", user_id=found.id)
    click.echo("The password is changed.")


@user.command()
@click.argument("email")
@click.option("--label", default="", help="What it is for.")
@click.option("--days", type=click.IntRange(1, 3650), help="How long it lasts; for good without it.")
@says_errors
def token(email: str, label: str, days: int | None) -> None:
    """Print a new API token of EMAIL. It is shown this once."""
    with opened() as (_, db):
        found = find_user(db, email)
        text = users.add_token(db, found.id, "token", label=label, lasts=timedelta(days=days) if days else None)
        audit.record_deed(db, actor(), "token.added", user_id=found.id, details={"label": label})
    click.echo(text)


@user.command()
@click.argument("email")
@click.option("--out/--in", "is_out", default=True, help="Keep out, or let in again.")
@says_errors
def keep(email: str, is_out: bool) -> None:
    """Keep EMAIL out: sessions and tokens end, syncing goes on. --in lets them in again."""
    with opened() as (_, db):
        found = find_user(db, email)
        users.set_active(db, found.id, is_active=not is_out)
        audit.record_deed(db, actor(), "user.kept_out" if is_out else "user.let_in", user_id=found.id)
    click.echo(f"{found.email} is {'kept out' if is_out else 'let in'}.")


@user.command()
@click.argument("email")
@click.option("--yes", is_flag=True, help="Do not ask.")
@says_errors
def remove(email: str, yes: bool) -> None:
    """Remove EMAIL with everything that is theirs: connections, keys, trades."""
    if not yes:
        click.confirm(f"Remove {email} with all connections and trades?", abort=True)
    with opened() as (_, db):
        found = find_user(db, email)
        users.remove_user(db, found.id)
        audit.record_deed(db, actor(), "user.removed", details={"email": found.email})
    click.echo(f"{found.email} is removed.")


def _password() -> str:
    given = os.environ.get("TRADESYNC_PASSWORD")
    if given is not None and not given:
        raise BadInput("TRADESYNC_PASSWORD is empty.")
    return ask_secret("Password", given=given, confirm=True).reveal()
