"""`python -m web`: the page, the live feed, health and metrics, until SIGTERM."""

import sys

import uvicorn

from shared.logs import set_up
from shared.settings import Settings
from web.app import create_app


def main() -> int:
    """Serve until told to stop. Open live feeds are closed at once; browsers come back by themselves."""
    settings = Settings()
    set_up(settings, process="web")
    config = uvicorn.Config(
        create_app(settings),
        host=settings.web_host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=True,
        forwarded_allow_ips="*",
        timeout_graceful_shutdown=5,
    )
    server = uvicorn.Server(config)
    server.run()
    return 0 if server.started else 1


if __name__ == "__main__":
    sys.exit(main())
