"""Scans of one query overlap their requests, where all of them will be read."""

import pytest

from truth import keys_held, keys_read


@pytest.fixture
def db(new_org, new_db):
    """One list per table takes a while, so that others can begin meanwhile."""
    org = new_org(projects=1, builds_per_project=30, pull_requests_per_project=30, latency_ms=60)
    return new_db(org)


def first(db, endpoint: str) -> int:
    return min(r["n"] for r in db.org.requests(endpoint))


def last(db, endpoint: str) -> int:
    return max(r["n"] for r in db.org.requests(endpoint))


OVERLAPPING = {
    "union": "SELECT id FROM ado.builds UNION ALL SELECT id FROM ado.work_item_revisions",
    "deduplicated": "SELECT id FROM ado.builds UNION SELECT pull_request_id FROM ado.pull_requests",
    "aggregates": "SELECT count(*) FROM ado.builds UNION ALL SELECT count(*) FROM ado.work_item_revisions",
    "hash join": "SELECT count(*) FROM ado.builds b FULL JOIN ado.work_item_revisions r ON r.rev = b.id",
    "sorted, then cut": "SELECT * FROM (SELECT id FROM ado.builds UNION ALL"
    " SELECT id FROM ado.work_item_revisions) u ORDER BY 1 LIMIT 3",
}


@pytest.mark.parametrize("query", OVERLAPPING)
def test_scans_that_will_be_read_begin_together(db, query):
    other = "pull_requests" if "pull_requests" in OVERLAPPING[query] else "revisions"
    db.rows(OVERLAPPING[query])
    assert first(db, other) < last(db, "builds") or first(db, "builds") < last(db, other)
    assert db.org.summary()["max_concurrent"] >= 2


def test_what_overlaps_is_still_read_once_and_completely(db):
    found = db.rows(
        "SELECT 'b', id FROM ado.builds UNION ALL SELECT 'p', pull_request_id FROM ado.pull_requests"
        " UNION ALL SELECT 'b', id FROM ado.builds"
    )
    builds, pulls = keys_held(db.org, "builds"), keys_held(db.org, "pull_requests")
    assert sorted(id for kind, id in found if kind == "b") == sorted(b for (b,) in builds * 2)
    assert sorted(id for kind, id in found if kind == "p") == [p for (p,) in pulls]


@pytest.mark.parametrize(
    "query",
    [
        "SELECT id FROM ado.builds UNION ALL SELECT id FROM ado.work_item_revisions LIMIT 3",
        "SELECT id FROM ado.builds WHERE EXISTS (SELECT FROM ado.work_item_revisions WHERE false)",
        "SELECT CASE WHEN b.id < 0 THEN (SELECT count(*) FROM ado.work_item_revisions) END"
        " FROM ado.builds b",
    ],
)
def test_what_may_never_be_read_is_not_begun(db, query):
    db.rows(query)
    assert not db.org.requests("revisions")


def test_explain_and_an_unread_cursor_begin_nothing(db):
    db.execute(f"EXPLAIN {OVERLAPPING['union']}")
    with db.connection.transaction():
        db.execute(f"DECLARE c CURSOR FOR {OVERLAPPING['union']}")
    assert not db.org.requests()


def test_all_scans_together_keep_to_the_servers_concurrency(new_org, new_db):
    org = new_org(projects=9, latency_ms=30)
    db = new_db(org, max_concurrency=3)
    db.rows(OVERLAPPING["deduplicated"])
    db.rows(OVERLAPPING["hash join"])
    assert org.summary()["max_concurrent"] == 3


def test_an_error_of_one_scan_ends_all(db):
    db.org.faults({"kind": "forbidden_403", "endpoint": "revisions"})
    for _ in range(3):
        with pytest.raises(Exception, match="work_item_revisions"):
            db.rows(OVERLAPPING["union"])
    db.org.faults()
    assert keys_read(db, "builds") == keys_held(db.org, "builds")
    assert db.org.summary()["under_way"] == 0


def test_functions_and_rescans_inside_a_query_do_not_disturb(db):
    db.execute(
        "CREATE FUNCTION newest() RETURNS int LANGUAGE plpgsql AS"
        " 'BEGIN RETURN (SELECT max(id) FROM ado.builds); END'"
    )
    newest = max(id for (id,) in keys_held(db.org, "builds"))
    rows = db.rows(
        "SELECT newest(), count(*) FROM ado.builds UNION ALL SELECT newest(), count(*) FROM ado.pull_requests"
    )
    assert [row[0] for row in rows] == [newest, newest]
    assert [row[1] for row in rows] == [len(keys_held(db.org, t)) for t in ("builds", "pull_requests")]
