"""Who calls: spot signs its query, futures sign key, time and parameters; and what a key tells of itself."""

import hashlib
import hmac
import re
from random import Random
from typing import Any

from simulator.dialect import DAY_MS, Call
from simulator.mexc.errors import FUTURES_KEYS, SPOT_KEYS, futures_refusal, missing, refusal
from simulator.truth import Account

KEY_FORM = re.compile(r"mx0[0-9A-Za-z]{8,40}")
USUAL_WINDOW_MS, LONGEST_WINDOW_MS, AHEAD_MS = 5_000, 60_000, 999
FUTURES_WINDOW_S, LONGEST_FUTURES_WINDOW_S = 10, 60
KEY_LIFE_MS = 90 * DAY_MS
"""Keys that are bound to no address live that long."""

SCOPES: dict[str, tuple[str, ...]] = {
    "read": (
        *("SPOT_ACCOUNT_READ", "SPOT_DEAL_READ", "SPOT_WITHDRAW_READ", "SPOT_TRANSFER_READ"),
        *("CONTRACT_ACCOUNT_READ", "CONTRACT_DEAL_READ"),
    ),
    "trade": ("SPOT_DEAL_WRITE",),
    "futures": ("CONTRACT_DEAL_WRITE",),
    "transfer": ("SPOT_TRANSFER_WRITE",),
    "withdraw": ("SPOT_WITHDRAW_WRITE",),
}
FUTURES_SCOPES = {"CONTRACT_ACCOUNT_READ": 701, "CONTRACT_DEAL_READ": 703}
"""The futures' code for each right that is missing."""


def credentials(dice: Random) -> tuple[str, str, str]:
    """An API key of 18 characters, all begin alike, and a secret of 32 hexadecimal digits."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
    return "mx0vgl" + "".join(dice.choices(letters, k=12)), f"{dice.getrandbits(128):032x}", ""


def signature_of(account: Account, payload: str) -> str:
    return hmac.new(account.secret.encode(), payload.encode(), hashlib.sha256).hexdigest()


def is_signed(account: Account, payload: str, signature: str) -> bool:
    return hmac.compare_digest(signature_of(account, payload).encode(), signature.encode())


def scopes(account: Account) -> list[str]:
    """The rights of a key; `details.scopes` says them word by word."""
    told = account.details.get("scopes")
    if told is not None:
        return list(told)
    return [scope for permission, held in SCOPES.items() if permission in account.permissions for scope in held]


def has_scope(account: Account, scope: str) -> bool:
    """Whether a right is held, in either spelling (`_READ`, `_R`)."""
    held = scopes(account)
    return not scope or scope in held or scope.replace("_READ", "_R") in held


def spot_account(call: Call) -> Account:
    """The account that signed a call of `/api/v3`; raises the spot interface's refusal."""
    request, exchange = call.request, call.exchange
    key = request.headers.get("x-mexc-apikey", "")
    if not KEY_FORM.fullmatch(key):
        raise refusal(700001)
    account = exchange.by_key.get(key)
    if account is None or account.revoked:
        raise refusal(10072)
    _check_time(call)
    signed = "&".join(pair for pair in request.query.split("&") if not pair.startswith("signature="))
    if not is_signed(account, signed, call.params["signature"]):
        raise refusal(700002)
    reason = account.refusal_of_key(call.now_ms, request.address)
    if reason is not None:
        raise refusal(SPOT_KEYS[reason])
    if not has_scope(account, call.route.details.get("scope", "")):
        raise refusal(700007)
    return account


def _check_time(call: Call) -> None:
    """Raises the refusal of a call whose time or window is missing, nonsense or off."""
    params = call.params
    for name in ("timestamp", "signature"):
        if not params.get(name):
            raise missing(name)
    window = params.get("recvWindow", "") or str(USUAL_WINDOW_MS)
    if not window.isdecimal() or not params["timestamp"].isdecimal():
        raise refusal(700008)
    if int(window) > LONGEST_WINDOW_MS:
        raise refusal(700005)
    if not call.exchange.trusts_time(int(params["timestamp"]), behind_ms=int(window), ahead_ms=AHEAD_MS):
        raise refusal(700003)


def futures_account(call: Call) -> Account:
    """The account that signed a call of `/api/v1/private`; raises the futures interface's refusal."""
    request, exchange = call.request, call.exchange
    key, stamp, signature = (request.headers.get(name, "") for name in ("apikey", "request-time", "signature"))
    account = exchange.by_key.get(key)
    if account is None or account.revoked or not stamp or not signature:
        raise futures_refusal(401)
    window = request.headers.get("recv-window", "") or str(FUTURES_WINDOW_S)
    if not stamp.isdecimal() or not window.isdecimal() or int(window) > LONGEST_FUTURES_WINDOW_S:
        raise futures_refusal(513)
    span_ms = int(window) * 1000
    if not exchange.trusts_time(int(stamp), behind_ms=span_ms, ahead_ms=span_ms):
        raise futures_refusal(513)
    carried = "&".join(sorted(filter(None, request.query.split("&")), key=lambda pair: pair.partition("=")[0]))
    if request.method == "POST":
        carried = request.body.decode("utf-8", "replace")
    if not is_signed(account, key + stamp + carried, signature):
        raise futures_refusal(602)
    reason = account.refusal_of_key(call.now_ms, request.address)
    if reason is not None:
        raise futures_refusal(FUTURES_KEYS[reason])
    scope = call.route.details.get("scope", "")
    if not has_scope(account, scope):
        raise futures_refusal(FUTURES_SCOPES[scope])
    return account


def key_report(call: Call) -> Any:
    """GET /api/v3/apiKeyInfo: rights in one text with a comma behind the last, days left of an unbound key."""
    account, wanted = call.account, call.params.get("accessKey", "")
    if not wanted:
        raise refusal(730707)
    if wanted != account.api_key:
        raise refusal(730706)
    ends = account.expires_ms
    if ends is None:
        lives = (call.now_ms - account.created_ms) // KEY_LIFE_MS + 1
        ends = account.created_ms + lives * KEY_LIFE_MS
    bound = bool(account.addresses) and account.expires_ms is None
    return {
        "note": "reader",
        "accessKey": account.api_key,
        "createTime": ends - KEY_LIFE_MS,
        "permissions": "".join(f"{scope}," for scope in scopes(account)),
        "remainingValidity": None if bound else max(0, (ends - call.now_ms) // DAY_MS),
        "ipWhiteList": ",".join(account.addresses),
        "status": "VALID",
    }
