"""Random conditions find the same rows in the foreign tables as in a local copy of them."""

import json
import os

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from harness.database import TABLES
from truth import key

EXAMPLES = int(os.environ.get("PUSHDOWN_EXAMPLES", "1000"))

# All at once: whatever the service does, a condition must not lose a row.
TRAPS = {
    "builds_ties": "duplicate",
    "builds_grouped_by_status": True,
    "exclusive_bounds": True,
    "short_pages": True,
    "empty_pages": True,
    "revisions_token_in_body": False,
    "revisions_duplicates": True,
    "identity_refs": True,
    "count_last": True,
    "unknown_enum_values": True,
}

TIME, INTEGER, TEXT, UUID, BOOLEAN = "timestamptz", "integer", "text", "uuid", "boolean"
STRINGS, PEOPLE = "array of strings", "array of identities"

# What a pull request read by its id shows in another way than the list is left out.
COLUMNS = {
    "projects": {
        "id": UUID, "name": TEXT, "state": TEXT, "visibility": TEXT, "last_update_time": TIME,
    },
    "repositories": {
        "id": UUID, "name": TEXT, "project_id": UUID, "project_name": TEXT, "default_branch": TEXT,
        "is_disabled": BOOLEAN,
    },
    "builds": {
        "id": INTEGER, "project_id": UUID, "project_name": TEXT, "build_number": TEXT,
        "definition_id": INTEGER, "status": TEXT, "result": TEXT, "reason": TEXT,
        "queue_time": TIME, "start_time": TIME, "finish_time": TIME, "source_branch": TEXT,
        "requested_for_name": TEXT, "retained_by_release": BOOLEAN, "requested_for_id": UUID,
        "repository_id": TEXT, "repository_type": TEXT, "tags": STRINGS,
    },
    "pull_requests": {
        "pull_request_id": INTEGER, "project_id": UUID, "project_name": TEXT, "repository_id": UUID,
        "status": TEXT, "creation_date": TIME, "closed_date": TIME, "created_by_id": UUID,
        "source_ref_name": TEXT, "target_ref_name": TEXT, "is_draft": BOOLEAN, "title": TEXT,
        "reviewers": PEOPLE,
    },
    "work_item_revisions": {
        "id": INTEGER, "rev": INTEGER, "changed_date": TIME, "team_project": TEXT, "state": TEXT,
        "work_item_type": TEXT, "is_deleted": BOOLEAN, "created_date": TIME,
    },
}  # fmt: skip
STRANGE = {
    TIME: ["infinity", "-infinity", "4000-01-01 BC", "20000-01-01", "2026-05-01", "1970-01-01"],
    INTEGER: ["0", "-1", "2147483647", "9999999999"],
    TEXT: ["", "Completed", "resultOfTomorrow", "a,b", "it's", "%", "x*", "größe", "all", "none"],
    UUID: ["00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"],
}


def literal(text):
    return "'" + text.replace("'", "''") + "'"


def constants(kind, samples):
    """SQL of a constant: values of rows, values right beside them, and values of no row."""
    known = st.sampled_from(samples + STRANGE[kind] if samples else STRANGE[kind])
    if kind == INTEGER:
        return known.map(lambda text: f"({text})")
    plain = known.map(lambda text: f"{literal(text)}::{kind}")
    if kind == TIME:
        shifts = ["1 microsecond", "-1 microsecond", "1 second", "-1 second", "1 day", "-40 days"]
        shifted = st.tuples(known, st.sampled_from(shifts)).map(
            lambda pair: f"({literal(pair[0])}::timestamptz + interval '{pair[1]}')"
        )
        finite = st.sampled_from(samples or ["2026-05-01"])
        dates = finite.map(lambda text: f"{literal(text)}::timestamptz::date")
        local = finite.map(lambda text: f"{literal(text)}::timestamp")
        moving = st.integers(-400, 400).map(lambda days: f"(now() - interval '{days} days')")
        return st.one_of(plain, plain, shifted, shifted, dates, local, moving)
    if kind == TEXT:
        return st.one_of(plain, plain, known.map(lambda text: f"upper({literal(text)})"))
    return plain


