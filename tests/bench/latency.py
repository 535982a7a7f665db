"""The same scan with latency: the schedule's bound, a script, and a sequential reader."""

import sys
from pathlib import Path

from harness.simulator import Organization

from .report import Row, at_least, at_most
from .stage import CONCURRENCY, Stage
from .usage import Cost, Costs, measure_child

BOUND_GOAL = 1.3
FASTER_GOAL = 10

# What the script stores; the extension fills a table with the same.
TEXTS = """id, project_name, definition_name, build_number, status, result, reason, source_branch,
           requested_for_name"""
TIMES = "queue_time, start_time, finish_time"
SEQUENTIAL = {"max_concurrency": 1, "page_size": 200}


def rows(stage: Stage, org: Organization) -> list[Row]:
    latency = stage.arguments.latency_ms
    org.patch(latency_ms=latency)
    count = f"SELECT count(*) FROM {org.name}.builds"
    requests = len(stage.urls(org, count))
    bound = requests * latency / 1000 / CONCURRENCY
    stage.database.execute("CREATE SCHEMA copies")
    copy = f"CREATE TABLE copies.extension AS SELECT {TEXTS}, {TIMES} FROM {org.name}.builds"
    costs = Costs()
    for _ in range(stage.arguments.runs):
        costs.add("bound", Cost(bound, bound, bound))
        costs.add("count", stage.run(count))
        costs.add("script", _script(stage, org))
        costs.add("table", stage.run(copy))
        _compare_copies(stage)
        stage.database.server_options(org.name, **SEQUENTIAL)
        costs.add("sequential", stage.run(count))
        stage.database.server_options(org.name, **dict.fromkeys(SEQUENTIAL))
    org.patch(latency_ms=0)
    after = f"{latency} ms per answer:"

    def row(name: str, what: str, mine: str, against: str, other: str, faster: bool) -> Row:
        first, second = (other, mine) if faster else (mine, other)
        ratio = costs.ratio(first, second, "wall")
        goal = at_least(ratio, FASTER_GOAL) if faster else at_most(ratio, BOUND_GOAL)
        figures = (f"{costs.median(who, 'wall'):.2f} s" for who in (mine, other))
        mine, other = figures
        return Row(name, f"{after} {what}", mine, against, other, ratio, *goal)

    bound_text = f"{requests} requests × latency / {CONCURRENCY}"
    sequential = "`count(*)`, one project at a time, 200 rows a page"
    return [
        row("bound", "`count(*)`", "count", bound_text, "bound", False),
        row("script", "into a table", "table", "a Python script", "script", True),
        row("sequential", "`count(*)`", "count", sequential, "sequential", True),
    ]


def _script(stage: Stage, org: Organization) -> Cost:
    script = Path(__file__).with_name("script.py")
    target = stage.cluster.dsn(stage.database.name)
    command = [sys.executable, str(script), org.url, org.pat, target, "copies.script"]
    cost, _ = measure_child(command, stage.serving)
    return cost


def _compare_copies(stage: Stage) -> None:
    """Who is faster by leaving something out has not won."""
    # Not the times: of seven digits the extension drops the last, and PostgreSQL's COPY rounds.
    query = f"""SELECT (SELECT count(*) FROM copies.extension), (SELECT count(*) FROM copies.script),
        (SELECT count(*) FROM (SELECT {TEXTS} FROM copies.extension
                               EXCEPT SELECT {TEXTS} FROM copies.script) AS missing)"""
    mine, theirs, different = stage.database.row(query)
    if mine != theirs or different:
        raise RuntimeError(f"{mine} and {theirs} rows were copied, {different} of them differ")
    stage.database.execute("DROP TABLE copies.extension, copies.script")
