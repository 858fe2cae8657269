"""Named faults, played while the simulator runs: by request, or as a forecast that goes with the trading."""

import asyncio
from random import Random
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from simulator.http import Response

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulator.dialect import Call
    from simulator.exchange import Exchange
    from simulator.sockets import Frame, Socket

FLEETING = ("drop", "token_dies", "key_revoked", "key_expired")
"""Happen at once; `seconds` only makes them happen again."""
LASTING = (
    "stall", "late", "twice", "out_of_order", "lost", "rate_limit", "server_errors", "html", "half_frame",
    "clock_skew", "maintenance", "delisting", "refused_reconnect", "slow",
)  # fmt: skip
NAMES = (*FLEETING, *LASTING)
STORM = (
    "drop", "drop", "stall", "late", "twice", "out_of_order", "lost", "rate_limit", "server_errors", "html",
    "half_frame", "refused_reconnect", "slow", "token_dies", "maintenance",
)  # fmt: skip
"""What a storm is made of: everything a careful client gets over by itself."""

MEANING = {
    "drop": "sockets break without a word; with `seconds` again every `every` (2) seconds",
    "stall": "sockets stay open and nothing is said on them, not even pongs; what happens meanwhile is lost there; "
    "with `only_open` sockets opened afterwards are well",
    "late": "REST shows a new trade only `delay` (3) seconds after the socket",
    "twice": "events are sent again, at once or later (`chance` 0.3)",
    "out_of_order": "events change places with the next one (`chance` 0.3)",
    "lost": "events are never sent (`chance` 0.1)",
    "rate_limit": "REST refuses with the exchange's rate-limit answer, and bans who goes on (`patience` 3 refusals)",
    "server_errors": "REST answers 5xx (`chance` 0.5)",
    "html": "REST answers a web page instead of JSON (`chance` 0.5)",
    "half_frame": "answers and frames are cut in the middle, and the connection breaks (`chance` 0.05)",
    "clock_skew": "the exchange's clock is `skew_ms` (30000) off",
    "key_revoked": "the account's key is deleted, until it is restored",
    "key_expired": "the account's key is past its date, until it is restored",
    "maintenance": "sockets are told and closed, everything is refused",
    "delisting": "`market` (or one by chance) is delisted, and back when it is over",
    "token_dies": "listen keys and tokens are void, and told so where the exchange tells",
    "refused_reconnect": "no new socket is let in (`chance` 1.0)",
    "slow": "answers and events come `delay` (1) seconds later",
}


class Spell(Struct, eq=False):
    """One weather over an exchange or one of its accounts. `until_s` is the loop's time, None: until it is ended."""

    id: int
    name: str
    until_s: float | None
    account: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    count: int = 0

    def option(self, name: str, default: float) -> float:
        return float(self.options.get(name, default))


