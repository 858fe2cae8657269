"""Which markets were traded: the exchange wants a symbol with each question for fills, and nobody lists them.

Contracts are named by their orders and positions. For spot held coins and a short allow-list of the key hint at
symbols; a coin that was bought and sold in between leaves no trace, so all others are swept.
"""

from collections.abc import Mapping
from typing import Any

from shared.domain.connections import Account
from shared.domain.errors import ContractBroken, PageStuck, PermissionMissing
from shared.domain.markets import Markets
from shared.domain.trades import Product
from shared.exchanges.kit.contract import Endpoint, Feed, Found, Request, Steps
from shared.exchanges.kit.fields import row_of
from shared.exchanges.kit.paging import DAY_MS
from shared.exchanges.mexc.account import spot_wallet
from shared.exchanges.mexc.rest import (
    CLOCK,
    FUTURES_ORDERS,
    OLD_POSITIONS,
    OPEN_POSITIONS,
    SELF_SYMBOLS,
    SPOT_WALLET,
    read_clock,
)
from shared.exchanges.mexc.rows import FUTURES

_PAGE = 100
_LONGEST_MS = 90 * DAY_MS - 600_000
_SHORT_LIST = 100  # symbols: a key without an allow-list may use all of them


def discover(account: Account, markets: Markets) -> Steps[Found]:
    """The markets worth reading, and spot's others as a sweep."""
    traded: tuple[Feed, ...] = ()
    sweep: tuple[Feed, ...] = ()
    if Product.SPOT in account.products:
        likely = yield from _on_spot(markets)
        every = tuple(market.id for market in markets.of(Product.SPOT))
        traded = tuple(Feed(Product.SPOT, symbol) for symbol in every if symbol in likely)
        sweep = tuple(Feed(Product.SPOT, symbol) for symbol in every if symbol not in likely)
    if set(FUTURES) & set(account.products):
        symbols = yield from _on_futures()
        feeds = (Feed(_product_of(symbol, markets), symbol) for symbol in sorted(symbols))
        traded += tuple(feed for feed in feeds if feed.product in account.products)
    return Found(feeds=traded, sweep=sweep)


def _product_of(symbol: str, markets: Markets) -> Product:
    """Delisted contracts are not in the list any more: those in USD are the inverse ones."""
    listed = [product for product in FUTURES if markets.find(product, symbol)]
    return listed[0] if listed else Product.INVERSE if symbol.endswith("_USD") else Product.LINEAR


def _on_spot(markets: Markets) -> Steps[set[str]]:
    answer = yield Request(SPOT_WALLET)
    held = {balance.asset for balance in spot_wallet(answer.data) if balance.total}
    likely = {market.id for market in markets.of(Product.SPOT) if market.base in held}
    try:
        answer = yield Request(SELF_SYMBOLS)
    except (ContractBroken, PermissionMissing):
        return likely
    allowed = row_of(answer.data, "the symbols of the key").get("data")
    if isinstance(allowed, list) and len(allowed) <= _SHORT_LIST:
        likely |= {str(symbol) for symbol in allowed}
    return likely


def _on_futures() -> Steps[set[str]]:
    """Orders are listed by when they were made: older ones that filled since left a position, open or closed."""
    now_ms = read_clock((yield Request(CLOCK)).data)
    between = {"start_time": now_ms - _LONGEST_MS, "end_time": now_ms}
    answer = yield Request(OPEN_POSITIONS)
    symbols = _symbols(answer.data)
    symbols |= yield from _paged(OLD_POSITIONS, {})
    return symbols | (yield from _paged(FUTURES_ORDERS, between))


def _paged(endpoint: Endpoint, params: Mapping[str, Any]) -> Steps[set[str]]:
    """The symbols of all pages, to a short one."""
    found: set[str] = set()
    page, before = 1, None
    while True:
        answer = yield Request(endpoint, {**params, "page_num": page, "page_size": _PAGE})
        rows = _rows(answer.data)
        if rows and rows == before:
            raise PageStuck
        found |= _symbols(answer.data)
        if len(rows) < _PAGE:
            return found
        page, before = page + 1, rows


def _symbols(response: Any) -> set[str]:
    return {str(row["symbol"]) for row in _rows(response) if isinstance(row, Mapping) and row.get("symbol")}


def _rows(response: Any) -> list[Any]:
    data = row_of(response, "the response").get("data")
    rows = data.get("resultList") if isinstance(data, Mapping) else data
    return rows if isinstance(rows, list) else []
