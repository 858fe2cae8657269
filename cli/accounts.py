"""`tradesync connect`, `connections`, `test`, `replace`, `remove`, `resume`: the keys to the users' accounts."""

import os
from collections.abc import Mapping
from pathlib import Path

import click

from cli.connecting import connect as connect_key
from cli.office import actor, ask_secret, find_connection, find_user, now_ms, opened, says_errors, shown, user_id
from cli.replacing import replace as replace_key
from shared import exchanges
from shared.domain.connections import KeyReport, Verdict
from shared.domain.errors import BadInput, TradeSyncError
from shared.domain.trades import Product
from shared.events.kinds import ConnectionChanged
from shared.events.publish import publish
from shared.exchanges.kit.contract import Exchange
from shared.gateway import Gateway
from shared.queue.wire import open_wire
from shared.settings import Settings
from shared.storage import audit, connections, status
from shared.storage.connections import Connection
from shared.storage.values import Db
from shared.vault import Vault


@click.command()
@click.argument("email")
@click.argument("exchange")
@click.option("--label", default="", help="A name for it.")
@click.option("--products", help="Comma separated; all that the exchange and the key offer without it.")
@click.option("--region", default="", help="The exchange's regional entity that the key belongs to.")
@click.option("--key-file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Lines of FIELD=VALUE.")
@click.option("--proxy", help="The egress proxy this connection goes through, for keys bound to an address.")
@click.option("--allow-trade", is_flag=True, help="Take a key that can trade too. It is never used for that.")
@says_errors
def connect(
    email: str,
    exchange: str,
    label: str,
    products: str | None,
    region: str,
    key_file: Path | None,
    proxy: str | None,
    allow_trade: bool,
) -> None:
    """Connect an account of EMAIL at EXCHANGE with a read-only API key.

    The key's fields are asked for; a script gives them in a file (--key-file) or in the environment
    (TRADESYNC_API_KEY, TRADESYNC_SECRET, TRADESYNC_PASSPHRASE). They are never taken from the command line.
    """
    found = exchanges.load(exchange)
    wanted = _products(found, products)
    if region and region not in found.regions:
        raise BadInput(f"{found.title} has no region {region!r}.", hint=f"It has: {', '.join(found.regions)}.")
    with opened() as (settings, db):
        if settings.exchanges and found.id not in settings.exchanges:
            raise BadInput(f"{found.title} is not offered here.", hint=f"Offered: {', '.join(settings.exchanges)}.")
        if allow_trade and not settings.allow_trade_keys:
            raise BadInput("Keys that can trade are not taken here.", hint="An operator may set ALLOW_TRADE_KEYS=true.")
        owner = find_user(db, email)
        fields = _fields(found, key_file)
        connection_id, report = connect_key(
            db,
            Gateway(simulator_url=settings.simulator_url),
            Vault(settings.credentials_key.get_secret_value()),
            user=owner,
            exchange=found.id,
            fields=fields,
            actor=actor(),
            label=label,
            products=wanted,
            region=region,
            trade_allowed=allow_trade,
            egress_proxy=proxy,
        )
        _tell(settings, ConnectionChanged(connection_id=connection_id, change="added"))
        connection = connections.get_connection(db, connection_id)
    click.echo(f"Connected: {connection_id}")
    _show_report(report)
    _show_reach(found, connection)


@click.command("connections")
@click.option("--user", "email", help="Only those of this user.")
@says_errors
def connections_command(email: str | None) -> None:
    """List the connections and how they are."""
    with opened() as (_, db):
        for each in status.connection_statuses(db, now_ms(), user_id=user_id(db, email)):
            click.echo(
                f"{each.id}  {each.exchange:10} {each.label or '-':20} {each.email:28} "
                f"{each.sync_status:11} stream {each.stream_state}"
            )
            for remark in (each.error_message, each.stream_reason):
                if remark:
                    click.echo(f"    {remark}")


@click.command()
@click.argument("connection")
@says_errors
def test(connection: str) -> None:
    """Ask the exchange with CONNECTION's key what it may do, for the clock and the wallets. 1 when it is refused."""
    with opened() as (settings, db):
        found = find_connection(db, connection)
        exchange = exchanges.load(found.exchange)
        vault = Vault(settings.credentials_key.get_secret_value())
        sealed = connections.sealed_key(db, found.id)
    opened_key = vault.open_row(sealed)
    gateway = Gateway(simulator_url=settings.simulator_url)
    click.echo(f"clock     {gateway.clock_offset_ms(exchange.id, found.region):+d} ms against {exchange.title}")
    report = gateway.run(
        found.account, opened_key, exchange.check_key(found.account), lane="manual", proxy=found.egress_proxy
    )
    _show_report(report)
    wallets = gateway.run(
        found.account, opened_key, exchange.balances(found.account), lane="manual", proxy=found.egress_proxy
    )
    click.echo(f"balances  {len(wallets.balances)} read")
    for wallet, reason in wallets.missing.items():
        click.echo(f"          {wallet} is not visible: {reason}")


