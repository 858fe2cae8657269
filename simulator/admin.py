"""The interface for tests and the demo, on the same port as the exchanges; `README.md` here documents it."""

import base64
import binascii
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

from simulator.dialect import OrderFilled
from simulator.exchange import Exchange, Replay
from simulator.http import MalformedRequest, Request, Response, answer
from simulator.trading import deposit
from simulator.truth import Account, Fee, Market
from simulator.weather import MEANING, NAMES
from simulator.world import World

KEYS = {"revoke": "key_revoked", "expire": "key_expired", "restore": "restored"}


class Mistaken(Exception):
    """The one who asked got something wrong; the sentence says what."""


def respond(world: World, request: Request) -> Response:
    """Answers one request of the interface: 400 for a mistake, 404 for what is not here."""
    path = request.path.rstrip("/") or "/"
    handler = _HANDLERS.get((request.method, path))
    try:
        if path.startswith("/keys/") and request.method == "POST":
            return answer(_keys(world, path.removeprefix("/keys/")))
        if handler is None:
            return answer({"error": f"{request.method} {path} is not here", "see": sorted(_WAYS)}, status=404)
        return answer(handler(world, _Asked(world, request)))
    except (Mistaken, MalformedRequest) as mistake:
        return answer({"error": str(mistake)}, status=400)


class _Asked:
    """A request's options, from the query or a JSON body."""

    def __init__(self, world: World, request: Request) -> None:
        self.world = world
        self.query = request.arguments() if request.method in {"GET", "DELETE"} else {}
        self.body = request.json() if request.method not in {"GET", "DELETE"} else self.query
        if not isinstance(self.body, dict):
            raise Mistaken("the body must be a JSON object")

    def get(self, name: str, default: Any = None) -> Any:
        return self.body.get(name, default)

    def need(self, name: str) -> Any:
        if name not in self.body:
            raise Mistaken(f"{name!r} is missing")
        return self.body[name]

    def number(self, name: str, default: float | None = None) -> float | None:
        value = self.body.get(name, default)
        if value is None:
            return None
        try:
            return float(value)
        except (TypeError, ValueError):
            raise Mistaken(f"{name!r} must be a number, not {value!r}") from None

    def decimal(self, name: str, source: dict[str, Any] | None = None) -> Decimal | None:
        value = (self.body if source is None else source).get(name)
        if value is None:
            return None
        try:
            return Decimal(str(value))
        except InvalidOperation:
            raise Mistaken(f"{name!r} must be a decimal number in a string, not {value!r}") from None

    def exchange(self) -> Exchange:
        return self.exchange_named(self.need("exchange"))

    def exchange_named(self, name: str) -> Exchange:
        if name not in self.world.exchanges:
            raise Mistaken(f"there is no exchange {name!r}; there are {', '.join(self.world.exchanges)}")
        return self.world.exchanges[name]

    def exchanges(self) -> list[Exchange]:
        name = self.get("exchange")
        return list(self.world.exchanges.values()) if name is None else [self.exchange_named(name)]

    def account(self) -> Account:
        return _account(self.world, self.get("exchange"), self.need("account"))

    def accounts(self) -> list[Account]:
        if self.get("exchange") is not None:
            self.exchange()
        found = self.world.accounts(self.get("exchange"), self.get("account"))
        if not found and self.get("account") is not None:
            raise Mistaken(f"there is no account {self.get('account')!r}")
        return found


def _account(world: World, exchange: str | None, name: str) -> Account:
    found = world.accounts(exchange, name)
    if len(found) != 1:
        raise Mistaken(f"there {'is no account' if not found else 'are several accounts'} {name!r}")
    return found[0]


def _list_accounts(world: World, asked: _Asked) -> Any:
    return [account.as_credentials() for account in asked.accounts()]


def _make_accounts(world: World, asked: _Asked) -> Any:
    exchange = asked.exchange()
    mode, products, permissions = asked.get("mode"), asked.get("products"), asked.get("permissions")
    if mode is not None and mode not in exchange.dialect.modes:
        raise Mistaken(f"{exchange.id} has no mode {mode!r}; there are {', '.join(exchange.dialect.modes)}")
    for product in products or ():
        if product not in exchange.dialect.products:
            raise Mistaken(
                f"{exchange.id} has no product {product!r}; there are {', '.join(exchange.dialect.products)}"
            )
    if asked.get("name") in exchange.accounts:
        raise Mistaken(f"there is already an account {asked.get('name')!r}")
    expires = asked.number("expires_ms")
    made = [
        exchange.make_account(
            name=asked.get("name"),
            mode=mode,
            products=tuple(products) if products else None,
            permissions=None if permissions is None else frozenset(permissions),
            history=int(asked.number("history", 0) or 0),
            expires_ms=None if expires is None else int(expires),
            addresses=asked.get("addresses"),
            details=asked.get("details"),
        )
        for _ in range(int(asked.number("count", 1) or 1))
    ]
    return [account.as_credentials() for account in made]


