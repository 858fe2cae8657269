"""`/metrics` for Prometheus: what Postgres and Redis know of the whole system.

No user, connection or symbol in a label.
"""

import hmac
from collections.abc import Iterator, Mapping

import redis
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from shared.domain.errors import StoreUnavailable, WireUnavailable
from shared.queue.depth import depths
from shared.queue.wire import open_wire, wire_state
from shared.settings import Settings
from shared.storage import figures, processes
from shared.storage.pool import Pool, borrow
from web.door import is_local


async def metrics(request: Request) -> Response:
    """The figures, for whoever has the token; without one configured, only for this machine."""
    _check(request)
    settings: Settings = request.app.state.settings
    text = await run_in_threadpool(_text, settings, request.app.state.pool)
    return Response(text, media_type="text/plain; version=0.0.4")


def _check(request: Request) -> None:
    token = request.app.state.settings.metrics_token.get_secret_value()
    if token:
        sent = request.headers.get("authorization", "")
        if not hmac.compare_digest(sent.encode(), f"Bearer {token}".encode()):
            raise HTTPException(403, "Send the bearer token that METRICS_TOKEN holds.")
    elif not is_local(request):
        raise HTTPException(403, "Set METRICS_TOKEN to read metrics from another machine.")


def _text(settings: Settings, pool: Pool) -> bytes:
    collected = CollectorRegistry()
    collected.register(_Figures(settings, pool))
    return generate_latest(collected)


class _Figures(Collector):
    def __init__(self, settings: Settings, pool: Pool) -> None:
        self._settings, self._pool = settings, pool

    def collect(self) -> Iterator[Metric]:
        up = GaugeMetricFamily("tradesync_up", "Whether what this process needs answers", labels=["dependency"])
        try:
            yield from self._store()
            up.add_metric(["postgres"], 1)
        except StoreUnavailable:
            up.add_metric(["postgres"], 0)
        try:
            yield from self._wire()
            up.add_metric(["redis"], 1)
        except (WireUnavailable, redis.RedisError):
            up.add_metric(["redis"], 0)
        yield up

    def _store(self) -> Iterator[Metric]:
        with borrow(self._pool, 3) as db:
            counts = figures.counts(db)
            delays = figures.recent_delays(db)
            alive = processes.living(db)
        yield _pairs("tradesync_connections", "Connections by state", ("exchange", "status"), counts.connections)
        yield _pairs("tradesync_streams", "Connections by state of their stream", ("exchange", "state"), counts.streams)
        yield _pairs("tradesync_jobs", "Open and parked jobs", ("request", "state"), counts.jobs)
        yield _pairs(
            "tradesync_quarantined", "Messages in quarantine, unresolved", ("exchange", "source"), counts.quarantined
        )
        unexplained = GaugeMetricFamily(
            "tradesync_unexplained_changes", "Changes of balances that nothing explains yet", labels=["exchange"]
        )
        for exchange, number in sorted(counts.unexplained.items()):
            unexplained.add_metric([exchange], number)
        yield unexplained
        yield GaugeMetricFamily(
            "tradesync_queue_oldest_seconds", "Age of the oldest queued job", value=counts.oldest_queued_seconds
        )
        yield GaugeMetricFamily(
            "tradesync_overdue_seconds", "How late the oldest promise is", value=counts.overdue_seconds
        )
        yield GaugeMetricFamily("tradesync_trades", "Stored trades, as Postgres estimates", value=counts.trades)
        delay = GaugeMetricFamily(
            "tradesync_trade_delay_seconds", "Exchange event to committed row, last 5 minutes", labels=["quantile"]
        )
        for quantile, value in (("0.5", delays.p50_ms), ("0.95", delays.p95_ms), ("0.99", delays.p99_ms)):
            if value is not None:
                delay.add_metric([quantile], value / 1000)
        yield delay
        living = GaugeMetricFamily("tradesync_processes", "Living processes", labels=["kind"])
        for kind in sorted({process.kind for process in alive}):
            living.add_metric([kind], sum(process.kind == kind for process in alive))
        yield living

    def _wire(self) -> Iterator[Metric]:
        client = open_wire(
            self._settings.redis_url.get_secret_value(), verify_tls=self._settings.redis_tls_verify, connections=1
        )
        try:
            waiting = GaugeMetricFamily("tradesync_queue_messages", "Messages in the queue", labels=["queue"])
            for queue, depth in depths(client).items():
                waiting.add_metric([queue], depth.all)
            yield waiting
            state = wire_state(client)
            yield GaugeMetricFamily("tradesync_redis_used_bytes", "Memory Redis uses", value=state.used_bytes)
        finally:
            client.close()


def _pairs(name: str, sentence: str, labels: tuple[str, str], values: Mapping[tuple[str, str], int]) -> Metric:
    family = GaugeMetricFamily(name, sentence, labels=list(labels))
    for pair, number in sorted(values.items()):
        family.add_metric(list(pair), number)
    return family
