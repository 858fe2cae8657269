"""`python -m migrations`: what `tradesync migrate` and the release phase run. Exit code 1 when it fails."""

import argparse
import sys

from migrations import run
from shared.domain.errors import TradeSyncError
from shared.settings import read_settings


def main(arguments: list[str] | None = None) -> int:
    """Bring the database of DATABASE_URL to the newest step, or only say what is pending."""
    parser = argparse.ArgumentParser(prog="tradesync migrate", description=main.__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; exit code 1 when a step is pending")
    chosen = parser.parse_args(arguments)
    database_url = read_settings().database_url.get_secret_value()
    try:
        if chosen.check:
            steps = run.pending(database_url)
            print(f"pending: {', '.join(steps)}" if steps else f"the schema is at {run.newest()}")  # noqa: T201 — a command's answer
            return 1 if steps else 0
        steps = run.upgrade(database_url)
    except TradeSyncError as error:
        print(error, file=sys.stderr)  # noqa: T201 — a command's answer
        return 1
    print(f"migrated: {', '.join(steps)}" if steps else f"the schema is at {run.newest()} already")  # noqa: T201 — a command's answer
    return 0


if __name__ == "__main__":
    sys.exit(main())
