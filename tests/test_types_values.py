"""Every value of every table is the one that the service sent."""

import datetime
import json
import uuid

import pytest

from harness.database import TABLES

# Columns that read as false where the service leaves the field out.
FALSE_WHEN_ABSENT = {
    "is_disabled",
    "is_in_maintenance",
    "is_fork",
    "retained_by_release",
    "deleted",
    "is_draft",
    "is_deleted",
}
MISSING = object()


def at(element: object, pointer: str) -> object:
    """What stands at a JSON pointer; None for null and for nothing."""
    for part in pointer.split("/")[1:]:
        part = part.replace("~1", "/").replace("~0", "~")
        if isinstance(element, list):
            element = element[int(part)] if int(part) < len(element) else None
        else:
            element = (element or {}).get(part)
    return element


def moment(text: str) -> datetime.datetime | str | None:
    """A time of the service, cut to microseconds; None for year 1, which stands for no time."""
    if text.startswith("0001-"):
        return None
    whole, _, fraction = text.removesuffix("Z").partition(".")
    if text.startswith("9999-12-31"):
        return "too late for a datetime of Python"
    parsed = datetime.datetime.fromisoformat(f"{whole}.{fraction[:6]:0<6}")
    return parsed.replace(tzinfo=datetime.timezone.utc)


def expected(value: object, kind: str, column: str) -> object:
    if value is None:
        return False if column in FALSE_WHEN_ABSENT else None
    if kind == "timestamptz":
        return moment(value)
    if kind == "uuid":
        return uuid.UUID(value)
    if kind == "text" and not isinstance(value, str):
        return json.dumps(value)
    if kind == "double precision":
        return float(value)
    return value


@pytest.mark.parametrize("table", TABLES)
def test_all_columns_of_all_rows_hold_what_the_service_sent(new_db, new_org, table):
    org = new_org(builds_per_project=300, pull_requests_per_project=100, work_items=150)
    db = new_db(org, page_size=50)
    columns = db.rows(
        "SELECT column_name, data_type, field, is_key FROM azure_devops.columns()"
        " WHERE table_name = %s",
        [table],
    )
    keys = [field for _, _, field, is_key in columns if is_key]
    elements = {tuple(str(at(e, key)) for key in keys): e for e in org.dump(table)}
    rows = db.execute(f"SELECT * FROM ado.{table}").fetchall()
    names = [name for name, *_ in columns]
    assert len(rows) == len(elements) > 0
    seen = set()
    for row in rows:
        values = dict(zip(names, row, strict=True))
        key = tuple(str(values[name]) for name, *_, is_key in columns if is_key)
        element = elements.pop(key)
        for name, kind, field, _ in columns:
            wanted = expected(at(element, field), kind, name)
            assert values[name] == wanted, (key, name)
            seen |= {name} if wanted is not None else set()
    assert elements == {}
    # A misspelt path would be NULL for ever: most columns have a value somewhere.
    assert len(seen) > len(columns) / 2


@pytest.mark.parametrize("table", TABLES)
def test_attrs_is_the_whole_element(db, table):
    found = db.column(f"SELECT attrs FROM ado.{table}")
    order = lambda element: json.dumps(element, sort_keys=True)
    assert sorted(found, key=order) == sorted(db.org.dump(table), key=order)


@pytest.mark.parametrize("table", TABLES)
def test_one_column_alone_holds_what_it_holds_among_all(db, table):
    whole = db.execute(f"SELECT * FROM ado.{table}")
    names = [column.name for column in whole.description]
    rows = whole.fetchall()
    for index, name in enumerate(names):
        alone = db.column(f'SELECT "{name}" FROM ado.{table}')
        assert sorted(map(repr, alone)) == sorted(repr(row[index]) for row in rows), name


def test_identities_as_objects_read_as_strings(new_db, new_org):
    org = new_org(traps={"identity_refs": True})
    plain = new_org()
    db, other = new_db(org), new_db(plain)
    query = "SELECT id, rev, changed_by, assigned_to FROM ado.work_item_revisions"
    assert sorted(db.rows(query), key=repr) == sorted(other.rows(query), key=repr)


def test_enum_values_that_no_document_lists_come_through(new_db, new_org):
    org = new_org(traps={"unknown_enum_values": True})
    db = new_db(org)
    for table, columns in [
        ("builds", ("status", "result", "reason", "priority")),
        ("pull_requests", ("status", "mergeStatus")),
    ]:
        elements = org.dump(table)
        for column in columns:
            found = db.column(f'SELECT "{column.replace("S", "_s").lower()}" FROM ado.{table}')
            assert sorted(map(str, found)) == sorted(str(e.get(column)) for e in elements)
