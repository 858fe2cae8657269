"""However a process fails while it holds an opened key, what it prints tells nothing of the key."""

import subprocess
import sys
from pathlib import Path
from secrets import token_urlsafe

import pytest

from tests.vault.crashing import WAYS

ROOT = Path(__file__).parents[2]
SAID = {"aborted": "Fatal Python error: Aborted"}


@pytest.mark.parametrize("style", ["json", "pretty"])
@pytest.mark.parametrize("way", WAYS)
def test_no_way_to_fail_tells_a_secret(way, style):
    planted = [token_urlsafe(24) for _ in range(3)]
    ended = subprocess.run(
        [sys.executable, "-m", "tests.vault.crashing", way, style],
        cwd=ROOT,
        input="\n".join(planted),
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    said = ended.stdout + ended.stderr
    assert SAID.get(way, "a fault with") in said
    assert [secret for secret in planted if secret in said] == []
