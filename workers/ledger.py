"""Holds the balances of spot wallets against the trades: what a change of a balance does not explain is a trade lost.

After each reading of the wallets, those readings are judged that are old enough for the stream and REST to have told
of what happened before them. A stretch that nothing explains is put on record, read again soon and again, and closes
itself when something explains it. It is the detector for what nobody foresaw.
"""

from collections.abc import Mapping
from decimal import Decimal
from itertools import pairwise
from uuid import UUID

from shared.domain.connections import Account, Credentials
from shared.domain.errors import TradeSyncError, Transient
from shared.domain.ledger import SLACK_MS, Point, holds, judge
from shared.domain.trades import Product
from shared.domain.windows import Coverage, Window
from shared.exchanges.kit import contract
from shared.exchanges.kit.contract import Exchange, Wallets
from shared.logs import get_log
from shared.storage import due, events, feeds, ledger
from shared.storage.connections import Connection
from shared.storage.ledger import Gap, Movement
from shared.storage.pool import borrow
from shared.storage.values import Db
from workers.desk import Desk

_HOUR_MS, _DAY_MS = 3_600_000, 86_400_000
# How far back stretches are held against the rows again: after each reading, with the first one of an hour, of a day.
# A row that vanished is found by then.
_LOOK_BACK_MS = 10 * 60_000
_LOOK_BACK_HOURLY_MS = 26 * _HOUR_MS
_LOOK_BACK_DAILY_MS = 32 * _DAY_MS
_REREADS_MS = (0, 15_000, 60_000, 300_000, 900_000, 3_600_000)  # pauses between rereads of one gap; then daily
# A trade is known so long after it happened, by the stream or over REST. Quiet markets are proven much later: what
# the ledger misses there is read at once instead.
_SETTLED_MS = 20_000
_MARGIN_MS = 60_000  # of a stretch that is read again

log = get_log()


def keep(db: Db, exchange: Exchange, connection: Connection, account: Account, wallets: Wallets, read_ms: int) -> None:
    """Keep a reading of the wallets that only trades and transfers move, in the exchange's time."""
    spot = exchange.spot_wallets(account) - wallets.missing.keys()
    totals: dict[str, dict[str, Decimal]] = {wallet: {} for wallet in spot}
    for balance in wallets.balances:
        if balance.account_type in totals:
            assets = totals[balance.account_type]
            assets[balance.asset] = assets.get(balance.asset, Decimal(0)) + balance.total
    if totals:
        ledger.keep_reading(db, connection.id, read_ms, totals)


def check(
    desk: Desk, exchange: Exchange, connection: Connection, account: Account, key: Credentials
) -> Mapping[str, int]:
    """Judge what can be judged, look again at what is open. Gives what was found, for the job's story."""
    with borrow(desk.pool) as db, db.transaction():
        now_ms = desk.now_ms()
        settled_ms = now_ms + desk.gateway.clock_offset_ms(exchange.id, connection.region) - _SETTLED_MS
        opened = _judge(db, connection.id, settled_ms) if _is_read(db, connection.id) else 0
        still = ledger.gaps(db, connection.id)
        ripe = [gap for gap in still if _is_ripe(gap, now_ms)]
    if ripe and exchange.movements is not None:
        still = _explain_by_movements(desk, exchange, connection, account, key, ripe)
        open_ids = {gap.id for gap in still}
        ripe = [gap for gap in ripe if gap.id in open_ids]
    if ripe:
        _read_again(desk, connection, ripe)
    if opened and ripe:
        log.error("ledger.gap_opened", connection=str(connection.id), gaps=len(ripe))
    return {name: count for name, count in (("gaps_opened", opened), ("gaps_open", len(still))) if count}


def audit(db: Db, connection_id: UUID, since_ms: int) -> int:
    """Hold every stretch since a moment against the trades as they are stored now. Gives how many gaps it opened."""
    opened = 0
    known = {(gap.account_type, gap.asset, gap.window.until): gap for gap in ledger.gaps(db, connection_id)}
    for (wallet, asset), points in ledger.points_since(db, connection_id, since_ms).items():
        if len(points) < 2:
            continue
        moves = ledger.moves(db, connection_id, points[0].cut[0], points[-1].cut[0], wallet, asset=asset).get(asset, [])
        for before, after in pairwise(points):
            left = holds(before, after, moves)
            gap = known.get((wallet, asset, after.read_ms))
            if left is not None:
                window = Window(before.read_ms, after.read_ms)
                opened += ledger.open_gap(db, connection_id, wallet, asset, window, left)
            elif gap is not None:
                _close(db, gap, "explained by trades and transfers")
    return opened


