"""Elements as no generator makes them: odd times, numbers, texts and shapes."""

import datetime
import decimal
import json

import psycopg
import pytest

PROJECT = "Raw"
UTC = datetime.timezone.utc


@pytest.fixture
def org(new_org):
    """Empty but for one project."""
    org = new_org(projects=1, builds_per_project=0, pull_requests_per_project=0, work_items=0)
    org.mutate({"op": "put_project", "project": PROJECT, "values": {}})
    return org


@pytest.fixture
def db(new_db, org):
    return new_db(org, max_retries=0)


def put(org, table: str, *elements: str | dict) -> None:
    """Adds elements byte for byte."""
    operations = []
    for element in elements:
        raw = element if isinstance(element, str) else json.dumps(element)
        operations.append(
            f'{{"op":"put_raw","table":"{table}","project":"{PROJECT}","element":{raw}}}'
        )
    body = f"[{','.join(operations)}]".encode()
    org.simulator.control("POST", f"organizations/{org.name}/mutate", body)


def build(id: int, **members) -> dict:
    return {
        "id": id,
        "status": "completed",
        "queueTime": f"2026-01-01T00:00:{id % 60:02}Z",
        "finishTime": "2026-01-02T00:00:00Z",
        **members,
    }


def raw_build(id: int, members: str) -> str:
    """A build with further members as they are."""
    return json.dumps(build(id))[:-1] + f", {members}}}"


def serve(org, *elements: str, nth: int | None = None) -> None:
    """Every answer about the project's builds holds these elements, whatever was asked; with
    `nth` only that one. For elements that the simulator itself could not read."""
    body = f'{{"value":[{",".join(elements)}]}}'
    fault = {"kind": "status", "endpoint": "builds", "project": PROJECT, "body": body}
    org.faults({**fault, "nth": [nth]} if nth else fault)


def by_id(db, columns: str, where: str = "true") -> dict:
    return {
        row[0]: row[1] for row in db.rows(f"SELECT id, {columns} FROM ado.builds WHERE {where}")
    }


def test_null_and_absent_are_both_null(org, db):
    put(
        org,
        "builds",
        build(1, result=None, definition=None),
        build(2),
        build(3, definition={"id": None}),
    )
    assert by_id(db, "result") == {1: None, 2: None, 3: None}
    assert by_id(db, "definition_id") == {1: None, 2: None, 3: None}
    assert by_id(db, "attrs ? 'result'") == {1: True, 2: False, 3: False}


def test_an_empty_string_is_not_null(org, db):
    put(org, "builds", build(1, quality="", tags=[], properties={}))
    assert db.row("SELECT quality, tags, properties FROM ado.builds") == ("", [], {})


TIMES = {
    "2026-01-02T03:04:05Z": (5, 0),
    "2026-01-02T03:04:05.1Z": (5, 100_000),
    "2026-01-02T03:04:05.12Z": (5, 120_000),
    "2026-01-02T03:04:05.123Z": (5, 123_000),
    "2026-01-02T03:04:05.1234Z": (5, 123_400),
    "2026-01-02T03:04:05.12345Z": (5, 123_450),
    "2026-01-02T03:04:05.123456Z": (5, 123_456),
    "2026-01-02T03:04:05.1234567Z": (5, 123_456),
    "2026-01-02T03:04:05.9999999Z": (5, 999_999),
    "2026-01-02T03:04:05": (5, 0),
    "2026-01-02T03:04:05.1234567": (5, 123_456),
    "2026-01-02T05:04:05+02:00": (5, 0),
    "2026-01-01T22:04:05.5-05:00": (5, 500_000),
}


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Kathmandu"])
def test_times_of_any_precision_and_zone_are_exact(org, db, zone):
    put(org, "builds", *(build(n, startTime=text) for n, text in enumerate(TIMES, 1)))
    db.execute(f"SET timezone = '{zone}'")
    expected = {
        n: datetime.datetime(2026, 1, 2, 3, 4, second, micros, UTC)
        for n, (second, micros) in enumerate(TIMES.values(), 1)
    }
    assert by_id(db, "start_time") == expected


def test_year_one_is_null_and_year_9999_is_a_time(org, db):
    texts = [
        "0001-01-01T00:00:00",
        "0001-01-01T00:00:00Z",
        "9999-01-01T00:00:00Z",
        "9999-12-31T23:59:59.9999999Z",
    ]
    put(org, "builds", *(build(n, startTime=text) for n, text in enumerate(texts, 1)))
    assert by_id(db, "start_time::text") == {
        1: None,
        2: None,
        3: "9999-01-01 00:00:00+00",
        4: "9999-12-31 23:59:59.999999+00",
    }
    assert by_id(db, "start_time", "start_time IS NULL") == {1: None, 2: None}


