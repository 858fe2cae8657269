"""`python -m web`: the page, the live feed, health and metrics, until SIGTERM."""

import asyncio
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from shared.logs import get_log, set_up
from shared.settings import Settings, read_settings
from web.app import create_app


class Server(uvicorn.Server):
    """uvicorn, ended by the first signal and by that one alone, with exit code 0: platforms send several."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to `serve_until_told`."""
        yield


async def serve_until_told(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT. Open live feeds are ended first; browsers come back by themselves."""
    app = create_app(settings)
    server = Server(
        uvicorn.Config(
            app,
            host=settings.web_host,
            port=settings.port,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,  # `door.address` and `door.is_https` read what a router adds; nothing else trusts it
            timeout_graceful_shutdown=5,
        )
    )

    def stop() -> None:
        if not server.should_exit:
            get_log().info("process.stopping")
        server.should_exit = True
        if hasattr(app.state, "hub"):
            app.state.hub.end_all()

    for sign in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(sign, stop)
    await server.serve()
    return 0 if server.started else 1


def main() -> int:
    """The exit code: 0 after a signal, 1 when the port could not be had."""
    settings = read_settings()
    set_up(settings, process="web")
    return asyncio.run(serve_until_told(settings))


if __name__ == "__main__":
    sys.exit(main())
