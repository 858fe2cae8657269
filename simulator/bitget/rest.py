"""Every path of REST, how often a second it may be asked, and which mode of account it serves."""

from collections.abc import Callable, Iterator
from typing import Any

from simulator.bitget import bills, fills, keys, listings, wallets
from simulator.bitget.errors import good
from simulator.bitget.keys import CLASSIC, UNIFIED
from simulator.dialect import Call, Route

Handler = Callable[[Call], Any]

PUBLIC: tuple[tuple[str, Handler, int], ...] = (
    ("/api/v2/public/time", lambda call: good({"serverTime": str(call.now_ms)}, call.now_ms), 20),
    ("/api/v2/spot/public/coins", listings.coins, 3),
    ("/api/v2/spot/public/symbols", listings.symbols, 20),
    ("/api/v2/margin/currencies", listings.margin_currencies, 10),
    ("/api/v2/mix/market/contracts", listings.contracts, 20),
    ("/api/v3/market/instruments", listings.instruments, 20),
)
SIGNED: tuple[tuple[str, Handler, int, str], ...] = (
    ("/api/v2/spot/account/info", keys.classic_info, 1, CLASSIC),
    ("/api/v2/spot/account/assets", wallets.spot_assets, 10, CLASSIC),
    ("/api/v2/spot/account/bills", bills.spot_bills, 10, CLASSIC),
    ("/api/v2/spot/trade/fills", fills.spot_fills, 10, CLASSIC),
    ("/api/v2/mix/account/accounts", wallets.contract_accounts, 10, CLASSIC),
    ("/api/v2/mix/order/fills", fills.contract_fills, 10, CLASSIC),
    ("/api/v2/mix/order/fill-history", fills.contract_fills, 10, CLASSIC),
    ("/api/v2/margin/crossed/fills", fills.margin_fills, 10, CLASSIC),
    ("/api/v2/margin/isolated/fills", fills.margin_fills, 10, CLASSIC),
    ("/api/v2/margin/crossed/account/assets", wallets.margin_assets, 10, CLASSIC),
    ("/api/v2/margin/isolated/account/assets", wallets.margin_assets, 10, CLASSIC),
    ("/api/v2/account/funding-assets", wallets.funding_assets, 10, CLASSIC),
    ("/api/v2/account/all-account-balance", wallets.overview, 1, CLASSIC),
    ("/api/v3/account/settings", keys.settings, 20, UNIFIED),
    ("/api/v3/account/info", keys.unified_info, 5, UNIFIED),
    ("/api/v3/account/assets", wallets.unified_assets, 20, UNIFIED),
    ("/api/v3/account/funding-assets", wallets.unified_funding, 20, UNIFIED),
    ("/api/v3/trade/fills", fills.unified_fills, 20, UNIFIED),
)


def routes() -> Iterator[Route]:
    """One host serves both interfaces; others are doors to it."""
    for path, handler, quota in PUBLIC:
        yield Route(method="GET", host="*", path=path, handler=handler, details={"quota": quota})
    for path, handler, quota, mode in SIGNED:
        details = {"quota": quota, "mode": mode}
        yield Route(method="GET", host="*", path=path, handler=handler, signed=True, details=details)
