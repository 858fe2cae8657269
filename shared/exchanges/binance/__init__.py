"""Binance: spot and USDT-margined perpetuals. Documents: developers.binance.com, read on 20 November 2026.

Spot and futures share raw symbols; a trade id is unique per symbol within a product. Spot fills come over the
WebSocket API (listen keys were removed there on 20 February 2026), futures fills over a listen key.
"""

from collections.abc import Mapping
from typing import Any

from shared.domain.connections import Account
from shared.domain.markets import Markets
from shared.domain.trades import Product
from shared.exchanges.binance.endpoints import (
    CONNECTS,
    ENDPOINTS,
    POOLS,
    REGIONS,
    TIME,
    ccxt_config,
    futures_prices,
    futures_private,
    pool_use,
    spot_prices,
    websocket_api,
)
from shared.exchanges.binance.futures_stream import RENEW_MS, FuturesStream, prepare, renew
from shared.exchanges.binance.history import HISTORY
from shared.exchanges.binance.keys import balances, check_key
from shared.exchanges.binance.movements import movements
from shared.exchanges.binance.prices import Prices
from shared.exchanges.binance.rows import read_rest, read_stream
from shared.exchanges.binance.spot_stream import SpotStream
from shared.exchanges.binance.trouble import error_of
from shared.exchanges.kit.contract import CredentialField, Exchange, Stream, TickerStream, Ticket
from shared.exchanges.kit.credentials import repair
from shared.exchanges.kit.fields import row_of, whole
from shared.exchanges.kit.wire import decode_json

# Sockets are cut after 24 hours; an hour is left to open the successor.
_LIFETIME_MS = 23 * 3_600_000
_FIELDS = (
    CredentialField(name="api_key", label="API key", is_secret=False),
    CredentialField(name="secret", label="Secret key, or the private key (RSA or Ed25519) in PEM form"),
)


def _repair(pasted: Mapping[str, str]) -> Mapping[str, str]:
    return repair(_FIELDS, pasted)


def _read_clock(body: Any) -> int:
    return whole(row_of(body, "the time"), "serverTime")


def _trades_spot(account: Account) -> bool:
    return Product.SPOT in account.products


def _trades_futures(account: Account) -> bool:
    return Product.LINEAR in account.products


def _spot_url(region: str, ticket: Ticket) -> str:
    del ticket
    return websocket_api(region)


def _futures_url(region: str, ticket: Ticket) -> str:
    return futures_private(region, str(ticket["listen_key"]))


def _spot_prices_url(region: str, ticket: Ticket) -> str:
    del ticket
    return spot_prices(region)


def _futures_prices_url(region: str, ticket: Ticket) -> str:
    del ticket
    return futures_prices(region)


def _spot_prices(markets: Markets) -> Prices:
    return Prices(markets, Product.SPOT)


def _futures_prices(markets: Markets) -> Prices:
    return Prices(markets, Product.LINEAR)


EXCHANGE = Exchange(
    id="binance",
    title="Binance",
    docs_url="https://developers.binance.com",
    credential_fields=_FIELDS,
    repair=_repair,
    products=(Product.SPOT, Product.LINEAR),
    regions=REGIONS,
    not_in_history=(
        "Convert, dust conversion, one-click buys and peer-to-peer deals are not in Binance's trade lists.",
        "Allocations of smart order routing are heard on the stream only.",
        "Futures trades are served for the last three months.",
        "Trades of delisted spot markets are no longer served.",
        "Margin trades and coin-margined futures are not read.",
    ),
    ccxt_id="binance",
    ccxt_config=ccxt_config,
    ccxt_credentials={"api_key": "apiKey", "secret": "secret"},
    endpoints=ENDPOINTS,
    pools=POOLS,
    pool_use=pool_use,
    error_of=error_of,
    clock=TIME,
    read_clock=_read_clock,
    check_key=check_key,
    balances=balances,
    spot_wallets=lambda account: frozenset({"spot"}) if _trades_spot(account) else frozenset(),
    movements=movements,
    history=HISTORY,
    streams=(
        Stream(
            name="spot",
            serves=_trades_spot,
            url=_spot_url,
            protocol=SpotStream,
            accounts_per_socket=200,
            lifetime_ms=_LIFETIME_MS,
            connects=CONNECTS,
        ),
        Stream(
            name="futures",
            serves=_trades_futures,
            url=_futures_url,
            protocol=FuturesStream,
            prepare=prepare,
            renew=renew,
            renew_ms=RENEW_MS,
            lifetime_ms=_LIFETIME_MS,
            connects=CONNECTS,
        ),
    ),
    ticker_streams=(
        TickerStream(
            name="spot prices",
            products=(Product.SPOT,),
            url=_spot_prices_url,
            protocol=_spot_prices,
            lifetime_ms=_LIFETIME_MS,
            connects=CONNECTS,
        ),
        TickerStream(
            name="futures prices",
            products=(Product.LINEAR,),
            url=_futures_prices_url,
            protocol=_futures_prices,
            lifetime_ms=_LIFETIME_MS,
            connects=CONNECTS,
        ),
    ),
    decode=decode_json,
    read_stream=read_stream,
    read_rest=read_rest,
)