def _judge(db: Db, connection_id: UUID, settled_ms: int) -> int:
    """Judge the readings that are old enough, then hold the recent stretches against the trades. New gaps."""
    opened = 0
    began_ms = judged = ledger.explained_until(db, connection_id) or 0
    for read_ms, wallets in ledger.take_readings(db, connection_id, settled_ms):
        for wallet, totals in wallets.items():
            opened += _judge_wallet(db, connection_id, wallet, totals, read_ms, judged)
        ledger.note_judged(db, connection_id, read_ms)
        judged = read_ms
    _join(db, connection_id)
    return opened + audit(db, connection_id, settled_ms - _look_back(began_ms, judged))


def _look_back(before_ms: int, now_ms: int) -> int:
    if before_ms // _DAY_MS != now_ms // _DAY_MS:
        return _LOOK_BACK_DAILY_MS
    return _LOOK_BACK_HOURLY_MS if before_ms // _HOUR_MS != now_ms // _HOUR_MS else _LOOK_BACK_MS


def _judge_wallet(
    db: Db, connection_id: UUID, wallet: str, totals: Mapping[str, Decimal], read_ms: int, judged_ms: int
) -> int:
    points = {
        asset: point for (where, asset), point in ledger.latest_points(db, connection_id).items() if where == wallet
    }
    new: list[tuple[str, str, Point]] = []
    opened = 0
    if not points:  # the first reading: from here on everything is to be explained
        first = [(wallet, asset, Point(read_ms, total, (read_ms, ""))) for asset, total in totals.items()]
        ledger.add_points(db, connection_id, [*first, (wallet, "", Point(read_ms, Decimal(0), (read_ms, "")))])
        return 0
    began = points.pop("", None) or min(points.values(), key=lambda point: point.read_ms)
    # What happened well before the last reading was in it, or is an audit's matter: a quiet coin's point may be old.
    since = max(judged_ms - SLACK_MS, min((point.cut[0] for point in points.values()), default=began.cut[0]))
    moves = ledger.moves(db, connection_id, since, read_ms + SLACK_MS, wallet)
    for asset in sorted(totals.keys() | points.keys() | moves.keys()):
        before = points.get(asset) or Point(began.read_ms, Decimal(0), began.cut)
        if read_ms <= before.read_ms:
            continue
        total = totals.get(asset, Decimal(0))
        verdict = judge(before, read_ms, total, moves.get(asset, []))
        if verdict.unexplained is None and verdict.point.cut == before.cut and total == before.total:
            continue  # nothing happened
        if asset not in points:
            new.append((wallet, asset, before))
        new.append((wallet, asset, verdict.point))
        if verdict.unexplained is not None:
            window = Window(before.read_ms, read_ms)
            opened += ledger.open_gap(db, connection_id, wallet, asset, window, verdict.unexplained)
    ledger.add_points(db, connection_id, new)
    return opened


def _join(db: Db, connection_id: UUID) -> None:
    """Two neighbouring gaps of one asset that cancel each other are one reading taken at an odd moment."""
    by_asset: dict[tuple[str, str], list[Gap]] = {}
    for gap in ledger.gaps(db, connection_id):
        by_asset.setdefault((gap.account_type, gap.asset), []).append(gap)
    for each in by_asset.values():
        each.sort(key=lambda gap: gap.window.until)
        for earlier, later in pairwise(each):
            if earlier.window.until == later.window.since and earlier.amount + later.amount == 0:
                ledger.join_stretches(db, earlier, later)
                for gap in (earlier, later):
                    _close(db, gap, "one balance was read before or after its trades; together they are explained")


