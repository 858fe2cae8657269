"""The list of calls that may be made at all: what an exchange's module declares, and nothing else."""

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from shared.exchanges.kit.contract import Endpoint


class CallNotDeclared(Exception):
    """A call was about to be made that the exchange's module does not declare."""


class Paths:
    """Finds the declared endpoint of an address; an address without one is refused."""

    def __init__(self, exchange: str, endpoints: Iterable[Endpoint]) -> None:
        self._exchange = exchange
        self._patterns = [(endpoint, _pattern(endpoint.path)) for endpoint in endpoints]

    def check(self, endpoint: Endpoint, method: str, url: str) -> None:
        """Raise `CallNotDeclared` unless this address is that endpoint's, and that endpoint is declared."""
        for declared, pattern in self._patterns:
            if declared == endpoint and _fits(declared, pattern, method, url):
                return
        raise CallNotDeclared(f"{self._exchange} declares no {method} {urlsplit(url).path}")

    def find(self, method: str, url: str) -> Endpoint:
        """The unsigned endpoint of this address. Raises `CallNotDeclared` when there is none."""
        for declared, pattern in self._patterns:
            if not declared.signed and _fits(declared, pattern, method, url):
                return declared
        raise CallNotDeclared(f"{self._exchange} declares no public {method} {urlsplit(url).path}")


def _pattern(path: str) -> re.Pattern[str]:
    parts = re.split(r"\{\w+\}", path)
    return re.compile("[^/]+".join(re.escape(part) for part in parts))


def _fits(endpoint: Endpoint, pattern: re.Pattern[str], method: str, url: str) -> bool:
    address = urlsplit(url)
    return method == endpoint.method and address.scheme == "https" and pattern.fullmatch(address.path) is not None
