"""Notices that Redis forgot everything: streamed trades that were on their way in it are read over REST soon.

Whatever else was lost with it is on record as a job and sent again (`resend_lost`); a batch of streamed trades is not.
"""

from datetime import timedelta

import redis

from scheduler.desk import Desk
from shared.logs import get_log
from shared.storage import due
from shared.storage.pool import borrow

EVERY = timedelta(seconds=2)
MARK = "tradesync:remembers"
SPREAD = timedelta(seconds=10)

log = get_log()


def run(desk: Desk) -> int:
    """Look for the mark that a Redis which forgot has not; give how many catch-ups were pulled in.

    The mark is set last: who dies in between leaves it to the next look. While Redis is away or full nothing is known.
    """
    try:
        if desk.wire.exists(MARK):
            return 0
    except redis.RedisError:
        return 0
    with borrow(desk.pool) as db:
        pulled = due.pull_in_all(db, "catch_up", within=SPREAD)
    if pulled:
        log.warning("wire.forgot", connections=pulled)
    try:
        desk.wire.set(MARK, b"1")
    except redis.RedisError:
        return pulled
    return pulled