def _truth(world: World, asked: _Asked) -> Any:
    return {
        "now_ms": world.clock.now_ms(),
        "trading": world.trading.is_set(),
        "accounts": [account.as_truth(world.exchanges[account.exchange].names()) for account in asked.accounts()],
    }


def _trade(world: World, asked: _Asked) -> Any:
    """Random trades (`count`) or ordered ones (`trades`) of one account; answers with their truth."""
    account = asked.account()
    exchange = world.exchanges[account.exchange]
    made: list[Any] = []
    for wanted in asked.get("trades", []):
        market = _market(exchange, account, wanted)
        events = exchange.trade(
            account,
            at_ms=wanted.get("at_ms"),
            market=market,
            side=wanted.get("side"),
            size=asked.decimal("size", wanted),
            price=asked.decimal("price", wanted),
            maker=wanted.get("maker"),
            kind=wanted.get("kind", "trade"),
            fills=wanted.get("fills", 1),
            self_trade=wanted.get("self_trade"),
            fees=_fees(asked, wanted),
            trade_id=wanted.get("trade_id"),
            order_id=wanted.get("order_id"),
            client_order_id=wanted.get("client_order_id"),
        )
        made += [event.fill.as_truth() for event in events if isinstance(event, OrderFilled)]
    count = int(asked.number("count", 0) or 0)
    done = 0
    while done < count:
        events = exchange.trade(account)
        fills = [event.fill.as_truth() for event in events if isinstance(event, OrderFilled)]
        done += len(fills)
        made += fills if count <= 10_000 else []
    return {"trades": made, "count": len(made) or done}


def _deposit(world: World, asked: _Asked) -> Any:
    """Money comes in (negative: goes out); without a `wallet` it is that of the account's first product."""
    account = asked.account()
    exchange = world.exchanges[account.exchange]
    wallet = asked.get("wallet") or exchange.dialect.wallet(account, account.products[0])
    called = {name: coin for coin, name in exchange.names().items()}
    asset = called.get(asked.need("asset"), asked.need("asset"))
    amount = asked.decimal("amount") or Decimal(0)
    held = account.wallets.get(wallet, {}).get(asset)
    if wallet not in account.wallets:
        raise Mistaken(f"{account.name} has no wallet {wallet!r}; it has {', '.join(account.wallets)}")
    if not amount or -amount > (held.free if held else 0):
        raise Mistaken(f"'amount' must not be 0, nor take more than is there, not {asked.get('amount')!r}")
    exchange.dialect.publish(account, [deposit(account, wallet, asset, amount, exchange.now_ms())])
    return account.as_truth(exchange.names())["deposits"][-1]


def _fees(asked: _Asked, wanted: dict[str, Any]) -> tuple[Fee, ...] | None:
    if "fees" not in wanted:
        return None
    return tuple(Fee(asked.decimal("amount", fee) or Decimal(0), str(fee["currency"])) for fee in wanted["fees"])


def _market(exchange: Exchange, account: Account, wanted: dict[str, Any]) -> Market:
    product = wanted.get("product", account.products[0])
    name = wanted.get("market_id") or wanted.get("symbol")
    for market in exchange.markets.values():
        if market.product == product and name in {market.id, market.symbol}:
            return market
    raise Mistaken(f"{exchange.id} has no {product} market {name!r}")


def _trading(world: World, asked: _Asked) -> Any:
    if asked.get("stop"):
        world.set_rate(0)
    else:
        rate = asked.number("rate")
        if rate is None or rate < 0:
            raise Mistaken("say {'rate': trades per second} or {'stop': true}")
        world.set_rate(rate, set(asked.get("accounts") or ()))
    return {"rate": world.rate, "trading": world.trading.is_set()}


def _see_weather(world: World, asked: _Asked) -> Any:
    return {
        "names": MEANING,
        "now": [
            {
                "exchange": exchange.id,
                "name": spell.name,
                "account": spell.account,
                "seconds_left": None if spell.until_s is None else round(spell.until_s - exchange.real_s(), 3),
                "options": spell.options,
            }
            for exchange in asked.exchanges()
            for spell in exchange.weather.spells
        ],
    }


