"""Where a call really goes: to the exchange, or to the simulator that stands in for it."""

from urllib.parse import urlsplit


def through(simulator_url: str, exchange_id: str, address: str) -> str:
    """The address to open for `address`: itself, or the simulator's when one is set.

    `https://HOST[:port]/PATH?query` becomes `{simulator_url}/{exchange_id}/HOST/PATH?query`, a `wss://` address
    the same with `ws://`. An address that already leads to the simulator stays as it is.
    """
    if not simulator_url:
        return address
    there, wanted = urlsplit(simulator_url), urlsplit(address)
    if wanted.netloc == there.netloc:
        return address
    scheme = "http" if wanted.scheme in {"http", "https"} else "ws"
    secure = "s" if there.scheme in {"https", "wss"} else ""
    query = f"?{wanted.query}" if wanted.query else ""
    base = f"{scheme}{secure}://{there.netloc}{there.path.rstrip('/')}"
    return f"{base}/{exchange_id}/{wanted.hostname}{wanted.path}{query}"
