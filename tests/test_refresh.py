"""Materialized views that refresh incrementally: what they hold, and what a refresh costs."""

import threading

import psycopg
import pytest

from truth import same

INCREMENTAL = ["builds", "pull_requests", "work_item_revisions"]


@pytest.fixture
def db(new_org, new_db):
    db = new_db(new_org(projects=4, builds_per_project=30))
    db.execute("CREATE SCHEMA analytics")
    return db


def create(db, table, name=None):
    view = name or f"analytics.{table}"
    db.value("SELECT azure_devops.create_materialized_view(%s, %s)", [view, f"ado.{table}"])
    return view


def refresh(db, view, concurrently=False):
    db.org.simulator.clear()
    db.execute(f"REFRESH MATERIALIZED VIEW {'CONCURRENTLY' if concurrently else ''} {view}")


@pytest.mark.parametrize("concurrently", [False, True])
@pytest.mark.parametrize("table", ["projects", "repositories", *INCREMENTAL])
def test_a_view_equals_a_full_read_before_and_after_a_refresh(db, table, concurrently):
    view = create(db, table)
    same(db, table)
    refresh(db, view, concurrently)
    same(db, table)


@pytest.mark.parametrize("concurrently", [False, True])
def test_builds_that_end_begin_hang_and_vanish_are_followed(db, concurrently):
    org = db.org
    view = create(db, "builds")
    builds = org.dump("builds")
    running = [b["id"] for b in builds if b["status"] != "completed"]
    done = [b["id"] for b in builds if b["status"] == "completed"]
    assert len(running) >= 2
    project = builds[0]["project"]["name"]
    org.mutate(
        {"op": "finish_build", "id": running[0], "result": "failed"},
        {"op": "delete_build", "id": running[1]},
        {"op": "retry_build", "id": done[0]},
        {"op": "put_build", "project": project, "build": {"status": "notStarted"}},
    )
    (fast,) = org.mutate({"op": "put_build", "project": project, "build": {"status": "inProgress"}})
    org.mutate({"op": "finish_build", "id": fast})
    refresh(db, view, concurrently)
    same(db, "builds")
    org.mutate({"op": "finish_build", "id": done[0]})
    refresh(db, view, concurrently)
    same(db, "builds")


def test_an_idle_refresh_of_builds_sends_two_requests_per_project(db):
    view = create(db, "builds")
    visited = db.value("SELECT count(DISTINCT project_id) FROM ado.builds")
    refresh(db, view)
    assert len(db.org.requests("builds")) == 2 * visited
    assert len(db.org.requests()) <= 2 * visited + 4
    same(db, "builds")


def test_an_idle_refresh_of_revisions_sends_one_request(db):
    view = create(db, "work_item_revisions")
    refresh(db, view)
    (request,) = db.org.requests()
    assert "continuationToken" in dict(request["query"])
    same(db, "work_item_revisions")


def test_pull_requests_that_close_begin_and_change_are_followed(db):
    org = db.org
    view = create(db, "pull_requests")
    active = [p["pullRequestId"] for p in org.dump("pull_requests") if p["status"] == "active"]
    closed = [p["pullRequestId"] for p in org.dump("pull_requests") if p["status"] == "abandoned"]
    repository = org.dump("pull_requests")[0]["repository"]["id"]
    org.mutate(
        {"op": "close_pull_request", "id": active[0]},
        {"op": "put_pull_request", "pull_request": {"pullRequestId": active[1], "title": "Renamed"}},
        {"op": "delete_pull_request", "id": active[2]},
        {"op": "put_pull_request", "repository": repository, "pull_request": {"title": "New"}},
        {
            "op": "put_pull_request",
            "pull_request": {"pullRequestId": closed[0], "status": "active", "closedDate": None, "closedBy": None},
        },
    )
    refresh(db, view)
    same(db, "pull_requests")


def test_revisions_that_are_written_late_or_back_dated_are_followed(db):
    org = db.org
    view = create(db, "work_item_revisions")
    project = org.dump("projects")[0]["name"]
    items = sorted({r["id"] for r in org.dump("revisions")})
    org.mutate(
        {"op": "put_revision", "id": items[0], "fields": {"System.Title": "Changed"}},
        {
            "op": "put_revision",
            "id": items[1],
            "fields": {"System.State": "Closed"},
            "changed_date": "2001-02-03T04:05:06Z",
        },
        {"op": "put_revision", "id": items[2], "fields": {"System.IsDeleted": True}},
        {"op": "put_revision", "project": project, "fields": {"System.Title": "New"}},
    )
    refresh(db, view)
    assert len(org.requests()) <= 2
    same(db, "work_item_revisions")
    refresh(db, view, concurrently=True)
    same(db, "work_item_revisions")


@pytest.mark.parametrize("table", INCREMENTAL)
def test_projects_that_appear_and_vanish_are_followed(db, table):
    org = db.org
    view = create(db, table)
    made = org.dump("projects")[0]["name"]
    org.mutate(
        {"op": "put_project", "project": "Newcomer", "values": {"state": "wellFormed"}},
        {
            "op": "put_build",
            "project": "Newcomer",
            # Ended long before anything that the view has seen.
            "build": {"status": "completed", "result": "failed", "finishTime": "2011-01-01T00:00:00Z"},
        },
    )
    if table != "work_item_revisions":
        org.mutate({"op": "delete_project", "project": made})
    refresh(db, view)
    same(db, table)


