"""What the demo asks of a running simulator, over its HTTP interface."""

import json
import urllib.error
import urllib.parse
import urllib.request
from typing import Any


class Simulator:
    """A simulator on this machine. Raises `OSError` when it does not answer, `ValueError` with its own sentence."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def accounts(self) -> list[dict[str, Any]]:
        """All accounts with their keys: these open nothing real."""
        found: list[dict[str, Any]] = self.ask("GET", "/accounts")
        return found

    def truth(self) -> dict[str, Any]:
        """Every account's trades and balances."""
        found: dict[str, Any] = self.ask("GET", "/truth")
        return found

    def now_ms(self) -> int:
        """The exchanges' clock."""
        return int(self.ask("GET", "/")["now_ms"])

    def trade(self, rate: float) -> None:
        """Let all accounts trade at this rate together, trades a second; 0 stops them."""
        self.ask("POST", "/trading", {"rate": rate} if rate > 0 else {"stop": True})

    def clear_weather(self, name: str | None = None, exchange: str | None = None) -> None:
        """End every fault, or those of one name at one exchange."""
        chosen = {key: value for key, value in (("name", name), ("exchange", exchange)) if value is not None}
        self.ask("DELETE", "/weather" + (f"?{urllib.parse.urlencode(chosen)}" if chosen else ""))

    def restore_key(self, account: str) -> None:
        """Make a spoilt key good again."""
        self.ask("POST", f"/keys/{account}/restore")

    def replace_key(self, account: str) -> dict[str, Any]:
        """The account deletes its key and makes a new one: gives the account with it."""
        made: dict[str, Any] = self.ask("POST", f"/keys/{account}/replace")
        return made

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """One request of the simulator's interface (simulator/README.md)."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {"Content-Type": "application/json"}, method=method)  # noqa: S310 — our own child
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 — the same
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise ValueError(json.load(error).get("error", str(error))) from error
