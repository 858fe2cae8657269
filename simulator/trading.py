"""Makes trades: orders, their executions, fees and what they do to balances. Seeded, live or long ago."""

from decimal import ROUND_DOWN, Decimal
from itertools import pairwise
from random import Random
from typing import TYPE_CHECKING

from msgspec import Struct

from simulator.dialect import BalanceMoved, Event, Noise, OrderEnded, OrderFilled, OrderOpened
from simulator.markets import DOLLARS
from simulator.truth import INVERSE, SPOT, ZERO, Account, Fee, Fill, Market, Order, Position

if TYPE_CHECKING:
    from simulator.exchange import Exchange

LEAST_DOLLARS, MOST_DOLLARS = 20.0, 2_000.0


class Wish(Struct, frozen=True):
    """A trade that a test ordered; what is None is left to chance. `size` is in the exchange's unit."""

    market: Market | None = None
    side: str | None = None
    size: Decimal | None = None
    price: Decimal | None = None
    maker: bool | None = None
    kind: str | None = None
    fills: int | None = None
    self_trade: bool | None = None
    fees: tuple[Fee, ...] | None = None
    trade_id: str | None = None
    order_id: str | None = None
    client_order_id: str | None = None


ANY = Wish()


class Trader:
    """Trades on one exchange. `live` moves the market's price and leaves orders open; history does not."""

    def __init__(self, exchange: "Exchange", dice: Random, *, live: bool) -> None:
        self.exchange = exchange
        self.dialect = exchange.dialect
        self.dice = dice
        self.live = live
        self._prices: dict[tuple[str, str], Decimal] = {}

    def trade(self, account: Account, now_ms: int, wish: Wish = ANY) -> list[Event]:
        """One order with its executions, or the next part of an open one; everything it caused, in order."""
        dice = self.dice
        if wish is ANY and self.live:
            if account.open_orders and dice.random() < 0.35:
                return self._go_on(account, next(iter(account.open_orders.values())), now_ms)
            alone = dice.random() >= 0.005 or not account.details.get("self_trades", True)
            if self.dialect.self_trades and not alone:
                return self._with_oneself(account, now_ms, wish)
        if wish.self_trade:
            return self._with_oneself(account, now_ms, wish)
        return self._new_order(account, now_ms, wish)

    # Orders.

    def _new_order(self, account: Account, now_ms: int, wish: Wish) -> list[Event]:
        dice = self.dice
        market = wish.market or self._market(account)
        kind = wish.kind or "trade"
        if wish.kind is None and market.product != SPOT and self.dialect.kinds and dice.random() < 0.01:
            kind = dice.choice(self.dialect.kinds)
        price = wish.price or self._price(market)
        size = wish.size or self._size(market, price)
        side = wish.side or self._affordable(account, market, size, price)
        resting = wish.maker if wish.maker is not None else (kind == "trade" and dice.random() < 0.5)
        order = self._order(account, market, side, size, price, kind, now_ms, resting=resting, wish=wish)
        events: list[Event] = [OrderOpened(order, now_ms)]
        moves = Moves(account)
        parts = self._parts(market, size, wish.fills)
        leave_open = self.live and resting and wish is ANY and len(parts) > 1 and dice.random() < 0.5
        if leave_open:
            parts.pop()
        for part in parts:
            fees = wish.fees
            events.append(self._execute(moves, order, part, price, now_ms, maker=resting, fees=fees, wish=wish))
            if not resting and wish.price is None:
                price = max(market.tick, price + market.tick * dice.randint(-2, 2))
        if leave_open:
            self._lock(moves, order)
            account.open_orders[order.id] = order
        else:
            order.status = "filled"
            events.append(OrderEnded(order, now_ms))
        events += moves.told(now_ms)
        if self.live and self.dialect.noises and dice.random() < 0.05:
            events.append(Noise(dice.choice(self.dialect.noises), market, now_ms))
        return events

    def _go_on(self, account: Account, order: Order, now_ms: int) -> list[Event]:
        """The rest of an open order: executed or, now and then, cancelled."""
        moves = Moves(account)
        events: list[Event] = []
        if self.dice.random() < 0.2 or order.market.status != "trading":
            order.status, order.updated_ms = "canceled", now_ms
            self._unlock(moves, order, order.left)
        else:
            left = self._parts(order.market, order.left, None)
            part = left[0]
            self._unlock(moves, order, part)
            events.append(self._execute(moves, order, part, order.price, now_ms, maker=True))
            if order.left > 0:
                return [*events, *moves.told(now_ms)]
            order.status = "filled"
        del account.open_orders[order.id]
        return [*events, OrderEnded(order, now_ms), *moves.told(now_ms)]

    def _with_oneself(self, account: Account, now_ms: int, wish: Wish) -> list[Event]:
        """Two orders of one account meet: one trade, once as maker and once as taker."""
        market = wish.market or self._market(account)
        price = wish.price or self._price(market)
        size = wish.size or self._size(market, price)
        sides = ("buy", "sell") if self.dice.random() < 0.5 else ("sell", "buy")
        moves = Moves(account)
        trade_ids = self.dialect.own_trade_ids(wish.trade_id or self.dialect.trade_id(account, market, self.dice))
        events: list[Event] = []
        for side, maker, trade_id in zip(sides, (True, False), trade_ids, strict=True):
            order = self._order(account, market, side, size, price, "trade", now_ms, resting=maker, wish=ANY)
            filled = self._execute(moves, order, size, price, now_ms, maker=maker, wish=Wish(trade_id=trade_id))
            filled.fill.self_trade = True
            order.status = "filled"
            events += [OrderOpened(order, now_ms), filled, OrderEnded(order, now_ms)]
        return [*events, *moves.told(now_ms)]

    def _order(
        self,
        account: Account,
        market: Market,
        side: str,
        size: Decimal,
        price: Decimal,
        kind: str,
        now_ms: int,
        *,
        resting: bool,
        wish: Wish,
    ) -> Order:
        exchange, dice = self.exchange, self.dice
        exchange.last_order += dice.randint(1, 7)
        number = exchange.last_order
        client_id = wish.client_order_id or self.dialect.client_id(account, market, kind, number, dice)
        order_id = wish.order_id or self.dialect.order_id(account, market, number, dice)
        order = Order(
            id=order_id,
            client_id=client_id,
            market=market,
            side=side,
            type="limit" if resting or (kind == "trade" and dice.random() < 0.5) else "market",
            price=price,
            size=size,
            kind=kind,
            created_ms=now_ms,
            updated_ms=now_ms,
            on_margin=market.product == SPOT and self.dialect.is_on_margin(account, order_id),
        )
        account.orders[order.id] = order
        return order

    def _execute(
        self,
        moves: "Moves",
        order: Order,
        size: Decimal,
        price: Decimal,
        now_ms: int,
        *,
        maker: bool,
        fees: tuple[Fee, ...] | None = None,
        wish: Wish = ANY,
    ) -> OrderFilled:
        """One fill: recorded, paid for, and the market's last price."""
        account, market, side = moves.account, order.market, order.side
        amount, cost = market.base_amount(size, price), market.quote_cost(size, price)
        if fees is None:
            fees = self.dialect.fees(
                account, market, side=side, price=price, amount=amount, cost=cost, maker=maker, dice=self.dice
            )
        order.filled += size
        order.cost += cost
        order.updated_ms = now_ms
        self.exchange.last_fill += 1
        fill = Fill(
            sequence=self.exchange.last_fill,
            trade_id=wish.trade_id or self.dialect.trade_id(account, market, self.dice),
            order=order,
            market=market,
            side=side,
            price=price,
            size=size,
            amount=amount,
            cost=cost,
            fees=fees,
            maker=maker,
            timestamp_ms=now_ms,
            visible_ms=now_ms + self.exchange.weather.late_ms(account.uid),
            kind=order.kind,
            realized=self._settle(moves, market, side, size, amount, price, cost, now_ms),
            filled=order.filled,
            filled_cost=order.cost,
        )
        wallet = self.dialect.wallet(account, market.product)
        for fee in fees:
            moves.pay(wallet, fee.currency, -fee.amount, now_ms)
        account.record(fill)
        if self.live:
            self.exchange.traded(market, price, amount, cost)
        return OrderFilled(fill)

    def _settle(
        self,
        moves: "Moves",
        market: Market,
        side: str,
        size: Decimal,
        amount: Decimal,
        price: Decimal,
        cost: Decimal,
        now_ms: int,
    ) -> Decimal:
        """Moves the coins of a spot trade, or the position of a contract; the profit that a contract realised."""
        account = moves.account
        wallet = self.dialect.wallet(account, market.product)
        if market.product == SPOT:
            sign = 1 if side == "buy" else -1
            moves.pay(wallet, market.base, sign * amount, now_ms)
            moves.pay(wallet, market.quote, -sign * cost, now_ms)
            return ZERO
        signed = size if side == "buy" else -size
        position = account.positions.setdefault(market.key, Position())
        profit = ZERO
        if position.size == 0 or (position.size > 0) == (signed > 0):
            total = position.size + signed
            position.entry = (position.entry * abs(position.size) + price * abs(signed)) / abs(total)
            position.size = total
        else:
            closed = min(abs(signed), abs(position.size))
            direction = 1 if position.size > 0 else -1
            if market.product == INVERSE:
                profit = closed * market.contract_size * (1 / position.entry - 1 / price) * direction
            else:
                profit = closed * market.contract_size * (price - position.entry) * direction
            position.size += signed
            if position.size != 0 and (position.size > 0) != (direction > 0):
                position.entry = price
        profit = profit.quantize(Decimal("0.00000001"), ROUND_DOWN)
        if profit:
            moves.pay(wallet, market.settle, profit, now_ms)
        return profit

    def _lock(self, moves: "Moves", order: Order) -> None:
        """Sets aside what the rest of an open spot order may cost."""
        if order.market.product == SPOT:
            asset, locked = _stake(order, order.left)
            wallet = self.dialect.wallet(moves.account, SPOT)
            moves.lock(wallet, asset, locked, order.updated_ms)
            order.locked = locked

    def _unlock(self, moves: "Moves", order: Order, size: Decimal) -> None:
        if order.market.product == SPOT and order.locked:
            asset, part = _stake(order, size)
            moves.lock(self.dialect.wallet(moves.account, SPOT), asset, -part, order.updated_ms)
            order.locked -= part

    # Chance.

    def _market(self, account: Account) -> Market:
        """A market of the account's, the first ones more often."""
        dice = self.dice
        product = account.products[0] if len(account.products) == 1 else dice.choice(account.products)
        markets = self.exchange.open_markets(product)
        return markets[int(len(markets) * dice.random() ** 2)]

    def _price(self, market: Market) -> Decimal:
        """The next step of the market's walk, within half and double of where it began."""
        last = market.price if self.live else self._prices.get(market.key, market.start_price)
        step = float(last) * (self.dice.random() - 0.5) * 0.002
        ticks = round(step / float(market.tick))
        price = last + ticks * market.tick
        if price * 2 < market.start_price or price > market.start_price * 2:
            price = last - ticks * market.tick
        price = max(price, market.tick)
        if self.live:
            market.price = price
        else:
            self._prices[market.key] = price
        return price

    def _size(self, market: Market, price: Decimal) -> Decimal:
        dollars = LEAST_DOLLARS * (MOST_DOLLARS / LEAST_DOLLARS) ** self.dice.random()
        one = float(market.quote_cost(Decimal(1), price))
        worth = market.base if market.product == INVERSE else market.quote
        steps = dollars / (one * float(DOLLARS.get(worth, 1)) * float(market.step))
        return market.step * Decimal(max(1, round(steps)))

    def _affordable(self, account: Account, market: Market, size: Decimal, price: Decimal) -> str:
        side = "buy" if self.dice.random() < 0.5 else "sell"
        if market.product != SPOT:
            return side
        wallet = self.dialect.wallet(account, SPOT)
        enough = {
            "buy": account.holding(wallet, market.quote).free >= size * price * 2,
            "sell": account.holding(wallet, market.base).free >= size * 2,
        }
        other = "sell" if side == "buy" else "buy"
        return other if enough[other] and not enough[side] else side

    def _parts(self, market: Market, size: Decimal, wanted: int | None) -> list[Decimal]:
        """Splits a size into the executions it takes, in whole steps."""
        if wanted is None:
            draw = self.dice.random()
            wanted = 1 if draw < 0.55 else 2 if draw < 0.8 else 3 if draw < 0.93 else 4
        steps = int(size / market.step)
        if wanted == 1 or steps < 2:
            return [size]
        cuts = sorted({self.dice.randint(1, steps - 1) for _ in range(wanted - 1)})
        bounds = [0, *cuts, steps]
        parts = [(after - before) * market.step for before, after in pairwise(bounds)]
        parts[-1] += size - sum(parts)
        return parts


