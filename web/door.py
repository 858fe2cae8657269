"""Who comes in: the login form, the session cookie, and the token that protects forms."""

import hmac
import secrets
from collections import OrderedDict
from datetime import timedelta
from time import monotonic
from typing import Any
from uuid import UUID

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from shared.storage import audit, users
from shared.storage.pool import Pool, borrow
from shared.storage.users import User
from shared.vault.passwords import is_password, spend_the_same_time

COOKIE = "tradesync_session"
FORM_COOKIE = "tradesync_form"
SESSION = timedelta(days=14)
_LOCAL = {"127.0.0.1", "::1"}
WRONG = "That e-mail address and password do not belong together."


class Attempts:
    """Counts failed logins per address and e-mail: after ten within a quarter of an hour it asks for a pause."""

    MOST, WITHIN, KEPT = 10, 900.0, 10_000

    def __init__(self) -> None:
        self._failed: OrderedDict[str, list[float]] = OrderedDict()

    def is_blocked(self, *keys: str) -> bool:
        """Whether any of these has failed too often lately."""
        since = monotonic() - self.WITHIN
        return any(sum(at > since for at in self._failed.get(key, ())) >= self.MOST for key in keys)

    def failed(self, *keys: str) -> None:
        """One more failure."""
        for key in keys:
            self._failed[key] = [*self._failed.get(key, [])[1 - self.MOST :], monotonic()]
            self._failed.move_to_end(key)
        while len(self._failed) > self.KEPT:
            self._failed.popitem(last=False)


async def show_login(request: Request) -> Response:
    """The login form."""
    if await find_user(request) is not None:
        return RedirectResponse("/", status_code=303)
    return _form(request)


async def log_in(request: Request) -> Response:
    """Check the password and hand out a session cookie."""
    form = await request.form()
    email, password = str(form.get("email", "")), str(form.get("password", ""))
    check_form(request, str(form.get("csrf", "")))
    attempts: Attempts = request.app.state.attempts
    keys = (f"address:{address(request)}", f"email:{email.lower()}")
    if attempts.is_blocked(*keys):
        return _form(request, "Too many failed attempts. Try again in a quarter of an hour.", email, status=429)
    token = await run_in_threadpool(_open_session, request.app.state.pool, email, password)
    if token is None:
        attempts.failed(*keys)
        return _form(request, WRONG, email, status=401)
    answer = RedirectResponse("/", status_code=303)
    _set_cookie(request, answer, COOKIE, token, lasts=SESSION)
    return answer


async def log_out(request: Request) -> Response:
    """End this browser's session."""
    form = await request.form()
    check_form(request, str(form.get("csrf", "")))
    token = request.cookies.get(COOKIE, "")
    if token:
        await run_in_threadpool(_end_session, request.app.state.pool, token)
    answer = RedirectResponse("/login", status_code=303)
    answer.delete_cookie(COOKIE)
    return answer


async def find_user(request: Request) -> User | None:
    """The user this browser is logged in as, or None."""
    token = request.cookies.get(COOKIE, "")
    return await run_in_threadpool(_user_of, request.app.state.pool, token) if token else None


async def get_user(request: Request) -> User:
    """The user this browser is logged in as. Raises `HTTPException` 401, which leads to the login form."""
    user = await find_user(request)
    if user is None:
        raise HTTPException(401)
    return user


def address(request: Request) -> str:
    """Who asks. A router appends the real address to `X-Forwarded-For`; what stands before it anyone can write."""
    told = request.headers.get("x-forwarded-for", "").rpartition(",")[2].strip()
    return told or (request.client.host if request.client else "")


def is_local(request: Request) -> bool:
    """Whether a program on this machine asks, without a router between."""
    return "x-forwarded-for" not in request.headers and request.client is not None and request.client.host in _LOCAL


def is_https(request: Request) -> bool:
    """Whether the browser speaks to us through TLS."""
    public: str = request.app.state.settings.public_url
    return public.startswith("https://") if public else request.headers.get("x-forwarded-proto") == "https"


def form_token(request: Request) -> str:
    """What a form on this page must send back; it belongs to the browser's form cookie."""
    known: str | None = getattr(request.state, "form_token", None) or request.cookies.get(FORM_COOKIE)
    request.state.form_token = known or secrets.token_urlsafe(24)
    return str(request.state.form_token)


def check_form(request: Request, sent: str) -> None:
    """Raises `HTTPException` 403 when a form was not sent from our own page."""
    known = request.cookies.get(FORM_COOKIE, "")
    if not known or not hmac.compare_digest(known.encode(), sent.encode()):
        raise HTTPException(403, "This form is stale. Go back, reload the page and send it again.")


def page(request: Request, name: str, context: dict[str, Any], *, status: int = 200) -> Response:
    """A rendered template, with the form cookie that its forms need."""
    token = form_token(request)
    answer: Response = request.app.state.templates.TemplateResponse(
        request, name, {"csrf": token, **context}, status_code=status
    )
    if request.cookies.get(FORM_COOKIE) != token:
        _set_cookie(request, answer, FORM_COOKIE, token, lasts=SESSION)
    return answer


def _form(request: Request, problem: str = "", email: str = "", *, status: int = 200) -> Response:
    return page(request, "login.html", {"problem": problem, "email": email, "user": None}, status=status)


def _set_cookie(request: Request, answer: Response, name: str, value: str, *, lasts: timedelta) -> None:
    answer.set_cookie(
        name,
        value,
        max_age=int(lasts.total_seconds()),
        httponly=True,
        samesite="lax",
        secure=is_https(request),
        path="/",
    )


def _open_session(pool: Pool, email: str, password: str) -> str | None:
    with borrow(pool) as db:
        user = users.find_user(db, email)
        stored = users.password_hash(db, user.id) if user else ""
    if user is None:
        spend_the_same_time()
        return None
    if not is_password(password, stored) or not user.is_active:
        return None
    with borrow(pool) as db:
        _note(db, user.id)
        return users.add_token(db, user.id, "session", lasts=SESSION)


def _note(db: Any, user_id: UUID) -> None:
    audit.record_deed(db, actor=f"user:{user_id}", action="user.logged_in", user_id=user_id)


def _end_session(pool: Pool, token: str) -> None:
    with borrow(pool) as db:
        users.end_token(db, token)


def _user_of(pool: Pool, token: str) -> User | None:
    with borrow(pool) as db:
        return users.find_user_by_token(db, token, kind="session")


def user_of_token(pool: Pool, token: str) -> User | None:
    """The user whom a program's token lets in, or None."""
    with borrow(pool) as db:
        return users.find_user_by_token(db, token, kind="token")
