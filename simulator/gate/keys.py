"""Who calls, over REST and on sockets alike, and what a key tells of itself and of its account."""

import hashlib
import hmac
import re
from random import Random
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from simulator.dialect import Call
from simulator.gate.errors import refusal
from simulator.truth import Account

if TYPE_CHECKING:
    from simulator.exchange import Exchange
    from simulator.http import Request

UNIFIED = "unified"
CLOCK_MS = 60_000
SCOPES = ("spot", "futures", "wallet", "account", "unified")
"""What a key usually may read; `details["scopes"]` narrows it."""
STATES = {False: 1, True: 3}
_STAMP = re.compile(r"\d{1,12}(\.\d+)?")


class TurnedAway(Exception):
    """The caller is not let in; `label` is the exchange's word for why."""

    def __init__(self, label: str) -> None:
        super().__init__(label)
        self.label = label


def signed_account(call: Call) -> Account:
    """The account that signed a REST call; raises the exchange's refusal."""
    request = call.request
    headers = request.headers
    for name in ("KEY", "Timestamp", "SIGN"):
        if not headers.get(name.lower()):
            raise refusal("MISSING_REQUIRED_HEADER", f"Missing required header: {name}")
    stamp = headers["timestamp"]
    try:
        return caller(
            call.exchange,
            request,
            key=headers["key"],
            stamp=stamp,
            signed=payload_of(request, stamp),
            signature=headers["sign"],
            scope=call.route.details["scope"],
        )
    except TurnedAway as why:
        raise refusal(why.label) from None


def payload_of(request: "Request", stamp: str) -> str:
    """What a REST call signs: the query stands unescaped and in the order of the address."""
    body = hashlib.sha512(request.body).hexdigest()
    return "\n".join((request.method, request.path, unquote(request.query), body, stamp))


def signature_of(secret: str, text: str) -> str:
    return hmac.new(secret.encode(), text.encode(), hashlib.sha512).hexdigest()


def caller(
    exchange: "Exchange", request: "Request", *, key: str, stamp: str, signed: str, signature: str, scope: str
) -> Account:
    """Whose key it is, if it may be used for `scope` from there, now; raises `TurnedAway`."""
    if not _STAMP.fullmatch(stamp) or not exchange.trusts_time(
        float(stamp) * 1000, behind_ms=CLOCK_MS, ahead_ms=CLOCK_MS
    ):
        raise TurnedAway("REQUEST_EXPIRED")
    account = exchange.by_key.get(key)
    reason = account.refusal_of_key(exchange.now_ms(), request.address) if account else "revoked"
    if account is None or reason in {"revoked", "expired"}:
        raise TurnedAway("INVALID_KEY")
    if entity_of(request.host) != account.details.get("entity", "gate"):
        raise TurnedAway("INVALID_KEY")
    if not hmac.compare_digest(signature_of(account.secret, signed), signature):
        raise TurnedAway("INVALID_SIGNATURE")
    if reason is not None:
        raise TurnedAway("IP_FORBIDDEN" if reason == "address" else "ACCOUNT_LOCKED")
    if "read" not in account.permissions or scope not in account.details.get("scopes", SCOPES):
        raise TurnedAway("FORBIDDEN")
    return account


def entity_of(host: str) -> str:
    """Keys are of one entity only: gate, testnet or gateeu."""
    if "testnet" in host:
        return "testnet"
    return "gateeu" if "gateeu" in host else "gate"


def credentials(dice: Random) -> tuple[str, str, str]:
    """A key of 32 hexadecimal digits and a secret of 64."""
    digits = "0123456789abcdef"
    return "".join(dice.choices(digits, k=32)), "".join(dice.choices(digits, k=64)), ""


# What it tells.


def account_detail(call: Call) -> Any:
    """GET /account/detail. The mode says 1 for unified accounts too: 2 was that of the old ones."""
    account = call.account
    return {
        "user_id": int(account.uid),
        "ip_whitelist": account.addresses,
        "currency_pairs": account.details.get("currency_pairs", []),
        "key": {"mode": account.details.get("key_mode", 1)},
        "tier": 0,
        "tier_expire_time": "0001-01-01T00:00:00Z",
        "copy_trading_role": 0,
    }


def unified_mode(call: Call) -> Any:
    """GET /unified/unified_mode."""
    account = call.account
    if account.mode != UNIFIED:
        return {"mode": "classic"}
    settings = {"usdt_futures": True, "spot_hedge": False, "use_funding": False, "options": False}
    return {"mode": account.details.get("unified_mode", "multi_currency"), "settings": settings}


def main_keys(call: Call) -> Any:
    """GET /account/main_keys: all keys of the person, one of which may trade.

    `details["main_keys"]`: "list"; "object", only the calling key; "twins", two keys look alike when masked;
    "sub", the calling key is a sub-account's and not among them.
    """
    account = call.account
    own = _entry(account, masked(account.api_key), _permissions(account))
    bot = [{"name": name, "read_only": False} for name in ("spot", "futures", "wallet")]
    form = account.details.get("main_keys", "list")
    if form == "object":
        return own
    other = own["key"] if form == "twins" else masked(account.api_key[::-1])
    keys = [_entry(account, other, bot) | {"name": "bot"}]
    return keys if form == "sub" else [*keys, own]


def masked(key: str) -> str:
    return key[:8] + "*****"


def _permissions(account: Account) -> list[dict[str, Any]]:
    can = account.permissions
    writes = {
        "spot": "trade" in can,
        "futures": bool(can & {"trade", "futures"}),
        "wallet": "transfer" in can,
    }
    scopes = account.details.get("scopes", SCOPES)
    found = [{"name": name, "read_only": not writes.get(name, False)} for name in scopes]
    return found + ([{"name": "withdrawal", "read_only": False}] if "withdraw" in can else [])


def _entry(account: Account, key: str, permissions: list[dict[str, Any]]) -> dict[str, Any]:
    created = account.created_ms // 1000
    return {
        "state": STATES[account.frozen],
        "mode": account.details.get("key_mode", 1),
        "name": "reader",
        "user_id": int(account.uid),
        "perms": permissions,
        "ip_whitelist": account.addresses,
        "currency_pairs": account.details.get("currency_pairs", []),
        "key": key,
        "created_at": str(created),
        "update_at": str(created),
        "last_access": str(created),
    }


def may_see(account: Account, market_id: str) -> bool:
    """Whether the key's list of pairs, if it has one, lets it see this one."""
    pairs = account.details.get("currency_pairs")
    return not pairs or market_id in pairs


def has_opened(account: Account, product: str) -> bool:
    """Whether there is an account for the product: that of bitcoin perpetuals opens with their first trade."""
    return product in account.products or (product, "") in account.fills