@click.command()
@click.argument("connection")
@click.option("--key-file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Lines of FIELD=VALUE.")
@says_errors
def replace(connection: str, key_file: Path | None) -> None:
    """Give CONNECTION a new API key of the same account, and try it again. Its trades and their proof stay.

    The key's fields are given as to `connect`.
    """
    with opened() as (settings, db):
        found = find_connection(db, connection)
        exchange = exchanges.load(found.exchange)
        report = replace_key(
            db,
            Gateway(simulator_url=settings.simulator_url),
            Vault(settings.credentials_key.get_secret_value()),
            found,
            fields=_fields(exchange, key_file),
            actor=actor(),
        )
        _tell(settings, ConnectionChanged(connection_id=found.id, change="resumed"))
    click.echo("It has the new key, and is tried again.")
    _show_report(report)


@click.command()
@click.argument("connection")
@click.option("--yes", is_flag=True, help="Do not ask.")
@says_errors
def remove(connection: str, yes: bool) -> None:
    """End CONNECTION: its key is wiped, its stream stops. Its trades stay."""
    with opened() as (settings, db):
        found = find_connection(db, connection)
        if not yes:
            click.confirm(f"End {found.exchange} {found.label} ({found.id})? Its trades stay.", abort=True)
        connections.remove_connection(db, found.id)
        _note(db, "connection.removed", found)
        _tell(settings, ConnectionChanged(connection_id=found.id, change="removed"))
    click.echo("It is ended; its key is wiped, its trades stay.")


@click.command()
@click.argument("connection")
@says_errors
def resume(connection: str) -> None:
    """Try a suspended or parked CONNECTION, or its parked stream, again, from where it was."""
    with opened() as (settings, db):
        found = find_connection(db, connection)
        connections.resume(db, found.id)
        _note(db, "connection.resumed", found)
        _tell(settings, ConnectionChanged(connection_id=found.id, change="resumed"))
    click.echo("It is tried again.")


def _note(db: Db, deed: str, connection: Connection) -> None:
    audit.record_deed(db, actor(), deed, user_id=connection.user_id, connection_id=connection.id)


def _tell(settings: Settings, event: ConnectionChanged) -> None:
    """Wake the streamers; without Redis they look by themselves within seconds."""
    with open_wire(settings.redis_url.get_secret_value(), verify_tls=settings.redis_tls_verify, connections=1) as wire:
        publish(wire, event)


def _products(exchange: Exchange, text: str | None) -> tuple[Product, ...]:
    wanted = []
    for name in (part.strip() for part in (text or "").split(",") if part.strip()):
        if name not in [product.value for product in exchange.products]:
            offered = ", ".join(product.value for product in exchange.products)
            raise BadInput(f"{exchange.title} has no product {name!r}.", hint=f"It has: {offered}.")
        wanted.append(Product(name))
    return tuple(wanted)


def _fields(exchange: Exchange, key_file: Path | None) -> Mapping[str, str]:
    """The key's fields, from a file, the environment, or asked for."""
    written = _written(key_file) if key_file else {}
    fields: dict[str, str] = {}
    for field in exchange.credential_fields:
        given = written.get(field.name, os.environ.get(f"TRADESYNC_{field.name.upper()}"))
        if given is None and (key_file or not field.is_required):
            continue
        fields[field.name] = ask_secret(field.label, given=given).reveal()
    return fields


def _written(key_file: Path) -> dict[str, str]:
    try:
        text = key_file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{key_file} cannot be read: {type(error).__name__}.") from None
    found: dict[str, str] = {}
    name = ""
    for line in text.splitlines():
        before, equals, after = line.partition("=")
        if equals and before.strip().lower() in {"api_key", "secret", "passphrase"}:
            name = before.strip().lower()
            found[name] = after.strip().strip("'\"")
        elif name and line.strip():
            found[name] += f"\n{line.strip()}"  # a key in PEM runs over several lines
    return found


def _show_report(report: KeyReport) -> None:
    words = {Verdict.YES: "yes", Verdict.NO: "no", Verdict.UNKNOWN: "unknown (the exchange does not tell)"}
    click.echo(f"key       read {words[report.can_read]}, trade {words[report.can_trade]}, "
               f"withdraw {words[report.can_withdraw]}")  # fmt: skip
    if report.uid:
        click.echo(f"account   {report.uid}" + (f", mode {report.mode}" if report.mode else ""))
    if report.expires_ms:
        click.echo(f"expires   {shown(report.expires_ms)}")
    for remark in report.remarks:
        click.echo(f"          {remark}")


def _show_reach(exchange: Exchange, connection: Connection) -> None:
    """How far back it reads, told before anyone relies on it."""
    now = now_ms()
    for product in connection.products:
        try:
            feed = exchange.history.feed_of(product, "")
            reach = exchange.history.reach(feed, connection.account, now)
        except TradeSyncError:
            continue
        click.echo(f"history   {product.value}: {exchange.title} lets us read back to {shown(reach)}")
    for sentence in exchange.not_in_history:
        click.echo(f"          {sentence}")
