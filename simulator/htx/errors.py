"""HTX's envelopes: spot of two versions, contracts of two; nearly every refusal is HTTP 200 and the body decides."""

from typing import Any

from simulator.dialect import Call, Refusal
from simulator.http import Response, answer

CONTRACT_HOSTS = ("api.hbdm.vn", "api.hbdm.com")
V5 = "/v5/"

SIGNATURE = "api-signature-not-valid"
TEXTS = {
    "revoked": "Incorrect Access key [Access key错误]",
    "signature": "Verification failure [校验失败]",
    "time": "Invalid submission time [无效的提交时间]",
    "address": "Incorrect IP address [IP地址错误]",
    "expired": "API key has expired [API Key已过期]",
    "frozen": "Account is locked [账户已锁定]",
    "permission": "API key has no permission [API Key没有权限]",
}
"""Why a signed call is refused: one code on spot, told apart by these words alone."""

NOT_UNIFIED = 4007
NOT_UNIFIED_TEXT = "Unified account special interface, non - one account is not available"


def spot_good(data: Any) -> dict[str, Any]:
    """A good answer of spot's first version."""
    return {"status": "ok", "data": data}


def spot_v2_good(data: Any) -> dict[str, Any]:
    """A good answer of spot's second version."""
    return {"code": 200, "data": data, "ok": True}


def legacy_good(data: Any, now_ms: int) -> dict[str, Any]:
    """A good answer of the old contract interface."""
    return {"status": "ok", "data": data, "ts": now_ms}


def v5_good(data: Any, now_ms: int) -> dict[str, Any]:
    """A good answer of the V5 contract interface."""
    return {"code": 200, "message": "Success", "data": data, "ts": now_ms}


def spot_refused(code: str, message: str, status: int = 200) -> Response:
    """A refusal of spot's first version."""
    return answer({"status": "error", "err-code": code, "err-msg": message, "data": None}, status=status)


def spot_v2_refused(code: int, message: str) -> Response:
    """A refusal of spot's second version."""
    return answer({"code": code, "message": message, "data": None, "ok": False})


def contract_refused(call: Call, code: int, message: str, status: int = 200) -> Response:
    """A refusal of the contract system, in the envelope of the path that was called."""
    if call.request.path.startswith(V5):
        return answer({"code": code, "message": message, "data": None, "ts": call.now_ms}, status=status)
    return answer({"status": "error", "err_code": code, "err_msg": message, "ts": call.now_ms}, status=status)


def is_contract(call: Call) -> bool:
    """Whether the call is for the contract system."""
    return call.request.host in CONTRACT_HOSTS


def unauthorized(call: Call, reason: str) -> Refusal:
    """Why the signer of a call is not believed; `reason` is a name of `TEXTS`."""
    text = TEXTS[reason] + (f":{call.request.address}" if reason == "address" else "")
    if not is_contract(call):
        return Refusal(spot_refused(SIGNATURE, f"Signature not valid: {text}"))
    if reason == "signature" and call.request.path.startswith(V5):
        return Refusal(contract_refused(call, 1003, "invalid signature"))
    return Refusal(contract_refused(call, 403, text))


def too_often(call: Call) -> Response:
    """A broken rate limit, in one of the forms it has."""
    if is_contract(call):
        return contract_refused(call, 1032, "The number of access exceeded the limit.", status=429)
    code, message, status = call.exchange.dice.choice(
        (
            ("rate-too-many-requests", "exceeded rate limit", 429),
            (
                "base-request-exceed-frequency-limit",
                "Frequency of requests has exceeded the limit, please try again later",
                200,
            ),
            ("invalid-parameter", "request limit", 200),
        )
    )
    return spot_refused(code, message, status)


def blocked() -> Response:
    """What an address hears that went on asking: a page of the network before the exchange."""
    body = b"<html><head><title>403 Forbidden</title></head><body>403 Forbidden</body></html>"
    return Response(status=403, body=body, content_type="text/html")
