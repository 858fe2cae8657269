"""Who calls: the signature over query, nonce and path, the challenge of the sockets, and what a key may do.

From docs.kraken.com (read 2026-11): futures REST authentication, websocket challenge, API key check.
"""

import base64
import hashlib
import hmac
from random import Random
from typing import Any

from simulator.dialect import Call
from simulator.krakenfutures.errors import AUTHENTICATION, NO_RIGHT, refusal
from simulator.truth import Account

DEMO = "demo-futures.kraken.com"
LIVE = "futures.kraken.com"


def credentials(dice: Random) -> tuple[str, str, str]:
    """An API key of 56 characters, and a secret of 64 bytes in base64."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
    return "".join(dice.choices(letters, k=56)), base64.b64encode(dice.randbytes(64)).decode(), ""


def signature(secret: str, message: str) -> str:
    """`Authent` of a call, or the answer to a challenge."""
    digest = hashlib.sha256(message.encode()).digest()
    return base64.b64encode(hmac.new(base64.b64decode(secret), digest, hashlib.sha512).digest()).decode()


def is_signed(account: Account, message: str, signed: str) -> bool:
    return hmac.compare_digest(signature(account.secret, message).encode(), signed.encode())


def is_at_home(account: Account, host: str) -> bool:
    """Keys of the demo are unknown elsewhere, and the other way round (`details.demo`)."""
    return (host == DEMO) == bool(account.details.get("demo"))


def signed_account(call: Call) -> Account:
    """The account that signed a call; raises the exchange's refusal. A nonce may be left out."""
    request, now = call.request, call.now_ms
    account = call.exchange.by_key.get(request.headers.get("apikey", ""))
    if account is None or not is_at_home(account, request.host):
        raise refusal(AUTHENTICATION, now)
    nonce = request.headers.get("nonce", "")
    message = (
        request.query + request.body.decode("utf-8", "replace") + nonce + request.path.removeprefix("/derivatives")
    )
    if not is_signed(account, message, request.headers.get("authent", "")):
        raise refusal(AUTHENTICATION, now)
    if account.refusal_of_key(now, request.address) is not None:
        raise refusal(AUTHENTICATION, now)
    if nonce:
        last = account.details.get("nonce", 0)
        if not nonce.isdecimal() or int(nonce) <= last:
            raise refusal("nonceDuplicate" if nonce == str(last) else "nonceBelowThreshold", now)
        account.details["nonce"] = int(nonce)
    if call.route.details.get("general") and not may_read(account):
        raise refusal(NO_RIGHT, now, 403)
    return account


def may_read(account: Account) -> bool:
    return bool(account.permissions & {"read", "trade"})


def key_report(account: Account) -> dict[str, Any]:
    """The result of the key check."""
    can = account.permissions
    general = "FULL_ACCESS" if "trade" in can else "READ_ONLY" if "read" in can else "NO_ACCESS"
    return {
        "accountUid": account.uid,
        "allowedCidrBlocks": [f"{address}/32" for address in account.addresses],
        "permissions": {
            "general": general,
            "transfer": "FULL_ACCESS" if can & {"transfer", "withdraw"} else "NO_ACCESS",
        },
    }
