"""Who calls: the signature over method, host, path and sorted query, the clock, and what a key tells of itself."""

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from random import Random
from typing import Any
from urllib.parse import parse_qsl, quote

from simulator.dialect import DAY_MS, Call, Refusal
from simulator.exchange import Exchange
from simulator.htx.errors import (
    contract_refused,
    is_contract,
    spot_refused,
    spot_v2_good,
    spot_v2_refused,
    unauthorized,
)
from simulator.truth import Account

CLOCK_MS = 300_000
UNBOUND_DAYS = 90
WORDS = {"read": "readOnly", "trade": "trade", "withdraw": "withdraw"}
_STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")


def credentials(dice: Random) -> tuple[str, str, str]:
    """A key and a secret, each of four groups of hexadecimal digits."""
    key, secret = ("-".join(f"{dice.getrandbits(32):08x}" for _ in range(4)) for _ in range(2))
    return key, secret, ""


def signature_of(secret: str, method: str, host: str, path: str, pairs: Iterable[tuple[str, str]]) -> str:
    """Base64 of the HMAC over four lines; the query is sorted and escaped with upper-case digits."""
    query = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in sorted(pairs))
    text = f"{method}\n{host}\n{path}\n{query}"
    return base64.b64encode(hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest()).decode()


def is_timely(exchange: Exchange, stamp: str) -> bool:
    """Whether a timestamp is written as it must be (UTC, whole seconds) and within five minutes."""
    if not _STAMP.fullmatch(stamp):
        return False
    try:
        moment = datetime.strptime(stamp, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        return False
    return exchange.trusts_time(moment.timestamp() * 1000, behind_ms=CLOCK_MS, ahead_ms=CLOCK_MS)


def signed_account(call: Call) -> Account:
    """The account that signed a REST call; raises the exchange's refusal. Bodies are not signed."""
    request, exchange = call.request, call.exchange
    pairs = parse_qsl(request.query, keep_blank_values=True)
    query = dict(pairs)
    key, stamp, signature = (query.get(name, "") for name in ("AccessKeyId", "Timestamp", "Signature"))
    if not key or not signature:
        if is_contract(call):
            raise Refusal(contract_refused(call, 1003 if request.path.startswith("/v5/") else 403, "invalid signature"))
        raise Refusal(spot_refused("login-required", "Login is required"))
    account = exchange.by_key.get(key)
    if account is None or account.revoked:
        raise unauthorized(call, "revoked")
    if not is_timely(exchange, stamp):
        raise unauthorized(call, "time")
    signed = [pair for pair in pairs if pair[0] != "Signature"]
    wanted = signature_of(account.secret, request.method, request.host, request.path, signed)
    is_method_known = query.get("SignatureMethod") == "HmacSHA256" and query.get("SignatureVersion") == "2"
    if not is_method_known or not hmac.compare_digest(wanted, signature):
        raise unauthorized(call, "signature")
    reason = account.refusal_of_key(call.now_ms, request.address)
    if reason is not None:
        raise unauthorized(call, reason)
    if "read" not in account.permissions:
        raise unauthorized(call, "permission")
    return account


def uid(call: Call) -> Any:
    """GET /v2/user/uid."""
    return spot_v2_good(int(call.account.uid))


def api_key(call: Call) -> Any:
    """GET /v2/user/api-key: one key, or without `accessKey` every key of the user.

    It is documented for parent users; an account with `details.sub_account` is refused.
    """
    account = call.account
    if account.details.get("sub_account"):
        return spot_v2_refused(1002, "forbidden")
    if call.params.get("uid") != account.uid:
        return spot_v2_refused(2002, "invalid field value in `uid`")
    own = _report(account, account.api_key, call.now_ms)
    wanted = call.params.get("accessKey")
    if wanted is None:
        other = _report(account, account.api_key[::-1], call.now_ms)
        return spot_v2_good([other | {"note": "bot", "permission": "readOnly,trade"}, own])
    return spot_v2_good([own] if wanted == account.api_key else [])


def _report(account: Account, key: str, now_ms: int) -> dict[str, Any]:
    days = -1
    if account.expires_ms is not None:
        days = max(0, (account.expires_ms - now_ms) // DAY_MS)
    elif not account.addresses:
        days = UNBOUND_DAYS - (now_ms - account.created_ms) // DAY_MS % UNBOUND_DAYS
    return {
        "accessKey": key,
        "note": "reader",
        "permission": ",".join(word for name, word in WORDS.items() if name in account.permissions),
        "ipAddresses": ",".join(account.addresses),
        "validDays": days,
        "status": "normal",
        "createTime": account.created_ms,
        "updateTime": account.created_ms,
    }