def _close(db: Db, gap: Gap, explanation: str) -> None:
    ledger.close_gap(db, gap.id, explanation)
    log.info("ledger.gap_closed", connection=str(gap.connection_id), asset=gap.asset)
    events.record_event(
        db,
        "ledger.gap_closed",
        connection_id=gap.connection_id,
        fields={"asset": gap.asset, "since": gap.window.since, "until": gap.window.until},
    )


def _is_ripe(gap: Gap, now_ms: int) -> bool:
    pause = _REREADS_MS[gap.rereads] if gap.rereads < len(_REREADS_MS) else _DAY_MS
    return gap.reread_ms is None or now_ms - gap.reread_ms >= pause


def _stretches(gaps: list[Gap]) -> Coverage:
    return Coverage(Window(gap.window.since - _MARGIN_MS, gap.window.until + _MARGIN_MS) for gap in gaps)


def _explain_by_movements(
    desk: Desk, exchange: Exchange, connection: Connection, account: Account, key: Credentials, gaps: list[Gap]
) -> list[Gap]:
    """Ask the exchange for deposits and the like in these stretches. Gives all that is open then."""
    assets = frozenset(gap.asset for gap in gaps)
    found = [
        move for window in _stretches(gaps) for move in _ask(desk, exchange, connection, account, key, window, assets)
    ]
    kept = [
        Movement(
            account_type=each.account_type,
            asset=each.asset,
            id=each.id,
            amount=each.amount,
            at_ms=_counts_at(each, found, gaps),
            kind=each.kind,
        )
        for each in found
    ]
    with borrow(desk.pool) as db, db.transaction():
        if ledger.add_movements(db, connection.id, kept):
            audit(db, connection.id, min(gap.window.since for gap in gaps))
            _join(db, connection.id)
        return ledger.gaps(db, connection.id)


def _counts_at(move: contract.Movement, found: list[contract.Movement], gaps: list[Gap]) -> int:
    """Some exchanges list a deposit under the moment at which they first saw it, or tell whole seconds only: where it
    seems to be older than a gap that it closes, and no other is of that stretch, it counts there."""
    told = (move.account_type, move.asset, move.amount)
    closed = [gap.window for gap in gaps if told == (gap.account_type, gap.asset, gap.amount)]
    if any(_holds(window, move) for window in closed):
        return move.timestamp_ms
    like = [other for other in found if told == (other.account_type, other.asset, other.amount)]
    free = [window for window in closed if not any(_holds(window, other) for other in like)]
    return min((window.until - 1 for window in free if move.timestamp_ms <= window.since), default=move.timestamp_ms)


def _holds(window: Window, move: contract.Movement) -> bool:
    return window.since < move.timestamp_ms <= window.until


def _read_again(desk: Desk, connection: Connection, gaps: list[Gap]) -> None:
    """Have the trades of these stretches read again."""
    with borrow(desk.pool) as db, db.transaction():
        for window in _stretches(gaps):
            feeds.mark_recheck(db, connection.id, window, _concerned(db, connection.id))
        for gap in gaps:
            ledger.note_reread(db, gap.id)
        due.pull_in(db, connection.id, "backfill", desk.now_ms())


def _concerned(db: Db, connection_id: UUID) -> list[str]:
    """The feeds that may hold the lost trade: all of spot, for a market's name tells nothing certain."""
    return [record.key for record in feeds.feeds_of(db, connection_id) if record.feed.product is Product.SPOT]


def _ask(
    desk: Desk,
    exchange: Exchange,
    connection: Connection,
    account: Account,
    key: Credentials,
    window: Window,
    assets: frozenset[str],
) -> tuple[contract.Movement, ...]:
    assert exchange.movements is not None
    try:
        return desk.gateway.run(
            account, key, exchange.movements(account, window, assets), lane="balances", proxy=connection.egress_proxy
        )
    except Transient:
        return ()  # asked again with the next reread
    except TradeSyncError as error:
        log.warning("ledger.transfers_unreadable", connection=str(connection.id), reason=error.sentence)
        return ()


def _is_read(db: Db, connection_id: UUID) -> bool:
    """Whether every spot market that is known to have traded has been read at least to some edge."""
    spot = [record for record in feeds.feeds_of(db, connection_id) if record.feed.product is Product.SPOT]
    read = [record for record in spot if not record.is_sweep]
    return bool(spot) and all(record.covered.edge is not None for record in read)
