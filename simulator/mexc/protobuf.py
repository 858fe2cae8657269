"""Writes protobuf messages field by field: MEXC's spot sockets speak nothing else, and a dozen lines suffice.

The wire format is described at https://protobuf.dev/programming-guides/encoding (read 2026-11). As in proto3, fields
that hold their default (empty text, zero, false) are left out.
"""

VARINT, LENGTH = 0, 2


def text(number: int, value: str) -> bytes:
    """A string field."""
    return part(number, value.encode()) if value else b""


def part(number: int, body: bytes) -> bytes:
    """A message inside a message; it stands there even when it is empty."""
    return _varint(number << 3 | LENGTH) + _varint(len(body)) + body


def whole(number: int, value: int) -> bytes:
    """An int32, int64 or bool field."""
    return _varint(number << 3 | VARINT) + _varint(value) if value else b""


def _varint(value: int) -> bytes:
    """Seven bits to a byte, the least first; negative numbers are written as 64-bit ones."""
    value &= (1 << 64) - 1
    written = bytearray()
    while value > 0x7F:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    written.append(value)
    return bytes(written)
