"""Errors, sorted by what the caller does.

TradeSyncError                 a code and one sentence for the user
  Transient                    wait, again                          job: later
    ExchangeUnavailable        down, maintenance, 5xx, timeout, HTML where JSON was due
    RateLimited(until)         too many requests or a ban
    LeaseLost                  somebody else has it now             job: done, quietly
    StoreUnavailable           Postgres does not answer
    WireUnavailable            Redis does not answer or is full
  UserActionNeeded             stop this connection, tell its owner connection: suspended
    KeyRejected                wrong key, wrong signature, revoked or expired
    PermissionMissing          the key may not read what is asked
    AddressNotAllowed          the key is bound to other addresses
    RegionNotAllowed           the exchange refuses this country or entity
    KeyTooPowerful             the key can withdraw, or trade without being allowed to
    ClockWrong                 this machine's clock is off
  AccountModeChanged           detect the mode again, then go on    job: later, after detection
  MarketGone                   this market is closed at the exchange feed: closed
  ContractBroken               quarantine, loud                     job goes on without the row, or fails
    UnreadableRow              a row or message that cannot be read
    PageStuck                  a page that does not move on
    TradeContradicted          one identity, two truths
  ReaderFailed                 a message ends our reader           stream: again, then parked
  BadInput                     what the user or a program asked for makes no sense
anything else                  our fault: the job fails, the process lives
"""

from typing import ClassVar


class TradeSyncError(Exception):
    """Something went wrong."""

    code: ClassVar[str] = "error"

    def __init__(self, sentence: str | None = None, *, hint: str | None = None) -> None:
        text = sentence or (type(self).__doc__ or "").strip().splitlines()[0]
        super().__init__(text)
        self.sentence = text
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.sentence} {self.hint}" if self.hint else self.sentence


class Transient(TradeSyncError):
    """Something that passes by itself got in the way; it is tried again."""

    code = "transient"


class ExchangeUnavailable(Transient):
    """The exchange does not answer properly right now; it is asked again later."""

    code = "exchange_unavailable"


class RateLimited(Transient):
    """The exchange asks for a pause.

    `until_ms` is when it may be asked again (epoch ms), `ban` whether the exchange called it a ban,
    `scope` what must pause: the egress address or this account only.
    """

    code = "rate_limited"

    def __init__(
        self, sentence: str | None = None, *, until_ms: int, ban: bool = False, scope: str = "address"
    ) -> None:
        super().__init__(sentence)
        self.until_ms = until_ms
        self.ban = ban
        self.scope = scope


class LeaseLost(Transient):
    """Somebody else took this work over."""

    code = "lease_lost"


class StoreUnavailable(Transient):
    """Postgres does not answer."""

    code = "store_unavailable"


class WireUnavailable(Transient):
    """Redis does not answer or takes no more."""

    code = "wire_unavailable"


class UserActionNeeded(TradeSyncError):
    """Only the owner of this connection can mend this."""

    code = "user_action_needed"


class KeyRejected(UserActionNeeded):
    """The exchange does not accept this API key: it may be mistyped, revoked or expired."""

    code = "key_rejected"


class PermissionMissing(UserActionNeeded):
    """The API key lacks a permission that reading this account needs."""

    code = "permission_missing"


class AddressNotAllowed(UserActionNeeded):
    """The API key is bound to other IP addresses than this server's."""

    code = "address_not_allowed"


class RegionNotAllowed(UserActionNeeded):
    """The exchange does not serve this server's country, or the key belongs to another regional entity."""

    code = "region_not_allowed"


class KeyTooPowerful(UserActionNeeded):
    """The API key can do more than read; create one that can only read."""

    code = "key_too_powerful"


class ClockWrong(UserActionNeeded):
    """This machine's clock is too far from the exchange's; correct the clock."""

    code = "clock_wrong"


class AccountModeChanged(TradeSyncError):
    """The account changed its mode at the exchange; it is detected again."""

    code = "account_mode_changed"


class MarketGone(TradeSyncError):
    """The exchange does not know this market any more."""

    code = "market_gone"


class ContractBroken(TradeSyncError):
    """The exchange answered something that its own rules do not allow."""

    code = "contract_broken"


class UnreadableRow(ContractBroken):
    """A row or message cannot be read."""

    code = "unreadable_row"


class PageStuck(ContractBroken):
    """A page of history does not move on: the exchange gives the same page again."""

    code = "page_stuck"


class TradeContradicted(ContractBroken):
    """The exchange told two different stories about one trade."""

    code = "trade_contradicted"


class ReaderFailed(TradeSyncError):
    """Our reader fails on what the exchange says; the messages are kept in quarantine."""

    code = "reader_failed"


class BadInput(TradeSyncError):
    """What was asked for makes no sense."""

    code = "bad_input"
