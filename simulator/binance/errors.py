"""Binance's own refusals."""

from simulator.dialect import Refusal
from simulator.http import answer

MESSAGES: dict[int, tuple[int, str]] = {
    -1000: (400, "An unknown error occurred while processing the request."),
    -1003: (429, "Too many requests; current limit of IP is exceeded. Please use WebSocket Streams for live updates."),
    -1021: (400, "Timestamp for this request is outside of the recvWindow."),
    -1022: (400, "Signature for this request is not valid."),
    -1100: (400, "Illegal characters found in a parameter."),
    -1102: (400, "A mandatory parameter was not sent, was empty/null, or malformed."),
    -1121: (400, "Invalid symbol."),
    -1125: (400, "This listenKey does not exist."),
    -1127: (400, "More than 24 hours between startTime and endTime."),
    -1128: (400, "Combination of optional parameters invalid."),
    -1131: (400, "recvWindow must be less than 60000"),
    -2008: (401, "Invalid Api-Key ID."),
    -2013: (400, "Order does not exist."),
    -2014: (401, "API-key format invalid."),
    -2015: (401, "Invalid API-key, IP, or permissions for action."),
}


class Broken(Refusal):
    """One of Binance's rules is broken; `code` is theirs. On REST it is the answer; sockets wrap it their own way."""

    def __init__(self, code: int, message: str | None = None) -> None:
        self.code = code
        self.status, usual = MESSAGES.get(code, (400, "Error."))
        self.message = message or usual
        super().__init__(answer({"code": code, "msg": self.message}, status=self.status))


def missing(name: str) -> Broken:
    return Broken(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")
