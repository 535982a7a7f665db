"""What an idle refresh and an idle sync read, and that a longer history does not make them read more."""

from datetime import datetime, timedelta

import pytest

from harness.database import Database
from harness.simulator import Organization

SHORT = {"builds_per_project": 20, "pull_requests_per_project": 20, "work_items": 20}
LONG = {name: 10 * number for name, number in SHORT.items()}
# How each run is told to refresh, after the first time.
REFRESH = "REFRESH MATERIALIZED VIEW CONCURRENTLY analytics.{0}"
SYNC = "CALL azure_devops.sync('ado.{0}', 'analytics.{0}')"
LONG_AGO, LATEST = "2019-05-06T07:08:09Z", "2026-06-30T23:00:00Z"
RUNS = pytest.mark.parametrize("how", [REFRESH, SYNC], ids=["refresh", "sync"])
OPEN = 3


def is_open(element: dict) -> bool:
    return element["status"] in ("active", "notStarted", "inProgress", "cancelling", "postponed")


def ended(element: dict) -> datetime:
    return datetime.fromisoformat((element.get("finishTime") or element["closedDate"])[:19])


def project(element: dict) -> str:
    return (element.get("project") or element["repository"]["project"])["id"]


def with_few_open(org: Organization) -> Organization:
    """Ends what is open, but for a few of each kind, and lets one more end last in each project.

    How much is open, and how much ended lately, then depends on the length of the history no more.
    """
    builds = [b["id"] for b in org.dump("builds") if is_open(b)]
    requests = [p["pullRequestId"] for p in org.dump("pull_requests") if is_open(p)]
    assert min(len(builds), len(requests)) > OPEN
    for id in builds[OPEN:]:
        org.mutate({"op": "finish_build", "id": id, "finish_time": LONG_AGO})
    for id in requests[OPEN:]:
        org.mutate({"op": "close_pull_request", "id": id, "closed_date": LONG_AGO})
    last = {project(b): b["id"] for b in org.dump("builds") if not is_open(b)}
    for id in last.values():
        org.mutate({"op": "put_build", "build": {"id": id, "finishTime": LATEST}})
    last = {project(p): p["pullRequestId"] for p in org.dump("pull_requests") if not is_open(p)}
    for id in last.values():
        org.mutate({"op": "put_pull_request", "pull_request": {"pullRequestId": id, "closedDate": LATEST}})
    return org


def may_have_changed(org: Organization, table: str) -> int:
    """What is open, and what ended within ten minutes of the last that ended in its project."""
    elements = org.dump(table)
    done = [e for e in elements if not is_open(e)]
    latest = {project(e): max(ended(o) for o in done if project(o) == project(e)) for e in done}
    late = [e for e in done if ended(e) >= latest[project(e)] - timedelta(minutes=10)]
    return len(elements) - len(done) + len(late)


def idle_cost(db: Database, table: str, how: str) -> dict[str, tuple[int, int]]:
    """Requests and elements per endpoint of a run when nothing has changed since the last."""
    if how is REFRESH:
        db.value("SELECT azure_devops.create_materialized_view(%s, %s)", [f"analytics.{table}", f"ado.{table}"])
    else:
        db.execute(how.format(table))
    assert db.value(f"SELECT count(*) FROM analytics.{table}") == len(db.org.dump(table))
    db.org.simulator.clear()
    db.execute(how.format(table))
    read = db.org.requests()
    assert db.value(f"SELECT count(*) FROM analytics.{table}") == len(db.org.dump(table))
    cost = {}
    for request in read:
        requests, elements = cost.get(request["endpoint"], (0, 0))
        cost[request["endpoint"]] = (requests + 1, elements + request["rows"])
    return cost


@pytest.fixture
def grown(new_org, new_db):
    """Two databases; the second one's organization has ten times the history."""
    databases = []
    for history in (SHORT, LONG):
        org = with_few_open(new_org(projects=4, **history))
        database = new_db(org)
        database.execute("CREATE SCHEMA analytics")
        databases.append(database)
    short, long = databases
    for table in ("builds", "pull_requests", "revisions"):
        assert len(long.org.dump(table)) > 5 * len(short.org.dump(table))
    return databases


@RUNS
def test_an_idle_run_of_builds_reads_what_is_open_and_what_ended_last(grown, how):
    short, long = (idle_cost(db, "builds", how) for db in grown)
    visited = len({project(b) for b in grown[0].org.dump("builds")})
    requests, elements = short["builds"]
    assert requests == 2 * visited
    assert elements == may_have_changed(grown[0].org, "builds") == OPEN + visited
    assert long == short


@RUNS
def test_an_idle_run_of_pull_requests_reads_what_is_active_and_what_closed_last(grown, how):
    short, long = (idle_cost(db, "pull_requests", how) for db in grown)
    visited = len({project(p) for p in grown[0].org.dump("pull_requests")})
    requests, elements = short["pull_requests"]
    changed = may_have_changed(grown[0].org, "pull_requests")
    assert changed == OPEN + visited
    # Two lists per project; the end of each is read twice more, since it may have moved.
    assert 2 * visited <= requests <= 3 * 2 * visited
    assert changed <= elements <= changed + 2 * 2 * visited
    assert long == short


@RUNS
def test_an_idle_run_of_revisions_reads_none(grown, how):
    assert [idle_cost(db, "work_item_revisions", how) for db in grown] == [{"revisions": (1, 0)}] * 2
