"""One HTTP exchange of bytes, within ten seconds whatever happens, and its failures in our words.

No message names an address: addresses carry signatures.
"""

import time
from collections.abc import Mapping
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
from msgspec import Struct
from requests import exceptions as trouble
from requests.adapters import HTTPAdapter

from shared.domain.errors import ExchangeUnavailable
from shared.exchanges.kit.wire import decode_json

_CONNECT_SECONDS = 4.0
_ALTOGETHER_SECONDS = 10.0
_MOST_BYTES = 64 * 1024 * 1024


class Raw(Struct, frozen=True):
    """What came back, undecoded. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    def body(self) -> Any:
        """The decoded JSON, or the text when it is none."""
        try:
            return decode_json(self.content)
        except Exception:  # noqa: BLE001 — whatever is wrong with it: then it is a text, and judged as one
            return self.content.decode("utf-8", "replace")


def open_session(connections: int = 64) -> requests.Session:
    """A session that keeps connections warm and nothing else: no cookies, no environment, no redirects."""
    session = requests.Session()
    session.trust_env = False
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    adapter = HTTPAdapter(pool_connections=16, pool_maxsize=connections, max_retries=0)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


def send(
    session: requests.Session,
    exchange: str,
    method: str,
    url: str,
    *,
    headers: Mapping[str, str],
    body: str | None,
    proxy: str | None,
) -> Raw:
    """Ask and read the whole answer. Raises `ExchangeUnavailable` with a sentence that holds no address."""
    ends = time.monotonic() + _ALTOGETHER_SECONDS
    try:
        with session.request(
            method,
            url,
            headers=dict(headers),
            data=body.encode() if body else None,
            timeout=(_CONNECT_SECONDS, _ALTOGETHER_SECONDS - 1),
            proxies={"http": proxy, "https": proxy} if proxy else None,
            allow_redirects=False,
            stream=True,
        ) as answer:
            content = bytearray()
            for piece in answer.iter_content(65_536):
                content += piece
                if time.monotonic() > ends or len(content) > _MOST_BYTES:
                    raise ExchangeUnavailable(f"{exchange} did not finish its answer in time.")
            return Raw(
                answer.status_code, {name.lower(): value for name, value in answer.headers.items()}, bytes(content)
            )
    except trouble.ProxyError:
        raise ExchangeUnavailable(f"The egress proxy on the way to {exchange} cannot be used.") from None
    except trouble.ConnectTimeout:
        raise ExchangeUnavailable(f"{exchange} cannot be reached: no connection within 4 seconds.") from None
    except trouble.Timeout:
        raise ExchangeUnavailable(f"{exchange} does not answer within 10 seconds.") from None
    except trouble.SSLError:
        raise ExchangeUnavailable(f"{exchange} cannot be trusted: its certificate is not accepted.") from None
    except (trouble.ChunkedEncodingError, trouble.ContentDecodingError):
        raise ExchangeUnavailable(f"{exchange} broke its answer off.") from None
    except trouble.ConnectionError:
        raise ExchangeUnavailable(f"{exchange} cannot be reached.") from None
    except (trouble.RequestException, OSError) as error:
        raise ExchangeUnavailable(f"{exchange} cannot be asked ({type(error).__name__}).") from None
