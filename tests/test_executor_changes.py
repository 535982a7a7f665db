"""Changes around foreign tables: refused on them, right beside them; views; altered tables."""

import concurrent.futures

import psycopg
import pytest

REFUSED = [
    "INSERT INTO ado.builds (id) VALUES (1)",
    "INSERT INTO ado.builds SELECT * FROM ado.builds",
    "INSERT INTO ado.builds (id) VALUES (1) ON CONFLICT DO NOTHING",
    "UPDATE ado.builds SET result = 'failed'",
    "UPDATE ado.builds b SET result = 'failed' FROM ado.projects p WHERE p.id = b.project_id",
    "DELETE FROM ado.builds",
    "DELETE FROM ado.builds WHERE id = 5 RETURNING *",
    "TRUNCATE ado.builds",
    "COPY ado.builds (id) FROM STDIN",
]


@pytest.fixture
def db(new_db, org):
    return new_db(org, page_size=15)


@pytest.fixture
def ids(org) -> list[int]:
    return sorted(build["id"] for build in org.dump("builds"))


@pytest.mark.parametrize("statement", REFUSED)
def test_changes_are_refused_with_the_standard_error(db, statement):
    with pytest.raises(psycopg.Error) as caught:
        if statement.startswith("COPY"):
            with db.connection.cursor().copy(statement) as copy:
                copy.write("1\n")
        else:
            db.execute(statement)
    assert caught.value.sqlstate in ("0A000", "55000"), caught.value
    assert "builds" in caught.value.diag.message_primary
    assert "\n" not in caught.value.diag.message_primary
    assert db.org.requests() == []


def test_the_catalog_says_that_tables_cannot_be_changed(db):
    assert db.value("SELECT pg_relation_is_updatable('ado.builds', false)") == 0
    query = "SELECT is_insertable_into FROM information_schema.tables WHERE table_schema = 'ado'"
    assert set(db.column(query)) == {"NO"}


def test_explain_of_a_refused_change_is_refused_too(db):
    with pytest.raises(psycopg.Error) as caught:
        db.execute("EXPLAIN UPDATE ado.builds SET result = 'failed'")
    assert caught.value.sqlstate in ("0A000", "55000")


@pytest.mark.parametrize("lock", ["UPDATE", "NO KEY UPDATE", "SHARE", "KEY SHARE"])
def test_rows_of_a_join_can_be_locked(db, ids, lock):
    db.execute(
        "CREATE TABLE releases AS SELECT id AS build_id, 'v' || id AS version FROM ado.builds"
    )
    db.execute("BEGIN")
    query = (
        "SELECT r.version, b.result FROM releases r JOIN ado.builds b ON b.id = r.build_id"
        f" ORDER BY b.id FOR {lock}"
    )
    assert [version for version, _ in db.rows(query)] == [f"v{id}" for id in ids]
    db.execute("COMMIT")


