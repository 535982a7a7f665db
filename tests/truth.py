"""Which rows there are: in the simulator, as PostgreSQL reads them, and in copies."""

from collections.abc import Callable, Iterable

from harness.database import TABLES, Database
from harness.simulator import Organization

# Expression in SQL, and the same of an element of the simulator's dump.
_KEYS: dict[str, tuple[str, Callable[[dict], tuple]]] = {
    "projects": ("id::text", lambda e: (e["id"],)),
    "repositories": ("id::text", lambda e: (e["id"],)),
    "builds": ("id", lambda e: (e["id"],)),
    "pull_requests": ("pull_request_id", lambda e: (e["pullRequestId"],)),
    "work_item_revisions": ("id, rev", lambda e: (e["id"], e["rev"])),
}
assert set(_KEYS) == set(TABLES)

# None: the extension's own.
PAGE_SIZES = (2, 3, 7, 50, None)


def key(table: str) -> str:
    """The columns of the table's key, for a SELECT list."""
    return _KEYS[table][0]


def keys_held(org: Organization, table: str, matches=lambda element: True) -> list[tuple]:
    """Sorted keys of the elements that a full read should see, or of some of them."""
    of = _KEYS[table][1]
    return sorted(of(element) for element in org.dump(table) if matches(element))


def keys_read(db: Database, table: str, where: str = "true", parameters=None) -> list[tuple]:
    """Sorted keys of the rows that a query reads."""
    return sorted(db.rows(f"SELECT {key(table)} FROM ado.{table} WHERE {where}", parameters))


def assert_complete(db: Database, table: str, where: str = "true", matches=lambda e: True) -> None:
    """Every row is there, once."""
    expected, found = keys_held(db.org, table, matches), keys_read(db, table, where)
    assert found == expected, _difference(table, expected, found)


def same(db: Database, table: str, copy: str | None = None) -> None:
    """A copy, `analytics.<table>` unless named, holds just what a full read finds."""
    columns = db.value(
        "SELECT string_agg(column_name, ', ') FROM azure_devops.columns() WHERE table_name = %s",
        [table],
    )
    here = f"SELECT {columns} FROM {copy or 'analytics.' + table}"
    there = f"SELECT {columns} FROM ado.{table}"
    for what, query in (
        ("too much", f"({here}) EXCEPT ALL ({there})"),
        ("missing", f"({there}) EXCEPT ALL ({here})"),
    ):
        rows = db.rows(query)
        assert not rows, (what, len(rows), [row[:3] for row in rows[:5]])


def assert_covers(before: Iterable, after: Iterable, found: list) -> None:
    """Rows that existed all the time are there, none is there twice, and none is invented."""
    before, after = set(before), set(after)
    assert len(found) == len(set(found)), "rows came twice"
    missing = (before & after) - set(found)
    assert not missing, f"{len(missing)} rows are missing, e.g. {sorted(missing)[:5]}"
    invented = set(found) - before - after
    # What came and went while the scan ran is in neither; its number is above all others.
    assert all(row > max(before) for row in invented), f"invented: {sorted(invented)[:5]}"


def _difference(table: str, expected: list, found: list) -> str:
    missing, more = set(expected) - set(found), set(found) - set(expected)
    twice = len(found) - len(set(found))
    return (
        f"{table}: {len(missing)} of {len(expected)} rows are missing, e.g. {sorted(missing)[:5]}; "
        f"{len(more)} too many, e.g. {sorted(more)[:5]}; {twice} came twice"
    )
