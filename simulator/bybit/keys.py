"""Who calls: signatures over the exact bytes of the query or body, the receive window, and what a key tells."""

import base64
import hashlib
import hmac
from datetime import UTC, datetime
from random import Random
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from simulator.bybit.errors import REFUSED_KEYS, refusal
from simulator.dialect import DAY_MS, Call
from simulator.truth import Account

USUAL_WINDOW_MS = 5_000
AHEAD_MS = 1_000
TWINS = {"bytick.com": "bybit.com"}
"""Hosts that are another door to the same entity."""


def signed_account(call: Call) -> Account:
    """The account that signed a REST call; raises the exchange's refusal."""
    request, exchange, now = call.request, call.exchange, call.now_ms
    headers = request.headers
    key, stamp, signature = (headers.get(f"x-bapi-{name}", "") for name in ("api-key", "timestamp", "sign"))
    if not key or not stamp or not signature:
        raise refusal(10001, now, "Missing one of the headers X-BAPI-API-KEY, X-BAPI-TIMESTAMP, X-BAPI-SIGN")
    account = exchange.by_key.get(key)
    if account is None or account.revoked or _entity(request.host) != account.details.get("entity", "bybit.com"):
        raise refusal(10003, now)
    window = headers.get("x-bapi-recv-window", "") or str(USUAL_WINDOW_MS)
    if not stamp.isdecimal() or not window.isdecimal():
        raise refusal(10002, now)
    if not exchange.trusts_time(int(stamp), behind_ms=int(window), ahead_ms=AHEAD_MS - 1):
        told = f" req_timestamp[{stamp}],server_timestamp[{now}],recv_window[{window}]"
        raise refusal(10002, now, "invalid request, please check your server timestamp or recv_window param." + told)
    carried = request.query if request.method == "GET" else request.body.decode("utf-8", "replace")
    if not is_signed(account, stamp + key + window + carried, signature):
        raise refusal(10004, now)
    reason = account.refusal_of_key(now, request.address)
    if reason is not None:
        raise refusal(REFUSED_KEYS[reason], now)
    return account


def _entity(host: str) -> str:
    """`api.bybit.eu` and `api-demo.bybit.eu` are doors of `bybit.eu`."""
    entity = host.partition(".")[2]
    return TWINS.get(entity, entity)


def is_signed(account: Account, payload: str, signature: str) -> bool:
    """Whether `signature` is the account's over exactly `payload`: HMAC in hex, or RSA in base64."""
    public = account.details.get("public_key")
    if public is None:
        wanted = hmac.new(account.secret.encode(), payload.encode(), hashlib.sha256).hexdigest()
        return hmac.compare_digest(wanted, signature)
    try:
        public.verify(base64.b64decode(signature), payload.encode(), padding.PKCS1v15(), hashes.SHA256())
    except (InvalidSignature, ValueError):
        return False
    return True


def credentials(dice: Random) -> tuple[str, str, str]:
    """An API key of 18 characters and a secret of 36."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
    return "".join(dice.choices(letters, k=18)), "".join(dice.choices(letters, k=36)), ""


def make_key_pair(account: Account) -> None:
    """Replaces the secret by a private key that the user made (`details.key_type` "rsa")."""
    private = rsa.generate_private_key(public_exponent=65_537, key_size=2048)
    account.secret = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    account.details["public_key"] = private.public_key()


POWERS = {"trade", "withdraw", "transfer"}


def key_report(account: Account, now_ms: int) -> dict[str, Any]:
    """The result of query-api. A read-only key lists the areas that it may read."""
    can = account.permissions
    read_only = not can & POWERS
    trades = read_only or "trade" in can
    wallet = ["AccountTransfer", "SubMemberTransferList"] if read_only or "transfer" in can else []
    expires = account.expires_ms
    if expires is None and not account.addresses:
        expires = account.created_ms + (now_ms - account.created_ms) // DAY_MS * DAY_MS + 90 * DAY_MS
    return {
        "id": account.uid,
        "note": "reader",
        "apiKey": account.api_key,
        "readOnly": 1 if read_only else 0,
        "secret": "",
        "permissions": {
            "ContractTrade": ["Order", "Position"] if trades else [],
            "Spot": ["SpotTrade"] if trades else [],
            "Wallet": wallet + (["Withdraw"] if "withdraw" in can else []),
            "Options": ["OptionsTrade"] if trades else [],
            "Derivatives": ["DerivativesTrade"] if trades else [],
            "CopyTrading": [],
            "BlockTrade": [],
            "Exchange": ["ExchangeHistory"] if trades else [],
            "NFT": [],
            "Affiliate": [],
            "Earn": [],
            "FiatP2P": [],
        },
        "ips": account.addresses or ["*"],
        "type": 1,
        "deadlineDay": 0 if expires is None else max(0, (expires - now_ms) // DAY_MS),
        "expiredAt": "" if expires is None else _iso(expires),
        "createdAt": _iso(account.created_ms),
        "unified": 0,
        "uta": 0 if account.details.get("margin_status", 6) == 1 else 1,
        "userID": int(account.uid),
        "inviterID": 0,
        "vipLevel": "No VIP",
        "mktMakerLevel": "0",
        "affiliateID": 0,
        "rsaPublicKey": "yes" if "public_key" in account.details else "",
        "isMaster": True,
        "parentUid": "0",
        "kycLevel": "LEVEL_DEFAULT",
        "kycRegion": "",
    }


def _iso(moment_ms: int) -> str:
    return datetime.fromtimestamp(moment_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
