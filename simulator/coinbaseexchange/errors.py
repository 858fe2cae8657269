"""What Coinbase Exchange says when it refuses: always one `message`, and a status that counts more."""

from simulator.dialect import Refusal
from simulator.http import Response, answer


def refused(status: int, message: str) -> Response:
    return answer({"message": message}, status=status)


def refusal(status: int, message: str) -> Refusal:
    """The same, to be raised."""
    return Refusal(refused(status, message))
