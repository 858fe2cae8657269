"""What the duties have at hand."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta

import redis

from shared.domain.errors import BadInput, WireUnavailable
from shared.logs import get_log
from shared.queue.layout import make_request
from shared.queue.send import send_all
from shared.storage.due import Due, Every
from shared.storage.jobs import Queued
from shared.storage.pool import Pool
from shared.storage.retention import Keep

log = get_log()


@dataclass(frozen=True, kw_only=True)
class Desk:
    """The scheduler's tools and rules."""

    pool: Pool
    wire: redis.Redis
    every: Every
    keep: Keep
    pack_after: timedelta = timedelta(days=1)
    depth_limit: int = 5_000
    lost_after: timedelta = timedelta(seconds=15)
    now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000

    def send(self, jobs: Iterable[Due | Queued]) -> int:
        """Send the messages of these jobs; give how many. What Redis does not take stays on record for later."""
        requests = []
        for job in jobs:
            if job.connection_id is None:
                continue
            try:
                requests.append(make_request(job.request, job.connection_id, job.arguments))
            except BadInput as error:
                log.error("job.not_sent", job=str(job.job_id), reason=str(error))  # noqa: TRY400 — the sentence says all
        try:
            return len(send_all(self.wire, requests))
        except WireUnavailable as error:
            log.warning("job.not_sent", jobs=len(requests), reason=str(error))
            return 0
