"""`tradesync keys`: make a CREDENTIALS_KEY, rotate to a new one, see how far that is."""

from collections.abc import Callable

import click
from msgspec import Struct

from cli.office import actor, says_errors
from shared.domain.errors import TradeSyncError
from shared.settings import read_settings
from shared.storage import audit, rotation
from shared.storage.connections import SealedKey
from shared.storage.pool import connect, translated
from shared.storage.values import Db
from shared.vault import CannotOpen, Vault, new_key


class Rotated(Struct, frozen=True):
    """How a rotation went: seals renewed, and those that do not open with any configured key."""

    renewed: int
    unopened: int


@click.group()
def keys() -> None:
    """The key that seals the users' API keys."""


@keys.command("new")
def new() -> None:
    """Print a new random key for CREDENTIALS_KEY. To rotate: put it before the old one, as v2:NEW,v1:OLD."""
    click.echo(new_key())


@keys.command("rotate")
@says_errors
def rotate_command() -> None:
    """Seal all credentials anew with the newest version of CREDENTIALS_KEY. May be stopped and started again."""
    db, vault = _opened()
    with db, translated():
        total = sum(count for version, count in rotation.count_by_version(db).items() if version != vault.newest)
        with click.progressbar(length=total, label=f"to {vault.newest}") as bar:
            rotated = rotate(db, vault, on_progress=bar.update)
        audit.record_deed(
            db,
            actor(),
            "keys.rotated",
            details={"to": vault.newest, "renewed": rotated.renewed, "unopened": rotated.unopened},
        )
        left = sum(count for version, count in rotation.count_by_version(db).items() if version != vault.newest)
    click.echo(f"{rotated.renewed} sealed anew with {vault.newest}, {left} left.")
    if left:
        click.echo(
            "Those left do not open with any key in CREDENTIALS_KEY; keep their key or connect them anew.", err=True
        )
        raise SystemExit(1)
    if len(vault.versions) > 1:
        click.echo(f"The older versions ({', '.join(vault.versions[1:])}) can be taken out of CREDENTIALS_KEY.")


@keys.command("status")
@says_errors
def status() -> None:
    """Say how many connections each key version seals."""
    db, vault = _opened()
    with db, translated():
        counts = rotation.count_by_version(db)
    for version in dict.fromkeys((*vault.versions, *counts)):
        remark = (
            "newest" if version == vault.newest else "configured" if version in vault.versions else "NOT configured"
        )
        click.echo(f"{version:6} {counts.get(version, 0):6} connections  {remark}")
    if any(version not in vault.versions and count for version, count in counts.items()):
        raise SystemExit(1)


def rotate(db: Db, vault: Vault, *, on_progress: Callable[[int], object] = lambda _count: None) -> Rotated:
    """Seal anew whatever is not sealed with the newest version. Each row by itself, so that it may stop anywhere.

    A row that somebody changes meanwhile is left alone, for the next call; one that does not open stays as it is.
    """
    renewed = unopened = 0
    after = None
    while batch := rotation.sealed_otherwise(db, vault.newest, after=after):
        for old in batch:
            try:
                renewed += _renewed(db, vault, old)
            except CannotOpen:
                unopened += 1
            on_progress(1)
        after = batch[-1].connection_id
    return Rotated(renewed, unopened)


def _renewed(db: Db, vault: Vault, old: SealedKey) -> bool:
    opened = vault.open_row(old)
    sealed = vault.seal(
        opened,
        user_id=old.user_id,
        user_salt=old.user_salt,
        connection_id=old.connection_id,
        exchange=old.exchange,
    )
    return rotation.reseal(
        db,
        old,
        credentials=sealed.blob,
        key_version=sealed.key_version,
        key_fingerprint=vault.fingerprint(old.exchange, opened.reveal("api_key")),
    )


def _opened() -> tuple[Db, Vault]:
    settings = read_settings()
    try:
        vault = Vault(settings.credentials_key.get_secret_value())
        return connect(settings.database_url.get_secret_value(), kind="cli"), vault
    except TradeSyncError as error:
        raise click.ClickException(str(error)) from error
