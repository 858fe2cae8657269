"""Decoding what exchanges send: fractions become `Decimal`, whole numbers stay exact whatever their length."""

import json
from decimal import Decimal
from typing import Any

import msgspec

from shared.domain.errors import UnreadableRow

_FAST = msgspec.json.Decoder(float_hook=Decimal)


def decode_json(frame: str | bytes) -> Any:
    """The JSON value of a frame. Raises `UnreadableRow` when it is not JSON."""
    try:
        return _FAST.decode(frame)
    except (msgspec.DecodeError, UnicodeError, ArithmeticError, RecursionError) as error:
        raise UnreadableRow(f"not JSON: {error}") from error


def encode_json(value: Any) -> str:
    """One JSON text of plain values, `Decimal` as a string."""
    return msgspec.json.encode(value).decode()


def decode_json_slowly(frame: str | bytes) -> Any:
    """The same by the standard library: the second reader that tests compare with."""
    return json.loads(frame, parse_float=Decimal)