def test_a_lock_sees_what_another_session_has_changed_meanwhile(db, ids):
    db.execute("CREATE TABLE releases AS SELECT id AS build_id, 0 AS n FROM ado.builds")
    other = db.connect()
    other.execute("BEGIN")
    other.execute("UPDATE releases SET n = n + 1 WHERE build_id = %s", [ids[3]])
    query = (
        "SELECT r.n, b.id, b.build_number IS NOT NULL FROM releases r JOIN ado.builds b"
        " ON b.id = r.build_id WHERE b.id = ANY (%s) ORDER BY b.id FOR UPDATE OF r"
    )
    with concurrent.futures.ThreadPoolExecutor() as pool:
        waiting = pool.submit(db.rows, query, [ids[2:5]])
        waits = (
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        while not waiting.done() and other.execute(waits).fetchone() == (0,):
            pass
        other.execute("COMMIT")
        rows = waiting.result(timeout=30)
    assert rows == [(0, ids[2], True), (1, ids[3], True), (0, ids[4], True)]


def test_update_from_a_foreign_table_changes_the_right_rows(db, ids):
    db.execute(
        "CREATE TABLE releases AS SELECT id AS build_id, NULL::text AS number FROM ado.builds"
    )
    update = (
        "UPDATE releases r SET number = b.build_number FROM ado.builds b"
        " WHERE b.id = r.build_id AND b.status = 'completed'"
    )
    completed = {
        b["id"]: b["buildNumber"] for b in db.org.dump("builds") if b["status"] == "completed"
    }
    assert db.execute(update).rowcount == len(completed)
    numbers = dict(db.rows("SELECT build_id, number FROM releases"))
    assert numbers == {id: completed.get(id) for id in ids}


def test_an_update_that_waited_for_another_rechecks_the_join(db, ids):
    db.execute("CREATE TABLE releases AS SELECT id AS build_id, 0 AS n FROM ado.builds")
    other = db.connect()
    other.execute("BEGIN; UPDATE releases SET n = n + 1")
    with concurrent.futures.ThreadPoolExecutor() as pool:
        update = "UPDATE releases r SET n = n + 10 FROM ado.builds b WHERE b.id = r.build_id"
        waiting = pool.submit(db.execute, update)
        waits = (
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        while not waiting.done() and other.execute(waits).fetchone() == (0,):
            pass
        other.execute("COMMIT")
        assert waiting.result(timeout=30).rowcount == len(ids)
    assert set(db.column("SELECT n FROM releases")) == {11}


def test_delete_and_insert_of_a_local_table_may_read_a_foreign_one(db, ids):
    db.execute("CREATE TABLE copy AS SELECT id, result FROM ado.builds WITH NO DATA")
    assert db.execute("INSERT INTO copy SELECT id, result FROM ado.builds").rowcount == len(ids)
    delete = "DELETE FROM copy c USING ado.builds b WHERE b.id = c.id RETURNING b.id"
    assert sorted(db.column(delete)) == ids
    merge = (
        "MERGE INTO copy c USING ado.builds b ON b.id = c.id"
        " WHEN NOT MATCHED THEN INSERT VALUES (b.id, b.result)"
    )
    if db.connection.info.server_version >= 150000:
        assert db.execute(merge).rowcount == len(ids)


def test_a_trigger_may_read_a_foreign_table(db, ids):
    db.execute(
        """
        CREATE TABLE releases (build_id integer, number text);
        CREATE FUNCTION fill() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          SELECT build_number INTO NEW.number FROM ado.builds WHERE id = NEW.build_id;
          RETURN NEW;
        END $$;
        CREATE TRIGGER fill BEFORE INSERT ON releases FOR EACH ROW EXECUTE FUNCTION fill();
        """
    )
    db.execute("INSERT INTO releases SELECT unnest(%s::int[])", [ids[:8]])
    numbers = {b["id"]: b["buildNumber"] for b in db.org.dump("builds")}
    assert dict(db.rows("SELECT * FROM releases")) == {id: numbers[id] for id in ids[:8]}


def test_views_show_the_rows(db, ids):
    db.execute("CREATE VIEW v AS SELECT id, result FROM ado.builds WHERE status = 'completed'")
    db.execute("CREATE VIEW w WITH (security_barrier) AS SELECT * FROM v WHERE id > 0")
    completed = [b["id"] for b in db.org.dump("builds") if b["status"] == "completed"]
    assert sorted(db.column("SELECT id FROM v")) == sorted(completed)
    assert db.rows("SELECT id FROM w WHERE id = %s", [completed[0]]) == [(completed[0],)]
    assert db.value("SELECT count(*) FROM v JOIN w USING (id)") == len(completed)


def test_materialized_views_are_filled_and_refreshed(db, ids):
    db.execute("CREATE MATERIALIZED VIEW m AS SELECT * FROM ado.builds")
    db.execute("CREATE UNIQUE INDEX ON m (id)")
    assert sorted(db.column("SELECT id FROM m")) == ids
    gone, changed = ids[0], ids[1]
    db.org.mutate(
        {"op": "delete_build", "id": gone},
        {"op": "put_build", "build": {"id": changed, "quality": "changed"}},
    )
    for how in ("", "CONCURRENTLY "):
        db.execute(f"REFRESH MATERIALIZED VIEW {how}m")
        assert sorted(db.column("SELECT id FROM m")) == ids[1:]
        assert db.column("SELECT id FROM m WHERE quality = 'changed'") == [changed]


def test_a_materialized_view_without_data_is_filled_later(db, ids):
    db.execute("CREATE MATERIALIZED VIEW m AS SELECT * FROM ado.builds WITH NO DATA")
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState):
        db.execute("SELECT * FROM m")
    assert db.org.requests() == []
    db.execute("REFRESH MATERIALIZED VIEW m")
    assert sorted(db.column("SELECT id FROM m")) == ids


def test_a_refresh_that_fails_changes_nothing(db, ids):
    db.server_options(max_retries=0)
    db.execute(
        "CREATE MATERIALIZED VIEW m AS SELECT id FROM ado.builds; CREATE UNIQUE INDEX ON m (id)"
    )
    db.org.faults({"kind": "forbidden_403", "endpoint": "builds", "nth": [5]})
    for how in ("", "CONCURRENTLY "):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            db.execute(f"REFRESH MATERIALIZED VIEW {how}m")
        assert sorted(db.column("SELECT id FROM m")) == ids
        db.org.faults({"kind": "forbidden_403", "endpoint": "builds", "nth": [5]})


def test_columns_may_be_dropped_added_and_renamed(db, ids):
    before = dict(db.rows("SELECT id, build_number FROM ado.builds"))
    db.execute(
        "ALTER FOREIGN TABLE ado.builds DROP COLUMN project_id, DROP COLUMN status, DROP attrs"
    )
    assert dict(db.rows("SELECT id, build_number FROM ado.builds")) == before
    columns = db.execute("SELECT * FROM ado.builds LIMIT 1").description
    assert not {"project_id", "status", "attrs"} & {column.name for column in columns}
    assert db.value("SELECT count(*) FROM (SELECT row_to_json(b) FROM ado.builds b) x") == len(ids)
    db.execute("ALTER FOREIGN TABLE ado.builds ADD COLUMN status text")
    statuses = {b["id"]: b["status"] for b in db.org.dump("builds")}
    assert dict(db.rows("SELECT id, status FROM ado.builds")) == statuses
    assert all(b[0] for b in db.rows("SELECT b.status IS NOT NULL FROM ado.builds b WHERE id > 0"))
    db.execute("ALTER FOREIGN TABLE ado.builds RENAME COLUMN build_number TO n")
    with pytest.raises(psycopg.Error) as caught:
        db.execute("SELECT n FROM ado.builds")
    assert caught.value.sqlstate == "HV005"
    db.execute("ALTER FOREIGN TABLE ado.builds ALTER COLUMN n OPTIONS (ADD field 'buildNumber')")
    assert dict(db.rows("SELECT id, n FROM ado.builds")) == before


def test_a_renamed_table_still_reads_its_kind(db, ids):
    db.execute("ALTER FOREIGN TABLE ado.builds RENAME TO runs")
    assert sorted(db.column("SELECT id FROM ado.runs")) == ids


def test_a_column_may_change_its_type_between_two_runs_of_a_plan(db, ids):
    db.execute(
        "SET plan_cache_mode = force_generic_plan; PREPARE q AS SELECT max(id) FROM ado.builds"
    )
    assert db.value("EXECUTE q") == ids[-1]
    db.execute("ALTER FOREIGN TABLE ado.builds ALTER COLUMN id TYPE bigint")
    with pytest.raises(psycopg.errors.FeatureNotSupported, match="must not change result type"):
        db.execute("EXECUTE q")
    assert db.value("SELECT max(id) FROM ado.builds") == ids[-1]


def test_foreign_tables_can_be_partitions_and_children(db, ids):
    db.execute(
        "CREATE TABLE parent (id integer, build_number text, source text) PARTITION BY LIST (source)"
    )
    db.execute("CREATE TABLE stored PARTITION OF parent FOR VALUES IN ('stored')")
    db.execute("INSERT INTO parent VALUES (-1, 'x', 'stored')")
    db.execute(
        "CREATE TABLE family (id integer, build_number text); INSERT INTO family VALUES (-1, 'x')"
    )
    db.execute(
        "CREATE FOREIGN TABLE child () INHERITS (family) SERVER ado OPTIONS (\"table\" 'builds')"
    )
    assert sorted(db.column("SELECT id FROM family")) == [-1, *ids]
    query = "SELECT tableoid::regclass::text, count(*) FROM family GROUP BY 1"
    assert dict(db.rows(query)) == {"family": 1, "child": len(ids)}
    assert db.column("SELECT id FROM family WHERE id = %s", [ids[4]]) == [ids[4]]


def test_six_sessions_read_at_once(db, ids):
    sessions = [db.connect() for _ in range(6)]
    expected = (len(ids), sum(ids))

    def work(session):
        results = set()
        for _ in range(5):
            results.add(session.execute("SELECT count(*), sum(id) FROM ado.builds").fetchone())
            session.execute("SELECT * FROM ado.pull_requests LIMIT 3").fetchall()
        return results

    with concurrent.futures.ThreadPoolExecutor(len(sessions)) as pool:
        for results in pool.map(work, sessions):
            assert results == {expected}
