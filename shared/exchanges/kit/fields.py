"""Reading one field of a raw row. What must be there and is not, or cannot be read, is `UnreadableRow`.

There is no default for a field that must be there, and nothing is guessed.
"""

import re
from calendar import timegm
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar

from shared.domain.errors import UnreadableRow

Row = Mapping[str, Any]
_MOST_DIGITS = 100
_LAX = frozenset("_ \t\n\r\v\f")  # what Python's numbers allow and no exchange writes
T = TypeVar("T")


def text(row: Row, name: str) -> str:
    """A text that must be there and not be empty; whole numbers become their digits."""
    value = optional_text(row, name)
    if value is None:
        raise UnreadableRow(f"the field {name!r} is missing or empty")
    return value


def optional_text(row: Row, name: str) -> str | None:
    """A text, or None where the field is missing, null or empty."""
    value = row.get(name)
    if isinstance(value, str):
        return value or None
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise UnreadableRow(f"the field {name!r} is {type(value).__name__} where a text or a whole number is due")
    return str(value)


def decimal(row: Row, name: str) -> Decimal:
    """A finite number that must be there, as the exact decimal that was written."""
    value = optional_decimal(row, name)
    if value is None:
        raise UnreadableRow(f"the field {name!r} is missing or empty")
    return value


def optional_decimal(row: Row, name: str) -> Decimal | None:
    """A finite number, or None where the field is missing, null or empty."""
    value = row.get(name)
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise UnreadableRow(f"the field {name!r} is {type(value).__name__} where a number is due")
    try:
        number = Decimal(value)
    except (InvalidOperation, ValueError):
        raise UnreadableRow(f"the field {name!r} is {value!r}, not a number") from None
    # Python alone also takes "1_000", " 5 " and digits of other scripts for numbers.
    if not number.is_finite() or (isinstance(value, str) and (not value.isascii() or not _LAX.isdisjoint(value))):
        raise UnreadableRow(f"the field {name!r} is {value!r}, not a number")
    is_long = not isinstance(value, str) or len(value) > _MOST_DIGITS
    if abs(number.adjusted()) > _MOST_DIGITS or (is_long and len(number.as_tuple().digits) > _MOST_DIGITS):
        raise UnreadableRow(f"the field {name!r} is beyond any price or amount")
    return number


def positive(row: Row, name: str) -> Decimal:
    """A number above zero that must be there: a price, an amount."""
    number = decimal(row, name)
    if number <= 0:
        raise UnreadableRow(f"the field {name!r} is {number}, and must be above zero")
    return number


def whole(row: Row, name: str) -> int:
    """A whole number that must be there, written as a number or as digits."""
    value = row.get(name)
    if isinstance(value, str):
        try:
            if value.isascii() and value.removeprefix("-").isdigit():
                return int(value)
        except ValueError:
            pass  # thousands of digits
        raise UnreadableRow(f"the field {name!r} is not a whole number")
    if isinstance(value, bool) or not isinstance(value, int):
        raise UnreadableRow(f"the field {name!r} is {value!r}, not a whole number")
    return value


# 2009-01-03 to 2100-01-01: a moment outside is a unit mistaken, never a trade.
_FIRST_MS, _LAST_MS = 1_230_940_800_000, 4_102_444_800_000


def millis(row: Row, name: str) -> int:
    """A moment given in milliseconds, as epoch ms."""
    return _moment(name, whole(row, name))


def nanos(row: Row, name: str) -> int:
    """A moment given in nanoseconds, as epoch ms (cut, never rounded up)."""
    return _moment(name, whole(row, name) // 1_000_000)


_INSTANT = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(?:Z|\+00:00)", re.ASCII)


def instant(row: Row, name: str) -> int:
    """A moment of UTC as RFC 3339 writes it, to the nanosecond at most, as epoch ms (cut, never rounded up)."""
    written = text(row, name)
    found = _INSTANT.fullmatch(written)
    try:
        seconds = timegm(datetime.fromisoformat(found[1]).timetuple()) if found else None
    except ValueError:
        seconds = None
    if found is None or seconds is None:
        raise UnreadableRow(f"the field {name!r} is {written!r}, not a moment of UTC")
    return _moment(name, seconds * 1_000 + int((found[2] or "0").ljust(3, "0")[:3]))


def _moment(name: str, moment: int) -> int:
    if not _FIRST_MS <= moment <= _LAST_MS:
        raise UnreadableRow(f"the field {name!r} is not a moment between 2009 and 2100")
    return moment


def choice(row: Row, name: str, choices: Mapping[Any, T]) -> T:
    """One of the known values, in our words. An unknown one is never guessed."""
    value = row.get(name)
    try:
        return choices[value]
    except (KeyError, TypeError):
        raise UnreadableRow(f"the field {name!r} is {value!r}, which is unknown") from None


def truth(row: Row, name: str) -> bool:
    """A JSON true or false that must be there."""
    value = row.get(name)
    if not isinstance(value, bool):
        raise UnreadableRow(f"the field {name!r} is {value!r} where true or false is due")
    return value


def word(row: Row, name: str) -> str:
    """A text that is compared with known ones, empty where the field is none: whatever comes, it is merely unknown."""
    value = row.get(name)
    return value if isinstance(value, str) else ""


def row_of(value: Any, what: str) -> Row:
    """A JSON object, or `UnreadableRow` naming what should have been one."""
    if not isinstance(value, Mapping):
        raise UnreadableRow(f"{what} is not an object")
    return value


def rows_of(value: Any, what: str) -> list[Any]:
    """A JSON list, or `UnreadableRow` naming what should have been one."""
    if not isinstance(value, list):
        raise UnreadableRow(f"{what} is not a list")
    return value
