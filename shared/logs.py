"""How every process speaks: one event a line, JSON off a terminal, pretty on one, and no secret in either.

Events are `area.happening`; fields are identifiers and numbers, never objects. What belongs to a whole job or stream is
bound once (`bound`), and each job and each stream ends in one line with its whole story (`docs/log-events.md`).
"""

import logging
import re
import sys
from contextlib import AbstractContextManager
from typing import Any, Literal, Protocol, TextIO, runtime_checkable
from urllib.parse import urlsplit

import msgspec
import structlog
from structlog.contextvars import bound_contextvars
from structlog.typing import EventDict, FilteringBoundLogger, Processor

Format = Literal["auto", "json", "pretty"]
HIDDEN = "•••"
LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
SECRET_NAMES = re.compile(
    r"pass(word|phrase|wd)?$|secret|api_?key|credential|authori[sz]ation|signature|^sign$|private_?key|"
    r"listen_?key|cookie|(^|_)token$|database_url|redis_url",
    re.IGNORECASE,
)
SECRET_TEXTS = (
    (re.compile(r"(://[^/\s:@]*:)[^/\s@]+@"), rf"\g<1>{HIDDEN}@"),
    (
        re.compile(
            r"""((?:signature|sign|api_?key|secret|password|passphrase|listen_?key|token|KC-API-[A-Z-]+|X-[A-Z-]*(?:KEY|SIGN)[A-Z-]*)
            ["']?\s*[=:]\s*["']?)[A-Za-z0-9+/=_.~%-]{8,}""",
            re.IGNORECASE | re.VERBOSE,
        ),
        rf"\g<1>{HIDDEN}",
    ),
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|$)", re.DOTALL), HIDDEN),
)
_concealed: set[str] = set()


class LogSettings(Protocol):
    """What of the settings concerns logs."""

    @property
    def log_level(self) -> Literal["debug", "info", "warning", "error"]: ...
    @property
    def log_format(self) -> Format: ...


@runtime_checkable
class Sealed(Protocol):
    """A setting that does not print itself."""

    def get_secret_value(self) -> str: ...


def set_up(settings: LogSettings, *, process: str) -> None:
    """Set up logging as the settings say, and keep their secrets out of it. Call it once, at the process's root."""
    for value in vars(settings).values():
        if isinstance(value, Sealed):
            secret = value.get_secret_value()
            conceal(secret, urlsplit(secret).password or "")
    configure(process, level=settings.log_level, style=settings.log_format)


def configure(process: str, *, level: str = "info", style: Format = "auto", stream: TextIO | None = None) -> None:
    """Set up logging for this process: ours and what libraries say through the standard library."""
    out = stream or sys.stdout
    pretty = style == "pretty" or (style == "auto" and out.isatty())
    least = LEVELS[level]
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _naming(process),
        hide_secrets,
    ]
    renderer: Processor = (
        structlog.dev.ConsoleRenderer(colors=out.isatty(), exception_formatter=structlog.dev.plain_traceback)
        if pretty
        else structlog.processors.JSONRenderer(serializer=_to_json)
    )
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=structlog.WriteLoggerFactory(out),  # a line in one write: other threads print meanwhile
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(least, logging.WARNING))  # what libraries say is for a desk below a warning
    if least == logging.DEBUG:
        for ours in ("dramatiq", "apscheduler", "uvicorn"):
            logging.getLogger(ours).setLevel(logging.INFO)


def get_log() -> FilteringBoundLogger:
    """Get a logger; it takes on whatever `configure` and `bound` say at the time it speaks."""
    log: FilteringBoundLogger = structlog.get_logger()
    return log


def bound(**fields: Any) -> AbstractContextManager[None]:
    """Add fields to everything that is logged inside (thread and task alike)."""
    return bound_contextvars(**fields)


def conceal(*secrets: str) -> None:
    """Never print these texts, wherever they turn up: for what a process holds all its life, such as its own key."""
    _concealed.update(secret for secret in secrets if len(secret) >= 8)


def hide_secrets(_log: Any, _method: str, event: EventDict) -> EventDict:
    """The second net under typed secrets: by a field's name, and by what a text looks like."""
    for name, value in event.items():
        event[name] = HIDDEN if value and SECRET_NAMES.search(name) and not isinstance(value, bool) else hide(value)
    return event


def hide(value: Any) -> Any:
    """Take secrets out of a text, or of texts inside lists and mappings."""
    if isinstance(value, str):
        for secret in _concealed:
            value = value.replace(secret, HIDDEN)
        for pattern, instead in SECRET_TEXTS:
            value = pattern.sub(instead, value)
        return value
    if isinstance(value, dict):
        return {
            name: HIDDEN if inner and isinstance(name, str) and SECRET_NAMES.search(name) else hide(inner)
            for name, inner in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [hide(inner) for inner in value]
    return value if isinstance(value, int | float | bool | None) else hide(str(value))


def _naming(process: str) -> Processor:
    def add(_log: Any, _method: str, event: EventDict) -> EventDict:
        event.setdefault("process", process)
        return event

    return add


def _to_json(event: Any, **_options: Any) -> str:
    return msgspec.json.encode(event, enc_hook=str).decode()
