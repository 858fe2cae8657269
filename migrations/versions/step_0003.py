"""Streams that are parked, and why a stream is as it is."""

from migrations.files import run_file

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Carry out the file of this step."""
    run_file("0003_parked_streams.sql")
