"""Connecting an exchange: the key is asked what it may do before it is stored."""

from collections.abc import Mapping, Sequence
from uuid import UUID, uuid4

from shared.domain.connections import Account, Credentials, KeyReport
from shared.domain.errors import BadInput
from shared.domain.keys import guard
from shared.domain.trades import Product
from shared.exchanges import load
from shared.gateway import Gateway
from shared.storage import audit, connections
from shared.storage.users import User
from shared.storage.values import Db
from shared.vault import Vault


def connect(
    db: Db,
    gateway: Gateway,
    vault: Vault,
    *,
    user: User,
    exchange: str,
    fields: Mapping[str, str],
    actor: str,
    label: str = "",
    products: Sequence[Product] = (),
    region: str = "",
    trade_allowed: bool = False,
    egress_proxy: str | None = None,
) -> tuple[UUID, KeyReport]:
    """Check a key at its exchange and store it sealed. Without `products` all that the exchange and the key offer.

    Raises what the exchange makes of the key, `KeyTooPowerful`, `PermissionMissing`, or `BadInput` for a field that
    is missing or malformed, a product the exchange has not, a key or account that is connected already.
    """
    found = load(exchange)
    opened = Credentials(whole(found.id, fields))
    wanted = tuple(products) or found.products
    if unknown := [product.value for product in wanted if product not in found.products]:
        raise BadInput(f"{found.title} has no product {', '.join(unknown)}.")
    account = Account(connection_id=uuid4(), exchange=found.id, products=wanted, region=region or found.regions[0])
    report = gateway.run(account, opened, found.check_key(account), lane="manual", proxy=egress_proxy)
    guard(report, trade_allowed=trade_allowed)
    seen = tuple(product for product in wanted if report.products is None or product in report.products)
    if not seen:
        raise BadInput(f"This key sees none of: {', '.join(product.value for product in wanted)}.")
    plain = {name: opened.reveal(name) for name in opened}
    sealed = vault.seal(
        plain, user_id=user.id, user_salt=user.key_salt, connection_id=account.connection_id, exchange=found.id
    )
    with db.transaction():
        connections.add_connection(
            db,
            connection_id=account.connection_id,
            user_id=user.id,
            exchange=found.id,
            products=seen,
            credentials=sealed.blob,
            key_version=sealed.key_version,
            key_fingerprint=vault.fingerprint(found.id, plain["api_key"]),
            older_fingerprints=vault.fingerprints(found.id, plain["api_key"])[1:],
            report=report,
            label=label,
            region=account.region,
            trade_allowed=trade_allowed,
            egress_proxy=egress_proxy,
        )
        audit.record_deed(
            db, actor, "connection.added", user_id=user.id, connection_id=account.connection_id,
            details={"exchange": found.id, "products": [product.value for product in seen]},
        )  # fmt: skip
    return account.connection_id, report


def whole(exchange: str, fields: Mapping[str, str]) -> Mapping[str, str]:
    """The fields, cleaned of what pasting adds. Raises `BadInput` for one that is missing, unknown or malformed."""
    found = load(exchange)
    given = {name: value for name, value in fields.items() if value.strip()}
    known = {field.name for field in found.credential_fields}
    missing = [field.label for field in found.credential_fields if field.is_required and field.name not in given]
    if missing:
        raise BadInput(f"{found.title} also needs: {', '.join(missing)}.")
    if unknown := sorted(set(given) - known):
        raise BadInput(f"{found.title} has no credential field {', '.join(unknown)}.")
    return found.repair(given)
