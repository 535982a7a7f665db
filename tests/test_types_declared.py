"""Foreign tables as users declare them: fewer columns, other names, other types, any path."""

import psycopg
import pytest


@pytest.fixture
def table(db):
    """Declares a table `t` of the given columns and kind."""

    def declare(columns: str, kind: str = "builds", **options: str):
        pairs = {"table": kind, **options}
        text = ", ".join(f"\"{name}\" '{value}'" for name, value in pairs.items())
        db.execute(
            f"DROP FOREIGN TABLE IF EXISTS t; CREATE FOREIGN TABLE t ({columns})"
            f" SERVER ado OPTIONS ({text})"
        )

    return declare


def test_a_subset_of_the_columns_in_any_order(db, table):
    table("result text, id int, queue_time timestamptz")
    expected = sorted(db.rows("SELECT result, id, queue_time FROM ado.builds"), key=repr)
    assert sorted(db.rows("SELECT * FROM t"), key=repr) == expected


def test_a_table_without_columns_has_rows(db, table):
    table("")
    assert db.value("SELECT count(*) FROM t") == len(db.org.dump("builds"))
    assert db.rows("SELECT * FROM t LIMIT 2") == [(), ()]


def test_names_match_without_case_and_underscores(db, table):
    table(
        '"queueTime" timestamptz, "QUEUE_TIME" timestamptz, queuetime timestamptz, "ID" int,'
        ' "Project_ID" uuid, "projectName" text'
    )
    expected = sorted(db.rows("SELECT id, queue_time, project_id, project_name FROM ado.builds"))
    query = 'SELECT "ID", "queueTime", "Project_ID", "projectName" FROM t'
    assert sorted(db.rows(query)) == expected
    assert (
        db.value('SELECT count(*) FROM t WHERE "queueTime" <> "QUEUE_TIME" OR queuetime IS NULL')
        == 0
    )


def test_the_name_of_the_table_is_its_kind_unless_told(db):
    db.execute("CREATE FOREIGN TABLE builds (id int) SERVER ado")
    assert db.value("SELECT count(*) FROM builds") == len(db.org.dump("builds"))


def test_a_table_of_one_project_shows_its_rows_only(db, table):
    for id, name in db.rows("SELECT id::text, name FROM ado.projects WHERE state = 'wellFormed'"):
        for project in (name, name.lower(), id):
            table("id int, project_name text", project=project.replace("'", "''"))
            expected = [b["id"] for b in db.org.dump("builds") if b["project"]["name"] == name]
            assert sorted(db.column("SELECT id FROM t")) == sorted(expected)


def test_a_project_that_does_not_exist_is_named(db, table):
    table("id int", project="No such project")
    with pytest.raises(psycopg.errors.UndefinedObject, match="No such project"):
        db.execute("SELECT id FROM t")


PATHS = {
    "definition.id": "(attrs #> '{definition,id}')::int",
    "$.definition.id": "(attrs #> '{definition,id}')::int",
    "/definition/id": "(attrs #> '{definition,id}')::int",
    "queue.pool.id": "(attrs #> '{queue,pool,id}')::int",
    "plans[0].planId": "attrs #>> '{plans,0,planId}'",
    "/plans/0/planId": "attrs #>> '{plans,0,planId}'",
    "$.plans[0].planId": "attrs #>> '{plans,0,planId}'",
    "tags[1]": "attrs #>> '{tags,1}'",
    "tags[99]": "NULL",
    "nothing.like.this": "NULL",
    "templateParameters.parameter001": "attrs #>> '{templateParameters,parameter001}'",
}


@pytest.mark.parametrize("path", PATHS)
def test_a_field_is_a_path_into_the_element(db, table, path):
    kind = "int" if "::int" in PATHS[path] else "text"
    table(f"id int, x {kind} OPTIONS (field '{path}')")
    expected = sorted(db.rows(f"SELECT id, {PATHS[path]} FROM ado.builds"), key=repr)
    assert sorted(db.rows("SELECT id, x FROM t"), key=repr) == expected


