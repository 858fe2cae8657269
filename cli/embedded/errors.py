"""What can go wrong before anything runs, in sentences that name the way out."""


class ServersUnavailable(Exception):
    """Postgres or Valkey could not be found or started."""


class StateFolderTaken(Exception):
    """Another demo (or `up`) runs on this folder."""