def leaves(column, kind, samples):
    null = st.sampled_from([f"{column} IS NULL", f"{column} IS NOT NULL"])
    if kind == BOOLEAN:
        forms = ["{}", "NOT {}", "{} IS TRUE", "{} = false", "{} IS NOT TRUE"]
        return st.one_of(null, st.sampled_from(forms).map(lambda form: form.format(column)))
    if kind == STRINGS:
        item = st.sampled_from([*samples, "", "a,b", "it's"])
        several = st.lists(item, max_size=3)
        arrays = several.map(lambda items: f"ARRAY[{', '.join(map(literal, items))}]::text[]")
        documents = several.map(lambda items: f"{literal(json.dumps(items))}::jsonb")
        return st.one_of(
            null,
            item.map(lambda text: f"{column} ? {literal(text)}"),
            arrays.map(lambda array: f"{column} ?& {array}"),
            arrays.map(lambda array: f"{column} ?| {array}"),
            documents.map(lambda document: f"{column} @> {document}"),
            documents.map(lambda document: f"{document} <@ {column}"),
            documents.map(lambda document: f"{column} <@ {document}"),
            item.map(lambda text: f"{column} @> {literal(json.dumps(text))}::jsonb"),
        )
    if kind == PEOPLE:
        ids = st.sampled_from([*samples, *STRANGE[UUID], "@me", ""])
        people = st.lists(ids, max_size=2).map(lambda ids: json.dumps([{"id": id} for id in ids]))
        return st.one_of(null, people.map(lambda text: f"{column} @> {literal(text)}::jsonb"))
    value = constants(kind, samples)
    comparison = st.tuples(st.sampled_from(["=", "=", "<", "<=", ">", ">=", "<>"]), value)
    several = st.lists(value, min_size=1, max_size=4).map(", ".join)
    array = st.lists(value, max_size=3).map(lambda values: f"ARRAY[{', '.join(values)}]::{kind}[]")
    if kind == INTEGER:
        array = array.map(lambda text: text.replace("::integer", "::bigint"))
    forms = [
        comparison.map(lambda pair: f"{column} {pair[0]} {pair[1]}"),
        comparison.map(lambda pair: f"{column} {pair[0]} {pair[1]}"),
        comparison.map(lambda pair: f"{pair[1]} {pair[0]} {column}"),
        comparison.map(lambda pair: f"{column} {pair[0]} (SELECT {pair[1]})"),
        comparison.map(lambda pair: f"NOT ({column} {pair[0]} {pair[1]})"),
        several.map(lambda values: f"{column} IN ({values})"),
        several.map(lambda values: f"{column} NOT IN ({values})"),
        st.tuples(value, value).map(
            lambda pair: f"({column} = {pair[0]} OR {column} = {pair[1]})"
        ),
        array.map(lambda values: f"{column} <> ALL({values})"),
        array.map(lambda values: f"{column} = ANY({values})"),
        array.map(lambda values: f"{column} = ANY(array_append({values}, NULL))"),
        st.tuples(value, value).map(lambda pair: f"{column} BETWEEN {pair[0]} AND {pair[1]}"),
        null,
    ]
    if kind == TEXT:
        starts = st.sampled_from(samples or ["x"]).map(lambda text: literal(text[:3] + "%"))
        forms.append(starts.map(lambda pattern: f"{column} LIKE {pattern}"))
        forms.append(starts.map(lambda pattern: f"{column} NOT ILIKE {pattern}"))
    return st.one_of(*forms)


def conditions(table, samples):
    leaf = st.one_of(
        *[leaves(column, kind, samples[column]) for column, kind in COLUMNS[table].items()]
    )

    def combine(inner):
        two = st.lists(inner, min_size=2, max_size=3)
        return st.one_of(
            two.map(lambda parts: "(" + " AND ".join(parts) + ")"),
            two.map(lambda parts: "(" + " AND ".join(parts) + ")"),
            two.map(lambda parts: "(" + " OR ".join(parts) + ")"),
            inner.map(lambda part: f"NOT ({part})"),
        )

    return st.recursive(leaf, combine, max_leaves=5)


def samples_of(db, table):
    members = {STRINGS: "{}", PEOPLE: "{} -> 'id'"}
    found = {
        column: db.column(
            f"SELECT DISTINCT ({members[kind].format('member')}) #>> '{{}}' FROM local.{table},"
            f" LATERAL jsonb_array_elements({column}) AS member ORDER BY 1 LIMIT 50"
        )
        for column, kind in COLUMNS[table].items()
        if kind in members
    }
    return found | {
        column: db.column(
            f"SELECT DISTINCT {column}::text FROM local.{table} WHERE {column} IS NOT NULL"
            f" ORDER BY 1 LIMIT 400"
        )
        for column in COLUMNS[table].keys() - found.keys()
    }


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("table", TABLES)
def test_random_conditions_find_the_same_rows(new_org, new_db, table):
    org = new_org(projects=7, builds_per_project=15, pull_requests_per_project=15, traps=TRAPS)
    db = new_db(org, page_size=20)
    db.execute("CREATE SCHEMA local")
    db.execute(f"CREATE TABLE local.{table} AS SELECT * FROM ado.{table}")
    db.execute("SET statement_timeout = '60s'")

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(conditions(table, samples_of(db, table)))
    def same_rows(where):
        # One transaction, one now().
        with db.connection.transaction():
            found = db.rows(f"SELECT {key(table)} FROM ado.{table} WHERE {where}")
            expected = db.rows(f"SELECT {key(table)} FROM local.{table} WHERE {where}")
        org.simulator.clear()
        assert sorted(found) == sorted(expected)

    same_rows()
