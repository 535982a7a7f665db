"""Cursors and savepoints: scans that stop, go on, go back, outlive and are given up."""

import psycopg
import pytest


@pytest.fixture
def db(new_db, org):
    return new_db(org, page_size=10)


@pytest.fixture
def ids(org) -> list[int]:
    return sorted(build["id"] for build in org.dump("builds"))


def test_a_cursor_fetched_piece_by_piece_gives_every_row_once(db, ids):
    db.execute("BEGIN; DECLARE c CURSOR FOR SELECT id FROM ado.builds")
    found = []
    while rows := db.column("FETCH 7 FROM c"):
        found += rows
    assert sorted(found) == ids
    assert db.column("FETCH 7 FROM c") == []
    db.execute("COMMIT")


def test_move_skips_rows(db, ids):
    db.execute("BEGIN; DECLARE c CURSOR FOR SELECT id FROM ado.builds ORDER BY id")
    assert db.execute("MOVE 25 IN c").statusmessage == "MOVE 25"
    assert db.column("FETCH 3 FROM c") == ids[25:28]
    assert db.execute("MOVE FORWARD ALL IN c").statusmessage == f"MOVE {len(ids) - 28}"
    db.execute("COMMIT")


def test_move_in_an_unsorted_cursor_reads_on(db, ids):
    db.execute("BEGIN; DECLARE c CURSOR FOR SELECT id FROM ado.builds")
    db.execute("MOVE 30 IN c")
    assert len(set(db.column("FETCH ALL FROM c"))) == len(ids) - 30
    db.execute("COMMIT")


def test_a_scroll_cursor_goes_back(db, ids):
    db.execute("BEGIN; DECLARE c SCROLL CURSOR FOR SELECT id FROM ado.builds")
    forward = db.column("FETCH ALL FROM c")
    assert sorted(forward) == ids
    assert db.column("FETCH BACKWARD ALL FROM c") == forward[::-1]
    assert db.column("FETCH 5 FROM c") == forward[:5]
    assert db.column("FETCH ABSOLUTE 30 FROM c") == [forward[29]]
    assert db.column("FETCH RELATIVE -10 FROM c") == [forward[19]]
    assert db.column("FETCH LAST FROM c") == [forward[-1]]
    assert db.column("FETCH FIRST FROM c") == [forward[0]]
    db.execute("COMMIT")


def test_a_cursor_without_scroll_refuses_to_go_back(db):
    db.execute("BEGIN; DECLARE c NO SCROLL CURSOR FOR SELECT id FROM ado.builds")
    db.execute("FETCH 3 FROM c")
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState):
        db.execute("FETCH BACKWARD 1 FROM c")
    db.execute("ROLLBACK")


def test_a_cursor_with_hold_outlives_its_transaction(db, ids):
    db.execute("BEGIN; DECLARE c CURSOR WITH HOLD FOR SELECT id FROM ado.builds")
    first = db.column("FETCH 4 FROM c")
    db.execute("COMMIT")
    requests = len(db.org.requests())
    assert sorted(first + db.column("FETCH ALL FROM c")) == ids
    assert len(db.org.requests()) == requests
    db.execute("CLOSE c")


def test_a_hold_whose_scan_fails_at_commit_undoes_the_transaction(db):
    db.server_options(max_retries=0)
    db.execute("CREATE TABLE written (n int)")
    db.execute("BEGIN; INSERT INTO written VALUES (1)")
    db.execute("DECLARE c CURSOR WITH HOLD FOR SELECT id FROM ado.builds")
    db.org.faults({"kind": "forbidden_403", "endpoint": "builds"})
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        db.execute("COMMIT")
    assert db.value("SELECT count(*) FROM written") == 0


