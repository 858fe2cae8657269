"""What moved one account of a coin: every fill, and what was sent, received, paid in or out; newest first.

From https://docs.cdp.coinbase.com/coinbase-app/track-apis/transactions, read 2026-11: pages go on after a row's id.
"""

from collections.abc import Iterator
from decimal import Decimal
from heapq import merge
from itertools import dropwhile, islice
from operator import itemgetter
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from simulator.coinbase.errors import listed
from simulator.coinbase.fills import limit_of
from simulator.coinbase.listings import FIAT
from simulator.coinbase.rows import commission, written_s
from simulator.coinbase.wallets import SPOT_WALLET, holdings, own_id
from simulator.dialect import Call, Refusal
from simulator.truth import SPOT, Account, Fill, plain

Moved = tuple[int, str, dict[str, Any]]
USUAL_PAGE, LARGEST_PAGE = 25, 100


def transactions(call: Call) -> Any:
    """GET /v2/accounts/{account}/transactions."""
    account, limit = call.account, limit_of(call, USUAL_PAGE, LARGEST_PAGE)
    wallet, coin = _named(call)
    found = merge(_of_fills(call, wallet, coin), _of_money(account, wallet, coin), key=itemgetter(0), reverse=True)
    rows: Iterator[dict[str, Any]] = (row for _, _, row in found)
    after = call.params.get("starting_after", "")
    if after:
        rows = islice(dropwhile(lambda row: row["id"] != after, rows), 1, None)
    page = list(islice(rows, limit))
    following = page[-1]["id"] if page and next(rows, None) is not None else None
    path = f"/v2/accounts/{call.names['account']}/transactions"
    pages = {"ending_before": None, "starting_after": after or None, "limit": limit, "order": "desc"}
    uri = following and f"{path}?limit={limit}&starting_after={following}"
    return {"pagination": {**pages, "next_starting_after": following, "next_uri": uri}, "data": page}


def _named(call: Call) -> tuple[str, str]:
    for wallet, coin, _ in holdings(call.account):
        if own_id(call.account, wallet, coin) == call.names["account"]:
            return wallet, coin
    raise Refusal(listed(404, "not_found", "Not found"))


def _row(account: Account, wallet: str, coin: str, name: str, moment_ms: int, amount: Decimal, kind: str) -> Moved:
    own = str(uuid5(NAMESPACE_OID, f"{account.uid} {wallet} {coin} {name}"))
    moment = written_s(moment_ms)
    row = {
        "id": own,
        "type": kind,
        "status": "completed",
        "amount": {"amount": plain(amount), "currency": coin},
        "native_amount": {"amount": plain(amount), "currency": "USD"},
        "created_at": moment,
        "updated_at": moment,
        "resource": "transaction",
        "resource_path": f"/v2/accounts/{own_id(account, wallet, coin)}/transactions/{own}",
    }
    return moment_ms, own, row


def _of_fills(call: Call, wallet: str, coin: str) -> Iterator[Moved]:
    if wallet != SPOT_WALLET:
        return
    for fill in call.account.read_fills(call.now_ms, product=SPOT, newest_first=True):
        if coin in {fill.market.base, fill.market.quote}:
            yield _of_fill(call.account, fill, coin)


def _of_fill(account: Account, fill: Fill, coin: str) -> Moved:
    """The commission is part of what moved."""
    sign = 1 if fill.side == "buy" else -1
    amount = sign * fill.amount if coin == fill.market.base else -sign * fill.cost - commission(fill)
    name = f"fill {fill.sequence}"
    moved = _row(account, SPOT_WALLET, coin, name, fill.timestamp_ms, amount, "advanced_trade_fill")
    moved[2]["advanced_trade_fill"] = {
        "fill_price": plain(fill.price),
        "product_id": fill.market.id,
        "order_id": fill.order.id,
        "commission": plain(commission(fill)),
        "order_side": fill.side,
    }
    return moved


def _of_money(account: Account, wallet: str, coin: str) -> list[Moved]:
    found = [
        _row(account, wallet, coin, f"money {place}", moment, amount, _kind(coin, amount))
        for place, (moment, where, asset, amount) in enumerate(account.deposits)
        if (where, asset) == (wallet, coin)
    ]
    return sorted(found, key=itemgetter(0), reverse=True)


def _kind(coin: str, amount: Decimal) -> str:
    if coin in FIAT:
        return "fiat_deposit" if amount > 0 else "fiat_withdrawal"
    return "receive" if amount > 0 else "send"
