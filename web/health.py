"""Probes: `/healthz` says that the process lives, `/readyz` that it can work."""

from time import monotonic

import redis
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from shared.domain.errors import StoreUnavailable
from shared.queue.wire import open_wire
from shared.settings import Settings
from shared.storage import schema
from shared.storage.pool import Pool, borrow


class Readiness:
    """What this process needs: Postgres with today's schema, and Redis. Asked at most every two seconds."""

    KEPT = 2.0

    def __init__(self, settings: Settings, pool: Pool) -> None:
        self._settings, self._pool = settings, pool
        self._found: dict[str, str] = {}
        self._asked = -self.KEPT
        self._redis = open_wire(
            settings.redis_url.get_secret_value(), verify_tls=settings.redis_tls_verify, connections=2
        )

    def findings(self) -> dict[str, str]:
        """Per dependency "ok" or what is wrong with it."""
        if monotonic() - self._asked >= self.KEPT:
            self._found = {"postgres": self._postgres(), "redis": self._wire()}
            self._asked = monotonic()
        return self._found

    def _postgres(self) -> str:
        try:
            with borrow(self._pool, 3) as db:
                return "ok" if schema.is_current(db) else "the schema is not current; run tradesync migrate"
        except StoreUnavailable:
            return "does not answer"

    def _wire(self) -> str:
        try:
            self._redis.ping()
        except redis.RedisError:
            return "does not answer"
        return "ok"


async def healthz(_: Request) -> Response:
    """The process is alive. Asks nobody."""
    return JSONResponse({"status": "ok"})


async def readyz(request: Request) -> Response:
    """200 when Postgres, its schema and Redis are there, else 503 with what is missing."""
    readiness: Readiness = request.app.state.readiness
    found = await run_in_threadpool(readiness.findings)
    good = all(value == "ok" for value in found.values())
    return JSONResponse({"status": "ok" if good else "not ready", **found}, status_code=200 if good else 503)
