"""Hosts: where the exchange, its European entity and its testnet live. A key is known to one of them only.

Docs: https://www.gate.com/docs/developers/apiv4 and /futures/ws, read 2026-11. The European entity has no contracts.
"""

from collections.abc import Mapping

REST: Mapping[str, str] = {
    "global": "https://api.gateio.ws/api/v4",
    "eu": "https://api.gateeu.com/api/v4",
    "testnet": "https://api-testnet.gateapi.io/api/v4",
}
SPOT_SOCKETS: Mapping[str, str] = {
    "global": "wss://api.gateio.ws/ws/v4/",
    "eu": "wss://api.gateeu.com/ws/v4/",
    "testnet": "wss://ws-testnet.gate.com/v4/ws/spot",
}
FUTURES_SOCKETS: Mapping[str, str] = {
    "global": "wss://fx-ws.gateio.ws/v4/ws/usdt",
    "testnet": "wss://ws-testnet.gate.com/v4/ws/futures/usdt",
}
REGIONS = tuple(REST)
