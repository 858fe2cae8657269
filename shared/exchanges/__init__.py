"""What we know of each exchange, one module each. No I/O, no clock; nothing outside names an exchange.

Modules are found by being here: each holds one `EXCHANGE`.
"""

import importlib
import pkgutil
from functools import cache

from shared.domain.errors import BadInput
from shared.exchanges.kit.contract import Exchange


@cache
def names() -> tuple[str, ...]:
    """The ids of all exchanges, sorted, without importing their modules."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(__path__) if module.name != "kit"))


@cache
def load(name: str) -> Exchange:
    """One exchange by its id or an old name. Raises `BadInput`, naming those that exist."""
    wanted = name.strip().lower()
    if wanted in names():
        return _module(wanted)
    for known in names():
        if wanted in _module(known).aliases:
            return _module(known)
    raise BadInput(f"The exchange {name!r} is unknown.", hint=f"Known are: {', '.join(names())}.")


def everything() -> tuple[Exchange, ...]:
    """All exchanges."""
    return tuple(_module(name) for name in names())


def _module(name: str) -> Exchange:
    exchange: Exchange = importlib.import_module(f"{__name__}.{name}").EXCHANGE
    return exchange
