"""Who calls: entities and environments, signatures over the ISO time and the whole path, and what a key tells."""

import base64
import hashlib
import hmac
import re
from datetime import datetime
from random import Random
from typing import Any
from uuid import UUID

from simulator.dialect import Call
from simulator.exchange import Exchange
from simulator.okx.errors import refusal
from simulator.truth import Account

LIFE_MS = 30_000
LEVELS = {"spot": "1", "futures": "2", "multi": "3", "portfolio": "4"}
"""What `acctLv` says of each account mode."""
REST_HOSTS = {
    "www.okx.com": "global",
    "aws.okx.com": "global",
    "eea.okx.com": "eea",
    "us.okx.com": "us",
    "app.okx.com": "us",
}
SOCKET_HOSTS = {
    "ws.okx.com": ("global", False),
    "wspap.okx.com": ("global", True),
    "wseea.okx.com": ("eea", False),
    "wseeapap.okx.com": ("eea", True),
    "wsus.okx.com": ("us", False),
    "wsuspap.okx.com": ("us", True),
}
"""Whose door a host is, and whether it leads to demo trading: over REST a header says that."""
POWERS = {"read": "read_only", "trade": "trade", "transfer": "trade", "withdraw": "withdraw"}
REFUSED_KEYS = {"revoked": 50119, "expired": 50111, "address": 50110, "frozen": 50100}
"""The code for each reason why a key may not be used at all."""
_ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z")
_KEY = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def credentials(dice: Random) -> tuple[str, str, str]:
    """A UUID, a secret of 32 hex digits, and the passphrase that its owner thought of."""
    return str(UUID(int=dice.getrandbits(128), version=4)), f"{dice.getrandbits(128):032X}", "Phrase-of-the-owner1"


def signature(secret: str, payload: str) -> str:
    """HMAC-SHA256 in base64."""
    return base64.b64encode(hmac.new(secret.encode(), payload.encode(), hashlib.sha256).digest()).decode()


def looks_like_a_key(key: str) -> bool:
    """Whether this could be a key at all; other text gets another refusal."""
    return _KEY.fullmatch(key) is not None


def key_of(exchange: Exchange, key: str, entity: str) -> Account | None:
    """The account of a key that exists here: those of other entities do not."""
    account = exchange.by_key.get(key)
    if account is None or account.revoked or account.details.get("entity", "global") != entity:
        return None
    return account


def is_demo(account: Account) -> bool:
    """Whether the key is one of demo trading (`details.demo`)."""
    return bool(account.details.get("demo", False))


def signed_account(call: Call) -> Account:
    """The account that signed a REST call; raises the exchange's refusal."""
    request, headers = call.request, call.request.headers
    key, phrase, made, stamp = (
        headers.get(f"ok-access-{name}", "") for name in ("key", "passphrase", "sign", "timestamp")
    )
    for carried, code in ((key, 50103), (phrase, 50104), (made, 50106), (stamp, 50107)):
        if not carried:
            raise refusal(code)
    _check_time(call.exchange, stamp)
    if not looks_like_a_key(key):
        raise refusal(50111)
    account = key_of(call.exchange, key, REST_HOSTS[request.host])
    if account is None:
        raise refusal(50119)
    if is_demo(account) is not (headers.get("x-simulated-trading") == "1"):
        raise refusal(50101)
    if phrase != account.passphrase:
        raise refusal(50105)
    target = f"{request.path}?{request.query}" if request.query else request.path
    payload = f"{stamp}{request.method}{target}{request.body.decode('utf-8', 'replace')}"
    if signature(account.secret, payload) != made:
        raise refusal(50113)
    _check_permission(account, call)
    return account


def _check_time(exchange: Exchange, stamp: str) -> None:
    moment = _moment(stamp)
    if moment is None:
        raise refusal(50112)
    if not exchange.trusts_time(moment, behind_ms=LIFE_MS, ahead_ms=LIFE_MS):
        raise refusal(50102)


def _check_permission(account: Account, call: Call) -> None:
    reason = account.refusal_of_key(call.now_ms, call.request.address)
    if reason is not None:
        raise refusal(REFUSED_KEYS[reason], call.request.address)
    if not account.permissions:
        raise refusal(50120)


def _moment(stamp: str) -> float | None:
    """ISO-8601 in UTC as epoch milliseconds; None for what is not."""
    if not _ISO.fullmatch(stamp):
        return None
    try:
        return datetime.fromisoformat(stamp).timestamp() * 1000
    except ValueError:
        return None


def account_config(account: Account, dice: Random) -> dict[str, Any]:
    """The account and its key; permissions are listed in no fixed order."""
    powers = sorted({POWERS[one] for one in account.permissions if one in POWERS})
    dice.shuffle(powers)
    return {
        "acctLv": LEVELS[account.mode],
        "acctStpMode": "cancel_maker",
        "autoLoan": False,
        "ctIsoMode": "automatic",
        "enableSpotBorrow": False,
        "feeType": str(account.details.get("fee_type", 0)),
        "greeksType": "PA",
        "ip": ",".join(account.addresses),
        "kycLv": "3",
        "label": "reader",
        "level": "Lv1",
        "levelTmp": "",
        "liquidationGear": "-1",
        "mainUid": account.details.get("main_uid", account.uid),
        "mgnIsoMode": "automatic",
        "opAuth": "0",
        "perm": ",".join(powers),
        "posMode": "net_mode",
        "roleType": "0",
        "settleCcy": "USDC" if account.details.get("entity") == "eea" else "",
        "settleCcyList": ["USDC", "USDG"] if account.details.get("entity") == "eea" else [],
        "spotBorrowAutoRepay": False,
        "spotOffsetType": "",
        "spotRoleType": "0",
        "spotTraderInsts": [],
        "stgyType": "0",
        "traderInsts": [],
        "type": "0",
        "uid": account.uid,
    }
