"""How our values become Postgres' and back: moments, windows, coverage, JSON."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from psycopg import Connection
from psycopg.types.json import Jsonb
from psycopg.types.multirange import Multirange, TimestamptzMultirange
from psycopg.types.range import TimestamptzRange

from shared.domain.windows import Coverage, Window

Db = Connection[Any]
Row = dict[str, Any]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_ENCODER = msgspec.json.Encoder(decimal_format="number")


def moment(at_ms: int) -> datetime:
    """Epoch ms as a moment."""
    return _EPOCH + timedelta(milliseconds=at_ms)


def optional_moment(at_ms: int | None) -> datetime | None:
    """Epoch ms as a moment, None as null."""
    return None if at_ms is None else moment(at_ms)


def millis(at: datetime) -> int:
    """A moment as epoch ms, cut."""
    return (at - _EPOCH) // _MILLISECOND


def optional_millis(at: datetime | None) -> int | None:
    """A moment as epoch ms, null as None."""
    return None if at is None else millis(at)


def multirange(coverage: Coverage) -> TimestamptzMultirange:
    """A coverage as `tstzmultirange`."""
    return TimestamptzMultirange([_range(window) for window in coverage])


def window_range(window: Window) -> TimestamptzMultirange:
    """One window as a `tstzmultirange` of one range."""
    return TimestamptzMultirange([_range(window)])


def _range(window: Window) -> TimestamptzRange:
    return TimestamptzRange(moment(window.since), moment(window.until), "[)")


def coverage(value: Multirange[datetime]) -> Coverage:
    """A `tstzmultirange` as a coverage. Every bound we write is closed, finite and a whole millisecond."""
    return Coverage(
        Window(millis(each.lower), millis(each.upper)) for each in value if each.lower and each.upper is not None
    )


def jsonb(value: Any) -> Jsonb:
    """Plain values, structs, uuids and decimals as jsonb."""
    return Jsonb(value, dumps=_ENCODER.encode)


def json_text(value: Any) -> str:
    """The JSON text of plain values; a `Decimal` is written as a number, digit by digit."""
    return _ENCODER.encode(value).decode()


def as_mapping(value: Any) -> Mapping[str, Any]:
    """A jsonb object that was stored by us."""
    return value if isinstance(value, dict) else {}
