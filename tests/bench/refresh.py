"""An incremental refresh when nothing has changed, against a full one: requests and bytes."""

from harness.simulator import Organization

from .report import Row, at_most
from .stage import Stage

REQUESTS_GOAL = 2
BYTES_GOAL = 0.01

# Without attrs, which would fill the disk; the requests are the same.
TABLE = """CREATE FOREIGN TABLE {0}.plain (id integer, project_id uuid, status text, result text,
    queue_time timestamptz, finish_time timestamptz) SERVER {0} OPTIONS ("table" 'builds')"""


def rows(stage: Stage, org: Organization) -> list[Row]:
    database = stage.database
    database.execute(TABLE.format(org.name))
    database.execute("CREATE SCHEMA analytics")
    create = "SELECT azure_devops.create_materialized_view('analytics.plain', %s)"
    database.execute(create, [f"{org.name}.plain"])
    idle = _cost(stage, org, "REFRESH MATERIALIZED VIEW analytics.plain")
    full = _cost(stage, org, "SELECT azure_devops.full_refresh('analytics.plain')")
    if full["rows"] < database.value("SELECT count(*) FROM analytics.plain"):
        raise RuntimeError("the full refresh read less than it stored")
    projects = stage.arguments.projects
    each = idle["endpoints"]["builds"]["requests"] / projects
    sent, all_sent = idle["response_bytes"], full["response_bytes"]
    unfinished = "SELECT count(*) FROM analytics.plain WHERE status <> 'completed'"
    open_rows = database.value(unfinished)
    return [
        Row(
            "refresh-requests",
            "idle refresh: requests",
            f"{idle['requests']}",
            "full refresh",
            f"{full['requests']}",
            idle["requests"] / full["requests"],
            f"≤ {REQUESTS_GOAL} per project",
            each <= REQUESTS_GOAL,
        ),
        Row(
            "refresh-bytes",
            f"idle refresh: bytes ({open_rows} builds are unfinished and read again)",
            f"{sent / 1e6:.1f} MB",
            "full refresh",
            f"{all_sent / 1e6:.1f} MB",
            sent / all_sent,
            *at_most(sent / all_sent, BYTES_GOAL, ""),
        ),
    ]


def _cost(stage: Stage, org: Organization, statement: str) -> dict:
    stage.simulator.clear()
    stage.database.execute(statement)
    return org.summary()
