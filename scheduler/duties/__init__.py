"""The scheduler's duties, one file each: `EVERY` says how often, `run(desk)` does it once and may be repeated."""

from scheduler.duties import (
    key_notices,
    notice_forgetting,
    pack_raw,
    prune,
    queue_due,
    rescue_jobs,
    resend_lost,
    sweep_sessions,
    watch_wire,
)

ALL = (
    queue_due,
    rescue_jobs,
    resend_lost,
    notice_forgetting,
    sweep_sessions,
    watch_wire,
    key_notices,
    prune,
    pack_raw,
)
