"""Every environment variable, once. Read at each process's root and handed in; nothing else reads the environment."""

import re
import sys
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*([smhd]?)")
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}


def _span(value: object) -> object:
    if not isinstance(value, str):
        return value
    found = _SPAN.fullmatch(value.strip())
    if not found:
        raise ValueError("write a span of time as 15s, 5m, 1h or 90d")
    return timedelta(seconds=float(found[1]) * _SECONDS[found[2]])


Span = Annotated[timedelta, BeforeValidator(_span)]


class Settings(BaseSettings):
    """The settings of every process. Each field's description is what `.env.example` says of it."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", frozen=True)

    database_url: SecretStr = Field(description="Postgres, 15 or newer: postgres://user:password@host/name")
    redis_url: SecretStr = Field(description="Redis or Valkey, 7.0 or newer: redis:// or rediss://")
    redis_tls_verify: bool = Field(
        default=False,
        description="Check the certificate of a rediss:// server. Off, because hosted ones sign their own.",
    )
    credentials_key: SecretStr = Field(
        description="Seals the users' API keys: 32 random bytes in base64. Rotation: v2:…,v1:… (newest first)"
    )
    database_pooler: bool = Field(
        default=False,
        description="A transaction pooler (PgBouncer) stands before Postgres: no prepared statements.",
    )
    database_connections: int = Field(
        default=8, ge=1, description="The most Postgres connections that one process opens."
    )
    connection_limit: int = Field(
        default=0,
        ge=0,
        description="Refuse to start when all processes together need more Postgres connections. 0: no limit.",
    )
    port: int = Field(default=8000, ge=0, le=65535, description="Where the web process listens.")
    web_host: str = Field(default="0.0.0.0", description="The address the web process binds.")  # noqa: S104 — a container's router needs it
    public_url: str = Field(default="", description="The page's address as users see it; secure cookies when https.")
    worker_processes: int = Field(default=1, ge=1, description="Processes of one worker container.")
    worker_threads: int = Field(default=8, ge=1, description="Threads of each worker process.")
    worker_queues: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Which queues this worker serves, comma separated: writes,live,balances,history. Empty: all.",
    )
    balance_every: Span = Field(default=timedelta(seconds=60), description="How often balances are read.")
    catch_up_every: Span = Field(
        default=timedelta(minutes=5),
        description="How often history is read up to now while the stream is live.",
    )
    poll_every: Span = Field(
        default=timedelta(seconds=15),
        description="How often history is read up to now while no stream is live.",
    )
    recheck_every: Span = Field(default=timedelta(days=1), description="How often the last day is read again.")
    sweep_every: Span = Field(
        default=timedelta(days=7),
        description="How often markets that never traded are asked again; oftener where an exchange forgets soon.",
    )
    key_check_every: Span = Field(default=timedelta(days=1), description="How often a key's powers are asked again.")
    discovery_every: Span = Field(
        default=timedelta(hours=1), description="How often newly traded markets are looked for."
    )
    queue_depth_limit: int = Field(
        default=5_000, ge=1, description="The scheduler queues nothing more while this many jobs wait."
    )
    stream_enabled: bool = Field(default=True, description="Whether this streamer takes connections.")
    stream_capacity: int = Field(default=5_000, ge=1, description="The most connections one streamer takes.")
    stream_lease: Span = Field(default=timedelta(seconds=9), description="How long a streamer's claim lasts unrenewed.")
    connect_budget: bool = Field(
        default=True,
        description="Keep to the exchanges' limits of new sockets. Off only against a simulator.",
    )
    request_budget: bool = Field(
        default=True, description="Keep to the exchanges' request limits. Off only against a simulator."
    )
    backfill_share: float = Field(
        default=0.5, gt=0, le=1, description="The share of an exchange's request limit that backfill may use."
    )
    egress: str = Field(
        default="default",
        description="A name for this process's public address; budgets are shared per name.",
    )
    egress_address: str = Field(default="", description="The public address to show users who bind their key to it.")
    exchanges: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="Which exchanges users may connect, comma separated. Empty: all."
    )
    default_symbols: Annotated[tuple[str, ...], NoDecode] = Field(
        default=("BTC/USDT", "ETH/USDT", "SOL/USDT", "ADA/USDT", "XRP/USDT"),
        description="Prices followed whatever users hold, comma separated.",
    )
    simulator_url: str = Field(
        default="",
        description="Send all exchange traffic to this simulator instead. Never set it in production.",
    )
    keep_sessions: Span = Field(default=timedelta(days=90), description="How long ended sync sessions are kept.")
    keep_events: Span = Field(default=timedelta(days=30), description="How long events and ended jobs are kept.")
    pack_raw_after: Span = Field(
        default=timedelta(days=1), description="How long a proven trade's raw message stays unpacked beside it."
    )
    keep_evidence: Span = Field(
        default=timedelta(days=90),
        description="How long each day's evidence is a line of its own; then those of one stretch become one.",
    )
    keep_quarantine: Span = Field(
        default=timedelta(days=365),
        description="How long resolved quarantine is kept; unresolved is kept for good.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least that is logged."
    )
    log_format: Literal["auto", "json", "pretty"] = Field(
        default="auto", description="auto: pretty on a terminal, JSON elsewhere."
    )
    metrics_token: SecretStr = Field(
        default=SecretStr(""),
        description="Ask for this bearer token on /metrics. Empty: only from this machine.",
    )
    allow_trade_keys: bool = Field(
        default=False,
        description="Let users connect keys that can trade, when they ask for it. We only ever read.",
    )

    @field_validator("worker_queues", "exchanges", "default_symbols", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def read_settings() -> Settings:
    """Read them at a process's root. Where they are wrong the process ends: one line for each variable, no values."""
    try:
        return Settings()
    except ValidationError as error:
        lines = []
        for problem in error.errors(include_url=False, include_input=False, include_context=False):
            name = str(problem["loc"][0]) if problem["loc"] else ""
            if problem["type"] == "missing":
                lines.append(f"{name.upper()} is missing. {Settings.model_fields[name].description}")
            else:
                lines.append(f"{name.upper()} is wrong: {problem['msg'].removeprefix('Value error, ')}.")
        lines.append("Settings come from the environment or from a file .env; .env.example explains them all.")
        sys.exit("\n".join(lines))
