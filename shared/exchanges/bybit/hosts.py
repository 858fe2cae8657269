"""Hosts: the entities and their addresses. A key is known only to the entity where it was made.

Docs, Integration Guidance and Connect (WebSocket), read 2026-11.
"""

from collections.abc import Mapping

REST: Mapping[str, str] = {
    "global": "bybit.com",
    "bytick": "bytick.com",  # another door to the global entity
    "eu": "bybit.eu",
    "nl": "bybit.nl",
    "tr": "bybit.tr",
    "kz": "bybit.kz",
    "ae": "bybit.ae",
    "id": "bybit.id",
    "ge": "bybitgeorgia.ge",
    "jp": "manepa.jp",
}
SANDBOXES = ("testnet", "demo")
REGIONS = (*REST, *SANDBOXES)

# These have sockets of their own (bybit.eu's is assumed from its REST host); the others use the global ones.
_OWN_SOCKETS = ("eu", "tr", "kz", "id", "ge", "jp")


def private_socket(region: str) -> str:
    """The host of the private socket."""
    return f"stream-{region}.bybit.com" if region in SANDBOXES else _socket(region)


def public_socket(region: str) -> str:
    """The host of the public sockets; demo trading has the prices of the real exchange."""
    return "stream-testnet.bybit.com" if region == "testnet" else _socket(region)


def _socket(region: str) -> str:
    return f"stream.{REST[region if region in _OWN_SOCKETS else 'global']}"
