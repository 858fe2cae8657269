"""What Coinbase says when it refuses: JSON of its gateway, or plain words of what stands before it."""

from simulator.dialect import Refusal
from simulator.http import Response, answer


def said(status: int, error: str, message: str) -> Response:
    """A refusal of `/api/v3/brokerage`: the code stands in `error`."""
    return answer({"error": error, "error_details": message, "message": message}, status=status)


def listed(status: int, name: str, message: str) -> Response:
    """A refusal as `/v2` writes it, which is also how the limits of both are told."""
    return answer({"errors": [{"id": name, "message": message}]}, status=status)


def worded(status: int, words: str) -> Response:
    """A refusal without any JSON."""
    return Response(status=status, body=words.encode(), content_type="text/plain; charset=utf-8")


def unauthorized() -> Response:
    """Whatever is wrong with a token: it is not said what."""
    return worded(401, "Unauthorized\n")


def invalid(message: str) -> Refusal:
    """A parameter makes no sense."""
    return Refusal(said(400, "INVALID_ARGUMENT", message))
