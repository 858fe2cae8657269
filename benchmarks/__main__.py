"""`./dev bench [NAME…]`: measure, print, and keep the figures in benchmarks/README.md.

`./dev bench reliability [OPTIONS]` is a command of its own, which takes hours: docs/reliability.md.
"""

import sys
from importlib import import_module

from benchmarks.record import keep
from benchmarks.reliability import command

PARTS = ("start", "latency", "sustained", "streams", "backfill", "storage")


def main(names: list[str]) -> int:
    """Measure these parts, or all. 1 when a bar is missed, 2 for a name that is none."""
    if names[:1] == ["reliability"]:
        return command.main(names[1:])
    if unknown := [name for name in names if name not in PARTS]:
        sys.stderr.write(
            f"There is no measurement {', '.join(unknown)}. There are: {', '.join(PARTS)}, and reliability.\n"
        )
        return 2
    missed = 0
    for name in names or PARTS:
        part = import_module(f"benchmarks.{name}")
        question = (part.__doc__ or "").strip().splitlines()[0]
        sys.stdout.write(f"{name}: {question}\n")
        sys.stdout.flush()
        figures = part.measured()
        keep(name, question, figures)
        for figure in figures:
            missed += figure.is_met is False
            mark = {True: "met   ", False: "MISSED", None: "      "}[figure.is_met]
            sys.stdout.write(f"  {mark} {figure.what}: {figure.value} {figure.unit} {figure.bar}\n")
        sys.stdout.flush()
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
