"""A measured figure, the bar it is held to, and the page that shows them all."""

import json
import os
import platform
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
KEPT = HERE / "figures.json"
PAGE = HERE / "README.md"


@dataclass(frozen=True)
class Figure:
    """One value with its unit; `least` or `most` is the bar, where there is one."""

    what: str
    value: float | None
    unit: str
    least: float | None = None
    most: float | None = None

    @property
    def is_met(self) -> bool | None:
        """Whether the bar is reached; None where there is none."""
        if self.least is None and self.most is None:
            return None
        if self.value is None:
            return False
        return (self.least is None or self.value >= self.least) and (self.most is None or self.value <= self.most)

    @property
    def bar(self) -> str:
        """The bar in words."""
        if self.least is not None:
            return f"≥ {self.least:,g}"
        return f"≤ {self.most:,g}" if self.most is not None else ""


def keep(name: str, question: str, figures: list[Figure]) -> None:
    """Remember a measurement and write the page anew."""
    known: dict[str, Any] = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    known[name] = {
        "question": question,
        "day": datetime.now(UTC).date().isoformat(),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
        "load": round(os.getloadavg()[2], 1),
        "figures": [{**asdict(figure), "bar": figure.bar, "is_met": figure.is_met} for figure in figures],
    }
    KEPT.write_text(json.dumps(known, indent=1, sort_keys=True, ensure_ascii=False) + "\n")
    PAGE.write_text(_page(known))


def _page(known: dict[str, Any]) -> str:
    lines = [
        "# Figures",
        "",
        "Made by `./dev bench`; `./dev bench NAME` makes one part again.",
        "Whole systems on one small computer, the simulated exchanges included.",
        "Absolute figures drift from machine to machine; the bars are what we promise.",
    ]
    for name, part in sorted(known.items()):
        lines += ["", f"## {name}", "", part["question"], "", "| | value | bar | |", "|---|---:|---:|---|"]
        for figure in part["figures"]:
            value = "-" if figure["value"] is None else f"{figure['value']:,g} {figure['unit']}"
            met = {True: "met", False: "**missed**", None: ""}[figure["is_met"]]
            lines.append(f"| {figure['what']} | {value} | {figure['bar']} | {met} |")
        lines += [
            "",
            f"{part['day']}, {part['machine']}, load of the quarter hour before {part['load']}. `./dev bench {name}`",
        ]
    return "\n".join(lines) + "\n"