def test_a_time_that_is_none_is_an_error(org, db):
    put(org, "builds", build(1, startTime="yesterday-ish"))
    with pytest.raises(psycopg.errors.InvalidDatetimeFormat) as caught:
        db.execute("SELECT start_time FROM ado.builds")
    assert_names(caught.value, "start_time", "builds")


def test_numbers_of_64_bits_are_exact(org, db):
    put(
        org,
        "projects",
        '{"id":"11111111-1111-1111-1111-111111111111","name":"A",'
        '"state":"wellFormed","revision":9223372036854775807}',
    )
    assert 9223372036854775807 in db.column("SELECT revision FROM ado.projects")
    put(
        org, "builds", raw_build(1, '"x": 9223372036854775807, "y": 12345678901234567890.123456789')
    )
    numbers = "SELECT (attrs ->> 'x')::numeric, (attrs ->> 'y')::numeric FROM ado.builds"
    assert db.row(numbers) == (
        decimal.Decimal(9223372036854775807),
        decimal.Decimal("12345678901234567890.123456789"),
    )


def test_a_number_that_does_not_fit_is_an_error(org, db):
    put(org, "builds", build(1, queuePosition=2147483648))
    with pytest.raises(psycopg.errors.NumericValueOutOfRange) as caught:
        db.execute("SELECT queue_position FROM ado.builds")
    assert_names(caught.value, "queue_position", "builds")
    db.execute("ALTER FOREIGN TABLE ado.builds ALTER queue_position TYPE bigint")
    assert db.value("SELECT queue_position FROM ado.builds") == 2147483648


def test_an_id_beyond_32_bits_can_be_declared_as_bigint(org, db):
    put(org, "builds", build(3_000_000_000, result="failed"))
    db.execute("ALTER FOREIGN TABLE ado.builds ALTER id TYPE bigint")
    assert by_id(db, "result") == {3_000_000_000: "failed"}


@pytest.mark.parametrize("number", ["1e3", "1000.0", "1.0E+3"])
def test_a_number_written_with_an_exponent_is_that_number_or_an_error(org, db, number):
    put(org, "builds", raw_build(1, f'"queuePosition": {number}'))
    db.execute("ALTER FOREIGN TABLE ado.builds ALTER queue_position TYPE numeric")
    assert db.value("SELECT queue_position FROM ado.builds") == 1000
    db.execute("ALTER FOREIGN TABLE ado.builds ALTER queue_position TYPE double precision")
    assert db.value("SELECT queue_position FROM ado.builds") == 1000
    db.execute("ALTER FOREIGN TABLE ado.builds ALTER queue_position TYPE integer")
    try:
        assert db.value("SELECT queue_position FROM ado.builds") == 1000
    except psycopg.errors.InvalidTextRepresentation as error:
        assert_names(error, "queue_position", "builds")


TEXTS = {
    r'"a\u0000b"': "a\ufffdb",
    r'"\u0000"': "\ufffd",
    r'"\ud800"': "\ufffd",
    r'"x\udc00y"': "x\ufffdy",
    r'"\ud800\ud800\udc00"': "\ufffd\U00010000",
    r'"\ud83d\ude00"': "😀",
    r'"a\\u0000b"': r"a\u0000b",
    r'"a\\\u0000b"': "a\\\ufffdb",
    '"😀 🏳️‍🌈 日本語"': "😀 🏳️‍🌈 日本語",
    '"a\u2028b\u2029c"': "a\u2028b\u2029c",
    r'"\u2028\u0085"': "\u2028\u0085",
    r'"tab\t quote\" slash\/ back\\ line\n\r\b\f"': 'tab\t quote" slash/ back\\ line\n\r\b\f',
    '"\ufeff"': "\ufeff",
    '"\x7f"': "\x7f",
    r'"\u0001\u001f"': "\x01\x1f",
    '""': "",
    '"null"': "null",
    '"{}"': "{}",
}


def test_texts_of_every_kind_arrive(org, db):
    serve(org, *(raw_build(n, f'"quality": {text}') for n, text in enumerate(TEXTS, 1)))
    expected = dict(enumerate(TEXTS.values(), 1))
    assert by_id(db, "quality") == expected
    assert by_id(db, "attrs ->> 'quality'") == expected
    db.execute("ALTER FOREIGN TABLE ado.builds ALTER quality TYPE varchar(60)")
    assert by_id(db, "quality") == expected
    db.execute("ALTER FOREIGN TABLE ado.builds ALTER quality TYPE jsonb")
    assert by_id(db, "quality") == expected
    db.execute("ALTER FOREIGN TABLE ado.builds ALTER quality TYPE json")
    assert by_id(db, "quality::json #>> '{}'") == expected