@pytest.mark.parametrize("path", ["a..b", ".a", "a[x]", "a[0", "a[0]b", "", "a[-1]"])
def test_a_field_that_is_no_path_is_refused(db, table, path):
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="field"):
        table(f"id int, x text OPTIONS (field '{path}')")
        db.execute("SELECT x FROM t")


def test_a_fields_column_is_filtered_correctly(db, table):
    table(
        "id int, outcome text OPTIONS (field 'result'), definition int OPTIONS (field 'definition.id')"
    )
    expected = [b["id"] for b in db.org.dump("builds") if b.get("result") == "failed"]
    assert sorted(db.column("SELECT id FROM t WHERE outcome = 'failed'")) == sorted(expected)
    first = db.org.dump("builds")[0]["definition"]["id"]
    expected = [b["id"] for b in db.org.dump("builds") if b["definition"]["id"] == first]
    assert sorted(db.column(f"SELECT id FROM t WHERE definition = {first}")) == sorted(expected)


@pytest.mark.parametrize(
    "field", ["Custom.Severity", "fields.Custom.Severity", "/fields/Custom.Severity"]
)
def test_a_custom_field_of_work_items_can_be_declared(db, table, field):
    table(f"id int, rev int, severity text OPTIONS (field '{field}')", kind="work_item_revisions")
    query = "SELECT id, rev, fields ->> 'Custom.Severity' FROM ado.work_item_revisions"
    expected = sorted(db.rows(query), key=repr)
    assert any(severity for *_, severity in expected)
    assert sorted(db.rows("SELECT * FROM t"), key=repr) == expected


def test_system_fields_may_be_named_by_their_reference_names(db, table):
    table(
        "id int, rev int, a text OPTIONS (field 'System.State'), b int OPTIONS (field 'System.Id')",
        kind="work_item_revisions",
    )
    expected = sorted(db.rows("SELECT id, rev, state, id FROM ado.work_item_revisions"))
    assert sorted(db.rows("SELECT * FROM t")) == expected


def test_an_unknown_column_is_an_error_that_lists_near_names(db, table):
    table("id int, que_time timestamptz")
    with pytest.raises(psycopg.Error) as caught:
        db.execute("SELECT id FROM t")
    error = caught.value
    assert error.sqlstate == "HV005"
    assert "que_time" in error.diag.message_primary
    assert '"t"' in error.diag.message_primary
    assert "queue_time" in error.diag.message_hint
    assert db.org.requests() == []


def test_an_unknown_kind_of_table_is_an_error_that_lists_the_known(db, table):
    with pytest.raises(psycopg.Error) as caught:
        table("id int", kind="bilds")
    assert caught.value.sqlstate == "HV00R"
    assert "builds" in caught.value.diag.message_hint
    db.execute("CREATE FOREIGN TABLE something (id int) SERVER ado")
    with pytest.raises(psycopg.Error) as caught:
        db.execute("SELECT * FROM something")
    assert caught.value.sqlstate == "HV00R"
    assert "pull_requests" in caught.value.diag.message_hint


@pytest.mark.parametrize(
    "kind", ["text", "numeric", "bigint", "varchar", "varchar(20)", "float8", "char(12)", "oid"]
)
def test_an_id_may_have_another_type(db, table, kind):
    table(f"id {kind}")
    ids = sorted(b["id"] for b in db.org.dump("builds"))
    assert sorted(db.column("SELECT id::text::int FROM t")) == ids
    found = db.column(f"SELECT id::text::int FROM t WHERE id = '{ids[3]}'::{kind}")
    assert found == [ids[3]]


def test_a_value_too_long_for_its_column_is_the_ordinary_error(db, table):
    table("id varchar(2)")
    with pytest.raises(psycopg.errors.StringDataRightTruncation, match="value too long") as caught:
        db.execute("SELECT id FROM t")
    assert_place(caught.value, "id", "t")
    table("id smallint")
    db.org.mutate(
        {
            "op": "put_build",
            "build": {"id": 40_000},
            "project": db.value("SELECT name FROM ado.projects WHERE state = 'wellFormed' LIMIT 1"),
        }
    )
    with pytest.raises(psycopg.errors.NumericValueOutOfRange) as caught:
        db.execute("SELECT id FROM t")
    assert_place(caught.value, "id", "t")


