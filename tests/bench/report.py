"""The table of ratios, and the README's copy of it."""

import os
import platform
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from harness.environment import REPOSITORY

README = REPOSITORY / "README.md"
BEGIN = "<!-- The table below is written by: make bench ARGS=--write -->"
END = "<!-- End of the measured table. -->"

# Every row that a run must bring; memory has one per size besides.
NAMES = (
    *("count", "three", "most", "all", "copy", "compressed", "projection", "simulator"),
    *("bound", "script", "sequential", "refresh-requests", "refresh-bytes", "memory-growth"),
    *("instructions-count", "instructions-three", "instructions-all"),
)


@dataclass(frozen=True)
class Row:
    """One line of the table. A ratio of None: there is none, or it could not be measured."""

    name: str
    what: str
    measured: str
    against: str
    reference: str
    ratio: float | None
    goal: str
    reached: bool | None = None


def at_most(value: float, limit: float, unit: str = "×") -> tuple[str, bool]:
    return f"≤ {limit:g}{unit}", value <= limit


def at_least(value: float, limit: float) -> tuple[str, bool]:
    return f"≥ {limit:g}×", value >= limit


def check(rows: Iterable[Row], sizes: Iterable[int]) -> None:
    """A table that lacks a row is no table."""
    expected = {*NAMES, *(f"memory-{size}" for size in sizes)}
    found = [row.name for row in rows]
    if len(found) != len(set(found)) or set(found) != expected:
        raise RuntimeError(f"rows {sorted(found)} instead of {sorted(expected)}")


def table(rows: Iterable[Row]) -> str:
    lines = ["| what | measured | against | measured | ratio | goal | reached |"]
    lines.append("|---|--:|---|--:|--:|---|---|")
    for row in rows:
        ratio = "–" if row.ratio is None else _figure(row.ratio)
        reached = {True: "yes", False: "**no**", None: ""}[row.reached]
        cells = [row.what, row.measured, row.against, row.reference, ratio, row.goal, reached]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def machine(postgres: str) -> str:
    """Where it was measured, in a sentence."""
    model = "unknown CPU"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    cores = os.cpu_count()
    load = os.getloadavg()[0]
    return (
        f"{model}, {cores} cores, Linux {platform.release()}, PostgreSQL {postgres}; "
        f"{datetime.now(timezone.utc):%Y-%m-%d}, load average {load:.1f} at the start."
    )


def write(text: str) -> None:
    """Puts the text between the README's markers."""
    readme = README.read_text()
    pattern = re.compile(f"{re.escape(BEGIN)}.*{re.escape(END)}", re.DOTALL)
    if len(pattern.findall(readme)) != 1:
        raise RuntimeError("README.md lacks the markers of the table")
    README.write_text(pattern.sub(lambda _: f"{BEGIN}\n\n{text}\n\n{END}", readme))


def _figure(ratio: float) -> str:
    return f"{ratio:.4f}" if ratio < 0.1 else f"{ratio:.2f}" if ratio < 10 else f"{ratio:.1f}"