def test_texts_that_cannot_be_stored_can_be_asked_for_without_harm(org, db):
    serve(org, raw_build(1, r'"quality": "a\u0000b", "tags": ["\ud800", "\u0000"]'))
    assert db.value("SELECT tags FROM ado.builds") == ["\ufffd", "\ufffd"]
    assert db.value("SELECT b::text LIKE '%a\ufffdb%' FROM ado.builds b")
    assert db.value("SELECT count(*) FROM ado.builds WHERE quality = 'a\ufffdb'") == 1


def test_member_names_may_hold_anything(org, db):
    serve(org, raw_build(1, r'"properties": {"a\u0000b": 1, "": 2, "a.b": 4, "a/b~c": 5}'))
    db.execute("""
        CREATE FOREIGN TABLE odd (
          id int,
          empty int OPTIONS (field '/properties/'),
          dotted int OPTIONS (field '/properties/a.b'),
          slashed int OPTIONS (field '/properties/a~1b~0c'),
          whole jsonb OPTIONS (field 'properties')
        ) SERVER ado OPTIONS ("table" 'builds')
    """)
    assert db.row("SELECT empty, dotted, slashed FROM odd") == (2, 4, 5)
    assert set(db.value("SELECT whole FROM odd")) == {"a\ufffdb", "", "a.b", "a/b~c"}


@pytest.mark.parametrize("name", [r"\ud800", r"\u0000", r"x\udc00y"])
def test_a_member_whose_name_cannot_be_stored_does_not_hide_the_others(org, db, name):
    serve(org, raw_build(1, f'"{name}": 1, "properties": {{"{name}": 2}}, "quality": "q"'))
    assert db.row("SELECT id, quality FROM ado.builds") == (1, "q")
    assert db.column("SELECT definition_id FROM ado.builds") == [None]
    (stored,) = db.value("SELECT properties FROM ado.builds")
    assert "\ufffd" in stored


def test_a_member_that_is_there_twice_reads_as_in_jsonb(org, db):
    put(org, "builds", raw_build(1, '"quality": "first", "quality": "last"'))
    assert db.row("SELECT quality, attrs ->> 'quality' FROM ado.builds") == ("last", "last")


def test_a_text_of_a_megabyte_arrives_whole(org, db):
    text = "é😀x\n" * 125_000
    put(org, "builds", build(1, quality=text, properties={"long": text}))
    assert db.row("SELECT quality, attrs #>> '{properties,long}' FROM ado.builds") == (text, text)


@pytest.mark.parametrize("depth", [1_000, 10_000, 1_000_000])
def test_deep_nesting_is_an_answer_or_an_error_but_no_crash(org, db, depth):
    deep = "[" * depth + "]" * depth
    serve(org, raw_build(1, f'"properties": {deep}'))
    # What is not asked for is skipped at any depth.
    assert db.column("SELECT id FROM ado.builds WHERE status = 'completed'") == [1]
    for column in ("properties", "attrs"):
        try:
            assert db.value(f"SELECT position('[[[' in {column}::text) > 0 FROM ado.builds")
        except psycopg.errors.StatementTooComplex as error:
            assert "stack depth" in error.diag.message_primary
    assert db.value("SELECT 1") == 1


def test_unknown_members_and_unknown_enum_values_come_through(org, db):
    put(org, "builds", build(1, result="exploded", reason="whim", brandNew={"a": [1]}))
    assert db.row("SELECT result, reason, attrs #>> '{brandNew,a,0}' FROM ado.builds") == (
        "exploded",
        "whim",
        "1",
    )
    assert by_id(db, "result", "result = 'exploded'") == {1: "exploded"}


SHAPES = [
    # member, columns that read it, what is found there
    ("definition", 5, ["definition_id", "definition_name"], "a number"),
    ("definition", "text", ["definition_id"], "a string"),
    ("definition", [1], ["definition_id"], "an array"),
    ("project", True, ["project_id"], "a boolean"),
    ("queue", {"pool": 7}, ["queue_pool_id"], "a number"),
    ("buildNumber", {"a": 1}, ["build_number"], "an object"),
    ("buildNumber", [1], ["build_number"], "an array"),
    ("queuePosition", {"a": 1}, ["queue_position"], "an object"),
    ("startTime", [], ["start_time"], "an array"),
    ("retainedByRelease", {}, ["retained_by_release"], "an object"),
]


