"""Conditions on times become windows, widened to whole seconds, and lose no row at their bounds."""

import pytest

from pushed import ALL, COMPLETED, DELETED_TOO, UNFINISHED, check, copy, same_rows, window

LOW, HIGH = "2026-05-01 10:20:30.654321+00", "2026-06-01 00:00:00+00"
# One second lower, two seconds higher, in whole seconds.
SENT_LOW, SENT_HIGH = "2026-05-01T10:20:29Z", "2026-06-01T00:00:02Z"


@pytest.fixture
def db(new_org, new_db):
    return copy(new_db(new_org()))


BOUNDS = [
    (">", f"'{LOW}'", SENT_LOW, None),
    (">=", f"'{LOW}'", SENT_LOW, None),
    ("<", f"'{HIGH}'", None, SENT_HIGH),
    ("<=", f"'{HIGH}'", None, SENT_HIGH),
    ("=", f"'{LOW}'", SENT_LOW, "2026-05-01T10:20:32Z"),
    ("BETWEEN", f"'{LOW}' AND '{HIGH}'", SENT_LOW, SENT_HIGH),
    (">", "date '2026-05-02'", "2026-05-01T23:59:59Z", None),
    (">=", "timestamp '2026-05-02 08:00:00'", "2026-05-02T07:59:59Z", None),
    ("<", "timestamptz '2026-05-02 08:00:00+02' + interval '1 hour'", None, "2026-05-02T07:00:02Z"),
]


@pytest.mark.parametrize("op, value, lower, upper", BOUNDS)
@pytest.mark.parametrize("column", ["queue_time", "start_time"])
def test_times_of_builds_become_a_window(db, column, op, value, lower, upper):
    parameters = window(column, lower, upper)
    expected = [{**parameters, **UNFINISHED}, {**parameters, **COMPLETED}]
    check(db, "builds", f"{column} {op} {value}", *expected)


@pytest.mark.parametrize("op, value, lower, upper", BOUNDS)
def test_the_end_of_builds_becomes_a_window_of_completed_ones(db, op, value, lower, upper):
    expected = {**window("finish_time", lower, upper), **COMPLETED}
    check(db, "builds", f"finish_time {op} {value}", expected)


@pytest.mark.parametrize("op, value, lower, upper", BOUNDS)
@pytest.mark.parametrize("column, kind", [("creation_date", "created"), ("closed_date", "closed")])
def test_times_of_pull_requests_become_a_window(db, column, kind, op, value, lower, upper):
    expected = {**ALL, "searchCriteria.queryTimeRangeType": kind}
    if lower:
        expected["searchCriteria.minTime"] = lower
    if upper:
        expected["searchCriteria.maxTime"] = upper
    check(db, "pull_requests", f"{column} {op} {value}", expected)


@pytest.mark.parametrize("op, value, lower, upper", BOUNDS)
def test_times_of_revisions_become_a_start(db, op, value, lower, upper):
    expected = {**DELETED_TOO, **({"startDateTime": lower} if lower else {})}
    check(db, "work_item_revisions", f"changed_date {op} {value}", expected)


def test_pull_requests_of_old_versions_have_no_window(db):
    db.server_options(api_version="7.0")
    check(db, "pull_requests", f"creation_date > '{LOW}'", ALL)


TIMES = {
    "builds": ["queue_time", "start_time", "finish_time"],
    "pull_requests": ["creation_date", "closed_date"],
    "work_item_revisions": ["changed_date"],
}
COLUMNS = [(table, column) for table, columns in TIMES.items() for column in columns]
EDGES = ["infinity", "-infinity", "4713-01-01 BC", "0001-01-01", "1899-12-31 23:59:59"]
EDGES += ["1969-12-31", "9999-12-31 23:59:59.999999", "12000-01-01", "294276-12-31 23:59:59.999999"]


@pytest.mark.parametrize("table, column", COLUMNS)
def test_times_that_no_row_has_find_what_they_should(db, table, column):
    for edge in EDGES:
        for op in ("<", "<=", "=", ">=", ">", "<>"):
            same_rows(db, table, f"{column} {op} '{edge}'")
    same_rows(db, table, f"{column} BETWEEN '4000-01-01 BC' AND '290000-01-01'")


@pytest.mark.parametrize("exclusive", [False, True])
@pytest.mark.parametrize("table, column", COLUMNS)
def test_rows_at_the_very_bound_are_found(new_org, new_db, table, column, exclusive):
    db = copy(new_db(new_org(traps={"exclusive_bounds": exclusive})))
    query = f"SELECT DISTINCT {column} FROM local.{table} WHERE {column} IS NOT NULL ORDER BY 1"
    times = [time.isoformat() for time in db.column(query)]
    for time in times[:: max(1, len(times) // 5)]:
        for shift in ("", " - interval '1 microsecond'", " + interval '1 microsecond'"):
            for op in ("<", "<=", "=", ">=", ">"):
                where = f"{column} {op} timestamptz '{time}'{shift}"
                found = same_rows(db, table, where)
                assert found or op == "=" or time in (times[0], times[-1])
