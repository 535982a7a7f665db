"""What a condition sends, and that it finds the rows of a local copy."""

from datetime import datetime, timedelta, timezone

from harness.database import TABLES, Database
from truth import key

# Paging, and the choice of columns.
_PAGING = {"api-version", "$top", "$skip", "$maxPageSize", "continuationToken", "fields"}
BUILDS = {"queryOrder": "queueTimeAscending"}
# In the order in which a build goes through them.
UNFINISHED = {"statusFilter": "postponed,notStarted,inProgress,cancelling"}
COMPLETED = {"statusFilter": "completed"}
ALL = {"searchCriteria.status": "all"}
DELETED_TOO = {"includeDeleted": "true"}


def copy(db: Database) -> Database:
    """Copies each table into schema `local` and empties the log."""
    db.execute("CREATE SCHEMA local")
    for table in TABLES:
        db.execute(f"CREATE TABLE local.{table} AS SELECT * FROM ado.{table}")
    db.org.simulator.clear()
    return db


def same_rows(db: Database, table: str, where: str, parameters=None) -> list[tuple]:
    """The keys that a condition finds, the same here and there."""
    found, expected = (
        sorted(db.rows(f"SELECT {key(table)} FROM {schema}.{table} WHERE {where}", parameters))
        for schema in ("ado", "local")
    )
    assert found == expected, where
    return found


def sent(db: Database, table: str) -> list[dict]:
    """The parameters besides paging and the choice of columns, of every request for the table's list, each set once."""
    endpoint = {"work_item_revisions": "revisions"}.get(table, table)
    sets = []
    for request in db.org.requests(endpoint):
        parameters = {n: v for n, v in request["query"] if n not in _PAGING}
        if parameters not in sets:
            sets.append(parameters)
    return in_order(sets)


def check(db: Database, table: str, where: str, *expected: dict) -> list[tuple]:
    """The condition finds the same rows, by requests with just these parameters."""
    rows = same_rows(db, table, where)
    assert sent(db, table) == in_order(expected), where
    return rows


def in_order(sets) -> list[dict]:
    return sorted(sets, key=lambda parameters: sorted(parameters.items()))


def both(**more: str) -> list[dict]:
    """The two lists of builds, with these parameters in each."""
    return [{**BUILDS, **UNFINISHED, **more}, {**BUILDS, **COMPLETED, **more}]


def window(column: str, lower: str | None, upper: str | None) -> dict:
    """A window over one of the times of builds."""
    parameters = {"queryOrder": f"{column.replace('_t', 'T')}Ascending"}
    if lower:
        parameters["minTime"] = lower
    if upper:
        parameters["maxTime"] = upper
    return parameters


def whole_second_before(moment: datetime | str) -> str:
    """What is sent as the lower bound of a time."""
    moment = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    moment = moment.replace(tzinfo=moment.tzinfo or timezone.utc).astimezone(timezone.utc)
    moment = moment.replace(microsecond=0) - timedelta(seconds=1)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
