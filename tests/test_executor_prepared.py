"""Prepared statements and PL/pgSQL: generic plans run again and again, with parameters and errors."""

import pytest
from psycopg import sql

PARAMETERS = [
    ("smallint", "queue_pool_id = $1"),
    ("integer", "id = $1"),
    ("bigint", "id = $1"),
    ("numeric", "id = $1"),
    ("varchar", "status = $1"),
    ("text", "build_number = $1"),
    ("text", "definition_name LIKE $1"),
    ("uuid", "project_id = $1"),
    ("timestamptz", "queue_time = $1"),
    ("timestamptz", "finish_time >= $1"),
    ("timestamp", "queue_time < $1"),
    ("date", "queue_time <= $1"),
    ("boolean", "deleted = $1"),
    ("integer[]", "id = ANY ($1)"),
    ("text[]", "result = ANY ($1)"),
    ("uuid[]", "project_id = ANY ($1)"),
]


@pytest.fixture
def db(new_db, org):
    """Several pages per project, and `truth.builds`, an ordinary table of the same rows."""
    db = new_db(org, page_size=15)
    db.execute("CREATE SCHEMA truth; CREATE TABLE truth.builds AS TABLE ado.builds")
    return db


def values_for(db, kind: str, clause: str) -> list[str | None]:
    """Five values that occur, as literals of the parameter's type, and NULL."""
    column = clause.split()[0]
    distinct = f"SELECT DISTINCT {column} AS v FROM truth.builds WHERE {column} IS NOT NULL"
    if kind.endswith("[]"):
        few = f"SELECT array_agg(v)::{kind}::text FROM ({distinct} ORDER BY v LIMIT n) x"
        found = db.column(f"SELECT ({few}) FROM generate_series(0, 4) AS n")
    else:
        found = db.column(f"SELECT v::{kind}::text FROM ({distinct} ORDER BY v LIMIT 5) x")
    return [*found, *[None] * (6 - len(found))]


@pytest.mark.parametrize("mode", ["force_generic_plan", "force_custom_plan", "auto"])
def test_a_prepared_statement_gives_the_right_rows_each_time(db, mode, subtests):
    db.execute(f"SET plan_cache_mode = {mode}")
    for kind, clause in PARAMETERS:
        with subtests.test(kind=kind, clause=clause):
            check_six_times(db, kind, clause)


def check_six_times(db, kind: str, clause: str) -> None:
    for schema in ("ado", "truth"):
        query = f"SELECT id FROM {schema}.builds WHERE {clause} ORDER BY id"
        db.execute(f"PREPARE {schema}({kind}) AS {query}")
    matched = 0
    for value in values_for(db, kind, clause):
        literal = sql.Literal(value)
        found = db.rows(sql.SQL("EXECUTE ado({})").format(literal))
        assert found == db.rows(sql.SQL("EXECUTE truth({})").format(literal)), value
        matched += len(found)
    assert matched
    db.execute("DEALLOCATE ALL")


def test_several_parameters_of_one_statement_keep_their_places(db):
    db.execute("SET plan_cache_mode = force_generic_plan")
    for schema in ("ado", "truth"):
        db.execute(
            f"PREPARE {schema}(text, uuid, timestamptz, int) AS SELECT id FROM {schema}.builds"
            " WHERE result = $1 AND project_id = $2 AND queue_time > $3 AND id <> $4 ORDER BY id"
        )
    sets = db.rows(
        "SELECT result, project_id, min(queue_time), max(id) FROM truth.builds"
        " WHERE result IS NOT NULL GROUP BY 1, 2 ORDER BY 1, 2"
    )
    assert len(sets) > 3
    for values in sets:
        arguments = sql.SQL(", ").join(map(sql.Literal, values))
        found = db.rows(sql.SQL("EXECUTE ado({})").format(arguments))
        assert found == db.rows(sql.SQL("EXECUTE truth({})").format(arguments))


def test_a_parameter_that_is_null_sends_no_request(db):
    db.execute("SET plan_cache_mode = force_generic_plan")
    db.execute("PREPARE q(int) AS SELECT id FROM ado.builds WHERE id = $1")
    before = len(db.org.requests())
    assert db.rows("EXECUTE q(NULL)") == []
    assert len(db.org.requests()) == before


def test_the_drivers_own_prepared_statements_work(db):
    ids = db.column("SELECT id FROM truth.builds ORDER BY id LIMIT 8")
    with db.connection.cursor() as cursor:
        for wanted in ids:
            query = "SELECT id, build_number FROM ado.builds WHERE id = %s"
            (row,) = cursor.execute(query, [wanted], prepare=True).fetchall()
            assert row[0] == wanted


def test_a_prepared_statement_sees_options_that_were_altered(db, new_org):
    other = new_org(projects=1, builds_per_project=7)
    db.execute("SET plan_cache_mode = force_generic_plan")
    db.execute("PREPARE q AS SELECT count(*) FROM ado.builds")
    assert db.value("EXECUTE q") == len(db.org.dump("builds"))
    db.server_options(base_url=other.url)
    assert db.value("EXECUTE q") == len(other.dump("builds"))


def test_a_prepared_statement_works_again_after_it_failed(db):
    db.server_options(max_retries=0)
    db.execute("SET plan_cache_mode = force_generic_plan")
    db.execute("PREPARE q(int) AS SELECT id FROM ado.builds WHERE id >= $1")
    everything = db.value("SELECT count(*) FROM truth.builds")
    for _ in range(3):
        db.org.faults({"kind": "forbidden_403", "endpoint": "builds"})
        with pytest.raises(Exception, match="access denied"):
            db.execute("EXECUTE q(0)")
        db.org.faults()
        assert len(db.rows("EXECUTE q(0)")) == everything


