"""What programs ask for: JSON, with a session cookie or `Authorization: Bearer TOKEN` (`tradesync user token`)."""

from typing import Any
from uuid import UUID

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from shared.storage import ledger, status
from shared.storage.pool import Pool, borrow
from shared.storage.proven import feed_records
from shared.storage.users import User
from web.door import find_user, user_of_token
from web.pages import now_ms


async def coverage(request: Request) -> Response:
    """The record of what is proven of one of the user's connections, with its evidence and open balance gaps."""
    user = await _user(request)
    if user is None:
        return _error(401, "Log in, or send Authorization: Bearer with a token of `tradesync user token`.")
    pool, connection_id = request.app.state.pool, request.path_params["connection_id"]
    found = await run_in_threadpool(_coverage, pool, user.id, connection_id, request.query_params.get("feed"))
    return _error(404, "You have no such connection.") if found is None else _json(found)


async def _user(request: Request) -> User | None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return await run_in_threadpool(user_of_token, request.app.state.pool, token.strip())
    return await find_user(request)


def _coverage(pool: Pool, user_id: UUID, connection_id: UUID, feed: str | None) -> dict[str, Any] | None:
    now = now_ms()
    with borrow(pool) as db:
        states = status.connection_statuses(db, now, user_id=user_id, connection_id=connection_id)
        if not states:
            return None
        return {
            "connection": str(connection_id),
            "exchange": states[0].exchange,
            "at_ms": now,
            "explained_until_ms": states[0].explained_until_ms,
            "unexplained": ledger.gaps(db, connection_id),
            "feeds": feed_records(db, connection_id, now, feed=feed),
        }


def _json(value: Any) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")


def _error(status_code: int, sentence: str) -> Response:
    return JSONResponse({"error": sentence}, status_code=status_code)
