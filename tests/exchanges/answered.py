"""Steps of a module, answered from a list."""

from typing import Any

from shared.domain.errors import PermissionMissing
from shared.exchanges.kit.contract import Answer, Steps


def answered(steps: Steps[Any], *pages: Any) -> tuple[Any, list[dict[str, Any]]]:
    """What becomes of these answers, and the parameters that each was asked with. None: the key may not see it."""
    asked = []
    try:
        request = next(steps)
        for page in pages:
            asked.append(dict(request.params))
            request = steps.throw(PermissionMissing()) if page is None else steps.send(Answer(page))
    except StopIteration as end:
        return end.value, asked
    raise AssertionError(f"it asks on: {request.params}")
