"""How a request lies in Redis, so that a program in any language can make one.

    HSET  dramatiq:history.msgs <id> {"actor_name":"sync_history","kwargs":{"connection_id":"…"}}
    RPUSH dramatiq:history      <id>

`<id>` is any text that was not used before; a UUID is best. The body comes first, the id second: a worker
takes the id. Of the body only `actor_name` and `kwargs` are read; the rest is for people who look.
Bodies of what is queued or running stand in the hash, so its length is the depth of the queue.
This is dramatiq's own layout, and dramatiq's own clients may be used too.
"""

import uuid
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct

from shared.domain.errors import BadInput
from shared.queue.requests import CatchUp, CheckKey, Request, SyncBalances, SyncHistory, WriteTrades

NAMESPACE = "dramatiq"
REQUESTS: dict[str, type[Request]] = {
    kind.NAME: kind for kind in (SyncHistory, CatchUp, SyncBalances, CheckKey, WriteTrades)
}


class Envelope(Struct, frozen=True, kw_only=True):
    """The body of a message. `kwargs` stays JSON until its actor reads it."""

    actor_name: str
    queue_name: str = ""
    args: tuple[Any, ...] = ()
    kwargs: msgspec.Raw = msgspec.Raw(b"{}")
    options: dict[str, Any] = msgspec.field(default_factory=dict)
    message_id: str = ""
    message_timestamp: int | float = 0


class Body(Struct, frozen=True, kw_only=True):
    """A message ready to be stored: where, under which id, and its bytes."""

    queue: str
    id: str
    data: bytes


def ids_key(queue: str) -> str:
    """The list of ids of what waits."""
    return f"{NAMESPACE}:{queue}"


def bodies_key(queue: str) -> str:
    """The hash of the bodies of what waits or runs."""
    return f"{NAMESPACE}:{queue}.msgs"


def body_of(request: Request, *, now_ms: int) -> Body:
    """The message that makes this request."""
    message_id = str(uuid.uuid4())
    data = msgspec.json.encode(
        {
            "queue_name": request.QUEUE,
            "actor_name": request.NAME,
            "args": (),
            "kwargs": request,
            "options": {"redis_message_id": message_id},
            "message_id": message_id,
            "message_timestamp": now_ms,
        }
    )
    return Body(queue=request.QUEUE, id=message_id, data=data)


_ENVELOPE = msgspec.json.Decoder(Envelope)
_DECODERS = {name: msgspec.json.Decoder(kind) for name, kind in REQUESTS.items()}
_NAMES = {name: frozenset(kind.__struct_fields__) for name, kind in REQUESTS.items()}


def read_envelope(data: bytes) -> Envelope:
    """The envelope of a message. Raises `BadInput` with the reason when there is none."""
    if not data:
        raise BadInput("The id was queued without a body: store the body first, then push the id.")
    try:
        envelope = _ENVELOPE.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadInput(f"The message cannot be read: {error}.") from error
    if envelope.actor_name not in REQUESTS:
        raise BadInput(
            f"The request {envelope.actor_name!r} is unknown.", hint=f"Known are: {', '.join(sorted(REQUESTS))}."
        )
    if envelope.args:
        raise BadInput("A request takes named arguments only: put them into kwargs.")
    return envelope


def read_request(name: str, arguments: bytes | msgspec.Raw) -> Request:
    """The request with these arguments (a JSON object). Raises `BadInput` naming what is wrong."""
    try:
        given = msgspec.json.decode(arguments, type=dict[str, msgspec.Raw])
        if unknown := sorted(given.keys() - _NAMES[name]):
            raise BadInput(
                f"The request {name} has no argument {unknown[0]!r}.",
                hint=f"It takes: {', '.join(REQUESTS[name].__struct_fields__)}.",
            )
        request: Request = _DECODERS[name].decode(arguments)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadInput(f"The arguments of {name} cannot be read: {error}.") from error
    if isinstance(request, SyncHistory):
        _check_window(request)
    return request


def make_request(name: str, connection_id: UUID, arguments: Mapping[str, Any]) -> Request:
    """The request that a job on record stands for. Raises `BadInput` when it cannot be read."""
    try:
        request: Request = msgspec.convert({**arguments, "connection_id": connection_id}, REQUESTS[name])
    except (KeyError, msgspec.ValidationError) as error:
        raise BadInput(f"The job {name} on record cannot be read: {error}.") from error
    return request


_LAST_MS = 253_402_300_799_999  # the end of the year 9999, the last that a clock of ours can show


def _check_window(request: SyncHistory) -> None:
    since, until = request.since_ms, request.until_ms
    if until is not None and since is None:
        raise BadInput("A range needs its beginning: since_ms is missing.")
    if any(at is not None and not 0 <= at <= _LAST_MS for at in (since, until)):
        raise BadInput("The range holds no moments: since_ms and until_ms are milliseconds since 1970.")
    if since is not None and until is not None and since >= until:
        raise BadInput("The range is the wrong way round: since_ms must be before until_ms.")