def test_a_value_that_does_not_convert_is_the_ordinary_error(db, table):
    table("build_number integer")
    with pytest.raises(psycopg.errors.InvalidTextRepresentation, match="type integer") as caught:
        db.execute("SELECT build_number FROM t")
    assert_place(caught.value, "build_number", "t")
    table("build_number uuid")
    with pytest.raises(psycopg.errors.InvalidTextRepresentation, match="type uuid"):
        db.execute("SELECT build_number FROM t")
    # An error that is caught leaves nothing behind.
    for _ in range(20):
        with pytest.raises(psycopg.errors.InvalidTextRepresentation):
            db.execute("SELECT build_number FROM t")


def test_an_error_of_conversion_names_the_table_as_it_is_called(db):
    db.execute(
        'CREATE FOREIGN TABLE "My ""Builds""" ("buildNumber" integer) SERVER ado'
        " OPTIONS (\"table\" 'builds')"
    )
    with pytest.raises(psycopg.errors.InvalidTextRepresentation) as caught:
        db.execute('SELECT * FROM "My ""Builds"""')
    assert_place(caught.value, "buildNumber", "Builds")


@pytest.mark.parametrize("kind", ["json", "jsonb", "text"])
def test_objects_and_arrays_as_json(db, table, kind):
    if kind == "text":
        table(
            "id int, tags text OPTIONS (field 'tags'), definition text OPTIONS (field '/definition')"
        )
    else:
        table(f"id int, tags {kind}, definition {kind} OPTIONS (field '/definition')")
    expected = db.rows("SELECT id, tags, attrs -> 'definition' FROM ado.builds")
    found = db.rows("SELECT id, tags::jsonb, definition::jsonb FROM t")
    assert sorted(found, key=repr) == sorted(expected, key=repr)


def test_scalars_as_json(db, table):
    table("id jsonb, result jsonb, queue_time json, retained_by_release jsonb")
    rows = db.rows("SELECT id, result, queue_time, retained_by_release FROM t")
    sent = [
        (b["id"], b.get("result"), b["queueTime"], b.get("retainedByRelease", False))
        for b in db.org.dump("builds")
    ]
    assert sorted(rows, key=repr) == sorted(sent, key=repr)


def test_an_enum_type(db, table):
    statuses = sorted({b["status"] for b in db.org.dump("builds")})
    labels = ", ".join(f"'{status}'" for status in statuses)
    db.execute(f"CREATE TYPE status AS ENUM ({labels})")
    table("id int, status status")
    expected = {b["id"]: b["status"] for b in db.org.dump("builds")}
    assert dict(db.rows("SELECT id, status::text FROM t")) == expected
    completed = [id for id, status in expected.items() if status == "completed"]
    assert sorted(db.column("SELECT id FROM t WHERE status = 'completed'")) == sorted(completed)
    db.execute("CREATE TYPE few AS ENUM ('notStarted')")
    table("id int, status few")
    with pytest.raises(psycopg.errors.InvalidTextRepresentation, match="enum few") as caught:
        db.execute("SELECT status FROM t")
    assert_place(caught.value, "status", "t")


def test_domains_keep_their_promises(db, table):
    db.execute(
        "CREATE DOMAIN positive AS integer CHECK (VALUE > 0);"
        "CREATE DOMAIN word AS text CHECK (VALUE NOT LIKE '%succeeded%');"
        "CREATE DOMAIN ended AS timestamptz NOT NULL"
    )
    table("id positive, status word")
    assert sorted(db.column("SELECT id FROM t")) == sorted(b["id"] for b in db.org.dump("builds"))
    table("id int, result word")
    with pytest.raises(psycopg.errors.CheckViolation):
        db.execute("SELECT result FROM t")
    table("id int, finish_time ended")
    with pytest.raises(psycopg.errors.NotNullViolation):
        db.execute("SELECT finish_time FROM t")