def _make_weather(world: World, asked: _Asked) -> Any:
    name = asked.need("name")
    if name == "clear":
        world.expect(None)
        for exchange in asked.exchanges():
            exchange.weather.clear()
        return _see_weather(world, asked)
    if name == "storm":
        world.expect("storm")
        return _see_weather(world, asked)
    if name not in NAMES:
        raise Mistaken(f"there is no weather {name!r}; there are {', '.join(NAMES)}, storm and clear")
    account = None if asked.get("account") is None else asked.account()
    place = account.exchange if account else (None if asked.get("exchange") is None else asked.exchange().id)
    known = {"name", "exchange", "account", "seconds"}
    options = {key: value for key, value in asked.body.items() if key not in known}
    world.play(name, place, account, asked.number("seconds"), **options)
    return _see_weather(world, asked)


def _end_weather(world: World, asked: _Asked) -> Any:
    for exchange in asked.exchanges():
        exchange.weather.clear(asked.get("name"))
    if asked.get("name") in {None, "storm"}:
        world.expect(None)
    return _see_weather(world, asked)


def _keys(world: World, what: str) -> Any:
    """`/keys/{account name, uid or key}/{revoke|expire|restore|replace}`."""
    name, _, verb = what.rpartition("/")
    if verb not in KEYS and verb != "replace":
        raise Mistaken(f"a key can be told to {', '.join(KEYS)}, replace, not {verb!r}")
    account = _account(world, None, name)
    if verb == "replace":
        world.exchanges[account.exchange].replace_key(account)
    else:
        world.exchanges[account.exchange].spoil_key(account, KEYS[verb])
    return account.as_credentials()


def _change_account(world: World, asked: _Asked) -> Any:
    """Changes what a key may do, from where, how long, or the account's mode."""
    account = asked.account()
    if "permissions" in asked.body:
        account.permissions = set(asked.body["permissions"])
    if "addresses" in asked.body:
        account.addresses = list(asked.body["addresses"])
    if "expires_ms" in asked.body:
        expires = asked.number("expires_ms")
        account.expires_ms = None if expires is None else int(expires)
    if "mode" in asked.body:
        modes = world.exchanges[account.exchange].dialect.modes
        if asked.body["mode"] not in modes:
            raise Mistaken(f"{account.exchange} has no mode {asked.body['mode']!r}; there are {', '.join(modes)}")
        account.mode = asked.body["mode"]
    account.details.update(asked.get("details") or {})
    return account.as_credentials()


def _replay(world: World, asked: _Asked) -> Any:
    """A raw message said verbatim over an account's sockets, or as the next answer of a REST path."""
    if "path" not in asked.body:
        account = asked.account()
        return {"sent": world.exchanges[account.exchange].replay_on_sockets(account, asked.body)}
    exchange = asked.exchange()
    body = asked.get("text")
    if "base64" in asked.body:
        try:
            raw = base64.b64decode(asked.body["base64"], validate=True)
        except binascii.Error:
            raise Mistaken("'base64' is not base64") from None
    elif body is not None:
        raw = str(body).encode()
    else:
        raw = answer(asked.need("json")).body
    status = int(asked.number("status", 200) or 200)
    headers = {str(key): str(value) for key, value in (asked.get("headers") or {}).items()}
    uid = None if asked.get("account") is None else asked.account().uid
    exchange.replays.append(
        Replay(
            method=str(asked.get("method", "GET")).upper(),
            path=asked.need("path"),
            response=Response(status=status, body=raw, headers=headers),
            times=int(asked.number("times", 1) or 1),
            account=uid,
        )
    )
    return {"waiting": len(exchange.replays)}


def _list_markets(world: World, asked: _Asked) -> Any:
    return [
        {
            "exchange": exchange.id,
            "product": market.product,
            "market_id": market.id,
            "symbol": market.symbol,
            "base": market.base,
            "quote": market.quote,
            "settle": market.settle,
            "contract_size": str(market.contract_size),
            "tick": str(market.tick),
            "step": str(market.step),
            "price": str(market.price),
            "status": market.status,
        }
        for exchange in asked.exchanges()
        for market in exchange.markets.values()
    ]


