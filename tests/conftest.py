"""The fixtures every room may use."""

pytest_plugins = ["tests.fixtures.servers", "tests.fixtures.simulator", "tests.fixtures.sharing"]
