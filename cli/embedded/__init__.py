"""Starts real Postgres and Valkey on a desk that has neither: for the demo, for `up`, for the tests.

Only the programs inside the two wheels are used, never their Python interfaces (docs/decisions). Everything binds
the local address, on a free port, with a random password that is kept in a file only its owner can read.
"""

from cli.embedded.errors import ServersUnavailable, StateFolderTaken
from cli.embedded.folder import StateFolder
from cli.embedded.postgres import PostgresServer
from cli.embedded.valkey import ValkeyServer

__all__ = ["PostgresServer", "ServersUnavailable", "StateFolder", "StateFolderTaken", "ValkeyServer"]
