"""The private sockets: sign in first, then orders with their last fills, and the wallet, of one account."""

from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from simulator.dialect import BalanceMoved, Event
from simulator.exchange import Exchange
from simulator.okx import keys
from simulator.okx.listings import INST_TYPES, find, is_in_family
from simulator.okx.news import News, news_of
from simulator.okx.talk import Talk
from simulator.okx.wallets import TRADING, trading_wallet
from simulator.sockets import Frame, framed
from simulator.truth import Account, Market

ORDERS, ACCOUNT, FILLS = "orders", "account", "fills"
SILENT = ("positions", "balance_and_position", "liquidation-warning", "account-greeks")
ALGOS = ("orders-algo", "algo-advance")
"""Channels that may be subscribed and say nothing here: none of them tells of a trade that orders does not."""
CHANNELS = {"private": (ORDERS, ACCOUNT, *SILENT), "business": ALGOS}
MOST_CONNECTIONS = 30
REFUSED_KEYS = {"revoked": 60032, "expired": 60005, "address": 60009, "frozen": 60009}


class Subscription(Struct, frozen=True, omit_defaults=True):
    """What one subscription wants to hear."""

    channel: str
    instType: str = ""  # noqa: N815 — these are the exchange's own names
    instFamily: str = ""  # noqa: N815
    instId: str = ""  # noqa: N815
    ccy: str = ""

    def wants(self, market: Market, kind: str) -> bool:
        return (
            self.instType in {"ANY", kind} and self.instId in {"", market.id} and is_in_family(market, self.instFamily)
        )


class PrivateTalk(Talk):
    """One account's conversation."""

    account: Account | None = None

    def sign_in(self, asked: dict[str, Any], args: list[dict[str, Any]]) -> None:
        """Once a socket. Who is refused is told why, and let go."""
        if self.account is not None:
            self.refuse(60031, asked)
            return
        code = next(self._refusals(args[0]), None)
        if code is not None:
            self.refuse(code, asked)
            self.socket.close(4001, "Login failed")
            return
        self.account = self.exchange.by_key[str(args[0]["apiKey"])]
        self.socket.reply({"event": "login", "code": "0", "msg": "", "connId": self.conn_id})

    def _refusals(self, said: dict[str, Any]) -> Iterator[int]:
        """What is wrong with a login, the first first; each check relies on those before it."""
        key, phrase, stamp, made = (str(said.get(name, "")) for name in ("apiKey", "passphrase", "timestamp", "sign"))
        entity, is_demo = keys.SOCKET_HOSTS[self.call.request.host]
        if not keys.looks_like_a_key(key):
            yield 60005
        if not stamp.isdecimal():
            yield 60004
        if not self.exchange.trusts_time(int(stamp) * 1000, behind_ms=keys.LIFE_MS + 999, ahead_ms=keys.LIFE_MS):
            yield 60006
        account = keys.key_of(self.exchange, key, entity)
        if account is None:
            yield 60032
            return
        if keys.is_demo(account) is not is_demo:
            yield 50101
        if phrase != account.passphrase:
            yield 60024
        if made != keys.signature(account.secret, f"{stamp}GET/users/self/verify"):
            yield 60007
        reason = account.refusal_of_key(self.exchange.now_ms(), self.call.request.address)
        if reason is not None:
            yield REFUSED_KEYS[reason]

    # Subscriptions.

    def subscribe_all(self, asked: dict[str, Any], args: list[dict[str, Any]]) -> None:
        if self.account is None:
            self.refuse(60011, asked)
        else:
            super().subscribe_all(asked, args)

    def subscribe(self, asked: dict[str, Any], arg: dict[str, str]) -> None:
        assert self.account is not None
        channel = arg.get("channel", "")
        if channel == FILLS:
            self.refuse(60029, asked)
            return
        if not self._is_known(arg):
            self.refuse_channel(asked, arg)
            return
        self.has_subscribed = True
        self.acknowledge("subscribe", asked, arg)
        wanted, heard = _subscription(arg), self.exchange.listeners.of(self.account)
        others = {id(talk) for talk, tag in heard if tag.channel == channel and talk is not self}
        if len(others) >= MOST_CONNECTIONS and self.exchange.enforcing:
            self._count_connections("channel-conn-count-error", channel, len(others))
            return
        self._count_connections("channel-conn-count", channel, len(others) + 1)
        if (self, wanted) not in heard:
            self.exchange.listeners.add(self.account, self, wanted)
        if channel == ACCOUNT:
            self.socket.event(_wallet(wanted, self.account, self.exchange.now_ms()))

    def _is_known(self, arg: dict[str, str]) -> bool:
        end = self.call.request.path.rpartition("/")[2]
        if arg.get("channel") not in CHANNELS[end]:
            return False
        if arg["channel"] not in {ORDERS, *ALGOS}:
            return True
        has_market = "instId" not in arg or find(self.exchange, arg["instId"]) is not None
        return has_market and arg.get("instType") in {"ANY", *INST_TYPES}

    def _count_connections(self, event: str, channel: str, count: int) -> None:
        self.socket.reply({"event": event, "channel": channel, "connCount": str(count), "connId": self.conn_id})

    def unsubscribe(self, arg: dict[str, str]) -> None:
        if self.account is not None:
            self.exchange.listeners.remove(self.account, self, _subscription(arg))

    # Ends.

    def notice(self, name: str, account: Account | None) -> None:
        if name in {"key_revoked", "key_expired"}:
            if account is self.account:
                self.socket.close(4007, "API key has been updated or deleted. Please reconnect.")
        else:
            super().notice(name, account)

    def enveloped(self, tag: Any, message: Any) -> Any:
        assert self.account is not None
        return _envelope(tag, self.account, message if isinstance(message, list) else [message])


