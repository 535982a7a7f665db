"""Full scans without latency, against a client that downloads the same pages and parses them."""

import functools
from collections.abc import Callable

from harness.simulator import Organization

from .report import Row, at_most
from .stage import THREE, Stage, copying, scanning
from .usage import Cost, Costs

GOAL = 1.5


def rows(stage: Stage, org: Organization) -> list[Row]:
    schema = org.name
    statements = {
        "count": f"SELECT count(*) FROM {schema}.builds",
        "three": scanning(THREE, schema),
        "most": scanning(stage.all_columns(schema, "attrs"), schema),
        "all": scanning("*", schema),
        "copy": copying("*", schema),
    }
    titles = {
        "count": "`count(*)`",
        "three": "three columns",
        "most": "all columns but `attrs`",
        "all": "all columns",
        "copy": "all columns, written out by COPY",
    }
    costs = _compare(stage, org, statements)
    found = [_row(costs, name, titles[name]) for name in statements]
    found.append(
        Row(
            "projection",
            "projection: CPU of three columns",
            _cpu(costs, "three"),
            "all columns",
            _cpu(costs, "all"),
            costs.ratio("three", "all", "cpu"),
            "less is read for less",
        )
    )
    org.patch(gzip=True)
    compressed = _compare(stage, org, {"count": statements["count"]})
    org.patch(gzip=False)
    found.append(_row(compressed, "count", "`count(*)`, answers compressed", name="compressed"))
    served = costs.median("count", "simulator_cpu")
    found.append(
        Row(
            "simulator",
            "CPU of the simulator meanwhile",
            f"{served:.2f} s",
            "`count(*)`",
            _cpu(costs, "count"),
            costs.served("count"),
            "not what is measured",
        )
    )
    return found


def _compare(stage: Stage, org: Organization, statements: dict[str, str]) -> Costs:
    """All in turn, the floor first; the first reading, which is not counted, fills the cache."""
    urls = stage.urls(org, statements["count"])
    expected = org.summary()["rows"]
    costs = Costs()

    def turn(name: str, work: Callable[[], Cost]) -> None:
        stage.simulator.clear()
        costs.add(name, work())
        served = org.summary()["rows"]
        # Where a list is split depends on who is idle when: parts overlap a little.
        if abs(served - expected) > 0.05 * expected:
            raise RuntimeError(f"{name} was sent {served} rows instead of {expected}")

    for _ in range(stage.arguments.runs):
        turn("floor", lambda: stage.floor(org, urls))
        for name, statement in statements.items():
            turn(name, functools.partial(stage.run, statement))
    return costs


def _cpu(costs: Costs, contestant: str) -> str:
    return f"{costs.median(contestant, 'cpu'):.2f} s"


def _row(costs: Costs, contestant: str, title: str, name: str | None = None) -> Row:
    ratio = costs.ratio(contestant, "floor", "cpu")
    return Row(
        name or contestant,
        f"full scan: CPU of {title}",
        _cpu(costs, contestant),
        "the same pages parsed to nothing",
        _cpu(costs, "floor"),
        ratio,
        *at_most(ratio, GOAL),
    )
