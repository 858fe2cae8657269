"""A stream's message that could not be read or stored is dealt with once REST has shown the trade that it told."""

from shared.domain.trades import Source
from shared.exchanges.kit.again import read_again
from shared.exchanges.kit.wire import decode_json
from shared.storage import quarantine
from shared.storage.pool import borrow
from workers.reading import Run


def resolve_heard(run: Run) -> None:
    """Resolve what REST has confirmed meanwhile: by the identity that was kept, or by reading the message again."""
    with borrow(run.desk.pool) as db:
        for item_id, identity, raw in quarantine.heard(db, run.connection.id):
            identities = [identity] if identity else _identities(run, raw)
            if identities:
                quarantine.resolve_confirmed(db, item_id, run.connection.id, identities)


def _identities(run: Run, raw: str) -> list[str]:
    """The trades of a message, none where it still cannot be read. A row without its envelope reads like history."""
    heard = read_again(run.exchange, decode_json(raw.encode()), run.markets, source=Source.STREAM)
    return [trade.identity for trade in heard.trades] if heard else []
