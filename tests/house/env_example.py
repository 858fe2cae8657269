"""Makes `.env.example` from the settings: `python -m tests.house.env_example`."""

import textwrap
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from shared.settings import Settings

FILE = Path(__file__).parents[2] / ".env.example"
HEAD = "# Every setting of tradesync, with its default. Copy it to .env, or set the variables in the environment."
EXAMPLES = {
    "database_url": "postgres://tradesync:secret@localhost/tradesync",
    "redis_url": "redis://localhost:6379/0",
    "credentials_key": "",
}
UNITS = (("d", 86_400), ("h", 3600), ("m", 60), ("s", 1))


def text() -> str:
    """The whole file."""
    return "\n\n".join([HEAD, *(_lines(name, field) for name, field in Settings.model_fields.items())]) + "\n"


def _lines(name: str, field: FieldInfo) -> str:
    told = textwrap.wrap(field.description or "", 110)
    if field.is_required():
        assignment = f"{name.upper()}={EXAMPLES[name]}"
    else:
        assignment = f"# {name.upper()}={_written(field.default)}"
    return "\n".join([*(f"# {line}" for line in told), assignment])


def _written(value: Any) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, timedelta):
        seconds = int(value.total_seconds())
        unit, size = next((unit, size) for unit, size in UNITS if seconds % size == 0)
        return f"{seconds // size}{unit}"
    if isinstance(value, tuple):
        return ",".join(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


if __name__ == "__main__":
    FILE.write_text(text())