class Weather:
    """The weather over one exchange."""

    def __init__(self, exchange: "Exchange", dice: Random) -> None:
        self.exchange = exchange
        self.dice = dice
        self.spells: list[Spell] = []
        self.calm = True
        self._last_id = 0
        self._skew_ms = 0
        self._ways: dict[str, Callable[[Spell, Socket, Frame], bool]] = {
            "lost": self._lose,
            "half_frame": self._break,
            "slow": self._delay,
            "twice": self._double,
            "out_of_order": self._disorder,
        }
        """What may happen to an event on its way; each says whether it dealt with it."""

    def start(self, name: str, *, seconds: float | None, account: str | None, options: dict[str, Any]) -> Spell:
        """Begins a spell; `name` is one of `NAMES`, `account` the uid it is for (None: all)."""
        self._last_id += 1
        until = None if seconds is None else self.exchange.real_s() + seconds
        spell = Spell(self._last_id, name, until, account, options)
        self.exchange.counters[f"weather_{name}"] += 1
        if name not in FLEETING or (name == "drop" and seconds is not None):
            self.spells.append(spell)
            self.calm = False
        self._begin(spell)
        return spell

    def clear(self, name: str | None = None) -> None:
        """Ends all spells, or those of one name."""
        for spell in [spell for spell in self.spells if name in {None, spell.name}]:
            self._finish(spell)

    def tick(self, now_s: float) -> None:
        """About once a second: what is over ends, what repeats happens again."""
        for spell in list(self.spells):
            if spell.until_s is not None and now_s >= spell.until_s:
                self._finish(spell)
            elif spell.name == "drop":
                spell.count += 1
                if spell.count % max(1, int(spell.option("every", 2))) == 0:
                    self._drop(spell)
            elif spell.name == "stall" and not spell.options.get("only_open"):
                self._stall(spell, stalled=True)

    def find(self, name: str, uid: str | None = None) -> Spell | None:
        """The spell of that name over this account, if there is one."""
        for spell in self.spells:
            if spell.name == name and (spell.account is None or spell.account == uid):
                return spell
        return None

    # Beginning and end.

    def _begin(self, spell: Spell) -> None:
        exchange, name = self.exchange, spell.name
        account = exchange.by_uid.get(spell.account or "")
        if name == "drop":
            self._drop(spell)
        elif name == "stall":
            self._stall(spell, stalled=True)
        elif name == "clock_skew":
            self._set_clock()
        elif name == "maintenance":
            exchange.dialect.notice("maintenance", None)
            for socket in list(exchange.sockets):
                socket.close(1001, "maintenance")
        elif name in {"key_revoked", "key_expired"}:
            for one in [account] if account else list(exchange.accounts.values()):
                exchange.spoil_key(one, name)
        elif name == "token_dies":
            exchange.dialect.notice("token_dies", account)
        elif name == "delisting":
            self._delist(spell)

    def _delist(self, spell: Spell) -> None:
        open_markets = [market for market in self.exchange.markets.values() if market.status == "trading"]
        wanted = spell.options.get("market")
        chosen = [market for market in open_markets if market.id == wanted] if wanted else open_markets[3:]
        if chosen:
            market = chosen[0] if wanted else self.dice.choice(chosen)
            self.exchange.set_status(market, "delisted")
            spell.options["product"], spell.options["market"] = market.key

    def _finish(self, spell: Spell) -> None:
        if spell in self.spells:
            self.spells.remove(spell)
        self.calm = not self.spells
        exchange = self.exchange
        if spell.name == "stall":
            self._stall(spell, stalled=False)
        elif spell.name == "clock_skew":
            self._set_clock()
        elif spell.name == "delisting" and "product" in spell.options:
            exchange.set_status(exchange.markets[spell.options["product"], spell.options["market"]], "trading")
        elif spell.name == "out_of_order":
            for socket in exchange.sockets:
                held = socket.swap(None)
                if held is not None:
                    socket.write(held)

    def _set_clock(self) -> None:
        """There is one clock: of several spells over it the newest says how far it is off."""
        skews = [int(spell.option("skew_ms", 30_000)) for spell in self.spells if spell.name == "clock_skew"]
        skew_ms = skews[-1] if skews else 0
        self.exchange.skew_ms += skew_ms - self._skew_ms
        self._skew_ms = skew_ms

    def _within(self, spell: Spell) -> list["Socket"]:
        account = self.exchange.by_uid.get(spell.account or "")
        return [socket for socket in list(self.exchange.sockets) if socket.hears(account)]

    def _drop(self, spell: Spell) -> None:
        for socket in self._within(spell):
            if self.dice.random() < spell.option("chance", 1.0):
                socket.abort()

    def _stall(self, spell: Spell, *, stalled: bool) -> None:
        for socket in self._within(spell):
            socket.stalled = stalled

    # On the way.

    def carry(self, socket: "Socket", frame: "Frame") -> None:
        """Takes an event to a socket through whatever is going on."""
        for spell in self.spells:
            meant = spell.account is None or spell.account in socket.conversation.accounts
            way = self._ways.get(spell.name)
            if meant and way is not None and way(spell, socket, frame):
                return
        socket.write(frame)

    def _lose(self, spell: Spell, _socket: "Socket", _frame: "Frame") -> bool:
        if self.dice.random() >= spell.option("chance", 0.1):
            return False
        self.exchange.counters["events_lost"] += 1
        return True

    def _break(self, spell: Spell, socket: "Socket", frame: "Frame") -> bool:
        if self.dice.random() >= spell.option("chance", 0.05):
            return False
        self.exchange.counters["frames_broken"] += 1
        socket.break_in(frame)
        return True

    def _delay(self, spell: Spell, socket: "Socket", frame: "Frame") -> bool:
        asyncio.get_running_loop().call_later(spell.option("delay", 1.0), socket.write, frame)
        return True

    def _double(self, spell: Spell, socket: "Socket", frame: "Frame") -> bool:
        if self.dice.random() < spell.option("chance", 0.3):
            self.exchange.counters["events_doubled"] += 1
            later = 0.0 if self.dice.random() < 0.5 else self.dice.uniform(0.05, 1.5)
            asyncio.get_running_loop().call_later(later, socket.write, frame)
        return False

    def _disorder(self, spell: Spell, socket: "Socket", frame: "Frame") -> bool:
        held = socket.swap(None)
        if held is not None:
            socket.write(frame)
            socket.write(held)
            return True
        if self.dice.random() >= spell.option("chance", 0.3):
            return False
        self.exchange.counters["events_disordered"] += 1
        socket.swap(frame)
        return True

    def answer(self, call: "Call") -> Response | None:
        """What the weather answers instead of the exchange, if it does."""
        dialect = self.exchange.dialect
        uid = None
        for spell in self.spells:
            if spell.account is not None:
                uid = uid or self.exchange.uid_of_key(call)
                if spell.account != uid:
                    continue
            if spell.name == "maintenance":
                return dialect.trouble("maintenance", call, {})
            if spell.name == "rate_limit":
                spell.count += 1
                left = 5.0 if spell.until_s is None else max(0.0, spell.until_s - self.exchange.real_s())
                name = "rate_limit" if spell.count <= spell.option("patience", 3) else "ban"
                return dialect.trouble(name, call, {"seconds": spell.option("retry_after", left)})
            if spell.name == "server_errors" and self.dice.random() < spell.option("chance", 0.5):
                return dialect.trouble("server_errors", call, {})
            if spell.name == "html" and self.dice.random() < spell.option("chance", 0.5):
                body = b"<!DOCTYPE html><html><head><title>Just a moment</title></head><body>nginx</body></html>"
                status = self.dice.choice((200, 502, 503))
                return Response(status=status, body=body, content_type="text/html")
        return None

    def bend(self, call: "Call", response: Response) -> None:
        """Slows or cuts an answer that the exchange has given."""
        for spell in self.spells:
            if spell.account is not None and spell.account != self.exchange.uid_of_key(call):
                continue
            if spell.name == "slow":
                response.delay_s = spell.option("delay", 1.0)
            elif spell.name == "half_frame" and self.dice.random() < spell.option("chance", 0.05):
                response.cut = 0.5

    def late_ms(self, uid: str) -> int:
        """How much later than the socket REST shows a trade made now."""
        spell = None if self.calm else self.find("late", uid)
        return 0 if spell is None else int(spell.option("delay", 3.0) * 1000)

    def refuses_sockets(self, call: "Call") -> bool:
        """Whether a new socket is turned away."""
        if self.calm:
            return False
        spell = self.find("refused_reconnect", self.exchange.uid_of_key(call))
        return self.find("maintenance") is not None or (
            spell is not None and self.dice.random() < spell.option("chance", 1.0)
        )


async def forecast(exchanges: list["Exchange"], names: tuple[str, ...], dice: Random, trading: asyncio.Event) -> None:
    """Plays spells of these names by chance, a few seconds each, while trades are made; never ends by itself."""
    while True:
        await trading.wait()
        await asyncio.sleep(dice.uniform(1.0, 3.0))
        if not trading.is_set():
            continue
        exchange, name = dice.choice(exchanges), dice.choice(names)
        seconds = dice.uniform(1.0, 4.0)
        exchange.weather.start(name, seconds=None if name in FLEETING else seconds, account=None, options={})
