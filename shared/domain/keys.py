"""Which keys are taken: we only ever read, so a key that can do more is refused, whoever hands it in."""

from shared.domain.connections import KeyReport, Verdict
from shared.domain.errors import KeyTooPowerful, PermissionMissing


def guard(report: KeyReport, *, trade_allowed: bool) -> None:
    """Raise `KeyTooPowerful` or `PermissionMissing` for a key that must not be used.

    Withdrawing is never allowed, trading only where the operator allowed it. What the exchange does not tell is
    no reason to refuse: it is shown as unknown.
    """
    if report.can_withdraw is Verdict.YES:
        raise KeyTooPowerful("This API key can withdraw. Create one that can only read, and delete this one.")
    if report.can_trade is Verdict.YES and not trade_allowed:
        raise KeyTooPowerful("This API key can trade. Create one that can only read.")
    if report.can_read is Verdict.NO:
        raise PermissionMissing("This API key may not read the account. Create one with the permission to read.")