def _subscription(arg: dict[str, str]) -> Subscription:
    names = ("channel", "instType", "instFamily", "instId", "ccy")
    return Subscription(**{name: arg[name] for name in names if name in arg})


# What is told.


def publish(exchange: Exchange, account: Account, events: list[Event]) -> None:
    """Tells everyone who listens: one message for each thing that happened to an order."""
    heard = exchange.listeners.of(account)
    news = news_of(account, events, is_heard=bool(heard))
    moved = {
        coin for event in events if isinstance(event, BalanceMoved) and event.wallet == TRADING for coin in event.assets
    }
    frames: dict[Subscription, list[Frame]] = {}
    for talk, wanted in heard:
        if wanted not in frames:
            frames[wanted] = _frames(exchange, account, wanted, news)
            if wanted.channel == ACCOUNT and moved:
                frames[wanted].append(_wallet(wanted, account, exchange.now_ms(), moved))
        talk.socket.events(frames[wanted])


def _frames(exchange: Exchange, account: Account, wanted: Subscription, news: list[News]) -> list[Frame]:
    """`details.repeats`: fills are told again now and then."""
    frames = []
    for push in news if wanted.channel == ORDERS else ():
        if wanted.wants(push.market, push.kind):
            frame = framed(_envelope(wanted, account, [push.row]))
            again = push.is_fill and account.details.get("repeats") and exchange.dice.random() < 0.3
            frames += [frame, frame] if again else [frame]
    return frames


def _envelope(wanted: Subscription, account: Account, data: list[Any]) -> dict[str, Any]:
    asked = {name: getattr(wanted, name) for name in wanted.__struct_fields__ if getattr(wanted, name)}
    return {"arg": asked | {"uid": account.uid}, "data": data}


def _wallet(wanted: Subscription, account: Account, now_ms: int, moved: set[str] | None = None) -> Frame:
    coins = {wanted.ccy} if wanted.ccy else moved or set()
    return framed(_envelope(wanted, account, [trading_wallet(account, coins, now_ms)]))