def test_other_types_of_time(db, table):
    db.execute("SET timezone = 'UTC'")
    table(
        "id int, queue_time timestamptz(3), start_time timestamp, finish_time date,"
        " whole timestamptz OPTIONS (field 'queueTime')"
    )
    wrong = """
        SELECT id FROM t JOIN ado.builds b USING (id)
        WHERE t.queue_time IS DISTINCT FROM (b.attrs ->> 'queueTime')::timestamptz(3)
           OR t.start_time IS DISTINCT FROM b.start_time::timestamp AND
              abs(extract(epoch FROM t.start_time - b.start_time::timestamp)) > 0.000001
           OR t.finish_time IS DISTINCT FROM b.finish_time::date
           OR t.whole IS DISTINCT FROM b.queue_time
    """
    assert db.rows(wrong) == []
    assert db.value("SELECT count(*) FROM t WHERE finish_time IS NOT NULL") > 0


def test_conditions_on_columns_of_other_types_lose_no_row(db, table, subtests):
    table(
        "id text, queue_time timestamp, finish_time date, result varchar(30), project_id text,"
        " status char(12), definition_id numeric"
    )
    db.execute("CREATE TABLE truth AS TABLE t")
    sample = dict(
        zip(
            ("id", "queue_time", "finish_time", "result", "project_id", "definition_id"),
            db.row(
                "SELECT id, queue_time, finish_time, result, project_id, definition_id FROM truth"
                " WHERE result IS NOT NULL AND finish_time IS NOT NULL ORDER BY id LIMIT 1"
            ),
        )
    )
    clauses = [
        (f"{column} {operator} %s", value)
        for column, value in sample.items()
        for operator in ("=", "<", ">=", "<>")
    ]
    clauses += [
        ("status = %s", "completed"),
        ("upper(project_id) = upper(%s)", sample["project_id"]),
    ]
    for clause, value in clauses:
        with subtests.test(clause):
            found, expected = (
                sorted(db.rows(f"SELECT * FROM {source} WHERE {clause}", [value]), key=repr)
                for source in ("t", "truth")
            )
            assert found == expected


def test_conditions_in_another_time_zone_lose_no_row(db, table, subtests):
    table("id int, queue_time timestamptz, finish_time timestamptz")
    db.execute("CREATE TABLE truth AS TABLE t")
    for zone in ("Pacific/Kiritimati", "America/St_Johns", "UTC"):
        db.execute(f"SET timezone = '{zone}'")
        for clause in (
            "queue_time >= date '2026-03-01'",
            "queue_time < timestamp '2026-03-01 12:00'",
            "finish_time <= date '2026-03-10'",
            "queue_time > timestamptz '2026-03-01 00:00'",
        ):
            with subtests.test(zone=zone, clause=clause):
                found, expected = (
                    sorted(db.column(f"SELECT id FROM {source} WHERE {clause}"))
                    for source in ("t", "truth")
                )
                assert found == expected


def test_xml_and_arrays_go_through_their_input_functions(db, table):
    table("id int, url xml")
    assert len(db.column("SELECT url::text FROM t WHERE url IS NOT NULL")) == len(
        db.org.dump("builds")
    )
    table("id int, tags text[]")
    with pytest.raises(psycopg.errors.InvalidTextRepresentation, match="malformed array") as caught:
        db.execute("SELECT tags FROM t")
    assert_place(caught.value, "tags", "t")


def test_generated_and_default_columns_do_not_change_what_is_read(db, table):
    table("id int DEFAULT 7, result text DEFAULT 'none' NOT NULL")
    expected = {b["id"]: b.get("result") for b in db.org.dump("builds")}
    assert dict(db.rows("SELECT id, result FROM t")) == expected


def assert_place(error: psycopg.Error, column: str, table: str) -> None:
    said = (
        f"{error.diag.message_primary} {error.diag.message_detail or ''} {error.diag.context or ''}"
    )
    assert column in said, said
    assert table in said, said
