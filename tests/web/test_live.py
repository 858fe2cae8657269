"""The live feed: trades reach the open page at once, and a cut feed goes on where it was."""

import shutil
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import httpx
import msgspec
import pytest
import redis

from tests.fixtures.stored import a_trade
from tests.web.conftest import PASSWORD, Page


def messages(answer: httpx.Response) -> Iterator[tuple[str, str, Any]]:
    """Each server-sent event as its name, id and data."""
    fields: dict[str, str] = {}
    for line in answer.iter_lines():
        if not line:
            if "event" in fields:
                yield fields["event"], fields.get("id", ""), msgspec.json.decode(fields["data"])
            fields = {}
        elif not line.startswith(":"):
            name, _, value = line.partition(": ")
            fields[name] = value


Heard = Iterator[tuple[str, str, Any]]


def ids_until(heard_messages: Heard, wanted: int) -> tuple[list[int], str]:
    """The ids of trades heard until the wanted one, and the feed's mark then."""
    heard: list[int] = []
    for name, mark, data in heard_messages:
        if name == "trades":
            heard += [trade["id"] for trade in data]
            if wanted in heard:
                return heard, mark
    raise AssertionError(f"the feed ended after {heard}")


@pytest.fixture
def mine(site: Page) -> UUID:
    return site.connect(site.sign_up("ann@example.com"), exchange="binance")


def test_a_trade_reaches_the_open_feed(site: Page, mine: UUID):
    with site.browser("ann@example.com").stream("GET", "/live") as answer:
        feed = messages(answer)
        next(feed)
        (new_id,) = site.trade(mine, a_trade(1)).new_ids
        assert ids_until(feed, new_id)[0] == [new_id]


def test_a_feed_that_was_cut_resumes_without_a_hole(site: Page, mine: UUID):
    client = site.browser("ann@example.com")
    (first,) = site.trade(mine, a_trade(1)).new_ids
    with client.stream("GET", "/live") as answer:
        _, mark = ids_until(messages(answer), first)
    missed = site.trade(mine, a_trade(2), a_trade(3)).new_ids
    with client.stream("GET", "/live", headers={"last-event-id": mark}) as answer:
        heard, _ = ids_until(messages(answer), missed[-1])
    assert set(missed) <= set(heard)


def test_a_trade_whose_hint_was_lost_still_reaches_the_feed(site: Page, mine: UUID):
    with site.browser("ann@example.com").stream("GET", "/live") as answer:
        feed = messages(answer)
        next(feed)
        (new_id,) = site.trade(mine, a_trade(1), told=False).new_ids
        assert ids_until(feed, new_id)[0] == [new_id]


def test_hearing_goes_on_after_redis_cut_every_client(site: Page, mine: UUID):
    with site.browser("ann@example.com").stream("GET", "/live") as answer:
        feed = messages(answer)
        next(feed)
        with redis.Redis.from_url(site.redis_url) as client:
            client.client_kill_filter(_type="pubsub")
        (new_id,) = site.trade(mine, a_trade(1)).new_ids
        assert new_id in ids_until(feed, new_id)[0]


@pytest.mark.parametrize("mark", ["-1", "x", "9" * 40, "٣"])
def test_a_senseless_mark_starts_from_the_beginning(site: Page, mine: UUID, mark: str):
    (new_id,) = site.trade(mine, a_trade(1)).new_ids
    with site.browser("ann@example.com").stream("GET", f"/live?after={mark}") as answer:
        assert ids_until(messages(answer), new_id)[0] == [new_id]


def test_the_open_page_shows_a_trade_as_it_happens(site: Page, mine: UUID, browser: Any, tmp_path: Any):
    page = browser.new_page(viewport={"width": 390, "height": 844})
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(f"{site.url}/login")
    page.fill("input[name=email]", "ann@example.com")
    page.fill("input[name=password]", PASSWORD)
    page.click("main button")
    page.wait_for_selector("#live[data-state=on]", state="attached")
    (new_id,) = site.trade(mine, a_trade(1)).new_ids
    page.wait_for_selector(f'tr[data-id="{new_id}"]')
    again = site.trade(mine, a_trade(1), a_trade(2)).new_ids
    page.wait_for_selector(f'tr[data-id="{again[0]}"]')
    assert page.locator("#trades tr").count() == 2
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= 390
    assert problems == []


@pytest.fixture
def browser() -> Iterator[Any]:
    """Headless Chromium; skipped where there is none, unless CI says that it must be there."""
    import os

    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        if os.environ.get("CI"):
            pytest.fail("Chromium is missing; install the package chromium.")
        pytest.skip("no Chromium on this machine; install the package chromium")
    from playwright.sync_api import sync_playwright

    flags = [
        *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
        *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    ]
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=flags)
        yield chromium
        chromium.close()
