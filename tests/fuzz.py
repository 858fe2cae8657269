"""Feeds every reader, error table and socket conversation with spoilt messages: none may crash or give a wrong row.

    python -m tests.fuzz [--count 1000000] [--seed 1] [EXCHANGE ...]

Messages are the samples (own and real ones), spoilt in one to three places, or cut and flipped as bytes. Nothing but
our own errors may come out. What is read as a trade must be whole: exact finite numbers, known words, an identity made
of the ids that it shows. A message that was not spoilt where it counts reads as before.
"""

import argparse
import json
import sys
import traceback
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from random import Random
from typing import Any
from uuid import UUID

from shared.domain.connections import Account, Credentials
from shared.domain.errors import TradeSyncError
from shared.domain.markets import Markets
from shared.domain.tickers import Ticker
from shared.domain.trades import UNTOLD_MS, Kind, Product, Side, TakerOrMaker, Trade
from shared.domain.windows import Window
from shared.exchanges import load, names
from shared.exchanges.kit.contract import Answer, Exchange, TickerHeard
from shared.exchanges.kit.wire import decode_json
from tests.exchanges.messages import is_rest, markets_of, own_samples, real_messages

NOW = 1_795_190_400_000
WHO = UUID(int=1)
STRANGE: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 10**30, "", " ", "0", "-0", "NaN", "Infinity", "-Infinity", "1e400", "1_000", "٣",
    "0x10", "null", [], {}, [None], {"": ""}, "buy", "SELL", "a:b\\c", "\x00", "💥", Decimal("1E-40"), 2**63, "1.5",
)  # fmt: skip
_FIELDS = {"api_key": "A" * 32, "secret": "B" * 32, "passphrase": "C" * 8}


@dataclass(frozen=True)
class Subject:
    """One exchange with its samples, ready to be fed."""

    exchange: Exchange
    samples: tuple[dict[str, Any], ...]
    markets: Markets
    account: Account


class WrongRow(AssertionError):
    """A spoilt message was read as something that is no trade."""


def subjects(wanted: list[str]) -> list[Subject]:
    """Every exchange, or those that are wanted."""
    found = []
    for name in wanted or names():
        exchange = load(name)
        samples = [
            _exact(sample) for source in (own_samples(), real_messages()) for id_, sample in source if id_ == name
        ]
        markets = Markets(market for sample in samples for market in markets_of(sample).all)
        account = Account(connection_id=WHO, exchange=name, products=exchange.products, mode=exchange.modes[-1])
        found.append(Subject(exchange, tuple(samples), markets, account))
    return found


def _exact(sample: dict[str, Any]) -> dict[str, Any]:
    """The sample as it is read from the wire: numbers with a fraction are `Decimal`."""
    return {**sample, "raw": decode_json(json.dumps(sample["raw"]))}


def run(count: int, seed: int = 1, wanted: list[str] | None = None) -> Counter[str]:
    """Feed so many messages. Gives how many were tried, refused, read; raises what should not have happened."""
    dice = Random(seed)
    counts: Counter[str] = Counter()
    all_ = [subject for subject in subjects(wanted or []) if subject.samples]
    for number in range(count):
        subject = all_[number % len(all_)]
        sample = dice.choice(subject.samples)
        feed = dice.choices((_reader, _response, _frame, _errors), (5, 2, 3, 2))[0]
        counts["tried"] += 1
        feed(dice, subject, sample, counts)
    return counts


# ── What is fed ───────────────────────────────────────────────────────────────────────────────────────


def _reader(dice: Random, subject: Subject, sample: dict[str, Any], counts: Counter[str]) -> None:
    """A decoded message to a reader."""
    exchange = subject.exchange
    read = exchange.read_rest if is_rest(sample) else exchange.read_stream
    product = dice.choice((None, None, *exchange.products))
    try:
        heard = read(spoilt(dice, sample["raw"]), subject.markets, product)
    except TradeSyncError:
        counts["refused"] += 1
        return
    counts["read"] += 1
    for trade in heard.trades:
        check(trade)
        counts["trades"] += 1


def _response(dice: Random, subject: Subject, sample: dict[str, Any], counts: Counter[str]) -> None:
    """An answer of history to the page reader."""
    history = subject.exchange.history
    feed = history.feed_of(dice.choice(subject.exchange.products), "BTCUSDT")
    window = Window(NOW - 3_600_000, NOW)
    try:
        slice_ = history.slice(feed, window, {}, subject.account, NOW)
        answer = Answer(spoilt(dice, sample["raw"]), received_ms=NOW)
        page = history.read(feed, slice_, slice_.cursor, answer, subject.account, subject.markets)
    except TradeSyncError:
        counts["refused"] += 1
        return
    counts["read"] += 1
    json.dumps(page.next)  # a cursor is stored
    for trade in page.trades:
        check(trade)


def _frame(dice: Random, subject: Subject, sample: dict[str, Any], counts: Counter[str]) -> None:
    """Frames to a conversation, whole or broken."""
    exchange = subject.exchange
    streams = [stream for stream in exchange.streams if stream.serves(subject.account)] or list(exchange.streams)
    if not streams or dice.random() < 0.3:
        protocol: Any = dice.choice(exchange.ticker_streams).protocol(subject.markets)
        protocol.follow(frozenset(market.symbol for market in subject.markets.all[:3]), NOW)
    else:
        protocol = dice.choice(streams).protocol(subject.markets)
        fields = {field.name: field.example or _FIELDS[field.name] for field in exchange.credential_fields}
        ticket = {"listen_key": "K", "token": "T", "endpoint": "wss://x", "url": "wss://x"}
        protocol.join(subject.account, Credentials(fields), ticket, NOW)
    protocol.open(NOW)
    for turn in range(dice.randint(1, 3)):
        protocol.outbox()
        for event in protocol.receive(broken(dice, sample["raw"]), NOW + turn):
            for trade in getattr(event, "trades", ()):
                check(trade)
            if isinstance(event, TickerHeard):
                check_price(event.ticker)
        protocol.tick(NOW + turn * 20_000)
    counts["conversations"] += 1


