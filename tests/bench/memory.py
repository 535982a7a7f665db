"""Memory of a scan over that of a backend that has only started, by the number of rows."""

from .report import Row, at_most
from .stage import Stage, copying
from .usage import peak_kilobytes

GOAL_MB = 100
FLAT_GOAL = 1.1


def rows(stage: Stage) -> list[Row]:
    over_base = {}
    found = []
    for size in stage.arguments.memory:
        name = f"memory_{size}"
        with stage.organization(name, size), stage.connect() as connection:
            pid = connection.info.backend_pid
            base = peak_kilobytes(pid)
            read = connection.execute(copying("*", name)).rowcount
            peak = peak_kilobytes(pid)
        over_base[size] = (peak - base) / 1000
        found.append(
            Row(
                f"memory-{size}",
                f"memory over base: all columns of {read:,} builds",
                f"{over_base[size]:.1f} MB",
                "the backend before",
                f"{base / 1000:.1f} MB",
                None,
                *at_most(over_base[size], GOAL_MB, " MB"),
            )
        )
    first, last = min(over_base), max(over_base)
    growth = over_base[last] / over_base[first]
    figures = (f"{over_base[size]:.1f} MB" for size in (last, first))
    mine, other = figures
    found.append(
        Row(
            "memory-growth",
            f"memory over base: {last:,} builds",
            mine,
            f"{first:,} builds",
            other,
            growth,
            *at_most(growth, FLAT_GOAL),
        )
    )
    return found
