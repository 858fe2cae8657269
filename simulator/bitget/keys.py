"""Who calls: three secrets in four headers, the clock, the account's mode; and what a key tells of itself."""

import base64
import hashlib
import hmac
from random import Random
from typing import Any
from urllib.parse import parse_qsl

from simulator.bitget.errors import REFUSED_KEYS, good, refusal
from simulator.dialect import Call, Refusal
from simulator.http import answer
from simulator.truth import Account

CLASSIC, UNIFIED = "classic", "unified"
CLOCK_MS = 30_000
AUTHORITIES = (("trade", ("stow", "coow", "cpow")), ("transfer", ("wtow",)), ("withdraw", ("wwow",)))
"""Codes of rights to write in the classic account; each right to read ends with r instead."""
MANAGED = (("trade", "uta_trade"), ("transfer", "uta_mgt"), ("withdraw", "withdraw"))
"""Words for rights in the unified account."""


def credentials(dice: Random) -> tuple[str, str, str]:
    """Key, secret and passphrase."""
    digits = "0123456789abcdef"
    key, secret = "".join(dice.choices(digits, k=32)), "".join(dice.choices(digits, k=64))
    return f"bg_{key}", secret, "".join(dice.choices("abcdefghijklmnopqrstuvwxyz", k=10))


def signature_of(account: Account, payload: str) -> str:
    """The account's signature over `payload`."""
    return base64.b64encode(hmac.new(account.secret.encode(), payload.encode(), hashlib.sha256).digest()).decode()


def signed_account(call: Call) -> Account:
    """The account that signed a call; raises the exchange's refusal, in the order in which it looks."""
    request, now = call.request, call.now_ms
    key, sign, stamp, passphrase = _headers(call)
    account = call.exchange.by_key.get(key)
    if account is None:
        raise refusal("40037" if key.startswith("bg_") else "40006", now)
    reason = account.refusal_of_key(now, request.address)
    if reason in {"revoked", "expired"}:
        raise refusal(REFUSED_KEYS[reason], now)
    if passphrase != account.passphrase:
        raise refusal("40012", now)
    if not hmac.compare_digest(signature_of(account, _signed_text(call, stamp)), sign):
        raise refusal("40009", now)
    if reason is not None:
        raise refusal(REFUSED_KEYS[reason], now)
    if (request.headers.get("paptrading") == "1") is not bool(account.details.get("demo")):
        raise refusal("40099", now)
    if "read" not in account.permissions:
        raise refusal("40014", now)
    _check_mode(call, account)
    return account


def _headers(call: Call) -> tuple[str, str, str, str]:
    """Key, signature, time and passphrase; raises for one that is missing, and for a time that is not now."""
    headers, now = call.request.headers, call.now_ms
    found = []
    for name, code in (("key", "40001"), ("sign", "40003"), ("timestamp", "40005"), ("passphrase", "40011")):
        found.append(headers.get(f"access-{name}", ""))
        if not found[-1]:
            raise refusal(code, now)
    key, sign, stamp, passphrase = found
    if not stamp.isdecimal():
        raise refusal("40005", now)
    if not call.exchange.trusts_time(int(stamp), behind_ms=CLOCK_MS, ahead_ms=CLOCK_MS):
        raise refusal("40008", now)
    return key, sign, stamp, passphrase


def _signed_text(call: Call, stamp: str) -> str:
    """What is signed: the query sorted by name and without any percent sign."""
    request = call.request
    query = "&".join(f"{name}={value}" for name, value in sorted(parse_qsl(request.query, keep_blank_values=True)))
    asked = f"?{query}" if query else ""
    return f"{stamp}{request.method}{request.path}{asked}{request.body.decode('utf-8', 'replace')}"


def _check_mode(call: Call, account: Account) -> None:
    """Classic paths serve classic accounts only, unified ones unified accounts; `details.null_data` hides it."""
    wanted = call.route.details["mode"]
    if wanted == account.mode:
        return
    if account.details.get("null_data"):
        raise Refusal(answer(good(None, call.now_ms)))
    raise refusal("40084" if account.mode == CLASSIC else "40085", call.now_ms)


def classic_info(call: Call) -> Any:
    """GET /api/v2/spot/account/info: rights as codes, or as the documents' words (`details.words`)."""
    account = call.account
    if account.details.get("words"):
        found = ["trade" if account.permissions & {"trade", "transfer", "withdraw"} else "readonly"]
    else:
        found = ["stor", "coor", "cpor"]
        for permission, codes in AUTHORITIES:
            if permission in account.permissions:
                found += codes
    data = {
        "userId": account.uid,
        "inviterId": "",
        "ips": ",".join(account.addresses),
        "authorities": found,
        "parentId": int(account.uid),
        "traderType": "not_trader",
        "channelCode": "",
        "channel": "",
        "regisTime": str(account.created_ms),
    }
    return good(data, call.now_ms)


def unified_info(call: Call) -> Any:
    """GET /api/v3/account/info."""
    account = call.account
    found = [word for permission, word in MANAGED if permission in account.permissions]
    data = {
        "userId": account.uid,
        "inviterId": "",
        "parentId": "",
        "channelCode": "",
        "channel": "",
        "ips": ",".join(account.addresses),
        "permType": "read-and-write" if found else "read-only",
        "permissions": found or ["uta_mgt", "uta_trade"],
        "regisTime": str(account.created_ms),
    }
    return good(data, call.now_ms)


def settings(call: Call) -> Any:
    """GET /api/v3/account/settings: the only place that names the mode (`details.account_mode`: hybrid …)."""
    account = call.account
    data = {
        "uid": account.uid,
        "accountMode": account.details.get("account_mode", "unified"),
        "assetMode": "multi_assets",
        "accountLevel": "advanced",
        "holdMode": account.details["pos_mode"],
        "stpMode": "none",
        "symbolConfigList": [],
        "coinConfigList": [],
    }
    return good(data, call.now_ms)