def _make_market(world: World, asked: _Asked) -> Any:
    """Lists a market, or changes the `status` of one that is there."""
    exchange = asked.exchange()
    product, market_id = asked.need("product"), asked.need("market_id")
    found = exchange.markets.get((product, market_id))
    if found is not None:
        exchange.set_status(found, asked.get("status", found.status))
        return {"market_id": market_id, "status": found.status}
    exchange.list_market(
        Market(
            product=product,
            id=market_id,
            symbol=asked.get("symbol") or f"{asked.need('base')}/{asked.need('quote')}",
            base=asked.need("base"),
            quote=asked.need("quote"),
            settle=asked.get("settle") or "",
            tick=asked.decimal("tick") or Decimal("0.01"),
            step=asked.decimal("step") or Decimal("0.001"),
            contract_size=asked.decimal("contract_size") or Decimal(1),
            start_price=asked.decimal("price") or Decimal(1),
            status=asked.get("status", "trading"),
        )
    )
    return {"market_id": market_id, "status": asked.get("status", "trading")}


def _counters(world: World, asked: _Asked) -> Any:
    return {
        exchange.id: {
            **exchange.counters,
            "sockets_open": len(exchange.sockets),
            "accounts_heard": sum(1 for _ in exchange.heard_accounts()),
            "weights": exchange.windows.used(),
            "spent_ms": exchange.windows.spent(),
            "bans": exchange.windows.bans(exchange.now_ms()),
        }
        for exchange in asked.exchanges()
    }


def _limits(world: World, asked: _Asked) -> Any:
    """`{"off": true}` or `{"on": true}`; spans that replace the exchange's own on sockets."""
    rules = ("ping_every_s", "pong_within_s", "silent_cut_s", "longest_life_s")
    for exchange in asked.exchanges():
        if "off" in asked.body or "on" in asked.body:
            exchange.enforcing = bool(asked.get("on", not asked.get("off", False)))
        if asked.get("forget"):
            exchange.windows.clear()
        for name in rules:
            if name in asked.body:
                value = asked.number(name)
                if value is None:
                    exchange.rules.pop(name, None)
                else:
                    exchange.rules[name] = value
    return {exchange.id: {"on": exchange.enforcing, **exchange.rules} for exchange in asked.exchanges()}


def _clock(world: World, asked: _Asked) -> Any:
    """Runs time at another `speed`; sets an exchange's clock `skew_ms` off."""
    speed = asked.number("speed")
    if speed is not None:
        if speed <= 0:
            raise Mistaken("'speed' must be above 0")
        world.clock.run(speed)
    skew = asked.number("skew_ms")
    if skew is not None:
        for exchange in asked.exchanges():
            exchange.skew_ms = int(skew)
    return {
        "now_ms": world.clock.now_ms(),
        "speed": world.clock.speed,
        "skew_ms": {exchange.id: exchange.skew_ms for exchange in world.exchanges.values()},
    }


def _sockets(world: World, asked: _Asked) -> Any:
    return [
        {
            "exchange": exchange.id,
            "host": socket.route.host,
            "path": socket.route.path,
            "private": socket.route.private,
            "accounts": sorted(exchange.by_uid[uid].name for uid in socket.conversation.accounts),
            "open_ms": exchange.now_ms() - socket.opened_ms,
        }
        for exchange in asked.exchanges()
        for socket in exchange.sockets
    ]


def _health(world: World, asked: _Asked) -> Any:
    return {"exchanges": list(world.exchanges), "seed": world.seed, "rate": world.rate, "now_ms": world.clock.now_ms()}


_HANDLERS: dict[tuple[str, str], Callable[[World, _Asked], Any]] = {
    ("GET", "/"): _health,
    ("GET", "/accounts"): _list_accounts,
    ("POST", "/accounts"): _make_accounts,
    ("PATCH", "/accounts"): _change_account,
    ("GET", "/truth"): _truth,
    ("POST", "/trades"): _trade,
    ("POST", "/deposits"): _deposit,
    ("POST", "/trading"): _trading,
    ("GET", "/weather"): _see_weather,
    ("POST", "/weather"): _make_weather,
    ("DELETE", "/weather"): _end_weather,
    ("POST", "/replay"): _replay,
    ("GET", "/markets"): _list_markets,
    ("POST", "/markets"): _make_market,
    ("GET", "/counters"): _counters,
    ("POST", "/limits"): _limits,
    ("POST", "/clock"): _clock,
    ("GET", "/clock"): _clock,
    ("GET", "/sockets"): _sockets,
}
_WAYS = [f"{method} {path}" for method, path in _HANDLERS] + [
    "POST /keys/{account}/{revoke, expire, restore or replace}"
]
WAYS = _WAYS
