"""sync() into ordinary tables: what they hold, what a run costs, and what a failure leaves."""

import threading
import time

import psycopg
import pytest

from truth import same

INCREMENTAL = ["builds", "pull_requests", "work_item_revisions"]


@pytest.fixture
def db(new_org, new_db):
    db = new_db(new_org(projects=4, builds_per_project=30))
    db.execute("CREATE SCHEMA analytics")
    return db


def sync(db, table, target=None, mode="upsert", session=None):
    db.org.simulator.clear()
    (session or db.connection).execute(
        f"CALL azure_devops.sync('ado.{table}', '{target or 'analytics.' + table}', '{mode}')"
    )


@pytest.mark.parametrize("table", ["projects", "repositories", *INCREMENTAL])
def test_a_table_is_made_filled_and_kept_equal(db, table):
    sync(db, table)
    same(db, table)
    before = db.rows(f"SELECT xmin::text, count(*) FROM analytics.{table} GROUP BY 1")
    sync(db, table)
    same(db, table)
    # Rows that do not differ are not written.
    assert db.rows(f"SELECT xmin::text, count(*) FROM analytics.{table} GROUP BY 1") == before


def test_changes_of_every_kind_are_followed(db):
    org = db.org
    for table in INCREMENTAL:
        sync(db, table)
    builds, requests = org.dump("builds"), org.dump("pull_requests")
    running = [b["id"] for b in builds if b["status"] != "completed"]
    done = [b["id"] for b in builds if b["status"] == "completed"]
    active = [p["pullRequestId"] for p in requests if p["status"] == "active"]
    items = sorted({r["id"] for r in org.dump("revisions")})
    org.mutate(
        {"op": "finish_build", "id": running[0]},
        {"op": "delete_build", "id": running[1]},
        {"op": "retry_build", "id": done[0]},
        {"op": "put_build", "project": builds[0]["project"]["name"], "build": {"status": "notStarted"}},
        {"op": "close_pull_request", "id": active[0]},
        {"op": "delete_pull_request", "id": active[1]},
        {"op": "put_pull_request", "pull_request": {"pullRequestId": active[2], "title": "Renamed"}},
        {"op": "put_revision", "id": items[0], "fields": {"System.Title": "Changed"}},
        {"op": "put_revision", "id": items[1], "fields": {}, "changed_date": "2001-02-03T04:05:06Z"},
        {"op": "put_project", "project": "Newcomer", "values": {"state": "wellFormed"}},
        {
            "op": "put_build",
            "project": "Newcomer",
            "build": {"status": "completed", "result": "failed", "finishTime": "2011-01-01T00:00:00Z"},
        },
    )
    for table in INCREMENTAL:
        sync(db, table)
        same(db, table)
    gone = builds[-1]["project"]["name"]
    org.mutate({"op": "delete_project", "project": gone})
    for table in ("builds", "pull_requests"):
        sync(db, table)
        same(db, table)


def test_an_idle_run_costs_two_requests_per_project(db):
    sync(db, "builds")
    visited = db.value("SELECT count(DISTINCT project_id) FROM ado.builds")
    sync(db, "builds")
    assert len(db.org.requests("builds")) <= 2 * visited
    sync(db, "work_item_revisions")
    sync(db, "work_item_revisions")
    assert len(db.org.requests()) == 1
    (read,) = db.column('SELECT "rows" FROM azure_devops.bookmarks WHERE source = %s', ["ado.work_item_revisions"])
    assert read == 0


@pytest.mark.parametrize("table", INCREMENTAL)
def test_a_table_that_was_emptied_is_read_anew(db, table):
    sync(db, table)
    db.execute(f"TRUNCATE analytics.{table}")
    sync(db, table)
    same(db, table)


def test_a_first_load_that_fails_is_resumed(db):
    org = db.org
    project = sorted(db.column("SELECT id::text FROM ado.projects WHERE state = 'wellFormed'"))[-1]
    org.faults({"kind": "status", "status": 403, "endpoint": "builds", "project": project})
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        sync(db, "builds")
    held = db.value("SELECT count(*) FROM analytics.builds")
    assert held > 0
    (error,) = db.column("SELECT last_error FROM azure_devops.bookmarks")
    assert error
    org.faults()
    # What changed meanwhile in a project that was done is not lost.
    done = db.value("SELECT min(project_name) FROM analytics.builds")
    (new,) = org.mutate({"op": "put_build", "project": done, "build": {"status": "inProgress"}})
    org.mutate({"op": "finish_build", "id": new})
    sync(db, "builds")
    same(db, "builds")
    assert db.column("SELECT last_error FROM azure_devops.bookmarks") == [None]