@pytest.mark.parametrize("member, value, columns, found", SHAPES)
def test_a_value_of_another_shape_is_an_error_that_says_where(
    org, db, member, value, columns, found
):
    put(org, "builds", build(1), build(2, **{member: value}))
    for column in columns:
        with pytest.raises(psycopg.Error) as caught:
            db.execute(f"SELECT {column} FROM ado.builds")
        error = caught.value
        assert error.sqlstate == "HV004", error
        assert_names(error, column, "builds", found)
        assert error.diag.message_hint
    # What does not read it does not mind, and attrs has it all.
    assert db.column("SELECT id FROM ado.builds ORDER BY id") == [1, 2]
    assert db.value("SELECT attrs FROM ado.builds WHERE id = 2")[member] == value


SCALARS = [
    ("queuePosition", "many", "queue_position"),
    ("queuePosition", True, "queue_position"),
    ("queuePosition", 1.5, "queue_position"),
    ("retainedByRelease", "perhaps", "retained_by_release"),
    ("retainedByRelease", 17, "retained_by_release"),
    ("startTime", 17, "start_time"),
]


@pytest.mark.parametrize("member, value, column", SCALARS)
def test_a_scalar_of_another_kind_is_a_conversion_error_that_says_where(
    org, db, member, value, column
):
    put(org, "builds", build(1, **{member: value}))
    with pytest.raises(psycopg.errors.DataError) as caught:
        db.execute(f"SELECT {column} FROM ado.builds")
    assert_names(caught.value, column, "builds")


def test_scalars_that_convert_are_converted(org, db):
    put(
        org,
        "builds",
        build(1, queuePosition="12", buildNumber=5, quality=True, retainedByRelease="true"),
    )
    query = "SELECT queue_position, build_number, quality, retained_by_release FROM ado.builds"
    assert db.row(query) == (12, "5", "true", True)


ELEMENTS = [
    ("5", "a number"),
    ('"text"', "a string"),
    ("[1]", "an array"),
    ("null", "null"),
    ("true", "a boolean"),
]


@pytest.mark.parametrize("element, found", ELEMENTS)
def test_an_element_that_is_no_object_is_an_error(org, db, element, found):
    put(org, "builds", build(1))
    body = f'{{"count":2,"value":[{json.dumps(build(1))},{element}]}}'
    org.faults({"kind": "status", "endpoint": "builds", "body": body})
    for columns in ("count(*)", "id", "attrs", "id, attrs"):
        with pytest.raises(psycopg.Error) as caught:
            db.execute(f"SELECT {columns} FROM ado.builds")
        assert caught.value.sqlstate == "HV004"
        assert_names(caught.value, "element", "builds", found)


ANSWERS = {
    "value missing": ('{"count":1}', "value"),
    "value null": ('{"value":null}', "value"),
    "value no array": ('{"value":{"a":1}}', "value"),
    "value a string": ('{"value":"x"}', "value"),
    "an array": ("[]", "answer"),
    "a number": ("5", "answer"),
    "null": ("null", "answer"),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_of_another_shape_is_an_error(org, db, name):
    body, mentioned = ANSWERS[name]
    org.faults({"kind": "status", "endpoint": "builds", "body": body})
    with pytest.raises(psycopg.Error) as caught:
        db.execute("SELECT id FROM ado.builds")
    assert caught.value.sqlstate == "HV004", caught.value
    assert_names(caught.value, mentioned, "builds")


@pytest.mark.parametrize(
    "table", ["projects", "repositories", "builds", "pull_requests", "work_item_revisions"]
)
@pytest.mark.parametrize("fault", ["value_missing", "value_not_array", "element_not_object"])
def test_no_table_takes_an_answer_of_another_shape_for_an_empty_one(new_org, new_db, table, fault):
    db = new_db(new_org(projects=1), max_retries=0)
    endpoint = {"work_item_revisions": "revisions"}.get(table, table)
    db.org.faults({"kind": fault, "endpoint": endpoint})
    for columns in ("count(*)", "*"):
        with pytest.raises(psycopg.Error) as caught:
            db.execute(f"SELECT {columns} FROM ado.{table}")
        assert caught.value.sqlstate == "HV004", caught.value
        assert_names(caught.value, table)


def test_elements_without_their_key_are_all_there(org, db):
    elements = ['{"status":"completed"}', '{"status":"completed"}', '{"id":null}']
    serve(org, *elements, nth=1)
    assert db.column("SELECT id FROM ado.builds") == [None, None, None]


def assert_names(error: psycopg.Error, *words: str) -> None:
    said = f"{error.diag.message_primary} {error.diag.message_detail or ''}"
    for word in words:
        assert word in said, said
    assert "panicked" not in said
    assert "backtrace" not in said.lower()
