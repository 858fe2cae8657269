"""Every REST path, what it costs, and which of a key's permissions it asks for."""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from simulator.dialect import Call, Route
from simulator.http import Response
from simulator.kraken.errors import good
from simulator.kraken.history import query_orders, trades_history
from simulator.kraken.keys import QUERY_CLOSED, QUERY_FUNDS, QUERY_LEDGERS, QUERY_OPEN, SOCKETS, key_report
from simulator.kraken.ledgers import ledgers
from simulator.kraken.listings import asset_id, asset_pairs, assets, short_name
from simulator.kraken.tokens import LIFE_S, Tokens
from simulator.truth import SPOT, plain

HOST = "api.kraken.com"
EARN = "earn"


def routes(tokens: Tokens) -> Iterator[Route]:
    """`weight` is what a call adds to its key's counter."""
    for name, public in (("Time", _time), ("SystemStatus", _status), ("Assets", assets), ("AssetPairs", asset_pairs)):
        yield Route(method="GET", host=HOST, path=f"/0/public/{name}", handler=public, pool="public")

    def token(call: Call) -> Response:
        made = tokens.make(call.account, call.now_ms, call.exchange.dice)
        return good({"token": made, "expires": LIFE_S})

    for name, handler, weight, needs in (
        ("GetApiKeyInfo", _key, 1, ()),
        ("GetWebSocketsToken", token, 1, (SOCKETS,)),
        ("Balance", _balance, 1, (QUERY_FUNDS,)),
        ("BalanceEx", _extended_balance, 1, (QUERY_FUNDS,)),
        ("TradesHistory", trades_history, 2, (QUERY_CLOSED,)),
        ("Ledgers", ledgers, 2, (QUERY_LEDGERS,)),
        ("QueryOrders", query_orders, 1, (QUERY_OPEN, QUERY_CLOSED)),
    ):
        path, details = f"/0/private/{name}", {"needs": needs}
        yield Route(
            method="POST",
            host=HOST,
            path=path,
            handler=handler,
            signed=True,
            weight=weight,
            pool="key",
            details=details,
        )


def _time(call: Call) -> Response:
    now = call.now_ms // 1000
    return good({"unixtime": now, "rfc1123": f"{datetime.fromtimestamp(now, UTC):%a, %d %b %y %H:%M:%S +0000}"})


def _status(call: Call) -> Response:
    now = datetime.fromtimestamp(call.now_ms // 1000, UTC)
    return good({"status": "online", "timestamp": f"{now:%Y-%m-%dT%H:%M:%SZ}"})


def _key(call: Call) -> Response:
    return good(key_report(call.account, call.now_ms))


def _held(call: Call) -> dict[str, tuple[Decimal, Decimal]]:
    """Total and what orders hold, by the exchange's id of the coin; what earns by itself ends in `.F`."""
    wallets = call.account.wallets
    spot = {asset_id(coin): (held.total, held.locked) for coin, held in wallets.get(SPOT, {}).items()}
    earn = {f"{short_name(coin)}.F": (held.total, held.locked) for coin, held in wallets.get(EARN, {}).items()}
    return {name: held for name, held in (spot | earn).items() if any(held)}


def _balance(call: Call) -> Any:
    return good({name: plain(total) for name, (total, _) in _held(call).items()})


def _extended_balance(call: Call) -> Any:
    return good({name: {"balance": total, "hold_trade": locked} for name, (total, locked) in _held(call).items()})
