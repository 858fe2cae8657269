"""`python -m cli`: the `tradesync` command where the project itself is not installed, as on a platform."""

from cli.main import main

if __name__ == "__main__":
    main(prog_name="tradesync")