def test_revisions_are_committed_in_batches_and_resumed_at_the_token(new_org, new_db):
    org = new_org(work_items=200)
    db = new_db(org, page_size=5)
    db.execute("CREATE SCHEMA analytics")
    org.faults({"kind": "status", "status": 403, "endpoint": "revisions", "nth": [25]})
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        sync(db, "work_item_revisions")
    assert db.value("SELECT count(*) FROM analytics.work_item_revisions") == 20 * 5
    sync(db, "work_item_revisions")
    assert "continuationToken" in dict(org.requests("revisions")[0]["query"])
    same(db, "work_item_revisions")


def test_a_second_run_is_refused_not_kept_waiting(db):
    sync(db, "builds")
    db.org.patch(latency_ms=150)
    other = db.connect()
    failure = []

    def run():
        try:
            sync(db, "builds", session=other)
        except psycopg.Error as error:
            failure.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    deadline = time.monotonic() + 30
    busy = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted"
    while not db.value(busy):
        assert time.monotonic() < deadline
    with pytest.raises(psycopg.errors.LockNotAvailable, match="another sync into analytics.builds"):
        sync(db, "builds")
    # Readers and writers go on.
    assert db.value("SELECT count(*) FROM analytics.builds") > 0
    thread.join()
    assert not failure


def test_append_keeps_every_version_that_was_seen(db):
    sync(db, "builds", mode="append")
    running = [b["id"] for b in db.org.dump("builds") if b["status"] != "completed"]
    count = db.value("SELECT count(*) FROM analytics.builds")
    db.org.mutate({"op": "finish_build", "id": running[0]}, {"op": "delete_build", "id": running[1]})
    sync(db, "builds", mode="append")
    sync(db, "builds", mode="append")
    assert db.value("SELECT count(*) FROM analytics.builds") == count + 1
    versions = "SELECT status FROM analytics.builds WHERE id = %s ORDER BY synced_at"
    assert db.column(versions, [running[0]])[-1] == "completed"
    assert len(db.column(versions, [running[0]])) == 2
    assert len(db.column(versions, [running[1]])) == 1


def test_a_partitioned_target_with_fewer_columns_works(db):
    db.execute(
        "CREATE TABLE analytics.parted (id int, queue_time timestamptz, status text, project_id uuid,"
        " finish_time timestamptz, mine text DEFAULT 'x', PRIMARY KEY (id, queue_time))"
        " PARTITION BY RANGE (queue_time)"
    )
    db.execute("CREATE TABLE analytics.rest PARTITION OF analytics.parted DEFAULT")
    sync(db, "builds", "analytics.parted")
    running = [b["id"] for b in db.org.dump("builds") if b["status"] != "completed"]
    db.org.mutate({"op": "finish_build", "id": running[0]})
    sync(db, "builds", "analytics.parted")
    assert sorted(db.rows("SELECT id, status, finish_time FROM analytics.parted"), key=str) == sorted(
        db.rows("SELECT id, status, finish_time FROM ado.builds"), key=str
    )


def test_targets_that_cannot_work_are_refused(db):
    db.execute("CREATE TABLE analytics.keyless (id int, status text)")
    with pytest.raises(psycopg.errors.InvalidTableDefinition, match="no unique index"):
        sync(db, "builds", "analytics.keyless")
    with pytest.raises(psycopg.errors.InvalidParameterValue):
        sync(db, "builds", mode="mirror")
    db.execute("CREATE MATERIALIZED VIEW analytics.view AS SELECT 1 AS id")
    with pytest.raises(psycopg.errors.WrongObjectType):
        sync(db, "builds", "analytics.view")


def test_reset_starts_over(db):
    sync(db, "work_item_revisions")
    db.execute("SELECT azure_devops.reset('analytics.work_item_revisions')")
    sync(db, "work_item_revisions")
    assert "continuationToken" not in dict(db.org.requests("revisions")[0]["query"])
    same(db, "work_item_revisions")


def test_a_role_that_is_no_superuser_can_sync_and_only_owners_can_reset(db):
    role, stranger = db.role(), db.role()
    db.map_user("ado", db.org.pat, role)
    db.execute(f'CREATE SCHEMA own AUTHORIZATION "{role}"')
    db.execute(f'GRANT USAGE ON SCHEMA ado TO "{role}"; GRANT SELECT ON ALL TABLES IN SCHEMA ado TO "{role}"')
    session = db.connect(role)
    for _ in range(2):
        sync(db, "builds", "own.builds", session=session)
    same(db, "builds", "own.builds")
    outsider = db.connect(stranger)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        outsider.execute("SELECT azure_devops.reset((SELECT oid FROM pg_class WHERE oid = (SELECT max(relid) FROM pg_stat_user_tables WHERE schemaname = 'own')))")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        outsider.execute("DELETE FROM azure_devops.bookmarks")
    session.execute("SELECT azure_devops.reset('own.builds')")
    assert db.value("SELECT count(*) FROM azure_devops.bookmarks") == 0
