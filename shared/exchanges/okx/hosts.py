"""Hosts: the entities and their addresses. A key is known only to the entity, and the environment, it was made for.

Docs, Overview, Production Trading Services and Demo Trading Services, read 2026-11. Demo trading has sockets of its
own; over REST only a header tells it apart.
"""

from collections.abc import Mapping

from msgspec import Struct


class Host(Struct, frozen=True):
    """Where an entity answers."""

    rest: str
    socket: str
    is_demo: bool = False


HOSTS: Mapping[str, Host] = {
    "global": Host("www.okx.com", "ws.okx.com"),
    "eea": Host("eea.okx.com", "wseea.okx.com"),
    "us": Host("us.okx.com", "wsus.okx.com"),
    "demo": Host("www.okx.com", "wspap.okx.com", is_demo=True),
    "eea-demo": Host("eea.okx.com", "wseeapap.okx.com", is_demo=True),
    "us-demo": Host("us.okx.com", "wsuspap.okx.com", is_demo=True),
}
REGIONS = tuple(HOSTS)
DEMO_HEADER = {"x-simulated-trading": "1"}


def socket(region: str, end: str) -> str:
    """The address of a socket; `end` is `public` or `private`."""
    return f"wss://{HOSTS[region].socket}:8443/ws/v5/{end}"
