"""ccxt, unmodified, as a reader of what the simulator says; only addresses and options are set."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from tests.fixtures.simulator import SimulatorProcess


def pointed_at(simulator: SimulatorProcess, client: Any, exchange: str, *, number: type = str) -> Any:
    """The client with all its addresses leading to the simulator, and numbers left as text.

    ccxt.pro adds fees up as it hears them and needs `number=float` for it.
    """
    client.urls["api"] = simulator.instead_of(exchange, client.urls["api"])
    client.number = number
    client.enableRateLimit = False
    return client


def credentials(account: dict[str, Any], **options: Any) -> dict[str, Any]:
    """What a ccxt client is made with."""
    return {
        "apiKey": account["api_key"],
        "secret": account["secret"],
        "password": account["passphrase"],
        "options": options,
    }


def as_told(trade: dict[str, Any]) -> tuple[Any, ...]:
    """A trade of the truth, comparable; fees as one set, since ccxt may list one or many."""
    return (
        trade["symbol"],
        trade["exchange_trade_id"],
        trade["order_id"],
        trade["side"],
        Decimal(trade["price"]),
        Decimal(trade["contracts"] or trade["amount"]),
        Decimal(trade["cost"]),
        frozenset((fee["currency"], Decimal(fee["amount"])) for fee in trade["fees"]),
        trade["taker_or_maker"],
        trade["timestamp_ms"],
    )


def as_read(trade: dict[str, Any]) -> tuple[Any, ...]:
    """A trade as ccxt read it, comparable with `as_told`."""
    fees = [fee for fee in (trade["fees"] or [trade["fee"]]) if fee and fee.get("cost") is not None]
    return (
        trade["symbol"],
        trade["id"],
        trade["order"],
        trade["side"],
        Decimal(str(trade["price"])),
        Decimal(str(trade["amount"])),
        Decimal(str(trade["cost"])),
        frozenset((fee["currency"], Decimal(str(fee["cost"]))) for fee in fees if Decimal(str(fee["cost"]))),
        trade["takerOrMaker"],
        trade["timestamp"],
    )


def assert_reads_the_truth(read: Iterable[dict[str, Any]], told: Iterable[dict[str, Any]]) -> None:
    """Both hold the same trades, field by field, none twice."""
    have, want = sorted(map(as_read, read), key=str), sorted(map(as_told, told), key=str)
    assert len(have) == len(want)
    for one, other in zip(have, want, strict=True):
        assert one == other
