"""The page as an application: routes, headers, and what lives as long as the process."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.templating import Jinja2Templates
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.settings import Settings
from shared.storage.pool import open_pool
from web import api, door, health, live, metrics, pages, presence

HERE = Path(__file__).parent
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = [
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
]


def create_app(settings: Settings) -> Starlette:
    """The application. Postgres and Redis may be absent: pages then say so, `/healthz` answers all the same."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[Mapping[str, Any]]:
        pool = open_pool(
            settings.database_url.get_secret_value(),
            kind="web",
            size=settings.database_connections,
            pooler=settings.database_pooler,
        )
        hub = live.Hub(settings, pool)
        app.state.settings, app.state.pool, app.state.hub = settings, pool, hub
        app.state.templates = Jinja2Templates(directory=HERE / "templates")
        app.state.readiness = health.Readiness(settings, pool)
        app.state.attempts = door.Attempts()
        async with hub.running(), presence.shown(pool):
            yield {}
        pool.close()

    routes = [
        Route("/", pages.overview),
        Route("/connections/{connection_id:uuid}", pages.connection),
        Route("/login", door.show_login, methods=["GET"]),
        Route("/login", door.log_in, methods=["POST"]),
        Route("/logout", door.log_out, methods=["POST"]),
        Route("/api/connections/{connection_id:uuid}/coverage", api.coverage),
        Route("/live", live.feed),
        Route("/healthz", health.healthz),
        Route("/readyz", health.readyz),
        Route("/metrics", metrics.metrics),
        Mount("/static", StaticFiles(directory=HERE / "static")),
    ]
    handlers: Mapping[Any, Callable[..., Any]] = pages.HANDLERS
    return Starlette(routes=routes, middleware=[Middleware(_Headers)], exception_handlers=handlers, lifespan=lifespan)


class _Headers:
    """Puts the security headers on every answer; pages of a user are never kept by caches."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        fixed = scope["path"].startswith("/static/")

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                kept = b"public, max-age=300" if fixed else b"no-store"
                message["headers"] = [*message["headers"], *HEADERS, (b"cache-control", kept)]
            await send(message)

        await self.app(scope, receive, with_headers)
