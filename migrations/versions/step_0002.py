"""What stands behind the proof: evidence, readers, and the ledger of balances."""

from migrations.files import run_file

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Carry out the file of this step."""
    run_file("0002_proof.sql")
