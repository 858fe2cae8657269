"""REST: which calls are made, how often they may be, and what their errors mean.

A refused call has a `code` beside whatever status. No header tells of limits, and nothing says how long to wait: the
windows are of one or two seconds. Docs, Overview (Rate Limits) and Error Code, read 2026-11.
"""

import re
from collections.abc import Mapping
from typing import Any

from shared.domain.connections import Account
from shared.domain.errors import (
    AccountModeChanged,
    AddressNotAllowed,
    ClockWrong,
    ContractBroken,
    ExchangeUnavailable,
    KeyRejected,
    MarketGone,
    PermissionMissing,
    RegionNotAllowed,
    TradeSyncError,
    UnreadableRow,
    UserActionNeeded,
)
from shared.exchanges.kit.contract import Endpoint, Pool, PoolUse
from shared.exchanges.kit.fields import millis, row_of, rows_of
from shared.exchanges.kit.trouble import (
    COUNTRY_WORDS,
    Refusals,
    Words,
    is_page,
    not_served,
    pause,
    refusal,
    unavailable,
)
from shared.exchanges.okx.hosts import DEMO_HEADER, HOSTS


def _pool(name: str, capacity: float, per_ms: int = 2_000) -> Pool:
    return Pool(name=name, scope="account", capacity=capacity, per_ms=per_ms)


POOLS = (
    Pool(name="public", scope="address", capacity=10, per_ms=2_000),
    _pool("fills", 60),
    _pool("fills_history", 10),
    _pool("config", 5),
    _pool("trading", 10),
    _pool("funding", 6, 1_000),
    _pool("bills", 5),
)


def _signed(name: str, path: str, pool: str) -> Endpoint:
    return Endpoint(name=name, method="GET", path=f"/api/v5/{path}", pool=pool, weight=1)


def _public(name: str, path: str) -> Endpoint:
    return Endpoint(name=name, method="GET", path=f"/api/v5/{path}", pool="public", weight=1, signed=False)


FILLS = _signed("privateGetTradeFills", "trade/fills", "fills")
FILLS_HISTORY = _signed("privateGetTradeFillsHistory", "trade/fills-history", "fills_history")
CONFIG = _signed("privateGetAccountConfig", "account/config", "config")
TRADING = _signed("privateGetAccountBalance", "account/balance", "trading")
FUNDING = _signed("privateGetAssetBalances", "asset/balances", "funding")
BILLS = _signed("privateGetAccountBillsArchive", "account/bills-archive", "bills")
CLOCK = _public("publicGetPublicTime", "public/time")
MARKETS = _public("publicGetPublicInstruments", "public/instruments")
ENDPOINTS = (FILLS, FILLS_HISTORY, CONFIG, TRADING, FUNDING, BILLS, CLOCK, MARKETS)


def ccxt_config(account: Account | None) -> Mapping[str, Any]:
    """What ccxt is told: the entity's host, the markets worth loading, and the header of demo trading."""
    host = HOSTS[account.region if account else "global"]
    config: dict[str, Any] = {
        "hostname": host.rest,
        "options": {"fetchMarkets": {"types": ["spot", "swap", "future"]}},
    }
    if host.is_demo:
        config["headers"] = DEMO_HEADER
    return config


def read_clock(data: Any) -> int:
    """The exchange's time in epoch ms. Raises `ContractBroken` when it is not told."""
    rows = rows_in(data)
    if not rows:
        raise ContractBroken("The exchange does not tell its time.")
    return millis(row_of(rows[0], "the time"), "ts")


def pool_use(headers: Mapping[str, str], endpoint: Endpoint) -> tuple[PoolUse, ...]:
    """No header tells of any limit."""
    del headers, endpoint
    return ()


