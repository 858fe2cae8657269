"""Which deaths of workers a job is to blame for."""

from migrations.files import run_file

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Carry out the file of this step."""
    run_file("0004_crashes_alone.sql")
