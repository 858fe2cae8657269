"""How things look on the page: plain numbers, short times, and words instead of codes. Both the server's rows and
the live feed's JSON come from here, so that a row looks the same whichever way it came."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from shared import exchanges
from shared.domain.errors import BadInput
from shared.storage.status import ConnectionStatus, FeedStatus, SessionLine
from shared.storage.trades import TradeLine

Shown = Mapping[str, Any]


def plain(number: Decimal | None) -> str:
    """A decimal without exponent and trailing zeros."""
    if number is None:
        return ""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def title(exchange: str) -> str:
    """What people call an exchange."""
    try:
        return exchanges.load(exchange).title
    except BadInput:
        return exchange


def trade(line: TradeLine) -> Shown:
    """One row of the trades table."""
    return {
        "id": line.id,
        "moment": line.exchange_timestamp.astimezone(UTC).isoformat(timespec="milliseconds"),
        "time": line.exchange_timestamp.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S"),
        "platform": title(line.platform),
        "symbol": line.symbol,
        "side": line.side,
        "price": plain(line.price),
        "amount": plain(line.amount),
        "cost": plain(line.cost),
        "fee": " + ".join(f"{plain(Decimal(str(fee['amount'])))} {fee['currency']}" for fee in line.fees),
        "state": "awaiting fee" if line.provisional else "proven" if line.is_confirmed else "heard",
    }


def connection(status: ConnectionStatus) -> Shown:
    """One connection's card."""
    return {
        "id": str(status.id),
        "title": title(status.exchange),
        "label": status.label or ", ".join(status.products),
        "status": status.sync_status,
        "stream": status.stream_state,
        "proven": moment(status.proven_until_ms) or "nothing yet",
        "trades": f"{status.trades:,}",
        "progress": round(status.progress, 4),
        "note": _note(status),
    }


def _note(status: ConnectionStatus) -> str:
    if trouble := status.error_message or (status.stream_state == "parked" and status.stream_reason):
        return trouble
    if status.left_ms is not None:
        return f"History is {status.progress:.1%} read, about {span(status.left_ms)} left."
    if status.quarantined:
        return f"{status.quarantined} messages could not be read and are kept in quarantine."
    if status.unexplained:
        return f"{status.unexplained} changes of balances are not explained yet; their stretches are read again."
    if status.holes:
        return f"{status.holes} feeds have holes that the exchange cannot fill."
    return "" if status.feeds else "Its history has not been looked at yet."


def feed(status: FeedStatus) -> Shown:
    """One row of the table of what is proven."""
    if status.is_closed:
        state = status.closed_reason or "closed"
    elif status.saturated:
        state = "has holes that the exchange cannot fill"
    else:
        state = "probably never traded; asked now and then" if status.is_sweep else "read"
    return {
        "key": status.key,
        "reach": moment(status.reach_ms),
        "proven": moment(status.proven_until_ms) or "nothing yet",
        "gaps": len(status.gaps),
        "state": state,
    }


def session(line: SessionLine) -> Shown:
    """One row of the table of sync sessions."""
    return {
        "began": moment(line.started_ms),
        "sync_type": line.sync_type,
        "status": line.status,
        "trades_synced": line.trades_synced,
        "trades_updated": line.trades_updated,
        "pages": line.pages,
        "error": line.error_message,
    }


def moment(at_ms: int | None) -> str:
    """A moment for people, in UTC; empty for None."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S") if at_ms is not None else ""


def span(length_ms: int) -> str:
    """A span in its largest two units."""
    seconds = max(1, length_ms // 1000)
    for size, name, smaller_size, smaller in ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "min"), (60, "min", 1, "s")):
        if seconds >= size:
            rest = seconds % size // smaller_size
            return f"{seconds // size} {name}" + (f" {rest} {smaller}" if rest else "")
    return f"{seconds} s"
