"""`python -m cli.enrol`: signs the demo's users up and connects their accounts, through the same doors as everyone.

A process of its own: it needs ccxt, and the demo does not. Reads JSON on standard input, prints one line a connection.
"""

import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from cli.connecting import connect
from shared.domain.errors import TradeSyncError
from shared.events.kinds import ConnectionChanged
from shared.events.publish import publish
from shared.gateway import Gateway
from shared.queue.wire import open_wire
from shared.settings import read_settings
from shared.storage import connections, users
from shared.storage.pool import open_pool
from shared.storage.users import User
from shared.storage.values import Db
from shared.vault import Vault
from shared.vault.passwords import hash_password

AT_ONCE = 8


def main() -> int:
    """Enrol who is not enrolled yet. 1 when an account could not be connected; each says why."""
    wanted = json.load(sys.stdin)
    settings = read_settings()
    vault = Vault(settings.credentials_key.get_secret_value())
    gateway = Gateway(simulator_url=settings.simulator_url)
    failures: list[str] = []
    with (
        open_pool(settings.database_url.get_secret_value(), kind="enrol", size=AT_ONCE) as pool,
        open_wire(settings.redis_url.get_secret_value(), verify_tls=settings.redis_tls_verify) as wire,
        ThreadPoolExecutor(AT_ONCE) as threads,
    ):
        with pool.connection() as db:
            people = [_user(db, person) for person in wanted["users"]]
            known = {(one.exchange, one.label) for one in connections.list_connections(db)}

        def enrol(place: int, account: dict[str, Any]) -> None:
            try:
                with pool.connection() as db:
                    connection_id, _ = connect(
                        db,
                        gateway,
                        vault,
                        user=people[place % len(people)],
                        exchange=account["exchange"],
                        fields={name: account[name] for name in ("api_key", "secret", "passphrase") if account[name]},
                        actor="demo",
                        label=account["name"],
                    )
                publish(wire, ConnectionChanged(connection_id=connection_id, change="added"))
                sys.stdout.write(f"{account['name']} {connection_id}\n")
            except TradeSyncError as error:
                failures.append(f"{account['name']}: {error}")

        for exchange in dict.fromkeys(account["exchange"] for account in wanted["accounts"]):
            of_one = [account for account in wanted["accounts"] if account["exchange"] == exchange]
            for place, account in enumerate(of_one):
                if (exchange, account["name"]) not in known:
                    threads.submit(enrol, place, account)
    sys.stderr.write("".join(f"{failure}\n" for failure in failures))
    return 1 if failures else 0


def _user(db: Db, person: dict[str, str]) -> User:
    found = users.find_user(db, person["email"])
    hashed = hash_password(person["password"])
    if found is None:
        return users.add_user(db, person["email"], hashed, role=person["role"])
    return found


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)  # ccxt's threads are not waited for
