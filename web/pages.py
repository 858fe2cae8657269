"""The pages: what a user sees of their connections and trades. Every query carries the user."""

import time
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from shared import exchanges
from shared.domain.errors import BadInput, StoreUnavailable
from shared.storage import balances, reading, status, tickers
from shared.storage.pool import Pool, borrow
from shared.storage.reading import TradeFilter
from web import present
from web.door import get_user, page
from web.present import Shown

SHOWN_TRADES = 100


async def overview(request: Request) -> Response:
    """The first page: prices, connections, trades; kept current by the live feed."""
    user = await get_user(request)
    found = await run_in_threadpool(_overview, request.app.state.pool, user.id)
    return page(request, "overview.html", {"user": user, **found})


async def connection(request: Request) -> Response:
    """One connection: what is proven, its balances, its sync sessions."""
    user = await get_user(request)
    found = await run_in_threadpool(_connection, request.app.state.pool, user.id, request.path_params["connection_id"])
    if found is None:
        raise HTTPException(404, "There is no such connection.")
    return page(request, "connection.html", {"user": user, **found})


def now_ms() -> int:
    """This machine's time."""
    return time.time_ns() // 1_000_000


def snapshot(pool: Pool, user_id: UUID) -> dict[str, Any]:
    """A user's connections and count of trades, as the page shows them."""
    with borrow(pool) as db:
        states = status.connection_statuses(db, now_ms(), user_id=user_id)
    return {
        "connections": [present.connection(state) for state in states],
        "trade_count": f"{sum(state.trades for state in states):,}",
    }


def prices_of(pool: Pool, user_id: UUID) -> list[Shown]:
    """The latest prices at the exchanges that the user has connected."""
    with borrow(pool) as db:
        own = {state.exchange for state in status.connection_statuses(db, now_ms(), user_id=user_id)}
        known = tickers.prices(db)
    return [
        {
            "exchange": present.title(price.exchange),
            "symbol": price.ticker.symbol,
            "last": present.plain(price.ticker.last),
        }
        for price in sorted(known, key=lambda price: (price.ticker.symbol, price.exchange))
        if price.exchange in own and price.ticker.last is not None
    ]


def _overview(pool: Pool, user_id: UUID) -> dict[str, Any]:
    with borrow(pool) as db:
        lines = reading.list_trades(db, TradeFilter(user_id=user_id), limit=SHOWN_TRADES)
    return {
        **snapshot(pool, user_id),
        "prices": prices_of(pool, user_id),
        "trades": [present.trade(line) for line in lines],
        "last_id": max((line.id for line in lines), default=0),
    }


def _connection(pool: Pool, user_id: UUID, connection_id: UUID) -> dict[str, Any] | None:
    with borrow(pool) as db:
        states = status.connection_statuses(db, now_ms(), user_id=user_id, connection_id=connection_id)
        if not states:
            return None
        return {
            "connection": present.connection(states[0]),
            "feeds": [present.feed(feed) for feed in status.feed_statuses(db, connection_id, now_ms())],
            "balances": [
                {
                    "account_type": line.account_type,
                    "asset": line.asset,
                    "total": present.plain(line.total),
                    "free": present.plain(line.free),
                    "used": present.plain(line.used),
                }
                for line in balances.list_balances(db, user_id=user_id, connection_id=connection_id)
            ],
            "sessions": [
                present.session(line)
                for line in status.latest_sessions(db, user_id=user_id, connection_id=connection_id, limit=30)
            ],
            "not_in_history": _not_in_history(states[0].exchange),
        }


def _not_in_history(exchange: str) -> tuple[str, ...]:
    try:
        return exchanges.load(exchange).not_in_history
    except BadInput:
        return ()


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 401:
        return RedirectResponse("/login", status_code=303) if request.method == "GET" else Response(status_code=401)
    titles = {403: "Not allowed", 404: "Not found"}
    return _problem(request, titles.get(error.status_code, "That did not work"), error.detail, error.status_code)


async def _store_gone(request: Request, _: Exception) -> Response:
    sentence = "The database does not answer right now. Nothing is lost; reload the page in a moment."
    return _problem(request, "Just a moment", sentence, 503)


def _problem(request: Request, title: str, sentence: str, status_code: int) -> Response:
    context = {"user": None, "title": title, "sentence": sentence}
    answer: Response = request.app.state.templates.TemplateResponse(
        request, "problem.html", context, status_code=status_code
    )
    return answer


HANDLERS: Mapping[Any, Callable[..., Any]] = {HTTPException: _refused, StoreUnavailable: _store_gone}
