"""A process that holds an opened key and fails in the way it is told to; `test_crashes` reads all that it says.

python -m tests.vault.crashing WAY STYLE      # the key's three fields on standard input, one a line
"""

import asyncio
import faulthandler
import os
import sys
import threading
import traceback
from collections.abc import Callable
from uuid import uuid4

import dramatiq
from dramatiq.brokers.stub import StubBroker

from shared import logs
from shared.domain.connections import Credentials
from shared.vault import Vault, new_key

log = logs.get_log()


def opened() -> tuple[Vault, Credentials]:
    """A key as workers and streamers hold it: sealed, opened, bound to its row."""
    names = ("api_key", "secret", "passphrase")
    fields = dict(zip(names, sys.stdin.read().split("\n"), strict=False))
    vault, row = Vault(new_key()), {"user_id": uuid4(), "connection_id": uuid4(), "exchange": "somewhere"}
    sealed = vault.seal(fields, user_salt=bytes(16), **row)
    return vault, vault.open(sealed.blob, user_salt=bytes(16), **row)


def fail(vault: Vault, credentials: Credentials) -> None:
    """What a fault of ours would say of all that is at hand."""
    held = [*credentials.values(), credentials]
    raise RuntimeError(f"a fault with {held}, {credentials!r}, {dict(credentials)} and {vault}")


def uncaught(vault: Vault, credentials: Credentials) -> None:
    fail(vault, credentials)


def with_locals(vault: Vault, credentials: Credentials) -> None:
    try:
        fail(vault, credentials)
    except RuntimeError as error:
        traceback.print_exception(error)
        sys.stderr.write("".join(traceback.TracebackException.from_exception(error, capture_locals=True).format()))


def logged(vault: Vault, credentials: Credentials) -> None:
    try:
        fail(vault, credentials)
    except RuntimeError:
        log.exception("process.failed", credentials=credentials, held=dict(credentials), vault=vault)


def in_a_thread(vault: Vault, credentials: Credentials) -> None:
    thread = threading.Thread(target=fail, args=(vault, credentials))
    thread.start()
    thread.join()


def in_a_task(vault: Vault, credentials: Credentials) -> None:
    async def failing(held: Credentials) -> None:
        fail(vault, held)

    async def main() -> None:
        task = asyncio.create_task(failing(credentials))
        await asyncio.wait([task])
        del task  # nobody asked what became of it

    asyncio.run(main(), debug=True)


def in_a_message(vault: Vault, credentials: Credentials) -> None:
    """Somebody put a key into a message, and the library that carries it tells of its failure."""
    broker = StubBroker()

    @dramatiq.actor(broker=broker, max_retries=0)
    def failing(key: dict[str, str]) -> None:
        fail(vault, credentials)

    failing.send(key={name: secret.reveal() for name, secret in credentials.items()})
    worker = dramatiq.Worker(broker, worker_threads=1)
    worker.start()
    broker.join(failing.queue_name, fail_fast=False)
    worker.join()
    worker.stop()


def aborted(vault: Vault, credentials: Credentials) -> None:
    faulthandler.enable()
    os.abort()


WAYS: dict[str, Callable[[Vault, Credentials], None]] = {
    way.__name__: way for way in (uncaught, with_locals, logged, in_a_thread, in_a_task, in_a_message, aborted)
}

if __name__ == "__main__":
    logs.configure("worker", style="json" if sys.argv[2] == "json" else "pretty")
    WAYS[sys.argv[1]](*opened())