_WINDOW_MS = 2_000
_LOCKED_OUT_MS = 60_000  # nothing is written about it: longer than any window, short enough for a mistake
_LIMITS = {"50011", "50040", "50061"}
REFUSALS: Refusals = {
    "50001": (ExchangeUnavailable, "The exchange is being maintained."),
    "50004": (ExchangeUnavailable, "The exchange's server timed out."),
    "50005": (ExchangeUnavailable, "The exchange's API is offline."),
    "50009": (ExchangeUnavailable, "The exchange liquidates this account just now, and tells nothing of it meanwhile."),
    "50013": (ExchangeUnavailable, "The exchange's systems are busy."),
    "50026": (ExchangeUnavailable, "The exchange's server failed."),
    "50030": (PermissionMissing, "The API key may not ask this; create one with the permission to read."),
    "50120": (PermissionMissing, "The API key lacks the permission to read."),
    "50035": (
        AddressNotAllowed,
        "The exchange demands that this API key is bound to an IP address; bind it to this server's.",
    ),
    "50007": (UserActionNeeded, "The exchange has blocked this account; ask its support."),
    "50008": (KeyRejected, "The exchange knows no such user: the account may be closed."),
    "50012": (UserActionNeeded, "The exchange says that this account's status is invalid; look there."),
    "50100": (UserActionNeeded, "The exchange has frozen this API key; ask its support."),
    "50101": (
        KeyRejected,
        "The API key belongs to the other environment: live and demo trading have keys of their own.",
    ),
    "50102": (ClockWrong, "The exchange says this machine's clock is too far from its own; correct the clock."),
    "50103": (KeyRejected, "The API key is empty; enter it again."),
    "50104": (KeyRejected, "The passphrase is empty; enter it again."),
    "50105": (KeyRejected, "The passphrase is not the one that was set when this API key was made."),
    "50106": (KeyRejected, "The exchange misses the signature; enter the secret again."),
    "50112": (ClockWrong, "The exchange does not accept the time of the call; correct this machine's clock."),
    "50107": (ContractBroken, "The exchange misses the time of the call"),
    "50110": (
        AddressNotAllowed,
        "The API key's IP whitelist does not hold this server's address; add it at the exchange.",
    ),
    "50111": (
        KeyRejected,
        "The exchange does not accept this API key: it may be mistyped, expired or another region's.",
    ),
    "50113": (KeyRejected, "The exchange does not accept the signature: the secret does not belong to this API key."),
    "50114": (KeyRejected, "The exchange does not accept this API key's authorisation; make a new key."),
    "50119": (
        KeyRejected,
        "The exchange does not know this API key: it may be deleted, mistyped, or belong to another region.",
    ),
    "50121": (RegionNotAllowed, "The exchange does not serve the country of this server's address."),
    "50014": (ContractBroken, "The exchange misses a parameter"),
    "51000": (ContractBroken, "The exchange does not accept a parameter"),
    "51001": (MarketGone, "The exchange does not offer this market any more."),
    "51010": (AccountModeChanged, "The exchange says that the account's mode does not allow this."),
}

# What codes that are not listed say.
WORDS: Words = (
    (
        COUNTRY_WORDS + "|local laws",
        RegionNotAllowed,
        "The exchange does not serve this account, or the country of this server's address.",
    ),
    (
        r"maintenance|unavailable|system (error|busy)|systems are busy|timed? ?out|try again later",
        ExchangeUnavailable,
        "The exchange does not answer properly right now.",
    ),
)
_OFTEN = re.compile(r"too many requests|too frequent|rate limit")


def error_of(
    status: int, headers: Mapping[str, str], body: Any, endpoint: Endpoint, now_ms: int
) -> TradeSyncError | None:
    """Our error for an answer, None for a good one."""
    code, said = _code_in(body)
    if code in _LIMITS or (code not in {"0", *REFUSALS} and _OFTEN.search(said.lower())):
        scope = "account" if endpoint.signed else "address"
        return pause(
            f"This {scope} has asked the exchange too often.", headers, now_ms, floor_ms=_WINDOW_MS, scope=scope
        )
    if code in REFUSALS:
        return refusal(code, said, REFUSALS, path=endpoint.path)
    if status == 429 or (status == 403 and is_page(body)):
        return not_served(status, body) or _locked_out(headers, now_ms, is_certain=is_page(body))
    if status == 401:
        return KeyRejected()
    trouble = unavailable(status, body)
    if trouble is not None or (code == "0" and status < 400):
        return trouble
    return refusal(code or f"HTTP {status}", said, REFUSALS, path=endpoint.path, words=WORDS)


def _locked_out(headers: Mapping[str, str], now_ms: int, *, is_certain: bool) -> TradeSyncError:
    """A limit has its code: who answers with a page instead stands before the exchange and protects it."""
    sentence = "The exchange has locked this address out for a while: too many requests."
    floor_ms = _LOCKED_OUT_MS if is_certain else _WINDOW_MS
    return pause(sentence, headers, now_ms, floor_ms=floor_ms, ban=is_certain)


def _code_in(body: Any) -> tuple[str, str]:
    """The answer's code and words; a code may come as a number in front of the exchange proper."""
    if not isinstance(body, Mapping):
        return "", ""
    code = body.get("code")
    written = str(code) if isinstance(code, str | int) and not isinstance(code, bool) else ""
    return written, str(body.get("msg") or "")


def rows_in(data: Any) -> list[Any]:
    """The rows of a good answer. Raises `ContractBroken` when there is no list of them."""
    try:
        return rows_of(row_of(data, "the answer").get("data"), "'data'")
    except UnreadableRow as error:
        raise ContractBroken(f"The exchange's answer cannot be read: {error.sentence}.") from None