def _errors(dice: Random, subject: Subject, sample: dict[str, Any], counts: Counter[str]) -> None:
    """An answer with any status and headers to the error table."""
    exchange = subject.exchange
    body: Any = dice.choice((spoilt(dice, sample["raw"]), "<html>502</html>", b"\xff\x00", "", None, [], 7))
    names_ = ("retry-after", "x-bapi-limit-status", "gw-ratelimit-reset", "x-mbx-used-weight-1m", "x-ratelimit-reset")
    headers = {name: str(dice.choice(STRANGE)) for name in names_ if dice.random() < 0.3}
    status = dice.choice((200, 200, 400, 401, 403, 404, 418, 429, 451, 500, 502, 503, 520))
    endpoint = dice.choice(exchange.endpoints)
    error = exchange.error_of(status, headers, body, endpoint, NOW)
    if error is not None and not isinstance(error, TradeSyncError):
        raise WrongRow(f"{exchange.id}: {error!r} is no error of ours")
    if status >= 400 and error is None:
        raise WrongRow(f"{exchange.id}: HTTP {status} with {body!r} is taken for a good answer")
    exchange.pool_use(headers, endpoint)
    counts["answers"] += 1


# ── How it is spoilt ──────────────────────────────────────────────────────────────────────────────────


def spoilt(dice: Random, raw: Any) -> Any:
    """A message with something else in one to three places."""
    for _ in range(dice.randint(1, 3)):
        raw = _changed(dice, raw)
    return raw


def _changed(dice: Random, value: Any) -> Any:
    if not isinstance(value, dict | list) or not value or dice.random() < 0.12:
        return _strange(dice, value)
    if isinstance(value, list):
        place = dice.randrange(len(value))
        if dice.random() < 0.1:
            return value[:place] if dice.random() < 0.5 else [*value, value[place]]
        return [*value[:place], _changed(dice, value[place]), *value[place + 1 :]]
    name = dice.choice(list(value))
    way = dice.random()
    if way < 0.15:
        return {key: one for key, one in value.items() if key != name}
    if way < 0.2:
        return {**value, dice.choice(list(value)): value[name]}
    return {**value, name: _changed(dice, value[name])}


def _strange(dice: Random, value: Any) -> Any:
    if isinstance(value, str) and value and dice.random() < 0.4:
        place = dice.randrange(len(value))
        return value[:place] + dice.choice(("", "9", "-", ".", "x", value)) + value[place + 1 :]
    return dice.choice(STRANGE)


def broken(dice: Random, raw: Any) -> str | bytes:
    """A frame: a good or spoilt message as text, cut, flipped, or something else altogether."""
    text = json.dumps(spoilt(dice, raw) if dice.random() < 0.5 else raw, default=float)
    way = dice.random()
    if way < 0.2:
        return text[: dice.randrange(len(text) + 1)]
    data = bytearray(text.encode("utf-8", "surrogatepass"))
    if way < 0.4 and data:
        data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
        return bytes(data)
    if way < 0.5:
        return dice.randbytes(dice.randint(0, 60))
    return text


def check(trade: Trade) -> None:
    """Raise `WrongRow` unless it is a whole trade."""
    numbers = [trade.price, trade.amount, trade.cost, *(fee.amount for fee in trade.fees)]
    numbers += [] if trade.contracts is None else [trade.contracts]
    is_whole = (
        all(type(number) is Decimal and number.is_finite() for number in numbers)
        and trade.price > 0
        and trade.amount > 0
        and isinstance(trade.side, Side)
        and isinstance(trade.kind, Kind)
        and isinstance(trade.product, Product)
        and (trade.taker_or_maker is None or isinstance(trade.taker_or_maker, TakerOrMaker))
        and type(trade.timestamp_ms) is int
        and (
            1_230_940_800_000 <= trade.timestamp_ms <= 4_102_444_800_000
            or (trade.provisional and trade.timestamp_ms == UNTOLD_MS)
        )
        and bool(trade.identity and trade.exchange_trade_id and trade.symbol)
        and all(fee.currency for fee in trade.fees)
    )
    if not is_whole:
        raise WrongRow(f"no whole trade: {trade!r}")


def check_price(ticker: Ticker) -> None:
    """Raise `WrongRow` unless its prices are finite numbers."""
    prices = [price for price in (ticker.last, ticker.bid, ticker.ask) if price is not None]
    if not ticker.symbol or not all(type(price) is Decimal and price.is_finite() for price in prices):
        raise WrongRow(f"no price: {ticker!r}")


def main(arguments: list[str] | None = None) -> int:
    """Feed and say how it went; exit code 1 with the message at fault when something came through."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("exchanges", nargs="*", help="only these")
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args(arguments)
    try:
        counts = run(chosen.count, chosen.seed, chosen.exchanges)
    except Exception:  # noqa: BLE001 — whatever came through is what is looked for
        sys.stderr.write(traceback.format_exc())
        return 1
    sys.stdout.write(", ".join(f"{name} {count:,}" for name, count in counts.items()) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
