"""Who calls: five headers, of which one is the passphrase under the secret; and what a key tells of itself."""

import base64
import hashlib
import hmac
from typing import TYPE_CHECKING, Any

from simulator.kucoin.errors import good, refusal
from simulator.truth import Account

if TYPE_CHECKING:
    from simulator.dialect import Call

CLOCK_MS = 5_000
UNIFIED = "unified"
_WORDS = {"trade": ("Spot", "Futures"), "margin": ("Margin",), "transfer": ("Transfer",), "withdraw": ("Withdraw",)}


def signed_account(call: "Call") -> Account:
    """The account that signed a call; raises the exchange's refusal, in the order in which it looks."""
    request, headers = call.request, call.request.headers
    key, sign, stamp, passphrase = (
        headers.get(name, "") for name in ("kc-api-key", "kc-api-sign", "kc-api-timestamp", "kc-api-passphrase")
    )
    if not (key and sign and stamp and passphrase):
        raise refusal("400001")
    if not stamp.isdecimal() or not call.exchange.trusts_time(int(stamp), behind_ms=CLOCK_MS, ahead_ms=CLOCK_MS):
        raise refusal("400002")
    account = call.exchange.by_key.get(key)
    reason = account.refusal_of_key(call.now_ms, request.address) if account is not None else "revoked"
    if account is None or reason in {"revoked", "expired"}:
        raise refusal("400003")
    # Keys of the first version sent the passphrase as it is; there are none any more.
    if headers.get("kc-api-key-version") not in {"2", "3"} or not _same(passphrase, account, account.passphrase):
        raise refusal("400004")
    query = f"?{request.query}" if request.query else ""
    payload = f"{stamp}{request.method}{request.path}{query}{request.body.decode('utf-8', 'replace')}"
    if not _same(sign, account, payload):
        raise refusal("400005")
    if reason == "address":
        raise refusal("400006", f"The requested ip address is not in the api whitelist: {request.address}")
    if reason == "frozen":
        raise refusal("411100")
    if "read" not in account.permissions:
        raise refusal("400007")
    return account


def _same(given: str, account: Account, text: str) -> bool:
    digest = hmac.new(account.secret.encode(), text.encode(), hashlib.sha256).digest()
    return hmac.compare_digest(base64.b64encode(digest).decode(), given)


def api_key(call: "Call") -> Any:
    """GET /api/v1/user/api-key."""
    account = call.account
    words = ["General"]
    for permission in ("trade", "margin", "transfer", "withdraw"):
        if permission in account.permissions:
            words += _WORDS[permission]
    if account.mode == UNIFIED and "trade" in account.permissions:
        words.append("Unified")
    found: dict[str, Any] = {
        "remark": account.name,
        "apiKey": account.api_key,
        "apiVersion": 3,
        "permission": ",".join(words),
        "createdAt": account.created_ms,
        "uid": int(account.uid),
        "isMaster": True,
    }
    if account.addresses:
        found["ipWhitelist"] = ",".join(account.addresses)
    return good(found)


def account_mode(call: "Call") -> Any:
    """GET /api/ua/v1/account/mode."""
    return good({"selfAccountMode": "UNIFIED" if call.account.mode == UNIFIED else "CLASSIC"})
