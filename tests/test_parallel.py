"""Projects are read side by side, and a long list in parts; every row comes once."""

import psycopg
import pytest

from truth import assert_complete, keys_read

# One list is much longer than a page; answers take long enough for others to begin.
LONG = {
    "projects": 1,
    "builds_per_project": 3000,
    "pull_requests_per_project": 2500,
    "element_bytes": 300,
    "latency_ms": 10,
}


def in_flight(db) -> int:
    return db.org.summary()["max_concurrent"]


def test_as_many_projects_are_read_at_once_as_the_option_says(new_org, new_db):
    org = new_org(projects=40, builds_per_project=20, latency_ms=50)
    for concurrency in (1, 3, 8):
        org.simulator.clear()
        db = new_db(org, max_concurrency=concurrency)
        assert_complete(db, "builds")
        assert in_flight(db) == concurrency


@pytest.mark.parametrize("table", ["builds", "pull_requests"])
def test_a_long_list_is_read_in_parts(new_org, new_db, table):
    db = new_db(new_org(**LONG), page_size=50)
    assert_complete(db, table)
    assert in_flight(db) >= 4
    requests = db.org.requests(table)
    rows, total = sum(request["rows"] or 0 for request in requests), len(db.org.dump(table))
    assert rows < total * 1.4, "parts overlap a little, no more"
    assert len(requests) < total / 50 * 1.7


@pytest.mark.parametrize(
    "where",
    [
        "status = 'completed'",
        "queue_time >= '2026-03-01'",
        "queue_time BETWEEN '2026-02-01' AND '2026-05-01'",
        "finish_time >= '2026-01-15' AND finish_time < '2026-06-01'",
        "start_time > '2026-02-10'",
    ],
)
def test_parts_stay_within_the_windows_of_conditions(new_org, new_db, where):
    db = new_db(new_org(**LONG), page_size=40)
    expected = sorted(db.rows(f"SELECT id FROM (SELECT * FROM ado.builds OFFSET 0) b WHERE {where}"))
    assert keys_read(db, "builds", where) == expected
    assert len(expected) > 500


@pytest.mark.parametrize(
    "where", ["creation_date >= '2026-02-01'", "creation_date < '2026-05-01'", "closed_date > '2026-03-01'"]
)
def test_parts_of_pull_requests_stay_within_windows_too(new_org, new_db, where):
    db = new_db(new_org(**LONG), page_size=40)
    query = f"SELECT pull_request_id FROM (SELECT * FROM ado.pull_requests OFFSET 0) p WHERE {where}"
    expected = sorted(db.rows(query))
    assert keys_read(db, "pull_requests", where) == expected
    assert len(expected) > 300


@pytest.mark.parametrize(
    "traps",
    [
        {"exclusive_bounds": True},
        {"short_pages": True},
        {"builds_ties": "skip"},
        {"builds_ties": "duplicate", "short_pages": True, "exclusive_bounds": True},
        {"builds_token_ignored": True},
        {"builds_grouped_by_status": True, "count_last": True},
    ],
    ids=lambda traps: "+".join(traps),
)
@pytest.mark.parametrize("table", ["builds", "pull_requests"])
def test_traps_lose_no_row_of_any_part(new_org, new_db, table, traps):
    db = new_db(new_org(**LONG, traps=traps), page_size=50)
    assert_complete(db, table)


def test_versions_without_time_bounds_are_read_one_page_after_the_other(new_org, new_db):
    db = new_db(new_org(**LONG), page_size=50, api_version="6.0")
    assert_complete(db, "pull_requests")
    assert in_flight(db) == 1


@pytest.mark.parametrize("times", ["one instant", "two instants", "one busy day"])
def test_builds_that_crowd_at_one_time_are_read_completely(new_org, new_db, times):
    org = new_org(projects=1, builds_per_project=30, latency_ms=2)
    project = org.dump("projects")[0]["name"]
    moments = {
        "one instant": lambda n: "2026-05-01T10:00:00Z",
        "two instants": lambda n: f"2026-05-0{1 + n % 2}T10:00:00Z",
        "one busy day": lambda n: f"2026-05-01T{n % 24:02}:{n % 60:02}:00Z",
    }
    for first in range(0, 900, 300):
        org.mutate(
            *(
                {
                    "op": "put_build",
                    "project": project,
                    "build": {
                        "status": "completed",
                        "queueTime": moments[times](n),
                        "startTime": moments[times](n),
                        "finishTime": moments[times](n),
                    },
                }
                for n in range(first, first + 300)
            )
        )
    db = new_db(org, page_size=25)
    assert_complete(db, "builds")
    for where in ("finish_time IS NOT NULL", "queue_time >= '2026-05-01'"):
        expected = sorted(db.rows(f"SELECT id FROM (SELECT * FROM ado.builds OFFSET 0) b WHERE {where}"))
        assert keys_read(db, "builds", where) == expected


@pytest.mark.parametrize("table", ["builds", "pull_requests"])
def test_an_error_in_one_part_is_the_error_of_the_scan(new_org, new_db, table):
    db = new_db(new_org(**LONG), page_size=50, max_retries=0)
    for position in (5, 12, 25, 40):
        db.org.faults({"kind": "json_500", "endpoint": table, "nth": [position]})
        with pytest.raises(psycopg.Error) as caught:
            keys_read(db, table)
        assert caught.value.sqlstate == "08006"
    db.org.faults()
    assert_complete(db, table)


def test_a_project_that_vanishes_while_its_parts_are_read_is_skipped_once(new_org, new_db):
    org = new_org(**LONG)
    project = org.dump("projects")[0]
    db = new_db(org, page_size=50, skip_inaccessible="true")
    org.faults({"kind": "forbidden_403", "endpoint": "builds", "nth": list(range(15, 400))})
    db.take_notices()
    keys_read(db, "builds")
    (warning,) = db.take_notices()
    assert f'project "{project["name"]}"' in warning


def test_a_limit_does_not_start_a_crowd(new_org, new_db):
    db = new_db(new_org(**LONG), page_size=50)
    assert len(db.rows("SELECT id FROM ado.builds LIMIT 20")) == 20
    assert len(db.org.requests("builds")) <= 12
