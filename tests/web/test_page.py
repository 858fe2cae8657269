"""The page without scripts: who sees what, and what stands in each answer."""

from collections.abc import Callable
from uuid import uuid4

import httpx
import pytest

from shared.domain.errors import KeyRejected
from shared.storage import connections, users
from tests.fixtures.stored import a_trade
from tests.web.conftest import Page


def test_a_stranger_is_led_to_the_login_form(site: Page):
    answer = site.browser().get("/")
    assert answer.url.path == "/login"
    assert "Log in" in answer.text


def test_a_user_sees_their_connections_and_trades(site: Page):
    user = site.sign_up("ann@example.com")
    mine = site.connect(user, exchange="binance", label="savings")
    site.trade(mine, a_trade(1), a_trade(2))
    text = site.browser("ann@example.com").get("/").text
    assert "savings" in text
    assert text.count('data-id="') == 2


def test_a_wrong_password_lets_nobody_in_and_tells_nothing(site: Page):
    site.sign_up("ann@example.com")
    client = site.browser()
    client.get("/login")
    form = {"csrf": client.cookies["tradesync_form"], "password": "wrong"}
    known = client.post("/login", data={**form, "email": "ann@example.com"})
    unknown = client.post("/login", data={**form, "email": "bob@example.com"})
    assert (known.status_code, unknown.status_code) == (401, 401)
    assert "do not belong together" in known.text
    assert known.text.replace("ann@", "bob@") == unknown.text


def test_too_many_wrong_passwords_ask_for_a_pause(site: Page):
    site.sign_up("ann@example.com")
    client = site.browser()
    client.get("/login")
    form = {"csrf": client.cookies["tradesync_form"], "email": "ann@example.com", "password": "wrong"}
    codes = [client.post("/login", data=form).status_code for _ in range(11)]
    assert codes == [401] * 10 + [429]


def test_a_form_from_elsewhere_is_refused(site: Page):
    site.sign_up("ann@example.com")
    client = site.browser()
    assert client.post("/login", data={"email": "ann@example.com", "password": "x"}).status_code == 403


def test_logging_out_ends_the_session_for_good(site: Page):
    site.sign_up("ann@example.com")
    client = site.browser("ann@example.com")
    token = client.cookies["tradesync_session"]
    client.post("/logout", data={"csrf": client.cookies["tradesync_form"]})
    client.cookies.set("tradesync_session", token)
    assert client.get("/").url.path == "/login"


@pytest.mark.parametrize("route", ["/connections/{}", "/live"])
def test_no_route_shows_a_user_what_belongs_to_another(site: Page, route: str):
    ann, bob = site.sign_up("ann@example.com"), site.sign_up("bob@example.com")
    hers = site.connect(ann, exchange="binance", label="hers")
    site.trade(hers, a_trade(1))
    site.connect(bob, exchange="kraken", label="his")
    client = site.browser("bob@example.com")
    if route == "/live":
        with client.stream("GET", "/live") as answer:
            chunks = answer.iter_text()
            heard = "".join(next(chunks) for _ in range(2))
        assert "hers" not in heard
        assert "event: trades" not in heard
        return
    assert client.get(route.format(hers)).status_code == 404
    assert client.get(route.format(uuid4())).status_code == 404
    assert "hers" not in client.get("/").text


def test_a_suspended_connection_says_what_to_do(site: Page):
    user = site.sign_up("ann@example.com")
    mine = site.connect(user, exchange="binance")
    connections.suspend(site.db, mine, KeyRejected("The exchange refused the key.", hint="Make a new one."))
    text = site.browser("ann@example.com").get(f"/connections/{mine}").text
    assert "The exchange refused the key. Make a new one." in text
    assert 'data-status="suspended"' in text


def test_what_users_write_is_shown_as_text(site: Page):
    user = site.sign_up("ann@example.com")
    site.connect(user, exchange="binance", label="<script>alert(1)</script>")
    answer = site.browser("ann@example.com").get("/")
    assert "<script>alert" not in answer.text
    assert "script-src 'self'" in answer.headers["content-security-policy"]


def test_probes_tell_alive_from_ready(site: Page):
    client = site.browser()
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").json() == {"status": "ok", "postgres": "ok", "redis": "ok"}


def test_without_redis_the_page_answers_and_readiness_names_it(serve: Callable[..., Page]):
    site = serve(REDIS_URL="redis://127.0.0.1:1")
    site.sign_up("ann@example.com")
    assert site.browser("ann@example.com").get("/").status_code == 200
    answer = site.browser().get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["redis"] == "does not answer"


def test_without_postgres_the_page_says_so_and_the_process_lives(serve: Callable[..., Page]):
    site = serve(DATABASE_URL="postgres://nobody:nothing@127.0.0.1:1/none")
    client = site.browser()
    client.cookies.set("tradesync_session", "ts_something")
    answer = client.get("/", timeout=30)
    assert answer.status_code == 503
    assert "does not answer right now" in answer.text
    assert client.get("/healthz").status_code == 200
    assert client.get("/readyz").json()["postgres"] == "does not answer"


def test_metrics_name_no_user_and_ask_for_their_token(serve: Callable[..., Page]):
    site = serve(METRICS_TOKEN="let-me-see")
    user = site.sign_up("ann@example.com")
    mine = site.connect(user, exchange="binance")
    site.trade(mine, a_trade(1))
    assert site.browser().get("/metrics").status_code == 403
    text = site.browser().get("/metrics", headers={"authorization": "Bearer let-me-see"}).text
    assert 'tradesync_connections{exchange="binance",status="new"} 1.0' in text
    assert 'tradesync_up{dependency="postgres"} 1.0' in text
    assert 'tradesync_up{dependency="redis"} 1.0' in text
    assert str(mine) not in text
    assert "ann@example.com" not in text


def test_metrics_without_a_token_are_for_this_machine_only(site: Page):
    assert site.browser().get("/metrics").status_code == 200
    assert site.browser().get("/metrics", headers={"x-forwarded-for": "127.0.0.1"}).status_code == 403


def test_the_record_of_what_is_proven_is_given_to_programs_with_a_token(site):
    ann, bob = site.sign_up("ann@example.com"), site.sign_up("bob@example.com")
    mine, theirs = site.connect(ann), site.connect(bob)
    token = users.add_token(site.db, ann, "token")
    with httpx.Client(base_url=site.url, headers={"Authorization": f"Bearer {token}"}) as program:
        told = program.get(f"/api/connections/{mine}/coverage")
        assert (told.status_code, told.json()["connection"]) == (200, str(mine))
        assert told.json()["feeds"] == []
        assert program.get(f"/api/connections/{theirs}/coverage").status_code == 404
    with httpx.Client(base_url=site.url) as stranger:
        refused = stranger.get(f"/api/connections/{mine}/coverage", headers={"Authorization": "Bearer ts_no"})
        assert refused.status_code == 401
        assert "tradesync user token" in refused.json()["error"]
    assert site.browser("bob@example.com").get(f"/api/connections/{mine}/coverage").status_code == 404