@pytest.mark.parametrize("table", INCREMENTAL)
def test_a_view_without_data_is_read_in_full(db, table):
    view = create(db, table)
    db.execute(f"REFRESH MATERIALIZED VIEW {view} WITH NO DATA")
    refresh(db, view)
    same(db, table)


def test_a_refresh_that_fails_changes_nothing_and_the_next_one_catches_up(db):
    org = db.org
    view = create(db, "work_item_revisions")
    before = db.rows("SELECT target, watermark FROM azure_devops.bookmarks")
    assert before
    item = org.dump("revisions")[0]["id"]
    org.mutate({"op": "put_revision", "id": item, "fields": {"System.Title": "Changed"}})
    db.execute("BEGIN")
    db.execute(f"REFRESH MATERIALIZED VIEW {view}")
    db.execute("ROLLBACK")
    assert db.rows("SELECT target, watermark FROM azure_devops.bookmarks") == before
    org.faults({"kind": "status", "status": 403, "endpoint": "revisions"})
    with pytest.raises(psycopg.Error):
        refresh(db, view)
    assert db.value(f"SELECT count(*) FROM {view}") > 0
    org.faults()
    refresh(db, view)
    same(db, "work_item_revisions")


def test_reading_the_function_by_hand_does_not_move_the_token(db):
    create(db, "work_item_revisions")
    item = db.org.dump("revisions")[0]["id"]
    db.org.mutate({"op": "put_revision", "id": item, "fields": {"System.Title": "Changed"}})
    query = (
        "SELECT count(*) FROM azure_devops.incremental(NULL::ado.work_item_revisions,"
        " 'analytics.work_item_revisions')"
    )
    assert db.value(query) == len(db.org.dump("revisions"))
    refresh(db, "analytics.work_item_revisions")
    same(db, "work_item_revisions")


def test_names_that_need_quotes_and_an_owner_who_is_no_superuser(db):
    role = db.role()
    db.map_user("ado", db.org.pat, role)
    db.execute(f'CREATE SCHEMA "Odd Schema" AUTHORIZATION "{role}"')
    db.execute(f'GRANT USAGE ON SCHEMA ado TO "{role}"; GRANT SELECT ON ALL TABLES IN SCHEMA ado TO "{role}"')
    session = db.connect(role)
    view = '"Odd Schema"."The \'View\'"'
    for table in INCREMENTAL:
        session.execute(
            "SELECT azure_devops.create_materialized_view(%s, %s)", [view, f"ado.{table}"]
        )
        session.execute("SET search_path = pg_temp")
        session.execute(f"REFRESH MATERIALIZED VIEW {view}")
        session.execute(f"REFRESH MATERIALIZED VIEW CONCURRENTLY {view}")
        session.execute("RESET search_path")
        same(db, table, view)
        session.execute(f"DROP MATERIALIZED VIEW {view}")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        session.execute("INSERT INTO azure_devops.bookmarks VALUES ('x', 'y', NULL, 0, now())")


def test_a_table_of_fewer_and_other_columns_is_merged_too(db):
    db.execute(
        'CREATE FOREIGN TABLE ado.few ("Id" integer OPTIONS (field \'id\'), "projectId" uuid, status text,'
        ' "finishTime" timestamptz, "who" text OPTIONS (field \'requestedFor.displayName\'))'
        " SERVER ado OPTIONS (\"table\" 'builds')"
    )
    db.value("SELECT azure_devops.create_materialized_view('analytics.few', 'ado.few')")
    running = [b["id"] for b in db.org.dump("builds") if b["status"] != "completed"]
    db.org.mutate({"op": "finish_build", "id": running[0]})
    refresh(db, "analytics.few")
    assert sorted(map(str, db.rows("SELECT * FROM analytics.few"))) == sorted(
        map(str, db.rows("SELECT * FROM ado.few"))
    )
    assert any("minTime" in dict(r["query"]) for r in db.org.requests("builds"))
    db.execute("CREATE FOREIGN TABLE ado.keyless (status text) SERVER ado OPTIONS (\"table\" 'builds')")
    with pytest.raises(psycopg.errors.UndefinedColumn, match="lacks key column id"):
        db.value("SELECT azure_devops.create_materialized_view('analytics.keyless', 'ado.keyless')")


def test_a_view_is_not_overwritten_and_needs_a_schema(db):
    create(db, "projects")
    with pytest.raises(psycopg.errors.DuplicateTable):
        create(db, "projects")
    with pytest.raises(psycopg.errors.InvalidName):
        create(db, "projects", "builds")
    with pytest.raises(psycopg.errors.WrongObjectType):
        db.execute("CREATE TABLE mine (id int)")
        db.value("SELECT azure_devops.create_materialized_view('analytics.mine', 'mine')")


def test_a_full_refresh_finds_what_increments_cannot(db):
    view = create(db, "builds")
    done = [b["id"] for b in db.org.dump("builds") if b["status"] == "completed"]
    db.org.mutate(
        {"op": "delete_build", "id": done[0]},
        {"op": "put_build", "build": {"id": done[1], "tags": ["late"]}},
    )
    db.execute("SELECT azure_devops.full_refresh('analytics.builds')")
    same(db, "builds")
    assert view


def test_two_sessions_at_once_leave_a_right_view(db):
    create(db, "builds")
    other = db.connect()
    db.org.patch(latency_ms=50)
    thread = threading.Thread(
        target=lambda: other.execute("REFRESH MATERIALIZED VIEW CONCURRENTLY analytics.builds")
    )
    thread.start()
    db.execute("REFRESH MATERIALIZED VIEW CONCURRENTLY analytics.builds")
    thread.join()
    same(db, "builds")