def test_a_transaction_aborted_with_an_open_cursor_leaves_the_session_usable(db, ids):
    for _ in range(5):
        db.execute("BEGIN; DECLARE c CURSOR FOR SELECT id FROM ado.builds")
        db.execute("FETCH 3 FROM c")
        with pytest.raises(psycopg.errors.DivisionByZero):
            db.execute("SELECT 1 / 0")
        db.execute("ROLLBACK")
    assert sorted(db.column("SELECT id FROM ado.builds")) == ids


def test_a_cursor_can_be_closed_before_its_end(db, ids):
    db.execute("BEGIN")
    for _ in range(5):
        db.execute("DECLARE c CURSOR FOR SELECT id FROM ado.builds")
        db.execute("FETCH 1 FROM c")
        db.execute("CLOSE c")
    db.execute("COMMIT")
    assert db.value("SELECT count(*) FROM ado.builds") == len(ids)


def test_two_cursors_take_turns(db, ids):
    db.execute("BEGIN")
    for name in ("a", "b"):
        db.execute(f"DECLARE {name} CURSOR FOR SELECT id FROM ado.builds")
    found = {"a": [], "b": []}
    while any(
        [found[name].append(row) or row for name in found for row in db.rows(f"FETCH {name}")]
    ):
        pass
    db.execute("COMMIT")
    for rows in found.values():
        assert sorted(id for (id,) in rows) == ids


def test_a_refcursor_of_a_function_can_be_read_by_the_caller(db, ids):
    db.execute(
        """
        CREATE FUNCTION opened(lowest integer) RETURNS refcursor LANGUAGE plpgsql AS $$
        DECLARE c refcursor := 'handed_out';
        BEGIN
          OPEN c FOR SELECT id FROM ado.builds WHERE id >= lowest ORDER BY id;
          RETURN c;
        END $$
        """
    )
    db.execute("BEGIN")
    assert db.value("SELECT opened(%s)", [ids[5]]) == "handed_out"
    assert db.column("FETCH ALL FROM handed_out") == ids[5:]
    db.execute("COMMIT")


def test_the_drivers_server_side_cursor_streams(db, ids):
    with db.connection.transaction():
        with db.connection.cursor("streaming") as cursor:
            cursor.itersize = 9
            cursor.execute("SELECT id FROM ado.builds")
            assert sorted(id for (id,) in cursor) == ids


def test_a_cursor_survives_a_savepoint_that_is_rolled_back(db, ids):
    db.execute("BEGIN; DECLARE c CURSOR FOR SELECT id FROM ado.builds")
    found = db.column("FETCH 5 FROM c")
    for _ in range(3):
        db.execute("SAVEPOINT s; DECLARE d CURSOR FOR SELECT id FROM ado.builds")
        db.execute("FETCH 12 FROM d")
        db.execute("ROLLBACK TO s")
    with pytest.raises(psycopg.errors.InvalidCursorName):
        db.execute("SAVEPOINT t; FETCH 1 FROM d")
    db.execute("ROLLBACK TO t")
    found += db.column("FETCH ALL FROM c")
    db.execute("COMMIT")
    assert sorted(found) == ids


def test_a_scan_that_fails_in_a_savepoint_spares_the_transaction(db, ids):
    db.server_options(max_retries=0)
    db.execute("BEGIN; CREATE TABLE written (n int)")
    db.execute("SAVEPOINT s")
    db.org.faults({"kind": "forbidden_403", "endpoint": "builds", "nth": [5]})
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        db.execute("SELECT id FROM ado.builds")
    db.execute("ROLLBACK TO s")
    db.org.faults()
    db.execute("INSERT INTO written SELECT id FROM ado.builds")
    db.execute("COMMIT")
    assert sorted(db.column("SELECT n FROM written")) == ids


def test_a_cursor_opened_in_a_released_savepoint_goes_on(db, ids):
    db.execute("BEGIN; SAVEPOINT s; DECLARE c CURSOR FOR SELECT id FROM ado.builds")
    found = db.column("FETCH 15 FROM c")
    db.execute("RELEASE s")
    found += db.column("FETCH ALL FROM c")
    db.execute("COMMIT")
    assert sorted(found) == ids
