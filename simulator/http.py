"""The little HTTP/1.1 that a simulated exchange needs: requests in, answers out, broken ones on purpose too.

Written out because a general server hides what is simulated here: an answer cut in the middle, a socket
that says nothing, the exact bytes of a signed query.
"""

from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

import msgspec

LONGEST_HEAD = 65_536
LONGEST_BODY = 64 * 1024 * 1024

_encode = msgspec.json.Encoder().encode
_REASONS = {status.value: status.phrase for status in HTTPStatus}


class MalformedRequest(Exception):
    """What arrived is no HTTP request; the connection is closed after a 400."""


class Request(msgspec.Struct, kw_only=True):
    """One HTTP request as it stood on the wire.

    `host` and `path` are the exchange's own (the simulator's prefix is taken off), `query` is the raw query
    string without `?`: signatures are made over exactly these bytes. Header names are in lower case.
    """

    method: str
    host: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes = b""
    address: str = "127.0.0.1"
    base: str = ""

    def arguments(self) -> dict[str, str]:
        """Query and body (form or JSON object) as one mapping; a later value wins."""
        found = dict(parse_qsl(self.query, keep_blank_values=True))
        if self.body:
            if self.body.lstrip()[:1] == b"{":
                found.update({key: _as_text(value) for key, value in self.json().items()})
            else:
                found.update(parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True))
        return found

    def json(self) -> Any:
        """The body as JSON; raises `MalformedRequest`."""
        try:
            return msgspec.json.decode(self.body or b"{}")
        except msgspec.DecodeError as failure:
            raise MalformedRequest(f"the body is not JSON: {failure}") from failure


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else _encode(value).decode()


class Response(msgspec.Struct, kw_only=True):
    """One answer. `cut` sends that share of the body only and breaks the connection; `delay_s` waits first."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    content_type: str = "application/json"
    delay_s: float = 0.0
    cut: float | None = None

    def wire(self) -> bytes:
        lines = [
            f"HTTP/1.1 {self.status} {_REASONS.get(self.status, 'Unknown')}",
            f"Content-Type: {self.content_type}",
            f"Content-Length: {len(self.body)}",
            *(f"{name}: {value}" for name, value in self.headers.items()),
        ]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + self.body


def answer(data: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """`data` as JSON (Decimals become strings; `msgspec.Raw` stands as it is)."""
    return Response(status=status, body=_encode(data), headers=headers or {})


class Head(msgspec.Struct):
    """The parsed head of a request, and where its body starts."""

    method: str
    target: str
    headers: dict[str, str]
    body_at: int
    body_length: int


def read_head(buffer: bytes | bytearray) -> Head | None:
    """The head at the front of `buffer`, None while it is incomplete; raises `MalformedRequest`."""
    end = buffer.find(b"\r\n\r\n")
    if end < 0:
        if len(buffer) > LONGEST_HEAD:
            raise MalformedRequest("the head of the request is too long")
        return None
    lines = bytes(buffer[:end]).decode("latin-1").split("\r\n")
    parts = lines[0].split(" ")
    if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
        raise MalformedRequest("the first line is no HTTP request")
    headers: dict[str, str] = {}
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if not colon:
            raise MalformedRequest("a header has no colon")
        headers[name.strip().lower()] = value.strip()
    if "transfer-encoding" in headers:
        raise MalformedRequest("chunked bodies are not understood here")
    length = headers.get("content-length", "0")
    if not length.isdecimal() or int(length) > LONGEST_BODY:
        raise MalformedRequest("the length of the body makes no sense")
    return Head(parts[0].upper(), parts[1], headers, end + 4, int(length))