def _stake(order: Order, size: Decimal) -> tuple[str, Decimal]:
    """What a spot order over `size` sets aside."""
    market = order.market
    return (market.quote, size * order.price) if order.side == "buy" else (market.base, size)


def deposit(account: Account, wallet: str, asset: str, amount: Decimal, now_ms: int) -> BalanceMoved:
    """Pays `amount` in; negative: out."""
    held = account.holding(wallet, asset)
    held.free += amount
    account.deposits.append((now_ms, wallet, asset, amount))
    return BalanceMoved(wallet, {asset: (held.free, held.locked, amount)}, now_ms, "deposit")


class Moves:
    """What one order does to an account's wallets, collected so that it is told once."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self._changed: dict[str, dict[str, Decimal]] = {}
        self._deposits: list[BalanceMoved] = []

    def pay(self, wallet: str, asset: str, amount: Decimal, now_ms: int) -> None:
        """Adds `amount` (negative: takes it); nobody here ever falls below zero: the missing is paid in first."""
        held = self.account.holding(wallet, asset)
        if held.free + amount < 0:
            self._deposits.append(deposit(self.account, wallet, asset, -amount * 100, now_ms))
        held.free += amount
        changed = self._changed.setdefault(wallet, {})
        changed[asset] = changed.get(asset, ZERO) + amount

    def lock(self, wallet: str, asset: str, amount: Decimal, now_ms: int) -> None:
        """Moves `amount` from free to locked (negative: back)."""
        held = self.account.holding(wallet, asset)
        if held.free < amount:
            self._deposits.append(deposit(self.account, wallet, asset, amount * 100, now_ms))
        held.free -= amount
        held.locked += amount
        self._changed.setdefault(wallet, {}).setdefault(asset, ZERO)

    def told(self, now_ms: int) -> list[Event]:
        """The balance events of everything since it began."""
        events: list[Event] = list(self._deposits)
        for wallet, changes in self._changed.items():
            assets = {}
            for asset, change in changes.items():
                held = self.account.holding(wallet, asset)
                assets[asset] = (held.free, held.locked, change)
            events.append(BalanceMoved(wallet, assets, now_ms, "trade"))
        return events


def make_history(exchange: "Exchange", account: Account, count: int, dice: Random, now_ms: int) -> None:
    """Gives an account `count` trades of the past, spread over each product's reach up to a minute ago."""
    trader = Trader(exchange, dice, live=False)
    for place, product in enumerate(account.products):
        markets = exchange.open_markets(product)
        share = count // len(account.products) + (1 if place < count % len(account.products) else 0)
        reach = exchange.dialect.reach_ms(account, product)
        end = now_ms - 60_000
        begin = max(account.created_ms, end - reach + 3_600_000)
        made = 0
        while made < share:
            when = begin + (end - begin) * made // share
            market = markets[int(len(markets) * dice.random() ** 2)]
            parts = min(share - made, 1 if dice.random() < 0.6 else dice.randint(2, 3))
            events = trader.trade(account, when, Wish(market=market, fills=parts))
            made += sum(isinstance(event, OrderFilled) for event in events)