def test_a_function_called_often_finds_its_row_each_time(db):
    db.execute(
        """
        CREATE FUNCTION number_of(wanted integer) RETURNS text LANGUAGE plpgsql AS $$
        DECLARE number text;
        BEGIN
          SELECT b.build_number INTO number FROM ado.builds b WHERE b.id = wanted;
          RETURN number;
        END $$
        """
    )
    wrong = db.rows(
        "SELECT id FROM (SELECT * FROM truth.builds ORDER BY id LIMIT 12) t"
        " WHERE number_of(id) IS DISTINCT FROM build_number"
    )
    assert wrong == []
    assert db.value("SELECT number_of(NULL)") is None
    assert db.value("SELECT number_of(-1)") is None


def test_a_functions_arguments_of_every_type_arrive(db):
    db.execute(
        """
        CREATE FUNCTION ids(r text, s varchar, p uuid, t timestamptz) RETURNS SETOF integer
        LANGUAGE plpgsql AS $$
        BEGIN
          RETURN QUERY SELECT b.id FROM ado.builds b
          WHERE b.result = r AND b.status = s AND b.project_id = p AND b.finish_time >= t;
        END $$
        """
    )
    groups = (
        "SELECT result, status, project_id, min(finish_time) AS t, count(*) AS n"
        " FROM truth.builds WHERE finish_time IS NOT NULL GROUP BY 1, 2, 3"
    )
    query = f"SELECT n, (SELECT count(*) FROM ids(result, status, project_id, t)) FROM ({groups}) g"
    found = db.rows(query)
    assert len(found) > 5
    assert all(expected == count for expected, count in found)


def test_a_loop_over_a_scan_with_a_scan_in_it_sees_all(db):
    db.execute(
        """
        CREATE FUNCTION nested() RETURNS bigint LANGUAGE plpgsql AS $$
        DECLARE p record; b record; n bigint := 0;
        BEGIN
          FOR p IN SELECT id FROM ado.projects WHERE state = 'wellFormed' LOOP
            FOR b IN SELECT id FROM ado.builds WHERE project_id = p.id LOOP
              n := n + 1;
            END LOOP;
          END LOOP;
          RETURN n;
        END $$
        """
    )
    assert db.value("SELECT nested()") == len(db.org.dump("builds"))


def test_a_loop_that_is_left_early_can_be_entered_again(db):
    db.execute(
        """
        CREATE FUNCTION first_id() RETURNS integer LANGUAGE plpgsql AS $$
        DECLARE b record;
        BEGIN
          FOR b IN SELECT id FROM ado.builds LOOP
            RETURN b.id;
          END LOOP;
        END $$
        """
    )
    found = db.column("SELECT first_id() FROM generate_series(1, 10)")
    ids = set(db.column("SELECT id FROM truth.builds"))
    assert len(found) == 10
    assert set(found) <= ids


def test_exception_blocks_around_failing_scans_leave_the_function_intact(new_db, new_org):
    org = new_org(projects=1)
    db = new_db(org, max_retries=0)
    build = org.dump("builds")[0]["id"]
    db.execute(
        """
        CREATE FUNCTION try(wanted integer) RETURNS text LANGUAGE plpgsql AS $$
        DECLARE failures int := 0; divided int := 0; found int := 0; b record;
        BEGIN
          FOR i IN 1..12 LOOP
            BEGIN
              SELECT id INTO STRICT b FROM ado.builds WHERE id = wanted;
              found := found + 1;
              PERFORM 1 / (id - wanted) FROM ado.builds WHERE id = wanted;
            EXCEPTION
              WHEN division_by_zero THEN divided := divided + 1;
              WHEN insufficient_privilege THEN failures := failures + 1;
            END;
          END LOOP;
          RETURN format('%s failed, %s found, %s divided', failures, found, divided);
        END $$
        """
    )
    # In turn: refused; found and divided.
    odd = [1 + 3 * n for n in range(6)]
    org.faults({"kind": "forbidden_403", "endpoint": "builds", "nth": odd})
    assert db.value("SELECT try(%s)", [build]) == "6 failed, 6 found, 6 divided"
    org.faults()
    assert db.value("SELECT try(%s)", [build]) == "0 failed, 12 found, 12 divided"


def test_a_loop_over_a_scan_that_fails_midway_keeps_what_was_done(new_db, new_org):
    org = new_org(projects=1, builds_per_project=100)
    db = new_db(org, max_retries=0, page_size=10)
    db.execute(
        """
        CREATE TABLE kept (id integer);
        CREATE FUNCTION copy() RETURNS text LANGUAGE plpgsql AS $$
        DECLARE b record;
        BEGIN
          BEGIN
            FOR b IN SELECT id FROM ado.builds LOOP
              INSERT INTO kept VALUES (b.id);
            END LOOP;
            RETURN 'complete';
          EXCEPTION WHEN OTHERS THEN
            RETURN SQLSTATE || ' ' || (SELECT count(*) FROM kept);
          END;
        END $$
        """
    )
    org.faults({"kind": "forbidden_403", "endpoint": "builds", "nth": [4]})
    assert db.value("SELECT copy()") == "42501 0"
    org.faults()
    assert db.value("SELECT copy()") == "complete"
    assert db.value("SELECT count(*) FROM kept") == len(org.dump("builds"))
