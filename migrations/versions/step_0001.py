"""Everything that is true, in its first form."""

from migrations.files import run_file

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Carry out the file of this step."""
    run_file("0001_foundations.sql")
