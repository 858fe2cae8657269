"""Carries out a raw SQL file on the driver's own connection, where no `%` and no `:name` means anything."""

from pathlib import Path

from alembic import op

_FOLDER = Path(__file__).parent / "versions"


def run_file(name: str) -> None:
    """Run `versions/<name>` within the step's transaction."""
    text = (_FOLDER / name).read_text(encoding="utf-8")
    driver_connection = op.get_bind().connection.driver_connection
    assert driver_connection is not None
    driver_connection.execute(text.encode(), prepare=False)
