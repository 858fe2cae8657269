"""Gate's refusals: a label and a message under an HTTP status."""

from simulator.dialect import Refusal
from simulator.http import Response, answer

LABELS: dict[str, tuple[int, str]] = {
    "MISSING_REQUIRED_HEADER": (401, "Missing required header"),
    "REQUEST_EXPIRED": (401, "gap between request Timestamp and server time exceeds 60"),
    "INVALID_KEY": (401, "Invalid key provided"),
    "INVALID_SIGNATURE": (401, "Signature mismatch"),
    "IP_FORBIDDEN": (401, "IP address is not in the whitelist"),
    "ACCOUNT_LOCKED": (403, "Account is locked"),
    "FORBIDDEN": (403, "Request forbidden, missing permission"),
    "READ_ONLY": (403, "The key is read-only"),
    "INVALID_PARAM_VALUE": (400, "Invalid parameter value"),
    "MISSING_REQUIRED_PARAM": (400, "Missing required parameter"),
    "INVALID_CURRENCY_PAIR": (400, "Invalid currency pair"),
    "CONTRACT_NOT_FOUND": (400, "Contract not found"),
    "ORDER_NOT_FOUND": (404, "Order not found"),
    "USER_NOT_FOUND": (400, "please transfer funds first to create the account"),
    "NOT_FOUND": (404, "Request path does not exist"),
    "TOO_MANY_REQUESTS": (429, "Request Rate limit Exceeded"),
    "SERVER_ERROR": (500, "Internal server error"),
    "TOO_BUSY": (503, "System is too busy"),
}


def refused(label: str, message: str = "") -> Response:
    """The answer that refuses with one of the labels."""
    status, usual = LABELS[label]
    return answer({"label": label, "message": message or usual}, status=status)


def refusal(label: str, message: str = "") -> Refusal:
    """The same, to be raised."""
    return Refusal(refused(label, message))
