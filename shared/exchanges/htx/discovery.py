"""Which contracts were traded: V5 answers for one contract at a time. Bills and open positions tell of them.

All other contracts are swept once a day, well within the three days that V5 shows. The same for spot where the
exchange wants a symbol named: orders of two days and held coins hint at what was traded.
"""

from collections.abc import Mapping
from typing import Any

from shared.domain.connections import Account
from shared.domain.errors import ContractBroken, MarketGone, PermissionMissing
from shared.domain.markets import Markets
from shared.domain.trades import Product
from shared.exchanges.htx.account import balances
from shared.exchanges.htx.history import ISOLATED, LONGEST_MS
from shared.exchanges.htx.rest import BILLS, CLOCK, LEGACY, ORDERS, POSITIONS, read_clock
from shared.exchanges.kit.contract import Endpoint, Feed, Found, Request, Steps

_BILL_WINDOWS = 2  # of two days each: V5 shows no older executions
_PAGE = 100
# Bills only hint at contracts: an account so busy that these do not hold its days has its others swept.
_MOST_PAGES = 50


def discover(account: Account, markets: Markets) -> Steps[Found]:
    """Feeds of what was probably traded, and of everything else as a sweep."""
    likely: list[Feed] = []
    sweep: list[Feed] = []
    if Product.SPOT in account.products and account.details.get("needs_symbol"):
        traded = yield from _traded_spot(account, markets)
        for market in markets.of(Product.SPOT):
            (likely if market.id in traded else sweep).append(Feed(Product.SPOT, market.id))
    if Product.LINEAR in account.products:
        # The interface before V5 tells of no contracts: there, all are swept.
        codes: set[str] = set() if account.mode == LEGACY else (yield from _traded_contracts())
        parts = ("", ISOLATED) if account.mode == LEGACY else ("",)
        listed = [market.id for market in markets.of(Product.LINEAR)]
        sweep += [Feed(Product.LINEAR, code, part) for code in listed if code not in codes for part in parts]
        likely += [Feed(Product.LINEAR, code) for code in sorted(codes)]
    return Found(tuple(likely), tuple(sweep))


def _traded_spot(account: Account, markets: Markets) -> Steps[set[str]]:
    wallets = yield from balances(account)
    held = {balance.asset for balance in wallets.balances if balance.total}
    try:
        answer = yield Request(ORDERS, {"size": 1_000})
        ordered = _named(answer.data, "symbol")
    except (ContractBroken, MarketGone, PermissionMissing):  # not everybody may leave the symbol out here either
        ordered = set()
    return ordered | {market.id for market in markets.of(Product.SPOT) if market.base in held}


def _traded_contracts() -> Steps[set[str]]:
    answer = yield Request(POSITIONS)
    codes = _named(answer.data, "contract_code")
    answer = yield Request(CLOCK)
    until = read_clock(answer.data)
    for _ in range(_BILL_WINDOWS):
        codes |= yield from _billed(BILLS, until - LONGEST_MS, until)
        until -= LONGEST_MS
    return codes


def _billed(endpoint: Endpoint, since: int, until: int) -> Steps[set[str]]:
    codes: set[str] = set()
    params: dict[str, Any] = {"start_time": since, "end_time": until, "limit": _PAGE}
    for _ in range(_MOST_PAGES):
        answer = yield Request(endpoint, dict(params))
        rows = answer.data.get("data") if isinstance(answer.data, Mapping) else None
        if not isinstance(rows, list) or not rows:
            break
        codes |= _named(answer.data, "contract_code")
        last = rows[-1].get("id") if isinstance(rows[-1], Mapping) else None
        if len(rows) < _PAGE or not last or str(last) == params.get("from"):
            break
        params |= {"from": str(last), "direct": "next"}
    return codes


def _named(response: Any, name: str) -> set[str]:
    data = response.get("data") if isinstance(response, Mapping) else None
    rows = data if isinstance(data, list) else []
    return {str(row[name]) for row in rows if isinstance(row, Mapping) and row.get(name)}
