"""Private sockets: a login, then fills, orders and balances of one account, in the words of either interface."""

import hmac
from typing import Any

from simulator.bitget import orders, rows
from simulator.bitget.keys import CLASSIC, CLOCK_MS, UNIFIED, signature_of
from simulator.bitget.listings import FUTURES, PRODUCTS, category_of
from simulator.bitget.talk import Channel, Talk
from simulator.dialect import BalanceMoved, Call, Event, OrderFilled
from simulator.exchange import Exchange
from simulator.sockets import Frame, Socket, framed
from simulator.truth import Account, Fill

FILL, FAST, ALL = "fill", "fast-fill", ("", "default")
CHANNELS = {FILL, "orders", "account", "positions", "orders-algo"}
TOPICS = {FILL, FAST, "order", "account", "position"}


class PrivateTalk(Talk):
    """One account's conversation.

    An account of the other mode may log in and subscribe here, and hears nothing (no document says what happens).
    """

    def __init__(self, socket: Socket, call: Call) -> None:
        super().__init__(socket, call)
        self.account: Account | None = None

    def sign_in(self, arg: dict[str, Any]) -> None:
        key, passphrase, stamp, sign = (
            str(arg.get(name, "")) for name in ("apiKey", "passphrase", "timestamp", "sign")
        )
        account = self.exchange.by_key.get(key)
        code = 30011 if account is None else self._refusal(account, passphrase, stamp, sign)
        if code is not None:
            self.complain(code)
            return
        self.account = account
        self.socket.reply({"event": "login", "code": 0 if self.is_third else "0", "msg": ""})

    def _refusal(self, account: Account, passphrase: str, stamp: str, sign: str) -> int | None:
        reason = account.refusal_of_key(self.exchange.now_ms(), self.call.request.address)
        is_demo = self.call.request.host.startswith("wspap.")
        if reason in {"revoked", "expired"} or is_demo is not bool(account.details.get("demo")):
            return 30011
        if passphrase != account.passphrase:
            return 30012
        if not stamp.isdecimal():
            return 30013
        if not self.exchange.trusts_time(int(stamp) * 1000, behind_ms=CLOCK_MS, ahead_ms=CLOCK_MS):
            return 30014
        if not hmac.compare_digest(signature_of(account, f"{stamp}GET/user/verify"), sign):
            return 30015
        return 30005 if reason is not None or "read" not in account.permissions else None

    def refuse(self, channel: Channel) -> int | None:
        """A wrong instType is acknowledged and says nothing."""
        if self.account is None:
            return 30004
        return None if channel[1] in (TOPICS if self.is_third else CHANNELS) else 30001

    def follow(self, channel: Channel, arg: dict[str, Any]) -> None:
        if self.account is not None:
            self.exchange.listeners.add(self.account, self, channel)

    def forget(self, channel: Channel) -> None:
        super().forget(channel)
        if self.account is not None:
            self.exchange.listeners.remove(self.account, self, channel)

    def enveloped(self, tag: Any, message: Any) -> Any:
        return self.message(self.channels[tag], message if isinstance(message, list) else [message])

    def notice(self, name: str, account: Account | None) -> None:
        if name in {"key_revoked", "key_expired"} and account is self.account:
            self.complain(30011)
            self.socket.close(1000, "")


def publish(exchange: Exchange, account: Account, events: list[Event]) -> None:
    """Tells everyone who listens; the fills that one order made at once come in one message."""
    frames: dict[tuple[str, Channel], list[Frame]] = {}
    for talk, channel in exchange.listeners.of(account):
        if not isinstance(talk, PrivateTalk) or account.mode != (UNIFIED if talk.is_third else CLASSIC):
            continue
        key = (account.mode, channel)
        if key not in frames:
            told = _third if talk.is_third else _second
            frames[key] = [
                framed(talk.message(talk.channels[channel], data)) for data in told(account, channel, events)
            ]
        talk.socket.events(frames[key])


def _fills(events: list[Event]) -> list[Fill]:
    return [event.fill for event in events if isinstance(event, OrderFilled)]


def _second(account: Account, channel: Channel, events: list[Event]) -> list[Any]:
    """The data of each push of a classic channel."""
    kind, name, market_id = channel
    if kind not in PRODUCTS:
        return []
    if name == FILL:
        made = [
            fill
            for fill in _fills(events)
            if category_of(fill.market) == kind and (market_id in ALL or market_id == fill.market.id)
        ]
        row_of = rows.told_contract_fill if kind in FUTURES else rows.told_spot_fill
        return [[row_of(fill, account.details["pos_mode"]) for fill in made]] if made else []
    if name == "orders":
        return [
            [row]
            for event in events
            if (market := orders.market_of(event)) is not None
            and category_of(market) == kind
            and (row := orders.classic_order(event)) is not None
        ]
    if name == "account":
        moved = [event for event in events if isinstance(event, BalanceMoved) and event.wallet == PRODUCTS[kind]]
        row_of_coin = orders.spot_coin if kind == "SPOT" else orders.contract_coin
        return [[row_of_coin(coin, *event.assets[coin][:2]) for coin in event.assets] for event in moved]
    return []


def _third(account: Account, channel: Channel, events: list[Event]) -> list[Any]:
    """The data of each push of a topic of the unified account."""
    kind, name, _ = channel
    if kind != "UTA":
        return []
    if name == FILL:
        made = _fills(events)
        return [[rows.told_unified_fill(fill) for fill in made]] if made else []
    if name == FAST:
        return [rows.fast_fill(fill) for fill in _fills(events) if fill.kind == "trade"]
    if name == "order":
        return [[row] for event in events if (row := orders.unified_order(event)) is not None]
    if name == "account" and any(isinstance(event, BalanceMoved) for event in events):
        return [[orders.unified_account(account)]]
    return []
